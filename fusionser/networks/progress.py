"""Who is told how far a training has come."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["tell", "watch_training"]

Watcher = Callable[[str, int, int], None]
"""Is told what is trained, the number of epochs done, and the most there can be."""


_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watch_training(watcher: Watcher) -> Iterator[None]:
    """Tell a function of every epoch that is trained meanwhile, wherever in a pipeline.

    Examples
    --------
    >>> with watch_training(lambda name, done, most: None):
    ...     pass
    """
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


def tell(name: str, done: int, most: int) -> None:
    """Tell the watcher, where there is one."""
    watcher = _watcher.get()
    if watcher is not None:
        watcher(name, done, most)
