"""The short-time Fourier transform of a clip, and the quantities that features derive from it.

The conventions are those of librosa 0.11: centred frames, zero padding, a periodic Hann window, and Slaney's mel scale
with area-normalised filters. Each quantity equals the result of librosa's function of the same name.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.sparse

from fusionser.checks import check_range
from fusionser.errors import AudioError, SettingsError, unknown_name
from fusionser.features.filters import Array, Array64, bin_frequencies, chroma_filters, mel_filters, octave_bands
from fusionser.features.tuning import estimate_tuning

__all__ = ["FrameSettings", "Spectrum", "check_cells"]

MOST_CELLS = 2**27
"""Most frames times frequencies of one clip, about 2 GiB at the widest point of the transform."""

Floating = TypeVar("Floating", np.float32, np.float64)

WINDOWS = {"hann": 0.5, "hamming": 0.54}
"""Mean of each window, by name. The window is its mean plus a cosine of amplitude 1 - mean."""


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
        Distance between frames in samples, 1 to `n_fft`.
    win_length : int, optional
        Length of the window at the centre of each frame, in samples, 1 to `n_fft`. None is the whole frame.
    window : {"hann", "hamming"}, default="hann"
        Window that each frame is multiplied by.
    pre_emphasis : float, default=0.0
        Share of the previous sample that is subtracted from each sample, 0 to less than 1.
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
                f"hop_length is {self.hop_length}; expected 1 to n_fft = {self.n_fft} samples, so that none is skipped"
            )


def check_cells(n_samples: int, frames: FrameSettings, name: str) -> None:
    """Raise `AudioError`, with the name of the clip, if its spectrum would have more than `MOST_CELLS` values."""
    n_frames = 1 + n_samples // frames.hop_length
    if n_frames * (1 + frames.n_fft // 2) > MOST_CELLS:
        raise AudioError(
            f"{name}: {n_frames} frames of {1 + frames.n_fft // 2} frequencies are too many; expected at most "
            f"{MOST_CELLS} values. Cut it into utterances, or choose a longer hop or shorter frames"
        )


def periodic_window(kind: str, length: int) -> Array64:
    """Return a periodic window, shape (length,).

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
def frame_window(frames: FrameSettings) -> Array:
    """Return the window that each frame is multiplied by, with zeros on both sides, shape (n_fft,)."""
    length = frames.win_length or frames.n_fft
    before = (frames.n_fft - length) // 2
    window = periodic_window(frames.window, length)
    return np.pad(window, (before, frames.n_fft - length - before)).astype(np.float32)


def check_mel(n_mels: int, fmax: float | None, sampling_rate: int) -> None:
    """Raise `SettingsError` if a parameter of the mel bands is out of range."""
    check_range("n_mels", n_mels, 1, 512)
    if fmax is not None and not 0 < fmax <= sampling_rate / 2:
        raise SettingsError(f"fmax is {fmax} Hz; expected more than 0, at most {sampling_rate / 2:g}")


@lru_cache(maxsize=32)
def _sparse_mel_filters(sampling_rate: int, n_fft: int, n_mels: int, fmax: float | None, htk: bool) -> Any:
    # Most weights are zero.
    return scipy.sparse.csr_array(mel_filters(sampling_rate, n_fft, n_mels, fmax, htk))


@lru_cache(maxsize=16)
def cosines(n_mels: int) -> Array:
    """Return the matrix of the orthonormal DCT-II, shape (n_mels, n_mels). Its first rows give cepstra."""
    return scipy.fft.dct(np.eye(n_mels, dtype=np.float32), axis=0, type=2, norm="ortho")


def _between_zeros(samples: Array, count: int, kind: type[Floating]) -> npt.NDArray[Floating]:
    # Assignment is faster than `np.pad` for a clip, and converts in the same pass.
    padded = np.empty(samples.size + 2 * count, dtype=kind)
    padded[:count] = 0
    padded[count : count + samples.size] = samples
    padded[count + samples.size :] = 0
    return padded


