"""The page that compares published results with ours."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fusionser.reporting.formats import PAGE_ONLY, Formats, write_tables
from fusionser.reporting.page import render
from fusionser.reporting.tables.reproduction import reproduction_stamps, reproduction_table, verdict
from fusionser.reporting.web_page import write_pages
from fusionser.reporting.words import counted
from fusionser.studies.cost import Cost
from fusionser.studies.papers import BEST_EPOCH
from fusionser.studies.reproduction import ENOUGH, Reproduction, interval_over_seeds

__all__ = [
    "cost_text",
    "reading",
    "write_reproduction",
]

FEW_ROWS = 50
"""With fewer test rows, a page says how much a single one changes the accuracy."""


def reading(reproduction: Reproduction) -> list[str]:
    """Return the sentences that the numbers of a row support."""
    accuracies, best = reproduction.accuracies(), reproduction.best_accuracies()
    sentences = []
    if reproduction.reached() is not None:
        measured = best if reproduction.recipe.measure == BEST_EPOCH else accuracies
        figure, mean = float(reproduction.recipe.figure or 0), float(np.mean(measured))
        low, high = interval_over_seeds(measured)
        side = "above" if figure > mean else "below"
        sentences.append(
            f"The paper's figure is {verdict(reproduction)}: it lies {abs(figure - mean):.1f} points {side} our mean "
            f"({mean:.1f}, 95 % interval {low:.1f} to {high:.1f}), by the measure that the paper reports."
        )
    if gains := reproduction.gains_of_best():
        same = "" if len(gains) == len(accuracies) else f" of seed {', '.join(map(str, gains))}"
        gain = float(np.mean(list(gains.values())))
        points = f"{abs(gain):.1f}"
        # It is another training, so that even the best of its epochs may have less.
        compared = "the same" if float(points) == 0 else f"{points} points {'more' if gain > 0 else 'less'}"
        sentences.append(f"Another training{same}, at its best epoch on the test rows, has {compared} accuracy.")
    if reproduction.paper and reproduction.independent is not None and not reproduction.cut_short:
        loss = float(np.mean(accuracies)) - 100 * reproduction.independent.pooled.war
        sentences.append(
            f"Evaluated by speaker, the accuracy is {abs(loss):.1f} points {'lower' if loss >= 0 else 'higher'}."
        )
    tested = [sum(fold.test_rows for fold in result.folds) for result in reproduction.paper]
    if tested and min(tested) < FEW_ROWS:
        sentences.append(
            f"With {min(tested)} test recordings, each one counts for {100 / min(tested):.1f} points of accuracy."
        )
    return sentences


def cost_text(cost: Cost) -> str:
    """Return the maximal cost of a recipe and the measurements that it is estimated from."""
    if not cost.networks:
        return "no network to train"
    each = "; ".join(
        f"{network.network} {1000 * network.seconds:.1f} ms per row and epoch, up to {network.epochs} epochs"
        for network in cost.networks
    )
    threads, processes = (cost.provenance.get(name) for name in ("threads", "processes"))
    on = f"{threads} thread{'' if threads == 1 else 's'}" if threads else ""
    details = "; ".join(filter(None, [each, on, f"{processes} processes" if processes else "", cost.label]))
    trainings = f"{cost.trainings} training{'' if cost.trainings == 1 else 's'}"
    return f"{cost.hours:.1f} hours at most, {trainings} of each network ({details})"


def _unaffordable(reproduction: Reproduction, costs: Mapping[str, Cost | None]) -> str:
    """Return the cost of a whole recipe of which only a part was run; empty if all was run or the cost is unknown."""
    cost = costs.get(reproduction.name)
    wanted = reproduction.recipe.speaker_independent is not None and reproduction.independent is None
    whole = len(reproduction.paper) >= reproduction.recipe.seeds and not wanted
    if cost is None or cost.label != reproduction.label or whole:
        return ""
    seeds = ["the other seeds"] if len(reproduction.paper) < reproduction.recipe.seeds else []
    left = " and ".join([*seeds, *(["the evaluation by speaker"] if wanted else [])])
    return (
        f"Run for {len(reproduction.paper)} of {reproduction.recipe.seeds} seeds; {left} would cost too much. The "
        f"whole recipe would take {cost_text(cost)}, measured by `{_command(cost.provenance)}`."
    )


def write_reproduction(
    reproductions: Sequence[Reproduction],
    missing: Mapping[str, str],
    costs: Mapping[str, Cost | None],
    folder: str | Path,
    formats: Formats = PAGE_ONLY,
) -> Path:
    """Write ``report.md``: a row for every recipe that was run, and for the others what they need or cost.

    Parameters
    ----------
    reproductions : sequence of Reproduction
    missing : mapping of str to str
        Names of the recipes that were not run, with a description of their incomplete corpora, or "".
    costs : mapping of str to Cost or None
        Measured cost of recipes, by name.
    folder : str or Path
    formats : Formats
        Formats of the table besides the page, which has no figures.

    Returns
    -------
    Path
        The page.
    """
    costly = {name: cost for name in missing if (cost := costs.get(name)) is not None}
    lacking: dict[str, list[str]] = {}
    for name, short in missing.items():
        if name not in costly:
            lacking.setdefault(short, []).append(name)
    table = reproduction_table(reproductions)
    write_tables({table.name: table}, folder, formats.tables)
    page = render(
        "reproduction.md.j2",
        answer=_answer(reproductions),
        table=table,
        rows=[_row(reproduction, costs) for reproduction in reproductions],
        versions=_versions(reproductions),
        missing=lacking.pop("", []),
        short=[(", ".join(names), found) for found, names in lacking.items()],
        costs=[
            {"name": name, "text": cost_text(cost), "command": _command(cost.provenance)}
            for name, cost in costly.items()
        ],
    )
    return write_pages(folder, page)


def _answer(reproductions: Sequence[Reproduction]) -> str:
    """Return how many figures of papers were reached, and what the same systems lose by speaker."""
    judged = [reached for one in reproductions if (reached := one.reached()) is not None]
    losses = [
        float(np.mean(one.accuracies())) - 100 * one.independent.pooled.war
        for one in reproductions
        if one.independent is not None and one.accuracies() and not one.cut_short
    ]
    told = (
        f"Under the papers' protocols, {sum(judged)} of {counted(len(judged), 'figure')} that could be judged are "
        "reached."
        if judged
        else f"No figure can be judged yet: that takes complete runs with {ENOUGH} seeds or more."
    )
    if not losses:
        return told
    return (
        f"{told} On speakers that they were not trained on, the accuracy (WAR) of the same systems is "
        f"{np.median(losses):.0f} points lower (median of {len(losses)} systems)."
    )


def _row(reproduction: Reproduction, costs: Mapping[str, Cost | None]) -> dict[str, Any]:
    results = reproduction.results()
    return {
        "name": reproduction.title,
        "recipe": reproduction.recipe,
        "reading": reading(reproduction),
        "stamps": reproduction_stamps(reproduction),
        "left": _unaffordable(reproduction, costs),
        "provenance": results[0].provenance,
        "commits": list(dict.fromkeys(result.provenance["commit"] for result in results)),
        "command": _command_of(reproduction),
    }


def _versions(reproductions: Sequence[Reproduction]) -> list[str]:
    """Return the distinct sets of package versions that the results were made with."""
    versions = [result.provenance["versions"] for reproduction in reproductions for result in reproduction.results()]
    texts = (", ".join(f"{name} {version}" for name, version in packages.items()) for packages in versions)
    return list(dict.fromkeys(texts))


def _command_of(reproduction: Reproduction) -> str:
    """Return the command of a row, with the options that leave out what the row does not have."""
    command = _command(reproduction.results()[0].provenance)
    lacking = {
        f"--seeds {len(reproduction.paper)}": len(reproduction.paper) < reproduction.recipe.seeds,
        "--no-by-speaker": reproduction.recipe.speaker_independent is not None and reproduction.independent is None,
    }
    for option, lacks in lacking.items():
        if lacks and option.split()[0] not in command.split():
            command += f" {option}"
    return command


def _command(provenance: Mapping[str, Any]) -> str:
    """Return a recorded command as the user types it, whatever script recorded it."""
    return f"fusionser {provenance['command'].partition(' ')[2]}"
