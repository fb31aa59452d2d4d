"""Estimate of the deviation of a recording from A440 tuning, from the peaks of its spectrum."""

from functools import lru_cache

import numpy as np

from fusionser.features.filters import A440_OCTAVES, Array, bin_frequencies

__all__ = ["estimate_tuning", "tuning_band", "tuning_of_band"]

LOWEST, HIGHEST = 150.0, 4000.0
QUIETEST = 0.1
STEPS = 100
EDGES = np.linspace(-0.5, 0.5, STEPS + 1)


def estimate_tuning(power: Array, sampling_rate: int, n_fft: int, n_chroma: int = 12) -> float:
    """Estimate the deviation from A440 tuning. The result is bit-identical to `librosa.estimate_tuning`.

    Peaks from 150 to 4000 Hz that exceed a tenth of their frame's maximum are interpolated by parabolas. The estimate
    is the most frequent distance of the louder half of them to the nearest pitch class, in hundredths.

    Parameters
    ----------
    power : ndarray of shape (1 + n_fft / 2, n_frames), float32
        Power spectrum.
    sampling_rate, n_fft : int
        Sampling rate in Hz, and length of a frame in samples.
    n_chroma : int, default=12
        Number of pitch classes per octave.

    Returns
    -------
    float
        Deviation in fractions of a pitch class, -0.5 to 0.5. 0 if there are no peaks.

    Examples
    --------
    >>> import librosa
    >>> power = np.random.default_rng(0).random((1025, 9)).astype(np.float32)
    >>> estimate_tuning(power, 22050, 2048) == float(librosa.estimate_tuning(S=power, sr=22050, n_fft=2048))
    True
    """
    low, high = tuning_band(sampling_rate, n_fft)
    return tuning_of_band(power[low - 1 : high + 1], _loudest(power), low, sampling_rate, n_fft, n_chroma)


def _loudest(power: Array) -> Array:
    # NumPy compares long rows faster, so the first of two steps joins the frames of many bins to one row.
    bins, frames = power.shape
    whole = bins // 32
    halfway = power[: 32 * whole].reshape(32, whole * frames).max(axis=0, initial=0).reshape(whole, frames)
    return np.vstack([halfway, power[32 * whole :]]).max(axis=0)


@lru_cache(maxsize=16)
def tuning_band(sampling_rate: int, n_fft: int) -> tuple[int, int]:
    """Return the first bin in which peaks are counted, and the bin after the last."""
    frequencies = bin_frequencies(sampling_rate, n_fft)
    within = np.flatnonzero((frequencies >= LOWEST) & (frequencies < min(HIGHEST, sampling_rate / 2)))
    return (int(within[0]), int(within[-1]) + 1) if len(within) else (1, 1)


def tuning_of_band(near: Array, loudest: Array, low: int, sampling_rate: int, n_fft: int, n_chroma: int = 12) -> float:
    """Estimate the tuning as `estimate_tuning` does, without the power of all bins.

    Parameters
    ----------
    near : ndarray of shape (n_bins + 2, n_frames), float32
        Power of the bins of `tuning_band` and one more on each side.
    loudest : ndarray of shape (n_frames,), float32
        Largest power of each frame.
    low : int
        First bin of `tuning_band`.
    sampling_rate, n_fft, n_chroma : int
        As in `estimate_tuning`.
    """
    # Only loud bins are compared with their neighbours: one that is not loud is lower than all that are.
    loud = np.flatnonzero(near[1:-1] > QUIETEST * loudest)
    values, frames = near.ravel(), near.shape[1]
    before, here, after = (values[loud + shift * frames] for shift in range(3))
    peak = (here > before) & (here >= after)
    if not peak.any():
        return 0.0
    bins, before, here, after = loud[peak] // frames + low, before[peak], here[peak], after[peak]
    # librosa's compiled code computes the sums in single and the quotient in double precision.
    curvature = (after + before).astype(np.float64) - 2.0 * here
    slope = (after - before).astype(np.float64) / 2.0
    inside = np.abs(slope) < np.abs(curvature)
    offset = np.divide(-slope, curvature, out=np.zeros_like(slope), where=inside).astype(np.float32)
    heights = here + np.float32(0.5) * ((after - before) / np.float32(2.0)) * offset
    ranked = np.sort(heights)
    median = (ranked[(len(ranked) - 1) // 2] + ranked[len(ranked) // 2]) / np.float32(2)
    high = heights >= median
    pitches = ((bins[high] + offset[high]) * float(sampling_rate) / n_fft).astype(np.float32)
    distance = np.mod(n_chroma * np.log2(pitches / A440_OCTAVES), 1.0)
    distance[distance >= 0.5] -= 1.0
    # The counts are those of np.histogram, which is slower.
    counts = np.bincount(np.searchsorted(EDGES, distance, side="right") - 1)
    return float(EDGES[np.argmax(counts)])
