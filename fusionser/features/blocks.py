"""The handcrafted feature blocks, each a transformer of its own.

Every block takes, beside its own parameters, those of the clip and its frames (`ClipComputation`:
`sampling_rate`, `offset`, `duration`, `trim`, `denoise`, `n_fft`, `hop_length`), and blocks of series take
`statistics` and `deltas` (`FrameFeature`). Inside a `FeatureExtractor` the blocks of equal settings share one
transform of the clip; separate blocks in a ``make_union`` each transform it, and share through the cache alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fusionser.errors import SettingsError
from fusionser.features.base import FeatureBlock, FrameFeature, gender_of
from fusionser.features.clip import Clip
from fusionser.features.functionals import summarise
from fusionser.features.pitch import track_pitch
from fusionser.features.spectrum import Spectrum

__all__ = [
    "BLOCKS",
    "MFCC",
    "RMS",
    "Chroma",
    "Gender",
    "MelSpectrogram",
    "Pitch",
    "SignalStatistics",
    "SpectralContrast",
    "SpectralShape",
    "ZeroCrossingRate",
]

Array = npt.NDArray[np.float32]


@dataclass(kw_only=True, eq=False, repr=False)
class ZeroCrossingRate(FrameFeature):
    """Share of samples at which the waveform changes its sign, 0 to 1, as `librosa.feature.zero_crossing_rate`.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 1000 / 22050 * np.arange(22050) + 0.1)
    >>> round(float(ZeroCrossingRate(statistics=["percentile50"]).transform([tone])[0, 0]), 3)
    0.091
    """

    kind: ClassVar[str] = "zcr"

    def series(self, spectrum: Spectrum) -> npt.NDArray[Any]:
        """Return one series."""
        return spectrum.zero_crossing_rate[None]

    def series_names(self) -> list[str]:
        """Return one empty name."""
        return [""]


@dataclass(kw_only=True, eq=False, repr=False)
class RMS(FrameFeature):
    """Root of the mean square of the samples, as `librosa.feature.rms` of a waveform.

    Parameters
    ----------
    logarithmic : bool, default=False
        Give decibels full scale, floored at -100, in place of 0 to 1.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 441 / 22050 * np.arange(22050))
    >>> round(float(RMS(statistics=["percentile50"]).transform([tone])[0, 0]), 3)
    0.707
    """

    kind: ClassVar[str] = "rms"
    logarithmic: bool = False

    def series(self, spectrum: Spectrum) -> npt.NDArray[Any]:
        """Return one series."""
        level = spectrum.rms[None]
        return 20.0 * np.log10(np.maximum(level, 1e-5)) if self.logarithmic else level

    def series_names(self) -> list[str]:
        """Return one empty name."""
        return [""]


@dataclass(kw_only=True, eq=False, repr=False)
class Chroma(FrameFeature):
    """Power in each pitch class, the strongest of a frame 1, as `librosa.feature.chroma_stft` of a waveform.

    Parameters
    ----------
    n_chroma : int, default=12
        Number of pitch classes.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 440 / 22050 * np.arange(22050))
    >>> int(Chroma().transform([tone])[0].argmax())  # 440 Hz is A, the tenth class from C
    9
    """

    kind: ClassVar[str] = "chroma"
    n_chroma: int = 12

    def series(self, spectrum: Spectrum) -> npt.NDArray[Any]:
        """Return one series a pitch class, from C."""
        return spectrum.chroma(self.n_chroma)

    def series_names(self) -> list[str]:
        """Return the numbers of the pitch classes."""
        return _numbers(self.n_chroma)

    def check(self) -> None:
        """Raise `SettingsError` when a parameter is out of its range."""
        super().check()
        _check_count("n_chroma", self.n_chroma, 1, 120)


@dataclass(kw_only=True, eq=False, repr=False)
class MelSpectrogram(FrameFeature):
    """Power in mel bands, as `librosa.feature.melspectrogram`.

    Parameters
    ----------
    n_mels : int, default=128
        Number of bands, from 0 Hz to `fmax`.
    fmax : float, optional
        Upper end in Hz; half the sampling rate when None.
    logarithmic : bool, default=False
        Give decibels re 1, floored at 80 below the clip's peak.

    Examples
    --------
    >>> MelSpectrogram(n_mels=40).get_feature_names_out()[:2].tolist()
    ['mel__00_mean', 'mel__01_mean']
    """

    kind: ClassVar[str] = "mel"
    n_mels: int = 128
    fmax: float | None = None
    logarithmic: bool = False

    def series(self, spectrum: Spectrum) -> npt.NDArray[Any]:
        """Return one series a band."""
        if self.logarithmic:
            return spectrum.log_mel(self.n_mels, self.fmax)
        return spectrum.mel(self.n_mels, self.fmax)

    def series_names(self) -> list[str]:
        """Return the numbers of the bands."""
        return _numbers(self.n_mels)

    def check(self) -> None:
        """Raise `SettingsError` when a parameter is out of its range."""
        super().check()
        check_mel(self.n_mels, self.fmax, self.sampling_rate)


@dataclass(kw_only=True, eq=False, repr=False)
class MFCC(FrameFeature):
    """Mel-frequency cepstral coefficients (Davis and Mermelstein 1980), as `librosa.feature.mfcc`.

    Parameters
    ----------
    n_mfcc : int, default=20
        Number of coefficients, from the zeroth.
    n_mels : int, default=128
        Number of mel bands beneath, at least `n_mfcc`.
    fmax : float, optional
        Upper end of the bands in Hz; half the sampling rate when None.

    Examples
    --------
    >>> MFCC(n_mfcc=13, deltas=1).fit_transform([np.random.default_rng(0).normal(size=22050)]).shape
    (1, 26)
    """

    kind: ClassVar[str] = "mfcc"
    n_mfcc: int = 20
    n_mels: int = 128
    fmax: float | None = None

    def series(self, spectrum: Spectrum) -> npt.NDArray[Any]:
        """Return one series a coefficient."""
        return spectrum.mfcc(self.n_mfcc, self.n_mels, self.fmax)

    def series_names(self) -> list[str]:
        """Return the numbers of the coefficients."""
        return _numbers(self.n_mfcc)

    def check(self) -> None:
        """Raise `SettingsError` when a parameter is out of its range."""
        super().check()
        check_mel(self.n_mels, self.fmax, self.sampling_rate)
        _check_count("n_mfcc", self.n_mfcc, 1, self.n_mels)


@dataclass(kw_only=True, eq=False, repr=False)
class SpectralShape(FrameFeature):
    """Centroid and bandwidth in Hz, four roll-off points in Hz, flatness and flux.

    Centroid, bandwidth, roll-off and flatness are librosa's; flux is the Euclidean distance between the
    magnitude spectra of neighbouring frames, each divided by its sum.

    Examples
    --------
    >>> len(SpectralShape().names())
    8
    """

    kind: ClassVar[str] = "shape"

    ROLLOFF_SHARES: ClassVar[tuple[float, ...]] = (0.25, 0.5, 0.75, 0.9)

    def series(self, spectrum: Spectrum) -> npt.NDArray[Any]:
        """Return the eight series."""
        rolloffs = [spectrum.rolloff(share) for share in self.ROLLOFF_SHARES]
        return np.stack([spectrum.centroid, spectrum.bandwidth, *rolloffs, spectrum.flatness, spectrum.flux])

    def series_names(self) -> list[str]:
        """Return the names of the eight series."""
        rolloffs = [f"rolloff{round(100 * share)}" for share in self.ROLLOFF_SHARES]
        return ["centroid", "bandwidth", *rolloffs, "flatness", "flux"]


@dataclass(kw_only=True, eq=False, repr=False)
class SpectralContrast(FrameFeature):
    """Decibels from valley to peak in octave bands (Jiang et al. 2002), as `librosa.feature.spectral_contrast`.

    Parameters
    ----------
    n_bands : int, default=6
        Octaves above 200 Hz; one more band lies below. All must lie under half the sampling rate.

    Examples
    --------
    >>> SpectralContrast().names()[-1]
    '06_mean'
    """

    kind: ClassVar[str] = "contrast"
    n_bands: int = 6

    def series(self, spectrum: Spectrum) -> npt.NDArray[Any]:
        """Return one series a band."""
        import librosa

        contrast: npt.NDArray[Any] = librosa.feature.spectral_contrast(
            S=spectrum.magnitude, sr=self.sampling_rate, n_fft=self.n_fft, n_bands=self.n_bands
        )
        return contrast

    def series_names(self) -> list[str]:
        """Return the numbers of the bands."""
        return _numbers(self.n_bands + 1)

    def check(self) -> None:
        """Raise `SettingsError` when a parameter is out of its range."""
        super().check()
        highest = int(np.log2(self.sampling_rate / 2 / 200.0 - 1e-9)) + 1
        _check_count("n_bands", self.n_bands, 1, max(highest, 1))


@dataclass(kw_only=True, eq=False, repr=False)
class SignalStatistics(FeatureBlock):
    """SER-FusionNet's statistical vector: six numbers a clip.

    Mean, variance, skewness and excess kurtosis of the samples, and the means over frames of the spectral
    centroid and the spectral bandwidth in Hz (Boopathi, Bramadi, Ravi Kumar and Babu 2023; that the first
    four are of the waveform is inferred).

    Examples
    --------
    >>> SignalStatistics().names()
    ['mean', 'variance', 'skewness', 'kurtosis', 'spectral_centroid_mean', 'spectral_bandwidth_mean']
    """

    kind: ClassVar[str] = "statistics"

    def names(self) -> list[str]:
        """Return the six names."""
        moments = ["mean", "variance", "skewness", "kurtosis"]
        return [*moments, "spectral_centroid_mean", "spectral_bandwidth_mean"]

    def compute(self, clip: Clip) -> Array:
        """Return the six numbers."""
        spectrum = self.spectrum(clip)
        samples = spectrum.waveform.astype(np.float64)
        mean = samples.mean()
        centred = samples - mean
        variance = np.mean(centred**2)
        skewness = np.mean(centred**3) / variance**1.5
        kurtosis = np.mean(centred**4) / variance**2 - 3.0
        spectral = [spectrum.centroid.mean(), spectrum.bandwidth.mean()]
        return np.array([mean, variance, skewness, kurtosis, *spectral], dtype=np.float32)


@dataclass(kw_only=True, eq=False, repr=False)
class Gender(FeatureBlock):
    """Gender as the rows give it: 1 for male, 0 for female (the coding of SER-FusionNet).

    X must be a table with the column ``gender``. A new recording has no such label: a model that uses this
    block must be told the speaker's gender when it predicts.

    Examples
    --------
    >>> import pandas as pd
    >>> Gender().transform(pd.DataFrame({"file": ["a.wav", "b.wav"], "gender": ["male", "female"]})).tolist()
    [[1.0], [0.0]]
    """

    kind: ClassVar[str] = "gender"
    uses_audio: ClassVar[bool] = False

    def names(self) -> list[str]:
        """Return the one name."""
        return ["male"]

    def compute(self, clip: Clip) -> Array:
        """Return 1 for male, 0 for female."""
        return np.array([gender_of(clip.row) == "male"], dtype=np.float32)


@dataclass(kw_only=True, eq=False, repr=False)
class Pitch(FeatureBlock):
    """Fundamental frequency and periodicity by autocorrelation (Boersma 1993), see `track_pitch`.

    Parameters
    ----------
    fmin, fmax : float, default=60, 600
        Range searched, in Hz; a frame must hold three periods of `fmin`.
    statistics : sequence of str
        Taken of pitch and of its step from frame to frame in semitones re 100 Hz over voiced frames (0 when
        none is), and of the harmonics-to-noise ratio in decibels over all frames. The share of voiced frames
        and the number of voiced stretches a second follow.

    Examples
    --------
    >>> buzz = np.sign(np.sin(2 * np.pi * 200 / 22050 * np.arange(22050)))
    >>> round(float(Pitch(statistics=["mean"]).transform([buzz])[0, 0]), 1)  # an octave above 100 Hz
    12.0
    """

    kind: ClassVar[str] = "pitch"
    fmin: float = 60.0
    fmax: float = 600.0
    statistics: Sequence[str] = ("mean", "deviation", "percentile10", "percentile50", "percentile90", "slope")

    def check(self) -> None:
        """Raise `SettingsError` when a parameter is out of its range."""
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
        """Return the columns for one clip."""
        spectrum = self.spectrum(clip)
        track = track_pitch(
            spectrum.power, spectrum.rms, self.sampling_rate, self.hop_length, fmin=self.fmin, fmax=self.fmax
        )
        voiced = track.voiced
        semitones = 12.0 * np.log2(track.frequency[voiced] / 100.0)
        if semitones.size < 2:
            semitones = np.zeros(2)
        series = [semitones, np.abs(np.diff(semitones)), track.harmonics_to_noise]
        starts = int(np.sum(voiced[1:] & ~voiced[:-1])) + int(voiced[0])
        seconds = voiced.size * self.hop_length / self.sampling_rate
        parts = [summarise(one[None], self.statistics) for one in series]
        return np.concatenate([*parts, [voiced.mean(), starts / seconds]]).astype(np.float32)


BLOCKS: Mapping[str, type[FeatureBlock]] = MappingProxyType(
    {
        block.kind: block
        for block in (
            ZeroCrossingRate,
            Chroma,
            MFCC,
            RMS,
            MelSpectrogram,
            SignalStatistics,
            Gender,
            Pitch,
            SpectralShape,
            SpectralContrast,
        )
    }
)
"""Every handcrafted block by its name, which is also the prefix of its columns."""


def _numbers(count: int) -> list[str]:
    width = max(2, len(str(count - 1)))
    return [f"{number:0{width}d}" for number in range(count)]


def _check_count(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise SettingsError(f"{name} is {value}; expected {least} to {most}")


def check_mel(n_mels: int, fmax: float | None, sampling_rate: int) -> None:
    """Raise `SettingsError` when mel bands cannot be made."""
    _check_count("n_mels", n_mels, 1, 512)
    if fmax is not None and not 0 < fmax <= sampling_rate / 2:
        raise SettingsError(f"fmax is {fmax} Hz; expected more than 0, at most {sampling_rate / 2:g}")
