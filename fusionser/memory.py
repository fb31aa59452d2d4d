"""Large blocks of memory, kept from one batch, or clip, to the next."""

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["reused_memory"]

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
"""Names of mallopt(3)."""

NEVER = 2**31 - 1
USUAL = {M_MMAP_MAX: 65536, M_MMAP_THRESHOLD: 32 * 2**20, M_TRIM_THRESHOLD: 64 * 2**20}
"""Where glibc itself ends up once a program has given back large blocks; once told anything, it adapts no more."""

_lock = threading.Lock()
_users = 0


def _allocator() -> ctypes.CDLL | None:
    """Return the C library where it is glibc, whose allocator this is about."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        library = ctypes.CDLL(None)
        return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
    except OSError:
        return None


@contextmanager
def reused_memory() -> Iterator[None]:
    """Let large arrays take the memory of those before, while networks are trained or clips are analysed.

    glibc asks the system for large blocks and gives them back, and the system clears every page of them. Here blocks
    are kept until the end, so the peak of memory is higher. Elsewhere nothing is changed.

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
