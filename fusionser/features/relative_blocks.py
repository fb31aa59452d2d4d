"""Blocks of features that are relative within the clip: they compare its frames with each other."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import scipy.fft
from scipy.ndimage import uniform_filter1d

from fusionser.errors import SettingsError
from fusionser.features.base import FeatureBlock
from fusionser.features.clip import Clip
from fusionser.features.framing import ClipParameters
from fusionser.features.percentiles import percentiles
from fusionser.features.pitch import semitones
from fusionser.features.relative import HIGHEST, HOP, N_BANDS, RelativeFrames, relative_frames

__all__ = ["Modulation", "Prosody", "RelativeCepstra", "RelativeFeature"]

Array = npt.NDArray[np.float32]
Array64 = npt.NDArray[np.float64]

SPREAD = ("std", "iqr", "upper", "lower", "skewness", "kurtosis")
"""Statistics about the median: standard deviation, distance of the quartiles, of the 90th and of the 10th percentile
from the median, skewness and kurtosis (at most 10)."""

LOUD, SOFT, PEAK = -6.0, -10.0, -15.0
"""Decibels relative to the loud frames: above the first a frame is loud, below the second soft; peaks of the level
above the third count as syllables."""

LARGEST_STEP = 3.0
"""Semitones from frame to frame; larger steps are errors of the pitch tracker, and are cut down."""

N_CEPSTRA = 13
SMOOTHED = 3
"""Frames that cepstra are averaged over before their steps, which are otherwise mostly noise in noisy recordings."""

N_GROUPS = 5
RATES = ((0.5, 2.0), (2.0, 4.0), (4.0, 8.0), (8.0, 16.0), (16.0, 32.0))
"""Ranges of modulation rates in Hz."""

MODULATION_LENGTH = 512
"""Frames of the transform; longer clips are analysed in parts of that length."""


def spread(series: npt.ArrayLike) -> Array64:
    """Return the statistics `SPREAD` of each series, shape (..., 6), for series of shape (..., n_frames).

    Examples
    --------
    >>> spread([0.0, 1.0, 2.0, 3.0, 4.0]).round(2).tolist()
    [1.41, 2.0, 1.6, -1.6, 0.0, 1.7]
    """
    values = np.asarray(series, dtype=np.float64)
    low, first, middle, third, high = percentiles(values, [10, 25, 50, 75, 90])
    deviation = values.std(axis=-1)
    standard = (values - values.mean(axis=-1, keepdims=True)) / (deviation[..., None] + 1e-6)
    square = standard * standard
    skewness = (square * standard).mean(axis=-1)
    kurtosis = np.minimum((square * square).mean(axis=-1), 10.0)
    return np.stack([deviation, third - first, high - middle, low - middle, skewness, kurtosis], axis=-1)


def _named(prefix: str) -> list[str]:
    return [f"{prefix}_{statistic}" for statistic in SPREAD]


@dataclass(kw_only=True, eq=False, repr=False)
class RelativeFeature(ClipParameters, FeatureBlock):
    """A block from the frames of `RelativeFrames`, which blocks with equal settings share.

    Parameters
    ----------
    sampling_rate : int, default=16000
        Rate of the analysis in Hz, 8000 or more. Frequencies above 3700 Hz are not used at any rate.
    dynamic_range : float, default=20.0
        Distance in decibels from the loud parts of the clip to the floor, 6 to 60. A recording whose noise lies higher
        than the floor gives other values than a clean one.
    """

    sampling_rate: int = 16000
    dynamic_range: float = 20.0

    def check(self) -> None:
        """Raise `SettingsError` if a parameter is outside its range."""
        super().check()
        if not self.sampling_rate >= 2 * HIGHEST:
            raise SettingsError(f"sampling_rate is {self.sampling_rate}; expected {2 * HIGHEST:g} Hz or more")
        if not 6 <= self.dynamic_range <= 60:
            raise SettingsError(f"dynamic_range is {self.dynamic_range}; expected 6 to 60 dB")

    def frames(self, clip: Clip) -> RelativeFrames:
        """Return the frames of the clip."""
        settings = self.clip_settings()
        key = ("relative", settings, self.dynamic_range)
        return clip.shared(key, lambda: relative_frames(clip, settings, self.dynamic_range))


@dataclass(kw_only=True, eq=False, repr=False)
class Prosody(RelativeFeature):
    """Level, pitch, voicing and rhythm, relative within the clip.

    - Level in decibels relative to the loud frames, and its steps from frame to frame.
    - Pitch in semitones about the median of the clip, its steps, range and slope. The median, in semitones relative to
      100 Hz, is the only column that is not relative: no recording chain changes it.
    - Harmonics-to-noise ratio in decibels.
    - Voiced and active share, voiced stretches, peaks of the level (about the syllables) per second, duration.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 200 / 16000 * np.arange(16000)) * np.hanning(16000)
    >>> quiet, loud = Prosody().transform([tone / 100, tone / 2])
    >>> bool(np.allclose(quiet, loud, atol=1e-3))
    True
    """

    kind: ClassVar[str] = "prosody"

    def names(self) -> list[str]:
        """Return the names of the columns."""
        return [
            *_named("level"), "level_mean", "level_median", *_named("level_step"),
            *_named("f0"), "f0_median", "f0_range", "f0_slope",
            "f0_step_magnitude", "f0_step_std", "f0_step_mean",
            *_named("hnr"), "hnr_mean", "hnr_voiced_mean", "hnr_voiced_std",
            "voiced_share", "active_share", "log_duration", "voiced_stretches_per_second",
            "log_voiced_length_mean", "log_voiced_length_maximum", "level_peaks_per_second", "f0_level_correlation",
        ]  # fmt: skip

    def compute(self, clip: Clip) -> Array:
        """Return the columns for one clip."""
        frames = self.frames(clip)
        level = frames.level
        values = [
            *spread(level), level.mean(), np.median(level), *spread(np.diff(level)),
            *_pitch_columns(frames), *_harmonics_columns(frames), *_rhythm_columns(frames),
        ]  # fmt: skip
        return np.array(values, dtype=np.float32)


def _pitch_columns(frames: RelativeFrames) -> list[float]:
    voiced = frames.voiced
    pitch = semitones(frames.frequency)
    series = pitch[voiced] if voiced.sum() > 4 else np.zeros(5)
    median = float(np.median(series))
    about = series - median
    ends = percentiles(series, [5, 95])
    steps = np.diff(pitch)[voiced[1:] & voiced[:-1]]
    steps = np.clip(steps, -LARGEST_STEP, LARGEST_STEP) if steps.size > 2 else np.zeros(3)
    slope = 3.0 * float((np.linspace(-1.0, 1.0, series.size) * about).mean())
    return [*spread(about), median, ends[1] - ends[0], slope, np.abs(steps).mean(), steps.std(), steps.mean()]


def _harmonics_columns(frames: RelativeFrames) -> list[float]:
    active = frames.harmonics_to_noise[frames.active] if frames.active.any() else np.zeros(1)
    voiced = frames.harmonics_to_noise[frames.voiced] if frames.voiced.any() else np.zeros(1)
    return [*spread(active), active.mean(), voiced.mean(), voiced.std()]


def _rhythm_columns(frames: RelativeFrames) -> list[float]:
    voiced = frames.voiced
    turns = np.diff(np.concatenate([[0], voiced.astype(int), [0]]))
    lengths = np.flatnonzero(turns < 0) - np.flatnonzero(turns > 0)
    longest, mean = (lengths.max(), lengths.mean()) if lengths.size else (0, 0.0)
    window = np.hanning(9)
    smooth = np.convolve(frames.level, window / window.sum(), "same")
    peaks = (smooth[1:-1] > smooth[:-2]) & (smooth[1:-1] >= smooth[2:]) & (smooth[1:-1] > PEAK)
    return [
        voiced.mean(), frames.active.mean(), np.log(frames.seconds), lengths.size / frames.seconds,
        np.log1p(mean), np.log1p(longest), peaks.sum() / frames.seconds, _correlation(frames),
    ]  # fmt: skip


def _correlation(frames: RelativeFrames) -> float:
    """Return the correlation of pitch and level over the voiced frames, 0 if there are too few or they are constant."""
    pitch, level = semitones(frames.frequency)[frames.voiced], frames.level[frames.voiced]
    if pitch.size < 6 or pitch.std() < 1e-9 or level.std() < 1e-9:
        return 0.0
    return float(np.corrcoef(pitch, level)[0, 1])


@dataclass(kw_only=True, eq=False, repr=False)
class RelativeCepstra(RelativeFeature):
    """Cepstra of the mel bands, without the constant one, and what they differ by within the clip.

    - Spread of each about its median over the active frames, and standard deviation of its steps from frame to frame,
      averaged over three frames.
    - Means of loud minus soft frames, and of voiced minus unvoiced frames.
    - Mean over the voiced frames.

    Examples
    --------
    >>> len(RelativeCepstra().names())
    130
    """

    kind: ClassVar[str] = "relative-cepstra"
    revision: ClassVar[int] = 5

    def names(self) -> list[str]:
        """Return the names of the columns."""
        numbers = [f"{number:02d}" for number in range(1, N_CEPSTRA + 1)]
        kinds = ("step_std", "loud_minus_soft", "voiced_minus_unvoiced", "voiced_mean")
        return [
            *(name for number in numbers for name in _named(number)),
            *(f"{number}_{kind}" for kind in kinds for number in numbers),
        ]

    def compute(self, clip: Clip) -> Array:
        """Return the columns for one clip."""
        frames = self.frames(clip)
        cepstra = scipy.fft.dct(frames.bands, axis=1, norm="ortho")[:, 1 : N_CEPSTRA + 1]
        voiced, unvoiced = frames.voiced, frames.active & ~frames.voiced
        active = cepstra[frames.active] if frames.active.any() else cepstra
        mean = cepstra[voiced].mean(axis=0) if voiced.sum() > 3 else cepstra.mean(axis=0)
        return np.concatenate(
            [
                spread(active.T).ravel(),
                np.diff(uniform_filter1d(cepstra, SMOOTHED, axis=0, mode="nearest"), axis=0).std(axis=0),
                _difference(cepstra, frames.level > LOUD, frames.active & (frames.level < SOFT)),
                _difference(cepstra, voiced, unvoiced),
                mean,
            ]
        ).astype(np.float32)


def _difference(values: Array64, one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> Array64:
    """Return the difference of the means over two sets of frames, 0 if either has fewer than four."""
    if min(one.sum(), other.sum()) < 4:
        return np.zeros(values.shape[1])
    return values[one].mean(axis=0) - values[other].mean(axis=0)


@dataclass(kw_only=True, eq=False, repr=False)
class Modulation(RelativeFeature):
    """Modulation spectrum: how fast the level of groups of bands rises and falls.

    Power in decibels of five ranges of rates, 0.5 to 32 Hz, in five groups of mel bands.

    Examples
    --------
    >>> Modulation().names()[:2]
    ['group1_0.5_hz', 'group1_2_hz']
    """

    kind: ClassVar[str] = "modulation"

    def names(self) -> list[str]:
        """Return the names of the columns: the group of bands, and the lowest rate of the range."""
        return [f"group{group}_{low:g}_hz" for group in range(1, N_GROUPS + 1) for low, _ in RATES]

    def compute(self, clip: Clip) -> Array:
        """Return the columns for one clip."""
        bands = self.frames(clip).bands
        levels = bands.reshape(len(bands), N_GROUPS, N_BANDS // N_GROUPS).mean(axis=2)
        rates = scipy.fft.rfftfreq(MODULATION_LENGTH, HOP)
        power = np.mean([_power(part) for part in _parts(levels)], axis=0)
        ranges = [power[(rates >= low) & (rates < high)].mean(axis=0) for low, high in RATES]
        return (10.0 * np.log10(np.stack(ranges, axis=1) + 1e-3)).ravel().astype(np.float32)


def _parts(levels: Array64) -> list[Array64]:
    count = -(-len(levels) // MODULATION_LENGTH)
    return np.array_split(levels, count)


def _power(levels: Array64) -> Array64:
    """Return the power spectrum of each group, per frame, shape (1 + MODULATION_LENGTH / 2, n_groups)."""
    window = np.hanning(len(levels) + 2)[1:-1, None]
    spectrum = scipy.fft.rfft((levels - levels.mean(axis=0)) * window, MODULATION_LENGTH, axis=0)
    return np.square(np.abs(spectrum)) / len(levels)
