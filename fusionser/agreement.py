"""Scores of predicted numbers: concordance, correlation and error, from sums over clips.

The sums of several groups of clips, such as speakers, add up to those of all of them.
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

__all__ = [
    "AGREEMENT",
    "concordance",
    "mean_concordance",
    "mean_squared_error",
    "moments_of",
    "pearson",
]

Array = npt.NDArray[np.float64]

SMALLEST = 1e-12
"""Share of its mean square that a variance needs, to be more than a rounding error."""


def moments_of(truth: npt.ArrayLike, predicted: npt.ArrayLike, center: npt.ArrayLike, scale: npt.ArrayLike) -> Array:
    """Return the number of clips and the sums of ``t``, ``p``, ``t t``, ``p p`` and ``t p`` of each target.

    Parameters
    ----------
    truth, predicted : array-like of shape (n_clips, n_targets)
        Labelled and predicted numbers.
    center, scale : array-like of shape (n_targets,)
        What is subtracted from both, and what both are divided by: sums of numbers far from 0 would lose digits.

    Returns
    -------
    ndarray of shape (n_targets, 6)

    Examples
    --------
    >>> moments_of([[1.0], [3.0]], [[2.0], [3.0]], [2.0], [1.0]).tolist()
    [[2.0, 0.0, 1.0, 2.0, 1.0, 1.0]]
    """
    middle, unit = np.asarray(center, dtype=np.float64), np.asarray(scale, dtype=np.float64)
    t, p = ((np.asarray(values, dtype=np.float64) - middle) / unit for values in (truth, predicted))
    sums = [np.full(t.shape[1], float(len(t))), *(part.sum(axis=0) for part in (t, p, t * t, p * p, t * p))]
    return np.stack(sums, axis=-1)


def _parts(moments: Array) -> tuple[Array, Array, Array, Array]:
    """Return the variances of truth and prediction, their covariance, and the difference of their means."""
    count = np.maximum(moments[..., 0], 1.0)
    t, p, tt, pp, tp = (moments[..., place] / count for place in range(1, 6))
    truth, predicted = _variance(tt, t), _variance(pp, p)
    return truth, predicted, np.where((truth > 0) & (predicted > 0), tp - t * p, 0.0), t - p


def _variance(square: Array, mean: Array) -> Array:
    variance = square - mean * mean
    return np.where(variance > SMALLEST * square, variance, 0.0)


def concordance(moments: Array) -> Array:
    """Concordance correlation coefficient (CCC, Lin 1989), -1 to 1, with variances over n; 0 for constant numbers.

    Parameters
    ----------
    moments : ndarray of shape (..., 6)
        As `moments_of` returns them.

    Examples
    --------
    >>> concordance(moments_of([[1.0], [2.0], [3.0]], [[2.0], [3.0], [4.0]], [0.0], [1.0])).round(3).tolist()
    [0.571]
    """
    truth, predicted, covariance, difference = _parts(moments)
    whole = truth + predicted + difference**2
    return np.where(whole > 0, 2 * covariance / np.where(whole > 0, whole, 1.0), 0.0)


def pearson(moments: Array) -> Array:
    """Pearson's correlation, -1 to 1; NaN where the truth or the prediction is constant.

    Parameters
    ----------
    moments : ndarray of shape (..., 6)
        As `moments_of` returns them.
    """
    truth, predicted, covariance, _ = _parts(moments)
    both = np.sqrt(truth * predicted)
    return np.where(both > 0, np.clip(covariance / np.where(both > 0, both, 1.0), -1.0, 1.0), np.nan)


def mean_squared_error(moments: Array) -> Array:
    """Mean squared error, in units of the scale of the moments, squared.

    Parameters
    ----------
    moments : ndarray of shape (..., 6)
        As `moments_of` returns them.
    """
    count = np.maximum(moments[..., 0], 1.0)
    return np.maximum((moments[..., 3] + moments[..., 4] - 2 * moments[..., 5]) / count, 0.0)


AGREEMENT: Mapping[str, Callable[[Array], Array]] = {
    "ccc": concordance,
    "pearson": pearson,
    "mse": mean_squared_error,
}
"""Functions of moments whose last axis is that of `moments_of`."""


def mean_concordance(truth: npt.ArrayLike, predicted: npt.ArrayLike) -> float:
    """Return the mean of the targets' CCC, by which parameters are chosen.

    Parameters
    ----------
    truth, predicted : array-like of shape (n_clips, n_targets)

    Examples
    --------
    >>> mean_concordance([[1.0], [2.0]], [[1.0], [2.0]])
    1.0
    """
    numbers = np.asarray(truth, dtype=np.float64)
    scale = np.where(numbers.std(axis=0) > 0, numbers.std(axis=0), 1.0)
    return float(concordance(moments_of(numbers, predicted, numbers.mean(axis=0), scale)).mean())
