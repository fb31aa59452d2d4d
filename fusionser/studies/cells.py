"""One evaluation of a study: how it is run and stored, and whether a stored result belongs to it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from fusionser.balancing import ImposeImbalance
from fusionser.corpora.labels import renamed_labels
from fusionser.errors import FusionserError, SettingsError
from fusionser.facts import left_out_speakers, read_json
from fusionser.features import FeatureExtractor
from fusionser.features.clip import Computation
from fusionser.features.estimated_gender import EstimatedGender
from fusionser.jobs import evaluate_prepared, plugins_used
from fusionser.model import digests_of
from fusionser.names import BY_FEATURE, DIMENSIONS
from fusionser.pipeline import Prepared, Resources, analyse_augmented, build_estimator, configured_features
from fusionser.pipeline.build import HIDDEN, classifier_settings
from fusionser.registry import CLASSIFIERS
from fusionser.results import BY_INNER_FOLDS, Result, deciding, read_result, versions
from fusionser.rows import write_table
from fusionser.splits import Protocol
from fusionser.studies.differences import by_block, differing

__all__ = ["Cell", "curves_path", "read_record", "stored_result", "with_defaults"]

Stored = TypeVar("Stored", bound=BaseModel)


def curves_path(folder: str | Path, cell: str) -> Path:
    """Return the file for the learning curves of a cell."""
    return Path(folder) / "curves" / f"{cell}.csv"


def stored_result(path: Path) -> Result | None:
    """Read a result; return None if the file is missing, damaged or of an unknown format."""
    try:
        return read_result(path)
    except FusionserError:
        return None


def read_record(kind: type[Stored], path: Path) -> Stored | None:
    """Read a record from its JSON file; return None if there is none that can be read."""
    try:
        return read_json(kind, path.read_bytes())
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
        if self.prepared.spec.task == DIMENSIONS:
            raise SettingsError(
                "studies compare scores of emotions, but the task is 'dimensions'; use 'fusionser evaluate --targets'"
            )
        build_estimator(self.prepared.spec, extractor=self.prepared.extractor)

    def check_imbalance(self) -> None:
        """Raise `SettingsError` if the training rows of a fold have a greater imbalance than that to impose."""
        ratio, table = self.prepared.spec.rows.impose_imbalance, self.prepared.table
        if ratio is not None:
            labels = table["emotion"].to_numpy(dtype=object)
            for _, train, _ in self.split.named_folds(table):
                ImposeImbalance(ratio=ratio).check_labels(labels[train])

    def unknown(self) -> FusionserError | None:
        """Return an error if the rows do not tell the speakers or the genders that this evaluation needs."""
        try:
            list(self.split.named_folds(self.prepared.table))
            for _, block in self.prepared.extractor.blocks:
                if isinstance(block, EstimatedGender):
                    block.check_known(self.prepared.table)
        except FusionserError as error:
            return error
        return None

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
        result.save(self.path(folder))
        return result

    def differing(self, folder: str | Path) -> list[str]:
        """Return the settings in which the stored result differs, in words; none if there is no result."""
        result = stored_result(self.path(folder))
        return [] if result is None else list(self._differing(result))

    def _differing(self, result: Result) -> Iterator[str]:
        spec, protocol = self.prepared.spec, result.protocol
        folds = self.split.named_folds(self.prepared.table)
        rows = len({position for _, train, test in folds for position in (*train, *test)})
        yield from differing({"recordings": result.rows}, {"recordings": rows})
        if not set(result.classes) <= set(self.prepared.table["emotion"]):
            yield "emotions"
        yield from differing({"labels": renamed_labels(result.notes)}, {"labels": renamed_labels(self.prepared.notes)})
        yield from differing(
            {"left-out speakers": list(left_out_speakers(result.notes))},
            {"left-out speakers": list(left_out_speakers(self.prepared.notes))},
        )
        yield from differing(by_block(_filled(result.features)), by_block(self.block_settings()))
        yield from differing(
            {"protocol": protocol.name, "setting": protocol.setting, **_plain(protocol.settings)},
            {"protocol": self.split.name, "setting": spec.setting, **_plain(self.split.settings())},
        )
        yield from differing(with_defaults(result.classifier_settings, spec.classifier.name), self.row_settings())
        tuned = {"seed": result.seed, "tune": protocol.selection == BY_INNER_FOLDS}
        yield from differing(tuned, {"seed": spec.seed, "tune": spec.classifier.tune})

    def _made(self, result: Result) -> bool:
        measured = [key for key in result.importance if self.importance != BY_FEATURE or "__" in key]
        return (
            next(self._differing(result), None) is None
            and self._computed_alike(result)
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


def _filled(stored: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return stored settings of blocks, with defaults for parameters added since, if their blocks are known."""
    try:
        return FeatureExtractor.from_settings(stored).settings()
    except FusionserError:
        return stored


def with_defaults(settings: Mapping[str, Any], classifier: str) -> dict[str, Any]:
    """Return stored settings of a classifier, with defaults for parameters added since."""
    return {**_plain(CLASSIFIERS[classifier]().get_params()), **_plain(settings)}


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in settings.items()
        if name not in HIDDEN
    }
