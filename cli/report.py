"""The command ``fusionser report``."""

from pathlib import Path
from typing import Annotated

import typer

from fusionser.errors import SettingsError

from .ablate import write_pages
from .console import write
from .reproduce import corpora_here, write_page
from .study import study_text


def report(
    results: Annotated[
        Path,
        typer.Argument(
            help="Folder that 'fusionser ablate', 'study', 'reproduce', 'stress' or 'evaluate --targets' wrote."
        ),
    ],
    html: Annotated[
        Path | None, typer.Option(help="For an ablation: write one page to this file, and leave the folder unchanged.")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="Recipe (name or file) of a study by an earlier version, which did not store it.")
    ] = None,
) -> None:
    """Write the pages and figures of a folder of results again, without running anything."""
    if html is not None and html.suffix.lower() != ".html":
        raise SettingsError(f"--html is {html}; expected a file ending in .html")
    if not results.is_dir():
        raise SettingsError(
            f"{results} is not a folder; expected one written by 'fusionser ablate', 'study', 'reproduce' or 'stress'"
        )
    designed = (results / "design.json").is_file()
    if recipe is not None and designed:
        raise SettingsError(f"{results} was written by 'fusionser ablate', which needs no recipe; leave --recipe out")
    if html is None and recipe is None and (results / "stress.json").is_file():
        write(_stress(results))
        return
    if html is None and recipe is None and (results / "result.json").is_file():
        write(_dimensions(results))
        return
    if html is None and recipe is None and (results / "over_time.json").is_file():
        write(_over_time(results))
        return
    if html is not None or designed:
        page, count = _ablation(results, html)
    else:
        page, count = _study(results, recipe) or _reproduction(results)
    write(f"{page}: {count} evaluations")


def _stress(folder: Path) -> str:
    from fusionser.evaluation.stress import read_stress
    from fusionser.reporting.stress import RESULT, write_stress

    result = read_stress(folder / RESULT)
    return f"{write_stress(result, folder)}: {len(result.conditions)} conditions"


def _dimensions(folder: Path) -> str:
    from fusionser.reporting.dimensions import rewrite_dimension_report

    return str(rewrite_dimension_report(folder))


def _over_time(folder: Path) -> str:
    from fusionser.reporting.over_time import RESULT, write_over_time
    from fusionser.studies.over_time import read_over_time

    result = read_over_time(folder / RESULT)
    return f"{write_over_time(result, folder)}: {result.recordings} recordings"


def _ablation(folder: Path, html: Path | None) -> tuple[Path, int]:
    from fusionser.studies.ablation import stored_ablation

    stored = stored_ablation(folder)
    return write_pages(stored, folder, html), len(stored.run.results)


def _study(folder: Path, name: str | None) -> tuple[Path, int] | None:
    """Make the page of a study from the given or stored recipe; return None without a recipe."""
    from fusionser.reporting.page import write_study
    from fusionser.studies.recipe import keep_recipe, kept_recipe, read_recipe
    from fusionser.studies.study import stored_study

    kept = (name, read_recipe(name)) if name else kept_recipe(folder)
    if kept is None:
        return None
    name, recipe = kept
    run = stored_study(recipe, folder)
    keep_recipe(name, recipe, folder)
    return write_study(study_text(recipe, run, name, folder), run.results, folder), len(run.results)


def _reproduction(folder: Path) -> tuple[Path, int]:
    from fusionser.studies.papers import paper_recipes
    from fusionser.studies.reproduction import kept_recipes

    cells = folder / "cells"
    if not any(list(cells.glob(f"{name}_*.json")) for name in [*kept_recipes(folder), *paper_recipes()]):
        raise SettingsError(
            f"{folder} has no results of 'fusionser ablate', 'reproduce' or 'stress'; if they belong to a study, give "
            "--recipe"
        )
    return write_page(folder, corpora_here()), len(list(cells.glob("*.json")))
