"""MP3 files that do not state their length. Decoders estimate it from the first frames, and lose what comes after."""

import io
from pathlib import Path
from typing import BinaryIO

__all__ = ["stated_size", "with_length"]

BITRATES = {
    True: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Kilobits per second of layer III, for MPEG 1 and for its later versions."""

RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
"""Sampling rates by the version bits: MPEG 1, 2 and 2.5."""

SIDE = {(True, False): 32, (True, True): 17, (False, False): 17, (False, True): 9}
"""Bytes of side information after the header of a frame, by whether it is MPEG 1 and has one channel."""

SMALLEST_FRAME, LARGEST_FRAME = 24, 2881
"""Bytes of a frame of layer III."""

STATED, VBRI = (b"Xing", b"Info"), b"VBRI"
"""Marks of a first frame that states the length."""


def with_length(file: str | Path) -> io.BytesIO | None:
    """Return an MP3 file with a first frame that states its length; None if it has one, or is no MP3 file.

    A first frame that states more or fewer frames than fit into the file is replaced.

    Parameters
    ----------
    file : str or Path

    Examples
    --------
    >>> with_length(__file__) is None
    True
    """
    with Path(file).open("rb") as opened:
        place, header, mark = _beginning(opened)
        if not _frame_size(header) or header[36:40] == VBRI:
            return None
        if header[mark : mark + 4] in STATED:
            end = opened.seek(0, io.SEEK_END)
            if _is_possible(header[mark:], end - place):
                return None
            place += _frame_size(header)
        opened.seek(place)
        stream = opened.read()
    # The same kind of frame, with the highest bit rate, so that the numbers have room in it; without a checksum.
    stating = bytearray([header[0], header[1] | 1, header[2] & 0b1100 | 0xE0, header[3]])
    stating += bytes(_frame_size(bytes(stating)) - len(stating))
    numbers = _count_frames(stream).to_bytes(4) + (len(stating) + len(stream)).to_bytes(4)
    stating[mark : mark + 16] = STATED[0] + (3).to_bytes(4) + numbers
    return io.BytesIO(bytes(stating) + stream)


def _stated(stating: bytes) -> tuple[int | None, int]:
    """Return the frames and bytes that a first frame states from its mark on: None, or 0, if it does not."""
    flags = int.from_bytes(stating[4:8])
    count = int.from_bytes(stating[8:12]) if flags & 1 else None
    at = 8 + 4 * (flags & 1)
    return count, int.from_bytes(stating[at : at + 4]) if flags & 2 else 0


def _is_possible(stating: bytes, size: int) -> bool:
    """Return whether the bytes that a first frame states, or those of the file, can be the frames that it states."""
    count, most = _stated(stating)
    # Without its size, tags behind the sound may be most of the file.
    return count is None or (SMALLEST_FRAME * count <= (most or size) and most <= LARGEST_FRAME * (count + 1))


def stated_size(opened: BinaryIO) -> tuple[int, int]:
    """Return the bytes that an MP3 file promises from its first frame on, and where that is; 0 if it promises none."""
    place, header, mark = _beginning(opened)
    if not _frame_size(header):
        return 0, place
    if header[mark : mark + 4] in STATED:
        return _stated(header[mark:])[1], place
    return int.from_bytes(header[46:50]) if header[36:40] == VBRI else 0, place


def _beginning(opened: BinaryIO) -> tuple[int, bytes, int]:
    """Return where the first frame is, its first bytes, and where in these its length would be stated."""
    opened.seek(0)
    place = _first_frame(opened.read(10))
    opened.seek(place)
    header = opened.read(60)
    mark = 4 + SIDE[_is_first_version(header), header[3] >> 6 == 3] if len(header) > 3 else 0
    return place, header, mark


def _first_frame(beginning: bytes) -> int:
    """Return where the frames begin: after a tag, if there is one."""
    if beginning[:3] != b"ID3" or len(beginning) < 10:
        return 0
    # Each byte of this size has seven bits.
    return 10 + sum((byte & 127) << shift for byte, shift in zip(beginning[6:10], (21, 14, 7, 0), strict=True))


def _is_first_version(header: bytes) -> bool:
    return header[1] >> 3 & 3 == 3


def _frame_size(header: bytes) -> int:
    """Return the bytes of a frame of layer III with this header; 0 if it is none."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return 0
    version, bits, rate = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or bits in (0, 15) or rate == 3:
        return 0
    factor = 144000 if version == 3 else 72000
    return factor * BITRATES[version == 3][bits - 1] // RATES[version][rate] + (header[2] >> 1 & 1)


def _count_frames(stream: bytes) -> int:
    count = place = 0
    while 0 <= place <= len(stream) - 4:
        size = _frame_size(stream[place : place + 4])
        if size:
            count += place + size <= len(stream)
            place += size
        else:
            # Damage, or a tag at the end: go on with the next frame.
            place = stream.find(b"\xff", place + 1)
    return count
