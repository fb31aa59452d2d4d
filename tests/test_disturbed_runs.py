"""Runs that something disturbs: another run on the same folder, a process that dies, a place that cannot be written."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_process import start_command
from torture.kills import timeless

from fusionser.errors import FusionserError
from fusionser.execution import run_jobs

COMMANDS = {
    "extract": "extract {demo} --corpus demo --blocks mfcc,zcr --jobs 2 --out {out}/f.parquet",
    "evaluate": "evaluate {demo} --corpus demo --blocks mfcc --classifier mlp --epochs 3 --threads 1 --out {out}",
    "study": "ablate {demo} --corpus demo --study blocks --blocks zcr,rms --folds 2 --out {out}",
}


def words(name, demo, out):
    return COMMANDS[name].format(demo=demo, out=out).split()


def written(out):
    return {str(path.relative_to(out)): timeless(path) for path in sorted(out.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("name", COMMANDS)
def test_two_runs_at_once_on_one_folder_and_cache(command, demo_folder, tmp_path, name):
    out = tmp_path / "out"
    env = {"FUSIONSER_CACHE": str(tmp_path / "cache"), "LOKY_MAX_CPU_COUNT": "2"}
    runs = [start_command(*words(name, demo_folder, out), env=env) for _ in range(2)]
    messages = [run.communicate(timeout=300)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], messages
    together = written(out)
    # The folder has the same name, since results state the command.
    out.rename(tmp_path / "together")
    alone = command(*words(name, demo_folder, out), env={"FUSIONSER_CACHE": "off"})
    assert alone.status == 0
    expected = written(out)
    assert together.keys() == expected.keys()
    # Some pages state where features came from.
    assert [file for file in expected if together[file] != expected[file]] == []


def end_itself(number):
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_a_process_that_dies_is_told(monkeypatch):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    with pytest.raises(FusionserError, match=r"one of the processes was ended from outside.*fewer --jobs"):
        list(run_jobs(end_itself, range(3), n_jobs=2))
    # The caller's own processes are as before, and the next ones are new.
    assert "PYTHONSAFEPATH" not in os.environ
    assert list(run_jobs(abs, [-1, -2], n_jobs=2)) == [1, 2]


def test_processes_end_after_their_parent_was_killed(tmp_path):
    code = (
        "import time, os\n"
        "from fusionser.execution import run_jobs\n"
        "def wait(path):\n"
        "    open(path, 'w').write(str(os.getpid()))\n"
        "    time.sleep(300)\n"
        f"list(run_jobs(wait, [{str(tmp_path / 'a')!r}, {str(tmp_path / 'b')!r}], n_jobs=2))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "LOKY_MAX_CPU_COUNT": "2"})
    deadline = time.monotonic() + 120
    while not all((tmp_path / name).exists() and (tmp_path / name).read_text() for name in "ab"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    workers = [int((tmp_path / name).read_text()) for name in "ab"]
    parent.kill()
    parent.wait()
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="there is no place that nobody can write to")
def test_a_place_that_cannot_be_written(command, demo_folder):
    done = command("extract", demo_folder, "--corpus", "demo", "--blocks", "zcr", "--out", "/proc/f.parquet")
    assert done.status == 1 and "/proc" in done.messages and "Traceback" not in done.messages
    done = command(*words("extract", demo_folder, "/proc/none"), env={"FUSIONSER_CACHE": "/proc/none"})
    assert done.status == 1 and "internal error" not in done.messages
