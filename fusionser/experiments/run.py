"""The main job in steps: prepare rows and features, evaluate, fit."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.base import BaseEstimator

from fusionser.corpora import CORPORA, Card, Listing, list_rows
from fusionser.errors import AudioError, ProtocolError, SettingsError
from fusionser.evaluation import Protocol, Result, check_labels, evaluate, protocol, provenance, versions
from fusionser.evaluation.evaluate import Evaluation, FoldProgress
from fusionser.experiments.pipeline import build_pipeline, search_parameters
from fusionser.features import FeatureCache, FeatureExtractor, preset
from fusionser.features.extraction import Progress
from fusionser.features.presets import blocks_extractor
from fusionser.features.store import read_settings
from fusionser.model import CLASSIFIER, Model, ModelCard

__all__ = [
    "Features",
    "Place",
    "Plan",
    "Prepared",
    "choose_features",
    "choose_protocol",
    "evaluate_plan",
    "fit_plan",
    "list_places",
    "prepare",
]

SELECTED = "parameters chosen by inner folds of the training speakers"
FIXED = "fixed parameters"


@dataclass(frozen=True)
class Features:
    """An extractor, and the name it goes by."""

    name: str
    extractor: FeatureExtractor


@dataclass
class Prepared:
    """Rows with features, ready to be split.

    Parameters
    ----------
    table : DataFrame
        The usable rows with their features.
    quarantine : list of dict
        ``file`` and ``reason`` of each recording that was set apart.
    notes : list of str
    computed : int
        Number of clips analysed now; the others were known.
    """

    table: pd.DataFrame
    features: Features
    quarantine: list[dict[str, str]]
    notes: list[str] = field(default_factory=list)
    computed: int = 0
    seconds: float = 0.0

    @property
    def corpus(self) -> str:
        """Names of the corpora in the table."""
        return ", ".join(dict.fromkeys(name or "unnamed" for name in self.table["corpus"]))


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


def card_of(corpus: str | None) -> Card | None:
    """Return the card of a corpus that has one."""
    return CORPORA[corpus].card if corpus is not None and corpus in CORPORA else None


@dataclass(frozen=True)
class Place:
    """An input: a folder and its corpus, or a table (``corpus`` is None)."""

    path: str | Path
    corpus: str | None = None


def choose_features(
    places: Sequence[Place],
    *,
    preset_name: str | None = None,
    blocks: Sequence[str] = (),
    gender: bool | None = None,
    clip: dict[str, Any] | None = None,
) -> Features:
    """Choose the front end: blocks by name, else a preset, else that of the features file, else ``wide``.

    Parameters
    ----------
    places : sequence of Place
        A single features file brings its own settings; the card of a single corpus tells how much of a clip
        SER-FusionNet's preset skips.
    preset_name : str, optional
    blocks : sequence of str
    gender : bool, optional
        Whether the gender as given by the rows is a feature; as the preset has it when None.
    clip : dict, optional
        Parameters of the clip and its frames that differ from the preset's.
    """
    given = dict(clip or {})
    if blocks and preset_name:
        raise SettingsError("got both --preset and --blocks; expected one of them")
    if blocks:
        if gender is not None:
            raise SettingsError("--gender goes with a preset; name or leave out the block 'gender' in --blocks")
        return Features("+".join(blocks), blocks_extractor(blocks, **given))
    stored = read_settings(places[0].path) if len(places) == 1 else None
    if stored is not None and preset_name is None and not given and gender is None:
        return Features(stored.name, stored.extractor)
    name = preset_name or "wide"
    card = card_of(places[0].corpus) if len(places) == 1 else None
    if name == "fusionnet" and card is not None:
        given.setdefault("offset", card.protocol.clip_offset)
    options = {} if gender is None else {"gender": gender}
    return Features(name, preset(name, **options, **given))


def list_places(places: Sequence[Place], *, strict: bool = False) -> Listing:
    """List the rows of all places together.

    Raises
    ------
    AudioError
        With `strict`, for the first recording that has no duration.
    """
    listings = [list_rows(place.path, place.corpus) for place in places]
    for listing in listings:
        if strict and len(listing.quarantine):
            raise AudioError(str(listing.quarantine["reason"].iloc[0]))
    return Listing(
        rows=pd.concat([listing.rows for listing in listings], ignore_index=True),
        quarantine=pd.concat([listing.quarantine for listing in listings], ignore_index=True),
        doubled=[pair for listing in listings for pair in listing.doubled],
        ignored=[file for listing in listings for file in listing.ignored],
        notes=[note for listing in listings for note in listing.notes],
    )


def prepare(
    places: Sequence[Place],
    features: Features,
    *,
    classes: Sequence[str] = (),
    cache: FeatureCache | None = None,
    n_jobs: int | None = None,
    progress: Progress | None = None,
    strict: bool = False,
) -> Prepared:
    """List the rows of the places and extract their features; what cannot be used is set apart.

    Parameters
    ----------
    places : sequence of Place
        Folders, rows tables, or features files.
    features : Features
        What to extract; rows of a features file made with the same settings are taken as they are.
    classes : sequence of str
        Emotions to keep; all when empty.
    cache, n_jobs, progress
        See `compute_clips`.
    strict : bool, default=False
        Raise at the first recording that cannot be used.

    Raises
    ------
    FusionserError
        When nothing usable is left.
    """
    began = time.perf_counter()
    listing = list_places(places, strict=strict)
    rows = _keep_classes(listing.rows, classes)
    quarantine = [{key: str(row[key]) for key in ("file", "reason")} for row in listing.quarantine.to_dict("records")]
    notes = [*listing.notes, *_left_out(listing)]
    computed = 0
    if not features.extractor.extracted(rows).all():
        result = features.extractor.run(rows, cache=cache, n_jobs=n_jobs, progress=progress, strict=strict)
        failed = sorted(result.failures.items())
        if len(failed) == len(rows):
            raise AudioError(f"none of {len(rows)} recordings can be used; the first: {failed[0][1]}")
        quarantine += [{"file": str(rows["file"].iloc[position]), "reason": reason} for position, reason in failed]
        rows = features.extractor.table(rows, result)
        computed, notes = result.computed, notes + result.notices
    seconds = round(time.perf_counter() - began, 2)
    return Prepared(rows, features, quarantine, notes=notes, computed=computed, seconds=seconds)


def _left_out(listing: Listing) -> list[str]:
    notes = []
    if listing.doubled:
        notes.append(f"{len(listing.doubled)} recordings are there twice; one of each is used")
    if listing.ignored:
        notes.append(f"{len(listing.ignored)} audio files are not of this corpus and were left out")
    return notes


def _keep_classes(rows: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    if not classes:
        return rows
    known = sorted(set(rows["emotion"]) - {""})
    for name in classes:
        if name not in known:
            raise ProtocolError(f"no recording has the emotion '{name}'; there are {', '.join(known) or 'none'}")
    return rows[rows["emotion"].isin(classes)].reset_index(drop=True)


def choose_protocol(name: str, rows: pd.DataFrame, settings: dict[str, Any] | None = None) -> Protocol:
    """Build a protocol, with the corpus's own hold-out and number of folds where none are given.

    Parameters
    ----------
    name : str
        A key of `fusionser.evaluation.PROTOCOLS`.
    rows : DataFrame
        What will be split; when all rows are of one known corpus, its card is asked.
    settings : dict, optional
    """
    given = dict(settings or {})
    corpora = set(rows["corpus"])
    card = card_of(corpora.pop()) if len(corpora) == 1 else None
    if card is not None and name == "speaker-holdout" and not {"speakers", "share"} & set(given):
        present = set(rows["speaker"])
        tested = [speaker for speaker in card.protocol.holdout_speakers if speaker in present]
        if tested and set(tested) < present:
            given["speakers"] = tuple(tested)
    if name == "speaker-kfold" and "folds" not in given:
        speakers = int(rows["speaker"].nunique())
        given["folds"] = max(2, min(card.protocol.folds if card is not None else 5, speakers))
    return protocol(name, **given)


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
        rows=len(prepared.table),
        speaker_count=int(prepared.table.loc[prepared.table["speaker"] != "", "speaker"].nunique()),
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
