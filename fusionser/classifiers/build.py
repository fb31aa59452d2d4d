"""A classifier by its name."""

from fusionser.classifiers.base import TableClassifier
from fusionser.networks.settings import NetworkTraining
from fusionser.registry import CLASSIFIERS

__all__ = ["classifier"]


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
