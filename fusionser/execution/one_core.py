"""One core for each of many jobs that run at the same time."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["one_core"]

VARIABLES = ("LOKY_MAX_CPU_COUNT", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What joblib, and libraries that are loaded later, read the number of their processes and threads from."""

_lock = threading.Lock()
_users = 0
_before: dict[str, str | None] = {}
_threads: int | None = None


@contextmanager
def one_core() -> Iterator[None]:
    """Let this process use one core until the end of a block, so that jobs in other processes have theirs.

    Numbers of networks then do not depend on how many cores a machine has. Nested blocks, and those of several threads,
    are one block.

    Examples
    --------
    >>> import joblib
    >>> with one_core():
    ...     print(joblib.effective_n_jobs(-1))
    1
    """
    global _users
    with _lock:
        if not _users:
            _begin()
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                _end()


def _begin() -> None:
    global _threads
    _before.update({name: os.environ.get(name) for name in VARIABLES})
    os.environ.update(dict.fromkeys(VARIABLES, "1"))
    torch = sys.modules.get("torch")
    _threads = None if torch is None else torch.get_num_threads()
    if torch is not None:
        torch.set_num_threads(1)


def _end() -> None:
    for name, value in _before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    if _threads is not None:
        sys.modules["torch"].set_num_threads(_threads)
