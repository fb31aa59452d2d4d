"""The pages of the Python reference: one for each public module, with a page for each of its names."""

import importlib
import inspect
import re
from pathlib import Path
from types import GenericAlias, UnionType
from typing import Any

from constants import constant, source_text
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from written import write_folder

FOLDER = Path(__file__).parents[1] / "reference" / "python"
SECTIONS = {
    "The most common names": ["fusionser"],
    "Recordings and rows": [
        "fusionser.corpora",
        "fusionser.rows",
        "fusionser.recordings",
        "fusionser.decoding",
        "fusionser.audio",
        "fusionser.waveform",
        "fusionser.isolation",
        "fusionser.microphone",
        "fusionser.tables",
        "fusionser.storage",
    ],
    "Features and networks": [
        "fusionser.features",
        "fusionser.features.parts",
        "fusionser.feature_dataset",
        "fusionser.networks",
        "fusionser.augmentation",
        "fusionser.augmentation.conditions",
        "fusionser.balancing",
        "fusionser.scaling",
    ],
    "Classifiers and regressors": ["fusionser.classifiers", "fusionser.regressors"],
    "Protocols and scores": [
        "fusionser.splits",
        "fusionser.evaluation",
        "fusionser.evaluation.stress",
        "fusionser.tuning",
        "fusionser.search_space",
        "fusionser.agreement",
        "fusionser.results",
        "fusionser.dimension_results",
        "fusionser.facts",
    ],
    "Pipelines and jobs": ["fusionser.spec", "fusionser.pipeline", "fusionser.jobs", "fusionser.studies.recipe"],
    "Saved models": [
        "fusionser.model",
        "fusionser.likeness",
        "fusionser.timeline",
        "fusionser.export",
    ],
    "Pictures": ["fusionser.plots"],
    "Reports and records": ["fusionser.reporting.page", "fusionser.reporting.words", "fusionser.tracking"],
    "Splits of others": ["fusionser.audit.split", "fusionser.audit.result"],
    "More than one process": ["fusionser.execution", "fusionser.planning", "fusionser.cache"],
    "Names and errors": ["fusionser.registry", "fusionser.errors"],
}
"""Headings of the reference, and the public modules below each."""


def summary(module: Any) -> str:
    """Return the first sentence of a module's docstring."""
    return " ".join((module.__doc__ or "").strip().split("\n\n")[0].split())


def is_object(value: Any) -> bool:
    """Return whether a value has a page of its own: a class or a function, and not a constant."""
    return inspect.isclass(value) or inspect.isroutine(value)


def homes() -> dict[int, str]:
    """Return the full name under which each class and function is described: that of the first module that has it."""
    found: dict[int, str] = {}
    for name in (module for modules in SECTIONS.values() for module in modules):
        module = importlib.import_module(name)
        for one in module.__all__:
            value = getattr(module, one)
            if is_object(value):
                found.setdefault(id(value), f"{name}.{one}")
    return found


def type_alias(module: str, name: str) -> list[str]:
    """Return the description of a name for a composed type."""
    value = getattr(importlib.import_module(module), name)
    text = re.sub(r"numpy\.ndarray(\[(?:[^][]|\[(?:[^][]|\[[^][]*\])*\])*\])?", "ndarray", str(value))
    return [f".. py:data:: {name}", "", f"   The type ``{text}``.", "", f"   {source_text(module, name)}", ""]


def page(name: str, described: dict[int, str]) -> str:
    """Return the page of a module: its docstring, and a table of its names."""
    module = importlib.import_module(name)
    names = sorted((one for one in module.__all__ if not one.startswith("__")), key=str.lower)
    aliases = [one for one in names if isinstance(getattr(module, one), GenericAlias | UnionType)]
    elsewhere = {one: described.get(id(getattr(module, one)), f"{name}.{one}") for one in names}
    # Modules have a page of their own in the list of modules.
    modules = [one for one in names if inspect.ismodule(getattr(module, one))]
    constants = [one for one in names if one not in {*aliases, *modules} and not is_object(getattr(module, one))]
    apart = {*aliases, *modules, *constants}
    own = [one for one in names if one not in apart and elsewhere[one] == f"{name}.{one}"]
    others = [f":py:obj:`{one} <{elsewhere[one]}>`" for one in names if elsewhere[one] != f"{name}.{one}"]
    lines = [name, "=" * len(name), "", f".. automodule:: {name}", "   :no-members:", ""]
    lines += [f".. currentmodule:: {name}", ""]
    if own:
        lines += [".. autosummary::", "   :toctree: names", "", *(f"   {one}" for one in own), ""]
    for one in aliases:
        lines += type_alias(name, one)
    for one in constants:
        lines += constant(name, one)
    if modules:
        lines += [f"Modules: {', '.join(f':doc:`{name}.{one}`' for one in modules)}.", ""]
    if others:
        lines += [f"Also here: {', '.join(others)}.", ""]
    return "\n".join(lines)


def write_pages(app: Sphinx, config: Config) -> None:
    """Write a page for each public module, and the page that lists them."""
    del app, config
    described = homes()
    lines = [HEAD]
    pages = {}
    for heading, modules in SECTIONS.items():
        lines += [heading, "-" * len(heading), "", ".. list-table::", "   :widths: 35 65", ""]
        for name in modules:
            pages[f"{name}.rst"] = page(name, described)
            lines += [f"   * - :doc:`{name} <{name}>`", f"     - {summary(importlib.import_module(name))}"]
        lines += ["", ".. toctree::", "   :hidden:", "", *(f"   {name}" for name in modules), ""]
    write_folder(FOLDER, {"index.rst": "\n".join(lines), **pages}, kept="names")
    for path in (FOLDER / "names").glob("*.rst"):
        if path.stem not in described.values():
            path.unlink()


HEAD = """Python
======

All public names, by module. Those of ``fusionser`` itself are the most common.
"""


def find_by_last_name(app: Sphinx, env: BuildEnvironment, node: pending_xref, shown: nodes.Node) -> nodes.Node | None:
    """Resolve a name that a docstring gives without its module, if only one object has it."""
    if node.get("refdomain") != "py":
        return None
    wanted = "." + node["reftarget"].rpartition("~")[2]
    objects = env.domains.python_domain.objects
    found = sorted((one for one in objects if one.endswith(wanted)), key=len)
    places = {objects[one].docname for one in found}
    if not found or len(places) > 2:
        return None
    return env.domains.python_domain.resolve_xref(
        env, node["refdoc"], app.builder, "obj", found[0], pending_xref(refspecific=False), shown
    )


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages before any is read, and resolve names in docstrings."""
    app.connect("config-inited", write_pages)
    app.connect("missing-reference", find_by_last_name)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
