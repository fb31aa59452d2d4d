"""Outcomes of reproductions of published results, and how they are stored."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy import stats

from fusionser.files import write_text
from fusionser.results import Result, deciding
from fusionser.studies.best_epoch import BestEpoch, read_best_epoch
from fusionser.studies.cells import read_record, stored_result, with_defaults
from fusionser.studies.papers import BEST_EPOCH, PaperRecipe

__all__ = [
    "ENOUGH",
    "Reproduction",
    "cell_names",
    "interval_over_seeds",
    "keep_recipe",
    "kept_recipes",
    "stored_reproductions",
]

INDEPENDENT = "speaker-independent"
ENOUGH = 3
"""Seeds needed for an interval; Student's interval of two seeds is too wide to be of use."""


@dataclass(frozen=True)
class Reproduction:
    """The outcome of a recipe.

    Parameters
    ----------
    name : str
    recipe : PaperRecipe
    label : str, default=""
        How the run differs from the recipe: "quick", "epochs-5", "bfloat16", "weights-" and the beginning of their
        hash, "partial", or several of them.
    paper : list of Result
        Results under the paper's protocol, one per seed.
    best : list of BestEpoch
        Best epochs of the same seeds, if computed.
    independent : Result, optional
        Speaker-independent result; None if the paper's protocol is already speaker-independent, or it was not run.
    left_out : int, default=0
        Number of stored evaluations with other settings or versions, which are not used.
    """

    name: str
    recipe: PaperRecipe
    label: str = ""
    paper: list[Result] = field(default_factory=list)
    best: list[BestEpoch] = field(default_factory=list)
    independent: Result | None = None
    left_out: int = 0

    @property
    def title(self) -> str:
        """Name of the recipe, and the label of the run."""
        return f"{self.name}, {self.label}" if self.label else self.name

    @property
    def cut_short(self) -> bool:
        """Whether the run is shorter than the recipe asks for, or uses only a part of a corpus."""
        return any(part in self.label for part in ("quick", "epochs-", "partial"))

    def results(self) -> list[Result]:
        """Return all results, those under the paper's protocol first."""
        return [*self.paper, *([self.independent] if self.independent else [])]

    def accuracies(self) -> list[float]:
        """Return the WAR of each seed under the paper's protocol, in percent."""
        return [100 * result.pooled.war for result in self.paper]

    def best_accuracies(self) -> list[float]:
        """Return the accuracy of the best epoch of each seed, in percent."""
        return [100 * best.accuracy for best in self.best]

    def gains_of_best(self) -> dict[int, float]:
        """Return, by seed, how many points the best epoch is above the result, for the seeds that have both."""
        best = {one.seed: one.accuracy for one in self.best}
        return {
            result.seed: 100 * (best[result.seed] - result.pooled.war) for result in self.paper if result.seed in best
        }

    def reached(self) -> bool | None:
        """Return whether the paper's figure is within or below our 95 % interval over seeds.

        It is Student's interval of the measure that the paper reports. The answer is None with fewer than three seeds,
        without a figure, or if the run is cut short.
        """
        accuracies = self.best_accuracies() if self.recipe.measure == BEST_EPOCH else self.accuracies()
        if self.recipe.figure is None or len(accuracies) < ENOUGH or self.cut_short:
            return None
        return self.recipe.figure <= interval_over_seeds(accuracies)[1]


def interval_over_seeds(values: list[float]) -> tuple[float, float]:
    """Return Student's 95 % interval of a mean.

    Examples
    --------
    >>> [round(end, 3) for end in interval_over_seeds([1.0, 2.0, 3.0])]
    [-0.484, 4.484]
    """
    reach = float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))
    middle = float(np.mean(values))
    return middle - reach, middle + reach


def cell_names(reproduction: Reproduction) -> list[str]:
    """Return the names of the cells of all results, in the order of `Reproduction.results`."""
    seeds: list[int | None] = [result.seed for result in reproduction.paper]
    if reproduction.independent is not None:
        seeds.append(None)
    return [cell_name(reproduction.name, reproduction.label, seed) for seed in seeds]


