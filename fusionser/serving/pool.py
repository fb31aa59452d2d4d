"""The processes that decode and predict for a service, and the queue in front of them."""

import contextlib
import os
import queue
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from fusionser.errors import FusionserError
from fusionser.folders import brief_folder
from fusionser.serving.worker import receive, send

__all__ = ["Job", "OverloadedError", "UnusableError", "WorkerFaultError", "WorkerLostError", "WorkerPool"]

BATCH = 8
"""Most recordings that a process gets at once."""

START_SECONDS = 120.0
"""Time that a process may take to load the model."""

MOST_LOSSES = 1
"""Processes that a recording may lose before it is refused: it may be the cause."""

ASIDE_SECONDS = 0.5
"""Time after which it is looked whether anybody waits for an answer that takes long."""

REST_SECONDS = 1.0
"""Time between two attempts to start a process."""


class OverloadedError(FusionserError):
    """Too many recordings wait."""


class WorkerLostError(FusionserError):
    """The process that had a recording ended, or was late."""


class WorkerFaultError(FusionserError):
    """A fault of the service itself came up in the process that had a recording."""


class AbandonedError(FusionserError):
    """Nobody waits for what a process computes."""


class UnusableError(FusionserError):
    """A recording cannot be used."""


@dataclass
class Job:
    """One recording, or samples.

    Parameters
    ----------
    kind : {"predict", "timeline"}
    content : bytes
        Of a file, or samples as float32.
    item : mapping
        ``name``, ``samples`` (whether `content` is samples), ``rate`` of samples, ``gender``.
    options : mapping
        Of `Predictor.predict`, or of `predict_timeline`.
    most_seconds : float
        Longest recording.
    timeout : float
        Seconds that a process may take for it.
    """

    kind: str
    content: bytes
    item: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    most_seconds: float = 900.0
    timeout: float = 60.0
    future: "Future[Any]" = field(default_factory=Future)
    losses: int = 0
    given_up: bool = False
    """Whether nobody waits for the answer any more."""

    def joins(self, other: "Job") -> bool:
        """Return whether both can be predicted at once."""
        own, others = ((one.kind, dict(one.options), one.most_seconds) for one in (self, other))
        return self.kind == "predict" and own == others


class _Worker:
    """A running process."""

    def __init__(self, model: str | None) -> None:
        self._places = contextlib.ExitStack()
        # Recordings are removed with the process, however it ends.
        folder = self._places.enter_context(brief_folder())
        command = [sys.executable, "-P", "-m", "fusionser.serving.worker", *([] if model is None else [model])]
        self.process = subprocess.Popen(  # noqa: S603 - no shell, and a fixed command
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            # One core for each process: there are as many as cores.
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TMPDIR": str(folder)},
        )
        try:
            self._wait(START_SECONDS)
            receive(self._stdout)
        except BaseException:
            self.stop()
            raise

    @property
    def _stdout(self) -> BinaryIO:
        assert self.process.stdout is not None  # noqa: S101 - it was asked for
        return self.process.stdout  # type: ignore[return-value]

    def _wait(self, seconds: float) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            if not selector.select(seconds):
                raise TimeoutError

    def ask(
        self, head: Mapping[str, Any], parts: Sequence[bytes], seconds: float, is_wanted: Callable[[], bool]
    ) -> dict[str, Any]:
        """Return the answer; raise `EOFError`, `OSError`, `TimeoutError` or `AbandonedError` if there is none."""
        assert self.process.stdin is not None  # noqa: S101 - it was asked for
        send(self.process.stdin, head, parts)  # type: ignore[arg-type]
        latest = time.monotonic() + seconds
        while True:
            try:
                self._wait(min(ASIDE_SECONDS, max(latest - time.monotonic(), 0.0)))
            except TimeoutError:
                if not is_wanted():
                    raise AbandonedError("nobody waits for it any more") from None
                if time.monotonic() >= latest:
                    raise
            else:
                return receive(self._stdout)[0]

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def stop(self) -> None:
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self.process.wait()
        self._places.close()


