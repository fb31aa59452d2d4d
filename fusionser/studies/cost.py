"""Training time that the reproduction of a published result takes, estimated from a few batches."""

import time
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from sklearn.base import clone

from fusionser.facts import Record
from fusionser.features.extraction import Progress
from fusionser.files import write_text
from fusionser.model import FEATURES
from fusionser.networks import DeepExtractor
from fusionser.pipeline import Resources, build_pipeline
from fusionser.pipeline.resources import LOCAL
from fusionser.results import Provenance, provenance
from fusionser.studies.best_epoch import BestEpochCell
from fusionser.studies.cells import Cell, read_record
from fusionser.studies.papers import PaperRecipe
from fusionser.studies.reproduce import Run, planned

__all__ = ["Cost", "NetworkCost", "measure_cost", "stored_cost"]

BATCHES = 4
EPOCHS = 3
"""Epochs of the measurement; the fastest one counts, since the first also allocates memory and selects kernels."""


class NetworkCost(Record):
    """Training time of one network of a recipe.

    ``seconds`` is for one row in one epoch, ``epochs`` the maximum of a training, and ``rows`` the number of training
    rows in an epoch, summed over all trainings.
    """

    network: str
    seconds: float
    epochs: int
    rows: int


class Cost(Record):
    """Upper bound of the time for all trainings of a recipe, without features and classifiers."""

    recipe: str
    label: str
    trainings: int
    networks: list[NetworkCost]
    provenance: Provenance

    @property
    def hours(self) -> float:
        """Training time in hours if no training stops early."""
        return sum(network.seconds * network.epochs * network.rows for network in self.networks) / 3600


def measure_cost(
    name: str,
    recipe: PaperRecipe,
    places: Mapping[str, Path],
    folder: str | Path,
    run: Run,
    *,
    resources: Resources = LOCAL,
    extraction_progress: Progress | None = None,
) -> Cost:
    """Train the networks of a recipe on a few batches, and store the estimate of the whole run under ``costs/``.

    Parameters
    ----------
    name, recipe, places, folder, run, resources, extraction_progress
        As in `reproduce`.

    Raises
    ------
    SettingsError
        If a corpus is missing, or incomplete and `run.partial` is not set.
    """
    cells, label = planned(name, recipe, places, run, resources=resources, progress=extraction_progress)
    prepared = cells[0].prepared
    pipeline = build_pipeline(prepared.spec, extractor=prepared.extractor, resources=resources)
    networks = [
        _measured(
            block, prepared.table, sum(count for cell in cells for count in _trained_rows(cell, block.validation))
        )
        for _, block in pipeline[FEATURES].blocks
        if isinstance(block, DeepExtractor)
    ]
    trainings = sum(len(_trained_rows(cell, 0.0)) for cell in cells)
    made = provenance(networks=True, processes=resources.processes)
    cost = Cost(recipe=name, label=label, trainings=trainings, networks=networks, provenance=made)
    write_text(_path(folder, name), cost.model_dump_json(indent=2) + "\n")
    return cost


def stored_cost(name: str, folder: str | Path) -> Cost | None:
    """Return the stored cost of a recipe, or None if there is none that can be read."""
    return read_record(Cost, _path(folder, name))


def _path(folder: str | Path, name: str) -> Path:
    return Path(folder) / "costs" / f"{name}.json"


def _trained_rows(cell: Cell, validation: float) -> list[int]:
    """Return the number of training rows of each training of a cell."""
    rows, folds = cell.prepared.spec.rows, cell.split.named_folds(cell.prepared.table)
    if isinstance(cell, BestEpochCell):
        folds, validation = folds[:1], 0.0
    copies = rows.copies if rows.augment else 0
    return [round(len(train) * (1.0 - validation)) * (1 + copies) for _, train, _ in folds]


def _measured(block: DeepExtractor, table: pd.DataFrame, rows: int) -> NetworkCost:
    some = table.sample(min(len(table), BATCHES * block.batch_size), random_state=0).reset_index(drop=True)
    # With a fixed seed, a second measurement would take the network of the first from the cache.
    seed = time.time_ns() % 2**31
    short = clone(block).set_params(epochs=EPOCHS, validation=0.0, random_state=seed)
    short.fit(some, some["emotion"].to_numpy(dtype=object))
    fastest = min(epoch["seconds"] for epoch in short.history_)
    return NetworkCost(network=block.kind, seconds=fastest / len(some), epochs=block.epochs, rows=rows)
