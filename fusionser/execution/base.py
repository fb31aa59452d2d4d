"""The interface of the places where jobs run, and the choice of one."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

__all__ = ["Executor", "Lost", "current_executor", "executing_on"]

T = TypeVar("T")


@dataclass(frozen=True)
class Lost:
    """Stands for the answer of a job whose process was ended, as by a segmentation fault or a lack of memory.

    Parameters
    ----------
    reason : str
        What is known of it, as the beginning of a sentence.
    """

    reason: str


class Executor(ABC):
    """A place where jobs run.

    Attributes
    ----------
    workers : int
        How many jobs run at the same time.
    """

    workers: int

    @abstractmethod
    def run(self, job: Callable[[Any], T], tasks: Iterable[Any], *, gpu: bool = False) -> Iterator[T | Lost]:
        """Yield what a job returns for each task, in their order.

        Parameters
        ----------
        job : callable
            Can be pickled. It runs at most twice for a task, so it must be right to run it again.
        tasks : iterable
            What the job is called with. It is read a few tasks ahead.
        gpu : bool, default=False
            Whether the job uses a GPU where there is one. If workers of a cluster offer GPUs, only these run it, one
            task at a time for each GPU.

        Raises
        ------
        Exception
            What the job raises. Jobs that were begun are then given up.
        """

    def on_each(self, job: Callable[[], T], *, gpu: bool = False) -> dict[str, T]:
        """Return what a job returns where jobs run, by the address of the worker; "" is this machine.

        Parameters
        ----------
        job : callable
        gpu : bool, default=False
            Ask only workers with a GPU, if any offer one.

        Raises
        ------
        SettingsError
            If the job raises a `FusionserError`. The message names the worker.
        """
        return {"": job()}

    def running_joblib(self) -> AbstractContextManager[Any]:
        """Return a context in which `joblib.Parallel` runs there, as in the searches of scikit-learn."""
        return nullcontext()


_EXECUTOR: ContextVar[Executor | None] = ContextVar("executor", default=None)


def current_executor() -> Executor | None:
    """Return the place that `executing_on` chose; None is this machine."""
    return _EXECUTOR.get()


@contextmanager
def executing_on(executor: Executor | None) -> Iterator[None]:
    """Run jobs at a place until the end of a block; None is this machine.

    Parameters
    ----------
    executor : Executor or None

    Examples
    --------
    >>> with executing_on(None):
    ...     print(current_executor())
    None
    """
    token = _EXECUTOR.set(executor)
    try:
        yield
    finally:
        _EXECUTOR.reset(token)
