"""Hashes of files of weights, so that what was computed with other weights is never mistaken for the same."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import xxhash

__all__ = ["hash_of_files"]

BLOCK = 1 << 20


def hash_of_files(files: Iterable[Path]) -> str:
    """Return a hash of the contents of files, in their order. A file that did not change is read once per process.

    Parameters
    ----------
    files : iterable of Path

    Examples
    --------
    >>> hash_of_files([])
    '99aa06d3014798d86001c324468d497f'
    """
    parts = []
    for file in files:
        status = file.stat()
        parts.append(_hash_of(str(file), status.st_size, status.st_mtime_ns))
    return xxhash.xxh3_128("".join(parts).encode()).hexdigest()


@lru_cache(maxsize=64)
def _hash_of(file: str, size: int, changed: int) -> str:
    """Return the hash of a file. Its size and time of change make a changed file another one."""
    made = xxhash.xxh3_128()
    with Path(file).open("rb") as opened:
        while block := opened.read(BLOCK):
            made.update(block)
    return made.hexdigest()
