"""README.md: its commands and its code run, its figures are those of the reports, and its links lead somewhere."""

import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

from tools.readme import first_sentences, with_tables

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [line.strip().removeprefix("$ fusionser ") for line in re.findall(r"^    \$ fusionser .*$", README, re.M)]
NEEDS_CORPORA = "--quick"
"""In commands that need a real corpus; tests/test_reproduce.py runs them on synthetic voices."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, demo_folder):
    place = tmp_path_factory.mktemp("readme")
    shutil.copy(demo_folder / "synthetic_f1_angry_s1_01.wav", place / "clip.wav")
    return place


def test_commands_run_one_after_the_other(command, folder, monkeypatch):
    monkeypatch.chdir(folder)
    run = [line for line in COMMANDS if NEEDS_CORPORA not in line]
    assert {line.split()[0] for line in run} == {"predict", "corpora", "fit", "evaluate", "reproduce"}
    for line in run:
        done = command(*line.split(), cwd=folder)
        assert done.status == 0, f"{line}: {done.messages}"
    assert (folder / "report" / "report.html").is_file() and (folder / "answers.csv").is_file()
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 0.5 < float(done.stdout) <= 1


def test_tables_are_those_of_the_reports():
    assert with_tables(README, ROOT / "reports") == README, "run: python -m tools.readme"


def test_an_answer_is_the_beginning_of_a_page(tmp_path):
    (tmp_path / "report.md").write_text("# T\n\n- One.\n- Two.\n- Three.\n\n![p](p.png)\n")
    assert first_sentences(tmp_path) == "One. Two."
    (tmp_path / "report.md").write_text("# T\n\nUAR 57.1 % of all (no. 3). Then more. And more.\n\n## Scores\n\nx\n")
    assert first_sentences(tmp_path) == "UAR 57.1 % of all (no. 3). Then more."


def test_links_lead_somewhere():
    places = re.findall(r"\]\((?!https?:|#)([^)#]+)", README)
    assert len(places) > 20
    assert [place for place in places if not (ROOT / place).exists()] == []
