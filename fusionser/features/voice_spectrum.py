"""Measures of the voice from power spectra: cepstral peak, slopes, and ratios of bands and of harmonics."""

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter1d

from fusionser.features.filters import Array, Array64
from fusionser.features.pitch import autocorrelation
from fusionser.features.relative import LOWEST

__all__ = ["RATIOS", "cepstral_peak_prominence", "decibels_of", "harmonic_differences", "spectral_ratios"]

SMOOTHED_FRAMES = 3
SMOOTHED_QUEFRENCY = 0.0005
"""Seconds over which cepstra are averaged."""

PEAK_RANGE = (1.0 / 330.0, 1.0 / 60.0)
"""Seconds in which the peak is searched, as in Praat."""

FIRST_QUEFRENCY = 0.001
"""Seconds. The line that the peak is compared with begins here (Hillenbrand et al. 1994)."""

RATIOS = ("alpha_ratio", "hammarberg_index", "slope_low", "slope_high")
EMPTY = 1e-9
"""Power, relative to the strongest bin of the frame, below which a bin counts as empty."""


def decibels_of(power: Array) -> Array64:
    """Return the power spectra in decibels relative to the strongest bin of each frame, shape (n_frames, n_bins).

    Parameters
    ----------
    power : ndarray of shape (n_bins, n_frames)
    """
    frames = np.ascontiguousarray(power.T, dtype=np.float32)
    peaks = frames.max(axis=1, keepdims=True)
    relative = frames / np.where(peaks > 0, peaks, np.float32(1.0))
    # NumPy vectorises the natural logarithm of single precision only.
    return np.log(np.maximum(relative, np.float32(EMPTY))).astype(np.float64) * (10.0 / np.log(10.0))


def cepstral_peak_prominence(decibels: Array64, bin_width: float) -> Array64:
    """Return the smoothed cepstral peak prominence (CPPS) of each frame in decibels, shape (n_frames,).

    A cepstrum is the transform of a logarithmic spectrum. Harmonics at equal distances give it a peak at the period.
    CPP is its height above a line that is fitted to the whole cepstrum (Hillenbrand, Cleveland and Erickson 1994,
    "Acoustic correlates of breathy vocal quality"). For CPPS, cepstra are first averaged over time and quefrency
    (Hillenbrand and Houde 1996).

    Parameters
    ----------
    decibels : ndarray of shape (n_frames, n_bins)
        Spectra of consecutive frames, from 0 Hz to the end of the band that is used.
    bin_width : float
        Distance of the bins in Hz.

    Examples
    --------
    >>> bins = np.arange(237) * 15.625
    >>> harmonics, flat = 10 * np.cos(2 * np.pi * bins / 200), np.zeros(237)
    >>> prominence = cepstral_peak_prominence(np.stack([harmonics, harmonics, harmonics]), 15.625)
    >>> bool((prominence > 30).all())
    True
    """
    spectra = decibels.copy()
    # What lies below the band is replaced by its lowest bin, so that its filter leaves no step.
    lowest = min(int(np.ceil(LOWEST / bin_width)), spectra.shape[1] - 1)
    spectra[:, :lowest] = spectra[:, lowest : lowest + 1]
    spectra -= spectra.mean(axis=1, keepdims=True)
    step = 1.0 / (2.0 * bin_width * (spectra.shape[1] - 1))
    cepstra = np.square(autocorrelation(spectra, axis=1))
    cepstra = uniform_filter1d(cepstra, min(SMOOTHED_FRAMES, len(cepstra)), axis=0, mode="nearest")
    cepstra = uniform_filter1d(cepstra, 2 * round(SMOOTHED_QUEFRENCY / step / 2) - 1, axis=1, mode="nearest")
    levels = 10.0 * np.log10(cepstra + 1e-9)
    quefrency = np.arange(levels.shape[1]) * step
    begin = int(np.ceil(FIRST_QUEFRENCY / step))
    slope, mean = _line(levels[:, begin:], quefrency[begin:])
    searched = (quefrency >= PEAK_RANGE[0]) & (quefrency <= PEAK_RANGE[1])
    place = levels[:, searched].argmax(axis=1)
    heights = levels[:, searched][np.arange(len(levels)), place]
    return heights - (mean + slope * (quefrency[searched][place] - quefrency[begin:].mean()))


