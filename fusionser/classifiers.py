"""The classifiers, each under one name.

They take a table of features (with or without the carried columns of its rows) or an array, and any labels;
`predict_proba` sums to one over `classes_`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import SVC
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from fusionser.errors import SettingsError, unknown_name
from fusionser.evaluation.protocols import InnerFolds
from fusionser.fusion import split_carried

__all__ = ["CLASSIFIERS", "GRIDS", "SVM", "RandomForest", "XGBoost", "classifier"]

Array = npt.NDArray[Any]


class TableClassifier(ClassifierMixin, BaseEstimator):
    """A classifier that sets the carried columns aside before it looks at the features."""

    def _training(self, X: Any, y: Any) -> tuple[Array, Array]:
        _, features = split_carried(X)
        values, labels = validate_data(self, features, y, dtype=np.float64)
        check_classification_targets(labels)
        self.classes_: Array = np.unique(labels)
        if len(self.classes_) < 2:
            raise SettingsError(
                f"got one class, '{self.classes_[0]}', in {len(labels)} rows; a classifier needs two classes or more"
            )
        return values, labels

    def _features(self, X: Any) -> Array:
        check_is_fitted(self)
        _, features = split_carried(X)
        values: Array = validate_data(self, features, dtype=np.float64, reset=False)
        return values

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, shape (n_rows, n_classes), in the order of `classes_`."""
        raise NotImplementedError

    def predict(self, X: Any) -> Array:
        """Return the most probable class of each row, shape (n_rows,)."""
        best = self.predict_proba(X).argmax(axis=1)
        predicted: Array = self.classes_[best]
        return predicted

    def pack(self) -> dict[str, bytes]:
        """Take out the fitted parts that have a format of their own, as bytes by name, for a saved model."""
        return {}

    def unpack(self, parts: Mapping[str, bytes]) -> None:
        """Put back what `pack` took out."""


@dataclass(kw_only=True, eq=False, repr=False)
class SVM(TableClassifier):
    """Support vector machine with probabilities calibrated on held-out training speakers.

    `predict` is the machine's own decision (one against one); `predict_proba` comes from sigmoids fitted to
    its out-of-fold decision values (Platt 1999) and normalised, so in close calls the two can differ.

    Parameters
    ----------
    C : float, default=10.0
        Penalty of margin violations, above 0.
    kernel : {"rbf", "linear"}, default="rbf"
    gamma : "scale" or float, default="scale"
        Width of the radial basis function; "scale" is 1 / (columns x variance).
    class_weight : "balanced" or None
        "balanced" weighs each class by the inverse of its share.
    probability : bool, default=True
        Fit the sigmoids; without them `predict_proba` is a softmax of the decision values.
    random_state : int, default=0
        Deals the calibration folds.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    svc_ : SVC
    calibrator_ : CalibratedClassifierCV or None

    Examples
    --------
    >>> X = np.r_[np.zeros((9, 2)), np.ones((9, 2))] + np.random.default_rng(0).normal(0, 0.1, (18, 2))
    >>> str(SVM().fit(X, ["calm"] * 9 + ["sad"] * 9).predict([[1.0, 1.0]])[0])
    'sad'
    """

    C: float = 10.0
    kernel: str = "rbf"
    gamma: float | str = "scale"
    class_weight: str | None = None
    probability: bool = True
    random_state: int | None = 0

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the machine, then its sigmoids on folds by speaker."""
        values, labels = self._training(X, y)
        machine = SVC(C=self.C, kernel=self.kernel, gamma=self.gamma, class_weight=self.class_weight)
        self.calibrator_ = None
        if self.probability and np.unique(labels, return_counts=True)[1].min() >= 2:
            carried, _ = split_carried(X)
            folds = InnerFolds(seed=self.random_state or 0)
            splits = list(folds.split(values if carried is None else carried, labels))
            self.calibrator_ = CalibratedClassifierCV(machine, cv=splits, ensemble=False).fit(values, labels)
            self.svc_ = self.calibrator_.calibrated_classifiers_[0].estimator
        else:
            self.svc_ = machine.fit(values, labels)
        return self

    def decision_function(self, X: Any) -> Array:
        """Return the machine's decision values, shape (n_rows, n_classes), or (n_rows,) for two classes."""
        features = self._features(X)
        values: Array = self.svc_.decision_function(features)
        return values

    def predict(self, X: Any) -> Array:
        """Return the machine's own decision, shape (n_rows,)."""
        features = self._features(X)
        predicted: Array = self.svc_.predict(features)
        return predicted

    def predict_proba(self, X: Any) -> Array:
        """Return the calibrated probability of each class, shape (n_rows, n_classes)."""
        values = self._features(X)
        if self.calibrator_ is not None:
            calibrated: Array = self.calibrator_.predict_proba(values)
            return calibrated
        decision = self.svc_.decision_function(values)
        if decision.ndim == 1:
            decision = np.stack([-decision, decision], axis=1)
        shares = np.exp(decision - decision.max(axis=1, keepdims=True))
        softmax: Array = shares / shares.sum(axis=1, keepdims=True)
        return softmax


