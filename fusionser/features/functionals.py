"""Statistics over the frames of a clip, and derivatives of series over frames."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from fusionser.errors import unknown_name
from fusionser.features.filters import Array64

__all__ = ["FUNCTIONALS", "delta", "summarise"]

Functional = Callable[[Array64], Array64]


def _percentiles(series: Array64, percents: Sequence[int]) -> Array64:
    """Return percentiles as `numpy.percentile` does, which is slow for small arrays."""
    ranked = np.sort(series, axis=-1)
    place = np.asarray(percents) / 100.0 * (series.shape[-1] - 1)
    below = np.minimum(place.astype(np.intp), max(series.shape[-1] - 2, 0))
    above = np.minimum(below + 1, series.shape[-1] - 1)
    lower = ranked[..., below]
    return lower + (place - below) * (ranked[..., above] - lower)


def _percentile(percent: int) -> Functional:
    return lambda series: _percentiles(series, [percent])[..., 0]


def _slope(series: Array64) -> Array64:
    steps = np.arange(series.shape[-1]) - (series.shape[-1] - 1) / 2
    weight = float(steps @ steps)
    return (series @ steps) / weight if weight else np.zeros(series.shape[:-1])


FUNCTIONALS: Mapping[str, Functional] = MappingProxyType(
    {
        # What `mean` calls.
        "mean": lambda series: np.add.reduce(series, axis=-1) / series.shape[-1],
        "std": lambda series: series.std(axis=-1),
        "minimum": lambda series: series.min(axis=-1),
        "maximum": lambda series: series.max(axis=-1),
        "slope": _slope,
        **{f"percentile{percent:02d}": _percentile(percent) for percent in (5, 10, 25, 50, 75, 90, 95)},
    }
)
"""Functions of an array whose last axis is time, by name. The slope is per frame, by least squares."""


def delta(series: Array64, reach: int = 2) -> Array64:
    """Return the slope of each series at each frame, by regression over `reach` frames on either side.

    ``d[t] = sum_n n (x[t+n] - x[t-n]) / (2 sum_n n^2)``, with the edge values repeated (Furui 1986, as in HTK).

    Examples
    --------
    >>> delta(np.arange(6.0)[None])[0, 2:4]
    array([1., 1.])
    """
    frames = series.shape[-1]
    # Clipped indices are faster than np.pad for small arrays.
    padded = series[..., np.clip(np.arange(-reach, frames + reach), 0, frames - 1)]
    total = np.zeros_like(series)
    for step in range(1, reach + 1):
        later = padded[..., reach + step : reach + step + frames]
        earlier = padded[..., reach - step : reach - step + frames]
        total += step * (later - earlier)
    return total / (2 * sum(step * step for step in range(1, reach + 1)))


def summarise(series: npt.ArrayLike, statistics: Sequence[str]) -> Array64:
    """Compute each statistic of each series.

    Parameters
    ----------
    series : array-like of shape (n_series, n_frames)
        Series of at least one frame.
    statistics : sequence of str
        Keys of `FUNCTIONALS`.

    Returns
    -------
    ndarray of shape (n_series * len(statistics),), float64
        All statistics of the first series, then of the second, and so on.

    Examples
    --------
    >>> summarise([[1.0, 2.0, 3.0], [5.0, 5.0, 5.0]], ["mean", "maximum"])
    array([2., 3., 5., 5.])
    """
    values = np.asarray(series, dtype=np.float64)
    for name in statistics:
        if name not in FUNCTIONALS:
            raise unknown_name("statistic", name, FUNCTIONALS)
    percents = [int(name.removeprefix("percentile")) for name in statistics if name.startswith("percentile")]
    # One sort serves every percentile.
    ranked = iter(np.moveaxis(_percentiles(values, percents), -1, 0)) if percents else iter(())
    columns = np.empty((len(values), len(statistics)))
    for place, name in enumerate(statistics):
        columns[:, place] = next(ranked) if name.startswith("percentile") else FUNCTIONALS[name](values)
    return columns.ravel()
