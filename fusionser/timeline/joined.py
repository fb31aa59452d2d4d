"""Recordings whose emotions change at known times: clips of one speaker, one after the other."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import soxr

from fusionser.audio import TRIM_DECIBELS
from fusionser.reader import read_row
from fusionser.samples import Waveform
from fusionser.timeline.speech import FRAME_SECONDS

__all__ = ["Joined", "Span", "join_clips"]

MARGIN = 0.15
"""Seconds of a clip's own quiet that are kept before and after its speech."""


class Span(NamedTuple):
    """Where a clip is audible in a joined recording, in seconds, and its emotion."""

    start: float
    end: float
    emotion: str


class Joined(NamedTuple):
    """Clips of one speaker as one recording."""

    speaker: str
    samples: Waveform
    sampling_rate: int
    spans: tuple[Span, ...]
    clips: tuple[int, ...]
    """Positions of the clips in the table of rows."""


def join_clips(rows: pd.DataFrame, *, clips: int = 6, seed: int = 0) -> Iterator[Joined]:
    """Yield recordings of clips in random order, in which neighbours differ in their emotion where that is possible.

    Every clip is used once, but for one that would be alone. Silence around a clip is cut down to 0.15 s, and levels
    stay as they are.

    Parameters
    ----------
    rows : DataFrame
        Rows with ``speaker`` and ``emotion``.
    clips : int, default=6
        Clips per recording, 2 or more.
    seed : int, default=0
        Of the order. Each speaker has an order of their own.
    """
    for speaker, places in sorted(rows.groupby("speaker").indices.items()):
        rng = np.random.default_rng([seed, *str(speaker).encode()])
        order = _mixed(rows["emotion"].to_numpy(dtype=object)[places], rng)
        parts = [[int(places[one]) for one in order[at : at + clips]] for at in range(0, len(order), clips)]
        for part in parts:
            if len(part) > 1:
                yield _joined(str(speaker), rows, part)


def _mixed(emotions: npt.NDArray[np.object_], rng: np.random.Generator) -> list[int]:
    """Return a random order in which few neighbours are equal; the more of a kind are left, the likelier it is next."""
    left = {name: rng.permutation(np.flatnonzero(emotions == name)).tolist() for name in sorted(set(emotions))}
    order: list[int] = []
    last = None
    while any(left.values()):
        names = [name for name in left if left[name] and name != last] or [name for name in left if left[name]]
        counts = np.array([len(left[name]) for name in names], dtype=float)
        last = names[int(rng.choice(len(names), p=counts / counts.sum()))]
        order.append(left[last].pop())
    return order


def _joined(speaker: str, rows: pd.DataFrame, places: list[int]) -> Joined:
    read = [read_row({str(name): value for name, value in rows.iloc[place].items()}) for place in places]
    rate = max(rate for _, rate in read)
    pieces, spans, done = [], [], 0.0
    for place, (samples, own) in zip(places, read, strict=True):
        same = samples if own == rate else soxr.resample(samples, own, rate, quality="HQ")
        first, last = _audible(same, rate)
        begin, end = max(first - round(MARGIN * rate), 0), min(last + round(MARGIN * rate), same.size)
        pieces.append(same[begin:end])
        start = done + (first - begin) / rate
        spans.append(Span(start, start + (last - first) / rate, str(rows["emotion"].iloc[place])))
        done += (end - begin) / rate
    return Joined(speaker, np.concatenate(pieces).astype(np.float32), rate, tuple(spans), tuple(places))


def _audible(samples: Waveform, rate: int) -> tuple[int, int]:
    """Return where the frames begin and end that are at most 30 dB below the loudest, in samples."""
    length = max(round(FRAME_SECONDS * rate), 1)
    count = max(samples.size // length, 1)
    frames = samples[: count * length].reshape(count, -1).astype(np.float64)
    levels = 10 * np.log10(np.maximum(np.square(frames).mean(axis=1), 1e-12))
    loud = np.flatnonzero(levels > levels.max() - TRIM_DECIBELS)
    return int(loud[0]) * length, min((int(loud[-1]) + 1) * length, samples.size)
