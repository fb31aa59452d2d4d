"""What it would cost to run a published result again, measured on a few of its clips."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sklearn.base import clone

from fusionser.evaluation import provenance
from fusionser.evaluation.results import Record
from fusionser.experiments.cells import Cell
from fusionser.experiments.papers import PaperRecipe
from fusionser.experiments.reproduce import Run, planned
from fusionser.features import Cache
from fusionser.features.extraction import Progress
from fusionser.files import write_text
from fusionser.model import FEATURES
from fusionser.networks import DeepExtractor

__all__ = ["Cost", "NetworkCost", "measure_cost", "stored_cost"]

BATCHES = 4
EPOCHS = 3
"""Of the measurement; the fastest counts, as the first also takes memory and chooses kernels."""


class NetworkCost(Record):
    """What one network of a recipe takes.

    ``seconds`` for a row in an epoch; ``epochs`` that a training has at most; ``rows`` that are learned from
    in one epoch, added up over all trainings.
    """

    network: str
    seconds: float
    epochs: int
    rows: int


class Cost(Record):
    """What all trainings of a recipe would take at most; features and classifiers are not counted."""

    recipe: str
    label: str
    trainings: int
    networks: list[NetworkCost]
    provenance: dict[str, Any]

    @property
    def hours(self) -> float:
        """Return the hours that the networks would learn, if none is stopped early."""
        return sum(one.seconds * one.epochs * one.rows for one in self.networks) / 3600


def measure_cost(
    name: str,
    recipe: PaperRecipe,
    places: Mapping[str, Path],
    folder: str | Path,
    run: Run,
    *,
    cache: Cache | None = None,
    extraction_progress: Progress | None = None,
) -> Cost:
    """Train the networks of a recipe on a few batches, and keep what all of it would take under ``costs/``.

    Parameters
    ----------
    name, recipe, places, folder, run, cache, extraction_progress
        See `reproduce`.

    Raises
    ------
    SettingsError
        When a corpus is not here, or only in part and `run.partial` is not set.
    """
    tasks, label = planned(name, recipe, places, run, cache=cache, progress=extraction_progress)
    cell = tasks[0][0]
    blocks = [
        block
        for _, block in cell.plan.estimator(cell.prepared.features.extractor, cache=cell.prepared.cache)[
            FEATURES
        ].blocks
        if isinstance(block, DeepExtractor)
    ]
    found = Cost(
        recipe=name,
        label=label,
        trainings=sum(len(_learned_rows(*task, 0.0)) for task in tasks),
        networks=[
            _measured(block, cell, sum(sum(_learned_rows(*task, block.validation)) for task in tasks))
            for block in blocks
        ],
        provenance=provenance(),
    )
    write_text(_path(Path(folder), name), found.model_dump_json(indent=2) + "\n")
    return found


def stored_cost(name: str, folder: str | Path) -> Cost | None:
    """Return what was measured of a recipe, None where nothing can be read."""
    try:
        return Cost.model_validate_json(_path(Path(folder), name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _path(folder: Path, name: str) -> Path:
    return folder / "costs" / f"{name}.json"


def _learned_rows(cell: Cell, by_test: bool, validation: float) -> list[int]:
    """Return how many rows each training of an evaluation learns from."""
    share = 1.0 if by_test else 1.0 - validation
    copies = cell.plan.copies if cell.plan.augment else 0
    folds = cell.split.named_folds(cell.prepared.table)
    return [round(len(train) * share) * (1 + copies) for _, train, _ in (folds[:1] if by_test else folds)]


def _measured(block: DeepExtractor, cell: Cell, rows: int) -> NetworkCost:
    table = cell.prepared.table
    some = table.sample(min(len(table), BATCHES * block.batch_size), random_state=0)
    # A seed of its own, or a second measurement would find the network of the first, and its seconds.
    seed = time.time_ns() % 2**31
    short = clone(block).set_params(epochs=EPOCHS, validation=0.0, random_state=seed)
    short.fit(some.reset_index(drop=True), some["emotion"].to_numpy(dtype=object))
    fastest = min(epoch["seconds"] for epoch in short.history_)
    return NetworkCost(network=block.kind, seconds=fastest / len(some), epochs=block.epochs, rows=rows)
