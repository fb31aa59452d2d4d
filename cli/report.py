"""The command ``fusionser report``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fusionser.errors import SettingsError

from .ablate import write_pages
from .console import counted, write_report_place
from .option_checks import check_page
from .options import ReportFormats
from .reproduce import corpora_here, write_page
from .study import study_text


def report(
    *,
    results: Annotated[Path, typer.Argument(help="Folder that a command with a report wrote.")],
    html: Annotated[
        Path | None,
        typer.Option(
            help="For an ablation: write one page to this file, and leave the folder unchanged.", callback=check_page
        ),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="Recipe (name or file) of a study by an earlier version, which did not store it.")
    ] = None,
    formats: ReportFormats,
) -> None:
    """Write the pages and figures of a folder of results again, without running anything."""
    if not results.is_dir():
        raise SettingsError(
            f"{results} is not a folder; expected one written by 'fusionser evaluate', 'evaluate-timeline', 'ablate', "
            "'study', 'reproduce', 'stress' or 'audit'"
        )
    designed = (results / "design.json").is_file()
    if recipe is not None and designed:
        raise SettingsError(f"{results} was written by 'fusionser ablate', which needs no recipe; leave --recipe out")
    if html is not None and (formats.tables or formats.figures):
        raise SettingsError(f"--html is {html}, which is one file; --tables and --figures need the folder")
    chosen = formats.chosen(results)
    single = [name for name in SINGLE if (results / name).is_file()]
    if html is None and recipe is None and single:
        page, content = SINGLE[single[0]](results, chosen)
        write_report_place(page, chosen, content, copies=single[0] == "audit.json")
        return
    if html is not None or designed:
        page, count = _ablation(results, html, chosen)
    else:
        page, count = _study(results, recipe, chosen) or _reproduction(results, chosen)
    write_report_place(page, chosen, counted(count, "evaluation"))


def _evaluation(folder: Path, formats: Any) -> tuple[Path, str]:
    from fusionser.dimension_results import DimensionResult, read_any_result
    from fusionser.reporting.dimensions import rewrite_dimension_report
    from fusionser.reporting.page import rewrite_report

    of_numbers = isinstance(read_any_result(folder / "result.json"), DimensionResult)
    rewrite = rewrite_dimension_report if of_numbers else rewrite_report
    return rewrite(folder, formats), "1 evaluation"


def _stress(folder: Path, formats: Any) -> tuple[Path, str]:
    from fusionser.evaluation.stress import read_stress
    from fusionser.reporting.stress import RESULT, write_stress

    result = read_stress(folder / RESULT)
    return write_stress(result, folder, formats=formats), counted(len(result.conditions), "condition")


def _audit(folder: Path, formats: Any) -> tuple[Path, str]:
    from fusionser.audit.result import read_audit
    from fusionser.reporting.audit import RESULT, write_pages

    if formats.figures:
        raise SettingsError("an audit has no figures; leave out --figures")
    result = read_audit(folder / RESULT)
    compared = f"{counted(len(result.between), 'comparison')} of sides"
    return write_pages(result, folder, formats=formats), compared


def _over_time(folder: Path, formats: Any) -> tuple[Path, str]:
    from fusionser.reporting.over_time import RESULT, write_over_time
    from fusionser.studies.over_time import read_over_time

    result = read_over_time(folder / RESULT)
    return write_over_time(result, folder, formats), counted(result.recordings, "recording")


SINGLE = {"stress.json": _stress, "audit.json": _audit, "over_time.json": _over_time, "result.json": _evaluation}
"""Functions that write the report of a single stored result, by the name of its file."""


def _ablation(folder: Path, html: Path | None, formats: Any) -> tuple[Path, int]:
    from fusionser.studies.ablation import stored_ablation

    stored = stored_ablation(folder)
    return write_pages(stored, folder, html, formats), len(stored.run.results)


def _study(folder: Path, name: str | None, formats: Any) -> tuple[Path, int] | None:
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
    return write_study(study_text(recipe, run, name, folder), run.results, folder, formats), len(run.results)


def _reproduction(folder: Path, formats: Any) -> tuple[Path, int]:
    from fusionser.studies.papers import paper_recipes
    from fusionser.studies.reproduction import kept_recipes

    cells = folder / "cells"
    if not any(list(cells.glob(f"{name}_*.json")) for name in [*kept_recipes(folder), *paper_recipes()]):
        raise SettingsError(
            f"{folder} has no results of 'fusionser evaluate', 'evaluate-timeline', 'ablate', 'reproduce', 'stress' "
            "or 'audit'; if they belong to a study, give --recipe"
        )
    return write_page(folder, corpora_here(), formats), len(list(cells.glob("*.json")))
