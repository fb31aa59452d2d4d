"""Reuse of large memory blocks between clips and between batches."""

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["reused_memory"]

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
"""Parameters of mallopt(3)."""

NEVER = 2**31 - 1
USUAL = {M_MMAP_MAX: 65536, M_MMAP_THRESHOLD: 32 * 2**20, M_TRIM_THRESHOLD: 64 * 2**20}
"""The values that glibc itself adapts to after freeing large blocks. Calling mallopt turns that adaptation off."""

_lock = threading.Lock()
_users = 0


def _allocator() -> ctypes.CDLL | None:
    """Return the C library if it is glibc."""
    try:
        library = ctypes.CDLL(None) if sys.platform.startswith("linux") else None
    except OSError:
        return None
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None


@contextmanager
def reused_memory() -> Iterator[None]:
    """Let large arrays reuse the memory of earlier ones, while networks are trained or clips are analysed.

    By default, glibc returns large blocks to the system, which clears every page before it is used again. Here, blocks
    are returned only at the end, so peak memory is higher. Without glibc, this does nothing.

    Examples
    --------
    >>> with reused_memory():
    ...     pass
    """
    global _users
    library = _allocator()
    if library is None:
        yield
        return
    with _lock:
        _users += 1
        library.mallopt(M_MMAP_MAX, 0)
        library.mallopt(M_TRIM_THRESHOLD, NEVER)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                for name, value in USUAL.items():
                    library.mallopt(name, value)
                library.malloc_trim(0)
