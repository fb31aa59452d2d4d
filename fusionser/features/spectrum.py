"""One clip, transformed once: every feature is a view of the same short-time Fourier transform.

The conventions are librosa's (0.11): frames are centred, the signal is padded with zeros, the window is a
periodic Hann, the mel scale is Slaney's with area-normalised filters. So each view equals librosa's function
of the same name on the same waveform.
"""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.sparse

from fusionser.checks import check_range
from fusionser.errors import SettingsError, unknown_name
from fusionser.features.filters import bin_frequencies, chroma_filters, mel_filters, octave_bands
from fusionser.features.tuning import estimate_tuning

__all__ = ["FrameSettings", "Spectrum"]

Array = npt.NDArray[np.float32]
Array64 = npt.NDArray[np.float64]

WINDOWS = {"hann": 0.5, "hamming": 0.54}
"""Name to the mean of a window; a cosine of what is left to 1 goes up and down about it."""


@dataclass(frozen=True, kw_only=True)
class FrameSettings:
    """How a waveform is cut into frames.

    Parameters
    ----------
    sampling_rate : int, default=22050
        Rate of the waveform in Hz.
    n_fft : int, default=2048
        Length of a frame in samples, even and at least 64.
    hop_length : int, default=512
        Distance between the starts of two frames in samples, from 1 to `n_fft`.
    win_length : int, optional
        Length of the window in the middle of each frame, in samples, from 1 to `n_fft`; the whole frame when None.
    window : {"hann", "hamming"}, default="hann"
    pre_emphasis : float, default=0.0
        Share of the sample before that is taken off each sample before the transform, 0 to less than 1.
    """

    sampling_rate: int = 22050
    n_fft: int = 2048
    hop_length: int = 512
    win_length: int | None = None
    window: str = "hann"
    pre_emphasis: float = 0.0

    def __post_init__(self) -> None:
        if self.window not in WINDOWS:
            raise unknown_name("window", self.window, WINDOWS)
        if self.win_length is not None and not 1 <= self.win_length <= self.n_fft:
            raise SettingsError(f"win_length is {self.win_length}; expected 1 to n_fft = {self.n_fft} samples, or None")
        if not 0 <= self.pre_emphasis < 1:
            raise SettingsError(f"pre_emphasis is {self.pre_emphasis}; expected 0 to less than 1")
        if self.n_fft < 64 or self.n_fft % 2:
            raise SettingsError(f"n_fft is {self.n_fft}; expected an even number of at least 64 samples")
        if not 1 <= self.hop_length <= self.n_fft:
            raise SettingsError(
                f"hop_length is {self.hop_length}; expected 1 to n_fft = {self.n_fft} samples, so that no sample "
                "is left out"
            )


def periodic_window(kind: str, length: int) -> Array64:
    """Return a window whose repetitions join, shape (length,).

    Examples
    --------
    >>> periodic_window("hann", 4).tolist()
    [0.0, 0.5, 1.0, 0.5]
    """
    if length == 1:
        return np.ones(1)
    mean = WINDOWS[kind]
    return mean + (1.0 - mean) * np.cos(np.linspace(-np.pi, np.pi, length + 1)[:-1])


@lru_cache(maxsize=16)
def _window(kind: str, length: int, n_fft: int) -> Array:
    """Return a window in the middle of a frame, zeros on both sides of it."""
    before = (n_fft - length) // 2
    window = periodic_window(kind, length)
    return np.pad(window, (before, n_fft - length - before)).astype(np.float32)


def check_mel(n_mels: int, fmax: float | None, sampling_rate: int) -> None:
    """Raise `SettingsError` when mel bands cannot be made."""
    check_range("n_mels", n_mels, 1, 512)
    if fmax is not None and not 0 < fmax <= sampling_rate / 2:
        raise SettingsError(f"fmax is {fmax} Hz; expected more than 0, at most {sampling_rate / 2:g}")


@lru_cache(maxsize=32)
def _sparse_mel_filters(sampling_rate: int, n_fft: int, n_mels: int, fmax: float | None, htk: bool) -> Any:
    """Return the mel filters without their zeros, of which they mostly consist."""
    return scipy.sparse.csr_array(mel_filters(sampling_rate, n_fft, n_mels, fmax, htk))


@lru_cache(maxsize=16)
def cosines(n_mels: int) -> Array:
    """Return the orthonormal DCT-II as a matrix, shape (n_mels, n_mels); cepstra take its first rows."""
    rows: Array = scipy.fft.dct(np.eye(n_mels, dtype=np.float32), axis=0, type=2, norm="ortho")
    return rows


