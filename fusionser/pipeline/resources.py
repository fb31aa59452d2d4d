"""Where work runs, and where what is computed is kept."""

from dataclasses import dataclass

from fusionser.cache import CacheChoice

__all__ = ["LOCAL", "Resources"]


@dataclass(frozen=True, kw_only=True)
class Resources:
    """Where work runs; a specification says what is computed, and this has no part in it.

    Parameters
    ----------
    device : str, default="auto"
        Of networks, see `choose_device`.
    feature_device : str, default="cpu"
        Where spectra are computed.
    n_jobs : int, optional
        Processes of the extraction and threads of the classifiers; -1 is one a core.
    cache : Cache or bool, default=True
        Where features and trained networks are looked up and kept; True is the default cache, False none.
    """

    device: str = "auto"
    feature_device: str = "cpu"
    n_jobs: int | None = None
    cache: CacheChoice = True


LOCAL = Resources()
"""This process, the best device that it has, and the default cache."""
