"""What a clip tells of its recording rather than of the emotion: levels, noise, bandwidth, spectrum and rhythm."""

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import scipy.fft

from fusionser.errors import SettingsError
from fusionser.features.clip import Clip
from fusionser.features.filters import bin_frequencies
from fusionser.features.percentiles import percentile
from fusionser.features.relative import HOP, band_frames
from fusionser.features.relative_blocks import RelativeFeature
from fusionser.features.spectrum import FrameSettings, Spectrum, frame_window
from fusionser.samples import SILENCE_PEAK

__all__ = ["EDGES", "Recording", "share_of"]

Array = npt.NDArray[np.float32]
Array64 = npt.NDArray[np.float64]

EDGES = (0, 80, 150, 250, 400, 630, 1000, 1500, 2100, 2900, 3700, 4800, 6200, 8000)
"""Limits of the bands in Hz: one for rumble, then steps of about two thirds of an octave, and less above 1 kHz."""

LOWEST_LEVEL = -120.0
"""Decibels full scale; lower levels, such as that of digital silence, count as this one."""

LOWEST_BAND = -70.0
"""Decibels relative to all bands; weaker bands count as this one."""

LOUDEST, QUIETEST = 95, 10
"""Percentiles over the frames: loud frames are less than `SPEECH` decibels below the first, and the noise is the mean
of those up to the second."""

SPEECH, PAUSE = 20.0, 35.0
"""Decibels below the loud frames: frames above the first are speech, those below the second are pauses."""

EDGE_OF_BAND = 50.0
"""Decibels below the strongest part of the spectrum of speech, where its bandwidth ends."""

SMOOTHED = 5
"""Bins over which the spectrum is averaged before its bandwidth is measured."""

ENDS = 2
"""Frames at each end that are partly outside the clip."""

RAREST = 1e-3
"""Share of samples that is added before a logarithm is taken, so that single samples count for little."""

SYLLABLES, MODULATIONS = (2.0, 8.0), (0.5, 32.0)
"""Rates in Hz of syllables, and of all modulations that are compared."""


@dataclass(kw_only=True, eq=False, repr=False)
class Recording(RelativeFeature):
    """The recording rather than the emotion: its levels, noise, bandwidth, spectrum, voicing and rhythm.

    Saved models tell with it how unlike their training recordings a clip is. A clip without any sound, or of a few
    samples, has finite columns too.

    - Levels in decibels full scale, of speech and of noise, their difference, and that of peak and speech.
    - Bandwidth in Hz: the highest frequency at which speech is less than 50 dB below the strongest part of its
      spectrum.
    - Power of 13 bands relative to their sum, in decibels, of speech and of noise, and their spread in speech.
    - Share of clipped samples and of samples that are exactly zero, as decimal logarithms. Share of pauses.
    - Flatness of the spectrum of speech and of noise, in decibels. Share of voiced frames, and harmonics-to-noise
      ratio in decibels.
    - Modulation of the level: share of the rates of syllables, 2 to 8 Hz, and standard deviation in decibels.
    - Duration, as decimal logarithm of seconds.

    Examples
    --------
    >>> tone = 0.1 * np.sin(2 * np.pi * 1000 / 16000 * np.arange(16000))
    >>> values = dict(zip(Recording().names(), Recording().transform([tone])[0], strict=True))
    >>> round(float(values["speech_level"])), round(float(values["log_duration"]))
    (-23, 0)
    """

    kind: ClassVar[str] = "recording"
    revision: ClassVar[int] = 5

    def names(self) -> list[str]:
        """Return the names of the columns."""
        bands = [f"{low}_hz" for low in EDGES[:-1]]
        return [
            "speech_level", "noise_level", "signal_to_noise", "peak_to_speech", "bandwidth",
            *(f"speech_from_{band}" for band in bands),
            *(f"noise_from_{band}" for band in bands),
            *(f"spread_from_{band}" for band in bands),
            "log_clipped_share", "log_zero_share", "pause_share", "speech_flatness", "noise_flatness",
            "voiced_share", "harmonics_to_noise", "syllable_share", "level_spread", "log_duration",
        ]  # fmt: skip

    def check(self) -> None:
        """Raise `SettingsError` if a parameter is outside its range."""
        super().check()
        if not self.sampling_rate >= 2 * EDGES[-1]:
            raise SettingsError(f"sampling_rate is {self.sampling_rate}; expected {2 * EDGES[-1]} Hz or more")

    def compute(self, clip: Clip) -> Array:
        """Return the columns for one clip."""
        levels = clip.levels(self.sampling_rate)
        frames = band_frames(self.sampling_rate)
        seconds = levels.size / levels.sampling_rate
        heard = float(levels.high - levels.low) / 2 >= SILENCE_PEAK and seconds > 0.1
        if heard:
            spectrum = clip.spectrum(self.clip_settings(), frames)
        else:
            spectrum = _padded(clip.samples(self.sampling_rate)[0], frames)
        power = _whole_frames(spectrum.power).astype(np.float64) / _full_scale(frames)
        level = _decibels(power.sum(axis=0), LOWEST_LEVEL)
        top = percentile(level, LOUDEST)
        speech = level >= top - SPEECH
        noise = level <= percentile(level, QUIETEST)
        loud = power[:, speech]
        mean, mean_noise = loud.mean(axis=1), power[:, noise].mean(axis=1)
        voiced, harmonics = self._voicing(clip) if heard else (0.0, 0.0)
        values = [
            *_relative_levels(power, speech, noise, levels.peak),
            _bandwidth(mean, self.sampling_rate),
            *_bands(mean, self.sampling_rate),
            *_bands(mean_noise, self.sampling_rate),
            *_spreads(loud, self.sampling_rate),
            *(math.log10(count / levels.size + RAREST) for count in (levels.clipped, levels.zeros)),
            (level < top - PAUSE).mean(),
            _flatness(mean),
            _flatness(mean_noise),
            voiced,
            harmonics,
            _syllables(level),
            np.maximum(level, top - PAUSE).std(),
            math.log10(seconds),
        ]
        return np.array(values, dtype=np.float32)

    def _voicing(self, clip: Clip) -> tuple[float, float]:
        frames = self.frames(clip)
        voiced = frames.voiced
        return float(voiced.mean()), float(frames.harmonics_to_noise[voiced].mean()) if voiced.any() else 0.0


