"""CITATION.cff is of the project as it is, and names the papers that README.md names."""

import re

import yaml
from conftest import ROOT

import fusionser

CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())
NEEDED = ("cff-version", "message", "title", "authors")
"""Keys that the format requires, at its version 1.2.0."""


def test_it_has_what_the_format_requires_and_the_version_of_the_package():
    assert all(CITATION[key] for key in NEEDED)
    assert CITATION["version"] == fusionser.__version__
    assert CITATION["authors"] == [{"name": "The fusionser developers"}]
    for reference in CITATION["references"]:
        assert {"type", "title", "authors"} <= reference.keys()
        assert all(author.keys() <= {"family-names", "given-names"} for author in reference["authors"])


def test_it_names_the_papers_of_the_readme():
    text = (ROOT / "README.md").read_text().partition("## How to cite")[2]
    titles = [" ".join(title.split()) for title in re.findall(r"\*([A-Za-z][^*]{25,})\*", text)]
    assert titles == [reference["title"] for reference in CITATION["references"]]
    for reference in CITATION["references"]:
        assert reference["authors"][0]["family-names"] in text
