"""The classifiers, by name.

They take a table of features (with or without the carried columns of its rows) or an array, and labels of any type.
The probabilities of `predict_proba` are in the order of `classes_` and sum to one.
"""

from typing import TYPE_CHECKING

from fusionser.classifiers.base import MemberClassifier as MemberClassifier
from fusionser.classifiers.base import TableClassifier as TableClassifier
from fusionser.lazy import lazy_package
from fusionser.networks.settings import NetworkTraining
from fusionser.registry import CLASSIFIERS as CLASSIFIERS

if TYPE_CHECKING:
    from fusionser.classifiers.bagging import BAGGING as BAGGING
    from fusionser.classifiers.bagging import BalancedBagging as BalancedBagging
    from fusionser.classifiers.gradient_boosting import XGBoost as XGBoost
    from fusionser.classifiers.late import LateFusion as LateFusion
    from fusionser.classifiers.neural import LSTM as LSTM
    from fusionser.classifiers.neural import MLP as MLP
    from fusionser.classifiers.neural import BiLSTM as BiLSTM
    from fusionser.classifiers.random_forest import RandomForest as RandomForest
    from fusionser.classifiers.svm import SVM as SVM
else:
    __getattr__, __dir__, __all__ = lazy_package(__name__, "CLASSIFIERS", "classifier")


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
    class_weight : {"balanced"}, optional
        Weight each class by the inverse of its share.
    balance : str, optional
        One of `COLUMN_BALANCINGS`.
    n_jobs : int, optional
        Number of threads, for classifiers that use threads.
    device : str, optional
        Device of a network; classifiers without a network ignore it.

    Raises
    ------
    SettingsError
        If no classifier has that name.

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