def _padded(samples: Array, frames: FrameSettings) -> Spectrum:
    return Spectrum(np.pad(samples, (0, max(frames.n_fft - samples.size, 0))), frames)


def _whole_frames(power: Array) -> Array:
    """Return the frames without those that reach beyond the ends of the clip, where a step widens the spectrum."""
    return power[:, ENDS:-ENDS] if power.shape[1] > 4 * ENDS else power


@lru_cache(maxsize=4)
def _full_scale(frames: FrameSettings) -> float:
    """Return the factor that makes the sum over the bins the mean square of the samples of the frame."""
    return float(frames.n_fft * np.square(frame_window(frames), dtype=np.float64).sum() / 2)


def _decibels(power: npt.ArrayLike, least: float) -> Array64:
    return 10.0 * np.log10(np.maximum(power, 10.0 ** (least / 10.0)))


def _relative_levels(
    power: Array64, speech: npt.NDArray[np.bool_], noise: npt.NDArray[np.bool_], highest: np.float32
) -> list[float]:
    energy = power.sum(axis=0)
    loud = float(_decibels(energy[speech].mean(), LOWEST_LEVEL))
    quiet = float(_decibels(energy[noise].mean(), LOWEST_LEVEL))
    peak = float(_decibels(np.square(highest, dtype=np.float64), LOWEST_LEVEL))
    return [loud, quiet, loud - quiet, peak - loud]


def _bandwidth(spectrum: Array64, sampling_rate: int) -> float:
    smooth = np.convolve(spectrum, np.full(SMOOTHED, 1 / SMOOTHED), "same")
    levels = _decibels(smooth, 2 * LOWEST_LEVEL)
    frequency = bin_frequencies(sampling_rate, 2 * (spectrum.size - 1))
    strong = (levels > levels.max() - EDGE_OF_BAND) & (frequency <= EDGES[-1])
    return float(frequency[np.flatnonzero(strong)[-1]]) if levels.max() > 2 * LOWEST_LEVEL else 0.0


@lru_cache(maxsize=4)
def _members(sampling_rate: int, n_bins: int) -> Array64:
    """Return which bins belong to each band, shape (n_bands, n_bins)."""
    frequency = bin_frequencies(sampling_rate, 2 * (n_bins - 1))
    members = [(frequency >= low) & (frequency < high) for low, high in pairwise(EDGES)]
    return np.stack(members).astype(np.float64)


def _bands(spectrum: Array64, sampling_rate: int) -> Array64:
    bands = _members(sampling_rate, spectrum.size) @ spectrum
    return _decibels(bands / (bands.sum() or 1.0), LOWEST_BAND)


def _spreads(power: Array64, sampling_rate: int) -> Array64:
    bands = _members(sampling_rate, len(power)) @ power
    return _decibels(bands / (bands.sum(axis=0).mean() or 1.0), LOWEST_BAND).std(axis=1)


def share_of(logarithm: float) -> float:
    """Return the share, 0 to 1, of which a column is the logarithm."""
    return max(10.0**logarithm - RAREST, 0.0)


def _flatness(spectrum: Array64) -> float:
    """Return the geometric mean of the power over the arithmetic one, in decibels."""
    return float(_decibels(spectrum / (spectrum.mean() or 1.0), LOWEST_BAND).mean())


def _syllables(level: Array64) -> float:
    varied = np.maximum(level, level.max() - PAUSE)
    varied = (varied - varied.mean()) * np.hanning(varied.size + 2)[1:-1]
    size = max(256, scipy.fft.next_fast_len(varied.size))
    power = np.square(np.abs(scipy.fft.rfft(varied, size)))
    rates = scipy.fft.rfftfreq(size, HOP)
    part, whole = (power[(rates >= low) & (rates < high)].sum() for low, high in (SYLLABLES, MODULATIONS))
    return float(part / whole) if whole > 1e-9 else 0.0
