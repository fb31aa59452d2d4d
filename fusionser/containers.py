"""Whether a recording has all of the audio that its container promises, and WAV files that state no length.

libsndfile takes the audio that it finds, so a file that was cut off while it was copied looks like a shorter recording.
"""

import io
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from fusionser.foreign import begins_foreign
from fusionser.mpeg import stated_size

__all__ = ["is_audio", "is_chained", "missing_part", "streamed_wave"]

LEAST_UNKNOWN = 0x7FFFF000
"""Sizes from here on are written by programs that do not know the size beforehand, such as 0xFFFFFFFF."""

PAD = 8
"""Bytes that may lack at the end of a file: writers differ in how they count padding."""

LAST_PAGES = 2 * 65307
"""Bytes at the end of an Ogg file in which its last page begins; a page has 65307 bytes at most."""

OGG_HEADER = 27
"""Bytes of the header of an Ogg page, before the table of its segments."""

FIRST_PAGE, LAST_PAGE = 2, 4
"""Flags of the first and the last page of an Ogg stream."""

W64_SIZE = 24
"""Bytes of the identifier and size of a chunk in a Sony Wave64 file, which its size includes."""

Chunk = tuple[bytes, int, int]
"""Identifier of a chunk, place of its content in the file, and size of its content."""


def missing_part(file: str | Path) -> str:
    """Return what the container promises and the file lacks, as the end of a sentence; empty if it lacks nothing.

    WAV, RF64, AIFF, AU, CAF and Wave64 state the size of their audio, AVI of all it has, MP3 often does, and Ogg marks
    its last page. FLAC cannot be judged without decoding it.

    Raises
    ------
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> missing_part(__file__)
    ''
    """
    size = Path(file).stat().st_size
    with Path(file).open("rb") as stream:
        head = stream.read(16)
        for magic, judge in JUDGES.items():
            if head.startswith(magic):
                return judge(stream, size)
        return _mp3(stream, size)


def is_chained(file: str | Path) -> bool:
    """Return whether an Ogg file has a stream that begins after the first has ended; libsndfile reads only the first.

    Radio recordings and joined files are such chains.

    Raises
    ------
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> is_chained(__file__)
    False
    """
    begun = False
    with Path(file).open("rb") as stream:
        while _next_page(stream):
            page = stream.read(OGG_HEADER)
            if len(page) < OGG_HEADER:
                break
            # All streams that are there from the beginning, such as a video's, begin before any of them goes on.
            if begun and page[5] & FIRST_PAGE:
                return True
            begun = begun or not page[5] & FIRST_PAGE
            stream.seek(sum(stream.read(page[26])), io.SEEK_CUR)
    return False


def _next_page(stream: BinaryIO) -> bool:
    """Go to the next Ogg page, past bytes that belong to none, and return whether there is one."""
    if not stream.tell():
        start = stream.read(4) == b"OggS"
        stream.seek(0)
        return start
    while part := stream.read(OGG_HEADER):
        if part.startswith(b"OggS"):
            stream.seek(-len(part), io.SEEK_CUR)
            return True
        before = stream.tell() - len(part)
        rest = part + stream.read(1 << 16)
        found = rest.find(b"OggS", 1)
        if found >= 0:
            stream.seek(before + found)
            return True
        if len(rest) < OGG_HEADER + 4:
            return False
        # The mark may lie across the border.
        stream.seek(before + len(rest) - 3)
    return False


def is_audio(content: bytes) -> bool:
    """Return whether bytes begin as an audio file does.

    Examples
    --------
    >>> is_audio(b"RIFF...."), is_audio(b"clips/one.wav")
    (True, False)
    """
    frame = len(content) > 1 and content[0] == 0xFF and content[1] & 0xE0 == 0xE0 and content[1] != 0xFE
    return frame or content.startswith((*JUDGES, b"fLaC", b"ID3")) or begins_foreign(content[:16])


def streamed_wave(file: str | Path) -> io.BytesIO | None:
    """Return a WAV file whose header gives the size of its audio as 0, with the right size; None for any other file.

    Programs that write to a pipe cannot go back to fill in the size.
    """
    with Path(file).open("rb") as stream:
        if stream.read(4) != b"RIFF":
            return None
        size = Path(file).stat().st_size
        for name, place, length in _riff(stream, size):
            if name == b"data":
                stream.seek(place)
                following = stream.read(4)
                if length or size - place < PAD or following in (b"LIST", b"id3 ", b"fact", b"cue ", b"bext"):
                    return None
                stream.seek(0)
                content = bytearray(stream.read())
                content[4:8] = struct.pack("<I", min(size - 8, 0xFFFFFFFF))
                content[place - 4 : place] = struct.pack("<I", min(size - place, 0xFFFFFFFF))
                return io.BytesIO(bytes(content))
    return None


