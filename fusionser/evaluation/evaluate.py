"""Cross-validation under a protocol: split, check for leakage, fit, predict, score."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline

from fusionser.errors import ProtocolError
from fusionser.evaluation.calibration import calibration_error
from fusionser.evaluation.fitted import (
    adapted_clips,
    columns_of,
    curves_of,
    estimated_gender,
    setting_of,
    stops_early,
    uses_gpu,
)
from fusionser.evaluation.fold_jobs import FoldProgress, FoldTask, in_folds
from fusionser.evaluation.guard import (
    COLUMNS,
    Overlap,
    check_learns_in_fold,
    check_not_scaled,
    check_split,
    with_fingerprints,
    without_labels,
)
from fusionser.evaluation.importance import Drops, average_importance, fold_importance
from fusionser.evaluation.metrics import METRICS, class_scores, confusion, speaker_intervals
from fusionser.evaluation.soft_labels import vote_stamps
from fusionser.evaluation.stamps import FoldFacts, stamps_of
from fusionser.results import FIXED, ClassResult, FoldResult, ProtocolStamp, Scores
from fusionser.rows import VOTES_COLUMN
from fusionser.splits.base import Fold, Positions, Protocol
from fusionser.splits.inner_folds import parted_speakers
from fusionser.splits.validation_rows import validated_by

__all__ = ["Evaluation", "check_labels", "evaluate"]

MOST_NUMBERED = 20
"""Most classes that may be named by numbers."""


@dataclass(frozen=True)
class Evaluation:
    """Predictions and scores of one pipeline under one protocol.

    Parameters
    ----------
    rows, speaker_count : int
        Number of rows and speakers in any training or test fold.
    predictions : DataFrame
        One row per test prediction: file, speaker, fold, truth, predicted, and the probability of each class if the
        classifier gives any; with raters, their votes.
    speaker_confusions : dict of str to ndarray
        Confusion matrix of each test speaker.
    calibration_error : float or None
        Expected calibration error of all test predictions together; None if the classifier gives no probabilities.
    genders : dict of str to str
        Gender of the test speakers for whom it is labelled.
    curves : DataFrame
        One row per epoch of every trained network: fold, network, and the record of `train_network`.
    importance : dict
        UAR loss when columns are shuffled, with its interval, by block and feature; see `fold_importance`.
    """

    rows: int
    speaker_count: int
    classes: tuple[str, ...]
    protocol: ProtocolStamp
    pooled: Scores
    intervals: dict[str, tuple[float, float]] | None
    calibration_error: float | None
    per_class: dict[str, ClassResult]
    confusion: npt.NDArray[np.int64]
    folds: list[FoldResult]
    speakers: dict[str, Scores]
    speaker_confusions: dict[str, npt.NDArray[np.int64]]
    genders: dict[str, str]
    predictions: pd.DataFrame
    curves: pd.DataFrame
    importance: dict[str, tuple[float, tuple[float, float] | None]]


@dataclass(frozen=True, kw_only=True)
class FoldOutcome(FoldFacts):
    """Outcome of one fold, beside the facts that its stamps tell."""

    result: FoldResult
    predictions: pd.DataFrame
    curves: list[dict[str, Any]]
    importance: Drops


def check_labels(rows: pd.DataFrame) -> tuple[str, ...]:
    """Return the classes of labelled rows.

    Raises
    ------
    ProtocolError
        When there are no rows, a row has no label, or all rows have the same one.
    """
    if not len(rows):
        raise ProtocolError("the table has no rows; expected clips of two or more classes")
    blank = rows.loc[rows["emotion"] == "", "file"]
    if len(blank):
        raise ProtocolError(
            f"{len(blank)} of {len(rows)} rows {'has' if len(blank) == 1 else 'have'} no emotion (first: "
            f"{blank.iloc[0]}); fill the column 'emotion', or name the classes to keep (--classes)"
        )
    classes = tuple(sorted(set(rows["emotion"])))
    if _are_measures(classes):
        raise ProtocolError(
            f"the labels are numbers ({', '.join(classes[:3])}, ...; {len(classes)} different ones), not classes; "
            "expected names of emotions: put them into classes first, such as low and high"
        )
    if len(classes) < 2:
        raise ProtocolError(f"all {len(rows)} rows have one class, '{classes[0]}'; two or more are needed")
    return classes


def _are_measures(labels: Sequence[str]) -> bool:
    """Return whether all labels are numbers that do not look like those of classes."""
    try:
        numbers = [float(label) for label in labels]
    except ValueError:
        return False
    return len(numbers) > MOST_NUMBERED or any(not number.is_integer() for number in numbers)


def _scores(matrix: npt.NDArray[np.int64]) -> Scores:
    return Scores(**{name: float(metric(matrix)) for name, metric in METRICS.items()})


def _check_fold(rows: pd.DataFrame, fold: Fold, allowed: frozenset[str], validation: Positions) -> Overlap:
    name, train, test = fold
    train_rows, test_rows = rows.iloc[train], rows.iloc[test]
    shared = check_split(rows.iloc[np.concatenate([train, validation])], test_rows, allowed, name)
    trained, tested = set(train_rows["emotion"]), set(test_rows["emotion"])
    if tested - trained:
        lacking, common = sorted(tested - trained), sorted(trained & tested)
        remedy = f"keep only the classes that both have: --classes {','.join(common)}" if common else "they share none"
        raise ProtocolError(
            f"fold '{name}': the test rows have the class{'es' if len(lacking) > 1 else ''} {', '.join(lacking)}, but "
            f"the training rows do not; {remedy}"
        )
    if unseen := sorted(set(rows["emotion"].iloc[validation]) - trained):
        raise ProtocolError(
            f"fold '{name}': the validation rows have the class{'es' if len(unseen) > 1 else ''} {', '.join(unseen)}, "
            f"but the training rows do not; leave {'them' if len(unseen) > 1 else 'it'} out: --drop-classes "
            f"{','.join(unseen)}"
        )
    if len(trained) < 2:
        raise ProtocolError(f"the training rows of fold '{name}' have one class, '{trained.pop()}'; two are needed")
    return shared


def validation_of_folds(
    rows: pd.DataFrame, folds: Sequence[Fold], estimator: BaseEstimator, protocol: Protocol
) -> list[Positions]:
    """Return the validation rows that the protocol gives in each fold; none if nothing stops early by them."""
    return [protocol.validation_of(rows, fold[0]) if stops_early(estimator) else fold[1][:0] for fold in folds]


def _predict(fitted: BaseEstimator, rows: pd.DataFrame, fold: str) -> pd.DataFrame:
    votes = [VOTES_COLUMN] if VOTES_COLUMN in rows else []
    predictions = rows[["file", "start", "end", "speaker", "source"]].assign(fold=fold, truth=rows["emotion"])
    given: Any = without_labels(rows)
    fitted = getattr(fitted, "best_estimator_", fitted)
    if isinstance(fitted, Pipeline) and len(fitted) > 1 and hasattr(fitted[:-1], "transform"):
        # Transform once for both labels and probabilities, since features take most of the time.
        given, fitted = columns_of(fitted, given), fitted[-1]
    predictions["predicted"] = np.asarray(fitted.predict(given), dtype=object)
    if hasattr(fitted, "predict_proba"):
        probabilities = fitted.predict_proba(given)
        for position, name in enumerate(fitted.classes_):
            predictions[f"probability_{name}"] = probabilities[:, position]
    return predictions.join(rows[votes])


def evaluate(
    table: pd.DataFrame,
    estimator: BaseEstimator,
    protocol: Protocol,
    *,
    selection: str = FIXED,
    seed: int = 0,
    importance: str | None = None,
    progress: FoldProgress | None = None,
) -> Evaluation:
    """Score an estimator under a protocol; everything that learns is fitted anew in every fold.

    Parameters
    ----------
    table : DataFrame
        Labelled rows, with or without features.
    estimator : estimator
        Takes the table and the labels; cloned for each fold.
    protocol : Protocol
    selection : {"fixed", "inner-folds"}, default="fixed"
        How the parameters were chosen, to be stored with the scores.
    seed : int, default=0
        Of the intervals and of the shuffles.
    importance : {"blocks", "features"}, optional
        Measure permutation importance, see `fold_importance`.
    progress : callable, optional
        Called before each fold and at the end, see `FoldProgress`.

    Returns
    -------
    Evaluation

    Raises
    ------
    LeakageError
        When the guard finds leakage between training and test.
    ProtocolError
        When the protocol cannot split these rows.
    """
    check_labels(table)
    check_learns_in_fold(estimator)
    check_not_scaled(table)
    rows = with_fingerprints(table)
    folds = protocol.named_folds(rows)
    validation = validation_of_folds(rows, folds, estimator, protocol)
    used = rows.iloc[np.unique(np.concatenate([*(side for _, *sides in folds for side in sides), *validation]))]
    classes = check_labels(used)
    overlaps = [_check_fold(rows, fold, protocol.allows, held) for fold, held in zip(folds, validation, strict=True)]
    job = partial(_run_fold, rows=rows, estimator=estimator, classes=classes, importance=importance, seed=seed)
    outcomes = in_folds(job, folds, overlaps, validation, progress, gpu=uses_gpu(estimator))
    predictions = pd.concat([outcome.predictions for outcome in outcomes], ignore_index=True)
    stamp = ProtocolStamp(
        name=protocol.name,
        settings=protocol.settings(),
        setting=setting_of(estimator),
        selection=selection,
        stamps=(
            *stamps_of(protocol, overlaps, outcomes, rows, estimator),
            *vote_stamps(used, estimator, predictions, classes),
        ),
        allows=tuple(sorted(protocol.allows)),
        random=protocol.random,
    )
    return _collect(outcomes, predictions, classes, stamp, seed, used)


def _run_fold(
    task: FoldTask,
    *,
    rows: pd.DataFrame,
    estimator: BaseEstimator,
    classes: tuple[str, ...],
    importance: str | None,
    seed: int,
) -> FoldOutcome:
    """Fit to the training rows of a fold and score its test rows."""
    (name, train, test), shared = task.fold, task.shared
    held = rows.iloc[task.validation]
    began = time.perf_counter()
    with validated_by(held, held["emotion"].to_numpy(dtype=object)), parted_speakers() as parted:
        fitted = clone(estimator).fit(rows.iloc[train], rows["emotion"].iloc[train].to_numpy(dtype=object))
    seconds = time.perf_counter() - began
    predictions = _predict(fitted, rows.iloc[test], name)
    result = FoldResult(
        name=name,
        train_rows=len(train),
        test_rows=len(test),
        test_speakers=int(predictions["speaker"].nunique()),
        scores=_scores(confusion(predictions["truth"], predictions["predicted"], classes)),
        parameters=dict(getattr(fitted, "best_params_", {})),
        fit_seconds=round(seconds, 3),
        **{f"shared_{kind}": len(getattr(shared, kind)) for kind in COLUMNS},
    )
    return FoldOutcome(
        name=name,
        result=result,
        predictions=predictions,
        curves=curves_of(fitted, name),
        gender=estimated_gender(fitted, rows.iloc[test]),
        parted=bool(parted),
        adapted=adapted_clips(fitted, rows.iloc[test]),
        importance=fold_importance(fitted, rows.iloc[test], importance, seed=seed) if importance else {},
    )


def genders_of(rows: pd.DataFrame, speakers: Iterable[str]) -> dict[str, str]:
    """Return the gender of each speaker whose rows all have the same one."""
    labelled = rows.groupby("speaker")["gender"].unique()
    return {name: str(labelled[name][0]) for name in speakers if len(labelled[name]) == 1 and labelled[name][0]}


def _collect(
    outcomes: list[FoldOutcome],
    predictions: pd.DataFrame,
    classes: tuple[str, ...],
    stamp: ProtocolStamp,
    seed: int,
    rows: pd.DataFrame,
) -> Evaluation:
    matrix = confusion(predictions["truth"], predictions["predicted"], classes)
    by_speaker = {
        str(name): confusion(part["truth"], part["predicted"], classes)
        for name, part in predictions.groupby("speaker")
        if name
    }
    return Evaluation(
        rows=len(rows),
        speaker_count=len(set(rows["speaker"]) - {""}),
        classes=classes,
        protocol=stamp,
        pooled=_scores(matrix),
        # A row without a speaker counts in the score, but cannot be resampled.
        intervals=speaker_intervals(by_speaker, seed=seed) if (predictions["speaker"] != "").all() else None,
        calibration_error=calibration_error(predictions, classes),
        per_class={name: ClassResult.model_validate(scores) for name, scores in class_scores(matrix, classes).items()},
        confusion=matrix,
        folds=[outcome.result for outcome in outcomes],
        speakers={name: _scores(part) for name, part in by_speaker.items()},
        speaker_confusions=by_speaker,
        genders=genders_of(rows, by_speaker),
        predictions=predictions,
        curves=pd.DataFrame([epoch for outcome in outcomes for epoch in outcome.curves]),
        importance=average_importance([outcome.importance for outcome in outcomes]),
    )
