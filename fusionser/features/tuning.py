"""How far a recording lies from A440 tuning, estimated from the peaks of its spectrum."""

import numpy as np
import numpy.typing as npt

__all__ = ["estimate_tuning", "tuning_band", "tuning_of_band"]

LOWEST, HIGHEST = 150.0, 4000.0
A440_OCTAVES = 440.0 / 16
QUIETEST = 0.1
STEPS = 100


def estimate_tuning(power: npt.NDArray[np.float32], sampling_rate: int, n_fft: int, n_chroma: int = 12) -> float:
    """Estimate the deviation from A440 tuning, as `librosa.estimate_tuning` does.

    The peaks from 150 to 4 000 Hz of at least a tenth of their frame's maximum are interpolated by parabolas; of
    the louder half of them, the most frequent distance to the next pitch class is taken, in hundredths.

    Only peaks are interpolated; the numbers are librosa's to the last bit.

    Parameters
    ----------
    power : ndarray of shape (1 + n_fft / 2, n_frames), float32
    sampling_rate : int
        In Hz.
    n_fft : int
    n_chroma : int, default=12
        Pitch classes an octave.

    Returns
    -------
    float
        In fractions of a pitch class, -0.5 to 0.5; 0 where there are no peaks.

    Examples
    --------
    >>> import librosa
    >>> power = np.random.default_rng(0).random((1025, 9)).astype(np.float32)
    >>> estimate_tuning(power, 22050, 2048) == float(librosa.estimate_tuning(S=power, sr=22050, n_fft=2048))
    True
    """
    low, high = tuning_band(sampling_rate, n_fft)
    return tuning_of_band(power[low - 1 : high + 1], _loudest(power), low, sampling_rate, n_fft, n_chroma)


def _loudest(power: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the largest power of each frame."""
    # In two steps, the first of them over long rows, which NumPy compares faster.
    bins, frames = power.shape
    whole = bins // 32
    halfway = power[: 32 * whole].reshape(32, whole * frames).max(axis=0, initial=0).reshape(whole, frames)
    loudest: npt.NDArray[np.float32] = np.vstack([halfway, power[32 * whole :]]).max(axis=0)
    return loudest


def tuning_band(sampling_rate: int, n_fft: int) -> tuple[int, int]:
    """Return the first bin whose peaks count, and the one after the last."""
    frequencies = np.fft.rfftfreq(n_fft, 1.0 / sampling_rate)
    within = np.flatnonzero((frequencies >= LOWEST) & (frequencies < min(HIGHEST, sampling_rate / 2)))
    return (int(within[0]), int(within[-1]) + 1) if len(within) else (1, 1)


def tuning_of_band(
    near: npt.NDArray[np.float32],
    loudest: npt.NDArray[np.float32],
    low: int,
    sampling_rate: int,
    n_fft: int,
    n_chroma: int = 12,
) -> float:
    """Estimate the tuning from the bins whose peaks count, with one more on each side, see `estimate_tuning`.

    Parameters
    ----------
    near : ndarray of shape (n_bins + 2, n_frames), float32
        Power from the bin `low` - 1 on.
    loudest : ndarray of shape (n_frames,), float32
        Largest power of each frame.
    low : int
        The first of `tuning_band`.
    sampling_rate, n_fft, n_chroma : int
    """
    pitches, heights = _peaks(near, loudest, low, sampling_rate, n_fft)
    if not len(pitches):
        return 0.0
    ranked = np.sort(heights)
    median = (ranked[(len(ranked) - 1) // 2] + ranked[len(ranked) // 2]) / np.float32(2)
    loud = pitches[heights >= median]
    distance = np.mod(n_chroma * np.log2(loud / A440_OCTAVES), 1.0)
    distance[distance >= 0.5] -= 1.0
    edges = np.linspace(-0.5, 0.5, STEPS + 1)
    # As np.histogram counts.
    counts = np.bincount(np.searchsorted(edges, distance, side="right") - 1)
    return float(edges[np.argmax(counts)])


def _peaks(
    near: npt.NDArray[np.float32], loudest: npt.NDArray[np.float32], low: int, sampling_rate: int, n_fft: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the frequency in Hz and the height of every interpolated peak."""
    audible = near * (near > QUIETEST * loudest)
    peak = (audible[1:-1] > audible[:-2]) & (audible[1:-1] >= audible[2:])
    bins, frames = np.divmod(np.flatnonzero(peak), peak.shape[1])
    before, here, after = (near[bins + shift, frames] for shift in range(3))
    # The sums in single and the quotient in double precision, as librosa's compiled code has them.
    curvature = (after + before).astype(np.float64) - 2.0 * here
    slope = (after - before).astype(np.float64) / 2.0
    inside = np.abs(slope) < np.abs(curvature)
    offset = np.where(inside, -slope / np.where(inside, curvature, 1.0), 0.0).astype(np.float32)
    pitches = ((bins + low + offset) * float(sampling_rate) / n_fft).astype(np.float32)
    heights = here + np.float32(0.5) * ((after - before) / np.float32(2.0)) * offset
    return pitches, heights
