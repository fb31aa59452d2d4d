"""Blocks that are computed from the whole clip."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from fusionser.errors import AudioError, SettingsError
from fusionser.features.base import FeatureBlock
from fusionser.features.clip import Array, Clip
from fusionser.features.framing import FrameParameters
from fusionser.features.functionals import summarise
from fusionser.features.pitch import semitones, track_pitch

__all__ = ["Gender", "Pitch", "SignalStatistics"]


@dataclass(kw_only=True, eq=False, repr=False)
class SignalStatistics(FrameParameters, FeatureBlock):
    """SER-FusionNet's six statistics of a clip: four moments of its samples, mean spectral centroid and bandwidth.

    Mean, variance, skewness and excess kurtosis of the samples, and the means over frames of the spectral centroid and
    bandwidth in Hz (Boopathi, Bramadi, Ravi Kumar and Babu 2023). That the first four are taken of the waveform is
    inferred.

    Examples
    --------
    >>> SignalStatistics().names()
    ['mean', 'variance', 'skewness', 'kurtosis', 'spectral_centroid_mean', 'spectral_bandwidth_mean']
    """

    kind: ClassVar[str] = "statistics"

    def names(self) -> list[str]:
        """Return the names of the columns within the block."""
        return ["mean", "variance", "skewness", "kurtosis", "spectral_centroid_mean", "spectral_bandwidth_mean"]

    def compute(self, clip: Clip) -> Array:
        """Return the columns of one clip."""
        spectrum = self.spectrum(clip)
        samples = spectrum.waveform.astype(np.float64)
        mean = samples.mean()
        samples -= mean
        squares = np.square(samples)
        # Products are much faster than sums and powers.
        variance = (samples @ samples) / samples.size
        skewness = (squares @ samples) / samples.size / variance**1.5
        kurtosis = (squares @ squares) / samples.size / variance**2 - 3.0
        moments = [mean, variance, skewness, kurtosis]
        return np.array([*moments, spectrum.centroid.mean(), spectrum.bandwidth.mean()], dtype=np.float32)


@dataclass(kw_only=True, eq=False, repr=False)
class Gender(FrameParameters, FeatureBlock):
    """The speaker's gender as the rows give it: 1 for male, 0 for female, as in SER-FusionNet.

    X must be a table with the column ``gender``. A model with this block needs the speaker's gender of every clip that
    it predicts.

    Examples
    --------
    >>> import pandas as pd
    >>> Gender().transform(pd.DataFrame({"file": ["a.wav", "b.wav"], "gender": ["male", "female"]})).tolist()
    [[1.0], [0.0]]
    """

    kind: ClassVar[str] = "gender"
    uses_audio: ClassVar[bool] = False

    def names(self) -> list[str]:
        """Return the name of the only column."""
        return ["male"]

    def compute(self, clip: Clip) -> Array:
        """Return 1 for male, 0 for female."""
        gender = clip.row.get("gender")
        if gender not in ("male", "female"):
            got = "nothing" if gender is None or pd.isna(gender) or gender == "" else repr(gender)
            raise AudioError(
                f"{clip.name}: the block 'gender' needs 'female' or 'male' in the column 'gender', got {got}; fill in "
                "the column, or omit the block"
            )
        return np.array([gender == "male"], dtype=np.float32)


@dataclass(kw_only=True, eq=False, repr=False)
class Pitch(FrameParameters, FeatureBlock):
    """Fundamental frequency, harmonics-to-noise ratio and voicing, by autocorrelation (Boersma 1993).

    `track_pitch` describes the method.

    Parameters
    ----------
    fmin : float, default=60.0
        Lowest frequency searched, in Hz. A frame must contain three periods of it.
    fmax : float, default=600.0
        Highest frequency searched, in Hz.
    statistics : sequence of str, default=("mean", "std", "percentile10", "percentile50", "percentile90", "slope")
        Statistics of three series: pitch in semitones re 100 Hz and the size of its steps, over voiced frames (0 if
        there are fewer than two), and harmonics-to-noise ratio in decibels, over all frames. The share of voiced frames
        and the number of voiced segments per second follow.

    Examples
    --------
    >>> buzz = np.sign(np.sin(2 * np.pi * 200 / 22050 * np.arange(22050)))
    >>> round(float(Pitch(statistics=["mean"]).transform([buzz])[0, 0]), 1)  # an octave above 100 Hz
    12.0
    """

    kind: ClassVar[str] = "pitch"
    fmin: float = 60.0
    fmax: float = 600.0
    statistics: Sequence[str] = ("mean", "std", "percentile10", "percentile50", "percentile90", "slope")

    def check(self) -> None:
        """Raise `SettingsError` if a parameter is out of range."""
        super().check()
        lowest = 3.0 * self.sampling_rate / self.n_fft
        if not lowest <= self.fmin < self.fmax <= self.sampling_rate / 4:
            raise SettingsError(
                f"fmin is {self.fmin} and fmax {self.fmax} Hz; expected {lowest:.1f} (three periods in a frame of "
                f"{self.n_fft} samples) <= fmin < fmax <= {self.sampling_rate / 4:g}"
            )

    def names(self) -> list[str]:
        """Return the names of the columns within the block."""
        series = [f"{name}_{statistic}" for name in ("f0", "f0_step", "hnr") for statistic in self.statistics]
        return [*series, "voiced_share", "voiced_stretches_per_second"]

    def compute(self, clip: Clip) -> Array:
        """Return the columns of one clip."""
        spectrum = self.spectrum(clip)
        track = track_pitch(
            spectrum.power, spectrum.rms, self.sampling_rate, self.hop_length, fmin=self.fmin, fmax=self.fmax
        )
        voiced = track.voiced
        pitch = semitones(track.frequency[voiced])
        if pitch.size < 2:
            pitch = np.zeros(2)
        series = [pitch, np.abs(np.diff(pitch)), track.harmonics_to_noise]
        parts = [summarise(values[None], self.statistics) for values in series]
        starts = int(np.sum(voiced[1:] & ~voiced[:-1])) + int(voiced[0])
        seconds = voiced.size * self.hop_length / self.sampling_rate
        return np.concatenate([*parts, [voiced.mean(), starts / seconds]]).astype(np.float32)
