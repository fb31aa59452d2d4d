"""Windows of a fixed length over samples that arrive piece by piece, and the rate at which they are analysed."""

from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Real
from typing import NamedTuple

import numpy as np
import soxr

from fusionser.audio import LONGEST_SECONDS
from fusionser.errors import SettingsError
from fusionser.samples import Waveform

__all__ = ["Resampler", "Window", "WindowCutter", "WindowSettings"]

SHORTEST = 0.25
"""Shortest window, in seconds."""

SHORTEST_HOP = 0.05
"""Shortest distance of windows, in seconds."""


@dataclass(frozen=True)
class WindowSettings:
    """How a recording is cut into windows.

    Parameters
    ----------
    length : float, default=3.0
        Length of a window in seconds, 0.25 to 900.
    hop : float, default=0.5
        Distance from the beginning of one window to that of the next in seconds, 0.05 to `length`.

    Raises
    ------
    SettingsError
        If one of them is out of range.
    """

    length: float = 3.0
    hop: float = 0.5

    def __post_init__(self) -> None:
        for name, value, least, most, told in (
            ("windows", self.length, SHORTEST, LONGEST_SECONDS, ""),
            ("hop", self.hop, SHORTEST_HOP, self.length, ", the length of a window"),
        ):
            if not isinstance(value, Real) or isinstance(value, bool) or not least <= value <= most:
                raise SettingsError(
                    f"{name} is {value!r}; expected {least:g} to {most:g} seconds{told}", parameter=name
                )


class Window(NamedTuple):
    """A window: where it begins and ends, in samples of the recording, and its samples."""

    start: int
    end: int
    samples: Waveform


class WindowCutter:
    """Cut samples that arrive piece by piece into windows that do not depend on the pieces.

    Window k begins at k times the hop. The last one ends with the recording, and is shorter, by a hop at most; it is
    left out below 0.25 s, unless it is the only one.

    Parameters
    ----------
    sampling_rate : int
        Rate of the samples in Hz.
    settings : WindowSettings

    Examples
    --------
    >>> cutter = WindowCutter(100, WindowSettings(length=1.0, hop=0.5))
    >>> [(window.start, window.end) for window in cutter.feed(np.zeros(170))]
    [(0, 100), (50, 150)]
    >>> [(window.start, window.end) for window in cutter.finish()]
    [(100, 170)]
    """

    def __init__(self, sampling_rate: int, settings: WindowSettings) -> None:
        self.sampling_rate = sampling_rate
        self.settings = settings
        self._length = max(round(settings.length * sampling_rate), 1)
        self._kept = np.zeros(0, dtype=np.float32)
        self._first = 0
        self._next = 0

    @property
    def received(self) -> int:
        """Number of samples so far."""
        return self._first + self._kept.size

    def feed(self, samples: Waveform) -> Iterator[Window]:
        """Yield the windows that are complete with more samples."""
        self._kept = np.concatenate([self._kept, np.asarray(samples, dtype=np.float32)])
        while self._start() + self._length <= self.received:
            yield self._window(self._start() + self._length)
        passed = min(self._start(), self.received) - self._first
        self._kept, self._first = self._kept[passed:], self._first + passed

    def finish(self) -> Iterator[Window]:
        """Yield the last window, if there are samples after the end of the one before."""
        start, end = self._start(), self.received
        covered = self._start(self._next - 1) + self._length if self._next else 0
        if end > covered and (self._next == 0 or end - start >= SHORTEST * self.sampling_rate):
            yield self._window(end)

    def _start(self, number: int | None = None) -> int:
        number = self._next if number is None else number
        return round(number * self.settings.hop * self.sampling_rate)

    def _window(self, end: int) -> Window:
        start = self._start()
        self._next += 1
        return Window(start, end, self._kept[start - self._first : end - self._first])


class Resampler:
    """Bring samples that arrive piece by piece to another rate, as `soxr.resample` does for all of them.

    Overlapping windows are cut from the result, so that no sample is resampled twice.

    Parameters
    ----------
    sampling_rate : int
        Rate of the samples in Hz.
    wanted : int or None
        Rate of the result. None keeps that of the samples, and so does a higher one.

    Examples
    --------
    >>> resampler = Resampler(48000, 16000)
    >>> sum(piece.size for piece in (resampler.feed(np.zeros(48000, dtype=np.float32)), resampler.finish()))
    16000
    """

    def __init__(self, sampling_rate: int, wanted: int | None) -> None:
        self.rate = sampling_rate if wanted is None or wanted >= sampling_rate else wanted
        same = self.rate == sampling_rate
        self._stream = None if same else soxr.ResampleStream(sampling_rate, self.rate, 1, "float32", quality="HQ")

    def feed(self, samples: Waveform) -> Waveform:
        """Return what more samples give."""
        if self._stream is None:
            return samples
        return self._stream.resample_chunk(np.ascontiguousarray(samples, dtype=np.float32))

    def finish(self) -> Waveform:
        """Return the rest."""
        empty = np.zeros(0, dtype=np.float32)
        return empty if self._stream is None else self._stream.resample_chunk(empty, last=True)
