"""The page of all names that options and settings take, made from the registries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from written import write_page

from fusionser import names
from fusionser.registry import REGISTRIES
from fusionser.studies.papers import paper_recipes
from fusionser.studies.recipe import read_recipe, recipe_names

if TYPE_CHECKING:  # A test reads this file where Sphinx is not installed.
    from sphinx.application import Sphinx
    from sphinx.config import Config

PAGE = Path(__file__).parents[1] / "reference" / "names.md"
KINDS = {
    "corpora": ("Corpora", "`--corpus`; `folders` stands for any other recordings, sorted into folders."),
    "dataset-formats": ("Dataset formats", "Recognised by their files, or named with `--corpus`."),
    "presets": ("Presets", "`--preset`; `robust` is the default, of `fusionser ablate` `fusionnet`."),
    "blocks": ("Feature blocks", "`--blocks`; `acoustic`, `robust` and `wide` stand for several."),
    "networks": ("Networks", "`--blocks`, or `--network` if a network answers by itself."),
    "front-ends": ("Inputs of networks", "In settings files."),
    "classifiers": ("Classifiers", "`--classifier`."),
    "regressors": ("Regressors", "`--classifier`, with `--targets`."),
    "augmentations": (
        "Augmentations",
        "`--augment`; in `--augmentation` of `fusionser ablate`, `all` stands for noise, pitch, stretch and lowpass.",
    ),
    "conditions": ("Recording conditions", "`--conditions` of `fusionser stress`."),
    "protocols": ("Protocols", "`--protocol`."),
    "table-formats": ("Formats of tables", "`--tables`."),
    "trackers": ("Trackers", "`--track`."),
}
LISTS = {
    "Fusion": ("`--fusion`", names.FUSIONS),
    "Scaling": ("`--scaling`", names.SCALINGS),
    "Balancing of rows": ("`--imbalance`", names.ROW_BALANCINGS),
    "Balancing of columns": ("`--imbalance`", names.COLUMN_BALANCINGS),
    "Other strategies against imbalance": ("`--imbalance`", ("weights", names.BAGGING, names.LOGIT_ADJUSTMENT)),
    "Settings": ("`--setting`", names.SETTINGS),
    "Adaptation": ("`--adaptation`", names.ADAPTATIONS),
    "Named studies": ("`--study` of `fusionser ablate`", names.STUDIES),
    "Formats of figures": ("`--figures`", names.FIGURE_FORMATS),
    "Formats of time lines": ("the suffix of `--timeline`", names.TIMELINE_SUFFIXES),
}


def row(name: str, summary: str) -> str:
    """Return a line of a table."""
    return f"| `{name}` | {summary.replace('|', chr(92) + '|')} |"


def section(kind: str) -> list[str]:
    """Return the table of one registry."""
    heading, option = KINDS[kind]
    registry = REGISTRIES[kind]
    own = [name for name in registry if registry.origin(name).split(" ")[0] == "fusionser"]
    lines = [row(name, registry.summary(name)) for name in own]
    return [f"## {heading}", "", option, "", "| name | what it is |", "|---|---|", *lines, ""]


def recipes() -> list[str]:
    """Return the table of studies and published results."""
    studies = [row(name, f"Study: {read_recipe(name).title}.") for name in recipe_names()]
    papers = [row(name, f"{recipe.title} ({recipe.paper}).") for name, recipe in paper_recipes().items()]
    head = ["## Recipes", "", "`fusionser study NAME` runs a study, `fusionser reproduce NAME` a published result.", ""]
    return [*head, "| name | what it is |", "|---|---|", *studies, *papers, ""]


def write_names(app: Sphinx, config: Config) -> None:
    """Write the page."""
    del app, config
    lines = [
        "# Names",
        "",
        "What options and settings take. `fusionser list` prints the same, with what plugins add, "
        "apart from the section 'Fixed lists'.",
        "",
    ]
    for kind in KINDS:
        lines += section(kind)
    lines += ["## Fixed lists", "", "| what | option | names |", "|---|---|---|"]
    lines += [
        f"| {what} | {option} | {', '.join(f'`{name}`' for name in listed)} |"
        for what, (option, listed) in LISTS.items()
    ]
    write_page(PAGE, "\n".join([*lines, "", *recipes()]))


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the page before any is read."""
    app.connect("config-inited", write_names)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
