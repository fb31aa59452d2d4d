"""A scheduler and workers of Dask as processes of their own."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import distributed
import psutil

from benchmarks.scale.used import Used, used_by

__all__ = ["Cluster", "cluster", "free_port"]

SECONDS_TO_START = 120
SECONDS_TO_END = 20
PRELOAD = ("--preload", "benchmarks.scale.wire")


@dataclass
class Cluster:
    """A scheduler and its workers, with one thread each.

    Parameters
    ----------
    port : int
    folder : Path
        Where the processes keep their files and what they print.
    """

    port: int
    folder: Path
    scheduler: subprocess.Popen[bytes] | None = None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where the scheduler listens."""
        return f"tcp://127.0.0.1:{self.port}"

    def start(self, workers: int) -> None:
        """Start the scheduler and the workers, and wait for them."""
        self.scheduler = self._started(
            "scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard", "--no-show"
        )
        place = ("--local-directory", str(self.folder), "--no-dashboard", "--nthreads", "1")
        self.workers += [self._started("worker", self.address, *place) for _ in range(workers)]
        with distributed.Client(self.address, timeout=SECONDS_TO_START) as client:  # type: ignore[no-untyped-call]
            client.wait_for_workers(workers, timeout=SECONDS_TO_START)

    def _started(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{program}", *arguments, *PRELOAD]
        with (self.folder / f"{program}.log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log)

    def working(self, place: int) -> int:
        """Return the process of a worker that does its work; its parent starts another when it ends."""
        children = psutil.Process(self.workers[place].pid).children()
        (process,) = [one for one in children if not any("resource_tracker" in word for word in one.cmdline())]
        return int(process.pid)

    def used(self) -> dict[str, Used]:
        """Return what the scheduler and all workers used so far."""
        assert self.scheduler is not None
        each = [used_by(worker.pid) for worker in self.workers]
        workers = Used(sum(one.seconds for one in each), max(one.mebibytes for one in each))
        return {"scheduler": used_by(self.scheduler.pid), "workers": workers}

    def stop(self) -> None:
        """End all processes."""
        started = [*self.workers, *([self.scheduler] if self.scheduler else [])]
        tree = [one for process in started if process.poll() is None for one in _tree(process.pid)]
        for process in started:
            process.send_signal(signal.SIGTERM)
        _, left = psutil.wait_procs(tree, timeout=SECONDS_TO_END)
        for one in left:
            one.kill()
        for process in started:
            process.wait()
        self.scheduler, self.workers = None, []


def _tree(pid: int) -> list[psutil.Process]:
    first = psutil.Process(pid)
    return [*first.children(recursive=True), first]


@contextmanager
def cluster(workers: int, folder: Path) -> Iterator[Cluster]:
    """Start a scheduler and workers, and end them after a block."""
    folder.mkdir(parents=True, exist_ok=True)
    started = Cluster(free_port(), folder)
    try:
        started.start(workers)
        yield started
    finally:
        started.stop()


def free_port() -> int:
    """Return a port of this machine that nothing listens at."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
