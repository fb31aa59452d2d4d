"""The block of voice quality: how the voice sounds in the voiced parts of a clip."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from fusionser.audio import ClipSettings
from fusionser.features.clip import Clip
from fusionser.features.formants import NEUTRAL, find_formants
from fusionser.features.percentiles import percentiles
from fusionser.features.pitch import harmonics_to_noise
from fusionser.features.relative import HIGHEST, RelativeFrames, pitch_frames, power_response
from fusionser.features.relative_blocks import RelativeFeature
from fusionser.features.voice_periods import Periods, band_limited, find_periods
from fusionser.features.voice_spectrum import (
    RATIOS,
    cepstral_peak_prominence,
    decibels_of,
    harmonic_differences,
    spectral_ratios,
)

__all__ = ["VoiceFrames", "VoiceQuality", "voice_frames"]

Array = npt.NDArray[np.float32]
Array64 = npt.NDArray[np.float64]

FORMANTS = ("f1", "f2", "f3")
BANDWIDTHS = ("b1", "b2", "b3")
SERIES = ("hnr", "cpps", *FORMANTS, *BANDWIDTHS, "h1_h2", "h1_a3", *RATIOS)
STATISTICS = ("median", "iqr", "upper", "lower")
"""Median, distance of the quartiles, and of the 90th and of the 10th percentile from the median."""

NARROWEST = 10.0
"""Hz that bandwidths are at least."""

FEWEST = 4


@dataclass(frozen=True)
class VoiceFrames:
    """Measures of the voiced frames of a clip.

    Parameters
    ----------
    times : ndarray of shape (n_frames,)
        Centres of the voiced frames in seconds.
    series : dict of str to ndarray of shape (n_frames,)
        A measure per frame: decibels, or for formants and bandwidths the binary logarithm of Hz, for slopes decibels
        per kilohertz.
    periods : Periods
        Consecutive periods about each frame.
    """

    times: Array64
    series: dict[str, Array64]
    periods: Periods


def voice_frames(clip: Clip, frames: RelativeFrames, settings: ClipSettings) -> VoiceFrames:
    """Measure the voiced frames of a clip.

    Parameters
    ----------
    clip : Clip
    frames : RelativeFrames
        Frames of the same clip with the same settings.
    settings : ClipSettings
    """
    framing = pitch_frames(settings.sampling_rate)
    bin_width = settings.sampling_rate / framing.n_fft
    spectrum = clip.spectrum(settings, framing)
    # Bands have shorter frames, which can be one more.
    places = np.minimum(frames.first + np.arange(frames.level.size), spectrum.power.shape[1] - 1)
    voiced, pitch = frames.voiced, frames.frequency[frames.voiced]
    power = spectrum.power[: int(HIGHEST / bin_width) + 1, places]
    limited = spectrum.power[:, places[voiced]] * power_response(spectrum.frequencies)[:, None].astype(np.float32)
    decibels = decibels_of(power)
    prominence = cepstral_peak_prominence(decibels, bin_width)[voiced]
    decibels = decibels[voiced]
    formants = find_formants(power[:, voiced], bin_width)
    values = [
        harmonics_to_noise(limited, pitch, settings.sampling_rate), prominence,
        *np.log2(formants.frequency.T), *np.log2(np.maximum(formants.bandwidth.T, NARROWEST)),
        *harmonic_differences(decibels, bin_width, pitch, formants.frequency[:, 2]),
        *spectral_ratios(decibels, bin_width),
    ]  # fmt: skip
    times = places[voiced] * (framing.hop_length / settings.sampling_rate)
    samples = band_limited(spectrum.waveform, settings.sampling_rate)
    return VoiceFrames(times, dict(zip(SERIES, values, strict=True)), find_periods(samples, times, pitch))


@dataclass(kw_only=True, eq=False, repr=False)
class VoiceQuality(RelativeFeature):
    """Jitter, shimmer, harmonics-to-noise ratio, cepstral peak, formants and spectral ratios of voiced frames.

    - Jitter (local) and shimmer (local) in per cent, shimmer (local) in decibels.
    - Median and spread over the voiced frames of: harmonics-to-noise ratio, cepstral peak prominence, the first three
      formants and their bandwidths (binary logarithm of Hz), H1-H2, H1-A3, alpha ratio, Hammarberg index, and two
      slopes of the spectrum.

    The level does not count, and only frequencies up to 3700 Hz are used, so A3 and the ratios are those of a
    telephone's band. A clip with fewer than four voiced frames has the formants of a neutral vowel, and 0 elsewhere.

    Examples
    --------
    >>> len(VoiceQuality().names())
    59
    """

    kind: ClassVar[str] = "voice-quality"

    def names(self) -> list[str]:
        """Return the names of the columns."""
        spreads = [f"{name}_{statistic}" for name in SERIES for statistic in STATISTICS]
        return ["jitter", "shimmer", "shimmer_db", *spreads]

    def compute(self, clip: Clip) -> Array:
        """Return the columns for one clip."""
        frames = self.frames(clip)
        if frames.voiced.sum() < FEWEST:
            return self._of_no_voice()
        voice = voice_frames(clip, frames, self.clip_settings())
        periods = voice.periods
        series = np.stack([*voice.series.values()])
        low, first, middle, third, high = percentiles(series, [10, 25, 50, 75, 90])
        spreads = np.stack([middle, third - first, high - middle, low - middle], axis=1)
        perturbation = [100.0 * periods.jitter, 100.0 * periods.shimmer, periods.shimmer_decibels]
        return np.concatenate([perturbation, spreads.ravel()]).astype(np.float32)

    def _of_no_voice(self) -> Array:
        medians = dict(zip((f"{name}_median" for name in FORMANTS), np.log2(NEUTRAL), strict=True))
        return np.array([medians.get(name, 0.0) for name in self.names()], dtype=np.float32)
