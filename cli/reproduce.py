"""The command ``fusionser reproduce``."""

from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from fusionser.errors import SettingsError

from .console import print_json, print_table, say, spoken, training_bar, write, write_report_place
from .known_names import check_names
from .naming import PAPER_RECIPES, completion
from .option_checks import check_out_folder, refuse_inputs
from .option_groups import Group, option
from .option_texts import PLACE_HELP, PRECISION_HELP, TRAINING_DEVICE_HELP, WEIGHTS_HELP
from .options import NetworkWork, ReportFormats, Tracking, Work, record
from .preparing import corpus_places, make_resources, say_slow_precision
from .study import say_failures


class Asked(Group):
    """The options of the command."""

    out: Path = option(
        "Folder for report.md and the evaluations.", Path("reproduction"), callback=check_out_folder, main=True
    )
    place: list[str] | None = option(PLACE_HELP, main=True)
    seeds: int | None = option("Repetitions, instead of the recipe's.", min=1, max=100)
    epochs: int | None = option("Epochs, instead of the recipe's; stamped.", min=1, main=True)
    quick: bool = option(
        "Only try whether corpus and machine work, in a minute or two: three epochs, one seed, one recording of each "
        "speaker and emotion. The score is near chance, and stamped.",
        False,
        "--quick",
        main=True,
    )
    partial: bool = option("Run on an incomplete corpus, and stamp the result.", False, "--partial", main=True)
    best_epoch: bool = option(
        "Train again, and choose the epoch by the test rows, as some papers do.", False, "--best-epoch"
    )
    by_speaker: bool = option(
        "Evaluate by speaker too, if the paper's protocol does not.", True, "--by-speaker/--no-by-speaker"
    )
    cost: bool = option(
        "Train on a few batches, and estimate the time of a full run on this machine.", False, "--cost", main=True
    )
    device: str = option(TRAINING_DEVICE_HELP, "auto")
    precision: str = option(PRECISION_HELP, "float32", callback=check_names("precisions"))
    weights: str | None = option(WEIGHTS_HELP)
    formats: ReportFormats
    tracking: Tracking
    work: Work
    networks: NetworkWork


def reproduce(
    *,
    recipe: Annotated[
        str | None,
        typer.Argument(
            help="Name of a recipe, or a TOML file; without it, all are listed.",
            autocompletion=completion(f"{{{PAPER_RECIPES}}}"),
        ),
    ] = None,
    asked: Asked,
) -> None:
    """Reproduce a published result: the paper's figure, ours under its protocol, and ours by speaker."""
    if recipe is None:
        _list(corpora_here(asked.place), asked.work.json)
        return
    from fusionser.studies.papers import paper_recipes, read_paper_recipe

    # An unknown name is told before the imports that take seconds.
    name, wanted = read_paper_recipe(recipe)
    from fusionser.studies.reproduce import Run
    from fusionser.studies.reproduction import keep_recipe

    places = corpora_here(asked.place)
    refuse_inputs(asked.out, [places[name] for name in wanted.corpora if name in places])
    formats, trackers = asked.formats.chosen(asked.out), asked.tracking.opened()
    if asked.cost and trackers:
        raise SettingsError("--track has nothing to record with --cost, which evaluates nothing; leave it out")
    run = Run(**{member.name: getattr(asked, member.name) for member in fields(Run)})
    own = wanted.pipeline.networks.precision
    say_slow_precision(own if run.precision == "float32" else run.precision, asked.device, asked.work)
    job = _measure if asked.cost else _run
    outcome, answer = job(
        name, wanted, places, asked.out, run, make_resources(asked.device, asked.work, asked.networks)
    )
    if name not in paper_recipes():
        keep_recipe(name, wanted, asked.out)
    page = write_page(asked.out, places, formats)
    if asked.work.json:
        print_json(answer)
    else:
        _print_outcome(outcome, asked.cost)
        write_report_place(page, formats)
    if trackers:
        _record(trackers, outcome, asked.out, page)


def _print_outcome(outcome: Any, cost: bool) -> None:
    if cost:
        from fusionser.reporting.reproduction import cost_text

        write(f"{outcome.recipe}: {cost_text(outcome)}")
    else:
        _print(outcome)


def _record(trackers: list[Any], outcome: Any, out: Path, page: Path) -> None:
    """Record the evaluations of a recipe, each as a run in that of the recipe."""
    from fusionser.studies.reproduction import cell_names
    from fusionser.tracking.cells import cells_run

    named = dict(zip(cell_names(outcome), outcome.results(), strict=True))
    record(trackers, cells_run(outcome.title, named, out, [page]))


def _measure(name: str, wanted: Any, places: Any, out: Path, run: Any, resources: Any) -> tuple[Any, dict[str, Any]]:
    from fusionser.studies.cost import measure_cost

    with training_bar(name) as bar:
        clips = partial(bar, name="features")
        cost = measure_cost(name, wanted, places, out, run, resources=resources, extraction_progress=clips)
    return cost, {**cost.model_dump(mode="json"), "hours": cost.hours}