def cell_name(name: str, label: str, seed: int | None) -> str:
    """Return the name of a cell; without a seed, of the speaker-independent cell.

    Examples
    --------
    >>> cell_name("s4-crnn-emodb", "quick", 0)
    's4-crnn-emodb_quick_paper_seed0'
    """
    return "_".join([name, *([label] if label else []), INDEPENDENT if seed is None else f"paper_seed{seed}"])


def keep_recipe(name: str, recipe: PaperRecipe, folder: str | Path) -> None:
    """Store a recipe that does not come with fusionser with its results."""
    write_text(Path(folder) / "recipes" / f"{name}.json", recipe.model_dump_json(indent=2) + "\n")


def kept_recipes(folder: str | Path) -> dict[str, PaperRecipe]:
    """Return the recipes stored in a folder, by name; those that cannot be read are left out."""
    paths = sorted((Path(folder) / "recipes").glob("*.json"))
    return {path.stem: recipe for path in paths if (recipe := read_record(PaperRecipe, path)) is not None}


def best_epoch_name(cell: str) -> str:
    """Return the name of the cell for the best epoch of another cell."""
    return f"{cell}_best-epoch"


def stored_reproductions(name: str, recipe: PaperRecipe, folder: str | Path) -> list[Reproduction]:
    """Return the stored runs of a recipe, the full one first, whatever machine and version produced them."""
    cells = Path(folder) / "cells"
    # A recipe whose name begins with this one's has cells that look like runs of this one.
    longer = [other for other in kept_recipes(folder) if len(other) > len(name)]
    seeds: dict[str, list[int]] = {}
    for stem in [path.stem for path in cells.glob(f"{name}_*.json")]:
        run = _run_of(stem, name)
        if run and not any(_run_of(stem, other) for other in longer):
            label, seed = run
            seeds.setdefault(label, []).extend([] if seed is None else [seed])
    return [_stored(name, label, recipe, cells, sorted(seeds[label])) for label in sorted(seeds)]


def _run_of(stem: str, name: str) -> tuple[str, int | None] | None:
    """Return the label and the seed in the name of a recipe's cell, or None for another cell."""
    match = re.compile(rf"{re.escape(name)}(?:_([a-z0-9-]+))?_(?:paper_seed(\d+)|{INDEPENDENT})").fullmatch(stem)
    return match and (match[1] or "", int(match[2]) if match[2] else None)


def _stored(name: str, label: str, recipe: PaperRecipe, cells: Path, seeds: list[int]) -> Reproduction:
    names = [cell_name(name, label, seed) for seed in (*seeds, None)]
    paths = {cell: cells / f"{cell}.json" for cell in names}
    stored = {cell: result for cell, path in paths.items() if (result := stored_result(path)) is not None}
    # Results of other settings or versions than those of the newest one do not belong to the same run.
    kinds = {cell: _kind(result, recipe.pipeline.classifier.name) for cell, result in stored.items()}
    newest = max(stored, key=lambda cell: paths[cell].stat().st_mtime_ns, default="")
    alike = {cell: result for cell, result in stored.items() if kinds[cell] == kinds[newest]}
    independent = alike.pop(names[-1], None)
    best = [read_best_epoch(cells / f"{best_epoch_name(cell)}.json") for cell in alike]
    return Reproduction(
        name,
        recipe,
        label,
        paper=list(alike.values()),
        best=[epoch for epoch in best if epoch is not None],
        independent=independent,
        left_out=len(stored) - len(alike) - (independent is not None),
    )


def _kind(result: Result, classifier: str) -> tuple[str, ...]:
    """Return the settings and versions that all results of one run have in common."""
    blocks = [{**block, "random_state": None, "validate_by": None} for block in result.features]
    settings = {**with_defaults(result.classifier_settings, classifier), "random_state": None}
    return str(blocks), str(sorted(settings.items())), str(deciding(result.provenance["versions"]))
