"""The spectral detail of a recording: what stays when a recording is copied, and differs between two performances.

A spectrogram over the logarithm of the frequency is flattened: from each band the mean of the bands around it is
subtracted. That leaves the harmonics and their movement. A filter, a level and a codec change the envelope, which is
gone, and noise covers only what is faint. A change of pitch moves the map along its bands, a change of tempo stretches
it along its frames. No speaker repeats a sentence with the same pitch at each moment.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import soxr

from fusionser.features.clip import Array, Clip, Computation
from fusionser.samples import Waveform

__all__ = ["BANDS", "BANDS_PER_SEMITONE", "HOP_SECONDS", "Detail", "DetailMap", "activity", "detail_of", "unpacked"]

SAMPLING_RATE = 8000
WINDOW, HOP, TRANSFORM = 512, 128, 2048
HOP_SECONDS = HOP / SAMPLING_RATE

BANDS, BANDS_PER_OCTAVE, LOWEST = 88, 24, 280.0
"""Bands from 280 to 3400 Hz, where a telephone passes them, too."""

BANDS_PER_SEMITONE = BANDS_PER_OCTAVE / 12
AROUND = 13
"""Bands over which the envelope is taken."""

FLOOR = -45.0
"""Decibels, relative to the loudest cells, below which all cells are alike."""

STEPS, DETAIL_RANGE, LEVEL_RANGE = 3.0, 42.0, 80.0
"""Steps per decibel of what is kept, and the ranges in decibels that are kept of detail and level."""

BYTES = 3
"""Bytes that are packed into one float32, which has whole numbers up to 2^24 exactly."""

QUIET, SPAN = 25.0, 20.0
"""Decibels below the loud frames where a frame counts nothing, and over which its weight rises to one."""


class Detail(NamedTuple):
    """The map of a recording.

    Parameters
    ----------
    cells : ndarray of shape (n_frames, BANDS), float32
        Decibels above the mean of the bands around each.
    level : ndarray of shape (n_frames,), float32
        Decibels of the loudest bands of each frame.
    """

    cells: Array
    level: Array


@lru_cache(maxsize=1)
def _bank() -> npt.NDArray[np.float32]:
    """Return triangular bands as a matrix of shape (n_bins, BANDS)."""
    bins = np.fft.rfftfreq(TRANSFORM, 1 / SAMPLING_RATE)[:, None]
    centres = LOWEST * 2.0 ** (np.arange(BANDS) / BANDS_PER_OCTAVE)
    widths = np.maximum(centres * (2.0 ** (1 / BANDS_PER_OCTAVE) - 1), 2 * bins[1])
    weights = np.maximum(0.0, 1.0 - np.abs(bins - centres) / widths)
    return (weights / weights.sum(axis=0)).astype(np.float32)


def detail_of(samples: Waveform, rate: int) -> Detail:
    """Return the map of a recording.

    Parameters
    ----------
    samples : ndarray of shape (n_samples,)
        One channel.
    rate : int
        In Hz.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 560 * np.arange(8000) / 8000).astype(np.float32)
    >>> int(detail_of(tone, 8000).cells.mean(axis=0).argmax())
    24
    """
    from scipy.ndimage import uniform_filter1d

    heard = np.asarray(samples, dtype=np.float32)
    if rate != SAMPLING_RATE:
        heard = soxr.resample(heard, rate, SAMPLING_RATE, quality="HQ")
    heard = np.pad(heard, (0, max(WINDOW - heard.size, 0)))
    window = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(heard, WINDOW)[::HOP] * window
    power = np.square(np.abs(np.fft.rfft(frames, TRANSFORM))).astype(np.float32) @ _bank()
    loudest = np.percentile(power, 99) + 1e-12
    decibels = 10 * np.log10(power / loudest + 10 ** (FLOOR / 10))
    cells = decibels - uniform_filter1d(decibels, AROUND, axis=1, mode="nearest")
    level = np.sort(decibels, axis=1)[:, -BANDS // 3 :].mean(axis=1)
    return Detail(cells.astype(np.float32), level.astype(np.float32))


def activity(level: Array) -> Array:
    """Return the weight of each frame, 0 to 1: loud frames decide whether two recordings are the same.

    Examples
    --------
    >>> activity(np.array([0.0, 0.0, -15.0, -60.0], dtype=np.float32)).tolist()
    [1.0, 1.0, 0.5, 0.0]
    """
    top = np.percentile(level, 95) if level.size else 0.0
    return np.clip((level - (top - QUIET)) / SPAN, 0.0, 1.0).astype(np.float32)


def _packed(detail: Detail) -> Array:
    """Return a map as whole numbers, three cells in each."""
    scaled = np.column_stack([(detail.cells + DETAIL_RANGE) * STEPS, (detail.level + LEVEL_RANGE) * STEPS])
    content = np.clip(np.round(scaled), 0, 255).astype(np.uint8).ravel()
    padded = np.pad(content, (0, -content.size % BYTES)).reshape(-1, BYTES).astype(np.int64)
    return (padded @ (256 ** np.arange(BYTES))).astype(np.float32)


def unpacked(packed: Array) -> Detail:
    """Return the map that `DetailMap` gives, within a sixth of a decibel.

    Parameters
    ----------
    packed : ndarray of shape (n,), float32

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=4000).astype(np.float32)
    >>> packed = DetailMap().compute(Clip({"waveform": noise, "sampling_rate": 8000}))
    >>> bool(np.abs(unpacked(packed).cells - detail_of(noise, 8000).cells).max() < 0.17)
    True
    """
    whole = packed.astype(np.int64)
    content = ((whole[:, None] // 256 ** np.arange(BYTES)) % 256).ravel()
    count = content.size // (BANDS + 1)
    table = content[: count * (BANDS + 1)].reshape(count, BANDS + 1).astype(np.float32) / STEPS
    return Detail(table[:, :-1] - DETAIL_RANGE, table[:, -1] - LEVEL_RANGE)


@dataclass(kw_only=True, eq=False, repr=False)
class DetailMap(Computation):
    """The map of a recording, packed as the cache keeps it; its length depends on that of the recording."""

    kind: ClassVar[str] = "audit-detail"
    revision: ClassVar[int] = 1

    def array_shape(self) -> tuple[int, ...]:
        """Return that the array has one axis, of any length."""
        return (-1,)

    def compute(self, clip: Clip) -> Array:
        """Return the packed map of a clip."""
        return _packed(detail_of(*clip.samples()))
