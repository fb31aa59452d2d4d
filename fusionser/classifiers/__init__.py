"""The classifiers, each under one name.

They take a table of features (with or without the carried columns of its rows) or an array, and any labels;
`predict_proba` sums to one over `classes_`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from fusionser.classifiers.bagging import BAGGING, BalancedBagging
from fusionser.classifiers.base import MemberClassifier, TableClassifier
from fusionser.classifiers.gradient_boosting import XGBoost
from fusionser.classifiers.late import METHODS, LateFusion
from fusionser.classifiers.neural import LSTM, MLP, BiLSTM
from fusionser.classifiers.random_forest import RandomForest
from fusionser.classifiers.svm import SVM
from fusionser.errors import unknown_name
from fusionser.networks.settings import NetworkTraining

__all__ = [
    "BAGGING",
    "CLASSIFIERS",
    "GRIDS",
    "LSTM",
    "METHODS",
    "MLP",
    "SVM",
    "BalancedBagging",
    "BiLSTM",
    "LateFusion",
    "MemberClassifier",
    "RandomForest",
    "TableClassifier",
    "XGBoost",
    "classifier",
]

CLASSIFIERS: Mapping[str, type[TableClassifier]] = MappingProxyType(
    {"svm": SVM, "random-forest": RandomForest, "xgboost": XGBoost, "mlp": MLP, "lstm": LSTM, "bilstm": BiLSTM}
)
"""Every classifier by its name."""

GRIDS: Mapping[str, Mapping[str, tuple[Any, ...]]] = MappingProxyType(
    {
        "svm": MappingProxyType({"C": (1.0, 10.0, 100.0), "gamma": ("scale", 3e-4)}),
        "random-forest": MappingProxyType({"max_features": ("sqrt", 0.1), "min_samples_leaf": (1, 3)}),
        "xgboost": MappingProxyType({"max_depth": (3, 6), "learning_rate": (0.05, 0.1)}),
        "mlp": MappingProxyType({"hidden": ((12, 10), (64, 32)), "dropout": (0.0, 0.3)}),
        "lstm": MappingProxyType({"units": (32, 64), "dropout": (0.2, 0.5)}),
        "bilstm": MappingProxyType({"units": (32, 64), "dropout": (0.2, 0.5)}),
    }
)
"""What a search over inner folds tries for each classifier."""


def classifier(
    name: str,
    *,
    seed: int = 0,
    class_weight: str | None = None,
    balance: str | None = None,
    n_jobs: int | None = None,
    device: str | None = None,
) -> TableClassifier:
    """Build a classifier by name.

    Parameters
    ----------
    name : str
        A key of `CLASSIFIERS`.
    seed : int, default=0
    class_weight : "balanced" or None
    balance : str, optional
        A key of `COLUMN_BALANCINGS`.
    n_jobs : int, optional
        Threads, where the classifier uses any.
    device : str, optional
        Where a network is trained; the classical three stay on the CPU.

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
    settings = {"random_state": seed, "class_weight": class_weight, "balance": balance, "n_jobs": n_jobs}
    if device is not None and issubclass(CLASSIFIERS[name], NetworkTraining):
        settings["device"] = device
    built.set_params(**{key: value for key, value in settings.items() if key in built.get_params()})
    return built
