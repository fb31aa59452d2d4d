"""A regressor by its name."""

from fusionser.networks.settings import NetworkTraining
from fusionser.registry import REGRESSORS
from fusionser.regressors.base import TableRegressor

__all__ = ["regressor"]


def regressor(name: str, *, seed: int = 0, n_jobs: int | None = None, device: str | None = None) -> TableRegressor:
    """Build a regressor by name.

    Parameters
    ----------
    name : str
        A key of `REGRESSORS`.
    seed : int, default=0
    n_jobs : int, optional
        Number of threads, for regressors that use threads.
    device : str, optional
        Device of a network; regressors without a network ignore it.

    Raises
    ------
    SettingsError
        If no regressor has that name.

    Examples
    --------
    >>> regressor("random-forest", seed=3).random_state
    3
    """
    built: TableRegressor = REGRESSORS.named(name)()
    settings: dict[str, int | str | None] = {"random_state": seed, "n_jobs": n_jobs}
    if device is not None and isinstance(built, NetworkTraining):
        settings["device"] = device
    return built.set_params(**{key: value for key, value in settings.items() if key in built.get_params()})
