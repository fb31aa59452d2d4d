"""Gradient-boosted regression trees."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from fusionser.classifiers.base import Array
from fusionser.classifiers.booster import check_regression_booster
from fusionser.regressors.base import TableRegressor
from fusionser.target_scales import check_scales, standardised

__all__ = ["XGBoost"]


@dataclass(kw_only=True, eq=False, repr=False)
class XGBoost(TableRegressor):
    """Gradient-boosted trees of squared errors by XGBoost (Chen and Guestrin 2016), of standardised targets.

    Parameters
    ----------
    n_estimators : int, default=200
        Rounds of boosting, each with one tree per target.
    max_depth : int, default=4
    learning_rate : float, default=0.1
    subsample : float, default=0.8
        Share of rows used for each tree.
    colsample_bytree : float, default=0.3
        Share of columns used for each tree.
    max_bin : int, default=64
        Maximum number of bins into which the values of a column are grouped.
    device : str, default="cpu"
        "cuda" trains on a GPU.
    random_state : int, default=0

    Attributes
    ----------
    booster_ : xgboost.Booster
    center_, scale_ : ndarray of shape (n_targets,)
        Mean and standard deviation of each target in training.

    Examples
    --------
    >>> fitted = XGBoost(n_estimators=60).fit([[0.0], [1.0]] * 20, [[1.0, 7.0], [3.0, 9.0]] * 20)
    >>> fitted.predict([[1.5]]).round(1).tolist()
    [[3.0, 9.0]]
    """

    grid: ClassVar[Mapping[str, Sequence[Any]]] = {"max_depth": (3, 6), "learning_rate": (0.05, 0.1)}

    n_estimators: int = 200
    max_depth: int = 4
    learning_rate: float = 0.1
    subsample: float = 0.8
    colsample_bytree: float = 0.3
    max_bin: int = 64
    device: str = "cpu"
    random_state: int | None = 0

    PART: ClassVar[str] = "booster.json"

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the trees."""
        import xgboost

        values, targets = self._training(X, y)
        scaled, self.center_, self.scale_ = standardised(targets)
        settings = {
            "objective": "reg:squarederror",
            "max_depth": self.max_depth,
            "learning_rate": self.learning_rate,
            "subsample": self.subsample,
            "colsample_bytree": self.colsample_bytree,
            "tree_method": "hist",
            "max_bin": self.max_bin,
            "device": self.device,
            "seed": self.random_state or 0,
            # The sums over rows, and so the last digits, depend on the number of threads.
            "nthread": 1,
            "verbosity": 0,
        }
        data = xgboost.DMatrix(values, label=scaled)
        self.booster_ = xgboost.train(settings, data, num_boost_round=self.n_estimators)
        return self

    def numbers(self, values: Array) -> Array:
        """Return the prediction for checked columns, shape (n_rows, n_targets)."""
        import xgboost

        scaled = self.booster_.predict(xgboost.DMatrix(values)).astype(np.float64)
        return scaled.reshape(len(values), -1) * self.scale_ + self.center_

    def check_loaded(self) -> None:
        """Raise `ValueError` if the scales of the targets do not fit; `unpack` checks the trees."""
        check_scales(self.center_, self.scale_, self.n_targets_)

    def pack(self) -> dict[str, bytes]:
        """Remove the booster and return it as XGBoost's JSON, which can be checked before XGBoost reads it."""
        part = bytes(self.booster_.save_raw("json"))
        del self.booster_
        return {self.PART: part}

    def unpack(self, parts: Mapping[str, bytes]) -> None:
        """Restore the booster.

        Raises
        ------
        ValueError
            If the bytes are not a booster for these targets and columns.
        """
        import xgboost

        # Checked first, since XGBoost's reader follows some indices without bounds checks.
        check_regression_booster(json.loads(parts[self.PART]), self.n_targets_, self.n_features_in_)
        booster = xgboost.Booster()
        booster.load_model(bytearray(parts[self.PART]))
        self.booster_ = booster