def _between_zeros(samples: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
    """Return samples with zeros on both sides; `np.pad` is slow for a clip."""
    padded = np.zeros(samples.size + 2 * count, dtype=samples.dtype)
    padded[count : count + samples.size] = samples
    return padded


def frame_window(frames: FrameSettings) -> Array:
    """Return the window that each frame is multiplied by, shape (n_fft,)."""
    length = frames.n_fft if frames.win_length is None else frames.win_length
    return _window(frames.window, length, frames.n_fft)


def moment_weights(frames: FrameSettings) -> Array64:
    """Return 1, the frequency in Hz and its square for each bin, shape (3, 1 + n_fft / 2)."""
    frequencies = bin_frequencies(frames.sampling_rate, frames.n_fft)
    return np.stack([np.ones_like(frequencies), frequencies, np.square(frequencies)])


class Spectrum:
    """A waveform, its short-time Fourier transform, and what follows from it, each computed once.

    Parameters
    ----------
    waveform : ndarray of shape (n_samples,)
        One channel, full scale -1 to 1.
    frames : FrameSettings
        How to cut it.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 440 / 22050 * np.arange(22050)).astype(np.float32)
    >>> spectrum = Spectrum(tone, FrameSettings())
    >>> spectrum.magnitude.shape
    (1025, 44)
    >>> bool(abs(spectrum.centroid[22] - 440) < 2)
    True
    """

    def __init__(self, waveform: npt.ArrayLike, frames: FrameSettings) -> None:
        self.waveform: Array = np.ascontiguousarray(waveform, dtype=np.float32)
        self.frames = frames
        self._mel: dict[tuple[int, float | None, bool], Array] = {}
        self._tunings: dict[int, float] = {}
        self._cepstra: dict[tuple[int, int, float | None, bool], Array] = {}

    def _frames_of(self, padded: npt.NDArray[Any]) -> npt.NDArray[Any]:
        view = np.lib.stride_tricks.sliding_window_view(padded, self.frames.n_fft)
        return view[:: self.frames.hop_length]

    def emphasised(self) -> Array:
        """Return the waveform that is transformed, after the pre-emphasis where there is one."""
        if self.frames.pre_emphasis == 0:
            return self.waveform
        from scipy.signal import lfilter

        coefficients = np.array([1.0, -self.frames.pre_emphasis], dtype=np.float32)
        first = 2 * self.waveform[:1] - self.waveform[1:2]
        return lfilter(coefficients, np.ones(1, dtype=np.float32), self.waveform, zi=first)[0]

    @cached_property
    def magnitude(self) -> Array:
        """Magnitudes, shape (1 + n_fft / 2, n_frames); the values of a bin lie side by side."""
        frames = self._frames_of(_between_zeros(self.emphasised(), self.frames.n_fft // 2))
        windowed = frames * frame_window(self.frames)
        return np.abs(scipy.fft.rfft(windowed.T, axis=0))

    @cached_property
    def power(self) -> Array:
        """Squared magnitudes, same shape."""
        return np.square(self.magnitude)

    @cached_property
    def frequencies(self) -> Array64:
        """Centre of each bin in Hz, shape (1 + n_fft / 2,)."""
        return bin_frequencies(self.frames.sampling_rate, self.frames.n_fft)

    @cached_property
    def rms(self) -> Array64:
        """Root of the mean square of each frame, from the samples, shape (n_frames,)."""
        # Parts that neighbouring frames share are squared once.
        part = math.gcd(self.frames.n_fft, self.frames.hop_length)
        padded = _between_zeros(self.waveform.astype(np.float64), self.frames.n_fft // 2)
        parts = padded[: padded.size // part * part].reshape(-1, part)
        energy = np.lib.stride_tricks.sliding_window_view(
            np.einsum("ij,ij->i", parts, parts), self.frames.n_fft // part
        )[:: self.frames.hop_length // part]
        return np.sqrt(energy.sum(axis=1) / self.frames.n_fft)

    @cached_property
    def zero_crossing_rate(self) -> Array64:
        """Share of samples in each frame at which the sign changes, shape (n_frames,)."""
        # Beyond its ends the waveform goes on as it begins and ends, where no sign changes.
        half = self.frames.n_fft // 2
        negative = self.waveform < np.float32(-1e-10)
        changes = np.flatnonzero(negative[1:] != negative[:-1]) + half
        starts = np.arange(0, negative.size + 2 * half - self.frames.n_fft + 1, self.frames.hop_length)
        ends = starts + self.frames.n_fft - 1
        return (np.searchsorted(changes, ends) - np.searchsorted(changes, starts)) / self.frames.n_fft

    def mel(self, n_mels: int = 128, fmax: float | None = None, htk: bool = False) -> Array:
        """Power in mel bands, shape (n_mels, n_frames)."""
        key = (n_mels, fmax, htk)
        if key not in self._mel:
            filters = _sparse_mel_filters(self.frames.sampling_rate, self.frames.n_fft, n_mels, fmax, htk)
            self._mel[key] = filters @ self.power
        return self._mel[key]

    def log_mel(self, n_mels: int = 128, fmax: float | None = None, htk: bool = False) -> Array:
        """Mel power in decibels re 1, no more than 80 dB below its peak, shape (n_mels, n_frames)."""
        return decibels(self.mel(n_mels, fmax, htk))

    def mfcc(self, n_mfcc: int = 20, n_mels: int = 128, fmax: float | None = None, htk: bool = False) -> Array:
        """Mel-frequency cepstral coefficients (orthonormal DCT-II of `log_mel`), shape (n_mfcc, n_frames)."""
        key = (n_mfcc, n_mels, fmax, htk)
        if key not in self._cepstra:
            self._cepstra[key] = cosines(n_mels)[:n_mfcc] @ self.log_mel(n_mels, fmax, htk)
        return self._cepstra[key]

    def tuning(self, n_chroma: int = 12) -> float:
        """Deviation from A440 tuning in fractions of a pitch class, -0.5 to 0.5, see `estimate_tuning`."""
        if n_chroma not in self._tunings:
            self._tunings[n_chroma] = estimate_tuning(
                self.power, self.frames.sampling_rate, self.frames.n_fft, n_chroma
            )
        return self._tunings[n_chroma]

    def chroma(self, n_chroma: int = 12) -> Array:
        """Power by pitch class, each frame's largest 1, shape (n_chroma, n_frames)."""
        filters = chroma_filters(self.frames.sampling_rate, self.frames.n_fft, n_chroma, self.tuning(n_chroma))
        raw = filters @ self.power
        peaks = raw.max(axis=0)
        return (raw / np.where(peaks < np.finfo(np.float32).tiny, 1.0, peaks)).astype(np.float32)

    @cached_property
    def _moments(self) -> Array64:
        """Each frame's sum of magnitudes, of these times frequency and times its square, shape (3, n_frames)."""
        moments: Array64 = moment_weights(self.frames) @ self.magnitude.astype(np.float64)
        # A frame of nothing has no mean frequency; 0 over 1 says so.
        moments[0] = np.where(moments[0] < np.finfo(np.float32).tiny, 1.0, moments[0])
        return moments

    @cached_property
    def centroid(self) -> Array64:
        """Mean frequency of each frame weighted by magnitude, in Hz, shape (n_frames,)."""
        return self._moments[1] / self._moments[0]

    @cached_property
    def bandwidth(self) -> Array64:
        """Standard deviation of frequency about the centroid weighted by magnitude, in Hz, shape (n_frames,)."""
        second = self._moments[2] / self._moments[0]
        return np.sqrt(np.maximum(second - np.square(self.centroid), 0.0))

    @cached_property
    def _cumulative(self) -> Array64:
        return np.cumsum(self.magnitude, axis=0, dtype=np.float64)

    def rolloff(self, share: float = 0.85) -> Array64:
        """Frequency under which `share` of a frame's magnitude lies, in Hz, shape (n_frames,)."""
        return self.frequencies[np.argmax(self._cumulative >= share * self._cumulative[-1], axis=0)]

    @cached_property
    def flatness(self) -> Array64:
        """Geometric over arithmetic mean of power, 0 (a tone) to 1 (white noise), shape (n_frames,)."""
        power = np.maximum(self.power, np.float32(1e-10))
        flatness: Array64 = np.exp(np.log(power).mean(axis=0, dtype=np.float64)) / power.mean(axis=0, dtype=np.float64)
        return flatness

    @cached_property
    def flux(self) -> Array64:
        """Distance between the magnitude shapes of neighbouring frames, shape (n_frames,); the first is 0."""
        shapes = self.magnitude / self._moments[0].astype(np.float32)
        steps = np.diff(shapes, axis=1, prepend=shapes[:, :1]).astype(np.float64)
        return np.sqrt(np.einsum("ij,ij->j", steps, steps))

    def contrast(self, n_bands: int = 6) -> Array64:
        """Decibels from the valleys to the peaks of each octave (Jiang et al. 2002), shape (n_bands + 1, n_frames)."""
        bands = octave_bands(self.frames.sampling_rate, self.frames.n_fft, n_bands)
        extremes = np.empty((2, len(bands), self.magnitude.shape[1]))
        for place, band in enumerate(bands):
            # A fiftieth of the band's bins; the last one is the next band's too, and only counted.
            count = max(1, round(0.02 * (band.stop - band.start)))
            last = band.stop if place == n_bands else band.stop - 1
            ranked = np.sort(self.magnitude[band.start : last], axis=0)
            extremes[:, place] = ranked[:count].mean(axis=0), ranked[-count:].mean(axis=0)
        logs = 10.0 * np.log10(np.maximum(extremes, 1e-10))
        valleys, peaks = np.maximum(logs, logs.max(axis=(1, 2), keepdims=True) - 80.0)
        return peaks - valleys


def decibels(power: Array) -> Array:
    """Power in decibels re 1, floored at 1e-10 and at 80 dB below the clip's own peak."""
    # The natural logarithm is the one that numpy computes many at a time.
    logs = np.log(np.maximum(power, np.float32(1e-10))) * np.float32(10.0 / math.log(10.0))
    return np.maximum(logs, logs.max() - np.float32(80.0))
