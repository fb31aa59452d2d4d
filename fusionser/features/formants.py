"""Formants of many frames at once, by linear prediction from their power spectra."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fusionser.features.filters import Array, Array64
from fusionser.features.pitch import autocorrelation

__all__ = ["NEUTRAL", "Formants", "find_formants"]

N_FORMANTS = 3
ORDER = 8
"""Coefficients: a resonance for each kilohertz of the band, and two coefficients for each resonance."""

PRE_EMPHASIS = 50.0
"""Hz. From here on, the spectrum is raised by 6 dB per octave, as in Praat."""

EDGE = 50.0
"""Hz. Roots closer to the ends of the band are no formants, as in Praat."""

WIDEST = 1000.0
"""Hz. Roots with a larger bandwidth shape the slope of the spectrum."""

NEUTRAL = (500.0, 1500.0, 2500.0)
"""Hz. Formants of a uniform tube of 17.5 cm, closed at one end, which is near a neutral vowel."""


@dataclass(frozen=True)
class Formants:
    """Formants of each frame.

    Parameters
    ----------
    frequency : ndarray of shape (n_frames, 3)
        Hz, ascending. A formant that was not found has that of `NEUTRAL`.
    bandwidth : ndarray of shape (n_frames, 3)
        Hz. A formant that was not found has 0.
    """

    frequency: Array64
    bandwidth: Array64


def find_formants(power: Array, bin_width: float) -> Formants:
    """Find the first three formants of every frame.

    Linear prediction from a part of the power spectrum (Makhoul 1975, "Spectral linear prediction: properties and
    applications") gives what prediction from a waveform that is resampled to this band gives. So the frames need no
    transform of their own. Each pair of complex roots of the polynomial is a resonance.

    Parameters
    ----------
    power : ndarray of shape (n_bins, n_frames)
        Power spectrum, from 0 Hz to the end of the band that is used.
    bin_width : float
        Distance of the bins in Hz.

    Examples
    --------
    >>> from scipy.signal import freqz, zpk2tf
    >>> poles = np.exp((-np.pi * 60 + 2j * np.pi * np.array([500, 1500, 2500])) / 7400)
    >>> source = np.exp(-2 * np.pi * 50 / 7400)  # falls by 6 dB per octave
    >>> _, denominator = zpk2tf([], np.concatenate([poles, poles.conj(), [source]]), 1.0)
    >>> response = freqz(1.0, denominator, worN=238, include_nyquist=True)[1]
    >>> find_formants(np.square(np.abs(response))[:, None], 3700 / 237).frequency.round(-1).tolist()
    [[500.0, 1500.0, 2500.0]]
    """
    rate = 2.0 * bin_width * (len(power) - 1)
    share = np.exp(-2.0 * np.pi * PRE_EMPHASIS / rate)
    emphasis = 1.0 + share**2 - 2.0 * share * np.cos(np.linspace(0.0, np.pi, len(power)))
    correlation = autocorrelation(power.astype(np.float64).T * emphasis, axis=1)[:, : ORDER + 1]
    roots = _roots(_prediction(correlation))
    frequency = np.angle(roots) * rate / (2.0 * np.pi)
    bandwidth = -np.log(np.maximum(np.abs(roots), 1e-12)) * rate / np.pi
    # Of each conjugate pair, the root above the real axis counts.
    formant = (frequency > EDGE) & (frequency < rate / 2.0 - EDGE) & (bandwidth < WIDEST)
    order = np.argsort(np.where(formant, frequency, np.inf), axis=1)[:, :N_FORMANTS]
    found = np.take_along_axis(formant, order, axis=1)
    return Formants(
        frequency=np.where(found, np.take_along_axis(frequency, order, axis=1), NEUTRAL),
        bandwidth=np.where(found, np.take_along_axis(bandwidth, order, axis=1), 0.0),
    )


def _prediction(correlation: Array64) -> Array64:
    """Return the coefficients that predict each frame's next sample, shape (n_frames, ORDER)."""
    lags = np.arange(ORDER)
    # A little white noise keeps every matrix regular, that of a silent frame too.
    correlation[:, 0] = correlation[:, 0] * (1.0 + 1e-9) + np.finfo(np.float64).tiny
    matrices = correlation[:, np.abs(lags[:, None] - lags)]
    scale = correlation[:, :1]
    wanted = (correlation[:, 1:] / scale)[:, :, None]
    coefficients: Array64 = np.linalg.solve(matrices / scale[:, :, None], wanted)[:, :, 0].astype(np.float64)
    return coefficients


def _roots(coefficients: Array64) -> npt.NDArray[np.complex128]:
    """Return the roots of the prediction polynomials, the eigenvalues of their companion matrices."""
    companions = np.zeros((len(coefficients), ORDER, ORDER))
    companions[:, 0] = coefficients
    companions[:, np.arange(1, ORDER), np.arange(ORDER - 1)] = 1.0
    return np.linalg.eigvals(companions).astype(np.complex128)
