"""A classifier by its name."""

from fusionser.classifiers.base import TableClassifier
from fusionser.errors import SettingsError
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
        If no classifier has that name, or it has no parameter for the weights or the balancing.

    Examples
    --------
    >>> classifier("random-forest", seed=3).random_state
    3
    """
    built: TableClassifier = CLASSIFIERS.named(name)()
    settings = {"random_state": seed, "class_weight": class_weight, "balance": balance, "n_jobs": n_jobs}
    for key in ("class_weight", "balance"):
        if settings[key] is not None and key not in built.get_params():
            raise SettingsError(
                f"the classifier '{name}' has no parameter '{key}', so it cannot use the imbalance strategy "
                f"'{balance or 'weights'}'; choose a strategy that acts on rows, such as oversample"
            )
    if device is not None and isinstance(built, NetworkTraining):
        settings["device"] = device
    built.set_params(**{key: value for key, value in settings.items() if key in built.get_params()})
    return built
