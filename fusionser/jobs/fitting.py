"""The fit of prepared rows, and the card of the model."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from imblearn.pipeline import Pipeline

from fusionser.dimension_results import DimensionResult
from fusionser.errors import SettingsError
from fusionser.evaluation import check_labels
from fusionser.evaluation.calibration import calibration_error
from fusionser.evaluation.dimensions import check_targets
from fusionser.evaluation.evaluate import Evaluation
from fusionser.evaluation.fold_jobs import FoldProgress
from fusionser.evaluation.soft_labels import vote_stamps
from fusionser.execution import current_executor
from fusionser.facts import Stamp
from fusionser.jobs.evaluation import (
    estimator_of,
    evaluate_dimensions_prepared,
    evaluate_prepared,
    majority_of,
    parameter_errors,
)
from fusionser.likeness import SAMPLED, fit_unlikeness
from fusionser.model import CLASSIFIER, FEATURES, SCALE, Model, ModelCard, digests_of
from fusionser.names import DIMENSIONS, NO_SPEECH, UNSURE
from fusionser.networks.soft_labels import shares_of
from fusionser.pipeline import (
    Prepared,
    Resources,
    classifier_settings,
)
from fusionser.pipeline.estimator import search_packages
from fusionser.pipeline.features import card_of
from fusionser.pipeline.resources import LOCAL
from fusionser.pipeline.streamed import Streamed
from fusionser.results import Result, today, versions
from fusionser.rows import each_once
from fusionser.spec import PipelineSpec
from fusionser.splits import Protocol
from fusionser.temperature import fit_temperature, tempered_by_others

__all__ = ["fit_prepared"]

PRIVATE: dict[str, Any] = {"quarantine": [], "speaker_confusions": {}, "genders": {}, "seconds": {}}
"""Fields of an estimate that a saved model leaves out: paths on this machine, results of single speakers, and times."""

Kind = TypeVar("Kind", Result, DimensionResult)


def fit_prepared(
    prepared: Prepared,
    *,
    split: Protocol | None = None,
    resources: Resources = LOCAL,
    progress: FoldProgress | None = None,
) -> Model:
    """Fit the pipeline of prepared rows to all of them, after an estimate under `split` unless it is None."""
    # The rows of an estimate may hold one clip more than once, and a fit must not.
    rows = each_once(prepared.table)
    fitted = _fit_numbers if prepared.spec.task == DIMENSIONS else _fit_classes
    _check_size(prepared, len(rows), resources)
    pipeline, card = fitted(prepared, rows, split, resources, progress)
    unlikeness = fit_unlikeness(
        rows,
        most=SAMPLED if isinstance(prepared, Streamed) else None,
        cache=resources.cache,
        n_jobs=resources.n_jobs,
        progress=None if progress is None else lambda done, total: progress(done, total, "the recordings"),
    )
    return Model(pipeline, card, unlikeness)


def _check_size(prepared: Prepared, rows: int, resources: Resources) -> None:
    """Raise `SettingsError` if the last step cannot be fitted to so many rows, before an estimate with fewer rows."""
    estimator = estimator_of(prepared, resources)
    last: Any = (estimator.estimator if prepared.spec.classifier.tune else estimator)[CLASSIFIER]
    last.check_size(rows)


def _fit_classes(
    prepared: Prepared,
    rows: pd.DataFrame,
    split: Protocol | None,
    resources: Resources,
    progress: FoldProgress | None,
) -> tuple[Pipeline, ModelCard]:
    classes = check_labels(prepared.table)
    if taken := sorted({NO_SPEECH, UNSURE} & set(classes)):
        raise SettingsError(
            f"a class is named '{taken[0]}', which models answer when they give none; name it otherwise with --rename "
            f"'{taken[0]}=...'"
        )
    estimate, temperature, error = None, 1.0, None
    if split is not None:
        estimated, evaluation = evaluate_prepared(prepared, split, resources=resources, progress=progress)
        estimate, (temperature, error) = (
            _public(estimated),
            _calibration(evaluation, soft_labels=prepared.spec.soft_labels),
        )
    _tell_of_last_fit(progress)
    pipeline, settings = _fitted(prepared, rows, rows["emotion"].to_numpy(dtype=object), resources)
    facts = _card_facts(prepared.spec, prepared.corpora, rows, pipeline, settings)
    card = ModelCard(
        **{**facts, "notes": (*facts["notes"], *vote_stamps(rows, pipeline), *majority_of(prepared))},
        classes=classes,
        estimate=estimate,
        temperature=temperature,
        calibration_error=error,
    )
    return pipeline, card


def _fit_numbers(
    prepared: Prepared,
    rows: pd.DataFrame,
    split: Protocol | None,
    resources: Resources,
    progress: FoldProgress | None,
) -> tuple[Pipeline, ModelCard]:
    targets = list(prepared.spec.targets)
    check_targets(prepared.table, targets)
    estimate = None
    if split is not None:
        estimated, _ = evaluate_dimensions_prepared(prepared, split, resources=resources, progress=progress)
        estimate = _public(estimated)
    numbers = rows[targets].to_numpy(dtype=float)
    _tell_of_last_fit(progress)
    # No step sees the numbers, but for those that it is fitted to.
    pipeline, settings = _fitted(prepared, rows.drop(columns=targets), numbers, resources)
    facts = _card_facts(prepared.spec, prepared.corpora, rows, pipeline, settings)
    return pipeline, ModelCard(**facts, classes=(), targets=tuple(targets), estimate=estimate)


def _tell_of_last_fit(progress: FoldProgress | None) -> None:
    """Report that the folds are done, and the model itself is fitted."""
    if progress is not None:
        progress(0, 1, "all recordings")


def _fitted(
    prepared: Prepared, rows: pd.DataFrame, labels: Any, resources: Resources
) -> tuple[Pipeline, dict[str, Any]]:
    """Fit the pipeline to the rows; return the steps of a prediction, and the settings of the last step."""
    spec = prepared.spec
    estimator = estimator_of(prepared, resources)
    executor = current_executor()
    trials = nullcontext() if executor is None or not spec.classifier.tune else executor.running_joblib()
    with parameter_errors(spec), trials:
        fitted = estimator.fit(rows, labels)
    pipeline = fitted.best_estimator_ if spec.classifier.tune else fitted
    # The other steps change the training rows, and are not part of a prediction.
    kept = [(name, pipeline[name]) for name in (FEATURES, SCALE, CLASSIFIER)]
    return Pipeline(kept), classifier_settings(spec, estimator)


def _card_facts(
    spec: PipelineSpec, corpora: Sequence[str], table: pd.DataFrame, pipeline: Pipeline, settings: dict[str, Any]
) -> dict[str, Any]:
    """Return the fields of a card that do not depend on the task."""
    return {
        "spec": spec.public(),
        "features": pipeline[FEATURES].settings(),
        "features_name": spec.features_name,
        "classifier": spec.classifier.name,
        "fusion": settings.get("fusion", spec.resolved_fusion),
        "classifier_settings": settings,
        "corpus": ", ".join(corpora),
        "training_rows": len(table),
        "training_recordings": int(table["file"].nunique()),
        "training_speakers": int(table.loc[table["speaker"] != "", "speaker"].nunique()),
        "versions": versions(*search_packages(spec)),
        "created": today(),
        "digests": digests_of(pipeline[FEATURES]),
        "notes": tuple(pipeline[FEATURES].stamps()),
        "licences": {name: card.licence for name in corpora if (card := card_of(name)) is not None},
    }


def _calibration(evaluation: Evaluation, *, soft_labels: bool) -> tuple[float, float | None]:
    """Return the temperature for unseen speakers, and the calibration error with it; 1 and None without probabilities.

    The error is that of each fold at the temperature of the others, so None for a single fold. With soft labels, the
    temperature is that of the shares of the votes, and there is no error.
    """
    columns = [f"probability_{name}" for name in evaluation.classes]
    predictions = evaluation.predictions
    if not evaluation.protocol.speaker_independent or not set(columns) <= set(predictions):
        return 1.0, None
    known = predictions[predictions[columns].notna().all(axis=1)]
    if known.empty:
        return 1.0, None
    labels, classes = known["truth"].to_numpy(dtype=object), np.array(evaluation.classes, dtype=object)
    # Probabilities of a training by votes are shares of votes, and not how often the label is right.
    targets = shares_of(known, labels, classes) if soft_labels else np.searchsorted(classes, labels)
    temperature = fit_temperature(known[columns], targets)
    if soft_labels or known["fold"].nunique() < 2:
        return temperature, None
    calibrated = tempered_by_others(known[columns], targets, known["fold"])
    known = known.assign(**dict(zip(columns, calibrated.T, strict=True)))
    return temperature, calibration_error(known, evaluation.classes)


def _public(estimate: Kind) -> Kind:
    """Return an estimate as a saved model holds it: of recordings that cannot be used, only their number is told.

    Without times, so that the same fit gives the same file.
    """
    count = len(estimate.quarantine)
    unusable: list[Stamp] = [Stamp(kind="unusable", value=count)] if count else []
    folds = [fold.model_copy(update={"fit_seconds": None}) for fold in estimate.folds]
    private = {name: value for name, value in PRIVATE.items() if name in type(estimate).model_fields}
    return estimate.model_copy(update={**private, "folds": folds, "notes": (*estimate.notes, *unusable)})