def _lacking(promised: int, there: int) -> str:
    if promised - there <= PAD:
        return ""
    return f"its header promises {promised} bytes of audio, and it has {max(there, 0)}"


def _chunks(stream: BinaryIO, size: int, first: int, order: str) -> Iterator[Chunk]:
    """Yield the chunks of a file of the Interchange File Format, from `first` on, with sizes in byte order `order`."""
    place = first
    while place + 8 <= size:
        stream.seek(place)
        name, length = struct.unpack(f"{order}4sI", stream.read(8))
        yield name, place + 8, length
        place += 8 + length + length % 2


def _riff(stream: BinaryIO, size: int) -> Iterator[Chunk]:
    stream.seek(0)
    return _chunks(stream, size, 12, ">" if stream.read(4) == b"RIFX" else "<")


def _wave(stream: BinaryIO, size: int) -> str:
    stream.seek(8)
    if stream.read(4) == b"AVI ":
        return _avi(stream, size)
    long_size: int | None = None
    for name, place, length in _riff(stream, size):
        if name == b"ds64" and place + 16 <= size:
            stream.seek(place)
            long_size = struct.unpack("<QQ", stream.read(16))[1]
        if name == b"data":
            if length >= LEAST_UNKNOWN:
                return "" if long_size is None else _lacking(long_size, size - place)
            return _lacking(length, size - place)
    return "it has no audio after its header"


def _avi(stream: BinaryIO, size: int) -> str:
    """Judge a film by the size of its first part; sound and pictures take turns in it."""
    stream.seek(4)
    length = struct.unpack("<I", stream.read(4))[0]
    if length >= LEAST_UNKNOWN or length + 8 - size <= PAD:
        return ""
    return f"its header promises {length + 8} bytes, and it has {size}"


def _aiff(stream: BinaryIO, size: int) -> str:
    for name, place, length in _chunks(stream, size, 12, ">"):
        if name in (b"SSND", b"BODY"):
            return "" if length >= LEAST_UNKNOWN else _lacking(length, size - place)
    return "it has no audio after its header"


def _au(stream: BinaryIO, size: int, order: str = ">") -> str:
    stream.seek(4)
    place, length = struct.unpack(f"{order}II", stream.read(8).ljust(8, b"\0"))
    return "" if length >= LEAST_UNKNOWN else _lacking(length, size - place)


def _caf(stream: BinaryIO, size: int) -> str:
    place = 8
    while place + 12 <= size:
        stream.seek(place)
        name, length = struct.unpack(">4sq", stream.read(12))
        if name == b"data":
            return "" if length < 0 else _lacking(length, size - place - 12)
        place += 12 + max(length, 0)
    return "it has no audio after its header"


def _w64(stream: BinaryIO, size: int) -> str:
    place = 40
    while place + W64_SIZE <= size:
        stream.seek(place)
        name, length = struct.unpack("<4s12xQ", stream.read(W64_SIZE))
        if name == b"data":
            return _lacking(length, size - place)
        place += max(-(-length // 8) * 8, W64_SIZE)
    return "it has no audio after its header"


def _ogg(stream: BinaryIO, size: int) -> str:
    first = max(size - LAST_PAGES, 0)
    stream.seek(first)
    tail = stream.read()
    place = tail.rfind(b"OggS")
    page = tail[place:]
    if place < 0 or len(page) < OGG_HEADER or len(page) < OGG_HEADER + page[26] + sum(page[27 : 27 + page[26]]):
        return "its last page is cut off"
    return "" if page[5] & LAST_PAGE else "its last page is missing"


def _mp3(stream: BinaryIO, size: int) -> str:
    promised, place = stated_size(stream)
    return _lacking(promised, size - place)


JUDGES: Mapping[bytes, Callable[[BinaryIO, int], str]] = {
    b"RIFF": _wave,
    b"RIFX": _wave,
    b"RF64": _wave,
    b"BW64": _wave,
    b"FORM": _aiff,
    b".snd": _au,
    b"caff": _caf,
    b"riff\x2e\x91\xcf\x11": _w64,
    b"OggS": _ogg,
}
"""Who judges a container, by the bytes that it begins with."""
