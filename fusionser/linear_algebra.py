"""One thread for products of matrices, whose last digits depend on the number of threads."""

from contextlib import AbstractContextManager
from functools import lru_cache

from threadpoolctl import ThreadpoolController

__all__ = ["one_thread"]


@lru_cache(maxsize=1)
def _libraries() -> ThreadpoolController:
    """Return what sets the threads of the libraries that are loaded when it is first called; finding them is slow."""
    return ThreadpoolController()


def one_thread() -> AbstractContextManager[object]:
    """Return a context in which libraries of linear algebra use one thread.

    Examples
    --------
    >>> with one_thread():
    ...     pass
    """
    context: AbstractContextManager[object] = _libraries().limit(limits=1, user_api="blas")
    return context
