"""Progress of trainings, reported to a listener."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["report_epoch", "training_progress"]

EpochProgress = Callable[[str, int, int], None]
"""Receives the name of the network, the number of epochs done, and their maximum number.

After a training that stops early, both are the maximum: nothing is left to wait for.
"""

_listener: ContextVar[EpochProgress | None] = ContextVar("listener", default=None)


@contextmanager
def training_progress(listener: EpochProgress) -> Iterator[None]:
    """Call a function after every epoch that is trained in this context, anywhere in a pipeline.

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
    """Call the listener, if there is one."""
    if (listener := _listener.get()) is not None:
        listener(name, done, most)
