"""Change of tempo without pitch, and of pitch without tempo, by the phase vocoder that librosa uses."""

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.signal
import soxr
from numpy.lib.stride_tricks import sliding_window_view

from fusionser.samples import Waveform

__all__ = ["change_pitch", "change_tempo"]

Spectra = npt.NDArray[np.complex64]

N_FFT = 2048
HOP = 512
WINDOW = scipy.signal.get_window("hann", N_FFT, fftbins=True).astype(np.float32)
TINY = np.finfo(np.float32).tiny


def change_tempo(samples: Waveform, tempo: float) -> Waveform:
    """Change the tempo at constant pitch.

    Frames are read `tempo` times as fast as they are written. Each bin keeps its phase advance from frame to frame,
    and its magnitude is interpolated between the two nearest frames (Flanagan and Golden, *Phase Vocoder*, 1966).
    The result equals that of `librosa.effects.time_stretch` with its defaults, within the precision of float32.

    Parameters
    ----------
    samples : ndarray of shape (n_samples,)
        One channel.
    tempo : float
        Values above 1 are faster.

    Returns
    -------
    ndarray of shape (round(n_samples / tempo),), float32

    Examples
    --------
    >>> change_tempo(np.zeros(22050, dtype=np.float32), 2.0).size
    11025
    """
    padded = np.pad(np.asarray(samples, dtype=np.float32), N_FFT // 2)
    spectra = scipy.fft.rfft(sliding_window_view(padded, N_FFT)[::HOP] * WINDOW, axis=1)
    return _overlapped(_resampled_frames(spectra, tempo), round(samples.size / tempo))


def change_pitch(samples: Waveform, semitones: float) -> Waveform:
    """Change the pitch, and all formants with it, at constant tempo.

    The clip is stretched and then resampled to its original length, as in `librosa.effects.pitch_shift` with its
    defaults.

    Parameters
    ----------
    samples : ndarray of shape (n_samples,)
        One channel.
    semitones : float
        Values above 0 are higher.

    Returns
    -------
    ndarray of shape (n_samples,), float32

    Examples
    --------
    >>> change_pitch(np.zeros(22050, dtype=np.float32), 2.0).size
    22050
    """
    slower = 2.0 ** (-semitones / 12)
    shifted = soxr.resample(change_tempo(samples, slower), 1 / slower, 1.0, quality="HQ")[: samples.size]
    return np.pad(shifted, (0, samples.size - shifted.size))


def _resampled_frames(spectra: Spectra, tempo: float) -> Spectra:
    steps = np.arange(0, len(spectra), tempo)
    # Two frames of zeros with phase 0 follow the last one, so that the sound fades out. There are two because the last
    # step may be rounded up to the end itself, where both frames are read.
    magnitude = np.zeros((len(spectra) + 2, spectra.shape[1]), dtype=np.float32)
    np.abs(spectra, out=magnitude[:-2])
    unit = np.ones_like(magnitude, dtype=np.complex64)
    np.multiply(spectra, 1 / np.maximum(magnitude[:-2], TINY), out=unit[:-2])
    unit[magnitude < TINY] = 1
    made = np.empty((len(steps), spectra.shape[1]), dtype=np.complex64)
    # Products of unit complex numbers accumulate phases without computing or unwrapping angles.
    turned = unit[0].copy()
    for place, (frame, part) in enumerate(zip(steps.astype(int).tolist(), (steps % 1.0).tolist(), strict=True)):
        np.multiply(turned, magnitude[frame] * (1 - part) + magnitude[frame + 1] * part, out=made[place])
        turned *= unit[frame + 1] * unit[frame].conj()
    return made


def _overlapped(spectra: Spectra, length: int) -> Waveform:
    """Overlap-add the frames to `length` samples, normalised by the sum of the squared windows."""
    count = min(len(spectra), -(-(length + N_FFT) // HOP))
    shares = N_FFT // HOP
    frames = (scipy.fft.irfft(spectra[:count], N_FFT, axis=1) * WINDOW).reshape(count, shares, HOP)
    total = np.zeros((count + shares - 1, HOP), dtype=np.float32)
    weight = np.zeros_like(total)
    for share, squared in enumerate((WINDOW**2).reshape(shares, HOP)):
        total[share : share + count] += frames[:, share]
        weight[share : share + count] += squared
    np.divide(total, weight, out=total, where=weight >= TINY)
    samples = total.reshape(-1)[N_FFT // 2 :][:length]
    return np.pad(samples, (0, length - samples.size))
