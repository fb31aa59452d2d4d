"""From places to a table of rows with features; what cannot be used is set apart."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from fusionser.augmentation import augmented_rows
from fusionser.cache import Cache
from fusionser.corpora import CORPORA, Listing, list_rows
from fusionser.errors import AudioError, ProtocolError, SettingsError
from fusionser.facts import Stamp
from fusionser.features import FeatureExtractor, LearnedBlock
from fusionser.features.extraction import Progress
from fusionser.features.store import write_features
from fusionser.pipeline.features import Place, build_features, resolve
from fusionser.pipeline.resources import LOCAL, Resources
from fusionser.results import provenance
from fusionser.spec import PipelineSpec

__all__ = ["Extracted", "Place", "Prepared", "analyse_augmented", "extract_file", "list_places", "prepare"]

PART = 500
"""Rows that are in memory at once while a features file is written."""


@dataclass(frozen=True)
class Prepared:
    """Rows with features, ready to be split.

    Parameters
    ----------
    table : DataFrame
        The usable rows with their features.
    spec : PipelineSpec
        With what follows from the input.
    extractor : FeatureExtractor
        The features of the specification.
    quarantine : list of dict
        ``file`` and ``reason`` of each recording that was set apart.
    notes : list of Stamp
    computed : int
        Number of clips analysed now; the others were in the cache.
    unusable : tuple of (str, str)
        Source and augmentation of augmented rows that turned out not to be usable.
    """

    table: pd.DataFrame
    spec: PipelineSpec
    extractor: FeatureExtractor
    quarantine: list[dict[str, str]]
    notes: list[Stamp] = field(default_factory=list)
    computed: int = 0
    seconds: float = 0.0
    unusable: tuple[tuple[str, str], ...] = ()

    @property
    def corpora(self) -> tuple[str, ...]:
        """Names of the corpora in the table."""
        return tuple(dict.fromkeys(name or "unnamed" for name in self.table["corpus"]))


@dataclass(frozen=True)
class Extracted:
    """What `extract_file` did.

    Parameters
    ----------
    rows, columns : int
        Number of rows and of feature columns in the file.
    features_name : str
    quarantine, notes, computed, seconds
        As in `Prepared`.
    """

    rows: int
    columns: int
    features_name: str
    quarantine: list[dict[str, str]]
    notes: list[Stamp]
    computed: int
    seconds: float


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
        notes=[
            note
            for place, listing in zip(places, listings, strict=True)
            for note in (*listing.notes, *_partial(place, listing))
        ],
    )


def _partial(place: Place, listing: Listing) -> list[Stamp]:
    """Say how much of a published corpus is in its folder, where it is not all; a table may hold what it likes."""
    corpus = CORPORA.get(place.corpus or "")
    if corpus is None or corpus.card.synthetic or not Path(place.path).is_dir():
        return []
    count, expected = len(listing.rows) + len(listing.quarantine), corpus.card.counts.files
    value = {"corpus": place.corpus, "found": count, "expected": expected}
    return [] if count >= expected else [Stamp(kind="partial-corpus", value=value)]


def prepare(
    places: Sequence[Place],
    spec: PipelineSpec,
    *,
    classes: Sequence[str] = (),
    dropped: Sequence[str] = (),
    resources: Resources = LOCAL,
    progress: Progress | None = None,
    strict: bool = False,
    extractor: FeatureExtractor | None = None,
) -> Prepared:
    """List the rows of the places and extract their features; what cannot be used is set apart.

    Parameters
    ----------
    places : sequence of Place
        Folders, rows tables, or features files.
    spec : PipelineSpec
        Whose features are extracted; rows of a features file made with the same settings are taken as they are.
    classes : sequence of str
        Emotions to keep; all when empty.
    dropped : sequence of str
        Emotions to leave out, of training and test rows alike.
    resources : Resources
    progress : callable, optional
        See `compute_clips`.
    strict : bool, default=False
        Raise at the first recording that cannot be used.
    extractor : FeatureExtractor, optional
        The features, where they are built already.

    Raises
    ------
    FusionserError
        When nothing usable is left.
    """
    began = time.perf_counter()
    if extractor is None:
        spec = resolve(spec, places)
        extractor = build_features(spec)
    listed = _listed(places, classes, dropped, strict=strict)
    run = _Extracting(extractor, resources, progress, strict, total=len(listed.rows))
    (table,) = run.parts(listed.rows, size=len(listed.rows))
    return Prepared(
        table,
        spec,
        extractor,
        [*listed.quarantine, *run.quarantine],
        notes=[*listed.notes, *run.notes],
        computed=run.computed,
        seconds=round(time.perf_counter() - began, 2),
    )


def extract_file(
    places: Sequence[Place],
    spec: PipelineSpec,
    path: str | Path,
    *,
    classes: Sequence[str] = (),
    dropped: Sequence[str] = (),
    resources: Resources = LOCAL,
    progress: Progress | None = None,
    strict: bool = False,
) -> Extracted:
    """Do what `prepare` does, part by part into a features file: memory does not grow with the corpus.

    Parameters
    ----------
    places, spec, classes, dropped, resources, progress, strict
        See `prepare`.
    path : str or Path
        Features file, written whole or not at all.

    Raises
    ------
    FusionserError
        When a block learns, nothing usable is left, or the file cannot be written.
    """
    began = time.perf_counter()
    spec = resolve(spec, places)
    extractor = build_features(spec)
    learning = [name for name, block in extractor.blocks if isinstance(block, LearnedBlock)]
    if learning:
        raise SettingsError(
            f"{', '.join(learning)} learn from training rows, so they cannot be extracted beforehand; leave them "
            "out here (--gender given or none), and name them in 'fusionser evaluate' or 'fusionser fit'"
        )
    listed = _listed(places, classes, dropped, strict=strict)
    run = _Extracting(extractor, resources, progress, strict, total=len(listed.rows))
    write_features(run.parts(listed.rows, size=PART), extractor, spec.features_name, path, provenance())
    return Extracted(
        run.kept,
        len(extractor.get_feature_names_out()),
        spec.features_name,
        [*listed.quarantine, *run.quarantine],
        [*listed.notes, *run.notes],
        run.computed,
        round(time.perf_counter() - began, 2),
    )


def analyse_augmented(
    prepared: Prepared, *, resources: Resources = LOCAL, progress: Progress | None = None
) -> Prepared:
    """Compute the features of all augmented rows once, so that every fold finds them in the cache.

    Rows that cannot be used (a stretched clip may be too short) are noted in what is returned, and left out of the
    training.
    """
    rows, seed = prepared.spec.rows, prepared.spec.seed
    cache = Cache.of(resources.cache)
    if cache is None or not rows.augment:
        return prepared
    augmented = augmented_rows(prepared.table, rows.augment, rows.copies, seed)
    result = prepared.extractor.run(augmented, cache=cache, n_jobs=resources.n_jobs, progress=progress)
    failed = augmented.iloc[sorted(result.failures)]
    notes = [Stamp(kind="unusable-augmentations", value=len(failed))] if len(failed) else []
    return replace(
        prepared,
        unusable=tuple(zip(failed["source"], failed["augmentation"], strict=True)),
        notes=[*prepared.notes, *notes],
    )


@dataclass(frozen=True)
class _Listed:
    rows: pd.DataFrame
    quarantine: list[dict[str, str]]
    notes: list[Stamp]


def _listed(places: Sequence[Place], classes: Sequence[str], dropped: Sequence[str], *, strict: bool) -> _Listed:
    listing = list_places(places, strict=strict)
    rows = _keep_classes(listing.rows, classes, dropped)
    quarantine = [{key: str(row[key]) for key in ("file", "reason")} for row in listing.quarantine.to_dict("records")]
    return _Listed(rows, quarantine, [*listing.notes, *_left_out(listing)])


@dataclass
class _Extracting:
    """One extraction, in one part or many: what it needs, and what it has found so far."""

    extractor: FeatureExtractor
    resources: Resources
    progress: Progress | None
    strict: bool
    total: int
    kept: int = 0
    seen: int = 0
    computed: int = 0
    quarantine: list[dict[str, str]] = field(default_factory=list)
    notes: list[Stamp] = field(default_factory=list)

    def parts(self, rows: pd.DataFrame, size: int) -> Iterator[pd.DataFrame]:
        """Yield the usable rows with their features, part by part; raise `AudioError` when there are none."""
        # Asked of all rows at once, so that all parts have the same columns.
        held = self.extractor.table(rows).held().all()
        for first in range(0, len(rows), size):
            part = rows.iloc[first : first + size].reset_index(drop=True)
            table = part if held else self._analysed(part)
            self.kept += len(table)
            if len(table):
                yield table
        if not self.kept:
            first_reason = f"; the first: {self.quarantine[0]['reason']}" if self.quarantine else ""
            raise AudioError(f"none of {len(rows)} recordings can be used{first_reason}")

    def _analysed(self, rows: pd.DataFrame) -> pd.DataFrame:
        self.extractor.check()
        table = self.extractor.table(rows)
        result = table.compute(
            cache=Cache.of(self.resources.cache),
            n_jobs=self.resources.n_jobs,
            device=self.resources.feature_device,
            progress=self._progress_of_part(len(rows)),
            strict=self.strict,
        )
        self.seen += len(rows)
        self.computed += result.computed
        notes = [Stamp(kind="text", value=text) for text in result.notices]
        self.notes += [note for note in notes if note not in self.notes]
        self.quarantine += [
            {"file": str(rows["file"].iloc[position]), "reason": reason}
            for position, reason in sorted(result.failures.items())
        ]
        return rows.iloc[:0] if len(result.failures) == len(rows) else table.filled(result)

    def _progress_of_part(self, count: int) -> Progress | None:
        """Return a progress function of one part that tells of all rows, those that were known among them."""
        if self.progress is None:
            return None
        report, before, total = self.progress, self.seen, self.total
        return lambda done, pending: report(before + count - pending + done, total)


def _left_out(listing: Listing) -> list[Stamp]:
    counts = {"doubled": len(listing.doubled), "ignored": len(listing.ignored)}
    return [Stamp(kind=kind, value=count) for kind, count in counts.items() if count]


def _keep_classes(rows: pd.DataFrame, classes: Sequence[str], dropped: Sequence[str]) -> pd.DataFrame:
    emotions = sorted(set(rows["emotion"]) - {""})
    for name in [*classes, *dropped]:
        if name not in emotions:
            raise ProtocolError(f"no recording has the emotion '{name}'; there are {', '.join(emotions) or 'none'}")
    kept = (set(classes) or set(rows["emotion"])) - set(dropped)
    if not kept:
        raise ProtocolError(f"no class is left; there are {', '.join(emotions)}")
    return rows[rows["emotion"].isin(kept)].reset_index(drop=True)
