"""Percentiles of short series, whose sorting takes less time than `numpy.percentile` takes to begin."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["percentile", "percentiles"]

Array64 = npt.NDArray[np.float64]


def percentiles(values: Array64, wanted: Sequence[float]) -> Array64:
    """Return percentiles of finite series, those of ``numpy.percentile(values, wanted, axis=-1)`` to the last bit.

    Parameters
    ----------
    values : ndarray of shape (..., n_values), float64
        With one value or more.
    wanted : sequence of float
        0 to 100.

    Returns
    -------
    ndarray of shape (n_wanted, ...)

    Examples
    --------
    >>> percentiles(np.array([3.0, 1.0, 2.0, 5.0]), [25, 50]).tolist()
    [1.75, 2.5]
    """
    ordered = np.sort(values, axis=-1)
    return np.stack([_between(ordered, share) for share in wanted])


def percentile(values: Array64, wanted: float) -> float:
    """Return a percentile of one series, as `percentiles` does.

    Examples
    --------
    >>> percentile(np.array([3.0, 1.0, 2.0, 5.0]), 75)
    3.5
    """
    return float(_between(np.sort(values), wanted))


def _between(ordered: Array64, share: float) -> Array64:
    """Interpolate linearly, from the end that is nearer."""
    place = (share / 100) * (ordered.shape[-1] - 1)
    first = math.floor(place)
    weight = place - first
    low, high = ordered[..., first], ordered[..., min(first + 1, ordered.shape[-1] - 1)]
    found: Array64 = high - (high - low) * (1 - weight) if weight >= 0.5 else low + (high - low) * weight
    return found
