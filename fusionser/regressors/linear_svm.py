"""Linear support vector regression on kernel features, for many rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.linear_model import SGDRegressor
from threadpoolctl import threadpool_limits

from fusionser.classifiers.base import Array
from fusionser.classifiers.descent import epochs_for, record_type
from fusionser.classifiers.kernel_features import KernelFeatures, LandmarkMachine, RowSample
from fusionser.classifiers.shuffled_rows import BLOCK, ShuffledRows
from fusionser.progress import report_step
from fusionser.regressors.base import TableRegressor
from fusionser.target_scales import check_scales, standardised

__all__ = ["LinearSVM"]

STEP = 0.1
"""Length of the steps of descent."""


@dataclass(kw_only=True, eq=False, repr=False)
class LinearSVM(TableRegressor):
    """Linear support vector regression on kernel features, whose time grows with the rows and not with their square.

    The features are those of the classifier of the same name. One linear machine for each standardised target is
    trained by averaged stochastic gradient descent on the epsilon-insensitive loss.

    Parameters
    ----------
    n_components : int, default=1000
        Number of landmarks. More approximate the kernel better, and take longer.
    gamma : "scale" or float, default="scale"
        Width of the radial basis function; "scale" is 1 / (columns x variance).
    alpha : float, default=1e-4
        Weight of the penalty on large coefficients, above 0.
    epsilon : float, default=0.1
        Errors up to this many standard deviations of the target cost nothing.
    epochs : int, optional
        Passes over the features. None is as many as see 200 000 rows, from 5 to 20.
    random_state : int, default=0
        Seed of the landmarks and of the order of the rows.

    Attributes
    ----------
    landmarks_ : ndarray of shape (n_landmarks, n_columns)
    weights_ : ndarray of shape (n_landmarks, n_targets)
        Of the radial basis functions around the landmarks, for each standardised target.
    intercept_ : ndarray of shape (n_targets,)
    gamma_ : float
        The width as a number.
    center_, scale_ : ndarray of shape (n_targets,)
        Mean and standard deviation of each target in training.

    Examples
    --------
    >>> X = np.linspace(0, 1, 400)[:, None]
    >>> LinearSVM().fit(X, np.c_[X, 5 - X]).predict([[0.5]]).round(1).tolist()
    [[0.5, 4.5]]
    """

    grid: ClassVar[Mapping[str, Sequence[Any]]] = {"alpha": (1e-5, 1e-4, 1e-3), "gamma": ("scale", 3e-4)}

    n_components: int = 1000
    gamma: float | str = "scale"
    alpha: float = 1e-4
    epsilon: float = 0.1
    epochs: int | None = None
    random_state: int | None = 0

    def fit(self, X: Any, y: Any) -> Self:
        """Fit one machine to each target."""
        values, targets = self._training(X, y)
        scaled, self.center_, self.scale_ = standardised(targets)
        seed = self.random_state or 0
        sample = RowSample(2 * self.n_components, seed)
        sample.add(values)
        with threadpool_limits(1, user_api="blas"):
            kernel = KernelFeatures(sample, self.n_components, self.gamma, seed)
            dtype = record_type(kernel.count, [("target", "f8", (self.n_targets_,))])
            with ShuffledRows(len(values), dtype, seed) as store:
                for first in range(0, len(values), BLOCK):
                    part = slice(first, first + BLOCK)
                    records = np.empty(len(values[part]), dtype=dtype)
                    records["features"], records["target"] = kernel.of(values[part]), scaled[part]
                    store.add(records)
                machines = self._machines(store, len(values))
        coefficients = np.stack([machine.coef_ for machine in machines])
        machine = kernel.machine(coefficients, np.concatenate([machine.intercept_ for machine in machines]))
        self.landmarks_, self.weights_ = machine.landmarks, machine.weights
        self.intercept_, self.gamma_ = machine.intercept, machine.gamma
        return self

    def _machines(self, store: ShuffledRows, rows: int) -> list[SGDRegressor]:
        epochs = epochs_for(rows, self.epochs)
        settings = {"loss": "epsilon_insensitive", "epsilon": self.epsilon, "alpha": self.alpha, "shuffle": False}
        # Its mean converges, so the steps need not become smaller.
        settings |= {"learning_rate": "constant", "eta0": STEP}
        # The mean of the coefficients over the second half of the training.
        average = max(1, rows * epochs // 2)
        machines = [SGDRegressor(average=average, **settings) for _ in range(self.n_targets_)]
        for epoch in range(epochs):
            for block in store.blocks():
                features = block["features"].astype(np.float64)
                for place, machine in enumerate(machines):
                    machine.partial_fit(features, block["target"][:, place])
            report_step("linear-svm, epochs", epoch + 1, epochs)
        return machines

    def numbers(self, values: Array) -> Array:
        """Return the prediction for checked columns, shape (n_rows, n_targets)."""
        return LandmarkMachine.of(self).outputs(values) * self.scale_ + self.center_

    def check_loaded(self) -> None:
        """Raise `ValueError` if the machine was fitted to other columns or targets."""
        LandmarkMachine.of(self).check(self.n_features_in_, self.n_targets_)
        check_scales(self.center_, self.scale_, self.n_targets_)