@dataclass(kw_only=True, eq=False, repr=False)
class RandomForest(TableClassifier):
    """Random forest (Breiman 2001).

    Parameters
    ----------
    n_estimators : int, default=500
        Number of trees.
    max_features : "sqrt" or float, default="sqrt"
        Columns tried at each split.
    min_samples_leaf : int, default=1
    class_weight : "balanced" or None
    random_state : int, default=0
    n_jobs : int, optional
        Threads; -1 is all cores. The forest is the same whatever their number.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    forest_ : RandomForestClassifier

    Examples
    --------
    >>> RandomForest(n_estimators=10).fit([[0.0], [1.0]] * 5, ["calm", "sad"] * 5).predict([[0.9]]).tolist()
    ['sad']
    """

    n_estimators: int = 500
    max_features: float | str = "sqrt"
    min_samples_leaf: int = 1
    class_weight: str | None = None
    random_state: int | None = 0
    n_jobs: int | None = None

    def fit(self, X: Any, y: Any) -> Self:
        """Grow the forest."""
        values, labels = self._training(X, y)
        self.forest_ = RandomForestClassifier(
            n_estimators=self.n_estimators,
            max_features=self.max_features,
            min_samples_leaf=self.min_samples_leaf,
            class_weight=self.class_weight,
            random_state=self.random_state,
            n_jobs=self.n_jobs,
        ).fit(values, labels)
        return self

    def predict_proba(self, X: Any) -> Array:
        """Return the mean vote of the trees for each class, shape (n_rows, n_classes)."""
        features = self._features(X)
        shares: Array = self.forest_.predict_proba(features)
        return shares


@dataclass(kw_only=True, eq=False, repr=False)
class XGBoost(TableClassifier):
    """Gradient-boosted trees (Chen and Guestrin 2016), with a softmax over the classes.

    Parameters
    ----------
    n_estimators : int, default=200
        Rounds of boosting, one tree a class each.
    max_depth : int, default=4
    learning_rate : float, default=0.1
    subsample, colsample_bytree : float, default=0.8, 0.3
        Share of rows and of columns that each tree sees.
    max_bin : int, default=64
        Number of steps that a column's values are rounded to.
    class_weight : "balanced" or None
    device : str, default="cpu"
        "cuda" trains on a GPU.
    random_state : int, default=0
    n_jobs : int, optional
        Threads; all cores when None.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    booster_ : xgboost.Booster

    Examples
    --------
    >>> XGBoost(n_estimators=20).fit([[0.0], [1.0]] * 20, ["calm", "sad"] * 20).predict([[1.5]]).tolist()
    ['sad']
    """

    n_estimators: int = 200
    max_depth: int = 4
    learning_rate: float = 0.1
    subsample: float = 0.8
    colsample_bytree: float = 0.3
    max_bin: int = 64
    class_weight: str | None = None
    device: str = "cpu"
    random_state: int | None = 0
    n_jobs: int | None = None

    PART: ClassVar[str] = "booster.ubj"

    def fit(self, X: Any, y: Any) -> Self:
        """Boost the trees."""
        import xgboost

        values, labels = self._training(X, y)
        weights = compute_sample_weight(self.class_weight, labels) if self.class_weight else None
        data = xgboost.DMatrix(values, label=np.searchsorted(self.classes_, labels), weight=weights)
        settings = {
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
            "nthread": self.n_jobs or 0,
            "verbosity": 0,
        }
        self.booster_ = xgboost.train(settings, data, num_boost_round=self.n_estimators)
        return self

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, shape (n_rows, n_classes)."""
        import xgboost

        features = self._features(X)
        shares: Array = self.booster_.predict(xgboost.DMatrix(features))
        return shares.astype(np.float64)

    def pack(self) -> dict[str, bytes]:
        """Take the booster out, in XGBoost's own UBJSON."""
        part = bytes(self.booster_.save_raw("ubj"))
        del self.booster_
        return {self.PART: part}

    def unpack(self, parts: Mapping[str, bytes]) -> None:
        """Put the booster back.

        Raises
        ------
        ValueError
            When the bytes are not a booster for this many classes.
        """
        import xgboost

        booster = xgboost.Booster()
        booster.load_model(bytearray(parts[self.PART]))
        learner = json.loads(booster.save_config())["learner"]["learner_model_param"]
        if int(learner["num_class"]) != len(self.classes_) or int(learner["num_feature"]) != self.n_features_in_:
            raise ValueError(
                f"the booster has {learner['num_class']} classes and {learner['num_feature']} columns; expected "
                f"{len(self.classes_)} and {self.n_features_in_}"
            )
        self.booster_ = booster


CLASSIFIERS: Mapping[str, type[TableClassifier]] = MappingProxyType(
    {"svm": SVM, "random-forest": RandomForest, "xgboost": XGBoost}
)
"""Every classifier by its name."""

GRIDS: Mapping[str, Mapping[str, tuple[Any, ...]]] = MappingProxyType(
    {
        "svm": MappingProxyType({"C": (1.0, 10.0, 100.0), "gamma": ("scale", 3e-4)}),
        "random-forest": MappingProxyType({"max_features": ("sqrt", 0.1), "min_samples_leaf": (1, 3)}),
        "xgboost": MappingProxyType({"max_depth": (3, 6), "learning_rate": (0.05, 0.1)}),
    }
)
"""What a search over inner folds tries for each classifier."""


def classifier(
    name: str, *, seed: int = 0, class_weight: str | None = None, n_jobs: int | None = None
) -> TableClassifier:
    """Build a classifier by name.

    Parameters
    ----------
    name : str
        A key of `CLASSIFIERS`.
    seed : int, default=0
    class_weight : "balanced" or None
    n_jobs : int, optional
        Threads, where the classifier uses any.

    Raises
    ------
    SettingsError
        When no classifier has that name.

    Examples
    --------
    >>> classifier("random-forest", seed=3).random_state
    3
    """
    if name not in CLASSIFIERS:
        raise unknown_name("classifier", name, CLASSIFIERS)
    built = CLASSIFIERS[name]()
    settings = {"random_state": seed, "class_weight": class_weight, "n_jobs": n_jobs}
    built.set_params(**{key: value for key, value in settings.items() if key in built.get_params()})
    return built
