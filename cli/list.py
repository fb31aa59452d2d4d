"""The command ``fusionser list``."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer

from fusionser.errors import SettingsError, unknown_name

from .console import print_json, print_table, say, write
from .naming import RECIPES, completion, listed_names
from .options import Json

KIND_HELP = "What to list: {kinds}; by default all."


@dataclass(frozen=True)
class Listed:
    """A name: what it stands for, its package, and the reason if it cannot be used."""

    name: str
    summary: str
    origin: str
    problem: str | None = None


def list_names(
    kind: Annotated[str | None, typer.Argument(help=KIND_HELP, autocompletion=completion(KIND_HELP))] = None,
    json: Json = False,
) -> None:
    """List all registered names: what each stands for, and which package it comes from."""
    from fusionser.registry import REGISTRIES

    kinds = listed_names()["kinds"]
    if kind is not None and kind not in kinds:
        raise unknown_name("kind of names", kind, kinds)
    wanted = kinds if kind is None else [kind]
    tables = {
        kind: _recipes() if kind == RECIPES else [_listed(REGISTRIES[kind], name) for name in REGISTRIES[kind]]
        for kind in wanted
    }
    if json:
        print_json({kind: [asdict(listed) for listed in rows] for kind, rows in tables.items()})
    else:
        for kind, rows in tables.items():
            shown = [[row.name, f"broken: {row.problem}" if row.problem else row.summary, row.origin] for row in rows]
            print_table(kind, ["name", "what it is", "from"], shown, unbroken=["name"])
        if "corpora" in tables:
            write("other recordings: folders or files named by emotion, or a table with the columns file and emotion")
        if RECIPES in tables:
            write("run a study with: fusionser study NAME; a paper's figure with: fusionser reproduce NAME")
    for kind in wanted:
        for name, package in REGISTRIES[kind].passed_over() if kind != RECIPES else ():
            say(f"note: '{name}' of {package} is not used, because the name is already taken in {kind}")


def _listed(registry: Any, name: str) -> Listed:
    origin = registry.origin(name)
    try:
        return Listed(name, registry.summary(name), origin)
    except SettingsError as error:
        cause = error.__cause__
        return Listed(name, "", origin, str(error) if cause is None else f"{type(cause).__name__}: {cause}")


def _recipes() -> list[Listed]:
    from fusionser.studies.papers import paper_recipes
    from fusionser.studies.recipe import read_recipe, recipe_names

    studies = {name: f"Study: {read_recipe(name).title}." for name in recipe_names()}
    figures = {name: f"Paper's figure: {recipe.title} ({recipe.paper})." for name, recipe in paper_recipes().items()}
    return [Listed(name, summary, "fusionser") for name, summary in {**studies, **figures}.items()]
