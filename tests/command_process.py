"""The command line as a user runs it, each time in a process of its own.

The processes are forked from one that has imported the large libraries, which takes seconds each time otherwise.
"""

import atexit
import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

LIBRARIES = [
    "fusionser.jobs",
    "fusionser.networks.training",
    "fusionser.model",
    "fusionser.reporting.page",
    "imblearn.pipeline",
    "skops.io",
    "skorch",
    "typer",
    "xgboost",
]
SECONDS = 540

READ_AT_START = {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PYTHONIOENCODING"}
"""Variables that the interpreter or the large libraries read once, so that a forked process would ignore them."""

ONE_WORKER = {"LOKY_MAX_CPU_COUNT": "1"}
"""One a core takes longer to start than these few clips take; tests of workers ask for two."""


@dataclass
class Outcome:
    """What a command answered."""

    status: int
    output: str
    messages: str

    @property
    def json(self) -> Any:
        return json.loads(self.output)


def _be_the_command(
    arguments: list[str], env: dict[str, str], folder: str | None, largest_file: int | None, streams: list[str]
) -> None:
    # Ctrl-C is ignored by the process that this one is forked from, and where tests run in the background of a shell.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(env)
    # As an interpreter does when it starts, which this one did long ago.
    sys.path[:0] = [place for place in env.get("PYTHONPATH", "").split(os.pathsep) if place and place not in sys.path]
    if folder is not None:
        os.chdir(folder)
    for number, path in enumerate(streams):
        os.dup2(os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_TRUNC), number)
    if largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    sys.stdin = os.fdopen(0, closefd=False)
    sys.argv = ["fusionser", *arguments]
    from fusionser_cli.start import main

    try:
        main()
    finally:
        # As an interpreter ends, and a process of multiprocessing does not: threads first, then what was registered.
        threading._shutdown()
        atexit._run_exitfuncs()


def start_command(*arguments: Any, env: dict[str, str]) -> subprocess.Popen[str]:
    """Start `fusionser` and go on, so that it can be stopped."""
    return subprocess.Popen(
        [sys.executable, "-m", "fusionser", *map(str, arguments)],
        env={**os.environ, **env},
        text=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        # Where the tests run in the background of a shell, Ctrl-C is ignored, and what they start inherits that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def fork_command(
    arguments: Sequence[Any],
    streams: Sequence[Path],
    env: Mapping[str, str],
    cwd: Path | None = None,
    largest_file: int | None = None,
) -> BaseProcess:
    """Start `fusionser` in a forked process; `streams` are the files of standard input, output and error."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LIBRARIES)
    own = {**os.environ, **ONE_WORKER, **env}
    folder = None if cwd is None else str(cwd)
    given = (list(map(str, arguments)), own, folder, largest_file, list(map(str, streams)))
    process = context.Process(target=_be_the_command, args=given)
    process.start()
    return process


def _run_anew(arguments: Sequence[Any], stdin: str, env: Mapping[str, str], cwd: Path | None) -> Outcome:
    """Run `fusionser` in a new interpreter."""
    done = subprocess.run(
        [sys.executable, "-m", "fusionser", *map(str, arguments)],
        input=stdin,
        env={**os.environ, **ONE_WORKER, **env},
        cwd=cwd,
        text=True,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def run_command(
    *arguments: Any,
    stdin: str = "",
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    largest_file: int | None = None,
) -> Outcome:
    """Run `fusionser` with some arguments."""
    if READ_AT_START & set(env or {}):
        return _run_anew(arguments, stdin, env or {}, cwd)
    with tempfile.TemporaryDirectory() as place:
        streams = [Path(place) / name for name in ("in", "out", "err")]
        for path, text in zip(streams, (stdin, "", ""), strict=True):
            path.write_text(text)
        process = fork_command(arguments, streams, env or {}, cwd, largest_file)
        process.join(SECONDS)
        if process.is_alive():
            process.kill()
            raise TimeoutError(f"fusionser {' '.join(map(str, arguments))} took more than {SECONDS} s")
        status = process.exitcode
        return Outcome(1 if status is None else status, streams[1].read_text(), streams[2].read_text())