def _line(values: Array64, places: npt.NDArray[np.floating]) -> tuple[Array64, Array64]:
    """Return the slope of each row over `places`, by least squares, and its mean."""
    about = places - places.mean()
    return values @ about / float(about @ about), values.mean(axis=1)


def spectral_ratios(decibels: Array64, bin_width: float) -> Array64:
    """Return the ratios `RATIOS` of each frame, shape (4, n_frames).

    They are those of the Geneva minimalistic acoustic parameter set (Eyben et al. 2016, "The Geneva Minimalistic
    Acoustic Parameter Set (GeMAPS) for voice research and affective computing"), limited to the band that is used:

    - alpha ratio: power from 100 Hz to 1 kHz over that above 1 kHz, in decibels
    - Hammarberg index: strongest bin up to 2 kHz over the strongest above 2 kHz, in decibels
    - slopes of the spectrum from 100 Hz to 500 Hz and from 500 Hz to 1500 Hz, in decibels per kilohertz

    Parameters
    ----------
    decibels : ndarray of shape (n_frames, n_bins)
        Spectra, from 0 Hz to the end of the band that is used.
    bin_width : float
        Distance of the bins in Hz.
    """
    frequency = np.arange(decibels.shape[1]) * bin_width
    power = np.power(10.0, decibels / 10.0)

    def band(low: float, high: float) -> npt.NDArray[np.bool_]:
        return (frequency >= low) & (frequency < high)

    sums = power[:, band(LOWEST, 1000.0)].sum(axis=1), power[:, band(1000.0, np.inf)].sum(axis=1)
    peaks = decibels[:, band(LOWEST, 2000.0)].max(axis=1), decibels[:, band(2000.0, np.inf)].max(axis=1)
    slopes = [
        _line(decibels[:, band(low, high)], frequency[band(low, high)] / 1000.0)[0]
        for low, high in ((LOWEST, 500.0), (500.0, 1500.0))
    ]
    return np.stack([10.0 * np.log10(sums[0] / sums[1]), peaks[0] - peaks[1], *slopes])


def harmonic_differences(decibels: Array64, bin_width: float, pitch: Array64, third: Array64) -> Array64:
    """Return H1-H2 and H1-A3 of each frame in decibels, shape (2, n_frames).

    H1 and H2 are the levels of the first two harmonics, A3 is that of the strongest harmonic about the third formant
    (Hanson 1997, "Glottal characteristics of female speakers: acoustic correlates"; Eyben et al. 2016). They are not
    corrected for the influence of the formants.

    Parameters
    ----------
    decibels : ndarray of shape (n_frames, n_bins)
        Spectra, from 0 Hz to the end of the band that is used.
    bin_width : float
        Distance of the bins in Hz.
    pitch, third : ndarray of shape (n_frames,)
        Fundamental frequency and third formant in Hz.
    """
    first, second = (_level_near(decibels, number * pitch / bin_width, 1.0) for number in (1, 2))
    about_third = _level_near(decibels, third / bin_width, pitch / bin_width)
    return np.stack([first - second, first - about_third])


def _level_near(decibels: Array64, centre: Array64, reach: npt.ArrayLike) -> Array64:
    """Return the highest level within `reach` bins of each centre, by a parabola through the bin and its neighbours."""
    bins = np.arange(decibels.shape[1])
    near = np.abs(bins - np.rint(centre)[:, None]) <= np.broadcast_to(reach, centre.shape)[:, None]
    place = np.clip(np.where(near, decibels, -np.inf).argmax(axis=1), 1, decibels.shape[1] - 2)
    left, middle, right = (decibels[np.arange(len(decibels)), place + step] for step in (-1, 0, 1))
    curve = left - 2.0 * middle + right
    is_peak = (middle >= left) & (middle >= right) & (curve < 0)
    return middle - np.where(is_peak, np.square(left - right) / (8.0 * np.where(is_peak, curve, -1.0)), 0.0)
