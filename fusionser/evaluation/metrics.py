"""Scores from confusion matrices, and their intervals over speakers.

Everything is computed from counts, so a resampling of speakers is a sum of their matrices.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

__all__ = [
    "FEWEST_SPEAKERS",
    "METRICS",
    "class_scores",
    "confusion",
    "macro_f1",
    "speaker_intervals",
    "unweighted_average_recall",
    "weighted_average_recall",
]

Counts = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]

FEWEST_SPEAKERS = 8
"""With fewer speakers each is shown in place of an interval: resampling so few says nothing."""


def confusion(truth: Iterable[str], predicted: Iterable[str], classes: Sequence[str]) -> Counts:
    """Count true class (row) against predicted class (column).

    Examples
    --------
    >>> confusion(["a", "a", "b"], ["a", "b", "b"], ["a", "b"]).tolist()
    [[1, 1], [0, 1]]
    """
    index = {name: position for position, name in enumerate(classes)}
    matrix = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(matrix, ([index[name] for name in truth], [index[name] for name in predicted]), 1)
    return matrix


def _share(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]) -> Scores:
    return np.where(whole > 0, part / np.maximum(whole, 1), np.nan)


def weighted_average_recall(matrices: Counts) -> Scores:
    """WAR, the share of clips that are right (accuracy), 0 to 1, of one or a stack of confusion matrices."""
    right = np.trace(matrices, axis1=-2, axis2=-1)
    return _share(right, matrices.sum(axis=(-2, -1)))


def unweighted_average_recall(matrices: Counts) -> Scores:
    """UAR, the mean recall of the classes that occur (balanced accuracy), 0 to 1.

    Examples
    --------
    >>> float(unweighted_average_recall(np.array([[8, 2], [1, 1]])))
    0.65
    """
    right = np.diagonal(matrices, axis1=-2, axis2=-1)
    return np.nanmean(_share(right, matrices.sum(axis=-1)), axis=-1)


def macro_f1(matrices: Counts) -> Scores:
    """Mean over classes of ``2 TP / (2 TP + FP + FN)``, 0 to 1, over the classes that occur or are predicted."""
    right = np.diagonal(matrices, axis1=-2, axis2=-1)
    return np.nanmean(_share(2 * right, matrices.sum(axis=-1) + matrices.sum(axis=-2)), axis=-1)


METRICS: Mapping[str, Callable[[Counts], Scores]] = MappingProxyType(
    {"war": weighted_average_recall, "uar": unweighted_average_recall, "macro_f1": macro_f1}
)
"""Name to function of confusion matrices whose last two axes are true and predicted class."""


def class_scores(matrix: Counts, classes: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return ``precision``, ``recall`` and ``f1`` of each class, 0 to 1 (0 where undefined), and its ``support``."""
    right = np.diagonal(matrix)
    support, predicted = matrix.sum(axis=1), matrix.sum(axis=0)
    columns = {
        "precision": _share(right, predicted),
        "recall": _share(right, support),
        "f1": _share(2 * right, support + predicted),
        "support": support,
    }
    return {
        name: {key: float(np.nan_to_num(column[position])) for key, column in columns.items()}
        for position, name in enumerate(classes)
    }


def speaker_intervals(
    matrices: Mapping[str, Counts], *, level: float = 0.95, draws: int = 2000, seed: int = 0
) -> dict[str, tuple[float, float]] | None:
    """Percentile bootstrap intervals of the pooled scores, the speakers being what is drawn.

    Parameters
    ----------
    matrices : mapping of str to ndarray of shape (n_classes, n_classes)
        The confusion matrix of each speaker.
    level : float, default=0.95
    draws : int, default=2000
    seed : int, default=0

    Returns
    -------
    dict of str to (float, float), or None
        By name of the metric; None with fewer than `FEWEST_SPEAKERS` speakers.
    """
    if len(matrices) < FEWEST_SPEAKERS:
        return None
    stack = np.stack([matrices[name] for name in sorted(matrices)])
    counts = np.random.default_rng(seed).multinomial(len(stack), np.full(len(stack), 1 / len(stack)), size=draws)
    pooled = np.tensordot(counts, stack, axes=1)
    tails = [50 * (1 - level), 100 - 50 * (1 - level)]
    intervals = {}
    for name, metric in METRICS.items():
        low, high = np.percentile(metric(pooled), tails)
        intervals[name] = (float(low), float(high))
    return intervals
