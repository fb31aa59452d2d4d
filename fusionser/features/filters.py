"""Filter banks over the bins of a spectrum: mel bands, pitch classes, octaves.

They are bit-identical to those of librosa 0.11. This depends on the order of the operations, so do not change it.
"""

import warnings
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from fusionser.errors import SettingsError

__all__ = ["Array", "Array64", "bin_frequencies", "chroma_filters", "mel_edges", "mel_filters", "octave_bands"]

Array = npt.NDArray[np.float32]
Array64 = npt.NDArray[np.float64]

LINEAR_HZ_PER_MEL = 200.0 / 3
"""Slaney's mel scale is linear below `LOGARITHMIC_FROM`, in Hz, and logarithmic above."""

LOGARITHMIC_FROM = 1000.0
LOGARITHMIC_STEP = np.log(6.4) / 27.0
"""Natural logarithm of the ratio of frequencies one mel apart."""

A440_OCTAVES = 440.0 / 16
CENTRE_OCTAVE, OCTAVE_WIDTH = 5.0, 2.0
LOWEST_OCTAVE = 200.0


def bin_frequencies(sampling_rate: int, n_fft: int) -> Array64:
    """Return the centre of each bin in Hz, shape (1 + n_fft / 2,)."""
    return np.fft.rfftfreq(n_fft, 1.0 / sampling_rate).astype(np.float64)


def _mel_of(frequency: float, htk: bool) -> float:
    if htk:
        return float(2595.0 * np.log10(1.0 + frequency / 700.0))
    if frequency < LOGARITHMIC_FROM:
        return frequency / LINEAR_HZ_PER_MEL
    return float(LOGARITHMIC_FROM / LINEAR_HZ_PER_MEL + np.log(frequency / LOGARITHMIC_FROM) / LOGARITHMIC_STEP)


def _frequencies_of(mels: Array64, htk: bool) -> Array64:
    if htk:
        return 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    corner = LOGARITHMIC_FROM / LINEAR_HZ_PER_MEL
    logarithmic = LOGARITHMIC_FROM * np.exp(LOGARITHMIC_STEP * (mels - corner))
    return np.where(mels < corner, LINEAR_HZ_PER_MEL * mels, logarithmic)


def mel_edges(sampling_rate: int, n_mels: int, fmax: float | None, htk: bool = False) -> Array64:
    """Return the frequencies in Hz between which the bands of `mel_filters` lie, shape (n_mels + 2,).

    A band rises from one of them to the next, which is its centre, and falls to the one after that.

    Examples
    --------
    >>> mel_edges(16000, 40, None)[:3].round().tolist()
    [0.0, 74.0, 147.0]
    """
    highest = _mel_of(sampling_rate / 2 if fmax is None else fmax, htk)
    return _frequencies_of(np.linspace(0.0, highest, n_mels + 2), htk)


@lru_cache(maxsize=32)
def mel_filters(sampling_rate: int, n_fft: int, n_mels: int, fmax: float | None, htk: bool = False) -> Array:
    """Return triangular filters of equal area and equal width in mel (Slaney, *Auditory Toolbox*, 1998).

    Parameters
    ----------
    sampling_rate, n_fft, n_mels : int
        Sampling rate in Hz, length of a frame in samples, and number of bands from 0 Hz to `fmax`.
    fmax : float, optional
        Upper limit in Hz; None is half the sampling rate.
    htk : bool, default=False
        Use the mel scale of HTK, ``2595 log10(1 + f / 700)``, instead of Slaney's.

    Returns
    -------
    ndarray of shape (n_mels, 1 + n_fft / 2), float32

    Examples
    --------
    >>> mel_filters(16000, 1024, 40, None).argmax(axis=1)[:4].tolist()
    [5, 9, 14, 19]
    """
    edges = mel_edges(sampling_rate, n_mels, fmax, htk)
    bins, widths = bin_frequencies(sampling_rate, n_fft), np.diff(edges)[:, None]
    rising = (bins - edges[:-2, None]) / widths[:-1]
    falling = (edges[2:, None] - bins) / widths[1:]
    triangles = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    # The lowest filter starts at the bin of 0 Hz and may be empty.
    if not triangles[1:].any(axis=1).all():
        warnings.warn(
            f"some of the {n_mels} mel bands lie between two bins of {n_fft} samples and are empty; reduce n_mels, or "
            "increase n_fft",
            stacklevel=2,
        )
    areas = 2.0 / (edges[2:] - edges[:-2])
    return (triangles * areas[:, None]).astype(np.float32)


