"""Keep what C libraries print from the terminal."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["quiet"]

STANDARD_ERROR = 2

_lock = threading.Lock()
_users = 0
_kept: int | None = None


@contextmanager
def quiet() -> Iterator[None]:
    """Send standard error of the whole process to nowhere while the context is open, in any of its threads.

    Examples
    --------
    >>> with quiet():
    ...     _ = os.write(2, b"never seen")
    """
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _users, _kept
    with _lock:
        _users += 1
        if _users > 1:
            return
        # A process may have no standard error.
        with suppress(OSError):
            _kept = os.dup(STANDARD_ERROR)
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, STANDARD_ERROR)
            os.close(nowhere)


def _leave() -> None:
    global _users, _kept
    with _lock:
        _users -= 1
        if _users == 0 and _kept is not None:
            os.dup2(_kept, STANDARD_ERROR)
            os.close(_kept)
            _kept = None
