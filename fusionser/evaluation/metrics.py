"""Scores from confusion matrices, and their intervals over speakers.

All scores are computed from counts, so to resample speakers is to add up their matrices.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

__all__ = [
    "FEWEST_SPEAKERS",
    "METRICS",
    "bin_of",
    "class_scores",
    "confusion",
    "expected_calibration_error",
    "macro_f1",
    "speaker_intervals",
    "unweighted_average_recall",
    "weighted_average_recall",
]

Counts = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]
Sums = TypeVar("Sums", npt.NDArray[np.int64], npt.NDArray[np.float64])

FEWEST_SPEAKERS = 8
"""With fewer speakers no interval is given, since resampling so few says nothing; reports list each one instead."""

DRAWS = 2000
"""Number of draws of a bootstrap over speakers."""

LEVEL = 0.95

CALIBRATION_BINS = 15
"""Bins of equal width into which the probabilities of answers are sorted."""


def confusion(truth: Iterable[str], predicted: Iterable[str], classes: Sequence[str]) -> Counts:
    """Return the confusion matrix: true classes by row, predicted classes by column.

    Examples
    --------
    >>> confusion(["a", "a", "b"], ["a", "b", "b"], ["a", "b"]).tolist()
    [[1, 1], [0, 1]]
    """
    index = {name: position for position, name in enumerate(classes)}
    matrix = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(matrix, ([index[name] for name in truth], [index[name] for name in predicted]), 1)
    return matrix


def _share(part: Sums, whole: Sums) -> Scores:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def weighted_average_recall(matrices: Sums) -> Scores:
    """WAR, the share of correctly classified clips (accuracy), 0 to 1, of one or a stack of confusion matrices."""
    return _share(np.trace(matrices, axis1=-2, axis2=-1), matrices.sum(axis=(-2, -1)))


def recalls(matrices: Sums) -> Scores:
    """Recall of each class, 0 to 1; NaN for a class that does not occur."""
    return _share(np.diagonal(matrices, axis1=-2, axis2=-1), matrices.sum(axis=-1))


def unweighted_average_recall(matrices: Sums) -> Scores:
    """UAR, the mean recall of the classes that occur (balanced accuracy), 0 to 1.

    Examples
    --------
    >>> float(unweighted_average_recall(np.array([[8, 2], [1, 1]])))
    0.65
    """
    return np.nanmean(recalls(matrices), axis=-1)


def macro_f1(matrices: Sums) -> Scores:
    """Mean over classes of ``2 TP / (2 TP + FP + FN)``, 0 to 1, over the classes that occur or are predicted."""
    right = np.diagonal(matrices, axis1=-2, axis2=-1)
    return np.nanmean(_share(2 * right, matrices.sum(axis=-1) + matrices.sum(axis=-2)), axis=-1)


METRICS: Mapping[str, Callable[[Sums], Scores]] = {
    "war": weighted_average_recall,
    "uar": unweighted_average_recall,
    "macro_f1": macro_f1,
}
"""Functions of confusion matrices whose last two axes are true and predicted class."""


def class_scores(matrix: Counts, classes: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return ``precision``, ``recall`` and ``f1`` of each class, 0 to 1 (0 where undefined), and its ``support``."""
    right = np.diagonal(matrix)
    support, predicted = matrix.sum(axis=1), matrix.sum(axis=0)
    columns = {
        "precision": _share(right, predicted),
        "recall": recalls(matrix),
        "f1": _share(2 * right, support + predicted),
        "support": support,
    }
    return {
        name: {key: float(np.nan_to_num(column[position])) for key, column in columns.items()}
        for position, name in enumerate(classes)
    }


def bin_of(probabilities: npt.ArrayLike, bins: int = CALIBRATION_BINS) -> npt.NDArray[np.intp]:
    """Return the bin of equal width that each probability, 0 to 1, lies in; a bin includes its upper end.

    Examples
    --------
    >>> bin_of([0.0, 0.5, 0.51, 1.0], 2).tolist()
    [0, 0, 1, 1]
    """
    return np.clip(np.ceil(np.asarray(probabilities, dtype=np.float64) * bins).astype(np.intp) - 1, 0, bins - 1)


def expected_calibration_error(
    probabilities: npt.ArrayLike, correct: npt.ArrayLike, bins: int = CALIBRATION_BINS
) -> float:
    """Return the expected calibration error (Guo et al. 2017), 0 to 1.

    The clips are sorted into bins of equal width by the probability of their answer. The error is the mean distance
    between the mean probability and the accuracy of a bin, weighted by its number of clips.

    Parameters
    ----------
    probabilities : array-like of shape (n_clips,)
        Probability of each clip's answer, 0 to 1.
    correct : array-like of bool, shape (n_clips,)
        Whether the answer is right.
    bins : int, default=15

    Examples
    --------
    >>> round(expected_calibration_error([0.9, 0.9, 0.6, 0.6], [True, True, True, False]), 3)
    0.1
    """
    top = np.asarray(probabilities, dtype=np.float64)
    right = np.asarray(correct, dtype=np.float64)
    excess = np.bincount(bin_of(top, bins), weights=top - right, minlength=bins)
    return float(np.abs(excess).sum() / top.size)


def resampled(matrices: Sums, rng: np.random.Generator, draws: int = DRAWS) -> Sums:
    """Return the pooled sums, such as confusion matrices, of each bootstrap draw of speakers, from one per speaker."""
    counts = rng.multinomial(len(matrices), np.full(len(matrices), 1 / len(matrices)), size=draws)
    return np.tensordot(counts, matrices, axes=1)


def percentile_interval(values: Scores) -> tuple[float, float]:
    """Return the 95 % interval of bootstrapped values."""
    low, high = np.percentile(values, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(low), float(high)


def speaker_intervals(
    matrices: Mapping[str, Sums], *, draws: int = DRAWS, seed: int = 0
) -> dict[str, tuple[float, float]] | None:
    """Return 95 % percentile bootstrap intervals of the pooled scores; speakers are resampled.

    Parameters
    ----------
    matrices : mapping of str to ndarray of shape (n_classes, n_classes)
        The confusion matrix of each speaker.
    draws : int, default=2000
    seed : int, default=0

    Returns
    -------
    dict of str to (float, float), or None
        By name of the metric; None with fewer than `FEWEST_SPEAKERS` speakers.
    """
    if len(matrices) < FEWEST_SPEAKERS:
        return None
    pooled = resampled(np.stack([matrices[name] for name in sorted(matrices)]), np.random.default_rng(seed), draws)
    return {name: percentile_interval(metric(pooled)) for name, metric in METRICS.items()}
