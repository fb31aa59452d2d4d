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
    recipe: Annotated[str | None, option("--recipe", "The recipe of a study, by name or file.")] = None,
) -> None:
    """Make the pages and pictures of a folder of results again; nothing is run."""
    if html is not None and html.suffix != ".html":
        raise SettingsError(f"--html is {html}; expected a file ending in .html")
    if recipe is not None:
        page, count = _study(results, recipe)
    elif html is None and not (results / "design.json").is_file():
        page, count = _reproduction(results)
    else:
        page, count = _ablation(results, html)
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


def _study(folder: Path, name: str) -> tuple[Path, int]:
    from fusionser.reporting.page import write_study
    from fusionser.studies.recipe import read_recipe
    from fusionser.studies.study import stored_study

    from .study import study_text

    recipe = read_recipe(name)
    run = stored_study(recipe, folder)
    return write_study(study_text(recipe, run, name, folder), run.results, folder), len(run.results)


def _reproduction(folder: Path) -> tuple[Path, int]:
    from .reproduce import write_page

    return write_page(folder), len(list((folder / "cells").glob("*.json")))
