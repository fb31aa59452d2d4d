"""Jobs on a cluster of Dask."""

import gc
import importlib
import logging
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from importlib import metadata
from typing import Any, TypeVar

import joblib

from fusionser.errors import FusionserError, SettingsError
from fusionser.execution.base import Executor, Lost
from fusionser.execution.grouping import Grouping, pickles
from fusionser.execution.one_core import one_core
from fusionser.execution.shared_job import SharedJob, job_of
from fusionser.isolation import is_isolated, isolated_decoding
from fusionser.optional import optional_package
from fusionser.origin import OWN

__all__ = ["DaskCluster", "cluster_of"]

T = TypeVar("T")

LOCAL = "local:"
SECONDS_TO_CONNECT = 10
SECONDS_FOR_WORKERS = 120
SECONDS_FOR_NEWS = 20.0
"""After how long the scheduler is asked whether there are workers at all."""

AHEAD = 3
"""Groups of tasks that are sent for each thread of the workers, so that none waits for the next one."""

SECONDS_BETWEEN_LOOKS = 1.0
"""How often the scheduler is asked for the number of threads."""

PACKAGES = ("fusionser", "numpy", "scipy", "soundfile", "soxr", "torch", "scikit-learn")
"""Packages that decide the numbers, so that they must be the same on all machines."""

TALKATIVE = ("distributed", "tornado", "asyncio")
"""Loggers that print tracebacks when a connection ends, which is told as an error."""

ANY_PORT = "127.0.0.1:0"
"""Where the scheduler of a cluster on this machine tells how it is; the usual port may be that of another command."""

LOCAL_SETTINGS = {
    "distributed.scheduler.allowed-failures": 1,
    # Else a worker that is just being started again is given up, if it was lost once before, so many seconds ago.
    "distributed.deploy.lost-worker-timeout": "1 day",
}

GPU = "GPU"
"""The resource with which workers offer GPUs, as in 'dask worker ADDRESS --resources GPU=1'."""


