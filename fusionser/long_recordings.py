"""Decode a recording of any length piece by piece, in constant memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fusionser.decoding import TRUNCATED_REMEDY, check_whole, decode, duration_of
from fusionser.errors import AudioError
from fusionser.isolation import is_isolated
from fusionser.opening import Sound, open_sound, reason
from fusionser.quiet import quiet
from fusionser.samples import END_TOLERANCE, Waveform, check_channels, check_samples, mix_down, one_channel
from fusionser.storage import at_hand

__all__ = ["LongRecording", "open_long"]

LONGEST_HOURS = 24

PART_SECONDS = 60.0
"""What a decoder in a process of its own is asked for at once, in seconds."""

FRAMES = 1 << 16
"""Frames that are decoded at once."""


class LongRecording(NamedTuple):
    """A recording that is decoded while it is read."""

    sampling_rate: int
    """Rate of the file in Hz."""

    seconds: float
    """Duration, as the header states it."""

    pieces: Iterator[Waveform]
    """Its samples in order: mono arrays of float32, whose decoding may raise `AudioError`."""


@contextmanager
def open_long(file: str | Path, end: float | None = None, channel: int | None = None) -> Iterator[LongRecording]:
    """Open a recording that may be too long to be held in memory.

    Parameters
    ----------
    file : str or Path
        Any that `fusionser.decoding.decode` reads.
    end : float, optional
        Where to stop, in seconds, such as the end of what is left of a file that was cut off.
    channel : int, optional
        The channel to use, from 1. None is the mean of all.

    Yields
    ------
    LongRecording

    Raises
    ------
    AudioError
        If the file cannot be read, was cut off, or is longer than a day.
    """
    with at_hand(file) as path:
        if is_isolated():
            seconds = _checked(duration_of(path) if end is None else end, str(path))
            rate = decode(path, 0.0, min(PART_SECONDS, seconds), channel)[1]
            yield LongRecording(rate, seconds, _parts(path, seconds, channel))
            return
        with quiet():
            sound = open_sound(path)
        with sound:
            if end is None:
                check_whole(path, sound)
            seconds = _checked(sound.frames / sound.samplerate if end is None else end, str(path))
            yield LongRecording(
                int(sound.samplerate), seconds, _pieces(sound, seconds, end is None, channel, str(path))
            )


def _checked(seconds: float, name: str) -> float:
    if not 0 < seconds <= LONGEST_HOURS * 3600:
        raise AudioError(f"{name}: {seconds:.0f} s long; expected more than 0 s, and at most {LONGEST_HOURS} hours")
    return seconds


def _parts(file: str | Path, seconds: float, channel: int | None) -> Iterator[Waveform]:
    """Ask the decoder in a process of its own for one part after the other."""
    for start in np.arange(0.0, seconds, PART_SECONDS).tolist():
        yield decode(file, start, min(start + PART_SECONDS, seconds), channel)[0]


def _pieces(sound: Sound, seconds: float, whole: bool, channel: int | None, name: str) -> Iterator[Waveform]:
    count, done, rate = round(seconds * sound.samplerate), 0, int(sound.samplerate)
    ranges = [_EMPTY_RANGE] * (sound.channels if channel is None else 1)
    mean_range = _EMPTY_RANGE
    while done < count:
        channels = one_channel(_read(sound, min(FRAMES, count - done), name), channel, name)
        if channels.shape[1] == 0:
            break
        mono = mix_down(channels)
        check_samples(mono, name)
        ranges = [_widened(known, samples) for known, samples in zip(ranges, channels, strict=True)]
        mean_range = _widened(mean_range, mono)
        done += mono.size
        yield mono
    if whole and count - done > END_TOLERANCE * rate:
        raise AudioError(
            f"{name}: cut off: its header promises {seconds:.2f} s, and {done / rate:.2f} s can be decoded; "
            f"{TRUNCATED_REMEDY}"
        )
    if done:
        check_channels(np.array(ranges, dtype=np.float32), np.array(mean_range, dtype=np.float32), name)


def _read(sound: Sound, count: int, name: str) -> npt.NDArray[np.float32]:
    """Return the next frames of all channels, an array of shape (n_channels, n_frames)."""
    try:
        with quiet():
            return sound.read(count, dtype="float32", always_2d=True).T
    except RuntimeError as error:
        raise AudioError(f"{name}: decoding failed ({reason(error)}); {TRUNCATED_REMEDY}") from error


_EMPTY_RANGE = (float("inf"), float("-inf"))


def _widened(known: tuple[float, float], samples: Waveform) -> tuple[float, float]:
    return min(known[0], float(samples.min())), max(known[1], float(samples.max()))
