"""The page that compares published results with ours."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fusionser.facts import Stamp
from fusionser.files import write_text
from fusionser.reporting.page import render, score_interval
from fusionser.reporting.words import percent, stamp_texts
from fusionser.studies.cost import Cost
from fusionser.studies.papers import BEST_EPOCH, PaperRecipe
from fusionser.studies.reproduction import ENOUGH, Reproduction, interval_over_seeds

__all__ = [
    "best_epoch_score",
    "cost_text",
    "figure_text",
    "independent_score",
    "paper_protocol_score",
    "reproduction_stamps",
    "write_reproduction",
]

FEW_ROWS = 50
"""With fewer test rows, a page says how much a single one changes the accuracy."""

LEAKS = ("shared-speakers", "shared-sources", "shared-audio", "shared-statements", "gender-given", "gender-estimated")


def _over_seeds(values: Sequence[float]) -> str:
    if not values:
        return "-"
    if len(values) == 1:
        return f"{values[0]:.1f} (one seed)"
    if len(values) < ENOUGH:
        return f"{' and '.join(f'{value:.1f}' for value in values)} ({len(values)} seeds)"
    low, high = interval_over_seeds(list(values))
    std = float(np.std(values, ddof=1))
    return f"{np.mean(values):.1f} ± {std:.1f} ({low:.1f} to {high:.1f}; {len(values)} seeds)"


def paper_protocol_score(reproduction: Reproduction) -> str:
    """Return our accuracy under the paper's protocol: mean, standard deviation and 95 % interval over seeds."""
    return _over_seeds(reproduction.accuracies())


def best_epoch_score(reproduction: Reproduction) -> str:
    """Return our accuracy at the best epoch on the test rows, if the paper reports it or we measured it."""
    wanted = reproduction.recipe.measure == BEST_EPOCH or reproduction.best
    return _over_seeds(reproduction.best_accuracies()) if wanted else "not reported by the paper"


def independent_score(reproduction: Reproduction) -> str:
    """Return our speaker-independent accuracy, with its interval over speakers."""
    if reproduction.recipe.speaker_independent is None:
        return "as in the paper's protocol"
    result = reproduction.independent
    return "-" if result is None else f"{percent(result.pooled.war)} ({score_interval(result, 'war')})"


def reproduction_stamps(reproduction: Reproduction) -> list[str]:
    """Return what a reader must know about the runs: leakage, and whether they are partial, quick or cut short."""
    notes = [note for result in reproduction.results() for note in result.notes]
    leaks = [stamp for result in reproduction.paper for stamp in result.protocol.stamps if stamp.kind in LEAKS]
    older = [Stamp(kind="left-out", value=reproduction.left_out)] if reproduction.left_out else []
    return stamp_texts([*notes, *leaks, *older])


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
        more = "more" if gain >= 0 else "less"
        # It is another training, so that even the best of its epochs may have less.
        sentences.append(
            f"Another training{same}, at its best epoch on the test rows, has {abs(gain):.1f} points {more} accuracy."
        )
    if reproduction.paper and reproduction.independent is not None:
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


def figure_text(recipe: PaperRecipe) -> str:
    """Return the paper's figure with the digits that it prints."""
    return "none" if recipe.figure is None else f"{recipe.figure:g}"


def verdict(reproduction: Reproduction) -> str:
    """Return whether the paper's figure was reached, or why that is unknown."""
    reached = reproduction.reached()
    if reached is not None:
        return "reached" if reached else "not reached"
    if reproduction.recipe.figure is None:
        return "no figure"
    return "not a full run" if reproduction.cut_short else "too few seeds"


def cost_text(cost: Cost) -> str:
    """Return the maximal cost of a recipe and the measurements that it is estimated from."""
    if not cost.networks:
        return "no network to train"
    each = "; ".join(
        f"{network.network} {1000 * network.seconds:.1f} ms per row and epoch, up to {network.epochs} epochs"
        for network in cost.networks
    )
    threads = cost.provenance.get("threads")
    details = "; ".join(
        filter(None, [each, f"{threads} thread{'' if threads == 1 else 's'}" if threads else "", cost.label])
    )
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
    page = render(
        "reproduction.md.j2",
        rows=[_row(reproduction, costs) for reproduction in reproductions],
        versions=_versions(reproductions),
        missing=lacking.pop("", []),
        short=[(", ".join(names), found) for found, names in lacking.items()],
        costs=[
            {"name": name, "text": cost_text(cost), "command": _command(cost.provenance)}
            for name, cost in costly.items()
        ],
    )
    return write_text(Path(folder) / "report.md", page)


def _row(reproduction: Reproduction, costs: Mapping[str, Cost | None]) -> dict[str, Any]:
    results = reproduction.results()
    epochs = [
        str(block["epochs"]) for result in reproduction.paper[:1] for block in result.features if "epochs" in block
    ]
    seconds = sum(max(result.seconds["evaluation"], result.seconds.get("training", 0.0)) for result in results)
    seconds += sum(best.seconds for best in reproduction.best)
    return {
        "name": reproduction.title,
        "recipe": reproduction.recipe,
        "figure": figure_text(reproduction.recipe),
        "paper": paper_protocol_score(reproduction),
        "best": best_epoch_score(reproduction),
        "independent": independent_score(reproduction),
        "verdict": verdict(reproduction),
        "reading": reading(reproduction),
        "stamps": reproduction_stamps(reproduction),
        "left": _unaffordable(reproduction, costs),
        "epochs": ", ".join(epochs) or "-",
        "minutes": seconds / 60,
        "provenance": results[0].provenance,
        "commits": list(dict.fromkeys(result.provenance["commit"] for result in results)),
        "command": _command(results[0].provenance),
    }


def _versions(reproductions: Sequence[Reproduction]) -> list[str]:
    """Return the distinct sets of package versions that the results were made with."""
    versions = [result.provenance["versions"] for reproduction in reproductions for result in reproduction.results()]
    texts = (", ".join(f"{name} {version}" for name, version in packages.items()) for packages in versions)
    return list(dict.fromkeys(texts))


def _command(provenance: Mapping[str, Any]) -> str:
    """Return a recorded command as the user types it, whatever script recorded it."""
    return f"fusionser {provenance['command'].partition(' ')[2]}"
