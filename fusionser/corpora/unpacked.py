"""Recordings that are inside other files, written to the cache folder, since rows name files."""

import os
import re
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from hashlib import blake2b
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

from fusionser.cache import Cache
from fusionser.errors import FusionserError
from fusionser.files import write_whole
from fusionser.folders import temporary_folder
from fusionser.suffixes import AUDIO_SUFFIXES

__all__ = ["is_inside", "unpack", "unpacked_folder"]

RECORDINGS = "recordings"
CHUNK = 2**20

MOST_BYTES = 2 * 1024**3
"""Bytes that a recording inside another file may have."""

LONGEST_NAME = 80

SIGNATURES = {b"RIFF": ".wav", b"fLaC": ".flac", b"OggS": ".ogg", b"FORM": ".aiff", b"ID3": ".mp3", b"\xff\xfb": ".mp3"}
"""Suffixes by the bytes that a recording begins with."""

Opened = Callable[[], AbstractContextManager[Any]]


def is_inside(name: str) -> bool:
    r"""Return whether a relative path stays in its folder, on any system.

    Examples
    --------
    >>> is_inside("a/b.wav"), is_inside("../b.wav"), is_inside("/b.wav"), is_inside("C:\\b.wav")
    (True, False, False, False)
    """
    path = PurePosixPath(name.replace("\\", "/"))
    return not path.is_absolute() and ".." not in path.parts and not re.match(r"[A-Za-z]:", name) and "\0" not in name


@cache
def _temporary() -> Path:
    return temporary_folder()


def unpacked_folder(dataset: str) -> Path:
    """Return the folder for the recordings of a dataset: in the cache, or, without one, until the program ends."""
    cached = Cache.default()
    return (_temporary() if cached is None else Path(cached.folder) / RECORDINGS) / _plain(dataset)


def unpack(content: bytes | Opened, key: str, folder: Path) -> Path:
    """Write a recording that is inside another file, unless it was written before, and return its path.

    Its name has a digest of what it holds, so that a dataset that changes never gives the recordings of an earlier one.

    Parameters
    ----------
    content : bytes or callable
        The recording, or a function that opens it for reading.
    key : str
        What the dataset calls it, with a suffix if that is known. Only letters, digits and a few signs are used of it.
    folder : Path

    Raises
    ------
    FusionserError
        If it is empty, too large, or cannot be written. The message does not name the recording.
    """
    opened: Opened = (lambda: BytesIO(content)) if isinstance(content, bytes) else content
    with opened() as recording:
        begin, digest = _described(recording)
    suffix = PurePosixPath(key).suffix.lower()
    if suffix not in AUDIO_SUFFIXES:
        suffix = next((name for mark, name in SIGNATURES.items() if begin.startswith(mark)), ".wav")
    stem = _plain(str(PurePosixPath(key).with_suffix("")) if PurePosixPath(key).suffix else key)
    # Folders with very many files are slow to write to.
    path = folder / digest[:2] / f"{stem[-LONGEST_NAME:]}-{digest}{suffix}"
    if not path.is_file():
        write_whole(path, lambda temporary: _copy(opened, temporary))
    return path


def _described(recording: Any) -> tuple[bytes, str]:
    """Return how a recording begins, and a digest of it."""
    digest, begin, count = blake2b(digest_size=8), b"", 0
    while piece := recording.read(CHUNK):
        begin, count = begin or piece[:4], count + len(piece)
        digest.update(piece)
        if count > MOST_BYTES:
            raise FusionserError(f"has more than {MOST_BYTES // 2**30} GiB; cut it into parts")
    if not count:
        raise FusionserError("is empty")
    return begin, digest.hexdigest()


def _copy(opened: Opened, path: Path) -> None:
    with opened() as recording, path.open("wb") as written:
        shutil.copyfileobj(recording, written, CHUNK)


def _plain(name: str) -> str:
    """Return a name that a file can have everywhere."""
    return re.sub(r"[^\w.-]+", "_", name.replace(os.sep, "_")).strip("._") or "unnamed"
