"""What a release is made of: exact versions with hashes, licences, and the page of promises."""

import re
import tomllib

import pytest
from conftest import ROOT
from torture.area import AREAS

LOCK = (ROOT / "requirements.lock").read_text()
BLOCKS = re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)(.*(?:\n(?![A-Za-z0-9]).*)*)", LOCK, re.MULTILINE)
LOCKED = {name.lower().replace("_", "-"): (version, rest) for name, version, rest in BLOCKS}


def test_every_package_has_hashes():
    assert len(LOCKED) > 50
    for name, (_, rest) in LOCKED.items():
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", rest), name
    # An address or a folder would not be the file that the hash is of.
    assert "://" not in LOCK and " @ " not in LOCK


def test_versions_are_those_that_were_tested():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    constraints = dict(line.strip().split("==") for line in lines if "==" in line)
    tested = {name.lower().replace("_", "-"): version for name, version in constraints.items()}
    assert {name: version for name, (version, _) in LOCKED.items() if name in tested and tested[name] != version} == {}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {re.split(r"[<>=!~\[; ]", line)[0].lower() for line in project["dependencies"]}
    assert needed <= LOCKED.keys() and needed <= tested.keys()


def test_licences_of_all_packages_are_listed():
    page = (ROOT / "docs" / "licences.md").read_text()
    assert page.startswith((ROOT / "docs" / "licences-head.txt").read_text())
    cells = [line.split("|") for line in page.splitlines() if line.startswith("| ")]
    listed = {cell[1].strip().lower().replace("_", "-"): cell[3] for cell in cells}
    # Those for other systems than the one that wrote the page are not installed there.
    elsewhere = {name for name, (_, rest) in LOCKED.items() if ";" in rest.splitlines()[0]}
    others = elsewhere | {name for name in LOCKED if name.startswith(("nvidia", "cuda", "triton"))}
    assert LOCKED.keys() - others <= listed.keys()
    for name, licence in listed.items():
        assert not re.search(r"(?<!L)GPL", licence), name


@pytest.mark.parametrize("page", ["docs/promise.md", "SECURITY.md"])
def test_what_the_promises_name_exists(page):
    text = (ROOT / page).read_text()
    for name in re.findall(r"`((?:tests|docs|\.github)/[^`]+)`", text):
        assert (ROOT / name).exists(), name
    for line in re.findall(r"`make torture([^`]+)`", text):
        areas = re.fullmatch(r' AREAS=(?:(\w+)|"([\w ]+)")', line)
        assert areas is not None, line
        assert set((areas[1] or areas[2]).split()) <= {*AREAS, "kills"}, line
