"""Where jobs run: on this machine, or on a cluster."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

from fusionser.errors import FusionserError
from fusionser.execution.base import Executor, Lost, current_executor, executing_on
from fusionser.execution.one_core import one_core
from fusionser.execution.processes import Processes

__all__ = [
    "Executor",
    "Lost",
    "Processes",
    "current_executor",
    "executing_on",
    "executor_of",
    "on_cluster",
    "one_core",
    "run_jobs",
]

T = TypeVar("T")


@contextmanager
def on_cluster(place: Any) -> Iterator[Executor]:
    """Run extraction, folds and predictions on a Dask cluster until the end of a block.

    Parameters
    ----------
    place : str or distributed.Client
        Address of a scheduler, such as ``tcp://10.0.0.1:8786``; ``local:4`` for four workers on this machine; or a
        client that is connected already.

    Yields
    ------
    Executor

    Raises
    ------
    SettingsError
        If there is no scheduler, no worker, or a worker has other versions of the packages that decide the numbers.
    """
    from fusionser.execution.dask_cluster import DaskCluster, cluster_of

    chosen = cluster_of(place) if isinstance(place, str) else nullcontext(DaskCluster(place))
    with chosen as executor, executing_on(executor):
        yield executor


def executor_of(n_jobs: int | None) -> Executor:
    """Return the place that `executing_on` chose, or else this machine, with a number of processes."""
    return current_executor() or Processes(n_jobs)


def run_jobs(job: Callable[[Any], T], tasks: Iterable[Any], n_jobs: int | None, *, gpu: bool = False) -> Iterator[T]:
    """Yield what a job returns for each task, in their order, where each answer is needed.

    Parameters
    ----------
    job : callable
        Can be pickled, and run again.
    tasks : iterable
        What the job is called with.
    n_jobs : int, optional
        Number of processes on this machine; -1 is one per core. On a cluster, it is not used.
    gpu : bool, default=False
        As in `Executor.run`.

    Raises
    ------
    FusionserError
        If the process of a job was ended from outside twice.

    Examples
    --------
    >>> list(run_jobs(abs, [-1, 2], n_jobs=1))
    [1, 2]
    """
    for answer in executor_of(n_jobs).run(job, tasks, gpu=gpu):
        if isinstance(answer, Lost):
            raise FusionserError(
                "one of the processes was ended from outside, perhaps because the memory was full; run again with "
                "fewer --jobs. What was computed before is in the cache, if there is one",
                parameter="n_jobs",
            )
        yield answer
