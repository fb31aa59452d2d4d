"""Jobs on this machine, in joblib's processes."""

import gc
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, nullcontext
from multiprocessing import resource_tracker
from typing import Any, TypeVar

import joblib
from joblib.externals.loky.backend import resource_tracker as joblib_tracker
from joblib.parallel import LokyBackend, get_active_backend

from fusionser.execution.base import Executor, Lost
from fusionser.execution.one_core import one_core
from fusionser.interrupts import starting_processes
from fusionser.isolation import is_isolated, isolated_decoding
from fusionser.shared_context import SharedContext, changed_environment

__all__ = ["Processes", "end_with", "environment_of_processes", "starting_workers"]

T = TypeVar("T")

SECONDS_BETWEEN_LOOKS = 1.0

AHEAD = 64
"""Tasks for each process that may be begun before the first of their answers is taken."""

END = object()

WARNINGS = "PYTHONWARNINGS"

STARTED_WITH = {
    # joblib starts "python -m", which would import modules of the working folder, and that may be a stranger's.
    "PYTHONSAFEPATH": "1",
    # After Ctrl-C, joblib removes the folders that are left, and would tell that to the terminal.
    WARNINGS: "ignore::UserWarning:joblib.externals.loky.backend.resource_tracker",
}


class Processes(Executor):
    """Joblib's processes on this machine, of one core each, or, with one of them, the current process.

    Inside `isolated_decoding`, each of the processes decodes in a decoder of its own.

    Parameters
    ----------
    n_jobs : int, optional
        Number of processes; -1 is one per core.

    Examples
    --------
    >>> list(Processes(1).run(abs, [-1, 2]))
    [1, 2]
    """

    def __init__(self, n_jobs: int | None) -> None:
        self.n_jobs = n_jobs
        self.workers = joblib.effective_n_jobs(n_jobs)

    def run(self, job: Callable[[Any], T], tasks: Iterable[Any], *, gpu: bool = False) -> Iterator[T | Lost]:
        """Yield what a job returns for each task, in their order; see `Executor.run`."""
        if self.workers == 1:
            yield from map(job, tasks)
            return
        begun = _Begun(iter(tasks), most=AHEAD * self.workers)
        while begun.go_on():
            try:
                for answer in self._parallel(job, begun):
                    begun.tasks.popleft()
                    yield answer
            except BrokenProcessPool:
                # It is not known whose end it was, so those that were begun are run one by one.
                while begun.tasks:
                    yield self._alone(job, begun.tasks.popleft())

    def running_joblib(self) -> AbstractContextManager[Any]:
        """Return a context in which joblib has so many processes, see `Executor.running_joblib`."""
        if self.workers == 1:
            return nullcontext()
        return joblib.parallel_config("loky", n_jobs=self.workers, inner_max_num_threads=1)

    def _parallel(self, job: Callable[[Any], T], tasks: Iterable[Any]) -> Iterator[T]:
        own = isinstance(get_active_backend()[0], LokyBackend)
        started = {"initializer": end_with, "initargs": (os.getpid(),)} if own else {}
        isolated = is_isolated()
        with environment_of_processes():
            parallel = joblib.Parallel(n_jobs=self.n_jobs, return_as="generator", pre_dispatch="2*n_jobs", **started)
            with starting_workers():
                answers = parallel(joblib.delayed(_run)(job, task, os.getpid(), isolated) for task in tasks)
            yield from answers

    def _alone(self, job: Callable[[Any], T], task: Any) -> T | Lost:
        try:
            return next(self._parallel(job, [task]))
        except BrokenProcessPool:
            return Lost("its process was ended, perhaps because the memory was full")


class _Begun:
    """Tasks that are begun, in their order, as an iterator of the next ones.

    joblib reads tasks as fast as its processes answer, and keeps the answers, however slowly these are taken. So there
    is an end of the tasks when too many are begun; after it, `go_on` tells whether there are more.
    """

    def __init__(self, rest: Iterator[Any], most: int) -> None:
        self.tasks = deque[Any]()
        self._rest, self._most = rest, most
        self._next: Any = None
        self._error: Exception | None = None

    def go_on(self) -> bool:
        """Return whether there is another task; raise what reading the tasks raised."""
        if self._error is None:
            self._next = self._read()
        if self._error is not None:
            raise self._error
        return self._next is not END

    def __iter__(self) -> Iterator[Any]:
        while self._next is not END:
            self.tasks.append(self._next)
            yield self._next
            if len(self.tasks) >= self._most:
                return
            self._next = self._read()

    def _read(self) -> Any:
        try:
            return next(self._rest, END)
        except Exception as error:
            # joblib reads in a thread of its own, where an error would be lost.
            self._error = error
            return END


def environment_of_processes() -> AbstractContextManager[None]:
    """Return a context with the variables of `STARTED_WITH`, for processes that any thread starts meanwhile."""
    return _ENVIRONMENT.held()


def _started_with() -> AbstractContextManager[None]:
    asked = os.environ.get(WARNINGS)
    return changed_environment(
        {name: f"{asked},{value}" if name == WARNINGS and asked else value for name, value in STARTED_WITH.items()}
    )


_ENVIRONMENT = SharedContext(_started_with)


def _run(job: Callable[[Any], T], batch: Any, caller: int, isolated: bool) -> T:
    """Run a job in one of the processes.

    joblib runs the garbage collector there once a second. Freezing the imported objects spares it scanning them.
    """
    # Some joblib backends stay in the caller's process, whose memory is not ours to freeze.
    if os.getpid() != caller and not gc.get_freeze_count():
        gc.collect()
        gc.freeze()
    apart = isolated_decoding() if isolated and not is_isolated() else nullcontext()
    with one_core() if os.getpid() != caller else nullcontext(), apart:
        return job(batch)


@contextmanager
def starting_workers() -> Iterator[None]:
    """Keep Ctrl-C from joblib's processes, as `starting_processes` does."""
    # A tracker of resources lets Ctrl-C through again when it starts, and joblib's processes need two.
    if os.name == "posix":
        joblib_tracker.ensure_running()
        resource_tracker.ensure_running()
    with starting_processes():
        yield


def end_with(parent: int) -> None:
    """End this process soon after its parent was killed; joblib's processes would wait for work for ever."""
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os._exit(1)
