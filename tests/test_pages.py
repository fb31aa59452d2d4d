"""The pages under docs/: their commands exist, their examples run, and their links lead somewhere."""

import doctest
import inspect
import json
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
from tools.marked import MARKED, with_parts
from tools.outputs import alike, command_of, prepare, printed
from tools.page_parts import PURPOSES
from tools.pages import PARTS, with_made_parts

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
    for line in re.findall(r"^\s*\$ (fusionser .*)$", text, re.MULTILINE):
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


@pytest.mark.parametrize("name", PARTS)
def test_tables_and_figures_of_pages_are_current(name):
    page = (DOCS / name).read_text()
    assert with_made_parts(page, name) == page, "run: python -m tools.pages"


def test_outputs_of_the_first_lesson_are_current(tmp_path):
    # `make docs` runs the others, which take longer.
    prepare(tmp_path)
    page = (DOCS / "tutorials" / "first-model.md").read_text()
    parts = [found["text"] for found in MARKED.finditer(page) if re.search("predict clip|check", found["text"])]
    assert len(parts) == 2
    for part in parts:
        assert alike(printed(command_of(part), tmp_path), part), "run: python -m tools.pages"


def test_outputs_differ_in_words_and_numbers_and_not_in_durations():
    told = "240 recordings; UAR 87.2 %; 8.9 s"
    assert alike(told, told.replace("8.9 s", "22.4 s")) and alike(told, told.replace("87.2", "87.5"))
    assert not alike(told, told.replace("87.2", "90.0")) and not alike(told, told.replace("UAR", "WAR"))


def test_pages_are_written_part_by_part():
    page = "a\n<!-- x: written by `c` -->\nold\n<!-- end of x -->\nb\n"
    assert with_parts(page, {"x": "new"}) == page.replace("old", "new")
    with pytest.raises(SystemExit, match="0 places for 'y'"):
        with_parts(page, {"y": "new"})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_are_plain_markdown(page):
    text = page.read_text()
    if re.fullmatch(r"```\{include\}[^`]*```\n", text):
        return
    plain, _, listed = text.partition("```{toctree}\n:hidden:\n")
    assert re.findall(r"^(?:`{3,}\{.*|:{3,}.*|.*\{\{.*)$", plain, re.MULTILINE) == []
    # Nothing follows the list of pages, and each page in it is linked above.
    assert re.fullmatch(r"[\n\w./-]*(```\n)?", listed)
    for name in listed.removesuffix("```\n").split():
        assert re.search(rf"\]\({re.escape(name.removesuffix('/index'))}|gallery/", plain), name


def test_the_page_on_the_installation_has_all_extras():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    measured = json.loads((ROOT / "reports" / "installation" / "extras.json").read_text())["extras"]
    for name in extras.keys() - {"dev", "docs"}:
        assert measured[name]["bytes"] > 0, "run: python -m benchmarks.extras"
        assert name in PURPOSES
    assert extras.keys() - {"dev", "docs"} == measured.keys()


def test_constants_of_the_reference_have_a_text_of_their_own(monkeypatch):
    pytest.importorskip("sphinx", reason="the extra 'docs' is not installed")
    monkeypatch.syspath_prepend(str(DOCS / "extensions"))
    import importlib

    pages, constants = importlib.import_module("api_pages"), importlib.import_module("constants")
    for name in (module for listed in pages.SECTIONS.values() for module in listed):
        module = importlib.import_module(name)
        for one in module.__all__:
            value = getattr(module, one)
            if not (one.startswith("__") or pages.is_object(value) or inspect.ismodule(value)):
                assert constants.source_text(name, one), f"{name}.{one}: a text is missing below it in the source"
    assert "   :value: 0.5" in constants.constant("fusionser.model", "LEAST_PROBABILITY")


def test_modules_of_the_reference_name_what_is_public(monkeypatch):
    pytest.importorskip("sphinx", reason="the extra 'docs' is not installed")
    monkeypatch.syspath_prepend(str(DOCS / "extensions"))
    import importlib

    pages = importlib.import_module("api_pages")
    modules = [name for listed in pages.SECTIONS.values() for name in listed]
    assert len(modules) == len(set(modules))
    for name in modules:
        assert importlib.import_module(name).__all__, name
