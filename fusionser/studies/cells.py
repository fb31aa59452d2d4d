"""One evaluation of a study: how it is run and stored, and whether a stored result belongs to it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
from pydantic import BaseModel
from sklearn.base import clone

from fusionser.corpora.labels import renamed_labels
from fusionser.errors import FusionserError
from fusionser.evaluation.guard import check_split, with_fingerprints
from fusionser.facts import Record
from fusionser.features import FeatureExtractor
from fusionser.features.clip import Computation
from fusionser.files import write_text
from fusionser.jobs import evaluate_prepared, plugins_used
from fusionser.model import FEATURES, digests_of
from fusionser.names import BY_FEATURE
from fusionser.pipeline import Prepared, Resources, analyse_augmented, build_estimator, configured_features
from fusionser.pipeline.build import build_pipeline, classifier_settings
from fusionser.registry import CLASSIFIERS
from fusionser.results import BY_INNER_FOLDS, BlockSettings, Result, deciding, provenance, read_result, versions
from fusionser.rows import write_table
from fusionser.splits import Protocol

__all__ = ["BestEpoch", "BestEpochCell", "Cell", "curves_path", "read_best_epoch", "stored_result", "with_defaults"]

Model = TypeVar("Model", bound=BaseModel)


def curves_path(folder: str | Path, cell: str) -> Path:
    """Return the file for the learning curves of a cell."""
    return Path(folder) / "curves" / f"{cell}.csv"


def stored_result(path: Path) -> Result | None:
    """Read a result; return None if the file is missing, damaged or of an unknown format."""
    try:
        return read_result(path)
    except FusionserError:
        return None


def read_record(kind: type[Model], path: Path) -> Model | None:
    """Read a record from its JSON file; return None if there is none that can be read."""
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


FIRST_REVISION = 4
"""Revision that all blocks had when results did not yet store digests."""


@dataclass(frozen=True)
class Cell:
    """One evaluation: prepared rows with their specification, a split, and the kind of importance to estimate."""

    name: str
    prepared: Prepared
    split: Protocol
    importance: str | None = None

    def path(self, folder: str | Path) -> Path:
        """Return the file for the outcome."""
        return Path(folder) / "cells" / f"{self.name}.json"

    def check(self) -> None:
        """Build the estimator, so that a wrong setting is reported before any long computation."""
        build_estimator(self.prepared.spec, extractor=self.prepared.extractor)

    def stored(self, folder: str | Path) -> Result | None:
        """Return the stored result if the same settings and versions produced it."""
        result = stored_result(self.path(folder))
        return result if result is not None and self._made(result) else None

    def run(self, folder: str | Path, resources: Resources) -> Result:
        """Evaluate, and store the result and the learning curves."""
        prepared = analyse_augmented(self.prepared, self.split, resources=resources)
        result, evaluation = evaluate_prepared(prepared, self.split, importance=self.importance, resources=resources)
        if len(evaluation.curves):
            write_table(evaluation.curves, curves_path(folder, self.name))
        result = without_folders(result)
        result.save(self.path(folder))
        return result

    def _made(self, result: Result) -> bool:
        spec = self.prepared.spec
        folds = self.split.named_folds(self.prepared.table)
        measured = [key for key in result.importance if self.importance != BY_FEATURE or "__" in key]
        return (
            result.rows == len({position for _, train, test in folds for position in (*train, *test)})
            and set(result.classes) <= set(self.prepared.table["emotion"])
            and renamed_labels(result.notes) == renamed_labels(self.prepared.notes)
            and _filled(result.features) == self.block_settings()
            and self._computed_alike(result)
            and (result.protocol.name, result.protocol.setting) == (self.split.name, spec.setting)
            and _plain(result.protocol.settings) == _plain(self.split.settings())
            and with_defaults(result.classifier_settings, spec.classifier.name) == self.row_settings()
            and result.seed == spec.seed
            and (result.protocol.selection == BY_INNER_FOLDS) == spec.classifier.tune
            and deciding(result.provenance["versions"]) == versions()
            and result.provenance.get("plugins", {}) == plugins_used(self.prepared, self.split, self.block_settings())
            and (self.importance is None or len(measured) > 0)
        )

    def _computed_alike(self, result: Result) -> bool:
        """Return whether the columns of a stored result are computed in the same way today."""
        extractor = configured_features(self.prepared.spec, self.prepared.extractor)
        if result.digests:
            return result.digests == digests_of(extractor)
        # Results that were stored before digests were have the first revision of each block.
        return all(block.revision == FIRST_REVISION for _, block in extractor.blocks if isinstance(block, Computation))

    def block_settings(self) -> list[dict[str, Any]]:
        """Return the settings of the blocks in use."""
        return configured_features(self.prepared.spec, self.prepared.extractor).settings()

    def row_settings(self) -> dict[str, Any]:
        """Return the settings of the classifier, and of the steps that change rows and columns."""
        spec = self.prepared.spec
        settings = classifier_settings(spec, build_estimator(spec, extractor=self.prepared.extractor))
        return with_defaults(settings, spec.classifier.name)


def without_folders(result: Result) -> Result:
    """Name quarantined recordings without their folders, which belong to one machine and not to a shared result."""
    quarantine = []
    for entry in result.quarantine:
        name = Path(entry["file"]).name
        quarantine.append({"file": name, "reason": entry["reason"].replace(entry["file"], name)})
    return result.model_copy(update={"quarantine": quarantine})


def _filled(stored: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """Return stored settings of blocks, with defaults for parameters added since."""
    try:
        return FeatureExtractor.from_settings(stored).settings()
    except FusionserError:
        return None


def with_defaults(settings: Mapping[str, Any], classifier: str) -> dict[str, Any]:
    """Return stored settings of a classifier, with defaults for parameters added since."""
    return {**_plain(CLASSIFIERS[classifier]().get_params()), **_plain(settings)}


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in settings.items()
        if name not in ("device", "n_jobs", "cache")
    }


class BestEpoch(Record):
    """The highest accuracy of any epoch on the test rows, as several papers report it.

    The rows that choose the epoch are those that score it, so this does not estimate performance on new data.
    """

    recipe: str
    seed: int
    accuracy: float
    epoch: int
    epochs: int
    settings: list[BlockSettings]
    rows_settings: dict[str, Any]
    protocol: dict[str, Any]
    rows: int
    seconds: float
    provenance: dict[str, Any]


def read_best_epoch(path: Path) -> BestEpoch | None:
    """Read a stored best epoch; return None if there is none that can be read."""
    return read_record(BestEpoch, path)


@dataclass(frozen=True)
class BestEpochCell(Cell):
    """A network trained on the first fold and validated on its test rows; the outcome is its best epoch."""

    recipe: str = ""

    def stored(self, folder: str | Path) -> BestEpoch | None:  # type: ignore[override]
        """Return the stored best epoch if the same settings and versions produced it."""
        best, spec = read_best_epoch(self.path(folder)), self.prepared.spec
        same = best is not None and (
            (best.rows, best.seed, best.protocol) == (len(self.prepared.table), spec.seed, self._protocol())
            and best.settings == self.block_settings()
            and with_defaults(best.rows_settings, spec.classifier.name) == self.row_settings()
            and deciding(best.provenance["versions"]) == versions()
        )
        return best if same else None

    def run(self, folder: str | Path, resources: Resources) -> BestEpoch:  # type: ignore[override]
        """Train, and store the best epoch and the learning curve."""
        prepared = analyse_augmented(self.prepared, self.split, resources=resources)
        train, test = _first_fold(prepared.table, self.split)
        pipeline = build_pipeline(
            prepared.spec, extractor=prepared.extractor, unusable=prepared.unusable, resources=resources
        )
        labels = train["emotion"].to_numpy(dtype=object)
        for name, step in pipeline.steps:
            if name == FEATURES:
                break
            train, labels = clone(step).fit_resample(train, labels)
        ((_, block),) = pipeline[FEATURES].blocks
        validation_rows = (test, test["emotion"].to_numpy(dtype=object))
        curve = pd.DataFrame(clone(block).fit(train, labels, validation_rows=validation_rows).history_)
        place = int(curve["validation_accuracy"].argmax())
        best = BestEpoch(
            recipe=self.recipe,
            seed=prepared.spec.seed,
            accuracy=float(curve["validation_accuracy"].iloc[place]),
            epoch=place + 1,
            epochs=len(curve),
            settings=self.block_settings(),
            rows_settings=classifier_settings(prepared.spec, pipeline),
            protocol=self._protocol(),
            rows=len(self.prepared.table),
            seconds=round(float(curve["seconds"].sum()), 2),
            provenance=provenance(),
        )
        write_table(curve, curves_path(folder, self.name))
        write_text(self.path(folder), best.model_dump_json(indent=2) + "\n")
        return best

    def _protocol(self) -> dict[str, Any]:
        return {"name": self.split.name, **json.loads(json.dumps(self.split.settings()))}


def _first_fold(table: pd.DataFrame, split: Protocol) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows = with_fingerprints(table)
    fold, train, test = split.named_folds(rows)[0]
    check_split(rows.iloc[train], rows.iloc[test], split.allows, fold)
    return rows.iloc[train].reset_index(drop=True), rows.iloc[test].reset_index(drop=True)
