"""The table that compares published results with ours."""

from collections.abc import Sequence

import numpy as np

from fusionser.facts import Stamp
from fusionser.reporting.scores import score_interval
from fusionser.reporting.tables.cells import facts_of, number, synthetic_notes
from fusionser.reporting.tables.table import Cell, Column, Row, Table
from fusionser.reporting.words import percent, stamp_texts
from fusionser.studies.papers import BEST_EPOCH
from fusionser.studies.reproduction import ENOUGH, Reproduction, interval_over_seeds

__all__ = [
    "best_epoch_score",
    "independent_score",
    "paper_protocol_score",
    "reproduction_stamps",
    "reproduction_table",
    "verdict",
]

LEAKS = ("shared-speakers", "shared-sources", "shared-audio", "shared-statements", "gender-given", "gender-estimated")


def _over_seeds(values: Sequence[float]) -> Cell:
    """Return a mean over seeds, given in percent, with standard deviation and interval where there are enough seeds."""
    if not values:
        return Cell("-", None)
    mean = float(np.mean(values)) / 100
    if len(values) == 1:
        return Cell(f"{values[0]:.1f} (one seed)", mean)
    if len(values) < ENOUGH:
        return Cell(f"{' and '.join(f'{value:.1f}' for value in values)} ({len(values)} seeds)", mean)
    low, high = interval_over_seeds(list(values))
    std = float(np.std(values, ddof=1))
    text = f"{np.mean(values):.1f} ± {std:.1f} ({low:.1f} to {high:.1f}; {len(values)} seeds)"
    return Cell(text, mean, (low / 100, high / 100))


def paper_protocol_score(reproduction: Reproduction) -> Cell:
    """Return our accuracy under the paper's protocol: mean, standard deviation and 95 % interval over seeds."""
    return _over_seeds(reproduction.accuracies())


def best_epoch_score(reproduction: Reproduction) -> Cell:
    """Return our accuracy at the best epoch on the test rows, if the paper reports it or we measured it."""
    wanted = reproduction.recipe.measure == BEST_EPOCH or reproduction.best
    return _over_seeds(reproduction.best_accuracies()) if wanted else Cell("not reported by the paper", None)


def independent_score(reproduction: Reproduction) -> Cell:
    """Return our speaker-independent accuracy, with its interval over speakers."""
    if reproduction.recipe.speaker_independent is None:
        return Cell("as in the paper's protocol", None)
    result = reproduction.independent
    if result is None:
        return Cell("-", None)
    interval = None if result.intervals is None else result.intervals["war"]
    return Cell(f"{percent(result.pooled.war)} ({score_interval(result, 'war')})", result.pooled.war, interval)


def verdict(reproduction: Reproduction) -> str:
    """Return whether the paper's figure was reached, or why that is unknown."""
    reached = reproduction.reached()
    if reached is not None:
        return "reached" if reached else "not reached"
    if reproduction.recipe.figure is None:
        return "no figure"
    return "not a full run" if reproduction.cut_short else "too few seeds"


def reproduction_stamps(reproduction: Reproduction) -> list[str]:
    """Return what a reader must know about the runs: leakage, and whether they are partial, quick or cut short."""
    notes = [note for result in reproduction.results() for note in result.notes]
    leaks = [stamp for result in reproduction.paper for stamp in result.protocol.stamps if stamp.kind in LEAKS]
    older = [Stamp(kind="left-out", value=reproduction.left_out)] if reproduction.left_out else []
    return stamp_texts([*notes, *leaks, *older])


COLUMNS = (
    Column(name="recipe"),
    Column(name="what"),
    Column(name="paper", measure="war of the paper"),
    Column(name="measure"),
    Column(name="ours, the paper's protocol", measure="war"),
    Column(name="ours, best epoch", measure="war of the best epoch"),
    Column(name="reached"),
    Column(name="ours, by speaker", measure="war by speaker"),
    Column(name="epochs at most"),
    Column(name="minutes", measure="minutes"),
)


def reproduction_table(reproductions: Sequence[Reproduction]) -> Table:
    """Return a row for each recipe: the paper's figure, ours under its protocol, and ours by speaker."""
    results = [result for one in reproductions for result in one.results()]
    return Table(
        name="published-results",
        report="reproduction",
        caption="Published results, reproduced",
        notes=[
            "Accuracy (WAR) in percent; intervals are 95 %: Student's t over seeds under the paper's protocol, a "
            "bootstrap over speakers by speaker",
            "The best epoch was chosen by the test rows, so that score does not estimate performance",
            *synthetic_notes(results),
            *(f"{one.title}: {'; '.join(stamps)}" for one in reproductions if (stamps := reproduction_stamps(one))),
        ],
        columns=COLUMNS,
        rows=[_row(one) for one in reproductions],
    )


def _row(reproduction: Reproduction) -> Row:
    recipe, results = reproduction.recipe, reproduction.results()
    epochs = [
        str(block["epochs"]) for result in reproduction.paper[:1] for block in result.features if "epochs" in block
    ]
    seconds = sum(max(result.seconds["evaluation"], result.seconds.get("training", 0.0)) for result in results)
    seconds += sum(best.seconds for best in reproduction.best)
    cells: list[Cell | str] = [
        reproduction.title,
        f"{recipe.paper}: {recipe.title}",
        Cell(recipe.printed, None if recipe.figure is None else recipe.figure / 100),
        recipe.measure,
        paper_protocol_score(reproduction),
        best_epoch_score(reproduction),
        verdict(reproduction),
        independent_score(reproduction),
        ", ".join(epochs) or "-",
        number(seconds / 60, ".1f"),
    ]
    stamps = "; ".join(reproduction_stamps(reproduction))
    return Row(cells, {**facts_of(*results), "stamps": stamps})
