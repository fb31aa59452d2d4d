"""Processor time and memory of processes, and of commands with all that they start."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

__all__ = ["Done", "Used", "command_line", "last_message", "run_watched", "used_by"]

SECONDS_BETWEEN_LOOKS = 0.1


@dataclass(frozen=True)
class Used:
    """What processes used.

    Parameters
    ----------
    seconds : float
        Processor time of all of them.
    mebibytes : float
        Largest resident size of the largest of them.
    """

    seconds: float
    mebibytes: float


@dataclass(frozen=True)
class Done:
    """A command that has ended.

    Parameters
    ----------
    status : int
    wall : float
        Seconds from its start to its end.
    used : Used
        By it and all that it started.
    output, messages : str
        What it printed.
    """

    status: int
    wall: float
    used: Used
    output: str
    messages: str


def used_by(pid: int) -> Used:
    """Return what a process, and those that it started, used so far."""
    first = psutil.Process(pid)
    spent, peaks = [], []
    for process in (first, *first.children(recursive=True)):
        times = process.cpu_times()
        # Those of children that have ended are not among the processes.
        spent.append(times.user + times.system + times.children_user + times.children_system)
        peaks.append(_peak(process.pid))
    return Used(sum(spent), max(peaks))


def _peak(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise OSError("this system does not tell the peak of resident memory")


def command_line(*arguments: str) -> list[str]:
    """Return the words that run `fusionser` as a process of its own."""
    return [sys.executable, "-m", "fusionser", *arguments]


class _Watch:
    """The processor time and the peak of each process of a tree, as last seen."""

    def __init__(self, pid: int) -> None:
        self._first = psutil.Process(pid)
        self._seconds: dict[int, float] = {}
        self._peaks: dict[int, float] = {}

    def look(self) -> None:
        """Look at all processes that there are now."""
        try:
            tree = [self._first, *self._first.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for process in tree:
            try:
                times = process.cpu_times()
                self._seconds[process.pid] = times.user + times.system
                self._peaks[process.pid] = _peak(process.pid)
            except (psutil.NoSuchProcess, OSError):
                continue

    def used(self, reaped: float) -> Used:
        """Return what was seen, with the processor time of the first process as the system told it at its end."""
        others = sum(seconds for pid, seconds in self._seconds.items() if pid != self._first.pid)
        return Used(max(reaped, self._seconds.get(self._first.pid, 0.0) + others), max(self._peaks.values()))


def run_watched(command: list[str], folder: Path, **environment: str) -> Done:
    """Run a command, and watch what it and its processes use."""
    began = time.perf_counter()
    with (folder / "output").open("w+") as output, (folder / "messages").open("w+") as messages:
        process = subprocess.Popen(command, stdout=output, stderr=messages, env={**os.environ, **environment})
        watch = _Watch(process.pid)
        while True:
            watch.look()
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            time.sleep(SECONDS_BETWEEN_LOOKS)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - began
        output.seek(0)
        messages.seek(0)
        used = watch.used(usage.ru_utime + usage.ru_stime)
        return Done(process.returncode, wall, used, output.read(), messages.read())


def last_message(printed: str) -> str:
    """Return the last message on standard error, which may have several lines, or an empty text."""
    lines = printed.strip().splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith(("error:", "note:", "interrupted"))]
    return " ".join(lines[starts[-1] if starts else -1 :])
