"""Jobs that run beside the caller, all at the same time, each in a process of its own."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from joblib.externals.loky import ProcessPoolExecutor

from fusionser.execution.processes import end_with, environment_of_processes, starting_workers

__all__ = ["Beside", "running_beside"]

SECONDS_TO_FAIL = 3.0
SECONDS_BETWEEN_LOOKS = 0.05
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Beside:
    """Jobs that run beside the caller.

    Parameters
    ----------
    answers : sequence of Future
    """

    def __init__(self, answers: Sequence["Future[Any]"]) -> None:
        self._answers = answers

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Wait until something is true; raise what `failure` returns if a job fails before."""
        while not ready():
            if any(answer.done() for answer in self._answers) and (error := self.failure()) is not None:
                raise error
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def failure(self) -> BaseException | None:
        """Return the error of a job that failed, or is about to; None if all of them run.

        The end of a process is a `BrokenProcessPool`. Where several jobs failed, it is the error that the others may
        have followed from.
        """
        wait(self._answers, timeout=SECONDS_TO_FAIL)
        failed = [answer.exception() for answer in self._answers if answer.done()]
        errors = [error for error in failed if error is not None]
        # A job that has lost the connection to another one has a RuntimeError.
        errors.sort(key=lambda error: (not isinstance(error, BrokenProcessPool), type(error) is RuntimeError))
        return errors[0] if errors else None


@contextmanager
def running_beside(job: Callable[[Any], object], tasks: Sequence[Any], *, threads: int) -> Iterator[Beside]:
    """Run a job for each task, each in a new process, until the end of a block, which ends the processes.

    They end soon after the caller's process, too, however that ends, and leave Ctrl-C to it.

    Parameters
    ----------
    job : callable
        Pickled by value where it is not part of a module, as in a notebook. What it returns is not used.
    tasks : sequence
        What the job is called with.
    threads : int
        Number of threads of the numeric libraries in each process.

    Examples
    --------
    >>> with running_beside(abs, [-1], threads=1) as beside:
    ...     print(beside.failure())
    None
    """
    variables = dict.fromkeys(THREAD_VARIABLES, str(threads))
    with environment_of_processes(), starting_workers():
        pool = ProcessPoolExecutor(len(tasks), initializer=_begin, initargs=(os.getpid(),), env=variables)
        answers = [pool.submit(job, task) for task in tasks]
    try:
        yield Beside(answers)
    finally:
        pool.shutdown(wait=True, kill_workers=True)


def _begin(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with(parent)
