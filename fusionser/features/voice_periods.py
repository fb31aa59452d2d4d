"""Consecutive periods of a voice and their amplitudes, from which jitter and shimmer follow.

As in Praat (Boersma 1993, and the manual's "Voice 2. Jitter" and "Voice 3. Shimmer"), a period ends where the waveform
is most similar to where it began, by cross-correlation over one period. Instead of marking all periods one after the
other, four in a row are found about the centre of every voiced frame, in all frames at once. So an error in one frame
is not carried on.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft

from fusionser.features.filters import Array, Array64
from fusionser.features.relative import power_response

__all__ = ["RATE", "Periods", "band_limited", "find_periods"]

RATE = 16000
"""Samples per second of the waveform that is searched."""

LEAST, MOST = 0.8, 1.25
"""Range of the next period, relative to the one that the pitch suggests."""

LARGEST_RATIO, LARGEST_AMPLITUDE_RATIO = 1.3, 1.6
"""Larger ratios of two consecutive periods, or of their amplitudes, are errors, and are left out, as in Praat."""

LEAST_CORRELATION = 0.3
AMPLITUDE_WIDTH = 0.2
"""Share of a period, on either side of its mark, over which the amplitude is measured."""

FEWEST = 4
"""Pairs that are needed for a mean."""

N_PERIODS = 4


@dataclass(frozen=True)
class Periods:
    """Four consecutive periods about each voiced frame.

    Parameters
    ----------
    lengths : ndarray of shape (n_frames, 4)
        Samples at `RATE`.
    amplitudes : ndarray of shape (n_frames, 3)
        Root mean square about the marks between the periods.
    similar : ndarray of shape (n_frames,), bool
        Whether each period resembles the next in shape. The lengths of other frames are not used.
    """

    lengths: Array64
    amplitudes: Array64
    similar: npt.NDArray[np.bool_]

    @property
    def jitter(self) -> float:
        """Jitter (local): mean difference of consecutive periods over their mean. 0 if there are too few."""
        return _relative_difference(*_pairs(self.lengths)[:, self._usable])

    @property
    def shimmer(self) -> float:
        """Shimmer (local): mean difference of consecutive amplitudes over their mean. 0 if there are too few."""
        return _relative_difference(*self._amplitude_pairs)

    @property
    def shimmer_decibels(self) -> float:
        """Shimmer (local, dB): mean difference of consecutive amplitudes in decibels. 0 if there are too few."""
        one, other = self._amplitude_pairs
        return float(np.abs(20.0 * np.log10(one / other)).mean()) if one.size >= FEWEST else 0.0

    @property
    def _usable(self) -> npt.NDArray[np.bool_]:
        """Pairs of consecutive periods that can be trusted, shape (n_frames, 3)."""
        return self.similar[:, None] & _within(_pairs(self.lengths), LARGEST_RATIO)

    @property
    def _amplitude_pairs(self) -> Array64:
        # A mark has an amplitude if the periods on both sides of it can be trusted.
        usable = self._usable[:, :-1] & self._usable[:, 1:]
        pairs = _pairs(self.amplitudes)
        return pairs[:, usable & _within(pairs, LARGEST_AMPLITUDE_RATIO)]


def _pairs(values: Array64) -> Array64:
    """Return each value and the next of its row, shape (2, n_rows, n_values - 1)."""
    return np.stack([values[:, :-1], values[:, 1:]])


def _within(pairs: Array64, ratio: float) -> npt.NDArray[np.bool_]:
    low, high = pairs.min(axis=0), pairs.max(axis=0)
    return (low > 0) & (high <= ratio * low)


def _relative_difference(one: Array64, other: Array64) -> float:
    if one.size < FEWEST:
        return 0.0
    return float(2.0 * np.abs(one - other).mean() / (one + other).mean())


def band_limited(samples: Array, sampling_rate: int) -> Array:
    """Return a waveform at `RATE`, filtered by `power_response` without a shift in time.

    Parameters
    ----------
    samples : ndarray of shape (n_samples,)
    sampling_rate : int
        Hz.
    """
    common = math.gcd(sampling_rate, RATE)
    # The lengths before and after have the ratio of the rates, and are products of small primes for common rates.
    parts = scipy.fft.next_fast_len(-(-samples.size // (sampling_rate // common)), real=True)
    before, after = parts * (sampling_rate // common), parts * (RATE // common)
    spectrum = scipy.fft.rfft(samples, before)
    frequency = np.arange(spectrum.size) * (sampling_rate / before)
    spectrum *= np.sqrt(power_response(frequency)).astype(np.float32)
    limited = scipy.fft.irfft(spectrum[: after // 2 + 1], after) * np.float32(RATE / sampling_rate)
    return limited[: round(samples.size * RATE / sampling_rate)]


def find_periods(samples: Array, times: Array64, frequency: Array64) -> Periods:
    """Find four consecutive periods about each frame.

    Parameters
    ----------
    samples : ndarray of shape (n_samples,)
        Waveform at `RATE`.
    times : ndarray of shape (n_frames,)
        Centres of the frames in seconds.
    frequency : ndarray of shape (n_frames,)
        Fundamental frequency in Hz, 50 or more.

    Examples
    --------
    >>> train = np.zeros(16000, dtype=np.float32)
    >>> train[::100] = 1.0
    >>> found = find_periods(train, np.array([0.3, 0.5]), np.array([162.0, 158.0]))
    >>> found.lengths.round(2).tolist()
    [[100.0, 100.0, 100.0, 100.0], [100.0, 100.0, 100.0, 100.0]]
    """
    expected = RATE / frequency
    margin = int(8 * expected.max(initial=1.0)) + 2
    padded = np.pad(samples.astype(np.float32), margin)
    energy = np.concatenate([[0.0], np.cumsum(np.square(padded, dtype=np.float64))])
    # Half of the periods lie before the centre.
    start = np.clip(np.rint(times * RATE), 0, samples.size - 1) + margin - N_PERIODS / 2 * expected
    marks = [_extremum(padded, np.rint(start).astype(np.intp), expected)]
    lengths, similar = [], np.ones(times.size, dtype=np.bool_)
    for _ in range(N_PERIODS):
        length, correlation = _next_period(padded, energy, marks[-1], expected)
        lengths.append(length)
        marks.append(marks[-1] + length)
        similar &= correlation >= LEAST_CORRELATION
    amplitudes = [_amplitude(padded, marks[n], lengths[n - 1], lengths[n]) for n in range(1, N_PERIODS)]
    return Periods(np.stack(lengths, axis=1), np.stack(amplitudes, axis=1), similar)


def _extremum(padded: Array, centre: npt.NDArray[np.intp], expected: Array64) -> Array64:
    """Return where the waveform is largest, regardless of sign, within half a period of each centre."""
    reach = int(expected.max(initial=1.0) / 2)
    offsets = np.arange(-reach, reach + 1)
    sizes = np.abs(padded[centre[:, None] + offsets])
    sizes[np.abs(offsets) > expected[:, None] / 2] = -1.0
    return centre + sizes.argmax(axis=1) - float(reach)


def _next_period(padded: Array, energy: Array64, mark: Array64, expected: Array64) -> tuple[Array64, Array64]:
    """Return the lag at which the waveform is most similar to that about each mark, and the correlation there."""
    centre = np.rint(mark).astype(np.intp)
    half = np.rint(expected / 2).astype(np.intp)
    first = np.floor(LEAST * expected).astype(np.intp)
    reach, count = int(half.max(initial=1)), int((MOST - LEAST) * expected.max(initial=1.0)) + 3
    offsets = np.arange(-reach, reach + 1)
    template = np.where(np.abs(offsets) <= half[:, None], padded[centre[:, None] + offsets], np.float32(0.0))
    target = padded[(centre + first)[:, None] + np.arange(-reach, reach + count)]
    size = scipy.fft.next_fast_len(target.shape[1], real=True)
    product = np.conj(scipy.fft.rfft(template, size)) * scipy.fft.rfft(target, size)
    correlation = scipy.fft.irfft(product, size)[:, :count]
    place = (centre + first)[:, None] + np.arange(count)
    own = energy[centre + half + 1] - energy[centre - half]
    other = energy[place + half[:, None] + 1] - energy[place - half[:, None]]
    correlation = correlation / np.sqrt(np.maximum(own[:, None] * other, np.finfo(np.float64).tiny))
    correlation[np.arange(count) + first[:, None] > MOST * expected[:, None] + 1] = -1.0
    lag, height = _peak(correlation)
    return first + lag, height


def _peak(values: Array64) -> tuple[Array64, Array64]:
    """Return place and height of the largest value of each row, by a parabola through it and its neighbours."""
    rows = np.arange(len(values))
    place = np.clip(values.argmax(axis=1), 1, values.shape[1] - 2)
    left, middle, right = (values[rows, place + step] for step in (-1, 0, 1))
    curve = left - 2.0 * middle + right
    shift = np.where(curve < 0, 0.5 * (left - right) / np.where(curve < 0, curve, -1.0), 0.0)
    shift = np.clip(shift, -1.0, 1.0)
    return place + shift, middle - 0.25 * (left - right) * shift


def _amplitude(padded: Array, mark: Array64, before: Array64, after: Array64) -> Array64:
    """Return the root mean square about each mark, weighted by a Hann window over a fifth of either period."""
    reach = int(AMPLITUDE_WIDTH * max(before.max(initial=1.0), after.max(initial=1.0))) + 1
    centre = np.rint(mark).astype(np.intp)
    places = centre[:, None] + np.arange(-reach, reach + 1)
    distance = places - mark[:, None]
    phase = distance / (AMPLITUDE_WIDTH * np.where(distance < 0, before[:, None], after[:, None]))
    window = np.where(np.abs(phase) < 1.0, 0.5 + 0.5 * np.cos(np.pi * phase), 0.0)
    squares = np.square(padded[places] * window).sum(axis=1)
    return np.sqrt(squares / np.square(window).sum(axis=1))
