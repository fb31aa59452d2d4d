"""Support vector regression."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.svm import SVR

from fusionser.classifiers.base import Array
from fusionser.classifiers.bounds import check_regression_machine, expect
from fusionser.classifiers.kernel_first import KernelFirst
from fusionser.classifiers.kernel_size import MOST_ROWS, check_kernel_size
from fusionser.regressors.base import TableRegressor
from fusionser.target_scales import check_scales, standardised

__all__ = ["SVM"]


class KernelSVR(KernelFirst, SVR):
    """An `SVR` that is fitted to a kernel computed beforehand (see `KernelFirst`)."""


@dataclass(kw_only=True, eq=False, repr=False)
class SVM(TableRegressor):
    """Support vector regression (SVR) of standardised targets, with one machine for each (Drucker et al. 1997).

    Parameters
    ----------
    C : float, default=1.0
        Penalty on errors larger than `epsilon`, above 0.
    epsilon : float, default=0.1
        Errors up to this many standard deviations of the target cost nothing.
    kernel : {"rbf", "linear"}, default="rbf"
    gamma : "scale" or float, default="scale"
        Width of the radial basis function; "scale" is 1 / (columns x variance).
    most_rows : int, default=30000
        Refuse to fit more rows, since the time grows with their square; None is no limit. `LinearSVM` is for more.
    random_state : int, default=0
        Changes nothing, since nothing is drawn.

    Attributes
    ----------
    machines_ : list of SVR
        One for each target.
    center_, scale_ : ndarray of shape (n_targets,)
        Mean and standard deviation of each target in training.

    Examples
    --------
    >>> X = np.linspace(0, 1, 40)[:, None]
    >>> SVM(C=10.0).fit(X, np.c_[X, 5 - X]).predict([[0.5]]).round(1).tolist()
    [[0.5, 4.5]]
    """

    grid: ClassVar[Mapping[str, Sequence[Any]]] = {"C": (0.1, 1.0, 10.0), "gamma": ("scale", 3e-4)}

    C: float = 1.0
    epsilon: float = 0.1
    kernel: str = "rbf"
    gamma: float | str = "scale"
    most_rows: int | None = MOST_ROWS
    random_state: int | None = 0

    def unused(self) -> Sequence[str]:
        """Return ``gamma`` for the linear kernel."""
        return ("gamma",) if self.kernel == "linear" else ()

    def check_size(self, rows: int) -> None:
        """Raise `SettingsError` for more rows than `most_rows`."""
        check_kernel_size(rows, self.most_rows)

    def fit(self, X: Any, y: Any) -> Self:
        """Fit one machine to each target."""
        values, targets = self._training(X, y)
        self.check_size(len(targets))
        scaled, self.center_, self.scale_ = standardised(targets)
        settings = {name: getattr(self, name) for name in ("C", "epsilon", "kernel", "gamma")}
        self.machines_: list[KernelSVR] = [KernelSVR(**settings).fit(values, target) for target in scaled.T]
        return self

    def numbers(self, values: Array) -> Array:
        """Return the prediction for checked columns, shape (n_rows, n_targets)."""
        scaled = np.stack([machine.predict(values) for machine in self.machines_], axis=1)
        return scaled * self.scale_ + self.center_

    def check_loaded(self) -> None:
        """Raise `ValueError` if a machine has another type or was fitted to other columns."""
        if not isinstance(self.machines_, list) or len(self.machines_) != self.n_targets_:
            raise ValueError("a support vector regression that lacks one machine per target")
        for machine in self.machines_:
            expect(machine, SVR, KernelSVR)
            check_regression_machine(machine, self.n_features_in_)
        check_scales(self.center_, self.scale_, self.n_targets_)