class WorkerPool:
    """Processes that predict, each with one thread of the service that feeds it.

    Parameters
    ----------
    model : str or None
        Path of a model; None is the included one.
    processes : int
    waiting : int
        Most recordings that wait.
    grace : float
        Seconds that recordings in work get when the pool stops.
    on_loss : callable
        Called when a process was lost.
    """

    def __init__(
        self,
        model: str | None,
        processes: int,
        waiting: int,
        grace: float,
        on_loss: Callable[[], None] = lambda: None,
    ) -> None:
        self.model, self.grace, self.on_loss = model, grace, on_loss
        self._workers: list[_Worker] = []
        self.jobs: queue.Queue[Job | None] = queue.Queue(maxsize=waiting)
        self.ready = 0
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(processes)]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job) -> "Future[Any]":
        """Queue a job, whose future gets the answer.

        Raises
        ------
        OverloadedError
            If too many wait, or the service stops.
        """
        if self._stopping.is_set():
            raise OverloadedError("the service is stopping; ask again later")
        try:
            self.jobs.put_nowait(job)
        except queue.Full:
            raise OverloadedError(f"{self.jobs.maxsize} recordings wait already; ask again later") from None
        return job.future

    def stop(self) -> None:
        """End all processes, those that predict after the grace; jobs that are left are refused."""
        self._stopping.set()
        latest = time.monotonic() + self.grace
        for thread in self._threads:
            thread.join(timeout=max(latest - time.monotonic(), 0.0))
        for worker in list(self._workers):
            worker.kill()
        for thread in self._threads:
            thread.join(timeout=REST_SECONDS)
        with contextlib.suppress(queue.Empty):
            while True:
                _fail([self.jobs.get_nowait()], OverloadedError("the service is stopping; ask again later"))

    def _run(self) -> None:
        """Feed one process; start another one when it is lost."""
        while not self._stopping.is_set():
            try:
                worker = _Worker(self.model)
            except (OSError, EOFError, TimeoutError, ValueError):
                time.sleep(REST_SECONDS)
                continue
            self._counted(1)
            self._workers.append(worker)
            try:
                self._feed(worker)
            finally:
                self._counted(-1)
                self._workers.remove(worker)
                worker.stop()

    def _again(self, jobs: Sequence[Job]) -> None:
        """Queue jobs again that a lost process had."""
        for job in jobs:
            if job.given_up:
                _fail([job], WorkerLostError("nobody waits for it any more"))
                continue
            try:
                self.jobs.put_nowait(job)
            except queue.Full:
                _fail([job], WorkerLostError("the process that had it was lost; ask again"))

    def _counted(self, change: int) -> None:
        with self._lock:
            self.ready += change

    def _feed(self, worker: _Worker) -> None:
        held: Job | None = None
        while not self._stopping.is_set():
            jobs, held = self._batch(held)
            jobs = [
                job
                for job in jobs
                if not job.given_up and (job.future.running() or job.future.set_running_or_notify_cancel())
            ]
            if jobs and not self._answer(worker, jobs):
                self._again([] if held is None else [held])
                return
            if worker.process.poll() is not None:
                self.on_loss()
                self._again([] if held is None else [held])
                return
        if held is not None:
            _fail([held], OverloadedError("the service is stopping; ask again later"))

    def _batch(self, held: Job | None) -> tuple[list[Job], Job | None]:
        """Return jobs that can be predicted at once, and one that was taken from the queue and cannot."""
        try:
            first = held or self.jobs.get(timeout=0.2)
        except queue.Empty:
            return [], None
        jobs = [] if first is None else [first]
        with contextlib.suppress(queue.Empty):
            while jobs and len(jobs) < BATCH:
                job = self.jobs.get_nowait()
                if job is None or not job.joins(jobs[0]):
                    return jobs, job
                jobs.append(job)
        return jobs, None

    def _answer(self, worker: _Worker, jobs: Sequence[Job]) -> bool:
        """Answer jobs; return whether the process is still there."""
        head = {
            "kind": jobs[0].kind,
            "options": dict(jobs[0].options),
            "most_seconds": jobs[0].most_seconds,
            "items": [dict(job.item) for job in jobs],
        }
        try:
            answer = worker.ask(head, [job.content for job in jobs], jobs[0].timeout, lambda: _is_wanted(jobs))
        except AbandonedError as error:
            # The process would compute on; another one is ready sooner.
            _fail(jobs, error)
            return False
        except (OSError, EOFError, TimeoutError, ValueError):
            self.on_loss()
            for job in jobs:
                job.losses += 1
            lost = [job for job in jobs if job.losses > MOST_LOSSES]
            _fail(lost, WorkerLostError("the process that predicted it was lost, or was late; ask again"))
            self._again([job for job in jobs if job.losses <= MOST_LOSSES])
            return False
        _give(jobs, answer)
        return True


def _is_wanted(jobs: Sequence[Job]) -> bool:
    """Return whether anybody waits for one of the jobs, or all will end soon."""
    return jobs[0].kind != "timeline" or not all(job.given_up for job in jobs)


def _give(jobs: Sequence[Job], answer: Mapping[str, Any]) -> None:
    """Give each job its part of an answer."""
    if "refused" in answer:
        _fail(jobs, UnusableError(str(answer["refused"])))
    elif "failed" in answer:
        _fail(jobs, WorkerFaultError(f"a fault of the service ({answer['failed']})"))
    elif jobs[0].kind == "timeline":
        jobs[0].future.set_result(answer["answer"])
    else:
        for job, record in zip(jobs, answer["answer"], strict=True):
            job.future.set_result(record)


def _fail(jobs: Sequence[Job | None], error: FusionserError) -> None:
    for job in jobs:
        if job is not None and not job.future.done():
            job.future.set_exception(error)
