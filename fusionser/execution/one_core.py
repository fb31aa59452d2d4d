"""One core for each of many jobs that run at the same time."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from fusionser.shared_context import SharedContext, changed_environment

__all__ = ["one_core"]

VARIABLES = ("LOKY_MAX_CPU_COUNT", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What joblib, and libraries that are loaded later, read the number of their processes and threads from."""


def one_core() -> AbstractContextManager[None]:
    """Return a context in which this process uses one core, so that jobs in other processes have theirs.

    Numbers of networks then do not depend on how many cores a machine has. Blocks of several threads are one block.

    Examples
    --------
    >>> import joblib
    >>> with one_core():
    ...     print(joblib.effective_n_jobs(-1))
    1
    """
    return _ONE_CORE.held()


@contextmanager
def _limited() -> Iterator[None]:
    torch = sys.modules.get("torch")
    threads = None if torch is None else torch.get_num_threads()
    with changed_environment(dict.fromkeys(VARIABLES, "1")):
        if torch is not None:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            if torch is not None:
                torch.set_num_threads(threads)


_ONE_CORE = SharedContext(_limited)
