"""The main job: evaluate a plan, and fit it."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sklearn.base import BaseEstimator

from fusionser.evaluation import Protocol, Result, check_labels, evaluate, provenance, versions
from fusionser.evaluation.evaluate import Evaluation, FoldProgress
from fusionser.experiments.pipeline import build_pipeline, search_parameters
from fusionser.experiments.prepare import Prepared
from fusionser.features import FeatureExtractor
from fusionser.model import CLASSIFIER, Model, ModelCard

__all__ = ["Plan", "evaluate_plan", "fit_plan"]

SELECTED = "parameters chosen by inner folds of the training rows, by speaker where every class has two"
FIXED = "fixed parameters"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is fitted: classifier, scaling, imbalance, setting, search and seed."""

    classifier: str = "svm"
    scaling: str = "standard"
    equal_blocks: bool = False
    by_speaker: bool = False
    imbalance: str = "none"
    tune: bool = False
    seed: int = 0
    n_jobs: int | None = None

    def estimator(self, extractor: FeatureExtractor) -> BaseEstimator:
        """Return the pipeline, within its search where one is asked for."""
        pipeline = build_pipeline(
            extractor,
            self.classifier,
            scaling=self.scaling,
            equal_blocks=self.equal_blocks,
            by_speaker=self.by_speaker,
            imbalance=self.imbalance,
            seed=self.seed,
            n_jobs=self.n_jobs,
        )
        return search_parameters(pipeline, self.classifier, seed=self.seed) if self.tune else pipeline

    def settings(self, estimator: BaseEstimator) -> dict[str, Any]:
        """Return the classifier's parameters and the plan's own, as plain values."""
        inner = estimator.estimator if self.tune else estimator
        params = {key: value for key, value in inner[CLASSIFIER].get_params().items() if key != "n_jobs"}
        return {
            **params,
            "scaling": self.scaling,
            "equal_blocks": self.equal_blocks,
            "imbalance": self.imbalance,
        }


def evaluate_plan(
    prepared: Prepared, plan: Plan, split: Protocol, *, progress: FoldProgress | None = None
) -> tuple[Result, Evaluation]:
    """Evaluate a plan and return the result with its predictions."""
    began = time.perf_counter()
    estimator = plan.estimator(prepared.features.extractor)
    found = evaluate(
        prepared.table,
        estimator,
        split,
        selection=SELECTED if plan.tune else FIXED,
        seed=plan.seed,
        progress=progress,
    )
    result = Result(
        corpus=prepared.corpus,
        rows=found.rows,
        speaker_count=found.speaker_count,
        classes=found.classes,
        protocol=found.protocol,
        features=prepared.features.extractor.settings(),
        features_name=prepared.features.name,
        feature_count=len(prepared.features.extractor.get_feature_names_out()),
        classifier=plan.classifier,
        classifier_settings=plan.settings(estimator),
        pooled=found.pooled,
        intervals=found.intervals,
        per_class=found.per_class,
        confusion=found.confusion.tolist(),
        folds=found.folds,
        speakers=found.speakers,
        quarantine=prepared.quarantine,
        notes=prepared.notes,
        seed=plan.seed,
        seconds={"features": prepared.seconds, "evaluation": round(time.perf_counter() - began, 2)},
        provenance=provenance(),
    )
    return result, found


def fit_plan(
    prepared: Prepared, plan: Plan, *, split: Protocol | None = None, progress: FoldProgress | None = None
) -> Model:
    """Fit a plan to all rows, after estimating on held-out speakers what to expect of it.

    Parameters
    ----------
    prepared : Prepared
    plan : Plan
    split : Protocol, optional
        Of the estimate; None for no estimate.
    progress : callable, optional
    """
    table = prepared.table
    classes = check_labels(table)
    estimate = evaluate_plan(prepared, plan, split, progress=progress)[0] if split is not None else None
    estimator = plan.estimator(prepared.features.extractor)
    fitted = estimator.fit(table, table["emotion"].to_numpy(dtype=object))
    pipeline = fitted.best_estimator_ if plan.tune else fitted
    card = ModelCard(
        features=prepared.features.extractor.settings(),
        features_name=prepared.features.name,
        classifier=plan.classifier,
        classifier_settings=plan.settings(estimator),
        classes=classes,
        corpus=prepared.corpus,
        training_rows=len(table),
        training_speakers=int(table.loc[table["speaker"] != "", "speaker"].nunique()),
        # The list of set-apart files names places on this machine, which are no business of the model's users.
        estimate=None if estimate is None else estimate.model_copy(update={"quarantine": []}),
        versions=versions(),
        created=datetime.now(UTC).strftime("%Y-%m-%d"),
    )
    return Model(pipeline, card)
