"""The pages under docs/: their commands exist, their examples run, and their links lead somewhere."""

import doctest
import re
import shlex
import sys
import tomllib

import pytest
import typer
from conftest import ROOT
from fusionser_cli.app import app

from fusionser.corpora import generate_demo
from fusionser.registry import REGISTRIES

DOCS = ROOT / "docs"
GENERATED = (
    "_build",
    "auto_gallery",
    "explanations/pictures",
    "repository",
    "reference/commands",
    "reference/python",
    "reference/names.md",
)
PAGES = sorted(page for page in DOCS.rglob("*.md") if not page.relative_to(DOCS).as_posix().startswith(GENERATED))
BLOCK = re.compile(r"^( *)```(\S+)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s#]+)")


def names(pages):
    return [page.relative_to(DOCS).as_posix() for page in pages]


def commands(text):
    """Yield the lines of a page that call fusionser, without what a shell does with them."""
    text = text.replace("\\\n", " ")
    for line in re.findall(r"^\s*(?:\$ |```\{command-output\} )(fusionser .*)$", text, re.MULTILINE):
        yield re.split(r" +[|<>&#] ", line)[0]


def parsed(line):
    """Let the parser of a command read a line; it raises an error for an option that it does not know."""
    command, words = typer.main.get_command(app), shlex.split(line)[1:]
    while hasattr(command, "commands") and words and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    context = command.context_class(command, info_name=line)
    command.make_parser(context).parse_args(words)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if list(commands(page.read_text()))], ids=lambda page: page.stem
)
def test_commands_of_pages_have_only_options_that_exist(page):
    for line in commands(page.read_text()):
        if line.split()[1:] not in (["--version"], ["--help"]):
            parsed(line)


def test_a_command_with_an_unknown_option_is_told():
    with pytest.raises(Exception, match="No such option"):
        parsed("fusionser predict clip.wav --foretell")


def interactive(page):
    return [code for _, kind, code in BLOCK.findall(page.read_text()) if kind == "python" and ">>>" in code]


@pytest.mark.parametrize("page", [page for page in PAGES if interactive(page)], ids=lambda page: page.stem)
def test_examples_of_pages_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for registry in REGISTRIES.values():
        # What a page registers is gone after it.
        monkeypatch.setattr(registry, "_added", dict(registry._added))
    generate_demo("recordings")
    options = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    runner, shared = doctest.DocTestRunner(optionflags=options), {"__name__": page.stem}
    # Dataclasses look for the module of their class.
    monkeypatch.setitem(sys.modules, page.stem, type(sys)(page.stem))
    told = []
    for place, code in enumerate(interactive(page)):
        example = doctest.DocTestParser().get_doctest(code, shared, f"{page.name}, block {place + 1}", str(page), 0)
        runner.run(example, out=told.append, clear_globs=False)
        shared.update(example.globs)
    assert runner.failures == 0, "".join(told)


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.stem)
def test_links_of_pages_lead_to_files(page):
    broken = []
    for link in LINK.findall(page.read_text()):
        place = (page.parent / link).resolve()
        if place.is_relative_to(DOCS) and place.relative_to(DOCS).as_posix().startswith(GENERATED):
            script = DOCS / "gallery" / f"{place.stem}.py"
            if place.parent.name == "auto_gallery" and place.stem != "index" and not script.exists():
                broken.append(link)
        elif not place.exists():
            broken.append(link)
    assert broken == []


def test_the_page_on_the_installation_has_all_extras(monkeypatch):
    import json

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    measured = json.loads((ROOT / "reports" / "installation" / "extras.json").read_text())["extras"]
    purposes = (DOCS / "extensions" / "extra_sizes.py").read_text()
    for name in extras.keys() - {"dev", "docs"}:
        assert measured[name]["bytes"] > 0, "run: python -m benchmarks.extras"
        assert f'    "{name}": ' in purposes
    assert extras.keys() - {"dev", "docs"} == measured.keys()


def test_modules_of_the_reference_name_what_is_public(monkeypatch):
    pytest.importorskip("sphinx", reason="the extra 'docs' is not installed")
    monkeypatch.syspath_prepend(str(DOCS / "extensions"))
    import importlib

    pages = importlib.import_module("api_pages")
    modules = [name for listed in pages.SECTIONS.values() for name in listed]
    assert len(modules) == len(set(modules))
    for name in modules:
        assert importlib.import_module(name).__all__, name
