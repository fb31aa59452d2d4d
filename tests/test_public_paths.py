"""Results and models have no absolute path and no user name in them."""

import getpass
import re
import shutil
import zipfile
from pathlib import Path

import pytest

from fusionser.files import public_command, public_path, public_paths, public_text


def test_public_paths(tmp_path, monkeypatch):
    (tmp_path / "home" / "work").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "home" / "work")
    for path, expected in {
        "a/b.wav": "a/b.wav",
        "../b.wav": "~/b.wav",
        "../../elsewhere/b.wav": ".../b.wav",
        tmp_path / "home" / "work" / "a" / "b.wav": "a/b.wav",
        tmp_path / "home" / "other" / "b.wav": "~/other/b.wav",
        tmp_path / "elsewhere" / "b.wav": ".../b.wav",
        "/": "/",
    }.items():
        assert public_path(path) == expected


def test_texts_and_commands_with_paths_that_climb(tmp_path, monkeypatch):
    (tmp_path / "home" / "work").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "home" / "work")
    assert public_text("../../alice/a.wav: no samples") == ".../a.wav: no samples"
    assert public_command(["fusionser", "fit", "../../alice/a", "--out=../b"]) == "fusionser fit .../a '--out=~/b'"
    given = ["../../data/alice/sad/a.wav", "../../data/alice/happy/a.wav"]
    assert list(public_paths(given).values()) == [".../alice/sad/a.wav", ".../alice/happy/a.wav"]


GIVEN = "{data} --corpus=folders --layout {{speaker}}/{{emotion}}_*"
COMMANDS = {
    "evaluate": f"evaluate {GIVEN} --blocks zcr --protocol speaker-holdout --out {{out}}",
    "ablate": "ablate {data}/../demo --corpus=demo --study blocks --blocks zcr,rms --folds 2 --out {out}",
    "fit": f"fit {GIVEN} --blocks zcr --out {{out}}/m.fusionser",
    "stress": f"stress {GIVEN} --conditions gain-minus-12-db --out={{out}}",
}


@pytest.fixture(scope="module")
def data(demo_folder, tmp_path_factory):
    """Recordings of two emotions and four speakers in a folder with a telling name, and one that cannot be used."""
    folder = tmp_path_factory.mktemp("secret-place") / "mine"
    shutil.copytree(demo_folder, folder.parent / "demo")
    for file in sorted(demo_folder.rglob("*.wav")):
        _, speaker, emotion, *rest = file.stem.split("_")
        if emotion in ("angry", "sad"):
            (folder / speaker).mkdir(parents=True, exist_ok=True)
            (folder / speaker / f"{emotion}_{'_'.join(rest)}.wav").write_bytes(file.read_bytes())
    (folder / speaker / "sad_broken.wav").write_bytes(b"RIFF")
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_written_tells_nothing_of_the_machine(command, data, tmp_path, name):
    (tmp_path / "here").mkdir()
    out = tmp_path / "out"
    done = command(*(word.format(data=data, out=out) for word in COMMANDS[name].split()), cwd=tmp_path / "here")
    assert done.status == 0, done.messages
    check_private(out, data.parent, tmp_path)


def test_an_audit_tells_nothing_of_the_machine(command, data, tmp_path):
    names = [path.stem for path in sorted(data.rglob("*.wav"))[:3]]
    lines = [
        f"{name},{split}" for name, split in zip([*names, "absent"], ["train", "test", "train", "test"], strict=True)
    ]
    (tmp_path / "list.csv").write_text("\n".join(["file,split", *lines]) + "\n")
    given = [tmp_path / "list.csv", "--audio", data, "--no-score", "--out", tmp_path / "out"]
    done = command("audit", *given)
    assert done.status in (0, 1), done.messages
    assert "absent: not found in .../mine" in (tmp_path / "out" / "report.md").read_text()
    check_private(tmp_path / "out", data.parent, tmp_path)


def test_committed_reports_tell_nothing_of_a_machine():
    absolute = re.compile(
        rb"(?:^|[\s\"'(=>])(/(?:home|root|tmp|work|mnt|media|srv|data|Users)/[^\s\"'<]*)", re.MULTILINE
    )
    reports = Path(__file__).parent.parent / "reports"
    texts = [path for path in reports.rglob("*") if path.suffix in {".md", ".json", ".html", ".csv"}]
    assert texts
    told = {str(path.relative_to(reports)): found for path in texts if (found := absolute.findall(path.read_bytes()))}
    assert not told


def check_private(out, *places):
    """Fail if a file names one of these folders, the home folder or the user."""
    files = [path for path in out.rglob("*") if path.is_file()]
    assert files
    for path in files:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                text = b"".join(archive.read(member) for member in archive.namelist())
        else:
            text = path.read_bytes()
        for told in (*map(str, places), f"{Path.home()}/", f"/{getpass.getuser()}/"):
            assert told.encode() not in text, f"{path.name} has {told}"
