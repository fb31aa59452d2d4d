"""From answers for overlapping windows to segments: emotion from, to, how sure."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from fusionser.model import LEAST_PROBABILITY, UNSURE
from fusionser.timeline.speech import FRAME_SECONDS
from fusionser.timeline.stream import Answered
from fusionser.timeline.windows import WindowSettings

__all__ = ["Cells", "cells_of", "segments_of", "summary_of"]

PAUSE = 0.6
"""Pauses up to this many seconds belong to the segment around them."""

SHORTEST_SEGMENT = 1.0
"""Shorter segments, in seconds, are joined to a neighbour."""

Array = npt.NDArray[np.float64]


class Cells:
    """The time of a recording in steps of a hop, with what the windows that cover a step say of it together.

    Parameters
    ----------
    hop : float
        Length of a step in seconds.
    seconds : float
        Duration of the recording.
    classes : sequence of str

    Attributes
    ----------
    probabilities : ndarray of shape (n_cells, n_classes)
        Mean over the windows, of which those whose middle is near count more; 0 where no window was predicted.
    unsure : ndarray of shape (n_cells,)
        Share of the windows whose answer is `UNSURE`, weighted in the same way.
    speech : ndarray of shape (n_cells,)
        Share of speech.
    """

    def __init__(self, hop: float, seconds: float, classes: Sequence[str]) -> None:
        self.hop, self.seconds, self.classes = hop, seconds, tuple(classes)
        count = max(int(np.ceil(seconds / hop - 1e-6)), 1)
        self._sums, self._weights = np.zeros((count, len(classes))), np.zeros(count)
        self._speech, self._heard, self._unsure = np.zeros(count), np.zeros(count), np.zeros(count)

    def add(self, window: Answered) -> None:
        """Add what a window says."""
        first = round(window.start / self.hop)
        last = min(int(np.ceil(window.end / self.hop - 1e-6)), len(self._weights))
        middle, half = (window.start + window.end) / 2, (window.end - window.start) / 2
        centres = (np.arange(first, last) + 0.5) * self.hop
        values = np.array([window.answer[f"probability_{name}"] for name in self.classes], dtype=np.float64)
        if np.isfinite(values).all():
            weights = np.maximum(1.0 - np.abs(centres - middle) / (half + self.hop), 0.0)
            self._sums[first:last] += weights[:, None] * values
            self._weights[first:last] += weights
            self._unsure[first:last] += weights * (window.answer["emotion"] == UNSURE)
        times = window.start + (np.arange(window.speech.size) + 0.5) * FRAME_SECONDS
        cells = np.minimum((times / self.hop).astype(int), len(self._heard) - 1)
        np.add.at(self._speech, cells, window.speech)
        np.add.at(self._heard, cells, 1.0)

    @property
    def probabilities(self) -> Array:
        """Probability of every class in every step."""
        return self._sums / np.where(self._weights > 0, self._weights, 1.0)[:, None]

    @property
    def unsure(self) -> Array:
        """Share of unsure windows in every step."""
        return self._unsure / np.where(self._weights > 0, self._weights, 1.0)

    @property
    def speech(self) -> Array:
        """Share of speech in every step."""
        return self._speech / np.where(self._heard > 0, self._heard, 1.0)

    def edges(self) -> Array:
        """Return where the steps begin, and the end of the last one, in seconds."""
        return np.minimum(np.arange(len(self._weights) + 1) * self.hop, self.seconds)


def cells_of(windows: Sequence[Answered], settings: WindowSettings, seconds: float, classes: Sequence[str]) -> Cells:
    """Return the steps of a recording, from all of its windows."""
    cells = Cells(settings.hop, seconds, classes)
    for window in windows:
        cells.add(window)
    return cells


def segments_of(cells: Cells, *, abstain: bool = False) -> pd.DataFrame:
    """Join steps with the same answer to segments.

    Steps of which half is speech, and pauses of up to 0.6 s between them, belong to segments. A segment shorter than
    1 s is joined to the neighbour whose emotion is more probable in it, unless there are longer pauses on both sides.
    Lengths count in whole steps, the last of which the end of the recording may cut short. The emotion of a segment is
    the most probable one over all of it.

    Parameters
    ----------
    cells : Cells
    abstain : bool, default=False
        Answer `UNSURE` where the mean probability of the answer in a segment is below `LEAST_PROBABILITY`, or most of
        its windows are unsure. Neighbours that are both unsure are one segment.

    Returns
    -------
    DataFrame
        ``start``, ``end`` in seconds, ``emotion``, ``probability`` of it, and ``probability_<class>``: means over the
        steps of the segment.
    """
    probabilities, edges = cells.probabilities, cells.edges()
    spoken = (cells.speech >= 0.5) & (probabilities.sum(axis=1) > 0)
    spoken = _bridged(spoken, int(PAUSE / cells.hop + 1e-6)) & (probabilities.sum(axis=1) > 0)
    rows = []
    for first, last in _runs(spoken):
        joined = _joined(probabilities[first:last], SHORTEST_SEGMENT / cells.hop)
        parts = [(first + begin, first + end) for begin, end, _ in joined]
        for begin, end in _unsure_as_one(cells, parts) if abstain else parts:
            mean = probabilities[begin:end].mean(axis=0)
            answer = int(mean.argmax())
            unsure = abstain and _is_unsure(cells, begin, end)
            rows.append(
                {
                    "start": float(edges[begin]),
                    "end": float(edges[end]),
                    "emotion": UNSURE if unsure else cells.classes[answer],
                    "probability": float(mean[answer]),
                    **{f"probability_{name}": float(value) for name, value in zip(cells.classes, mean, strict=True)},
                }
            )
    names = ["start", "end", "emotion", "probability", *(f"probability_{name}" for name in cells.classes)]
    return pd.DataFrame(rows, columns=names)


def _is_unsure(cells: Cells, begin: int, end: int) -> bool:
    mean = cells.probabilities[begin:end].mean(axis=0)
    return bool(mean.max() < LEAST_PROBABILITY or cells.unsure[begin:end].mean() > 0.5)


def _unsure_as_one(cells: Cells, parts: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return where segments begin and end, with neighbours that are both unsure as one."""
    joined: list[tuple[int, int]] = []
    for begin, end in parts:
        if joined and _is_unsure(cells, *joined[-1]) and _is_unsure(cells, begin, end):
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((begin, end))
    return joined


