"""The command ``fusionser study``."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from fusionser.errors import SettingsError

from .console import print_json, say, spoken, training_bar, write
from .options import JOBS_HELP, THREADS_HELP, TRAINING_DEVICE_HELP, check_jobs, option, set_threads
from .preparing import open_cache

__all__ = ["study"]


def study(
    recipe: Annotated[str, typer.Argument(help="Name of a recipe, see 'fusionser list recipes', or a TOML file.")],
    out: Annotated[Path, option("--out", "Folder for report.md and the cells.")],
    place: Annotated[list[str] | None, option("--place", "corpus=DIR, where it is not under $FUSIONSER_DATA.")] = None,
    partial: Annotated[
        bool, option("--partial", "Run nothing: make the page of the evaluations that are there.", is_flag=True)
    ] = False,
    only: Annotated[
        list[str] | None, option("--only", "Run the evaluations whose name fits, as 'emodb_*'; may be repeated.")
    ] = None,
    device: Annotated[str, option("--device", TRAINING_DEVICE_HELP)] = "auto",
    jobs: Annotated[int, option("--jobs", JOBS_HELP, callback=check_jobs)] = -1,
    threads: Annotated[int | None, option("--threads", THREADS_HELP, min=1, max=1024, callback=set_threads)] = None,
    cache: Annotated[bool, option("--cache/--no-cache", "Keep features between runs.")] = True,
    json: Annotated[bool, option("--json", "Print JSON on standard output.")] = False,
) -> None:
    """Run every evaluation of a recipe; a stopped study goes on where it was."""
    from fusionser.corpora.places import data_folder, find_corpora, named_places
    from fusionser.experiments.recipe import read_recipe
    from fusionser.experiments.study import run_study
    from fusionser.reporting import StudyText, write_study

    wanted = read_recipe(recipe)
    places = find_corpora(wanted.all_corpora(), data_folder())
    places.update(named_places(place or []))
    with training_bar("study") as progress:

        def clips(done: int, total: int) -> None:
            progress(done, total, "features")

        found = run_study(
            wanted,
            places,
            out,
            cache=open_cache(cache),
            n_jobs=jobs,
            device=device,
            partial=partial,
            only=only or (),
            extraction_progress=clips,
            progress=spoken(progress),
        )
    results, missing = found.results, found.missing
    for name, reason in found.failures.items():
        say(f"failed: {name}: {reason}")
    if not results:
        if found.failures:
            raise SettingsError(f"all {len(found.failures)} evaluations failed; see {out / 'cells'}")
        raise SettingsError(f"{out}: no evaluation of this recipe is there yet; run it without --partial")
    options = [f"--place={one}" for one in place or []]
    text = StudyText(
        title=wanted.title,
        question=wanted.question,
        command=shlex.join(["fusionser", "study", recipe, "--out", str(out), *options]),
        reading=wanted.reading,
        paper=wanted.paper,
        contrasts=wanted.contrasts,
        missing=missing,
        failures=found.failures,
    )
    written = write_study(text, results, out)
    if json:
        print_json([result.model_dump(mode="json") for result in results])
        return
    write(f"{written}: {len(results)} evaluations" + _left(len(missing), len(found.failures)))


def _left(missing: int, failed: int) -> str:
    parts = [
        *([f"{missing} are still to be run"] if missing else []),
        *([f"{failed} failed, and are tried again by the next run"] if failed else []),
    ]
    return "".join(f"; {part}" for part in parts)
