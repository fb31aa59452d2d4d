"""The pages under reports/ are what the code of today makes of the numbers beside them."""

import shutil

import pytest
from conftest import ROOT

FOLDERS = ("gender", "normalisation", "protocol-gap", "protocol-gap/emodb")
"""One of each design whose pages take little time; all others are made by the same code."""


@pytest.mark.parametrize("name", FOLDERS)
def test_a_committed_page_is_made_again_to_the_letter(command, tmp_path, name):
    committed, copy = ROOT / "reports" / name, tmp_path / "copy"
    shutil.copytree(committed, copy, ignore=shutil.ignore_patterns("*.md", "*.html", "*.png", "emodb"))
    done = command("report", copy)
    assert done.status == 0, done.messages
    for page in ("report.md", "report.html"):
        assert (copy / page).read_text() == (committed / page).read_text(), f"make it again: fusionser report {name}"
