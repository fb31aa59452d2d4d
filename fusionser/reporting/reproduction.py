"""The table of published results and ours."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fusionser.facts import Stamp
from fusionser.files import write_text
from fusionser.reporting.page import render, score_interval
from fusionser.reporting.words import stamp_texts
from fusionser.results import Result
from fusionser.studies.cost import Cost
from fusionser.studies.papers import BEST_EPOCH, PaperRecipe
from fusionser.studies.reproduction import ENOUGH, Reproduction, interval_over_seeds

FEW_ROWS = 50
"""Test rows under which a page says how much one of them weighs."""

__all__ = [
    "best_epoch_score",
    "cost_text",
    "figure_text",
    "independent_score",
    "paper_protocol_score",
    "reproduction_stamps",
    "write_reproduction",
]


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
    """Return our best epoch on the test rows, where that is what the paper reports, or was looked for."""
    wanted = reproduction.recipe.measure == BEST_EPOCH or reproduction.best
    return _over_seeds(reproduction.best_accuracies()) if wanted else "not what it reports"


def independent_score(reproduction: Reproduction) -> str:
    """Return our accuracy by speaker, with its interval over speakers."""
    if reproduction.recipe.speaker_independent is None:
        return "the paper's protocol is"
    return _by_speaker(reproduction.independent)


def _by_speaker(result: Result | None) -> str:
    return "-" if result is None else f"{100 * result.pooled.war:.1f} ({score_interval(result, 'war')})"


LEAKS = ("shared-speakers", "shared-sources", "shared-audio", "shared-statements", "gender-given", "gender-estimated")


def reproduction_stamps(reproduction: Reproduction) -> list[str]:
    """Return what a reader must know of the runs: what leaks, what is partial, quick or cut short."""
    notes = [note for result in reproduction.results() for note in result.notes]
    leaks = [stamp for result in reproduction.paper for stamp in result.protocol.stamps if stamp.kind in LEAKS]
    older = [Stamp(kind="left-out", value=reproduction.left_out)] if reproduction.left_out else []
    return stamp_texts([*notes, *leaks, *older])


def reading(reproduction: Reproduction) -> list[str]:
    """Say what the numbers of a row show, sentence by sentence; nothing that they do not."""
    accuracies = (
        reproduction.best_accuracies() if reproduction.recipe.measure == BEST_EPOCH else reproduction.accuracies()
    )
    sentences = []
    if reproduction.reached() is not None:
        figure, mean = float(reproduction.recipe.figure or 0), float(np.mean(accuracies))
        low, high = interval_over_seeds(accuracies)
        side = "above" if figure > mean else "below"
        sentences.append(
            f"The paper's figure is {verdict(reproduction)}: it lies {abs(figure - mean):.1f} points {side} our mean "
            f"({mean:.1f}, 95 % interval {low:.1f} to {high:.1f}), by the measure that the paper reports."
        )
    if reproduction.best and reproduction.paper:
        gain = float(np.mean(reproduction.best_accuracies()) - np.mean(reproduction.accuracies()))
        sentences.append(f"To choose the epoch by the test rows adds {gain:.1f} points.")
    if reproduction.paper and reproduction.independent is not None:
        loss = float(np.mean(reproduction.accuracies())) - 100 * reproduction.independent.pooled.war
        sentences.append(f"By speaker the accuracy is {abs(loss):.1f} points {'lower' if loss >= 0 else 'higher'}.")
    tested = [sum(fold.test_rows for fold in result.folds) for result in reproduction.paper]
    if tested and min(tested) < FEW_ROWS:
        sentences.append(f"A test set of {min(tested)} recordings moves by {100 / min(tested):.1f} points with each.")
    return sentences


def figure_text(recipe: PaperRecipe) -> str:
    """Return the paper's figure as it prints it."""
    return "none" if recipe.figure is None else f"{recipe.figure:g}"


def verdict(reproduction: Reproduction) -> str:
    """Say whether the paper's figure was reached."""
    reached = reproduction.reached()
    if reached is None:
        if reproduction.recipe.figure is None:
            return "no figure"
        return "not a full run" if reproduction.cut_short else "too few seeds"
    return "reached" if reached else "not reached"


