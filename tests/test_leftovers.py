"""What a killed process leaves behind is cleared by the next one, and what a running one writes is not."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fusionser.files import write_text
from fusionser.folders import temporary_folder

DYING = (
    "import os, signal, sys\n"
    "from fusionser.files import write_whole\n"
    "from fusionser.folders import temporary_folder\n"
    "def write(path):\n"
    "    path.write_text('half')\n"
    "    os.kill(os.getpid(), signal.SIGKILL)\n"
    "print(temporary_folder(), flush=True)\n"
    "write_whole(sys.argv[1], write)\n"
)
LIVING = (
    "import sys\n"
    "from fusionser.files import write_whole\n"
    "from fusionser.folders import temporary_folder\n"
    "print(temporary_folder(), flush=True)\n"
    "write_whole(sys.argv[1], lambda path: (path.write_text('whole'), print(path, flush=True), sys.stdin.readline()))\n"
)


@pytest.fixture
def own_place(tmp_path, monkeypatch):
    """A folder for temporary ones that no other test uses."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield tmp_path / "temporary"
    monkeypatch.setattr("tempfile.tempdir", None)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_of_a_process_that_was_killed(tmp_path, own_place):
    out = tmp_path / "out"
    out.mkdir()
    died = subprocess.run([sys.executable, "-c", DYING, str(out / "f-1.csv")], capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL
    assert len(names(out)) == 1 and len(names(own_place)) == 1
    # Something of another name, or of another machine, is left alone.
    others = [f".other-00000000-{os.getpid()}-x.csv", ".f-1-00000000-1-x.csv", ".f-1-x.csv"]
    for name in others:
        (out / name).touch()
    write_text(out / "f-1.csv", "whole")
    assert names(out) == sorted([*others, "f-1.csv"]) and (out / "f-1.csv").read_text() == "whole"
    folder = temporary_folder()
    assert names(own_place) == [folder.name]


def test_of_a_process_that_runs(tmp_path, own_place):
    out = tmp_path / "out"
    out.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", LIVING, str(out / "f.csv")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    folder, file = (process.stdout.readline().strip() for _ in range(2))
    write_text(out / "f.csv", "other")
    temporary_folder()
    assert Path(folder).exists() and Path(file).exists()
    process.communicate("\n")
    assert process.returncode == 0
    assert names(out) == ["f.csv"] and (out / "f.csv").read_text() == "whole"
    assert not Path(folder).exists()
