"""Base class of all regressors."""

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import validate_data

from fusionser.classifiers.base import Array, TableEstimator
from fusionser.scaling import split_carried

__all__ = ["TableRegressor"]


class TableRegressor(RegressorMixin, TableEstimator):
    """A regressor that separates the carried columns of a table from its features, and predicts several targets.

    Attributes
    ----------
    n_targets_ : int
    flat_ : bool
        Whether the targets were given as one number per row, so that predictions have one dimension, too.
    """

    def _training(self, X: Any, y: Any) -> tuple[Array, Array]:
        """Return checked columns, and targets of shape (n_rows, n_targets)."""
        values, targets = validate_data(
            self, split_carried(X)[1], y, dtype=np.float64, multi_output=True, y_numeric=True
        )
        self.flat_ = targets.ndim == 1
        targets = np.asarray(targets, dtype=np.float64).reshape(len(values), -1)
        self.n_targets_ = int(targets.shape[1])
        return values, targets

    def numbers(self, values: Array) -> Array:
        """Return the prediction for checked columns, shape (n_rows, n_targets)."""
        raise NotImplementedError

    def predict(self, X: Any) -> Array:
        """Return the predicted numbers, shape (n_rows, n_targets); (n_rows,) if y had one dimension."""
        found = self.numbers(self._features(X))
        return found[:, 0] if self.flat_ else found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def standardised(targets: Array) -> tuple[Array, Array, Array]:
    """Return targets with mean 0 and standard deviation 1, and their means and deviations; 1 where all are equal.

    Examples
    --------
    >>> [part.tolist() for part in standardised(np.array([[1.0, 5.0], [3.0, 5.0]]))]
    [[[-1.0, 0.0], [1.0, 0.0]], [2.0, 5.0], [1.0, 1.0]]
    """
    center, scale = targets.mean(axis=0), targets.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    return (targets - center) / scale, center, scale


def check_scales(center: Any, scale: Any, targets: int) -> None:
    """Raise `ValueError` if means and deviations from a file are not those of `standardised`."""
    for values in (center, scale):
        if not isinstance(values, np.ndarray) or values.shape != (targets,) or not np.isfinite(values).all():
            raise ValueError("the means or deviations of the targets are not finite numbers, one for each")
    if not (scale > 0).all():
        raise ValueError("a deviation of a target is not positive")
