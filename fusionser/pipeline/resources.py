"""Where work runs, and where its results are cached."""

from dataclasses import dataclass

from fusionser.cache import CacheChoice
from fusionser.checks import check_jobs

__all__ = ["LOCAL", "Resources"]


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Where work runs. What is computed depends only on the specification.

    Parameters
    ----------
    device : str, default="auto"
        Device of networks, resolved by `choose_device`.
    feature_device : str, default="cpu"
        Device for spectra.
    n_jobs : int, optional
        Number of extraction processes and classifier threads; -1 means one per core.
    cache : Cache or bool, default=True
        Where features and trained networks are cached. True is the default cache, False none.
    """

    device: str = "auto"
    feature_device: str = "cpu"
    n_jobs: int | None = None
    cache: CacheChoice = True

    def __post_init__(self) -> None:
        """Raise `SettingsError` if there are more processes than this machine can have."""
        check_jobs(self.n_jobs)


LOCAL = Resources()
"""The current process, the best available device, and the default cache."""
