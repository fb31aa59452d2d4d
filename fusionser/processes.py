"""Run a job in joblib's processes."""

import gc
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

import joblib
from joblib.parallel import LokyBackend, get_active_backend

from fusionser.errors import FusionserError
from fusionser.isolation import is_isolated, isolated_decoding

__all__ = ["in_processes"]

T = TypeVar("T")

SECONDS_BETWEEN_LOOKS = 1.0
WARNINGS = "PYTHONWARNINGS"

STARTED_WITH = {
    # joblib starts "python -m", which would import modules of the working folder, and that may be a stranger's.
    "PYTHONSAFEPATH": "1",
    # After Ctrl-C, joblib removes the folders that are left, and would tell that to the terminal.
    WARNINGS: "ignore::UserWarning:joblib.externals.loky.backend.resource_tracker",
}


def in_processes(job: Callable[[Any], T], batches: Iterable[Any], n_jobs: int | None) -> Iterator[T]:
    """Return what a job returns for each batch, in order; with one process, it is run in the current one.

    Inside `isolated_decoding`, each of the processes decodes in a decoder of its own.

    Parameters
    ----------
    job : callable
        Can be pickled.
    batches : iterable
        What the job is called with.
    n_jobs : int, optional
        Number of processes; -1 is one per core.

    Raises
    ------
    FusionserError
        If one of the processes is ended from outside.

    Examples
    --------
    >>> list(in_processes(abs, [-1, 2], n_jobs=1))
    [1, 2]
    """
    if joblib.effective_n_jobs(n_jobs) == 1:
        yield from map(job, batches)
        return
    own = isinstance(get_active_backend()[0], LokyBackend)
    begun = {"initializer": _end_with, "initargs": (os.getpid(),)} if own else {}
    isolated = is_isolated()
    with _environment():
        parallel = joblib.Parallel(n_jobs=n_jobs, return_as="generator", pre_dispatch="2*n_jobs", **begun)
        try:
            yield from parallel(joblib.delayed(_run)(job, batch, os.getpid(), isolated) for batch in batches)
        except BrokenProcessPool as error:
            raise FusionserError(
                "one of the processes was ended from outside, perhaps because the memory was full; run again with "
                "fewer --jobs. What was computed before is in the cache, if there is one",
                parameter="n_jobs",
            ) from error


@contextmanager
def _environment() -> Iterator[None]:
    """Set the variables of `STARTED_WITH` for processes that are started meanwhile."""
    earlier = {name: os.environ.get(name) for name in STARTED_WITH}
    for name, value in STARTED_WITH.items():
        os.environ[name] = f"{earlier[name]},{value}" if name == WARNINGS and earlier[name] else value
    try:
        yield
    finally:
        for name, before in earlier.items():
            if before is None:
                del os.environ[name]
            else:
                os.environ[name] = before


def _run(job: Callable[[Any], T], batch: Any, caller: int, isolated: bool) -> T:
    """Run a job in one of the processes.

    joblib runs the garbage collector there once a second. Freezing the imported objects spares it scanning them.
    """
    # Some joblib backends stay in the caller's process, whose memory is not ours to freeze.
    if os.getpid() != caller and not gc.get_freeze_count():
        gc.collect()
        gc.freeze()
    with isolated_decoding() if isolated and not is_isolated() else nullcontext():
        return job(batch)


def _end_with(parent: int) -> None:
    """End this process soon after its parent was killed; joblib's processes would wait for work for ever."""
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os._exit(1)
