"""What every command that needs features does first."""

import atexit
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .console import progress_bar, warn_quarantine
from .options import Input

__all__ = ["extract_places", "make_resources", "open_cache", "prepare_augmented", "prepare_places"]


def open_cache(wanted: bool) -> Any:
    """Return the default cache; where none is wanted, one that is gone when the command ends."""
    from fusionser.cache import Cache

    if wanted:
        return Cache.default()
    # Within one run nothing is computed twice, whether or not it is kept for the next.
    folder = tempfile.mkdtemp(prefix="fusionser-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Cache(folder)


def make_resources(*, device: str, jobs: int, cache: bool) -> Any:
    """Return where the command's work runs; a GPU computes spectra only where it is asked for by name."""
    from fusionser.pipeline import Resources

    where = "cpu"
    if device not in ("auto", "cpu"):
        from fusionser.networks import choose_device, feature_device

        choose_device(device)
        where = feature_device(device)
    return Resources(device=device, feature_device=where, n_jobs=jobs, cache=open_cache(cache))


def prepare_places(places: list[Any], config: Any, given: Input, resources: Any) -> Any:
    """List the rows and extract their features, with a progress bar; say what was set apart."""
    from fusionser.pipeline import prepare

    return _with_bar(prepare, places, config, given, resources)


def extract_places(places: list[Any], config: Any, out: Path, given: Input, resources: Any) -> Any:
    """Do so part by part, into a features file."""
    from fusionser.pipeline import extract_file

    return _with_bar(extract_file, places, config, given, resources, path=out)


def _with_bar(
    extract: Callable[..., Any], places: list[Any], config: Any, given: Input, resources: Any, **more: Any
) -> Any:
    with progress_bar("features") as progress:
        prepared = extract(
            places,
            config.pipeline,
            classes=config.classes,
            dropped=config.drop_classes,
            resources=resources,
            progress=progress,
            strict=given.strict,
            **more,
        )
    from fusionser.reporting.words import stamp_texts

    warn_quarantine(prepared.quarantine, stamp_texts(prepared.notes))
    return prepared


def prepare_augmented(prepared: Any, resources: Any) -> Any:
    """Analyse the augmented rows once, with a progress bar, before the folds take their share of them."""
    from fusionser.pipeline import analyse_augmented

    if not prepared.spec.rows.augment:
        return prepared
    with progress_bar("augmented copies") as progress:
        return analyse_augmented(prepared, resources=resources, progress=progress)
