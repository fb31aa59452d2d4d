"""Parts of long WAV recordings that are elsewhere: of an hour, ten seconds are fetched by ranges of its bytes.

The parts are in a file of the size of the whole recording, at their places, with holes between them. So it is decoded
like the whole recording, as far as its parts go.
"""

import os
import struct
import threading
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from fusionser.storage.addresses import suffix_of
from fusionser.storage.transfers import State, read_range

__all__ = ["LONG", "Parts", "may_be_parted"]

LONG = 8 << 20
"""Size from which parts of a recording are fetched, in bytes."""

HEAD = 1 << 16
"""Bytes at the beginning, which have the header, and most that may follow the samples."""

MARGIN = 1 << 14
"""Bytes around a part that a decoder may read with it."""

WORTH = 0.5
"""Share of a recording from which it is fetched as a whole."""

LINEAR = (1, 3, 0xFFFE)
"""Codings in which the place of a sample follows from its number: integers, floats, and either by its extension."""

Span = tuple[float, float]


class Layout(NamedTuple):
    """Where the samples of a WAV file are."""

    rate: int
    frame_bytes: int
    begin: int
    end: int


def may_be_parted(address: str, state: State) -> bool:
    """Return whether an object may be a WAV recording of which parts are worth fetching."""
    return suffix_of(address) == ".wav" and state.size >= LONG


def layout_of(head: bytes, size: int) -> Layout | None:
    r"""Return where the samples of a WAV file are, from its start; None if that does not tell, or some are missing.

    Parameters
    ----------
    head : bytes
    size : int
        Of the whole file.

    Examples
    --------
    >>> form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, 8000, 32000, 4, 16)
    >>> head = b"RIFF\0\0\0\0WAVE" + form + struct.pack("<4sI", b"data", 400)
    >>> layout_of(head, size=444)
    Layout(rate=8000, frame_bytes=4, begin=44, end=444)
    >>> layout_of(head, size=443) is None
    True
    """
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return None
    place, rate, frame_bytes = 12, 0, 0
    while place + 8 <= len(head):
        name, length = struct.unpack_from("<4sI", head, place)
        begin = place + 8
        if name == b"fmt " and begin + 16 <= len(head):
            coding, channels, rate, _, frame_bytes, bits = struct.unpack_from("<HHIIHH", head, begin)
            # Decoders go by the channels and bits, so a header that contradicts itself is not relied on.
            if coding not in LINEAR or frame_bytes != channels * -(-bits // 8):
                return None
        if name == b"data":
            end = begin + length
            return Layout(rate, frame_bytes, begin, end) if rate and frame_bytes and end <= size else None
        place = begin + length + length % 2
    return None


def _identity(path: Path) -> tuple[int, int, int] | None:
    """Return what tells a file from a later one of the same name; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns


class Parts:
    """The parts of a recording that this process has fetched.

    Parameters
    ----------
    address : str
    state : State
    path : Path
        The file for them, of this process alone.
    """

    def __init__(self, address: str, state: State, path: Path) -> None:
        self.address, self.state, self.path = address, state, path
        self._lock = threading.Lock()
        self._layout: Layout | None = None
        self._known: list[tuple[int, int]] = []
        self._file: tuple[int, int, int] | None = None
        self._refused = False

    def fetch(self, spans: list[Span]) -> bool:
        """Fetch parts from a start to an end in seconds; return whether the file has them.

        It cannot have them if the object is no WAV file with its samples in order, if its place gives no ranges, or if
        most of the recording is wanted: then it is better fetched as a whole.
        """
        with self._lock:
            if self._refused:
                return False
            if self._file is None or self._file != _identity(self.path):
                # Removed meanwhile, and perhaps made anew.
                self._known = []
                self._refused = not self._begun()
            for start, end in spans:
                self._refused = self._refused or not self._filled(start, end)
            # Those used longest ago are removed first.
            with suppress(OSError):
                os.utime(self.path)
            self._file = _identity(self.path)
            return not self._refused

    def _begun(self) -> bool:
        """Fetch the header, and what follows the samples."""
        head = self._read(0, HEAD)
        self._layout = None if head is None else layout_of(head, self.state.size)
        if head is None or self._layout is None or self.state.size - self._layout.end > HEAD:
            return False
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        with self.path.open("xb") as file:
            file.truncate(self.state.size)
        self._write(0, head)
        self._known = [(0, len(head))]
        tail = self._read(self._layout.end, self.state.size) if self.state.size > self._layout.end else b""
        if tail is None:
            return False
        self._write(self._layout.end, tail)
        return True

    def _filled(self, start: float, end: float) -> bool:
        if self._layout is None:
            return False
        rate, frame, begin, last = self._layout
        low = max(begin + int(start * rate) * frame - MARGIN, 0)
        high = min(begin + (round(end * rate) + 1) * frame + MARGIN, last)
        if high <= low or any(known <= low and high <= until for known, until in self._known):
            return True
        if sum(until - known for known, until in self._known) + high - low > WORTH * self.state.size:
            return False
        content = self._read(low, high)
        if content is None:
            return False
        self._write(low, content)
        self._known.append((low, high))
        return True

    def _read(self, begin: int, end: int) -> bytes | None:
        return read_range(self.address, begin, end)

    def _write(self, place: int, content: bytes) -> None:
        with self.path.open("r+b") as file:
            file.seek(place)
            file.write(content)
