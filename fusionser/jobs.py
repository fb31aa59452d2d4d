"""The main jobs of the command line and the Python API: extract, evaluate and fit."""

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from imblearn.pipeline import Pipeline

from fusionser.dimension_results import AnyResult, DimensionResult
from fusionser.errors import FusionserError, SettingsError
from fusionser.evaluation import check_labels
from fusionser.evaluation import evaluate as evaluate_estimator
from fusionser.evaluation.dimensions import DimensionEvaluation, check_targets, evaluate_dimensions
from fusionser.evaluation.evaluate import Evaluation, FoldProgress, calibration_error
from fusionser.evaluation.soft_labels import vote_stamps
from fusionser.facts import Stamp
from fusionser.files import brief_folder
from fusionser.likeness import fit_unlikeness
from fusionser.model import FEATURES, Model, ModelCard, digests_of, save_model
from fusionser.names import DIMENSIONS, NO_SPEECH, UNSURE
from fusionser.networks.soft_labels import shares_of
from fusionser.pipeline import (
    Extracted,
    Place,
    Prepared,
    Resources,
    analyse_augmented,
    build_estimator,
    classifier_settings,
    configured_features,
    extract_file,
    prepare,
)
from fusionser.pipeline.build import decided_by, registry_of
from fusionser.pipeline.features import card_of
from fusionser.pipeline.protocol import choose_protocol
from fusionser.pipeline.resources import LOCAL
from fusionser.pipeline.soft_labels import majority_notes
from fusionser.registry import AUGMENTATIONS, CORPORA, PROTOCOLS, Named, named_in_blocks, plugins_among
from fusionser.results import BY_INNER_FOLDS, FIXED, Result, provenance, public_quarantine, today, versions
from fusionser.rows import each_once
from fusionser.spec import DEFAULT_SPEC, PipelineSpec
from fusionser.splits import Protocol
from fusionser.temperature import fit_temperature, tempered_by_others
from fusionser.tracking import Tracker, TrackingRun, open_tracker, record_run
from fusionser.tracking.runs import model_run, result_run

__all__ = [
    "check_importance",
    "evaluate",
    "evaluate_dimensions_prepared",
    "evaluate_prepared",
    "extract",
    "fit",
    "fit_prepared",
    "plugins_used",
]

PRIVATE: dict[str, Any] = {"quarantine": [], "speaker_confusions": {}, "genders": {}, "seconds": {}}
"""Fields of an estimate that a saved model leaves out: paths on this machine, results of single speakers, and times."""

DIMENSION_SCORES = (
    "rows", "speaker_count", "protocol", "pooled", "intervals", "naive_mse", "folds", "speakers", "genders",
)  # fmt: skip
SCORES = (
    "rows", "speaker_count", "classes", "protocol", "pooled", "intervals", "calibration_error", "per_class", "folds",
    "speakers", "genders", "importance",
)  # fmt: skip
"""Fields that a result takes from an evaluation unchanged, of numbers and of classes."""

Kind = TypeVar("Kind", Result, DimensionResult)

Data = str | Path | Sequence[str | Path]


def _places(data: Data, corpus: str | None, layout: str | None) -> list[Place]:
    paths = [data] if isinstance(data, str | Path) else data
    if not isinstance(paths, list | tuple) or not all(isinstance(path, str | Path) for path in paths):
        raise SettingsError(
            f"data is {type(data).__name__}; expected the path of a folder or of a table of rows (CSV or Parquet), or "
            "a list of such paths. `fusionser.rows.write_table` writes a table"
        )
    return [Place(path, corpus, layout) for path in paths]


def extract(
    data: Data,
    out: str | Path,
    spec: PipelineSpec = DEFAULT_SPEC,
    *,
    corpus: str | None = None,
    layout: str | None = None,
    resources: Resources = LOCAL,
) -> Extracted:
    """Extract the features of all recordings into one Parquet file, which also holds the rows and the settings.

    Parameters
    ----------
    data : path, or sequence of paths
        Folders of recordings, or tables of rows.
    out : path
        Features file to write (``.parquet``).
    spec : PipelineSpec
        Specification of the features.
    corpus : str, optional
        For folders: a key of `CORPORA`, or ``folders``.
    layout : str, optional
        With ``folders``: what the folders are, such as ``{speaker}/{emotion}/*``; see `list_rows`.
    resources : Resources

    Returns
    -------
    Extracted
    """
    return extract_file(_places(data, corpus, layout), spec, out, resources=resources)