def summary_of(segments: pd.DataFrame) -> pd.DataFrame:
    """Return how long each answer lasts, the longest first.

    Returns
    -------
    DataFrame
        ``emotion``, ``seconds``, ``share`` of all speech, ``segments``, and the mean ``probability`` by time.
    """
    lengths = segments["end"] - segments["start"]
    table = segments.assign(seconds=lengths, weighted=segments["probability"] * lengths)
    sums = table.groupby("emotion").agg(
        seconds=("seconds", "sum"), segments=("seconds", "size"), weighted=("weighted", "sum")
    )
    sums = sums.sort_values("seconds", ascending=False, kind="stable").reset_index()
    total = float(lengths.sum())
    return pd.DataFrame(
        {
            "emotion": sums["emotion"],
            "seconds": sums["seconds"],
            "share": sums["seconds"] / total if total else sums["seconds"],
            "segments": sums["segments"],
            "probability": sums["weighted"] / sums["seconds"],
        }
    )


def _runs(marked: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return where marked stretches begin and end."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]]).astype(int)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _bridged(spoken: npt.NDArray[np.bool_], longest: int) -> npt.NDArray[np.bool_]:
    """Return the marks with gaps of up to `longest` steps filled."""
    filled = spoken.copy()
    for (_, end), (start, _) in pairwise(_runs(spoken)):
        if start - end <= longest:
            filled[end:start] = True
    return filled


def _joined(probabilities: Array, shortest: float) -> list[tuple[int, int, int]]:
    """Return (begin, end, class) of segments; short ones are joined to a neighbour, the shortest first."""
    answers = probabilities.argmax(axis=1)
    borders = [0, *(np.flatnonzero(np.diff(answers)) + 1).tolist(), len(answers)]
    segments = [(begin, end, int(answers[begin])) for begin, end in pairwise(borders)]
    while len(segments) > 1:
        place = min(range(len(segments)), key=lambda one: segments[one][1] - segments[one][0])
        begin, end, _ = segments[place]
        if end - begin >= shortest - 1e-6:
            break
        mean = probabilities[begin:end].mean(axis=0)
        neighbours = [one for one in (place - 1, place + 1) if 0 <= one < len(segments)]
        best = max(neighbours, key=lambda one: mean[segments[one][2]])
        first, last = min(segments[best][0], begin), max(segments[best][1], end)
        # The mean over all of it may be in favour of another class than either had.
        segments[best] = (first, last, int(probabilities[first:last].mean(axis=0).argmax()))
        del segments[place]
        segments = _merged(segments)
    return segments


def _merged(segments: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Return segments of which no neighbours have the same class."""
    merged: list[tuple[int, int, int]] = []
    for begin, end, answer in segments:
        if merged and merged[-1][2] == answer:
            merged[-1] = (merged[-1][0], end, answer)
        else:
            merged.append((begin, end, answer))
    return merged
