"""Blocks of series over frames, each summarised by statistics (`FrameFeature`)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fusionser.checks import check_range
from fusionser.features.filters import octave_bands
from fusionser.features.framing import FrameFeature
from fusionser.features.spectrum import Spectrum, check_mel

__all__ = ["MFCC", "RMS", "Chroma", "MelSpectrogram", "SpectralContrast", "SpectralShape", "ZeroCrossingRate"]


@dataclass(kw_only=True, eq=False, repr=False)
class ZeroCrossingRate(FrameFeature):
    """Zero-crossing rate: the share of samples at which the waveform changes its sign.

    The series equals `librosa.feature.zero_crossing_rate`.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 1000 / 22050 * np.arange(22050) + 0.1)
    >>> round(float(ZeroCrossingRate(statistics=["percentile50"]).transform([tone])[0, 0]), 3)
    0.091
    """

    kind: ClassVar[str] = "zcr"

    def series(self, spectrum: Spectrum) -> npt.NDArray[Any]:
        """Return the rate of each frame as one series."""
        return spectrum.zero_crossing_rate[None]


@dataclass(kw_only=True, eq=False, repr=False)
class RMS(FrameFeature):
    """Root mean square of the samples of each frame.

    The series equals `librosa.feature.rms` of a waveform.

    Parameters
    ----------
    logarithmic : bool, default=False
        Return decibels full scale, at least -100, instead of 0 to 1.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 441 / 22050 * np.arange(22050))
    >>> round(float(RMS(statistics=["percentile50"]).transform([tone])[0, 0]), 3)
    0.707
    """

    kind: ClassVar[str] = "rms"
    logarithmic: bool = False

    def series(self, spectrum: Spectrum) -> npt.NDArray[Any]:
        """Return the level of each frame as one series."""
        level = spectrum.rms[None]
        return 20.0 * np.log10(np.maximum(level, 1e-5)) if self.logarithmic else level


@dataclass(kw_only=True, eq=False, repr=False)
class Chroma(FrameFeature):
    """Power in each of the twelve pitch classes, relative to the strongest of the frame.

    The series equal `librosa.feature.chroma_stft` of a waveform.

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
        """Return one series per pitch class, from C."""
        return spectrum.chroma(self.n_chroma)

    def series_names(self) -> list[str]:
        """Return the numbers of the pitch classes."""
        return _numbers(self.n_chroma)

    def check(self) -> None:
        """Raise `SettingsError` if a parameter is out of range."""
        super().check()
        check_range("n_chroma", self.n_chroma, 1, 120)


@dataclass(kw_only=True, eq=False, repr=False)
class MelSpectrogram(FrameFeature):
    """Power in bands of the mel scale.

    The series equal `librosa.feature.melspectrogram`.

    Parameters
    ----------
    n_mels : int, default=128
        Number of bands from 0 Hz to `fmax`.
    fmax : float, optional
        Upper limit in Hz; None is half the sampling rate.
    logarithmic : bool, default=False
        Return decibels re 1, at most 80 below the peak of the clip.

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
        """Return one series per band."""
        view = spectrum.log_mel if self.logarithmic else spectrum.mel
        return view(self.n_mels, self.fmax)

    def series_names(self) -> list[str]:
        """Return the numbers of the bands."""
        return _numbers(self.n_mels)

    def check(self) -> None:
        """Raise `SettingsError` if a parameter is out of range."""
        super().check()
        check_mel(self.n_mels, self.fmax, self.sampling_rate)


@dataclass(kw_only=True, eq=False, repr=False)
class MFCC(FrameFeature):
    """Mel-frequency cepstral coefficients, MFCC (Davis and Mermelstein 1980).

    The series equal `librosa.feature.mfcc`.

    Parameters
    ----------
    n_mfcc : int, default=20
        Number of coefficients, from the zeroth.
    n_mels : int, default=128
        Number of mel bands that they are computed from, at least `n_mfcc`.
    fmax : float, optional
        Upper limit of the bands in Hz; None is half the sampling rate.

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
        """Return one series per coefficient."""
        return spectrum.mfcc(self.n_mfcc, self.n_mels, self.fmax)

    def series_names(self) -> list[str]:
        """Return the numbers of the coefficients."""
        return _numbers(self.n_mfcc)

    def check(self) -> None:
        """Raise `SettingsError` if a parameter is out of range."""
        super().check()
        check_mel(self.n_mels, self.fmax, self.sampling_rate)
        check_range("n_mfcc", self.n_mfcc, 1, self.n_mels)


@dataclass(kw_only=True, eq=False, repr=False)
class SpectralShape(FrameFeature):
    """Spectral centroid, bandwidth and four roll-off points in Hz, spectral flatness and flux.

    Centroid, bandwidth, roll-off and flatness equal librosa's. Flux is the Euclidean distance between the magnitude
    spectra of adjacent frames, each divided by its sum.

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
    """Spectral contrast: decibels from valley to peak in octave bands (Jiang et al. 2002).

    The series equal `librosa.feature.spectral_contrast`.

    Parameters
    ----------
    n_bands : int, default=6
        Number of octaves above 200 Hz, all below half the sampling rate. One more band lies below 200 Hz.

    Examples
    --------
    >>> SpectralContrast().names()[-1]
    '06_mean'
    """

    kind: ClassVar[str] = "contrast"
    n_bands: int = 6

    def series(self, spectrum: Spectrum) -> npt.NDArray[Any]:
        """Return one series per band."""
        return spectrum.contrast(self.n_bands)

    def series_names(self) -> list[str]:
        """Return the numbers of the bands."""
        return _numbers(self.n_bands + 1)

    def check(self) -> None:
        """Raise `SettingsError` if a parameter is out of range."""
        super().check()
        highest = int(np.log2(self.sampling_rate / 2 / 200.0 - 1e-9)) + 1
        check_range("n_bands", self.n_bands, 1, max(highest, 1))
        octave_bands(self.sampling_rate, self.n_fft, self.n_bands)


def _numbers(count: int) -> list[str]:
    width = max(2, len(str(count - 1)))
    return [f"{number:0{width}d}" for number in range(count)]
