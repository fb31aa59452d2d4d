"""Gradient-boosted trees."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight

from fusionser.classifiers.base import Array, TableClassifier
from fusionser.classifiers.batches import Batches, BatchLearner, class_weights
from fusionser.classifiers.booster import check_booster
from fusionser.errors import SettingsError
from fusionser.folders import brief_folder
from fusionser.search_space import NumberRange, Space

__all__ = ["XGBoost"]


@dataclass(kw_only=True, eq=False, repr=False)
class XGBoost(BatchLearner, TableClassifier):
    """Gradient-boosted trees by XGBoost (Chen and Guestrin 2016).

    `fit_batches` gives the same trees as `fit`, on a CPU. It takes four passes over the rows, and keeps their values in
    temporary files with one byte each, which every round of boosting reads.

    Parameters
    ----------
    n_estimators : int, default=200
        Rounds of boosting, each with one tree per class.
    max_depth : int, default=4
    learning_rate : float, default=0.1
    subsample : float, default=0.8
        Share of rows used for each tree.
    colsample_bytree : float, default=0.3
        Share of columns used for each tree.
    max_bin : int, default=64
        Maximum number of bins into which the values of a column are grouped.
    class_weight : {"balanced"}, optional
        Weight each class by the inverse of its share.
    balance : str, optional
        Balancing of the training rows (see `TableClassifier`).
    device : str, default="cpu"
        "cuda" trains on a GPU.
    random_state : int, default=0

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    booster_ : xgboost.Booster

    Examples
    --------
    >>> XGBoost(n_estimators=20).fit([[0.0], [1.0]] * 20, ["calm", "sad"] * 20).predict([[1.5]]).tolist()
    ['sad']
    """

    grid: ClassVar[Mapping[str, Sequence[Any]]] = {"max_depth": (3, 6), "learning_rate": (0.05, 0.1)}
    space: ClassVar[Space] = {
        "max_depth": NumberRange(2, 10),
        "learning_rate": NumberRange(0.01, 0.3, log=True),
        "n_estimators": NumberRange(50, 500),
        "subsample": NumberRange(0.5, 1.0),
        "colsample_bytree": NumberRange(0.1, 1.0),
    }

    n_estimators: int = 200
    max_depth: int = 4
    learning_rate: float = 0.1
    subsample: float = 0.8
    colsample_bytree: float = 0.3
    max_bin: int = 64
    class_weight: str | None = None
    balance: str | None = None
    device: str = "cpu"
    random_state: int | None = 0

    PART: ClassVar[str] = "booster.json"

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the trees."""
        import xgboost

        values, labels = self._balanced(*self._training(X, y))
        weights = compute_sample_weight(self.class_weight, labels) if self.class_weight else None
        data = xgboost.DMatrix(values, label=np.searchsorted(self.classes_, labels), weight=weights)
        self.booster_ = xgboost.train(self._settings(), data, num_boost_round=self.n_estimators)
        return self

    def fit_batches(self, batches: Batches) -> Self:
        """Fit to rows that come in batches; see `BatchLearner.fit_batches`."""
        import xgboost

        from fusionser.classifiers.external_memory import BoostedRows, Rounds

        if self.device != "cpu":
            raise SettingsError(
                f"device is '{self.device}', but XGBoost reads rows that come in batches for the CPU; set it to 'cpu'"
            )
        counts = self._count_classes(batches)
        by_class = class_weights(self.class_weight, self.classes_, counts)

        def passes() -> Iterator[tuple[Array, Array, Array | None]]:
            for batch in self._checked(batches, counts.rows):
                codes = np.searchsorted(self.classes_, batch.labels)
                own = 1.0 if batch.weights is None else batch.weights
                yield batch.values, codes, by_class[codes] * own if counts.weighted or self.class_weight else None

        with brief_folder() as folder:
            data = xgboost.ExtMemQuantileDMatrix(BoostedRows(passes, folder), max_bin=self.max_bin, nthread=1)
            rounds = [Rounds(self.n_estimators)]
            self.booster_ = xgboost.train(self._settings(), data, num_boost_round=self.n_estimators, callbacks=rounds)
            # It reads its files until it is freed.
            del data
        return self

    def _settings(self) -> dict[str, Any]:
        """Return the settings of the booster."""
        return {
            "objective": "multi:softprob",
            "num_class": len(self.classes_),
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

    def probabilities(self, values: Array) -> Array:
        """Return the probability of each class for checked columns, shape (n_rows, n_classes)."""
        import xgboost

        return self.booster_.predict(xgboost.DMatrix(values)).astype(np.float64)

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
            If the bytes are not a booster for these classes and columns.
        """
        import xgboost

        # Checked first, since XGBoost's reader follows some indices without bounds checks.
        check_booster(json.loads(parts[self.PART]), len(self.classes_), self.n_features_in_)
        booster = xgboost.Booster()
        booster.load_model(bytearray(parts[self.PART]))
        self.booster_ = booster