def chroma_classes(sampling_rate: int, n_fft: int, n_chroma: int, tuning: float = 0.0) -> tuple[Array64, Array64]:
    """Return the place of each bin in pitch classes from A0, and the width of its filter, shape (1 + n_fft / 2,) each.

    Examples
    --------
    >>> places, widths = chroma_classes(22050, 2048, 12)
    >>> float(places[round(440 / 22050 * 2048)].round())  # A, four octaves above A0
    48.0
    """
    bins = np.arange(1, n_fft // 2 + 2)
    classes = n_chroma * np.log2(bins * (sampling_rate / n_fft) / (A440_OCTAVES * 2.0 ** (tuning / n_chroma)))
    # 0 Hz has no pitch, so its bin is placed one and a half octaves below the first.
    classes = np.concatenate([[classes[0] - 1.5 * n_chroma], classes])
    return classes[:-1], np.maximum(np.diff(classes), 1.0)


@lru_cache(maxsize=256)
def chroma_filters(sampling_rate: int, n_fft: int, n_chroma: int, tuning: float) -> Array:
    """Return Gaussian filters of each pitch class from C, with the highest weight five octaves above A0 (Ellis 2007).

    Parameters
    ----------
    sampling_rate, n_fft, n_chroma : int
        Sampling rate in Hz, length of a frame in samples, and number of pitch classes.
    tuning : float
        Deviation from A440 in fractions of a pitch class, one of at most 100 values.

    Returns
    -------
    ndarray of shape (n_chroma, 1 + n_fft / 2), float32

    Examples
    --------
    >>> chroma_filters(22050, 2048, 12, 0.0)[:, round(440 / 22050 * 2048)].argmax()  # A, the tenth class from C
    np.int64(9)
    """
    classes, widths = chroma_classes(sampling_rate, n_fft, n_chroma, tuning)
    half = np.round(n_chroma / 2)
    distance = np.remainder(classes[:, None] - np.arange(n_chroma) + half + 10 * n_chroma, n_chroma) - half
    curves = np.exp(-0.5 * np.square(2 * distance / widths[:, None]))
    curves /= np.sqrt(np.square(curves).sum(axis=1, keepdims=True))
    curves *= np.exp(-0.5 * np.square((classes / n_chroma - CENTRE_OCTAVE) / OCTAVE_WIDTH))[:, None]
    # The classes start at A, and C is the fourth of twelve.
    return np.ascontiguousarray(np.roll(curves, -3 * (n_chroma // 12), axis=1).T, dtype=np.float32)


def octave_bands(sampling_rate: int, n_fft: int, n_bands: int) -> list[slice]:
    """Return the bins below 200 Hz and those of each octave above. Each octave starts one bin early.

    The highest band extends to half the sampling rate.

    Raises
    ------
    SettingsError
        If a band has fewer than two bins.

    Examples
    --------
    >>> octave_bands(16000, 1024, 5)[:3]
    [slice(0, 13, None), slice(12, 26, None), slice(25, 52, None)]
    """
    bins = bin_frequencies(sampling_rate, n_fft)
    edges = LOWEST_OCTAVE * 2.0 ** np.arange(n_bands)
    firsts = [0, *(np.searchsorted(bins, edges, side="left") - 1).tolist()]
    stops = [*np.searchsorted(bins, edges, side="right").tolist(), len(bins)]
    bands = [slice(first, stop) for first, stop in zip(firsts, stops, strict=True)]
    if any(band.stop - band.start < 2 for band in bands):
        raise SettingsError(
            f"frames of {n_fft} samples at {sampling_rate} Hz have fewer than two bins in an octave from 200 Hz; "
            "increase n_fft"
        )
    return bands