def framed(values: npt.NDArray[Floating], length: int, hop: int) -> npt.NDArray[Floating]:
    """Return a view of all whole frames of contiguous values, shape (n_frames, length).

    Examples
    --------
    >>> framed(np.arange(6.0), 4, 2).tolist()
    [[0.0, 1.0, 2.0, 3.0], [2.0, 3.0, 4.0, 5.0]]
    """
    # This begins faster than `sliding_window_view`, and NumPy checks that the frames are within the memory.
    shape = (1 + (values.size - length) // hop, length)
    return np.ndarray(shape, values.dtype, values, strides=(hop * values.itemsize, values.itemsize))


@lru_cache(maxsize=16)
def moment_weights(frames: FrameSettings) -> Array64:
    """Return 1, the frequency in Hz and its square of each bin, shape (3, 1 + n_fft / 2)."""
    frequencies = bin_frequencies(frames.sampling_rate, frames.n_fft)
    return np.stack([np.ones_like(frequencies), frequencies, np.square(frequencies)])


class Spectrum:
    """A waveform, its short-time Fourier transform, and derived quantities, which are computed when first used.

    Parameters
    ----------
    waveform : ndarray of shape (n_samples,)
        One channel, full scale -1 to 1.
    frames : FrameSettings
        How to cut the waveform into frames.

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
        self._computed: dict[tuple[Any, ...], Any] = {}

    def _once(self, key: tuple[Any, ...], compute: Callable[[], Any]) -> Any:
        if key not in self._computed:
            self._computed[key] = compute()
        return self._computed[key]

    def emphasised(self) -> Array:
        """Return the waveform after pre-emphasis, if any."""
        if self.frames.pre_emphasis == 0:
            return self.waveform
        from scipy.signal import lfilter

        coefficients = np.array([1.0, -self.frames.pre_emphasis], dtype=np.float32)
        first = 2 * self.waveform[:1] - self.waveform[1:2]
        return lfilter(coefficients, np.ones(1, dtype=np.float32), self.waveform, zi=first)[0]

    @cached_property
    def magnitude(self) -> Array:
        """Magnitudes, shape (1 + n_fft / 2, n_frames). The values of a bin are contiguous."""
        padded = _between_zeros(self.emphasised(), self.frames.n_fft // 2, np.float32)
        windowed = framed(padded, self.frames.n_fft, self.frames.hop_length) * frame_window(self.frames)
        return np.abs(scipy.fft.rfft(windowed.T, axis=0))

    @cached_property
    def power(self) -> Array:
        """Squared magnitudes, shape (1 + n_fft / 2, n_frames)."""
        return np.square(self.magnitude)

    @cached_property
    def frequencies(self) -> Array64:
        """Centre of each bin in Hz, shape (1 + n_fft / 2,)."""
        return bin_frequencies(self.frames.sampling_rate, self.frames.n_fft)

    @cached_property
    def rms(self) -> Array64:
        """Root mean square of the samples of each frame, shape (n_frames,)."""
        # Parts that overlapping frames share are squared only once.
        part = math.gcd(self.frames.n_fft, self.frames.hop_length)
        padded = _between_zeros(self.waveform, self.frames.n_fft // 2, np.float64)
        parts = padded[: padded.size // part * part].reshape(-1, part)
        energies = framed(np.vecdot(parts, parts), self.frames.n_fft // part, self.frames.hop_length // part)
        return np.sqrt(energies.sum(axis=1) / self.frames.n_fft)

    @cached_property
    def zero_crossing_rate(self) -> Array64:
        """Share of samples in each frame at which the sign changes, shape (n_frames,)."""
        # The first and last samples are repeated beyond the ends, so no sign changes there.
        half = self.frames.n_fft // 2
        negative = self.waveform < np.float32(-1e-10)
        changes = np.flatnonzero(negative[1:] != negative[:-1]) + half
        starts = np.arange(0, negative.size + 2 * half - self.frames.n_fft + 1, self.frames.hop_length)
        ends = starts + self.frames.n_fft - 1
        return (np.searchsorted(changes, ends) - np.searchsorted(changes, starts)) / self.frames.n_fft

    def mel(self, n_mels: int = 128, fmax: float | None = None, htk: bool = False) -> Array:
        """Power in mel bands, shape (n_mels, n_frames)."""
        settings = (self.frames.sampling_rate, self.frames.n_fft, n_mels, fmax, htk)
        return self._once(("mel", n_mels, fmax, htk), lambda: _sparse_mel_filters(*settings) @ self.power)

    def log_mel(self, n_mels: int = 128, fmax: float | None = None, htk: bool = False) -> Array:
        """Mel power in decibels re 1, at most 80 dB below its peak, shape (n_mels, n_frames)."""
        return decibels(self.mel(n_mels, fmax, htk))

    def mfcc(self, n_mfcc: int = 20, n_mels: int = 128, fmax: float | None = None, htk: bool = False) -> Array:
        """Mel-frequency cepstral coefficients (orthonormal DCT-II of `log_mel`), shape (n_mfcc, n_frames)."""
        mel = (n_mels, fmax, htk)
        return self._once(("mfcc", n_mfcc, *mel), lambda: cosines(n_mels)[:n_mfcc] @ self.log_mel(*mel))

    def tuning(self, n_chroma: int = 12) -> float:
        """Deviation from A440 tuning in fractions of a pitch class, -0.5 to 0.5 (`estimate_tuning`)."""
        settings = (self.frames.sampling_rate, self.frames.n_fft, n_chroma)
        return self._once(("tuning", n_chroma), lambda: estimate_tuning(self.power, *settings))

    def chroma(self, n_chroma: int = 12) -> Array:
        """Power of each pitch class relative to the strongest of the frame, shape (n_chroma, n_frames)."""
        filters = chroma_filters(self.frames.sampling_rate, self.frames.n_fft, n_chroma, self.tuning(n_chroma))
        raw = filters @ self.power
        peaks = raw.max(axis=0)
        return (raw / np.where(peaks < np.finfo(np.float32).tiny, 1.0, peaks)).astype(np.float32)

    @cached_property
    def _moments(self) -> Array64:
        """Sums over each frame of magnitude times frequency to the powers 0, 1 and 2, shape (3, n_frames)."""
        exact = self.magnitude.astype(np.float64)
        # Three products with a vector are faster than one with a matrix of three rows.
        moments = np.stack([weights @ exact for weights in moment_weights(self.frames)])
        # The mean frequency of a silent frame is 0.
        moments[0] = np.where(moments[0] < np.finfo(np.float32).tiny, 1.0, moments[0])
        return moments

    @cached_property
    def centroid(self) -> Array64:
        """Mean frequency of each frame, weighted by magnitude, in Hz, shape (n_frames,)."""
        return self._moments[1] / self._moments[0]

    @cached_property
    def bandwidth(self) -> Array64:
        """Standard deviation of frequency around the centroid, weighted by magnitude, in Hz, shape (n_frames,)."""
        second = self._moments[2] / self._moments[0]
        return np.sqrt(np.maximum(second - np.square(self.centroid), 0.0))

    @cached_property
    def _cumulative(self) -> Array64:
        return np.cumsum(self.magnitude, axis=0, dtype=np.float64)

    def rolloff(self, share: float = 0.85) -> Array64:
        """Frequency below which `share` of the magnitude of a frame lies, in Hz, shape (n_frames,)."""
        return self.frequencies[np.argmax(self._cumulative >= share * self._cumulative[-1], axis=0)]

    @cached_property
    def flatness(self) -> Array64:
        """Ratio of the geometric to the arithmetic mean of power, 0 (tone) to 1 (white noise), shape (n_frames,)."""
        power = np.maximum(self.power, np.float32(1e-10))
        return np.exp(np.log(power).mean(axis=0, dtype=np.float64)) / power.mean(axis=0, dtype=np.float64)

    @cached_property
    def flux(self) -> Array64:
        """Distance between the normalised magnitudes of each frame and the previous one, 0 first, shape (n_frames,)."""
        shapes = self.magnitude / self._moments[0].astype(np.float32)
        steps = np.diff(shapes, axis=1, prepend=shapes[:, :1]).astype(np.float64)
        return np.sqrt(np.einsum("ij,ij->j", steps, steps))

    def contrast(self, n_bands: int = 6) -> Array64:
        """Decibels from valley to peak of each octave (Jiang et al. 2002), shape (n_bands + 1, n_frames)."""
        bands = octave_bands(self.frames.sampling_rate, self.frames.n_fft, n_bands)
        extremes = np.empty((2, len(bands), self.magnitude.shape[1]))
        for place, band in enumerate(bands):
            # Peaks and valleys are 2 % of the bins. The last bin counts but is used only by the next band.
            count = max(1, round(0.02 * (band.stop - band.start)))
            last = band.stop if place == n_bands else band.stop - 1
            ranked = np.sort(self.magnitude[band.start : last], axis=0)
            extremes[:, place] = ranked[:count].mean(axis=0), ranked[-count:].mean(axis=0)
        logs = 10.0 * np.log10(np.maximum(extremes, 1e-10))
        valleys, peaks = np.maximum(logs, logs.max(axis=(1, 2), keepdims=True) - 80.0)
        return peaks - valleys


def decibels(power: Array) -> Array:
    """Return power, at least 1e-10, in decibels re 1, at most 80 dB below the peak of the clip."""
    # NumPy vectorises the natural logarithm only.
    logs = np.maximum(power, np.float32(1e-10))
    np.log(logs, out=logs)
    logs *= np.float32(10.0 / math.log(10.0))
    return np.maximum(logs, logs.max() - np.float32(80.0), out=logs)
