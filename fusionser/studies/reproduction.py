"""What came of a published result that was run again, and what is kept of it."""

import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy import stats

from fusionser.errors import FusionserError
from fusionser.files import write_text
from fusionser.results import Result, deciding, read_result
from fusionser.studies.cells import BestEpoch, read_best_epoch, with_defaults
from fusionser.studies.papers import BEST_EPOCH, PaperRecipe

__all__ = ["Reproduction", "interval_over_seeds", "keep_recipe", "kept_recipes", "stored_reproductions"]

INDEPENDENT = "speaker-independent"
LABEL = r"(?:_(?P<label>[a-z0-9-]+))?"
ENOUGH = 3
"""Seeds; Student's interval of two is so wide that it holds anything."""


@dataclass(frozen=True)
class Reproduction:
    """What came of a recipe.

    Parameters
    ----------
    name : str
    recipe : PaperRecipe
    label : str, default=""
        What sets the run apart from the recipe's own: "quick", "epochs-5", "bfloat16", "weights-" and the beginning of
        their hash, "partial", or several of them.
    left_out : int, default=0
        Number of stored evaluations that were made by other settings or versions.
    paper : list of Result
        Under the paper's protocol, one a seed.
    best : list of BestEpoch
        Beside them, where that is what the paper reports.
    independent : Result, optional
        By speaker; None where the paper's protocol is so, or it was not run.
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
        """The recipe's name, and what sets the run apart."""
        return f"{self.name}, {self.label}" if self.label else self.name

    @property
    def cut_short(self) -> bool:
        """Whether the run is a part of what the recipe asks for."""
        return any(part in self.label for part in ("quick", "epochs-", "partial"))

    def results(self) -> list[Result]:
        """Return every evaluation, the paper's protocol first."""
        return [*self.paper, *([] if self.independent is None else [self.independent])]

    def accuracies(self) -> list[float]:
        """Return the WAR of each seed under the paper's protocol, in percent."""
        return [100 * result.pooled.war for result in self.paper]

    def best_accuracies(self) -> list[float]:
        """Return the best epoch's accuracy of each seed, in percent."""
        return [100 * best.accuracy for best in self.best]

    def reached(self) -> bool | None:
        """Tell whether the paper's figure lies within or below our 95 % interval over seeds.

        The interval is Student's, of the measure that the paper reports; None with fewer than three seeds, without a
        figure, or where the run is a part of the recipe's.
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


def cell_name(name: str, label: str, seed: int | None) -> str:
    """Return the name that an evaluation is kept under; without a seed it is the one by speaker.

    Examples
    --------
    >>> cell_name("s4-crnn-emodb", "quick", 0)
    's4-crnn-emodb_quick_paper_seed0'
    """
    return "_".join([name, *([label] if label else []), INDEPENDENT if seed is None else f"paper_seed{seed}"])


def keep_recipe(name: str, recipe: PaperRecipe, folder: str | Path) -> None:
    """Keep a recipe that is not fusionser's own beside what comes of it."""
    write_text(Path(folder) / "recipes" / f"{name}.json", recipe.model_dump_json(indent=2) + "\n")


def kept_recipes(folder: str | Path) -> dict[str, PaperRecipe]:
    """Return the recipes that are kept in a folder, by name; what cannot be read is left out."""
    recipes = {}
    for path in sorted((Path(folder) / "recipes").glob("*.json")):
        with suppress(OSError, ValueError):
            recipes[path.stem] = PaperRecipe.model_validate_json(path.read_text(encoding="utf-8"))
    return recipes


def best_epoch_name(cell: str) -> str:
    """Return the name that the best epoch of an evaluation is kept under."""
    return f"{cell}_best-epoch"


def _kept(path: Path) -> Result | None:
    try:
        return read_result(path)
    except FusionserError:
        return None


def stored_reproductions(name: str, recipe: PaperRecipe, folder: str | Path) -> list[Reproduction]:
    """Return what is kept of a recipe's runs, the full one first, whatever machine and version made them."""
    cells = Path(folder) / "cells"
    pattern = re.compile(rf"{re.escape(name)}{LABEL}_(?:paper_seed(?P<seed>\d+)|{INDEPENDENT})")
    fitting = [match for path in cells.glob(f"{name}_*.json") if (match := pattern.fullmatch(path.stem))]
    labels = sorted({match["label"] or "" for match in fitting})
    return [
        _stored(name, label, recipe, cells, [run for run in fitting if (run["label"] or "") == label])
        for label in labels
    ]


def _stored(name: str, label: str, recipe: PaperRecipe, cells: Path, fitting: list[re.Match[str]]) -> Reproduction:
    seeds = sorted(int(run["seed"]) for run in fitting if run["seed"])
    paths = {seed: cells / f"{cell_name(name, label, seed)}.json" for seed in seeds}
    independent = cells / f"{cell_name(name, label, None)}.json"
    kept = {path: result for path in [*paths.values(), independent] if (result := _kept(path)) is not None}
    # Those of one kind belong together: the kind of what was written last.
    newest = max(kept, key=lambda path: path.stat().st_mtime_ns, default=None)
    kinds = {path: _kind(result, recipe.pipeline.classifier.name) for path, result in kept.items()}
    alike = {path: result for path, result in kept.items() if newest is not None and kinds[path] == kinds[newest]}
    best = [read_best_epoch(cells / f"{best_epoch_name(path.stem)}.json") for path in paths.values() if path in alike]
    return Reproduction(
        name,
        recipe,
        label,
        paper=[alike[path] for path in paths.values() if path in alike],
        best=[epoch for epoch in best if epoch is not None],
        independent=alike.get(independent),
        left_out=len(kept) - len(alike),
    )


def _kind(result: Result, classifier: str) -> tuple[str, ...]:
    """Return what seeds of one run have in common, by speaker and under the paper's protocol alike."""
    blocks = [{**block, "random_state": None, "validate_by": None} for block in result.features]
    settings = {**with_defaults(result.classifier_settings, classifier), "random_state": None}
    return str(blocks), str(sorted(settings.items())), str(deciding(result.provenance["versions"]))
