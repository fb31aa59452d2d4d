"""The command ``fusionser report``."""

from pathlib import Path
from typing import Annotated

import typer

from fusionser.errors import SettingsError

from .console import write
from .options import option

__all__ = ["report"]


def report(
    results: Annotated[Path, typer.Argument(help="Folder that 'fusionser ablate', 'study' or 'reproduce' wrote.")],
    html: Annotated[
        Path | None, option("--html", "Of an ablation: write one page to this file, and leave the folder as it is.")
    ] = None,
    recipe: Annotated[
        str | None, option("--recipe", "The recipe of a study by an earlier version, which kept none, by name or file.")
    ] = None,
) -> None:
    """Make the pages and pictures of a folder of results again; nothing is run."""
    if html is not None and html.suffix != ".html":
        raise SettingsError(f"--html is {html}; expected a file ending in .html")
    if not results.is_dir():
        raise SettingsError(f"{results} is no folder; expected one of 'fusionser ablate', 'study' or 'reproduce'")
    if recipe is not None and (results / "design.json").is_file():
        raise SettingsError(f"{results} is of 'fusionser ablate', which needs no recipe; leave --recipe out")
    if html is not None or (results / "design.json").is_file():
        page, count = _ablation(results, html)
    else:
        page, count = _study(results, recipe) or _reproduction(results)
    write(f"{page}: {count} evaluations")


def _ablation(folder: Path, html: Path | None) -> tuple[Path, int]:
    from fusionser.reporting.ablation import AblationText, write_ablation
    from fusionser.reporting.html import write_ablation_html
    from fusionser.studies.ablation import stored_ablation
    from fusionser.studies.runner import stored_curves

    stored = stored_ablation(folder)
    design, effects, results = stored.design, stored.effects, stored.run.results
    text = AblationText(command=stored.command)
    if html is None:
        write_ablation(design, effects, results, text, folder)
    curves = stored_curves(folder, stored.run.names)
    page = write_ablation_html(design, effects, results, text, html or folder / "report.html", curves)
    return page, len(results)


def _study(folder: Path, name: str | None) -> tuple[Path, int] | None:
    """Make the page of a study, by the recipe that is given or kept; return None where there is neither."""
    from fusionser.reporting.page import write_study
    from fusionser.studies.recipe import keep_recipe, kept_recipe, read_recipe
    from fusionser.studies.study import stored_study

    from .study import study_text

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

    from .reproduce import write_page

    if not any(list((folder / "cells").glob(f"{name}_*.json")) for name in [*kept_recipes(folder), *paper_recipes()]):
        raise SettingsError(
            f"{folder} holds no results of 'fusionser ablate' or 'reproduce'; if they are of a study, name its --recipe"
        )
    return write_page(folder), len(list((folder / "cells").glob("*.json")))
