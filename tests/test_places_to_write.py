"""Places that cannot be written are found before any work: here, before an input that does not exist is missed."""

import os
from pathlib import Path

import pytest
from fusionser_cli.option_checks import check_file_to_write, check_folder_to_write, check_out_folder

from fusionser.errors import SettingsError

NOWHERE = Path("/proc")
"""A folder in which nobody can make a file, and whose permissions do not say so to its owner."""

COMMANDS = [
    "extract none --out /proc/f.parquet",
    "extract none --out /proc/folder",
    "fit none --out /proc/m.fusionser",
    "evaluate none --out /proc/x",
    "evaluate none --save-config /proc/x.toml",
    "evaluate none --out /proc/x/y/z",
    "evaluate-timeline none none --out /proc/x",
    "stress none --out /proc/x",
    "audit none --out /proc/x",
    "tune none --out /proc/x",
    "ablate none --study blocks --out /proc/x",
    "predict none --out /proc/x.csv",
    "predict none --timeline /proc/x.csv",
    "listen --out /proc/x.csv",
    "show none --out /proc/x.png",
    "info none --out /proc/x.md",
    "export none /proc/x.onnx",
    "export none --web /proc/x",
    "report none --html /proc/x.html",
    "plan --measure none --rates /proc/x.toml",
    "corpora generate /proc/x",
]


@pytest.mark.skipif(not (NOWHERE / "self").exists(), reason="there is no place that nobody can write to")
@pytest.mark.parametrize("line", COMMANDS)
def test_it_is_told_at_once(command, tmp_path, line):
    done = command(*line.split(), cwd=tmp_path)
    said = " ".join(done.messages.split())
    status = 2 if line.startswith("audit") else 1
    assert done.status == status and "nothing can be written to /proc (No such file or directory)" in said, said
    assert "choose another path" in said and list(tmp_path.iterdir()) == []


def test_a_place_that_can_be_written_stays_as_it_is(tmp_path):
    assert check_out_folder(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    assert check_file_to_write(tmp_path / "a" / "b.csv", "--out") == tmp_path / "a" / "b.csv"
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_replaced(tmp_path):
    (tmp_path / "there.csv").write_text("x")
    # A file is replaced as a whole, so its own permissions do not matter.
    (tmp_path / "there.csv").chmod(0o400)
    (tmp_path / "link.csv").symlink_to(tmp_path / "there.csv")
    for name in ("there.csv", "link.csv"):
        assert check_file_to_write(tmp_path / name, "--out") == tmp_path / name
    assert (tmp_path / "there.csv").read_text() == "x" and len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("check", [check_file_to_write, check_folder_to_write])
def test_names_that_are_too_long(tmp_path, check):
    for path in (tmp_path / ("x" * 300), tmp_path / ("x" * 300) / "y"):
        with pytest.raises(SettingsError, match="File name too long"):
            check(path, "--out")


def test_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SettingsError, match="a device or a pipe; expected a file"):
        check_file_to_write(tmp_path / "pipe", "--out")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(SettingsError, match="leads back to itself"):
        check_file_to_write(tmp_path / "loop", "--out")
    (tmp_path / "file").write_text("x")
    with pytest.raises(SettingsError, match="file is a file"):
        check_folder_to_write(tmp_path / "file" / "below", "--out")
