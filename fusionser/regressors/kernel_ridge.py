"""Kernel ridge regression."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.metrics.pairwise import rbf_kernel

from fusionser.classifiers.base import Array
from fusionser.classifiers.kernel_features import LandmarkMachine, kernel_width
from fusionser.classifiers.kernel_first import MOST_AT_ONCE
from fusionser.classifiers.kernel_ridge import ridge_weights
from fusionser.classifiers.kernel_size import check_kernel_size
from fusionser.linear_algebra import one_thread
from fusionser.regressors.base import TableRegressor
from fusionser.target_scales import check_scales, standardised

__all__ = ["KernelRidge"]


@dataclass(kw_only=True, eq=False, repr=False)
class KernelRidge(TableRegressor):
    """Kernel ridge regression of standardised targets, with one machine for all.

    It suits many columns and few rows, such as Fisher vectors.

    Parameters
    ----------
    alpha : float, default=0.3
        Weight of the penalty on large coefficients, above 0.
    gamma : "scale" or float, default="scale"
        Width of the radial basis function; "scale" is 1 / (columns x variance).
    most_rows : int, default=10000
        Refuse to fit more rows, since the time grows with their cube and the memory with their square; None is no
        limit. `LinearSVM` is for more.
    random_state : int, default=0
        Changes nothing, since nothing is drawn.

    Attributes
    ----------
    landmarks_ : ndarray of shape (n_rows, n_columns)
        The training rows.
    weights_ : ndarray of shape (n_rows, n_targets)
        Of the radial basis functions around the training rows, for each standardised target.
    intercept_ : ndarray of shape (n_targets,)
        Zeros, since the targets are standardised.
    gamma_ : float
        The width as a number.
    center_, scale_ : ndarray of shape (n_targets,)
        Mean and standard deviation of each target in training.

    Examples
    --------
    >>> X = np.linspace(0, 1, 40)[:, None]
    >>> KernelRidge(alpha=0.01).fit(X, np.c_[X, 5 - X]).predict([[0.5]]).round(1).tolist()
    [[0.5, 4.5]]
    """

    grid: ClassVar[Mapping[str, Sequence[Any]]] = {"alpha": (0.1, 0.3, 1.0), "gamma": ("scale", 3e-4)}

    alpha: float = 0.3
    gamma: float | str = "scale"
    most_rows: int | None = MOST_AT_ONCE
    random_state: int | None = 0

    def check_size(self, rows: int) -> None:
        """Raise `SettingsError` for more rows than `most_rows`."""
        check_kernel_size(rows, self.most_rows, "kernel-ridge", "cube")

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the machine to all targets."""
        values, targets = self._training(X, y)
        self.check_size(len(targets))
        scaled, self.center_, self.scale_ = standardised(targets)
        self.gamma_ = kernel_width(self.gamma, values.shape[1] * values.var())
        with one_thread():
            self.weights_ = ridge_weights(rbf_kernel(values, gamma=self.gamma_), scaled, self.alpha)
        # A copy, since the rows may be the caller's.
        self.landmarks_, self.intercept_ = np.array(values, order="C"), np.zeros(self.n_targets_)
        return self

    def numbers(self, values: Array) -> Array:
        """Return the prediction for checked columns, shape (n_rows, n_targets)."""
        return LandmarkMachine.of(self).outputs(values) * self.scale_ + self.center_

    def check_loaded(self) -> None:
        """Raise `ValueError` if the machine was fitted to other columns or targets."""
        LandmarkMachine.of(self).check(self.n_features_in_, self.n_targets_)
        check_scales(self.center_, self.scale_, self.n_targets_)