class DaskCluster(Executor):
    """The workers of a Dask scheduler.

    Parameters
    ----------
    client : distributed.Client

    Raises
    ------
    SettingsError
        If there are no workers, or they have other versions of a package that decides the numbers.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._check_workers()
        self._threads, self._looked = 1, float("-inf")

    @property
    def workers(self) -> int:  # type: ignore[override]
        """Threads of all workers."""
        if time.monotonic() - self._looked > SECONDS_BETWEEN_LOOKS:
            with self._reached():
                self._threads, self._looked = max(1, sum(self._client.nthreads().values())), time.monotonic()
        return self._threads

    def _check_workers(self) -> None:
        try:
            self._client.wait_for_workers(1, timeout=SECONDS_FOR_WORKERS)
            found = self._client.run(environment)
        except ModuleNotFoundError as error:
            raise SettingsError(
                f"the workers of the cluster cannot import {error.name}; install the same fusionser there"
            ) from error
        except TimeoutError as error:
            raise SettingsError(
                f"the scheduler {self._client.scheduler.address} has no workers after {SECONDS_FOR_WORKERS} s; start "
                "some with 'dask worker ADDRESS'"
            ) from error
        here = environment()
        for address, there in found.items():
            if other := [name for name in here if here[name] != there.get(name)]:
                name = other[0]
                raise SettingsError(
                    f"the worker {address} has {f'{name} {there[name]}' if name in there else f'no {name}'}, and this "
                    f"machine {here[name]}; install the same versions, so that numbers do not depend on the machine"
                )

    def on_each(self, job: Callable[[], T], *, gpu: bool = False) -> dict[str, T]:
        """Return what a job returns on each worker, by its address; see `Executor.on_each`."""
        with self._reached():
            asked = [*self._with_gpus()] if gpu else []
            answers = self._client.run(partial(_told, job), workers=asked or None)
        for address, (_, refused) in answers.items():
            if refused is not None:
                raise SettingsError(f"the worker {address}: {refused}", parameter=refused.parameter)
        return {address: answer for address, (answer, _) in answers.items()}

    def _with_gpus(self) -> dict[str, int]:
        """Return the number of GPUs that workers offer, by address."""
        found = self._client.run(_offered)
        return {address: int(count) for address, count in found.items() if count >= 1}

    def run(self, job: Callable[[Any], T], tasks: Iterable[Any], *, gpu: bool = False) -> Iterator[T | Lost]:
        """Yield what a job returns for each task, in their order; see `Executor.run`."""
        with self._reached():
            gpus = sum(self._with_gpus().values()) if gpu else 0
        needed = {GPU: 1} if gpus else {}
        shared = SharedJob(self._client, job)
        rest, grouping, begun = iter(tasks), Grouping(), deque[tuple[list[bytes], Any]]()
        try:
            while True:
                count = gpus or self.workers
                while len(begun) < AHEAD * count and (group := grouping.taken(rest, count)):
                    begun.append((group, self._sent(shared, group, needed)))
                if not begun:
                    return
                group, future = begun.popleft()
                answer = self._answer(future)
                if isinstance(answer, Lost):
                    # Dask blames all that a worker held, so only what ends a worker alone is lost.
                    self._wait_for([one for _, one in begun])
                    yield from (self._alone(shared, task, needed) for task in group)
                else:
                    seconds, answers = pickles().loads(answer)
                    grouping.add(seconds, len(answers))
                    yield from answers
        finally:
            self._client.cancel([*shared.futures(), *(future for _, future in begun)])

    def running_joblib(self) -> AbstractContextManager[Any]:
        """Return a context of joblib's own backend for Dask, see `Executor.running_joblib`."""
        return joblib.parallel_config("dask", client=self._client)

    def _sent(self, shared: SharedJob, group: list[bytes], needed: dict[str, int]) -> Any:
        given = (shared.given(), group, is_isolated(), os.getpid())
        return self._client.submit(_run, *given, pure=False, resources=needed or None)

    def _alone(self, shared: SharedJob, task: bytes, needed: dict[str, int]) -> Any:
        answer = self._answer(self._sent(shared, [task], needed))
        if isinstance(answer, Lost):
            return answer
        _, (only,) = pickles().loads(answer)
        return only

    def _wait_for(self, futures: Sequence[Any]) -> None:
        """Wait until tasks are done; raise `FusionserError` if there have been no workers for too long."""
        distributed, without = importlib.import_module("distributed"), 0.0
        while True:
            with self._reached():
                try:
                    distributed.wait(futures, timeout=SECONDS_FOR_NEWS)
                except TimeoutError:
                    without = 0.0 if self._client.nthreads() else without + SECONDS_FOR_NEWS
                else:
                    return
            if without >= SECONDS_FOR_WORKERS:
                raise FusionserError(
                    f"the scheduler {self._client.scheduler.address} has had no workers for {SECONDS_FOR_WORKERS} s; "
                    "start some with 'dask worker ADDRESS'. What was finished is kept, so run the command again"
                )

    def _fetched(self, future: Any) -> Any:
        """Return the result of a task, or raise its error.

        A worker may end after a task and before its result is fetched. Then Dask runs the task again, on another one.
        """
        seconds = SECONDS_FOR_NEWS
        while True:
            self._wait_for([future])
            try:
                return future.result(timeout=seconds)
            except TimeoutError:
                # The task's own.
                if future.status == "error":
                    raise
            # Large results take long.
            seconds *= 2

    def _answer(self, future: Any) -> Any:
        with self._reached():
            try:
                return self._fetched(future)
            except importlib.import_module("distributed").KilledWorker:
                return Lost("its worker was ended several times, perhaps because the memory was full")
            except ModuleNotFoundError as error:
                raise SettingsError(
                    f"a worker of the cluster cannot import {error.name}, where a part of the work is defined; install "
                    "its package there"
                ) from error

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Raise `FusionserError` if the scheduler cannot be reached any more."""
        distributed = importlib.import_module("distributed")
        try:
            yield
        # The second is an `OSError`, which would be taken for one of the file that is written. The first is the base of
        # what Dask raises for one future and for several.
        except (CancelledError, distributed.comm.CommClosedError) as error:
            raise FusionserError(
                f"the scheduler {self._client.scheduler.address} is gone, or gave up the work; what was finished is "
                "kept, so run the command again"
            ) from error


def _told(job: Callable[[], T]) -> tuple[T | None, FusionserError | None]:
    try:
        return job(), None
    except FusionserError as error:
        return None, error


def _offered(dask_worker: Any) -> float:
    return float(dask_worker.state.total_resources.get(GPU, 0))


def _run(given: Any, group: Sequence[bytes], isolated: bool, caller: int) -> bytes:
    """Run a job for tasks of a group; return the seconds and the answers.

    Dask would send each array in an answer as a frame of its own, which takes it longer than what many tasks take.
    """
    began, job = time.perf_counter(), job_of(given)
    apart = isolated_decoding() if isolated and not is_isolated() else nullcontext()
    # Workers may be threads of the caller's process, which keeps its cores.
    with one_core() if os.getpid() != caller else nullcontext(), apart:
        answers = [job(pickles().loads(task)) for task in group]
    content: bytes = pickles().dumps((time.perf_counter() - began, answers))
    return content


def environment() -> dict[str, str]:
    """Return the versions of the packages that decide the numbers, plugins included, on the machine where this runs."""
    offered = metadata.entry_points()
    points = [point for group in offered.groups if group.startswith(f"{OWN}.") for point in offered.select(group=group)]
    plugins = {point.dist.name for point in points if point.dist is not None}
    return {name: metadata.version(name) for name in (*PACKAGES, *sorted(plugins - {OWN}))}


def _started(count: int) -> Any:
    """Return a cluster of workers on this machine, which leave Ctrl-C to this process."""
    distributed = importlib.import_module("distributed")
    mine = threading.current_thread() is threading.main_thread()
    # Processes that are started meanwhile ignore it, too.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if mine else None
    try:
        return distributed.LocalCluster(
            n_workers=count, threads_per_worker=1, dashboard_address=ANY_PORT, silence_logs=logging.CRITICAL
        )
    finally:
        if mine:
            signal.signal(signal.SIGINT, before)


def _let_go(error: BaseException) -> None:
    """Remove the client that could not connect, which the frames of its error hold.

    Else it would be closed when the garbage is collected, and if that is while another client takes the lock of Dask's
    event loops, for ever.
    """
    held: BaseException | None = error
    while held is not None:
        held.__traceback__ = None
        held = held.__cause__ or held.__context__
    gc.collect()


@contextmanager
def cluster_of(text: str) -> Iterator[DaskCluster]:
    """Connect to a cluster, or start one on this machine, until the end of a block.

    Parameters
    ----------
    text : str
        Address of a scheduler, such as ``tcp://10.0.0.1:8786``, or ``local:4`` for four workers on this machine.

    Raises
    ------
    SettingsError
        If there is no scheduler at the address, or `DaskCluster` refuses its workers.
    """
    distributed = optional_package("distributed", "cluster", "--cluster")
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if text.startswith(LOCAL):
        count = text.removeprefix(LOCAL)
        if not count.isdecimal() or not 1 <= int(count) <= 256:
            raise SettingsError(f"--cluster is '{text}'; expected local:N, with a number of workers from 1 to 256")
        config = importlib.import_module("dask").config
        with config.set(LOCAL_SETTINGS), _started(int(count)) as started, distributed.Client(started) as client:
            yield DaskCluster(client)
        return
    try:
        connected = distributed.Client(text, timeout=SECONDS_TO_CONNECT, name="fusionser")
    except (OSError, ValueError, TimeoutError) as error:
        _let_go(error)
        raise SettingsError(
            f"--cluster is '{text}', and there is no scheduler ({error}); expected the address that 'dask scheduler' "
            "prints, such as tcp://10.0.0.1:8786, or local:4 for workers on this machine"
        ) from error
    with connected as client:
        yield DaskCluster(client)
