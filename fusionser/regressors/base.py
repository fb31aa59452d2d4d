"""Base class of all regressors."""

from typing import Any, ClassVar

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

    FEWEST: ClassVar[int] = 1
    """Rows that `fit` needs."""

    def _training(self, X: Any, y: Any) -> tuple[Array, Array]:
        """Return checked columns, and targets of shape (n_rows, n_targets)."""
        options = {"dtype": np.float64, "multi_output": True, "y_numeric": True}
        values, targets = validate_data(self, split_carried(X)[1], y, ensure_min_samples=self.FEWEST, **options)
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
