"""What a clip takes on this machine, measured on some recordings in about a minute."""

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fusionser.audio import LONGEST_SECONDS
from fusionser.corpora.base import measure
from fusionser.errors import SettingsError
from fusionser.features import LearnedBlock
from fusionser.features.clip_batch import Row
from fusionser.opening import opened
from fusionser.pipeline import PipelineSpec, build_features
from fusionser.pipeline.dataset_plan import planned
from fusionser.planning.rates import CLIPS, Asking, Decoding, PresetRates, Rates, Recordings
from fusionser.planning.timing import Line, Measured, collected, measured
from fusionser.registry import PRESETS
from fusionser.results import provenance

__all__ = ["measurable_presets", "measure_rates"]

MOST_FILES = 480

SECONDS = 45.0
"""Time for all presets together, without the collecting."""

NamedProgress = Callable[[int, int, str], None]


def measurable_presets() -> list[str]:
    """Return the presets that learn nothing, and so can be extracted beforehand.

    Examples
    --------
    >>> measurable_presets()
    ['fusionnet', 'robust', 'wide']
    """
    return [name for name in sorted(PRESETS) if not _learns(name)]


def _learns(preset: str) -> bool:
    return any(isinstance(block, LearnedBlock) for _, block in build_features(_spec(preset)).blocks)


def _spec(preset: str) -> PipelineSpec:
    """Return the specification of a preset, without the gender, which recordings do not tell."""
    return PipelineSpec(features={"preset": preset, "gender": "none"})


def measure_rates(
    files: Sequence[Path],
    base: Rates,
    *,
    presets: Sequence[str] | None = None,
    seconds: float = SECONDS,
    n_jobs: int = -1,
    progress: NamedProgress | None = None,
) -> Rates:
    """Measure what recordings take on this machine, while all its cores work.

    Parameters
    ----------
    files : sequence of Path
        Recordings like those that the projection is for. At most 480 of them are used.
    base : Rates
        Where the rates of a cluster and the memory of a row are from, which are not measured here.
    presets : sequence of str, optional
        By default, all of `measurable_presets`. Others are not in the rates that are returned.
    seconds : float, default=45
        Time for all presets together.
    n_jobs : int, default=-1
        Processes that work at once; -1 is one per core.
    progress : callable, optional
        Called with the seconds that have passed, those that it takes, and the name of the preset.

    Returns
    -------
    Rates

    Raises
    ------
    SettingsError
        If none of the files is a recording that can be used.
    """
    rows, listing, naming = _listed(files)
    names = measurable_presets() if presets is None else list(presets)
    found: dict[str, Measured] = {}
    rates: dict[str, PresetRates] = {}
    for place, name in enumerate(names):
        spec = _spec(name)
        blocks = dict(build_features(spec).blocks)

        def told(passed: float, place: int = place, name: str = name) -> None:
            if progress:
                progress(round(place * seconds / len(names) + passed), round(seconds), name)

        found[name] = measured(rows, blocks, seconds=seconds / len(names), n_jobs=n_jobs, told=told)
        rates[name] = _rates(spec, blocks, rows, found[name])
    return Rates(
        recordings=_recordings(rows),
        decoding=_mean([one.decoding for one in found.values()]),
        presets=rates,
        asking=Asking(listing=listing, naming=naming, memory=base.asking.memory),
        cluster=base.cluster,
        measured={**base.measured, CLIPS: {**provenance(), "cores": os.cpu_count()}},
    )


def _listed(files: Sequence[Path]) -> tuple[list[Row], float, float]:
    """Return rows of some of the files, spread over all of them, and the seconds to list and to name one."""
    if not files:
        raise SettingsError("there are no recordings to measure; give a folder with some")
    step = max(1, len(files) // MOST_FILES)
    records = [
        {"file": str(file.absolute()), "start": 0.0, "emotion": "", "speaker": "", "corpus": "", "source": str(file)}
        for file in files[::step][:MOST_FILES]
    ]
    began = time.process_time()
    listing = measure(records)
    taken = (time.process_time() - began) / len(records)
    short = listing.rows[listing.rows["end"] <= LONGEST_SECONDS]
    if short.empty:
        raise SettingsError(f"all {len(listing.rows)} recordings are longer than {LONGEST_SECONDS:g} s")
    rows: list[Row] = [{str(key): value for key, value in row.items()} for row in short.to_dict("records")]
    began = time.process_time()
    planned(short, {}, "")
    return rows, taken, (time.process_time() - began) / len(short)


def _recordings(rows: Sequence[Row]) -> Recordings:
    lengths = [float(row["end"]) for row in rows]
    return Recordings(
        kind=Counter(_kind(row["file"]) for row in rows).most_common(1)[0][0],
        count=len(rows),
        seconds=float(np.mean(lengths)),
        bytes_per_second=sum(Path(row["file"]).stat().st_size for row in rows) / sum(lengths),
    )


def _kind(file: Any) -> str:
    with opened(file) as sound:
        return f"{sound.format}, {sound.samplerate} Hz, {sound.channels} channel{'' if sound.channels == 1 else 's'}"


def _rates(spec: PipelineSpec, blocks: dict[str, Any], rows: Sequence[Row], found: Measured) -> PresetRates:
    collecting, row_bytes = collected(rows, spec, found.answers)
    return PresetRates(
        per_clip=found.features.per_clip,
        per_second=found.features.per_second,
        collecting=collecting,
        columns=sum(len(block.names()) for block in blocks.values()),
        bytes_per_row=row_bytes,
    )


def _mean(lines: Sequence[Line]) -> Decoding:
    """Return the mean of what was measured beside each preset."""
    return Decoding(
        per_clip=float(np.mean([one.per_clip for one in lines])),
        per_second=float(np.mean([one.per_second for one in lines])),
    )
