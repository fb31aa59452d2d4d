"""The main job: evaluate a plan, and fit it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from imblearn.pipeline import Pipeline
from sklearn.base import BaseEstimator

from fusionser.augmentation.rows import augmented_rows
from fusionser.augmentation.waveforms import REVISION
from fusionser.classifiers import MemberClassifier
from fusionser.errors import SettingsError
from fusionser.evaluation import Result, check_labels, evaluate, provenance, versions
from fusionser.evaluation.evaluate import Evaluation, FoldProgress
from fusionser.experiments.pipeline import IMBALANCE, Networks, build_pipeline, configured, search_parameters
from fusionser.experiments.prepare import Prepared
from fusionser.features import Cache, FeatureExtractor
from fusionser.features.extraction import Progress
from fusionser.model import CLASSIFIER, FEATURES, Model, ModelCard
from fusionser.networks import DeepExtractor
from fusionser.splits import Protocol

__all__ = ["Plan", "analyse_copies", "evaluate_plan", "fit_plan"]

SELECTED = "parameters chosen by inner folds of the training speakers"
FIXED = "fixed parameters"
NETWORK_ALONE = "network-alone"

PRIVATE: dict[str, Any] = {"quarantine": [], "speaker_confusions": {}, "genders": {}}
"""What of an estimate is no business of a model's users: places on this machine, and who said what."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is fitted: classifier, scaling, imbalance, augmentation, fusion, setting, search and seed.

    ``importance`` (``blocks`` or ``features``) is of the evaluation alone, see `fold_importance`.
    """

    classifier: str = "svm"
    scaling: str = "standard"
    equal_blocks: bool = False
    by_speaker: bool = False
    imbalance: str = "none"
    augment: tuple[str, ...] = ()
    copies: int = 1
    only_scarce: bool = False
    imposed: float | None = None
    fusion: str = "early"
    networks: Networks = field(default_factory=Networks)
    tune: bool = False
    importance: str | None = None
    seed: int = 0
    n_jobs: int | None = None

    def estimator(
        self,
        extractor: FeatureExtractor,
        unusable_copies: tuple[tuple[str, str], ...] = (),
        cache: Cache | None = None,
    ) -> BaseEstimator:
        """Return the pipeline, within its search where one is asked for; it keeps to the cache that is given."""
        if self.tune and self.judge(extractor) == NETWORK_ALONE:
            raise SettingsError("--tune searches the classifier's parameters, and here the networks alone decide")
        pipeline = build_pipeline(
            extractor,
            self.classifier,
            scaling=self.scaling,
            equal_blocks=self.equal_blocks,
            by_speaker=self.by_speaker,
            imbalance=self.imbalance,
            augment=self.augment,
            copies=self.copies,
            only_scarce=self.only_scarce,
            imposed=self.imposed,
            unusable_copies=unusable_copies,
            fusion=self.fusion,
            networks=self.networks,
            seed=self.seed,
            n_jobs=self.n_jobs,
        )
        if cache is not None:
            pipeline.set_params(**{name: cache for name in pipeline.get_params() if name.endswith("__cache")})
        return search_parameters(pipeline, self.classifier, seed=self.seed) if self.tune else pipeline

    def features(self, extractor: FeatureExtractor) -> list[dict[str, Any]]:
        """Return the settings of the blocks as this plan uses them."""
        return configured(
            extractor,
            fusion=self.fusion,
            networks=self.networks,
            class_weight=IMBALANCE[self.imbalance],
            seed=self.seed,
        ).settings()

    def judge(self, extractor: FeatureExtractor) -> str:
        """Return the name of what classifies: the classifier, or the networks alone where nothing else is fused."""
        alone = self.fusion != "early" and all(isinstance(block, DeepExtractor) for _, block in extractor.blocks)
        return NETWORK_ALONE if alone else self.classifier

    def settings(self, estimator: BaseEstimator) -> dict[str, Any]:
        """Return the classifier's parameters and the plan's own, as plain values."""
        inner = estimator.estimator if self.tune else estimator
        last = inner[CLASSIFIER]
        base: Any = last
        while isinstance(base, MemberClassifier):
            base = base.classifier
        params = {key: value for key, value in base.get_params().items() if key not in ("n_jobs", "device", "cache")}
        plain = {key: list(value) if isinstance(value, tuple) else value for key, value in params.items()}
        chosen: dict[str, Any] = {
            **plain,
            "scaling": self.scaling,
            "equal_blocks": self.equal_blocks,
            "imbalance": self.imbalance,
        }
        # Named only where they are used, so that the settings of a plain classifier stay short.
        if self.augment:
            chosen.update(augment=list(self.augment), copies=self.copies, augmentation_revision=REVISION)
        if self.only_scarce:
            chosen["only_scarce"] = True
        if self.imposed is not None:
            chosen["imposed"] = self.imposed
        if self.fusion != "early":
            chosen["fusion"] = self.fusion
        if self.networks.cross_fit:
            chosen["cross_fit"] = self.networks.cross_fit
        return chosen

    def copied(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return the augmented copies of all rows; a fold trains on some of them."""
        return augmented_rows(rows, self.augment, self.copies, self.seed) if self.augment else rows.iloc[:0]