def cost_text(cost: Cost) -> str:
    """Say what a recipe would take at most, and what of it was measured."""
    if not cost.networks:
        return "no network to train"
    each = "; ".join(
        f"{network.network} {1000 * network.seconds:.1f} ms a row and epoch, up to {network.epochs} epochs"
        for network in cost.networks
    )
    threads = cost.provenance.get("threads")
    return (
        f"{cost.hours:.1f} hours at most, {cost.trainings} training{'' if cost.trainings == 1 else 's'} of each "
        f"network ({each}{f'; {threads} thread(s)' if threads else ''}{f'; {cost.label}' if cost.label else ''})"
    )


def _unaffordable(reproduction: Reproduction, costs: Mapping[str, Cost | None]) -> str:
    """Say what the whole of a recipe would take where a part of it was run; "" where all was, or nothing is known."""
    cost = costs.get(reproduction.name)
    wanted = reproduction.recipe.speaker_independent is not None and reproduction.independent is None
    if (
        cost is None
        or cost.label != reproduction.label
        or (len(reproduction.paper) >= reproduction.recipe.seeds and not wanted)
    ):
        return ""
    left = " and by speaker" if wanted else ""
    return (
        f"Run for {len(reproduction.paper)} of {reproduction.recipe.seeds} seeds; the rest{left} was not afforded: "
        f"the whole would take {cost_text(cost)}, as `{_command(cost.provenance['command'])}` measured."
    )


def write_reproduction(
    reproductions: Sequence[Reproduction],
    missing: Mapping[str, str],
    costs: Mapping[str, Cost | None],
    folder: str | Path,
) -> Path:
    """Write ``report.md``: one row a recipe that was run, and those that were not, with what they lack or cost.

    Parameters
    ----------
    found : sequence of Reproduction
    missing : mapping of str to str
        Names of the recipes that were not run, and what there is of the corpora that are not whole here.
    costs : mapping of str to Cost or None
    folder : str or Path
    """
    lacking = [name for name, short in missing.items() if short and costs.get(name) is None]
    page = render(
        "reproduction.md.j2",
        rows=[
            {
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
                "epochs": _epochs(reproduction),
                "minutes": _minutes(reproduction),
                "provenance": reproduction.results()[0].provenance,
                "commits": list(dict.fromkeys(result.provenance["commit"] for result in reproduction.results())),
                "command": _command(reproduction.results()[0].provenance["command"]),
            }
            for reproduction in reproductions
        ],
        versions=_versions(reproductions),
        missing=[name for name, short in missing.items() if costs.get(name) is None and not short],
        short=[
            (", ".join(name for name in lacking if missing[name] == found_here), found_here)
            for found_here in dict.fromkeys(missing[name] for name in lacking)
        ],
        costs=[
            {"name": name, "text": cost_text(cost), "command": _command(cost.provenance["command"])}
            for name in missing
            if (cost := costs.get(name)) is not None
        ],
    )
    return write_text(Path(folder) / "report.md", page)


def _versions(reproductions: Sequence[Reproduction]) -> list[str]:
    """Return the versions that results were made with, each set of them once."""
    versions = [result.provenance["versions"] for reproduction in reproductions for result in reproduction.results()]
    return list(
        dict.fromkeys(", ".join(f"{name} {version}" for name, version in packages.items()) for packages in versions)
    )


def _command(recorded: str) -> str:
    """Return a recorded command as it is typed, whatever script it was started through."""
    return f"fusionser {recorded.partition(' ')[2]}"


def _epochs(reproduction: Reproduction) -> str:
    """Return the most epochs that the networks may have."""
    blocks = [block for result in reproduction.paper[:1] for block in result.features if "epochs" in block]
    return ", ".join(str(block["epochs"]) for block in blocks) or "-"


def _minutes(reproduction: Reproduction) -> float:
    seconds = sum(
        max(result.seconds["evaluation"], result.seconds.get("training", 0.0)) for result in reproduction.results()
    )
    seconds += sum(best.seconds for best in reproduction.best)
    return seconds / 60
