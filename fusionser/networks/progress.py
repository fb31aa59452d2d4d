"""Who is told how far a training has come."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["report_epoch", "training_progress"]

EpochProgress = Callable[[str, int, int], None]
"""Is told what is trained, the number of epochs done, and the most there can be."""


_listener: ContextVar[EpochProgress | None] = ContextVar("listener", default=None)


@contextmanager
def training_progress(listener: EpochProgress) -> Iterator[None]:
    """Tell a function of every epoch that is trained meanwhile, wherever in a pipeline.

    Examples
    --------
    >>> with training_progress(lambda name, done, most: None):
    ...     pass
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def report_epoch(name: str, done: int, most: int) -> None:
    """Tell the listener, where there is one."""
    listener = _listener.get()
    if listener is not None:
        listener(name, done, most)
