"""Change of tempo and pitch by overlap-add of similar frames, which leaves the frames themselves as they were recorded.

The phase vocoder of the augmentations smears sounds over its long frames even where the tempo hardly changes. That is
good enough for a training copy, but a test of a model would measure the smear and not the tempo.
"""

import numpy as np
import numpy.typing as npt
import scipy.signal
import soxr
from numpy.lib.stride_tricks import sliding_window_view

from fusionser.samples import Waveform

__all__ = ["change_pitch", "change_tempo"]

FRAME, TOLERANCE = 0.030, 0.010
"""Seconds of a frame, and how far it may be moved either way: the two together reach a period of 50 Hz."""


def change_tempo(samples: Waveform, rate: int, tempo: float) -> Waveform:
    """Change the tempo at constant pitch, by waveform similarity overlap-add (Verhelst and Roelands 1993).

    Each frame is taken near its place in the original, from where it is most similar to what followed the last frame.

    Parameters
    ----------
    samples : ndarray of shape (n_samples,)
        One channel.
    rate : int
        In Hz.
    tempo : float
        Values above 1 are faster.

    Returns
    -------
    ndarray of shape (round(n_samples / tempo),), float32

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=8000).astype(np.float32)
    >>> change_tempo(noise, 8000, 2.0).size, bool(np.allclose(change_tempo(noise, 8000, 1.0), noise, atol=1e-6))
    (4000, True)
    """
    hop, reach = max(round(FRAME * rate / 2), 1), max(round(TOLERANCE * rate), 1)
    length = round(samples.size / tempo)
    count = length // hop + 2
    last = round((count - 1) * hop * tempo) + 2 * (reach + hop)
    padded = np.pad(samples.astype(np.float64), (hop + reach, max(last + 2 * hop - samples.size, 0)))
    window = scipy.signal.get_window("hann", 2 * hop, fftbins=True)
    total = np.zeros((count + 1) * hop)
    place = reach
    for number in range(count):
        if number:
            first = round(number * hop * tempo)
            place = first + _most_similar(
                padded[place + hop :][: 2 * hop], padded[first:][: 2 * (reach + hop) + 1], reach
            )
        total[number * hop :][: 2 * hop] += window * padded[place:][: 2 * hop]
    return total[hop:][:length].astype(np.float32)


def _most_similar(wanted: npt.NDArray[np.float64], searched: npt.NDArray[np.float64], reach: int) -> int:
    """Return where in `searched` the frame begins that correlates most with the wanted one; the middle if all tie."""
    products = np.correlate(searched, wanted, mode="valid")
    energy = np.square(sliding_window_view(searched, wanted.size)).sum(axis=1)
    similarity = products / np.sqrt(energy + 1e-12)
    best = int(np.argmax(similarity))
    return best if similarity[best] > similarity[reach] else reach


def change_pitch(samples: Waveform, rate: int, semitones: float) -> Waveform:
    """Change the pitch, and all formants with it, at constant tempo: the clip is stretched and then resampled.

    Parameters
    ----------
    samples : ndarray of shape (n_samples,)
        One channel.
    rate : int
        In Hz.
    semitones : float
        Values above 0 are higher.

    Returns
    -------
    ndarray of shape (n_samples,), float32
    """
    slower = 2.0 ** (-semitones / 12)
    shifted = soxr.resample(change_tempo(samples, rate, slower), 1 / slower, 1.0, quality="HQ")[: samples.size]
    return np.pad(shifted, (0, samples.size - shifted.size))
