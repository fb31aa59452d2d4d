"""One evaluation of a study or a recipe, and whether a stored result is of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fusionser.classifiers import CLASSIFIERS
from fusionser.errors import FusionserError
from fusionser.evaluation import Result, deciding, read_result, versions
from fusionser.evaluation.importance import BY_FEATURE
from fusionser.experiments.prepare import Prepared
from fusionser.experiments.run import SELECTED, Plan
from fusionser.features import FeatureExtractor
from fusionser.splits import Protocol

__all__ = ["Cell", "known_result", "with_defaults"]


@dataclass(frozen=True)
class Cell:
    """One evaluation of a study."""

    name: str
    prepared: Prepared
    plan: Plan
    split: Protocol


def known_result(path: Path, cell: Cell) -> Result | None:
    """Return a cell's result where it was made by the same settings and versions."""
    if not path.is_file():
        return None
    try:
        result = read_result(path)
    except FusionserError:
        # Of another version, or damaged: what it holds can be had again.
        return None
    same = (
        result.rows == _rows_used(cell)
        and set(result.classes) <= set(cell.prepared.table["emotion"])
        and _filled(result.features) == cell.plan.features(cell.prepared.features.extractor)
        and result.protocol.name == cell.split.name
        and _plain(result.protocol.settings) == _plain(cell.split.settings())
        and _same_classifier(result, cell)
        and result.seed == cell.plan.seed
        and (result.protocol.selection == SELECTED) == cell.plan.tune
        and deciding(result.provenance["versions"]) == versions()
        and _tells(result, cell.plan.importance)
    )
    return result if same else None


def _tells(result: Result, importance: str | None) -> bool:
    """Return whether a result has the importance that is asked for."""
    names = [name for name in result.importance if importance != BY_FEATURE or "__" in name]
    return importance is None or bool(names)


def _filled(stored: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """Return settings of blocks with later parameters at their defaults."""
    try:
        return FeatureExtractor.from_settings(stored).settings()
    except FusionserError:
        return None


def with_defaults(settings: Mapping[str, Any], classifier: str) -> dict[str, Any]:
    """Return settings of a classifier with every parameter that has come since they were stored, at its default."""
    return {**_plain(CLASSIFIERS[classifier]().get_params()), **_plain(settings)}


def _same_classifier(result: Result, cell: Cell) -> bool:
    wanted = cell.plan.settings(cell.plan.estimator(cell.prepared.features.extractor))
    own = cell.plan.classifier
    return with_defaults(result.classifier_settings, own) == with_defaults(wanted, own)


def _rows_used(cell: Cell) -> int:
    folds = cell.split.named_folds(cell.prepared.table)
    return len({position for _, train, test in folds for side in (train, test) for position in side.tolist()})


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()}
