"""Where there is speech: frames whose level and periodicity are those of a voice, and what is close to them."""

from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.fft
import soxr

from fusionser.features.percentiles import percentile
from fusionser.features.pitch import autocorrelation, low_autocorrelation
from fusionser.samples import SILENCE_PEAK, Waveform

__all__ = ["FRAME_SECONDS", "SpeechFrames", "speech_frames"]

RATE = 8000
"""Rate of the analysis in Hz."""

FRAME_SECONDS = 0.02
"""Distance between frames in seconds."""

FRAME, HOP, SIZE = 320, 160, 1024
"""Length of a frame, distance between frames, and size of the transform, in samples at 8 kHz."""

LOWEST_PITCH, HIGHEST_PITCH = 60.0, 500.0
LOWEST_BAND, HIGHEST_BAND = 80.0, 1200.0
"""The band in Hz whose periodicity counts: the lower harmonics, which noise covers last."""

PERIODIC = 0.55
"""Normalised autocorrelation from which a frame is periodic."""

OCTAVE_COST = 0.12
"""How much better a period must be than one of half its length; in noise, the double of the true one is often best."""

RANGE_DB = 35.0
"""How far below the loud frames of the window a voiced frame may lie."""

STEADY_DB = 3.0
"""A window whose periodic frames differ by less in level, and by less than `STEADY_SEMITONES`, is a hum or a tone."""

STEADY_SEMITONES = 0.6

SHORTEST_VOICE = 3
"""Voiced frames in a row that a voice has at least."""

NEIGHBOURHOOD = 0.2
"""Seconds around voiced frames that count as speech: consonants, and the gaps of stops."""


class SpeechFrames(NamedTuple):
    """One value per frame of 20 ms."""

    speech: npt.NDArray[np.bool_]
    """Whether there is speech."""

    pitch: npt.NDArray[np.float64]
    """Fundamental frequency in Hz; 0 where the voice is not periodic."""


def speech_frames(samples: Waveform, sampling_rate: int) -> SpeechFrames:
    """Find the speech in a window of a few seconds.

    A frame is voiced if the autocorrelation of its lower harmonics has a peak at a period of a voice (60 to 500 Hz),
    and its level is at most 35 dB below the loudest frames. What is within 0.2 s of voiced frames is speech. A window
    in which neither level nor pitch moves has none: that is a hum or a tone. The rule hears no difference between
    speech and singing or melodic music.

    Parameters
    ----------
    samples : ndarray of shape (n_samples,)
        Full scale is -1 to 1.
    sampling_rate : int
        Rate of `samples` in Hz.

    Returns
    -------
    SpeechFrames

    Examples
    --------
    >>> noise = 0.1 * np.random.default_rng(0).normal(size=16000).astype(np.float32)
    >>> bool(speech_frames(noise, 16000).speech.any())
    False
    """
    count = max(int(np.ceil(samples.size / sampling_rate / FRAME_SECONDS - 1e-9)), 1)
    none = SpeechFrames(np.zeros(count, dtype=bool), np.zeros(count))
    if samples.size == 0 or np.abs(samples).max() < SILENCE_PEAK:
        return none
    heard = samples if sampling_rate == RATE else soxr.resample(samples, sampling_rate, RATE, quality="MQ")
    frames = _framed(np.asarray(heard, dtype=np.float32), count)
    level, periodicity, pitch = _analysed(frames)
    loud = percentile(level, 95)
    voiced = (periodicity >= PERIODIC) & (level >= loud - RANGE_DB) & (level > -80.0)
    if not voiced.any() or _is_steady(level[voiced], pitch[voiced], voiced.mean()):
        return none
    voiced = _lasting(voiced)
    return SpeechFrames(_widened(voiced, round(NEIGHBOURHOOD / FRAME_SECONDS)), np.where(voiced, pitch, 0.0))


def _framed(samples: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.float32]:
    """Return frames of shape (count, FRAME) that are centred on 10 ms, 30 ms, and so on."""
    before = (FRAME - HOP) // 2
    after = max((count - 1) * HOP + FRAME - before - samples.size, 0)
    padded = np.pad(samples, (before, after))
    return np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP][:count]


def _analysed(frames: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float64], ...]:
    """Return level in decibels, height of the highest peak of the autocorrelation, and its frequency, per frame."""
    window = np.hanning(FRAME).astype(np.float32)
    power = np.square(np.abs(scipy.fft.rfft(frames * window, n=SIZE, axis=1)))
    low, high = int(np.ceil(LOWEST_BAND * SIZE / RATE)), int(HIGHEST_BAND * SIZE / RATE) + 1
    level = 10 * np.log10(power[:, low:].sum(axis=1) * 2 / SIZE / np.square(window).sum() + 1e-12)
    # In the noise of rooms and traffic, low frequencies are strongest, and a narrow band of noise looks periodic.
    band = np.zeros((high, len(power)), dtype=np.float32)
    band[low:] = (power[:, low:high] * (np.arange(low, high) * RATE / SIZE / HIGHEST_BAND)).T
    correlation = low_autocorrelation(band, SIZE, int(RATE / LOWEST_PITCH) + 2).T
    normal = correlation / np.maximum(correlation[:, :1], 1e-20) / _window_correlation(correlation.shape[1])
    shortest = int(RATE / HIGHEST_PITCH)
    left, middle, right = normal[:, shortest - 1 : -2], normal[:, shortest:-1], normal[:, shortest + 1 :]
    cost = OCTAVE_COST * np.log2(np.arange(shortest, shortest + middle.shape[1]))
    heights = np.where((middle > left) & (middle >= right), middle - cost, -1.0)
    best = heights.argmax(axis=1)
    rows = np.arange(len(normal))
    return level.astype(np.float64), (heights[rows, best] + cost[best]).astype(np.float64), RATE / (best + shortest)


@cache
def _window_correlation(lags: int) -> npt.NDArray[np.float32]:
    window = np.hanning(FRAME).astype(np.float32)
    own = autocorrelation(np.square(np.abs(scipy.fft.rfft(window, n=SIZE))))[:lags]
    return own / own[0]


def _is_steady(level: npt.NDArray[np.float64], pitch: npt.NDArray[np.float64], share: float) -> bool:
    """Return whether most frames are periodic, and neither their level nor their pitch moves."""
    moves = percentile(level, 90) - percentile(level, 10)
    semitones = 12 * np.log2(pitch)
    glides = percentile(semitones, 80) - percentile(semitones, 20)
    return bool(share > 0.7 and moves < STEADY_DB and glides < STEADY_SEMITONES)


def _lasting(voiced: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the voiced frames that have `SHORTEST_VOICE` of their kind in a row; noise is periodic by chance."""
    starts = np.lib.stride_tricks.sliding_window_view(np.pad(voiced, (0, SHORTEST_VOICE - 1)), SHORTEST_VOICE).all(
        axis=1
    )
    return np.convolve(starts, np.ones(SHORTEST_VOICE))[: voiced.size] > 0


def _widened(marked: npt.NDArray[np.bool_], by: int) -> npt.NDArray[np.bool_]:
    return np.convolve(marked, np.ones(2 * by + 1), mode="full")[by : by + marked.size] > 0