def evaluate(
    data: Data,
    spec: PipelineSpec = DEFAULT_SPEC,
    *,
    corpus: str | None = None,
    layout: str | None = None,
    protocol: str = "speaker-kfold",
    protocol_settings: dict[str, Any] | None = None,
    importance: str | None = None,
    resources: Resources = LOCAL,
    track: Sequence[str] = (),
) -> AnyResult:
    """Score a pipeline under a protocol. Everything that learns is fitted to the training rows of each fold.

    Parameters
    ----------
    data : path, or sequence of paths
        Folders of recordings, tables of rows, or features files.
    spec : PipelineSpec
    corpus : str, optional
        For folders: a key of `CORPORA`, or ``folders``.
    layout : str, optional
        With ``folders``: what the folders are, such as ``{speaker}/{emotion}/*``; see `list_rows`.
    protocol : str, default="speaker-kfold"
        A key of `PROTOCOLS`.
    protocol_settings : dict, optional
        Settings of the protocol, such as ``{"folds": 6}``. Defaults come from the corpus card.
    importance : {"blocks", "features"}, optional
        Also measure the importance of blocks, or of blocks and features.
    resources : Resources
    track : sequence of str, default=()
        Where the run is recorded, such as ``["mlflow:http://localhost:5000", "tensorboard:runs"]``. A place that cannot
        be reached is a `RuntimeWarning`, since the result is there.

    Returns
    -------
    Result or DimensionResult
        The latter if the task of the specification is "dimensions".
    """
    check_importance(spec, importance)
    trackers = [open_tracker(text) for text in track]
    prepared = prepare(_places(data, corpus, layout), spec, resources=resources)
    split = choose_protocol(protocol, prepared.table, protocol_settings, seed=spec.seed)
    prepared = analyse_augmented(prepared, split, resources=resources)
    result: AnyResult
    evaluation: Evaluation | DimensionEvaluation
    if spec.task == DIMENSIONS:
        result, evaluation = evaluate_dimensions_prepared(prepared, split, resources=resources)
    else:
        result, evaluation = evaluate_prepared(prepared, split, importance=importance, resources=resources)
    if trackers:
        with brief_folder() as folder:
            _record(trackers, result_run(result, evaluation.curves, [result.save(folder / "result.json")]))
    return result


def fit(
    data: Data,
    spec: PipelineSpec = DEFAULT_SPEC,
    *,
    corpus: str | None = None,
    layout: str | None = None,
    protocol: str | None = "speaker-holdout",
    protocol_settings: dict[str, Any] | None = None,
    resources: Resources = LOCAL,
    track: Sequence[str] = (),
) -> Model:
    """Estimate the scores of a pipeline on held-out speakers, then fit it to all recordings.

    Parameters
    ----------
    data, spec, corpus, protocol_settings, resources, track
        See `evaluate`.
    protocol : str or None, default="speaker-holdout"
        Protocol of the estimate; None skips the estimate.

    Returns
    -------
    Model
    """
    trackers = [open_tracker(text) for text in track]
    prepared = prepare(_places(data, corpus, layout), spec, resources=resources)
    split = choose_protocol(protocol, prepared.table, protocol_settings, seed=spec.seed) if protocol else None
    prepared = analyse_augmented(prepared, resources=resources)
    model = fit_prepared(prepared, split=split, resources=resources)
    if trackers:
        with brief_folder() as folder:
            _record(trackers, model_run(model, [save_model(model, folder / "model.fusionser")]))
    return model


def _record(trackers: Sequence[Tracker], run: TrackingRun) -> None:
    """Record a run; what fails is a warning, since its result must not be lost."""
    for error in record_run(trackers, run):
        warnings.warn(str(error), RuntimeWarning, stacklevel=3)


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
    estimator = build_estimator(spec, extractor=prepared.extractor, unusable=prepared.unusable, resources=resources)
    with _parameter_errors(spec):
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
        **_described(prepared, split, estimator, evaluation, n_outputs=len(evaluation.classes)),
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
    estimator = build_estimator(spec, extractor=prepared.extractor, unusable=prepared.unusable, resources=resources)
    with _parameter_errors(spec):
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
        **_described(prepared, split, estimator, evaluation, n_outputs=len(spec.targets)),
        seconds=_seconds(prepared, evaluation, time.perf_counter() - began),
    )
    return result, evaluation


