"""Hold Ctrl-C back while a C library calls Python, where it would be printed as an error and forgotten."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["held_interrupts", "starting_processes"]


@contextmanager
def held_interrupts() -> Iterator[None]:
    """Answer Ctrl-C at the end of the context, such as one in which soundfile reads or writes an object of Python.

    Other threads than the main one never receive it.

    Examples
    --------
    >>> with held_interrupts():
    ...     _ = "encoded"
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    held: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: held.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if held:
            before(*held[0])


@contextmanager
def starting_processes() -> Iterator[None]:
    """Keep Ctrl-C from the processes that are started in the context, which would print where it reached them.

    A terminal sends it to all processes of a command. Those that are started here never get it, and end when this one
    does. This one gets it at the end of the context. On Windows, this does nothing.

    Examples
    --------
    >>> with starting_processes():
    ...     _ = "started"
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