def analyse_copies(
    prepared: Prepared, plan: Plan, *, n_jobs: int | None = None, progress: Progress | None = None
) -> Prepared:
    """Compute the features of all augmented copies once, so that every fold finds them in the cache.

    Copies that cannot be used (a stretched clip may be too short) are noted in what is returned, and left out of the
    training.
    """
    cache = prepared.cache or Cache.default()
    copies = plan.copied(prepared.table)
    if cache is None or not len(copies):
        return prepared
    result = prepared.features.extractor.run(copies, cache=cache, n_jobs=n_jobs, progress=progress)
    failed = copies.iloc[sorted(result.failures)]
    unusable = tuple(zip(failed["source"], failed["augmentation"], strict=True))
    notes = [f"{len(failed)} augmented copies cannot be used and are left out"] if len(failed) else []
    return replace(prepared, unusable_copies=unusable, notes=[*prepared.notes, *notes])


def curves_path(folder: str | Path, cell: str) -> Path:
    """Return the file of the learning curves of an evaluation, or of a best epoch."""
    return Path(folder) / "curves" / f"{cell}.csv"


def stored_curves(folder: str | Path, cells: Sequence[str]) -> list[pd.DataFrame | None]:
    """Return the learning curves that are kept of each evaluation, None where nothing was trained by epochs."""
    paths = [curves_path(folder, cell) for cell in cells]
    return [pd.read_csv(path) if path.is_file() else None for path in paths]


def evaluate_plan(
    prepared: Prepared, plan: Plan, split: Protocol, *, progress: FoldProgress | None = None
) -> tuple[Result, Evaluation]:
    """Evaluate a plan and return the result with its predictions."""
    began = time.perf_counter()
    estimator = plan.estimator(prepared.features.extractor, prepared.unusable_copies, prepared.cache)
    features = plan.features(prepared.features.extractor)
    found = evaluate(
        prepared.table,
        estimator,
        split,
        selection=SELECTED if plan.tune else FIXED,
        seed=plan.seed,
        importance=plan.importance,
        progress=progress,
    )
    result = Result(
        corpus=prepared.corpus,
        rows=found.rows,
        speaker_count=found.speaker_count,
        classes=found.classes,
        protocol=found.protocol,
        features=features,
        features_name=prepared.features.name,
        feature_count=configured(prepared.features.extractor, fusion=plan.fusion, networks=plan.networks).column_count(
            len(found.classes)
        ),
        classifier=plan.judge(prepared.features.extractor),
        classifier_settings=plan.settings(estimator),
        pooled=found.pooled,
        intervals=found.intervals,
        per_class=found.per_class,
        confusion=found.confusion.tolist(),
        folds=found.folds,
        speakers=found.speakers,
        speaker_confusions={name: one.tolist() for name, one in found.speaker_confusions.items()},
        genders=found.genders,
        importance=found.importance,
        quarantine=prepared.quarantine,
        notes=[*prepared.notes, *_first_weights(features)],
        seed=plan.seed,
        seconds={
            "features": prepared.seconds,
            "evaluation": round(time.perf_counter() - began, 2),
            # Of networks that were trained before and found again, too.
            **({"training": round(float(found.curves["seconds"].sum()), 2)} if len(found.curves) else {}),
        },
        provenance=provenance(),
    )
    return result, found


def _first_weights(features: list[dict[str, Any]]) -> list[str]:
    """Say of networks that may begin with weights of others whether they did."""
    return [
        f"{one['kind']} begins with {one['weights'] or 'weights at random'}" for one in features if "weights" in one
    ]


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
    estimator = plan.estimator(prepared.features.extractor, prepared.unusable_copies, prepared.cache)
    fitted = estimator.fit(table, table["emotion"].to_numpy(dtype=object))
    pipeline = fitted.best_estimator_ if plan.tune else fitted
    # What adds or leaves out training rows has no part in a prediction.
    pipeline = Pipeline(pipeline.steps[-3:])
    card = ModelCard(
        features=pipeline[FEATURES].settings(),
        features_name=prepared.features.name,
        classifier=plan.classifier,
        fusion=plan.fusion,
        classifier_settings=plan.settings(estimator),
        classes=classes,
        corpus=prepared.corpus,
        training_rows=len(table),
        training_speakers=int(table.loc[table["speaker"] != "", "speaker"].nunique()),
        estimate=None if estimate is None else estimate.model_copy(update=PRIVATE),
        versions=versions(),
        created=datetime.now(UTC).strftime("%Y-%m-%d"),
    )
    return Model(pipeline, card)
