"""The best epoch of a network on the test rows, as several papers report it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from imblearn.pipeline import Pipeline
from pydantic import BeforeValidator
from sklearn.base import clone

from fusionser.evaluation.guard import check_split, with_fingerprints
from fusionser.facts import Record, Share
from fusionser.files import write_text
from fusionser.model import CLASSIFIER, FEATURES, SCALE
from fusionser.names import NETWORK_ALONE
from fusionser.networks import NetworkTraining
from fusionser.pipeline import Resources, analyse_augmented
from fusionser.pipeline.build import build_pipeline, classifier_settings, decided_by
from fusionser.results import BlockSettings, Provenance, deciding, provenance, versions
from fusionser.rows import write_table
from fusionser.spec import PipelineSpec
from fusionser.studies.cells import Cell, curves_path, read_record, with_defaults
from fusionser.studies.differences import by_block, differing

__all__ = ["BestEpoch", "BestEpochCell", "has_epochs", "read_best_epoch"]

ByFold = Annotated[tuple[int, ...], BeforeValidator(lambda value: (value,) if isinstance(value, int) else value)]
"""A number of each fold. Results that were stored while only the first fold was run have a single number."""


class BestEpoch(Record):
    """The accuracy on the test rows at the best epoch of each fold, over the rows of all folds.

    The rows that choose the epoch are those that score it, so this does not estimate performance on new data.
    """

    recipe: str
    seed: int
    accuracy: Share
    epoch: ByFold
    epochs: ByFold
    settings: list[BlockSettings]
    rows_settings: dict[str, Any]
    protocol: dict[str, Any]
    rows: int
    seconds: float
    provenance: Provenance


def read_best_epoch(path: Path) -> BestEpoch | None:
    """Read a stored best epoch; return None if there is none that can be read."""
    return read_record(BestEpoch, path)


def has_epochs(spec: PipelineSpec) -> bool:
    """Return whether the last step of a pipeline is trained in epochs: a network, alone or as the classifier.

    Examples
    --------
    >>> [has_epochs(PipelineSpec(classifier={"name": name})) for name in ("svm", "mlp")]
    [False, True]
    """
    pipeline = build_pipeline(spec)
    alone = decided_by(spec, pipeline[FEATURES]) == NETWORK_ALONE
    return len(pipeline[FEATURES].blocks) == 1 if alone else isinstance(pipeline[CLASSIFIER], NetworkTraining)


@dataclass(frozen=True)
class BestEpochCell(Cell):
    """A network trained on each fold and validated on its test rows; the outcome is its best epoch.

    With a fusion, this is the network that classifies the fused columns. Deep extractors before it choose their epochs
    by validation rows of their own, as in any other evaluation.
    """

    recipe: str = ""

    def stored(self, folder: str | Path) -> BestEpoch | None:  # type: ignore[override]
        """Return the stored best epoch if the same settings and versions produced it."""
        best = read_best_epoch(self.path(folder))
        if best is None or deciding(best.provenance["versions"]) != versions() or self.differing(folder):
            return None
        return best

    def differing(self, folder: str | Path) -> list[str]:
        """Return the settings in which the stored best epoch differs, in words; none if there is none."""
        best, spec = read_best_epoch(self.path(folder)), self.prepared.spec
        if best is None:
            return []
        folds = len(self.split.named_folds(self.prepared.table))
        tables = (
            (
                {"recordings": best.rows, "seed": best.seed, "tested folds": len(best.epoch)},
                {"recordings": len(self.prepared.table), "seed": spec.seed, "tested folds": folds},
            ),
            (best.protocol, self._protocol()),
            (by_block(best.settings), by_block(self.block_settings())),
            (with_defaults(best.rows_settings, spec.classifier.name), self.row_settings()),
        )
        return [text for stored, wanted in tables for text in differing(stored, wanted)]

    def run(self, folder: str | Path, resources: Resources) -> BestEpoch:  # type: ignore[override]
        """Train on every fold, and store the best epochs and the learning curves."""
        prepared = analyse_augmented(self.prepared, self.split, resources=resources)
        pipeline = build_pipeline(
            prepared.spec, extractor=prepared.extractor, unusable=prepared.unusable, resources=resources
        )
        alone = decided_by(prepared.spec, pipeline[FEATURES]) == NETWORK_ALONE
        curves, best, right, tested = [], [], 0.0, 0
        for number, (train, test) in enumerate(self._folds()):
            curve = (_network_curve if alone else _classifier_curve)(pipeline, train, test)
            place = int(curve["validation_accuracy"].argmax())
            best.append(place + 1)
            right += len(test) * float(curve["validation_accuracy"].iloc[place])
            tested += len(test)
            curves.append(curve.assign(fold=number))
        outcome = BestEpoch(
            recipe=self.recipe,
            seed=prepared.spec.seed,
            accuracy=right / tested,
            epoch=tuple(best),
            epochs=tuple(len(curve) for curve in curves),
            settings=self.block_settings(),
            rows_settings=classifier_settings(prepared.spec, pipeline),
            protocol=self._protocol(),
            rows=len(self.prepared.table),
            seconds=round(float(sum(curve["seconds"].sum() for curve in curves)), 2),
            provenance=provenance(networks=True, processes=resources.processes),
        )
        write_table(pd.concat(curves, ignore_index=True), curves_path(folder, self.name))
        write_text(self.path(folder), outcome.model_dump_json(indent=2) + "\n")
        return outcome

    def _protocol(self) -> dict[str, Any]:
        return {"name": self.split.name, **json.loads(json.dumps(self.split.settings()))}

    def _folds(self) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
        """Yield the training and the test rows of each fold, checked like those of an evaluation."""
        rows = with_fingerprints(self.prepared.table)
        for fold, train, test in self.split.named_folds(rows):
            check_split(rows.iloc[train], rows.iloc[test], self.split.allows, fold)
            yield rows.iloc[train].reset_index(drop=True), rows.iloc[test].reset_index(drop=True)


def _network_curve(pipeline: Pipeline, train: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """Return the learning curve of the only block, a network, validated on the test rows."""
    rows, labels = _resampled(pipeline, train)
    ((_, block),) = pipeline[FEATURES].blocks
    return pd.DataFrame(clone(block).fit(rows, labels, validation_rows=(test, _labels(test))).history_)


def _classifier_curve(pipeline: Pipeline, train: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """Return the learning curve of the network that classifies the fused columns, validated on the test rows."""
    rows, labels = _resampled(pipeline, train)
    features, scaler, last = (clone(pipeline[step]) for step in (FEATURES, SCALE, CLASSIFIER))
    columns = scaler.fit_transform(features.fit_transform(rows, labels), labels)
    held = scaler.transform(features.transform(test))
    return pd.DataFrame(last.fit(columns, labels, validation_rows=(held, _labels(test))).history_)


def _resampled(pipeline: Pipeline, train: pd.DataFrame) -> tuple[pd.DataFrame, npt.NDArray[np.object_]]:
    """Return the training rows and their labels after the steps that change rows."""
    labels = _labels(train)
    for name, step in pipeline.steps:
        if name == FEATURES:
            break
        train, labels = clone(step).fit_resample(train, labels)
    return train, labels


def _labels(rows: pd.DataFrame) -> npt.NDArray[np.object_]:
    return rows["emotion"].to_numpy(dtype=object)
