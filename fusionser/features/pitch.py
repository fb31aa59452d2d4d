"""Fundamental frequency by autocorrelation, computed from the power spectrum that other features share.

The method is that of Boersma (1993, "Accurate short-term analysis of the fundamental frequency and the
harmonics-to-noise ratio of a sampled sound"):

- The autocorrelation of a frame is the inverse transform of its power spectrum.
- Divided by the autocorrelation of the window, it has peaks at multiples of the period. The height of a peak measures
  how periodic the frame is.
- The cheapest path through the candidates of all frames avoids octave jumps.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import scipy.fft

from fusionser.features.best_path import best_path
from fusionser.features.filters import Array, Array64
from fusionser.features.spectrum import periodic_window

__all__ = ["PitchTrack", "autocorrelation", "harmonics_to_noise", "low_autocorrelation", "semitones", "track_pitch"]

Floats = TypeVar("Floats", np.float32, np.float64)

CANDIDATES = 4
VOICING_THRESHOLD = 0.45
SILENCE_THRESHOLD = 0.03
OCTAVE_COST = 0.01
OCTAVE_JUMP_COST = 0.35
VOICING_CHANGE_COST = 0.14


@dataclass(frozen=True)
class PitchTrack:
    """Pitch of each frame.

    Parameters
    ----------
    frequency : ndarray of shape (n_frames,)
        Fundamental frequency in Hz, 0 in unvoiced frames.
    strength : ndarray of shape (n_frames,)
        Height of the highest autocorrelation peak, 0 (noise) to 1 (perfectly periodic), also in unvoiced frames.
    """

    frequency: Array64
    strength: Array64

    @property
    def voiced(self) -> npt.NDArray[np.bool_]:
        """Whether each frame has a pitch, shape (n_frames,)."""
        return self.frequency > 0

    @property
    def harmonics_to_noise(self) -> Array64:
        """Harmonics-to-noise ratio in decibels, ``10 log10(r / (1 - r))``, with r limited to 0.001 to 0.999."""
        return _decibels(self.strength)


def semitones(frequency: Array64) -> Array64:
    """Convert Hz to semitones relative to 100 Hz; 0 where there is no pitch (0 Hz).

    Examples
    --------
    >>> semitones(np.array([200.0, 100.0, 50.0, 0.0])).tolist()
    [12.0, 0.0, -12.0, 0.0]
    """
    relative: Array64 = 12.0 * np.log2(np.where(frequency > 0, frequency, 100.0) / 100.0)
    return relative


def _decibels(strength: Array64) -> Array64:
    share = np.clip(strength, 1e-3, 1 - 1e-3)
    return 10.0 * np.log10(share / (1.0 - share))


@lru_cache(maxsize=16)
def _window_autocorrelation(n_fft: int, lags: int) -> Array64:
    window = periodic_window("hann", n_fft)
    correlation = autocorrelation(np.square(np.abs(scipy.fft.rfft(window))))[:lags]
    return correlation / correlation[0]


def autocorrelation(power: npt.NDArray[Floats], axis: int = 0) -> npt.NDArray[Floats]:
    """Return the inverse transform of real spectra: what ``irfft`` gives, several times faster.

    Parameters
    ----------
    power : ndarray
        Bins from 0 to half the sampling rate along `axis`, in single or double precision.
    axis : int, default=0

    Returns
    -------
    ndarray of the same shape and precision
        Lags from 0 to half the length of the transform.

    Examples
    --------
    >>> power = np.random.default_rng(0).random(513)
    >>> bool(np.allclose(autocorrelation(power), scipy.fft.irfft(power)[:513], atol=1e-15))
    True
    """
    lags: npt.NDArray[Floats] = scipy.fft.dct(power, type=1, axis=axis)
    lags /= 2 * (power.shape[axis] - 1)
    return lags


def low_autocorrelation(power: npt.NDArray[Floats], n_fft: int, count: int) -> npt.NDArray[Floats]:
    """Return the first lags of `autocorrelation` in half the time, for spectra without their upper half.

    Even and odd lags are each a transform of half the size.

    Parameters
    ----------
    power : ndarray of shape (n_bins, n_frames)
        The bins that are not zero, below a quarter of the sampling rate: at most a quarter of `n_fft`.
    n_fft : int
        Length of the whole transform, a multiple of 4.
    count : int
        Number of lags, at most ``1 + n_fft / 2``.

    Returns
    -------
    ndarray of shape (count, n_frames)

    Examples
    --------
    >>> power = np.random.default_rng(0).random((200, 3))
    >>> whole = autocorrelation(np.pad(power, ((0, 313), (0, 0))))
    >>> bool(np.allclose(low_autocorrelation(power, 1024, 300), whole[:300], atol=1e-15))
    True
    """
    half = n_fft // 4
    filled = np.zeros((half + 1, power.shape[1]), dtype=power.dtype)
    filled[: len(power)] = power
    lags = np.empty((count, power.shape[1]), dtype=power.dtype)
    lags[::2] = scipy.fft.dct(filled, type=1, axis=0)[: (count + 1) // 2]
    lags[1::2] = scipy.fft.dct(filled[:half], type=3, axis=0)[: count // 2]
    lags /= n_fft
    return lags


def _autocorrelation(power: Array, n_fft: int, lags: int) -> Array64:
    without_mean = power.astype(np.float64)
    without_mean[:2] = 0.0
    if len(power) <= n_fft // 4 and n_fft % 4 == 0:
        correlation = low_autocorrelation(without_mean, n_fft, lags)
    else:
        lacking = 1 + n_fft // 2 - len(power)
        correlation = autocorrelation(np.pad(without_mean, ((0, lacking), (0, 0))) if lacking else without_mean)[:lags]
    energy = correlation[0]
    normal = correlation / np.where(energy > 0, energy, 1.0)
    normal /= _window_autocorrelation(n_fft, lags)[:, None]
    return normal


def _candidates(correlation: Array64, shortest: int, sampling_rate: int, fmin: float) -> tuple[Array64, ...]:
    """Return frequency, height and cost-corrected strength of the best peaks, each (CANDIDATES, n_frames).

    In a frame with fewer peaks, the strength of the others is minus infinity.
    """
    # Only peaks are interpolated and ranked, since they are a small part of all lags.
    rises = correlation[shortest:] > correlation[shortest - 1 : -1]
    peaks = (rises[:-1] > rises[1:]) & (correlation[shortest:-1] > 0)
    frame, place = np.divmod(np.flatnonzero(peaks.T.copy()), len(peaks))
    before, here, after = (correlation[place + shortest + step, frame] for step in (-1, 0, 1))
    shift = 0.5 * (before - after) / (before - 2 * here + after)
    height = here - 0.25 * (before - after) * shift
    lag = place + shortest + shift
    strength = height - OCTAVE_COST * np.log2(fmin * lag / sampling_rate)
    shape = (CANDIDATES, correlation.shape[1])
    frequencies, heights, strengths = np.ones(shape), np.zeros(shape), np.full(shape, -np.inf)
    # The peaks of a frame are a row; taking the best few times is faster than sorting.
    first = np.searchsorted(frame, np.arange(shape[1]))
    column = np.arange(frame.size) - first[frame]
    left = np.full((shape[1], column.max(initial=0) + 1), -np.inf)
    left[frame, column] = strength
    for rank in range(CANDIDATES):
        best = left.argmax(axis=1)
        found = np.flatnonzero(left[np.arange(shape[1]), best] > -np.inf)
        peak = first[found] + best[found]
        frequencies[rank, found] = sampling_rate / lag[peak]
        heights[rank, found] = np.minimum(height[peak], 1.0)
        strengths[rank, found] = strength[peak]
        left[found, best[found]] = -np.inf
    return frequencies, heights, strengths


def _cheapest_path(frequency: Array64, strength: Array64, seconds_a_frame: float) -> npt.NDArray[np.intp]:
    """Return the best sequence of candidates (Viterbi). The last candidate of each frame is "unvoiced"."""
    octaves = np.log2(frequency)
    scale = 0.01 / seconds_a_frame
    count, frames = strength.shape
    jumps = np.full((frames - 1, count, count), VOICING_CHANGE_COST * scale)
    jumps[:, :-1, :-1] = OCTAVE_JUMP_COST * scale * np.abs(octaves.T[1:, None, :] - octaves.T[:-1, :, None])
    jumps[:, -1, -1] = 0.0
    return best_path(strength.T, jumps)


def track_pitch(
    power: Array,
    peaks: Array64,
    sampling_rate: int,
    hop_length: int,
    *,
    fmin: float = 60.0,
    fmax: float = 600.0,
    n_fft: int | None = None,
) -> PitchTrack:
    """Find the fundamental frequency of every frame.

    Parameters
    ----------
    power : ndarray of shape (1 + n_fft / 2, n_frames)
        Power spectrum of Hann-windowed frames. A frame must contain three periods of `fmin`.
    peaks : ndarray of shape (n_frames,)
        Level of each frame, such as its RMS. Frames far below the highest level are unvoiced.
    sampling_rate, hop_length : int
        Sampling rate in Hz, and distance between frames in samples.
    fmin, fmax : float
        Range searched, in Hz.
    n_fft : int, optional
        Length of the frames, if the spectrum has fewer bins than these give. The bins that it lacks are zero.

    Returns
    -------
    PitchTrack

    Examples
    --------
    >>> from fusionser.features.spectrum import FrameSettings, Spectrum
    >>> tone = np.sign(np.sin(2 * np.pi * 150 / 16000 * np.arange(16000)))
    >>> view = Spectrum(tone, FrameSettings(sampling_rate=16000, n_fft=1024, hop_length=256))
    >>> track = track_pitch(view.power, view.rms, 16000, 256)
    >>> round(float(track.frequency[30]))
    150
    """
    n_fft = n_fft or 2 * (power.shape[0] - 1)
    longest = min(int(np.ceil(sampling_rate / fmin)) + 2, n_fft // 2)
    shortest = max(int(sampling_rate / fmax), 2)
    correlation = _autocorrelation(power, n_fft, longest)
    frequency, height, strength = _candidates(correlation, shortest, sampling_rate, fmin)
    loudness = peaks / max(float(peaks.max()), np.finfo(np.float64).tiny)
    quiet = np.maximum(0.0, 2.0 - loudness / (SILENCE_THRESHOLD / (1 + VOICING_THRESHOLD)))
    # The octave cost is relative to the lowest pitch, so the unvoiced candidate has none.
    unvoiced = (VOICING_THRESHOLD + quiet)[None]
    path = _cheapest_path(frequency, np.concatenate([strength, unvoiced]), hop_length / sampling_rate)
    chosen = np.concatenate([frequency, np.zeros((1, path.size))])[path, np.arange(path.size)]
    return PitchTrack(frequency=chosen, strength=np.clip(height.max(axis=0), 0.0, 1.0))


def harmonics_to_noise(power: Array, frequency: Array64, sampling_rate: int) -> Array64:
    """Return the harmonics-to-noise ratio of frames whose pitch is known, in decibels from -30 to 30.

    It is ``10 log10(r / (1 - r))``, where r is the highest autocorrelation within a tenth of the period.

    Parameters
    ----------
    power : ndarray of shape (1 + n_fft / 2, n_frames)
        Power spectrum of Hann-windowed frames. A frame must contain two periods.
    frequency : ndarray of shape (n_frames,)
        Fundamental frequency in Hz.
    sampling_rate : int
        Hz.

    Returns
    -------
    ndarray of shape (n_frames,)

    Examples
    --------
    >>> from fusionser.features.spectrum import FrameSettings, Spectrum
    >>> tone = np.sign(np.sin(2 * np.pi * 150 / 16000 * np.arange(16000)))
    >>> noise = np.random.default_rng(0).normal(0, 10 ** (-10 / 20), 16000)
    >>> view = Spectrum(tone + noise, FrameSettings(sampling_rate=16000, n_fft=1024, hop_length=256))
    >>> ratio = harmonics_to_noise(view.power, np.full(view.power.shape[1], 150.0), 16000)
    >>> bool(abs(np.median(ratio) - 10) < 1)
    True
    """
    n_fft = 2 * (power.shape[0] - 1)
    period = sampling_rate / frequency
    lags = min(int(1.1 * period.max(initial=1.0)) + 3, n_fft // 2)
    correlation = _autocorrelation(power, n_fft, lags)
    near = np.abs(np.arange(lags)[:, None] - period) <= 0.1 * period
    place = np.clip(np.where(near, correlation, -np.inf).argmax(axis=0), 1, lags - 2)
    left, middle, right = (correlation[place + step, np.arange(place.size)] for step in (-1, 0, 1))
    curve = left - 2.0 * middle + right
    rise = np.where(curve < 0, np.square(left - right) / (-8.0 * np.where(curve < 0, curve, -1.0)), 0.0)
    return _decibels(middle + rise)
