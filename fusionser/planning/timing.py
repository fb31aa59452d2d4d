"""Processor time of clips: in the processes that analyse them, and in the one that collects their columns."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from fusionser.errors import SettingsError
from fusionser.execution import Executor, executing_on, run_jobs
from fusionser.features.clip_batch import CPU, FINGERPRINT, Answer, Array, Computations, Row, compute_named
from fusionser.features.extraction import BATCH
from fusionser.folders import brief_folder
from fusionser.pipeline import PipelineSpec, Place, Resources, extract_file
from fusionser.reader import read_row
from fusionser.rows import write_table

__all__ = ["Line", "Measured", "collected", "line", "measured"]

T = TypeVar("T")

ROWS = 4000
"""Rows of which the collecting and writing is measured."""


@dataclass(frozen=True)
class Line:
    """Seconds of a core that grow with the duration of a clip."""

    per_clip: float
    per_second: float


def line(whole: tuple[float, float], half: tuple[float, float]) -> Line:
    """Return the line through two points, each the mean duration of clips and what they take, or one near them.

    Neither part is negative.

    Examples
    --------
    >>> line((4.0, 0.5), (2.0, 0.3))
    Line(per_clip=0.1, per_second=0.1)
    >>> line((4.0, 0.5), (2.0, 0.5)), line((4.0, 0.5), (2.0, 0.1))
    (Line(per_clip=0.5, per_second=0.0), Line(per_clip=0.0, per_second=0.125))
    """
    (long, most), (short, least) = whole, half
    slope = max(0.0, (most - least) / (long - short))
    start = round(most - slope * long, 12)
    return Line(start, slope) if start >= 0 else Line(0.0, most / long)


@dataclass(frozen=True)
class Measured:
    """What clips took.

    Parameters
    ----------
    decoding, features : Line
    answers : list
        The values of some of them.
    """

    decoding: Line
    features: Line
    answers: list[dict[str, Array]]


@dataclass(frozen=True)
class _Spent:
    share: float
    clips: int
    audio: float
    decoding: float
    features: float
    answers: list[Answer]


def measured(
    rows: Sequence[Row],
    computations: Computations,
    *,
    seconds: float,
    n_jobs: int,
    told: Callable[[float], None] = lambda passed: None,
) -> Measured:
    """Analyse clips, whole and their first halves, again and again for some seconds.

    Parameters
    ----------
    rows : sequence of mapping
        With ``file``, ``start`` and ``end``.
    computations : mapping of str to Computation
    seconds : float
    n_jobs : int
        Processes that work at once; -1 is one per core.
    told : callable, optional
        Called with the seconds that have passed.

    Raises
    ------
    SettingsError
        If no clip can be used; the message has the first reason.
    """
    began = time.monotonic()
    batches = [list(rows[first : first + BATCH]) for first in range(0, len(rows), BATCH)]

    def tasks() -> Iterator[tuple[list[Row], float]]:
        for number, batch in enumerate(cycle(batches)):
            if number and time.monotonic() - began > seconds:
                return
            yield batch, 1.0
            yield batch, 0.5

    spent: dict[float, list[_Spent]] = {1.0: [], 0.5: []}
    answers: list[Answer] = []
    for one in run_jobs(partial(_timed, computations=computations), tasks(), n_jobs):
        spent[one.share].append(one)
        if len(answers) < len(rows):
            answers += one.answers
        told(time.monotonic() - began)
    values = [answer for answer in answers if not isinstance(answer, str)]
    if not values:
        raise SettingsError(f"none of {len(rows)} recordings can be used; the first: {answers[0]}")
    return Measured(_line(spent, "decoding"), _line(spent, "features"), values)


def _timed(task: tuple[list[Row], float], computations: Computations) -> _Spent:
    whole, share = task
    rows: list[Row] = [{**row, "end": share * row["end"]} for row in whole]
    # The first clips of a process also import what computes them.
    compute_named((rows[:1], [*computations]), computations, CPU, None)
    began = time.process_time()
    for row in rows:
        read_row(row)
    decoded = time.process_time()
    answers = compute_named((rows, [*computations]), computations, CPU, None)
    decoding, both = decoded - began, time.process_time() - decoded
    audio = sum(row["end"] - row["start"] for row in rows)
    return _Spent(share, len(rows), audio, decoding, both - decoding, answers if share == 1.0 else [])


def _line(spent: Mapping[float, list[_Spent]], name: str) -> Line:
    points = []
    for each in (spent[1.0], spent[0.5]):
        clips = sum(one.clips for one in each)
        points.append((sum(one.audio for one in each) / clips, sum(getattr(one, name) for one in each) / clips))
    return line(*points)


class _Answered(Executor):
    """Gives answers that were computed before, so that what remains is the work of this process."""

    workers = 1

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._answers = answers

    def run(self, job: Callable[[Any], T], tasks: Iterable[Any], *, gpu: bool = False) -> Iterator[Any]:
        """Yield the next answers, one for each row of a task."""
        place = 0
        for rows, _ in tasks:
            yield self._answers[place : place + len(rows)]
            place += len(rows)


def collected(rows: Sequence[Row], spec: PipelineSpec, answers: Sequence[dict[str, Array]]) -> tuple[float, float]:
    """Return the seconds for each row to list, collect and write its columns, and the bytes of a row in the file.

    Parameters
    ----------
    rows : sequence of mapping
        Clips with their durations.
    spec : PipelineSpec
    answers : sequence of dict
        Values of clips; they are changed a little, so that no row has those of another one.
    """
    rng = np.random.default_rng(0)
    many = [
        {name: _changed(name, value, rng) for name, value in answers[place % len(answers)].items()}
        for place in range(ROWS)
    ]
    with brief_folder() as folder:
        table = pd.DataFrame([{**rows[place % len(rows)], "source": f"clips/{place}"} for place in range(ROWS)])
        place, out = Place(write_table(table, folder / "rows.parquet")), folder / "features.parquet"
        seconds = []
        # The first time, modules are imported.
        for _ in range(2):
            began = time.process_time()
            with executing_on(_Answered(many)):
                extract_file([place], spec, out, resources=Resources(cache=False))
            seconds.append(time.process_time() - began)
        return seconds[-1] / ROWS, out.stat().st_size / ROWS


def _changed(name: str, value: Array, rng: np.random.Generator) -> Array:
    if name == FINGERPRINT:
        return rng.integers(0, 256, value.shape).astype(np.float32)
    return (value * (1 + 1e-3 * rng.random(value.shape))).astype(np.float32)
