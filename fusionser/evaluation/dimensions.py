"""Cross-validation of pipelines that predict numbers: the same splits, guard and stamps as for classes."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline

from fusionser.agreement import AGREEMENT, moments_of
from fusionser.dimension_results import MEAN, Agreement, DimensionFold, TargetScores
from fusionser.errors import ProtocolError
from fusionser.evaluation.agreement import agreement_intervals
from fusionser.evaluation.evaluate import genders_of, validation_of_folds
from fusionser.evaluation.fitted import adapted_clips, columns_of, curves_of, estimated_gender, setting_of, uses_gpu
from fusionser.evaluation.fold_jobs import FoldProgress, FoldTask, in_folds
from fusionser.evaluation.guard import (
    COLUMNS,
    check_learns_in_fold,
    check_not_scaled,
    check_not_target,
    check_split,
    with_fingerprints,
    without_labels,
)
from fusionser.evaluation.stamps import FoldFacts, stamps_of
from fusionser.results import FIXED, ProtocolStamp
from fusionser.splits.base import Protocol
from fusionser.splits.inner_folds import parted_speakers
from fusionser.splits.validation_rows import validated_by

__all__ = ["DimensionEvaluation", "check_targets", "evaluate_dimensions", "predicted_column"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DimensionEvaluation:
    """Predictions and scores of one pipeline of numbers under one protocol.

    Parameters
    ----------
    predictions : DataFrame
        One row per test prediction: file, start, end, speaker, source, fold, and for each target its label under its
        name, and the prediction as `predicted_column`.
    curves : DataFrame
        One row per epoch of every trained network, as in `Evaluation`.
    rows, speaker_count, protocol, pooled, intervals, naive_mse, folds, speakers, genders
        As in `DimensionResult`.
    """

    rows: int
    speaker_count: int
    protocol: ProtocolStamp
    pooled: TargetScores
    intervals: dict[str, dict[str, tuple[float, float]]] | None
    naive_mse: dict[str, float]
    folds: list[DimensionFold]
    speakers: dict[str, TargetScores]
    genders: dict[str, str]
    predictions: pd.DataFrame
    curves: pd.DataFrame


@dataclass(frozen=True, kw_only=True)
class _Outcome(FoldFacts):
    """Outcome of one fold: its predictions, and the errors of the training mean, squared, shape (n_rows, n_targets)."""

    result: DimensionFold
    predictions: pd.DataFrame
    naive: Array
    curves: list[dict[str, Any]]


LEAST_SPREAD = 1e-9
"""Least standard deviation of a target, whose square is still a precise number."""


def predicted_column(target: str) -> str:
    """Return the name of the column of predictions of a target.

    Examples
    --------
    >>> predicted_column("arousal")
    'predicted_arousal'
    """
    return f"predicted_{target}"


def check_targets(rows: pd.DataFrame, targets: Sequence[str], where: str = "all") -> None:
    """Refuse rows from which nothing can be learned of a target.

    Raises
    ------
    ProtocolError
        When there are fewer than two rows, or all have the same number.
    """
    if len(rows) < 2:
        raise ProtocolError(f"got {len(rows)} row{'' if len(rows) == 1 else 's'} to learn from; expected two or more")
    for name in targets:
        if rows[name].nunique() < 2:
            raise ProtocolError(
                f"{where} {len(rows)} rows have the same {name}, {rows[name].iloc[0]:g}; expected different numbers"
            )
        if (spread := float(rows[name].std())) < LEAST_SPREAD:
            raise ProtocolError(
                f"{where} {len(rows)} rows have nearly the same {name}, with a standard deviation of {spread:g}; "
                f"expected at least {LEAST_SPREAD:g}: give it in a smaller unit"
            )


class _Scorer:
    """Scores of predictions, from moments around the mean of all labels."""

    def __init__(self, labels: Array, targets: Sequence[str]) -> None:
        self.targets, self.center = targets, labels.mean(axis=0)
        spread = labels.std(axis=0)
        self.scale = np.where(spread > 0, spread, 1.0)

    def moments(self, predictions: pd.DataFrame) -> Array:
        """Return the moments of some predictions, shape (n_targets, 6)."""
        guessed = predictions[[predicted_column(name) for name in self.targets]]
        return moments_of(predictions[list(self.targets)], guessed, self.center, self.scale)

    def scores(self, moments: Array) -> TargetScores:
        """Return the scores of each target, and their mean."""
        values = {name: score(moments) for name, score in AGREEMENT.items()}
        values["mse"] = values["mse"] * self.scale**2
        table = {name: [*column, column.mean()] for name, column in values.items()}
        return {
            target: Agreement(**{name: _known(column[place]) for name, column in table.items()})
            for place, target in enumerate([*self.targets, MEAN])
        }

    def intervals(self, moments: Mapping[str, Array], seed: int) -> dict[str, dict[str, tuple[float, float]]] | None:
        """Return the intervals of each target, and of their mean."""
        found = agreement_intervals(moments, self.scale, seed=seed)
        if found is None:
            return None
        return {
            target: {name: listed[place] for name, listed in found.items()}
            for place, target in enumerate([*self.targets, MEAN])
        }


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def evaluate_dimensions(
    table: pd.DataFrame,
    estimator: BaseEstimator,
    protocol: Protocol,
    targets: Sequence[str],
    *,
    selection: str = FIXED,
    seed: int = 0,
    progress: FoldProgress | None = None,
) -> DimensionEvaluation:
    """Score an estimator of numbers under a protocol; everything that learns is fitted anew in every fold.

    Parameters
    ----------
    table : DataFrame
        Rows with a column of numbers for each target, with or without features.
    estimator : estimator
        Takes the table, and numbers of shape (n_rows, n_targets); cloned for each fold.
    protocol : Protocol
    targets : sequence of str
        Names of the columns to predict.
    selection, seed, progress
        As in `evaluate`.

    Returns
    -------
    DimensionEvaluation

    Raises
    ------
    LeakageError
        When the guard finds leakage between training and test, or a feature that is a target.
    ProtocolError
        When the protocol cannot split these rows, or a target is the same everywhere.
    """
    check_targets(table, targets)
    check_learns_in_fold(estimator)
    check_not_scaled(table)
    check_not_target(table, estimator, targets)
    rows = with_fingerprints(table)
    folds = protocol.named_folds(rows)
    validation = validation_of_folds(rows, folds, estimator, protocol)
    used = rows.iloc[np.unique(np.concatenate([*(side for _, *sides in folds for side in sides), *validation]))]
    overlaps = []
    for (name, train, test), held in zip(folds, validation, strict=True):
        known = rows.iloc[np.concatenate([train, held])]
        overlaps.append(check_split(known, rows.iloc[test], protocol.allows, name))
        check_targets(rows.iloc[train], targets, f"in fold '{name}', all training")
    scorer = _Scorer(used[list(targets)].to_numpy(dtype=np.float64), targets)
    job = partial(_run_fold, rows=rows, estimator=estimator, scorer=scorer)
    outcomes = in_folds(job, folds, overlaps, validation, progress, gpu=uses_gpu(estimator))
    stamp = ProtocolStamp(
        name=protocol.name,
        settings=protocol.settings(),
        setting=setting_of(estimator),
        selection=selection,
        stamps=tuple(stamps_of(protocol, overlaps, outcomes, rows, estimator)),
        allows=tuple(sorted(protocol.allows)),
        random=protocol.random,
    )
    return _collect(outcomes, scorer, stamp, seed, used)


def _run_fold(task: FoldTask, *, rows: pd.DataFrame, estimator: BaseEstimator, scorer: _Scorer) -> _Outcome:
    """Fit to the training rows of a fold and score its test rows."""
    (name, train, test), shared = task.fold, task.shared
    targets = list(scorer.targets)
    known = rows.iloc[task.validation]
    held = known.drop(columns=targets), known[targets].to_numpy(dtype=np.float64)
    numbers = rows[targets].to_numpy(dtype=np.float64)
    began = time.perf_counter()
    with validated_by(*held), parted_speakers() as parted:
        fitted = clone(estimator).fit(rows.iloc[train].drop(columns=targets), numbers[train])
    seconds = time.perf_counter() - began
    # The pipeline never sees the numbers of test rows, nor their emotions.
    unlabelled = without_labels(rows.iloc[test].drop(columns=targets))
    predictions = rows.iloc[test][["file", "start", "end", "speaker", "source"]].assign(fold=name)
    predictions = predictions.assign(**{target: numbers[test, place] for place, target in enumerate(targets)})
    found = _predicted(fitted, unlabelled)
    predictions = predictions.assign(**{predicted_column(one): found[:, place] for place, one in enumerate(targets)})
    result = DimensionFold(
        name=name,
        train_rows=len(train),
        test_rows=len(test),
        test_speakers=int(predictions["speaker"].nunique()),
        scores=scorer.scores(scorer.moments(predictions)),
        parameters=dict(getattr(fitted, "best_params_", {})),
        fit_seconds=round(seconds, 3),
        **{f"shared_{kind}": len(getattr(shared, kind)) for kind in COLUMNS},
    )
    return _Outcome(
        name=name,
        result=result,
        predictions=predictions,
        naive=(numbers[test] - numbers[train].mean(axis=0)) ** 2,
        curves=curves_of(fitted, name),
        gender=estimated_gender(fitted, rows.iloc[test]),
        parted=bool(parted),
        adapted=adapted_clips(fitted, unlabelled),
    )


def _predicted(fitted: Any, rows: pd.DataFrame) -> Array:
    """Return the predictions for test rows, shape (n_rows, n_targets)."""
    fitted = getattr(fitted, "best_estimator_", fitted)
    given: Any = rows
    if isinstance(fitted, Pipeline) and len(fitted) > 1 and hasattr(fitted[:-1], "transform"):
        given, fitted = columns_of(fitted, given), fitted[-1]
    return np.asarray(fitted.predict(given), dtype=np.float64).reshape(len(rows), -1)


def _collect(
    outcomes: Sequence[_Outcome], scorer: _Scorer, stamp: ProtocolStamp, seed: int, rows: pd.DataFrame
) -> DimensionEvaluation:
    predictions = pd.concat([outcome.predictions for outcome in outcomes], ignore_index=True)
    by_speaker = {str(name): scorer.moments(part) for name, part in predictions.groupby("speaker") if name}
    naive = np.concatenate([outcome.naive for outcome in outcomes]).mean(axis=0)
    return DimensionEvaluation(
        rows=len(rows),
        speaker_count=len(set(rows["speaker"]) - {""}),
        protocol=stamp,
        pooled=scorer.scores(scorer.moments(predictions)),
        # A row without a speaker counts in the score, but cannot be resampled.
        intervals=scorer.intervals(by_speaker, seed) if (predictions["speaker"] != "").all() else None,
        naive_mse=dict(zip(scorer.targets, naive.tolist(), strict=True)),
        folds=[outcome.result for outcome in outcomes],
        speakers={name: scorer.scores(moments) for name, moments in by_speaker.items()},
        genders=genders_of(rows, by_speaker),
        predictions=predictions,
        curves=pd.DataFrame([epoch for outcome in outcomes for epoch in outcome.curves]),
    )
