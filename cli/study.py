"""The command ``fusionser study``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from fusionser.errors import SettingsError

from .console import counted, print_json, say, spoken, training_bar, write_report_place
from .naming import STUDY_RECIPES, completion
from .option_checks import check_out_folder, refuse_inputs
from .option_groups import Group, option
from .option_texts import PLACE_HELP, TRAINING_DEVICE_HELP
from .options import NetworkWork, ReportFormats, Tracking, Work, record
from .preparing import corpus_places, make_resources, say_slow_precision


class Asked(Group):
    """The options of the command."""

    out: Path = option("Folder for the page and the cells.", ..., callback=check_out_folder, main=True)
    place: list[str] | None = option(PLACE_HELP, main=True)
    partial: bool = option("Run nothing; write the page from the stored evaluations.", False, "--partial", main=True)
    only: list[str] | None = option(
        "Run only the evaluations whose name matches a pattern, such as 'emodb_*'; may be repeated.", main=True
    )
    device: str = option(TRAINING_DEVICE_HELP, "auto")
    formats: ReportFormats
    tracking: Tracking
    work: Work
    networks: NetworkWork


def study(
    recipe: Annotated[
        str,
        typer.Argument(
            help="Name of a recipe, or a TOML file; see 'fusionser list recipes'.",
            autocompletion=completion(f"{{{STUDY_RECIPES}}}"),
        ),
    ],
    asked: Asked,
) -> None:
    """Run every evaluation of a recipe; a stopped study resumes where it stopped."""
    from fusionser.studies.recipe import keep_recipe, read_recipe

    # An unknown name is told before the imports that take seconds.
    wanted = read_recipe(recipe)
    from fusionser.reporting.page import write_study
    from fusionser.studies.listeners import find_listeners, keep_listeners
    from fusionser.studies.study import run_study

    places = corpus_places(wanted.all_corpora(), asked.place)
    refuse_inputs(asked.out, places.values())
    formats = asked.formats.chosen(asked.out)
    # A file that cannot be read is told before the evaluations, which take longer.
    heard = find_listeners(places)
    trackers = asked.tracking.opened()
    if not asked.partial:
        say_slow_precision(wanted.precision, asked.device, asked.work)
    with training_bar("study") as progress:
        run = run_study(
            wanted,
            places,
            asked.out,
            resources=make_resources(asked.device, asked.work, asked.networks),
            partial=asked.partial,
            only=asked.only or (),
            extraction_progress=lambda done, total: progress(done, total, "features"),
            progress=spoken(progress),
        )
    say_failures(run, asked.out)
    keep_recipe(recipe, wanted, asked.out)
    keep_listeners(heard, asked.out)
    options = [f"--place={folder}" for folder in asked.place or []]
    text = study_text(wanted, run, recipe, asked.out, *options)
    written = write_study(text, run.results, asked.out, formats)
    if asked.work.json:
        print_json([result.model_dump(mode="json") for result in run.results])
    else:
        write_report_place(written, formats, evaluations_text(run))
    record_cells(trackers, wanted.title, run, asked.out, written)


def record_cells(trackers: Sequence[Any], name: str, run: Any, out: Path, page: Path) -> None:
    """Record a run with its page, and each of its evaluations as a run in it."""
    if trackers:
        from fusionser.tracking.cells import cells_run

        record(trackers, cells_run(name, run.outcomes, out, [page]))


def study_text(recipe: Any, run: Any, name: str, out: Path, *options: str) -> Any:
    """Return the text on the page of a study, apart from its results."""
    from fusionser.files import public_command
    from fusionser.reporting.page import StudyText
    from fusionser.studies.listeners import kept_listeners

    return StudyText(
        **{part: getattr(recipe, part) for part in ("title", "question", "reading", "paper", "contrasts")},
        listeners=kept_listeners(out),
        command=public_command(["fusionser", "study", name, "--out", str(out), *options]),
        missing=run.missing,
        failures=run.failures,
    )


def say_failures(run: Any, out: Path) -> None:
    """Print what failed; raise `SettingsError` if nothing was evaluated."""
    for name, reason in run.failures.items():
        say(f"failed: {name}: {reason}")
    if run.outcomes:
        return
    if run.failures:
        raise SettingsError(f"all {len(run.failures)} evaluations failed; the reasons are in {out / 'cells'}")
    raise SettingsError(f"{out / 'cells'} has no evaluations of this study; run it without --partial")


def evaluations_text(run: Any) -> str:
    """Return how many evaluations a run has, and what is left of it."""
    missing = f"; {len(run.missing)} still to be run" if run.missing else ""
    failed = f"; {len(run.failures)} failed; the next run tries them again" if run.failures else ""
    return counted(len(run.results), "evaluation") + missing + failed
