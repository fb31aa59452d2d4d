"""The command ``fusionser study``."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from fusionser.errors import SettingsError

from .console import print_json, say, spoken, training_bar, write
from .options import JOBS_HELP, PLACE_HELP, THREADS_HELP, TRAINING_DEVICE_HELP, check_jobs, option, set_threads
from .preparing import make_resources

__all__ = ["left_text", "say_failures", "study", "study_text"]


def study(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, or a TOML file; see 'fusionser list recipes'.")],
    out: Annotated[Path, option("--out", "Folder for report.md and the cells.")],
    place: Annotated[list[str] | None, option("--place", PLACE_HELP)] = None,
    partial: Annotated[
        bool, option("--partial", "Run nothing; make the page from the evaluations that are there.", is_flag=True)
    ] = False,
    only: Annotated[
        list[str] | None,
        option("--only", "Run only the evaluations whose name matches, such as 'emodb_*'; may be repeated."),
    ] = None,
    device: Annotated[str, option("--device", TRAINING_DEVICE_HELP)] = "auto",
    jobs: Annotated[int, option("--jobs", JOBS_HELP, callback=check_jobs)] = -1,
    threads: Annotated[int | None, option("--threads", THREADS_HELP, min=1, max=1024, callback=set_threads)] = None,
    cache: Annotated[bool, option("--cache/--no-cache", "Keep features between runs.")] = True,
    json: Annotated[bool, option("--json", "Print JSON on standard output.")] = False,
) -> None:
    """Run every evaluation of a recipe; a stopped study goes on where it was."""
    from fusionser.corpora.places import data_folder, find_corpora, named_places
    from fusionser.reporting.page import write_study
    from fusionser.studies.recipe import keep_recipe, read_recipe
    from fusionser.studies.study import run_study

    wanted = read_recipe(recipe)
    places = find_corpora(wanted.all_corpora(), data_folder())
    places.update(named_places(place or []))
    with training_bar("study") as progress:
        run = run_study(
            wanted,
            places,
            out,
            resources=make_resources(device=device, jobs=jobs, cache=cache),
            partial=partial,
            only=only or (),
            extraction_progress=lambda done, total: progress(done, total, "features"),
            progress=spoken(progress),
        )
    say_failures(run, out)
    keep_recipe(recipe, wanted, out)
    options = [f"--place={folder}" for folder in place or []]
    written = write_study(study_text(wanted, run, recipe, out, *options), run.results, out)
    if json:
        print_json([result.model_dump(mode="json") for result in run.results])
        return
    write(f"{written}: {len(run.results)} evaluations{left_text(run)}")


def study_text(recipe: Any, run: Any, name: str, out: Path, *options: str) -> Any:
    """Return what the page of a study says beside its results."""
    from fusionser.reporting.page import StudyText

    return StudyText(
        title=recipe.title,
        question=recipe.question,
        command=shlex.join(["fusionser", "study", name, "--out", str(out), *options]),
        reading=recipe.reading,
        paper=recipe.paper,
        contrasts=recipe.contrasts,
        missing=run.missing,
        failures=run.failures,
    )


def say_failures(run: Any, out: Path) -> None:
    """Say what failed; raise `SettingsError` where nothing was evaluated."""
    for name, reason in run.failures.items():
        say(f"failed: {name}: {reason}")
    if run.outcomes:
        return
    if run.failures:
        raise SettingsError(f"all {len(run.failures)} evaluations failed; the reasons are in {out / 'cells'}")
    raise SettingsError(f"no evaluation of this study is in {out / 'cells'}; run it without --partial")


def left_text(run: Any) -> str:
    """Return what of a run is left, to stand behind the number of evaluations."""
    parts = [
        *([f"{len(run.missing)} are still to be run"] if run.missing else []),
        *([f"{len(run.failures)} failed, and are tried again by the next run"] if run.failures else []),
    ]
    return "".join(f"; {part}" for part in parts)
