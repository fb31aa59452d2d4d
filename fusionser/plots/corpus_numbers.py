"""The numbers behind the picture of a corpus: levels, counts and durations."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fusionser.errors import AudioError
from fusionser.execution import run_jobs
from fusionser.plots.recording import level_of
from fusionser.reader import read_row
from fusionser.rows import CHANNEL_COLUMN, check_rows
from fusionser.samples import SILENCE_PEAK

__all__ = [
    "UNKNOWN",
    "Levels",
    "Progress",
    "class_table",
    "corpus_facts",
    "described_levels",
    "durations",
    "known_levels",
    "recording_levels",
    "with_labels",
]

UNLABELLED = "no label"
UNKNOWN = "unknown"

BATCH = 32
"""Recordings that a process decodes at once."""

Progress = Callable[[int, int], None]
Levels = npt.NDArray[np.float64]


def recording_levels(rows: pd.DataFrame, *, n_jobs: int | None = None, progress: Progress | None = None) -> Levels:
    """Decode recordings, and return the level of each in dB relative to full scale, shape (n_rows,).

    Parameters
    ----------
    rows : DataFrame
        As of `fusionser.list_rows`.
    n_jobs : int, optional
        Number of processes; -1 for one per core.
    progress : callable, optional
        Called with the number of recordings that are done, and of all.

    Returns
    -------
    ndarray of shape (n_rows,)
        The level of the root mean square; NaN for silent recordings and for those that cannot be decoded.
    """
    return described_levels(rows, n_jobs=n_jobs, progress=progress)[0]


def described_levels(
    rows: pd.DataFrame, *, n_jobs: int | None = None, progress: Progress | None = None
) -> tuple[Levels, list[str]]:
    """Do what `recording_levels` does; also return why recordings have no level, in the order of the rows."""
    records = check_rows(rows)[["file", "start", "end", *([CHANNEL_COLUMN] if CHANNEL_COLUMN in rows else [])]]
    batches = [records.iloc[first : first + BATCH].to_dict("records") for first in range(0, len(records), BATCH)]
    found: list[float | str] = []
    for levels in run_jobs(_levels, batches, n_jobs):
        found += levels
        if progress is not None:
            progress(len(found), len(records))
    reasons = [one for one in found if isinstance(one, str)]
    return np.asarray([np.nan if isinstance(one, str) else one for one in found], dtype=np.float64), reasons


def _levels(rows: Sequence[Mapping[str, Any]]) -> list[float | str]:
    return [_level(row) for row in rows]


def _level(row: Mapping[str, Any]) -> float | str:
    """Return the level of a recording, or why it has none."""
    try:
        samples, _ = read_row(row)
    except AudioError as error:
        return str(error)
    # A level near minus infinity would hide all others.
    return level_of(samples) if (samples.max() - samples.min()) / 2 >= SILENCE_PEAK else f"{row['file']}: silent"


def with_labels(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows whose missing emotions have a name, too."""
    return rows.assign(emotion=rows["emotion"].where(rows["emotion"] != "", UNLABELLED))


def durations(rows: pd.DataFrame) -> Levels:
    """Return the duration of each recording in seconds, where it is known."""
    seconds = (rows["end"] - rows["start"]).to_numpy(dtype=np.float64)
    return seconds[np.isfinite(seconds)]


def known_levels(levels: Levels | None) -> Levels:
    """Return the levels that were measured, and that are no silence."""
    return np.zeros(0) if levels is None else levels[np.isfinite(levels)]


def corpus_facts(rows: pd.DataFrame, levels: Levels | None) -> dict[str, Any]:
    """Return the numbers behind `corpus_figure` as JSON values.

    Parameters
    ----------
    rows : DataFrame
        As of `fusionser.list_rows`.
    levels : ndarray of shape (n_rows,), optional
        As of `recording_levels`.

    Examples
    --------
    >>> rows = check_rows(pd.DataFrame({"file": ["a.wav", "b.wav"], "end": [1.0, 2.0], "emotion": ["sad", "calm"]}))
    >>> corpus_facts(rows, None)["emotions"]
    {'calm': 1, 'sad': 1}
    """
    seconds = durations(rows)
    known = known_levels(levels)
    spoken = rows[rows["speaker"] != ""]
    return {
        "recordings": len(rows),
        "speakers": int(spoken["speaker"].nunique()),
        "recordings_of_a_speaker": _summary(spoken["speaker"].value_counts().to_numpy(dtype=np.float64), 0),
        "minutes": round(float(seconds.sum()) / 60, 1),
        "emotions": with_labels(rows)["emotion"].value_counts().sort_index().to_dict(),
        "genders": rows["gender"].replace("", UNKNOWN).value_counts().sort_index().to_dict(),
        "seconds": _summary(seconds, 3),
        "level_dbfs": _summary(known, 1),
        "without_level": None if levels is None else len(rows) - known.size,
    }


def _summary(values: npt.NDArray[Any], digits: int) -> dict[str, float] | None:
    """Return the lowest, the median and the highest value; None without values."""
    if not values.size:
        return None
    found = {"lowest": values.min(), "median": np.median(values), "highest": values.max()}
    return {name: round(float(value), digits) for name, value in found.items()}


def class_table(rows: pd.DataFrame, levels: Levels | None) -> list[list[str]]:
    """Return a row for each class: its name, recordings, share in percent, speakers, minutes, and median level."""
    table = []
    labelled = with_labels(rows)
    for name, part in labelled.groupby("emotion"):
        speakers = part.loc[part["speaker"] != "", "speaker"].nunique()
        seconds = durations(part)
        texts = [
            str(name),
            str(len(part)),
            f"{100 * len(part) / len(rows):.1f}",
            str(speakers or "-"),
            f"{seconds.sum() / 60:.1f}" if seconds.size else "-",
            f"{np.median(seconds):.2f}" if seconds.size else "-",
        ]
        if levels is not None:
            known = known_levels(levels[labelled.index.get_indexer(part.index)])
            texts.append(f"{np.median(known):.1f}" if known.size else "-")
        table.append(texts)
    return table
