"""The classifiers, each under one name.

They take a table of features (with or without the carried columns of its rows) or an array, and any labels;
`predict_proba` sums to one over `classes_`.
"""

from typing import TYPE_CHECKING

from fusionser.classifiers.base import MemberClassifier, TableClassifier
from fusionser.lazy import lazy_names
from fusionser.networks.settings import NetworkTraining
from fusionser.registry import CLASSIFIERS

if TYPE_CHECKING:
    from fusionser.classifiers.bagging import BAGGING, BalancedBagging
    from fusionser.classifiers.gradient_boosting import XGBoost
    from fusionser.classifiers.late import LateFusion
    from fusionser.classifiers.neural import LSTM, MLP, BiLSTM
    from fusionser.classifiers.random_forest import RandomForest
    from fusionser.classifiers.svm import SVM
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            ".bagging": ("BAGGING", "BalancedBagging"),
            ".gradient_boosting": ("XGBoost",),
            ".late": ("LateFusion",),
            ".neural": ("LSTM", "MLP", "BiLSTM"),
            ".random_forest": ("RandomForest",),
            ".svm": ("SVM",),
        },
    )

__all__ = [
    "BAGGING",
    "CLASSIFIERS",
    "LSTM",
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
        One of `COLUMN_BALANCINGS`.
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
    built: TableClassifier = CLASSIFIERS.named(name)()
    settings = {"random_state": seed, "class_weight": class_weight, "balance": balance, "n_jobs": n_jobs}
    if device is not None and isinstance(built, NetworkTraining):
        settings["device"] = device
    built.set_params(**{key: value for key, value in settings.items() if key in built.get_params()})
    return built
