"""One thread for products of matrices, whose last digits depend on the number of threads."""

from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache

from threadpoolctl import ThreadpoolController

__all__ = ["one_thread"]


@lru_cache(maxsize=1)
def _libraries() -> ThreadpoolController:
    """Return what sets the threads of the libraries that are loaded when it is first called; finding them is slow."""
    return ThreadpoolController().select(user_api="blas")


def one_thread() -> AbstractContextManager[object]:
    """Return a context in which libraries of linear algebra use one thread.

    Examples
    --------
    >>> with one_thread():
    ...     pass
    """
    libraries = _libraries()
    if all(library.num_threads == 1 for library in libraries.lib_controllers):
        return nullcontext()
    context: AbstractContextManager[object] = libraries.limit(limits=1)
    return context
