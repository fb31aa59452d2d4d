"""How far the probabilities of answers can be trusted, and intervals from numbers of clips."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from fusionser.evaluation.metrics import (
    CALIBRATION_BINS,
    LEVEL,
    Counts,
    bin_of,
    expected_calibration_error,
    unweighted_average_recall,
)

__all__ = ["Bin", "calibration_error", "reliability", "share_interval", "uar_interval"]


class Bin(NamedTuple):
    """The clips whose answers have about the same probability."""

    probability: float
    """Mean probability of the answers, 0 to 1."""

    accuracy: float
    """Share of the answers that are right, 0 to 1."""

    clips: int


def calibration_error(predictions: pd.DataFrame, classes: tuple[str, ...]) -> float | None:
    """Return the expected calibration error of predictions as in `Evaluation`; None without probabilities."""
    answered = _answered(predictions, classes)
    return None if answered is None else expected_calibration_error(*answered)


def reliability(predictions: pd.DataFrame, classes: tuple[str, ...], bins: int = CALIBRATION_BINS) -> list[Bin]:
    """Return the bins that `expected_calibration_error` compares, without empty ones; none without probabilities.

    Parameters
    ----------
    predictions : DataFrame
        As in `Evaluation`: ``truth``, ``predicted``, and a column ``probability_<class>`` for each class.
    classes : tuple of str
    bins : int, default=15

    Returns
    -------
    list of Bin
        By rising probability.

    Examples
    --------
    >>> predictions = pd.DataFrame(
    ...     {"truth": ["a", "b"], "predicted": ["a", "a"], "probability_a": [0.9, 0.9], "probability_b": [0.1, 0.1]}
    ... )
    >>> reliability(predictions, ("a", "b"))
    [Bin(probability=0.9, accuracy=0.5, clips=2)]
    """
    answered = _answered(predictions, classes)
    if answered is None:
        return []
    top, right = answered
    place = bin_of(top, bins)
    return [
        Bin(float(top[place == number].mean()), float(right[place == number].mean()), int((place == number).sum()))
        for number in np.unique(place)
    ]


def _answered(
    predictions: pd.DataFrame, classes: tuple[str, ...]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]] | None:
    """Return the probability of each answer, and whether it is right; None without probabilities."""
    names = [name for name in classes if f"probability_{name}" in predictions]
    if not names:
        return None
    # That of the answer. An SVM may give another class a higher probability than the one it decides for.
    places = pd.Index(names).get_indexer(pd.Index(predictions["predicted"]))
    columns = predictions[[f"probability_{name}" for name in names]].to_numpy(dtype=np.float64)
    return columns[np.arange(len(places)), places], (predictions["predicted"] == predictions["truth"]).to_numpy()


def share_interval(right: int, clips: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share of clips (Wilson 1927), 0 to 1.

    Examples
    --------
    >>> [round(end, 3) for end in share_interval(9, 10)]
    [0.596, 0.982]
    """
    from scipy.stats import binomtest

    found = binomtest(right, clips).proportion_ci(LEVEL, method="wilson")
    return float(found.low), float(found.high)


def uar_interval(matrix: Counts) -> tuple[float, float]:
    """Return a 95 % interval of a UAR, 0 to 1, from the numbers of clips of each class.

    It says how far the score of one speaker can be trusted, who has few clips; the scores of other speakers are no
    part of it. Wilson's intervals of the recalls are joined as those of independent shares (MOVER: Zou, Huang and
    Zhang 2009).

    Parameters
    ----------
    matrix : ndarray of shape (n_classes, n_classes)
        Confusion matrix with true classes by row.

    Examples
    --------
    >>> uar_interval(np.array([[9, 1], [0, 0]])) == share_interval(9, 10)
    True
    """
    counts = matrix.sum(axis=1)
    occurring = [place for place, count in enumerate(counts.tolist()) if count]
    recalls = np.array([matrix[place, place] / counts[place] for place in occurring])
    ends = np.array([share_interval(int(matrix[place, place]), int(counts[place])) for place in occurring])
    below, above = np.sqrt(np.square(ends - recalls[:, None]).sum(axis=0)) / len(occurring)
    uar = float(unweighted_average_recall(matrix))
    return uar - float(below), uar + float(above)
