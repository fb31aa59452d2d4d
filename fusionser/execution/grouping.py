"""How many tasks are sent to a cluster together."""

import importlib
from collections.abc import Iterator
from itertools import islice
from typing import Any

__all__ = ["Grouping", "pickles"]

SECONDS = 2.0
"""How long a worker should be busy with a group: what a group costs its scheduler is a few milliseconds."""

SHARE = 16
"""Each worker has had this many times the tasks of a group before there are groups of that size, so that at the end
of a short run none waits long for the others."""

MOST_TASKS = 64

MOST_BYTES = 1 << 20
"""Size of a group after which no further task is added; Dask sends a group as one message."""


class Grouping:
    """Groups of tasks that grow while a run goes on, as far as the tasks are short.

    Examples
    --------
    >>> grouping = Grouping()
    >>> grouping.size(workers=2)
    1
    >>> grouping.add(seconds=0.64, count=64)
    >>> grouping.size(workers=2), grouping.size(workers=64)
    (2, 1)
    """

    def __init__(self) -> None:
        self._seconds, self._done = 0.0, 0

    def add(self, seconds: float, count: int) -> None:
        """Note that a worker took some seconds for a number of tasks."""
        self._seconds += seconds
        self._done += count

    def size(self, workers: int) -> int:
        """Return how many tasks the next group should have."""
        if not self._done:
            return 1
        each = max(self._seconds / self._done, SECONDS / MOST_TASKS)
        return max(1, min(int(SECONDS / each), self._done // (SHARE * workers)))

    def taken(self, tasks: Iterator[Any], workers: int) -> list[bytes]:
        """Return the next group as pickles of its tasks; it is empty if none is left."""
        group: list[bytes] = []
        for task in islice(tasks, self.size(workers)):
            group.append(pickles().dumps(task))
            if sum(map(len, group)) >= MOST_BYTES:
                break
        return group


def pickles() -> Any:
    """Return Dask's module of pickles, which also takes what a script or a notebook defines."""
    return importlib.import_module("distributed.protocol.pickle")
