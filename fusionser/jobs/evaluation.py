"""The evaluation of prepared rows, and the result that is stored of it."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from fusionser.dimension_results import DimensionResult
from fusionser.errors import FusionserError, SettingsError
from fusionser.evaluation import evaluate as evaluate_estimator
from fusionser.evaluation.dimensions import DimensionEvaluation, evaluate_dimensions
from fusionser.evaluation.evaluate import Evaluation
from fusionser.evaluation.fold_jobs import FoldProgress
from fusionser.evaluation.guard import ColumnSummary, check_columns_not_scaled
from fusionser.execution import current_executor
from fusionser.facts import Stamp
from fusionser.model import digests_of
from fusionser.names import DIMENSIONS
from fusionser.pipeline import (
    Prepared,
    Resources,
    build_estimator,
    classifier_settings,
    configured_features,
)
from fusionser.pipeline.build import decided_by, registry_of
from fusionser.pipeline.estimator import search_packages
from fusionser.pipeline.resources import LOCAL
from fusionser.pipeline.soft_labels import majority_notes
from fusionser.pipeline.streamed import Streamed, feature_parts
from fusionser.pipeline.streamed_pipeline import StreamedPipeline
from fusionser.registry import AUGMENTATIONS, CORPORA, PROTOCOLS, Named, named_in_blocks, plugins_among
from fusionser.results import BY_INNER_FOLDS, FIXED, Result, provenance, public_quarantine
from fusionser.spec import PipelineSpec
from fusionser.splits import Protocol

__all__ = [
    "check_importance",
    "estimator_of",
    "evaluate_dimensions_prepared",
    "evaluate_prepared",
    "majority_of",
    "parameter_errors",
    "plugins_used",
]

DIMENSION_SCORES = (
    "rows", "speaker_count", "protocol", "pooled", "intervals", "naive_mse", "folds", "speakers", "genders",
)  # fmt: skip

SCORES = (
    "rows", "speaker_count", "classes", "protocol", "pooled", "intervals", "calibration_error", "per_class", "folds",
    "speakers", "genders", "importance",
)  # fmt: skip
"""Fields that a result takes from an evaluation unchanged, of numbers and of classes."""


def estimator_of(prepared: Prepared, resources: Resources) -> Any:
    """Return the unfitted pipeline of prepared rows."""
    built = build_estimator(
        prepared.spec, extractor=prepared.extractor, unusable=prepared.unusable, resources=resources
    )
    return StreamedPipeline(prepared.dataset, built) if isinstance(prepared, Streamed) else built


def evaluate_prepared(
    prepared: Prepared,
    split: Protocol,
    *,
    importance: str | None = None,
    resources: Resources = LOCAL,
    progress: FoldProgress | None = None,
) -> tuple[Result, Evaluation]:
    """Evaluate the pipeline of prepared rows; return the result, and the evaluation with the predictions."""
    began = time.perf_counter()
    spec = prepared.spec
    estimator = estimator_of(prepared, resources)
    if isinstance(prepared, Streamed):
        _check_streamed(prepared, importance)
    with parameter_errors(spec):
        evaluation = evaluate_estimator(
            prepared.table,
            estimator,
            split,
            selection=BY_INNER_FOLDS if spec.classifier.tune else FIXED,
            seed=spec.seed,
            importance=importance,
            progress=progress,
        )
    result = Result(
        **{name: getattr(evaluation, name) for name in SCORES},
        **_described(prepared, split, estimator, evaluation, resources, n_outputs=len(evaluation.classes)),
        confusion=evaluation.confusion.tolist(),
        speaker_confusions={name: matrix.tolist() for name, matrix in evaluation.speaker_confusions.items()},
        seconds=_seconds(prepared, evaluation, time.perf_counter() - began),
    )
    return result, evaluation


def evaluate_dimensions_prepared(
    prepared: Prepared, split: Protocol, *, resources: Resources = LOCAL, progress: FoldProgress | None = None
) -> tuple[DimensionResult, DimensionEvaluation]:
    """Evaluate a pipeline of numbers; return the result, and the evaluation with the predictions."""
    began = time.perf_counter()
    spec = prepared.spec
    estimator = estimator_of(prepared, resources)
    with parameter_errors(spec):
        evaluation = evaluate_dimensions(
            prepared.table,
            estimator,
            split,
            spec.targets,
            selection=BY_INNER_FOLDS if spec.classifier.tune else FIXED,
            seed=spec.seed,
            progress=progress,
        )
    result = DimensionResult(
        targets=spec.targets,
        **{name: getattr(evaluation, name) for name in DIMENSION_SCORES},
        **_described(prepared, split, estimator, evaluation, resources, n_outputs=len(spec.targets)),
        seconds=_seconds(prepared, evaluation, time.perf_counter() - began),
    )
    return result, evaluation


def check_importance(spec: PipelineSpec, importance: str | None) -> None:
    """Raise `SettingsError` if importance is asked for where numbers are predicted: it is a loss of UAR."""
    if importance is not None and spec.task == DIMENSIONS:
        raise SettingsError("--importance measures the loss of UAR, so it needs classes; leave it out with --targets")


def _check_streamed(prepared: Streamed, importance: str | None) -> None:
    """Raise an error for what an evaluation that reads rows in batches cannot do, and for features that were scaled."""
    if importance is not None:
        raise SettingsError(
            "--importance shuffles columns of all test rows at once, but --stream reads the rows in batches; leave one "
            "of them out"
        )
    moments, ranges = StandardScaler(), MinMaxScaler()
    for values in feature_parts(prepared.dataset, prepared.extractor, prepared.table, "checking the features"):
        for summary in (moments, ranges):
            summary.partial_fit(values.astype(np.float64))
    std, low, high = np.sqrt(moments.var_), ranges.data_min_, ranges.data_max_
    check_columns_not_scaled(ColumnSummary(len(prepared.table), moments.mean_, std, low, high))


def _described(
    prepared: Prepared,
    split: Protocol,
    estimator: Any,
    evaluation: Evaluation | DimensionEvaluation,
    resources: Resources,
    n_outputs: int,
) -> dict[str, Any]:
    """Return the fields of a result that say what was evaluated, and on what."""
    spec, features = prepared.spec, configured_features(prepared.spec, prepared.extractor)
    settings = features.settings()
    weights = [
        Stamp(kind="initial-weights", value={"network": block["kind"], "weights": block["weights"]})
        for block in settings
        if "weights" in block
    ]
    plugins = plugins_used(prepared, split, settings)
    return {
        "corpora": prepared.corpora,
        "spec": spec.public(),
        "features": settings,
        "features_name": spec.features_name,
        "feature_count": features.column_count(n_outputs),
        "digests": digests_of(features),
        "classifier": decided_by(spec, prepared.extractor),
        "classifier_settings": classifier_settings(spec, estimator),
        "quarantine": public_quarantine(prepared.quarantine),
        "notes": (*prepared.notes, *weights, *majority_of(prepared)),
        "seed": spec.seed,
        "provenance": {
            **provenance(
                networks=len(evaluation.curves) > 0,
                processes=resources.processes,
                # Workers have one core each.
                threads=None if current_executor() is None else 1,
                others=search_packages(spec),
            ),
            **({"plugins": plugins} if plugins else {}),
        },
    }


@contextmanager
def parameter_errors(spec: PipelineSpec) -> Iterator[None]:
    """Turn an exception of a classifier with given parameters into a `SettingsError` that names them."""
    try:
        yield
    except FusionserError:
        raise
    except (ValueError, TypeError) as error:
        if not spec.classifier.parameters:
            raise
        given = ", ".join(f"{name}={value!r}" for name, value in spec.classifier.parameters.items())
        raise SettingsError(f"{spec.classifier.name} cannot be fitted with {given}: {error}") from error


def plugins_used(prepared: Prepared, split: Protocol, blocks: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the package of every name in an evaluation that comes from a plugin."""
    spec = prepared.spec
    named: list[Named] = [
        *named_in_blocks(blocks),
        ("classifier", spec.classifier.name, (registry_of(spec),)),
        ("protocol", split.name, (PROTOCOLS,)),
        *(("augmentation", name, (AUGMENTATIONS,)) for name in spec.rows.augment),
        *(("corpus", name, (CORPORA,)) for name in prepared.corpora),
    ]
    return plugins_among(named)


def _seconds(prepared: Prepared, evaluation: Evaluation | DimensionEvaluation, spent: float) -> dict[str, float]:
    seconds = {"features": prepared.seconds, "evaluation": round(spent, 2)}
    if len(evaluation.curves):
        # This counts networks taken from the cache too.
        seconds["training"] = round(float(evaluation.curves["seconds"].sum()), 2)
    return seconds


def majority_of(prepared: Prepared) -> list[Stamp]:
    """Return a note if networks train by votes, and the classifier of their columns by the emotion with most votes."""
    return majority_notes(decided_by(prepared.spec, prepared.extractor)) if prepared.spec.soft_labels else []