def _run(name: str, wanted: Any, places: Any, out: Path, run: Any, resources: Any) -> tuple[Any, dict[str, Any]]:
    from fusionser.studies.reproduce import reproduce as run_recipe

    with training_bar(name) as bar:
        clips = partial(bar, name="features")
        reproduction, done = run_recipe(
            name, wanted, places, out, run, resources=resources, extraction_progress=clips, progress=spoken(bar)
        )
    say_failures(done, out)
    return reproduction, {**_described(reproduction), "failures": done.failures}


def write_page(out: Path, places: dict[str, Path], formats: Any) -> Path:
    """Write the page of all recipes that were run in a folder; `places` are the folders of the corpora."""
    from fusionser.reporting.reproduction import write_reproduction
    from fusionser.studies.cost import stored_cost
    from fusionser.studies.papers import paper_recipes
    from fusionser.studies.reproduction import kept_recipes, stored_reproductions

    recipes = {**kept_recipes(out), **paper_recipes()}
    stored = {name: stored_reproductions(name, recipe, out) for name, recipe in recipes.items()}
    there = [reproduction for several in stored.values() for reproduction in several if reproduction.paper]
    unrun = [name for name, several in stored.items() if not any(reproduction.paper for reproduction in several)]
    missing = {name: _shortage(recipes[name], places) for name in unrun}
    return write_reproduction(there, missing, {name: stored_cost(name, out) for name in stored}, out, formats)


def corpora_here(place: list[str] | None = None) -> dict[str, Path]:
    """Return the folders of all corpora on this machine."""
    from fusionser.corpora import CORPORA

    return corpus_places(CORPORA.loadable(), place)


def _shortage(recipe: Any, places: dict[str, Path]) -> str:
    """Return which of a recipe's corpora are incomplete on this machine, and by how much."""
    from fusionser.corpora.places import present_corpora

    here = present_corpora(recipe.corpora, places)
    return "; ".join(str(corpus) for corpus in here if not corpus.whole)


def _list(places: dict[str, Path], json: bool) -> None:
    from fusionser.corpora.places import present_corpora
    from fusionser.studies.papers import paper_recipes

    recipes = paper_recipes()
    wanted = {corpus for recipe in recipes.values() for corpus in recipe.corpora}
    here = {corpus.corpus: corpus for corpus in present_corpora(sorted(wanted), places)}
    if json:
        print_json(
            [
                {
                    "name": name,
                    **recipe.model_dump(mode="json", exclude={"variants"}),
                    "found": {corpus: [here[corpus].found, here[corpus].wanted] for corpus in recipe.corpora},
                }
                for name, recipe in recipes.items()
            ]
        )
        return
    print_table(
        "",
        ["recipe", "paper", "what", "protocol", "paper's %", "found here"],
        [
            [
                name,
                recipe.paper,
                recipe.title,
                recipe.protocol.name,
                recipe.printed,
                "; ".join(f"{here[corpus].found} of {here[corpus].wanted} {corpus}" for corpus in recipe.corpora),
            ]
            for name, recipe in recipes.items()
        ],
        numbers=["paper's %"],
        unbroken=["recipe"],
        spare=["found here", "paper", "protocol"],
    )
    if not places:
        say("note: no folder of corpora is known; set FUSIONSER_DATA to one, or name the folder of each (--place)")
    write("run one with: fusionser reproduce NAME")


def _described(reproduction: Any) -> dict[str, Any]:
    return {
        "recipe": reproduction.name,
        "label": reproduction.label,
        "figure": reproduction.recipe.figure,
        "measure": reproduction.recipe.measure,
        "accuracies": reproduction.accuracies(),
        "best_epoch_accuracies": reproduction.best_accuracies(),
        "reached": reproduction.reached(),
        "paper_protocol": [result.model_dump(mode="json") for result in reproduction.paper],
        "best_epoch": [best.model_dump(mode="json") for best in reproduction.best],
        "speaker_independent": reproduction.independent.model_dump(mode="json") if reproduction.independent else None,
    }


def _print(reproduction: Any) -> None:
    from fusionser.reporting.reproduction import reading
    from fusionser.reporting.tables import reproduction as text

    recipe = reproduction.recipe
    print_table(
        f"{reproduction.title}: {recipe.paper}, {recipe.title}",
        ["paper", "ours, the paper's protocol", "ours, best epoch", "ours, speaker-independent", "reached"],
        [
            [
                f"{recipe.printed} ({recipe.measure})",
                text.paper_protocol_score(reproduction).text,
                text.best_epoch_score(reproduction).text,
                text.independent_score(reproduction).text,
                text.verdict(reproduction),
            ]
        ],
    )
    for stamp in text.reproduction_stamps(reproduction):
        write(f"stamp: {stamp}")
    write(" ".join([*reading(reproduction), recipe.choices]))
