"""What every command that needs features does first."""

import atexit
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .console import progress_bar, warn_quarantine
from .options import Input, Run, names

__all__ = ["extract_places", "open_cache", "prepare_copies", "prepare_places"]


def open_cache(wanted: bool) -> Any:
    """Return the default cache; where none is wanted, one that is gone when the command ends."""
    from fusionser.cache import Cache

    if wanted:
        return Cache.default()
    # Within one run nothing is computed twice, whether or not it is kept for the next.
    folder = tempfile.mkdtemp(prefix="fusionser-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Cache(folder)


def prepare_places(places: list[Any], features: Any, given: Input, run: Run, device: str) -> Any:
    """List the rows and extract their features, with a progress bar; say what was set apart."""
    from fusionser.experiments import prepare

    return _with_bar(prepare, places, features, given, run, device)


def extract_places(places: list[Any], features: Any, out: Path, given: Input, run: Run, device: str) -> Any:
    """Do so part by part, into a features file."""
    from fusionser.experiments import extract_file

    return _with_bar(extract_file, places, features, given, run, device, path=out)


def _with_bar(
    extract: Callable[..., Any], places: list[Any], features: Any, given: Input, run: Run, device: str, **more: Any
) -> Any:
    where = "cpu"
    if device not in ("auto", "cpu"):
        from fusionser.networks import feature_device

        where = feature_device(device)
    with progress_bar("features") as progress:
        prepared = extract(
            places,
            features,
            classes=names(given.classes),
            dropped=names(given.drop_classes),
            cache=open_cache(run.cache),
            n_jobs=run.jobs,
            device=where,
            progress=progress,
            strict=given.strict,
            **more,
        )
    warn_quarantine(prepared.quarantine, prepared.notes)
    return prepared


def prepare_copies(prepared: Any, plan: Any, run: Run) -> Any:
    """Analyse the augmented copies once, with a progress bar, before the folds take their share of them."""
    from fusionser.experiments import analyse_copies

    if not plan.augment:
        return prepared
    with progress_bar("augmented copies") as progress:
        return analyse_copies(prepared, plan, n_jobs=run.jobs, progress=progress)
