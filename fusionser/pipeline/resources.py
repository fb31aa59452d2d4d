"""Where work runs, and where its results are cached."""

from dataclasses import dataclass

from fusionser.cache import CacheChoice
from fusionser.checks import check_jobs, check_processes
from fusionser.memory import check_memory_limit

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
    processes : int, default=1
        Number of processes that train one network together (see `DeepExtractor`).
    memory_limit : int or str, optional
        Largest size of the inputs of networks that are kept in memory, as a number of bytes or as text such as "4GiB";
        an eighth of the free memory when None. Larger ones are on disk.
    """

    device: str = "auto"
    feature_device: str = "cpu"
    n_jobs: int | None = None
    cache: CacheChoice = True
    processes: int = 1
    memory_limit: int | str | None = None

    def __post_init__(self) -> None:
        """Raise `SettingsError` if there are more processes than this machine can have, or the limit is no size."""
        check_jobs(self.n_jobs)
        check_processes(self.processes)
        check_memory_limit(self.memory_limit)


LOCAL = Resources()
"""The current process, the best available device, and the default cache."""
