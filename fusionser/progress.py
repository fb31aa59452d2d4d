"""Progress within a long step, such as a pass over the rows of a file, reported to a listener."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["report_step", "step_progress"]

StepProgress = Callable[[str, int, int], None]
"""Receives what is counted, such as ``"scaling, rows"``, how many are done, and how many there are."""

_listener: ContextVar[StepProgress | None] = ContextVar("listener", default=None)


@contextmanager
def step_progress(listener: StepProgress) -> Iterator[None]:
    """Call a function whenever a step in this context reports progress.

    Examples
    --------
    >>> with step_progress(lambda what, done, most: print(what, done, most)):
    ...     report_step("scaling, rows", 500, 2000)
    scaling, rows 500 2000
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def report_step(what: str, done: int, most: int) -> None:
    """Call the listener, if there is one."""
    if (listener := _listener.get()) is not None:
        listener(what, done, most)
