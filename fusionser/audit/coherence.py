"""Whether two maps are of one recording: their coherence after the second one is moved, stretched and transposed."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fusionser.audit.detail import BANDS, BANDS_PER_SEMITONE, HOP_SECONDS, Detail, activity
from fusionser.features.clip import Array

__all__ = ["AS_RECORDED", "CHANGED", "Match", "best_match"]

AS_RECORDED, CHANGED = 0.64, 0.80
"""Coherence from which a pair is a copy, where tempo and pitch are the same, and where either differs.

Chosen on a part of the speakers by `python -m benchmarks.audit`: with more freedom, other performances fit better, too.
"""

CERTAIN = 0.9
"""Coherence from which no other tempo is tried."""

CLEARLY = 0.05
"""Coherence by which another tempo must be better than the same one."""

PROMISING = 0.45
"""Coherence at a coarse tempo from which finer ones are tried."""

COARSE = tuple(1.04**step for step in (-5, -4, -3, -2, -1, 1, 2, 3, 4, 5))
"""Tempos that are tried first, after the same one: 0.82 to 1.22 times."""

FINE = tuple(1.0 + step / 100 for step in (-2.5, -2.0, -1.5, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0, 2.5))
"""Tempos that are tried around the best one."""

SAME_TEMPO = 0.0125
"""Share by which tempos may differ and still count as the same."""

FEWEST_FRAMES = 20
"""Frames, a third of a second, that must overlap."""

COVERED, COUNTED = (0.0, 0.5, 0.8), (0.0, 0.85, 1.0)
"""Shares of the shorter recording that overlap, and how much the coherence counts then: a part fits by chance."""


class Match(NamedTuple):
    """How the second recording fits the first one best.

    Parameters
    ----------
    coherence : float
        Weighted correlation of the maps where they overlap, -1 to 1; less where little of them overlaps.
    tempo : float
        Of the second one relative to the first; values above 1 are faster.
    semitones : float
        By which the second one is higher, in steps of half a semitone.
    start : float
        Seconds in the first one at which the second one begins; negative if it begins earlier.
    """

    coherence: float
    tempo: float
    semitones: float
    start: float

    @property
    def as_recorded(self) -> bool:
        """Whether tempo and pitch are the same."""
        return abs(self.tempo - 1.0) <= SAME_TEMPO and self.semitones == 0.0

    @property
    def excess(self) -> float:
        """How far the coherence is above that from which two recordings are copies; negative below it."""
        return self.coherence - (AS_RECORDED if self.as_recorded else CHANGED)

    @property
    def is_copy(self) -> bool:
        """Whether the coherence is that of a copy."""
        return self.excess >= 0


class _Weighted(NamedTuple):
    """A map, the weight of its frames, and its spectrum along time."""

    cells: Array
    weight: Array
    spectrum: npt.NDArray[np.complex64]


def _weighted(cells: Array, weight: Array, size: int) -> _Weighted:
    from scipy.fft import rfft

    return _Weighted(cells, weight, rfft(cells * weight[:, None], size, axis=0))


def _stretched(values: Array, tempo: float) -> Array:
    """Return values along time as they are at another tempo, where values above 1 are faster."""
    places = np.arange(int((len(values) - 1) / tempo) + 1) * tempo
    before = np.minimum(places.astype(np.int64), max(len(values) - 2, 0))
    after = np.minimum(before + 1, len(values) - 1)
    share = (places - before).astype(np.float32).reshape(-1, *[1] * (values.ndim - 1))
    return values[before] * (1 - share) + values[after] * share


def _lag(first: _Weighted, second: _Weighted, bands: int, size: int) -> tuple[float, int]:
    """Return the largest product of two maps, and by how many frames the second one then begins later."""
    from scipy.fft import irfft

    low, high = max(0, -bands), min(BANDS, BANDS - bands)
    spectrum = np.einsum(
        "fb,fb->f", first.spectrum[:, low:high], np.conj(second.spectrum[:, low + bands : high + bands])
    )
    products = irfft(spectrum, size)
    lag = int(np.argmax(products))
    return float(products[lag]), lag if lag < len(first.cells) else lag - size


def _coherence(first: _Weighted, second: _Weighted, bands: int, lag: int) -> float:
    """Return the weighted correlation of two maps where they overlap, without the mean of each band."""
    begin, end = max(0, lag), min(len(first.cells), len(second.cells) + lag)
    if end - begin < min(FEWEST_FRAMES, len(first.cells), len(second.cells)):
        return -1.0
    low, high = max(0, -bands), min(BANDS, BANDS - bands)
    one = first.cells[begin:end, low:high]
    other = second.cells[begin - lag : end - lag, low + bands : high + bands]
    weight = (first.weight[begin:end] * second.weight[begin - lag : end - lag])[:, None]
    total = float(weight.sum())
    if total <= 0:
        return -1.0
    one, other = (values - values.mean(axis=1, keepdims=True) for values in (one, other))
    one, other = (values - (weight * values).sum(axis=0) / total for values in (one, other))
    energies = float((weight * one**2).sum()) * float((weight * other**2).sum())
    if energies <= 0:
        return -1.0
    covered = total / max(min(float((one.weight**2).sum()) for one in (first, second)), 1e-9)
    return float((weight * one * other).sum()) / energies**0.5 * float(np.interp(covered, COVERED, COUNTED))


def _tried(first: _Weighted, second: Detail, tempos: Iterable[float], bands: Sequence[int], size: int) -> Match:
    """Return the best match over tempos and changes of pitch in bands."""
    best = Match(-1.0, 1.0, 0.0, 0.0)
    weight = activity(second.level)
    for tempo in tempos:
        # The second one has this tempo, so it is brought back to that of the first.
        cells, weights = (_stretched(values, 1 / tempo) for values in (second.cells, weight))
        back = _weighted(cells, weights, size)
        lags = {one: _lag(first, back, one, size) for one in bands}
        moved = max(lags, key=lambda one: lags[one][0])
        lag = lags[moved][1]
        coherence = _coherence(first, back, moved, lag)
        if coherence > best.coherence:
            best = Match(coherence, tempo, moved / BANDS_PER_SEMITONE, lag * HOP_SECONDS)
    return best


def best_match(first: Detail, second: Detail, bands: int = 0) -> Match:
    """Return how the second map fits the first one best.

    Parameters
    ----------
    first, second : Detail
    bands : int, default=0
        About how many bands the second one is higher.

    Examples
    --------
    >>> from fusionser.audit.detail import detail_of
    >>> noise = np.random.default_rng(0).normal(size=16000).astype(np.float32)
    >>> match = best_match(detail_of(noise, 8000), detail_of(noise[4096:] / 2, 8000))
    >>> match.is_copy, match.tempo, match.semitones, round(match.start, 3)
    (True, 1.0, 0.0, 0.512)
    """
    from scipy.fft import next_fast_len

    size = next_fast_len(len(first.cells) + int(len(second.cells) * max(COARSE) * max(FINE)) + 2, real=True)
    base = _weighted(first.cells, activity(first.level), size)
    around = sorted({0, *range(max(bands - 1, 1 - BANDS), bands + 2)})
    plain = _tried(base, second, [1.0], around, size)
    if plain.coherence >= CERTAIN:
        return plain
    best = max(plain, _tried(base, second, COARSE, around, size))
    if best.coherence < PROMISING:
        return best
    found = round(best.semitones * BANDS_PER_SEMITONE)
    nearby = [found - 1, found, found + 1]
    best = max(best, _tried(base, second, [best.tempo * step for step in FINE], nearby, size))
    simpler = plain.as_recorded and plain.is_copy
    return plain if simpler and (not best.is_copy or best.coherence < plain.coherence + CLEARLY) else best
