"""How well segments tell what is said with which emotion, and when: frame UAR and emotion diarisation error rate."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from fusionser.evaluation.metrics import (
    FEWEST_SPEAKERS,
    Counts,
    percentile_interval,
    resampled,
    unweighted_average_recall,
)
from fusionser.timeline.joined import Span

__all__ = ["FRAME", "MEASURES", "diarisation_errors", "frame_counts", "measured_intervals", "measures"]

FRAME = 0.01
"""Seconds of a frame that is judged."""

MEASURES = ("uar", "error", "missed", "false_alarms", "confused")
"""Frame UAR, the emotion diarisation error rate, and the three shares of time that it is the sum of."""


def frame_counts(spans: Sequence[Span], segments: pd.DataFrame, classes: Sequence[str]) -> Counts:
    """Return how many frames of each emotion have which answer.

    Parameters
    ----------
    spans : sequence of Span
        Where the emotion is known. Nothing else is judged.
    segments : DataFrame
        ``start``, ``end`` and ``emotion``; the rest of the time has no answer.
    classes : sequence of str

    Returns
    -------
    ndarray of shape (n_classes + 1, n_classes + 1)
        Frames of 10 ms; true classes by row, answers by column. The last column is that of frames without an answer,
        and the last row is empty.

    Examples
    --------
    >>> segments = pd.DataFrame({"start": [0.0], "end": [0.06], "emotion": ["sad"]})
    >>> frame_counts([Span(0.02, 0.10, "sad")], segments, ["happy", "sad"]).tolist()
    [[0, 0, 0], [0, 4, 4], [0, 0, 0]]
    """
    counts = np.zeros((len(classes) + 1, len(classes) + 1), dtype=np.int64)
    places = {name: place for place, name in enumerate(classes)}
    starts, ends = segments["start"].to_numpy(float), segments["end"].to_numpy(float)
    answers = np.array([places[name] for name in segments["emotion"]], dtype=int)
    for span in spans:
        centres = np.arange(span.start, span.end - FRAME / 2, FRAME) + FRAME / 2
        found = np.searchsorted(starts, centres, side="right") - 1
        inside = (found >= 0) & (centres < ends[np.maximum(found, 0)]) if len(starts) else np.zeros(len(centres), bool)
        given = np.full(len(centres), len(classes))
        given[inside] = answers[found[inside]]
        counts[places[span.emotion]] += np.bincount(given, minlength=len(classes) + 1)
    return counts


def diarisation_errors(counts: Counts, neutral: int | None) -> dict[str, npt.NDArray[np.float64]]:
    """Return the emotion diarisation error rate (Wang, Ravanelli, Nfissi and Yacoubi 2023) and its parts.

    Parameters
    ----------
    counts : ndarray of shape (..., n_classes + 1, n_classes + 1)
        As of `frame_counts`.
    neutral : int, optional
        The class that is no emotion, if there is one. No answer counts as neutral.

    Returns
    -------
    dict of str to ndarray of shape (...)
        Shares of the time, 0 to 1: ``missed`` (an emotion answered with neutral or with nothing), ``false_alarms`` (an
        emotion heard in neutral speech), ``confused`` (one emotion answered with another), and ``error``, their sum.

    Examples
    --------
    >>> counts = np.array([[3, 1, 1], [1, 3, 1], [0, 0, 0]])
    >>> {name: float(value) for name, value in diarisation_errors(counts, neutral=0).items()}
    {'missed': 0.2, 'false_alarms': 0.1, 'confused': 0.0, 'error': 0.3}
    """
    size = counts.shape[-1]
    emotional = np.array([place for place in range(size - 1) if place != neutral], dtype=int)
    silent = [size - 1] if neutral is None else [neutral, size - 1]
    total = counts.sum(axis=(-2, -1))
    missed = counts[..., emotional, :][..., silent].sum(axis=(-2, -1))
    alarms = 0 * missed if neutral is None else counts[..., neutral, :][..., emotional].sum(axis=-1)
    among = counts[..., emotional, :][..., emotional]
    confused = among.sum(axis=(-2, -1)) - np.trace(among, axis1=-2, axis2=-1)
    parts = {"missed": missed / total, "false_alarms": alarms / total, "confused": confused / total}
    return {**parts, "error": (missed + alarms + confused) / total}


def measures(counts: Counts, neutral: int | None) -> dict[str, npt.NDArray[np.float64]]:
    """Return the frame UAR as ``uar``, and what `diarisation_errors` returns, each 0 to 1."""
    return {"uar": np.asarray(unweighted_average_recall(counts)), **diarisation_errors(counts, neutral)}


def measured_intervals(
    by_speaker: Mapping[str, Counts], neutral: int | None, *, seed: int = 0
) -> dict[str, tuple[float, float]] | None:
    """Return 95 % bootstrap intervals of the measures over speakers; None with fewer than eight of them."""
    if len(by_speaker) < FEWEST_SPEAKERS:
        return None
    stack = np.stack([np.asarray(by_speaker[name]) for name in sorted(by_speaker)])
    pooled = resampled(stack, np.random.default_rng(seed))
    return {name: percentile_interval(values) for name, values in measures(pooled, neutral).items()}