def check_importance(spec: PipelineSpec, importance: str | None) -> None:
    """Raise `SettingsError` if importance is asked for where numbers are predicted: it is a loss of UAR."""
    if importance is not None and spec.task == DIMENSIONS:
        raise SettingsError("--importance measures the loss of UAR, so it needs classes; leave it out with --targets")


def _described(
    prepared: Prepared,
    split: Protocol,
    estimator: Any,
    evaluation: Evaluation | DimensionEvaluation,
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
        "spec": spec,
        "features": settings,
        "features_name": spec.features_name,
        "feature_count": features.column_count(n_outputs),
        "digests": digests_of(features),
        "classifier": decided_by(spec, prepared.extractor),
        "classifier_settings": classifier_settings(spec, estimator),
        "quarantine": public_quarantine(prepared.quarantine),
        "notes": (*prepared.notes, *weights, *_majority(prepared)),
        "seed": spec.seed,
        "provenance": {
            **provenance(networks=len(evaluation.curves) > 0),
            **({"plugins": plugins} if plugins else {}),
        },
    }


@contextmanager
def _parameter_errors(spec: PipelineSpec) -> Iterator[None]:
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
    pipeline, card = fitted(prepared, rows, split, resources, progress)
    unlikeness = fit_unlikeness(
        rows,
        cache=resources.cache,
        n_jobs=resources.n_jobs,
        progress=None if progress is None else lambda done, total: progress(done, total, "the recordings"),
    )
    return Model(pipeline, card, unlikeness)


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
    pipeline, settings = _fitted(prepared, rows, rows["emotion"].to_numpy(dtype=object), resources)
    facts = _card_facts(prepared.spec, prepared.corpora, rows, pipeline, settings)
    card = ModelCard(
        **{**facts, "notes": (*facts["notes"], *vote_stamps(rows, pipeline), *_majority(prepared))},
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
    # No step sees the numbers, but for those that it is fitted to.
    pipeline, settings = _fitted(prepared, rows.drop(columns=targets), numbers, resources)
    facts = _card_facts(prepared.spec, prepared.corpora, rows, pipeline, settings)
    return pipeline, ModelCard(**facts, classes=(), targets=tuple(targets), estimate=estimate)


def _fitted(
    prepared: Prepared, rows: pd.DataFrame, labels: Any, resources: Resources
) -> tuple[Pipeline, dict[str, Any]]:
    """Fit the pipeline to the rows; return the steps of a prediction, and the settings of the last step."""
    spec = prepared.spec
    estimator: Any = build_estimator(
        spec, extractor=prepared.extractor, unusable=prepared.unusable, resources=resources
    )
    with _parameter_errors(spec):
        fitted = estimator.fit(rows, labels)
    pipeline = fitted.best_estimator_ if spec.classifier.tune else fitted
    # The steps before these change the training rows, and are not part of a prediction.
    return Pipeline(pipeline.steps[-3:]), classifier_settings(spec, estimator)


def _card_facts(
    spec: PipelineSpec, corpora: Sequence[str], table: pd.DataFrame, pipeline: Pipeline, settings: dict[str, Any]
) -> dict[str, Any]:
    """Return the fields of a card that do not depend on the task."""
    return {
        "spec": spec,
        "features": pipeline[FEATURES].settings(),
        "features_name": spec.features_name,
        "classifier": spec.classifier.name,
        "fusion": settings.get("fusion", spec.fusion),
        "classifier_settings": settings,
        "corpus": ", ".join(corpora),
        "training_rows": len(table),
        "training_recordings": int(table["file"].nunique()),
        "training_speakers": int(table.loc[table["speaker"] != "", "speaker"].nunique()),
        "versions": versions(),
        "created": today(),
        "digests": digests_of(pipeline[FEATURES]),
        "notes": tuple(pipeline[FEATURES].stamps()),
        "licences": {name: card.licence for name in corpora if (card := card_of(name)) is not None},
    }


def _majority(prepared: Prepared) -> list[Stamp]:
    """Return a note if networks train by votes, and the classifier of their columns by the emotion with most votes."""
    return majority_notes(decided_by(prepared.spec, prepared.extractor)) if prepared.spec.soft_labels else []
