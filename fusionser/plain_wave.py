"""WAV files with 16 bits a sample, the most frequent kind, read by NumPy in a third of libsndfile's time."""

import io
import os
import struct
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

__all__ = ["PlainWave", "plain_wave"]

HEADER = struct.Struct("<4sI8sIHHIIHH")
"""What a WAV file begins with: RIFF and its size, WAVE and the chunk of the format, of `FORMAT_SIZE` bytes."""

FORMAT_SIZE, PCM, BITS = 16, 1, 16

MOST_CHANNELS = 2
HIGHEST_RATE = 2**31 - 1

PASSED = (b"LIST", b"JUNK", b"FLLR", b"bext", b"id3 ")
"""Chunks that say nothing of the samples."""

SCALE = np.float32(2.0 ** (1 - BITS))


class PlainWave:
    """An open WAV file of which nothing lacks, to be read as an open file of soundfile.

    Parameters
    ----------
    stream : io.BufferedReader
        Closed with this object.
    place : int
        Where the samples begin, in bytes.
    frames, channels, samplerate : int
    """

    format = "WAV"
    can_seek = True

    def __init__(self, stream: io.BufferedReader, place: int, frames: int, channels: int, samplerate: int) -> None:
        self._stream, self._place, self._next = stream, place, 0
        self.frames, self.channels, self.samplerate = frames, channels, samplerate

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def seek(self, frame: int) -> None:
        """Let the next reading begin at a frame."""
        self._next = frame

    def read(self, frames: int, dtype: str = "float32", always_2d: bool = True) -> npt.NDArray[np.float32]:
        """Return the next frames, or those that there are, shape (n_frames, n_channels), -1 to 1."""
        count = max(min(frames, self.frames - self._next), 0)
        integers = np.empty((count, self.channels), dtype="<i2")
        self._stream.seek(self._place + self._next * integers.itemsize * self.channels)
        # The file may have become shorter since it was opened.
        there = self._stream.readinto(integers.data) // (integers.itemsize * self.channels) if count else 0
        self._next += there
        return np.multiply(integers[:there], SCALE, dtype=np.float32)


def plain_wave(file: Path) -> PlainWave | None:
    """Open a WAV file with 16 bits a sample that has all of its audio; return None for any other file.

    Raises
    ------
    OSError
        If the file cannot be opened.

    Examples
    --------
    >>> plain_wave(Path(__file__)) is None
    True
    """
    stream = file.open("rb")
    try:
        opened = _opened(stream)
    except BaseException:
        stream.close()
        raise
    if opened is None:
        stream.close()
    return opened


def _opened(stream: io.BufferedReader) -> PlainWave | None:
    head = stream.read(HEADER.size)
    if len(head) < HEADER.size:
        return None
    riff, _, wave, size, coding, channels, rate, _, frame, bits = HEADER.unpack(head)
    if (riff, wave, size, coding, bits) != (b"RIFF", b"WAVEfmt ", FORMAT_SIZE, PCM, BITS):
        return None
    if not (1 <= channels <= MOST_CHANNELS and frame == channels * BITS // 8 and 1 <= rate <= HIGHEST_RATE):
        return None
    found = _samples_of(stream, os.fstat(stream.fileno()).st_size)
    if found is None or found[1] % frame:
        return None
    return PlainWave(stream, found[0], found[1] // frame, channels, rate)


def _samples_of(stream: io.BufferedReader, size: int) -> tuple[int, int] | None:
    """Return where the samples are and their size in bytes; None unless there is one such chunk and all are whole."""
    found, place = None, HEADER.size
    while place < size:
        stream.seek(place)
        chunk = stream.read(8)
        if len(chunk) < 8:
            return None
        name, length = struct.unpack("<4sI", chunk)
        if place + 8 + length > size or not length:
            return None
        if name == b"data" and found is None:
            found = (place + 8, length)
        elif name not in PASSED:
            return None
        place += 8 + length + length % 2
    return found
