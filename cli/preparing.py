"""What every command that needs features does first."""

from typing import Any

from .console import progress_bar, warn_quarantine
from .options import Input, Run, names

__all__ = ["open_cache", "prepare_places"]


def open_cache(wanted: bool) -> Any:
    """Return the default cache, or None where none is wanted."""
    from fusionser.features import default_cache

    return default_cache() if wanted else None


def prepare_places(places: list[Any], features: Any, given: Input, run: Run) -> Any:
    """List the rows and extract their features, with a progress bar; say what was set apart."""
    from fusionser.experiments import prepare

    with progress_bar("features") as progress:
        prepared = prepare(
            places,
            features,
            classes=names(given.classes),
            cache=open_cache(run.cache),
            n_jobs=run.jobs,
            progress=progress,
            strict=given.strict,
        )
    warn_quarantine(prepared.quarantine, prepared.notes)
    return prepared
