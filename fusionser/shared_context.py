"""Changes of a whole process that last while any thread needs them."""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager

__all__ = ["SharedContext", "changed_environment"]


class SharedContext:
    """A context that is entered once for all blocks that need it at the same time, and left when the last one ends.

    Parameters
    ----------
    make : callable
        Returns the context. It may be entered in one thread and left in another.

    Examples
    --------
    >>> shared = SharedContext(lambda: changed_environment({"COLOUR": "blue"}))
    >>> with shared.held():
    ...     with shared.held():
    ...         pass
    ...     print(os.environ["COLOUR"])
    blue
    >>> "COLOUR" in os.environ
    False
    """

    def __init__(self, make: Callable[[], AbstractContextManager[object]]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._users = 0
        self._entered = ExitStack()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the context until the end of a block."""
        with self._lock:
            if not self._users:
                self._entered.enter_context(self._make())
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    self._entered.close()


@contextmanager
def changed_environment(changes: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables until the end of a block, and then what they were before."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
