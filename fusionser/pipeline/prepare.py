"""Read inputs into a table of rows with features. Unusable recordings are quarantined."""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from fusionser.augmentation import augmented_rows
from fusionser.cache import Cache
from fusionser.corpora import CORPORA, Listing, list_rows
from fusionser.corpora.kept_notes import pack_notes
from fusionser.corpora.labels import LabelMap, fold_labels, joined_labels, rename_labels, respelt, spelt_as
from fusionser.errors import AudioError, ProtocolError, SettingsError
from fusionser.facts import Stamp
from fusionser.features import EstimatedGender, FeatureExtractor, LearnedBlock
from fusionser.features.extraction import Progress
from fusionser.features.store import write_features
from fusionser.names import DIMENSIONS
from fusionser.pipeline.features import Place, build_features, resolve
from fusionser.pipeline.notes import less_unused
from fusionser.pipeline.resources import LOCAL, Resources
from fusionser.pipeline.soft_labels import check_raters
from fusionser.pipeline.targets import with_targets
from fusionser.pipeline.votes import voted
from fusionser.results import provenance
from fusionser.rows import CHANNEL_COLUMN, feature_columns
from fusionser.spec import PipelineSpec
from fusionser.splits import Protocol
from fusionser.timeline.rows import window_rows
from fusionser.timeline.windows import WindowSettings

__all__ = ["Extracted", "Place", "Prepared", "analyse_augmented", "extract_file", "list_places", "prepare"]

PART = 500
"""Number of rows in memory at once while a features file is written."""

NO_LABELS: LabelMap = MappingProxyType({})


@dataclass(frozen=True)
class Prepared:
    """Rows with features, ready to be split.

    Parameters
    ----------
    table : DataFrame
        The usable rows with their features.
    spec : PipelineSpec
        The specification, completed by `resolve`.
    extractor : FeatureExtractor
        The features of the specification.
    quarantine : list of dict
        ``file`` and ``reason`` of each unusable recording.
    notes : list of Stamp
        Facts about the input, and problems during extraction.
    computed : int
        Number of clips that were analysed. The others came from the cache.
    seconds : float
        Duration of the preparation.
    unusable : tuple of (str, str)
        Source and augmentation of augmented rows that cannot be used.
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
        """The names of the corpora in the table."""
        return tuple(dict.fromkeys(name or "unnamed" for name in self.table["corpus"]))


@dataclass(frozen=True)
class Extracted:
    """The result of `extract_file`.

    Parameters
    ----------
    rows, columns : int
        Number of rows and of feature columns in the file.
    features_name : str
        Name of the features in the specification.
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


def list_places(
    places: Sequence[Place], *, strict: bool = False, any_length: bool = False, progress: Progress | None = None
) -> Listing:
    """List the rows of all places together, with recordings that are too long for one clip if `any_length`.

    Raises
    ------
    AudioError
        With `strict`, for the first quarantined recording.
    """
    listings = [
        list_rows(
            place.path,
            place.corpus,
            place.layout,
            columns=place.columns,
            accept_truncated=place.accept_truncated,
            channel=place.channel,
            any_length=any_length,
            parts=place.parts,
            download=place.download,
            progress=progress,
        )
        for place in places
    ]
    quarantine = pd.concat([listing.quarantine for listing in listings], ignore_index=True)
    if strict and len(quarantine):
        raise AudioError(str(quarantine["reason"].iloc[0]))
    rows, again = _without_repeated(listings)
    return Listing(
        rows=rows,
        quarantine=quarantine,
        doubled=[*(pair for listing in listings for pair in listing.doubled), *again],
        ignored=[file for listing in listings for file in listing.ignored],
        notes=[
            note
            for place, listing in zip(places, listings, strict=True)
            for note in (*listing.notes, *_partial(place, listing))
        ],
    )


def _without_repeated(listings: Sequence[Listing]) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Return the rows of all listings, and (left out, kept) files of clips that an earlier listing has too."""
    rows = pd.concat([listing.rows for listing in listings], ignore_index=True)
    if len(listings) == 1:
        return rows, []
    clips = rows.reindex(columns=["file", "start", "end", CHANNEL_COLUMN, "augmentation"]).astype(object)
    clips = clips.where(clips.notna(), "").astype(str)
    clips["file"] = [os.path.realpath(file) for file in rows["file"]]
    named = pd.Series(list(clips.itertuples(index=False, name=None)))
    order = np.repeat(np.arange(len(listings)), [len(listing.rows) for listing in listings])
    first = pd.Series(order).groupby(named).transform("min").to_numpy()
    kept = rows["file"].groupby(named).transform("first")
    again = order > first
    return rows[~again].reset_index(drop=True), list(zip(rows["file"][again], kept[again], strict=True))


def _partial(place: Place, listing: Listing) -> list[Stamp]:
    """Return a stamp if a folder lacks part of a published corpus. Tables may be of any size."""
    corpus = CORPORA.get(place.corpus or "")
    if corpus is None or corpus.card.synthetic or not Path(place.path).is_dir():
        return []
    count, expected = len(listing.rows) + len(listing.quarantine), corpus.card.counts.files
    value = {"corpus": place.corpus, "found": count, "expected": expected}
    return [] if expected is None or count >= expected else [Stamp(kind="partial-corpus", value=value)]


def prepare(
    places: Sequence[Place],
    spec: PipelineSpec,
    *,
    classes: Sequence[str] = (),
    dropped: Sequence[str] = (),
    labels: LabelMap = NO_LABELS,
    exact_labels: bool = False,
    raters: Sequence[str] = (),
    resources: Resources = LOCAL,
    progress: Progress | None = None,
    strict: bool = False,
    extractor: FeatureExtractor | None = None,
) -> Prepared:
    """List the rows of the places and extract their features. Unusable recordings are quarantined.

    Parameters
    ----------
    places : sequence of Place
        Folders, rows tables, or features files.
    spec : PipelineSpec
        Its features are extracted. Rows of a features file with the same settings are used as they are.
    classes : sequence of str
        Emotions to keep. If empty, all are kept.
    dropped : sequence of str
        Emotions to leave out of training and test rows.
    labels : mapping
        A `LabelMap`: emotions to rename before any are kept or left out.
    exact_labels : bool, default=False
        Keep labels apart that differ only in case, blanks or Unicode form (`fold_labels`).
    raters : sequence of str
        Columns of tables, or patterns of them, with the labels of one rater each. The label with most votes is the
        emotion, and rows without such a label are set aside.
    resources : Resources
    progress : callable, optional
        Called with the number of rows done and the total number.
    strict : bool, default=False
        Raise at the first recording that cannot be used.
    extractor : FeatureExtractor, optional
        The features, if they are already built.

    Raises
    ------
    FusionserError
        If no usable rows are left.
    """
    began = time.perf_counter()
    check_raters(spec, raters)
    if extractor is None:
        spec = resolve(spec, places)
        extractor = build_features(spec)
    listing = _listed(
        places, classes, dropped, labels, strict=strict, exact=exact_labels, raters=raters, progress=progress
    )
    if spec.task == DIMENSIONS:
        listing = with_targets(_of_numbers(listing), spec.targets, strict=strict)
    run = _Extracting(extractor, resources, progress, strict, listing)
    (table,) = run.parts(size=len(run.listing.rows))
    return Prepared(table, spec, extractor, **run.summary(began))


def extract_file(
    places: Sequence[Place],
    spec: PipelineSpec,
    path: str | Path,
    *,
    classes: Sequence[str] = (),
    dropped: Sequence[str] = (),
    labels: LabelMap = NO_LABELS,
    exact_labels: bool = False,
    raters: Sequence[str] = (),
    resources: Resources = LOCAL,
    progress: Progress | None = None,
    strict: bool = False,
    windows: WindowSettings | None = None,
) -> Extracted:
    """Extract like `prepare`, but write a features file part by part, so memory does not grow with the corpus.

    Parameters
    ----------
    places, spec, classes, dropped, labels, exact_labels, raters, resources, progress, strict
        As in `prepare`; but the file keeps the emotions under their own names, so that an evaluation renames them.
    path : str or Path
        The features file. It appears only when it is complete.
    windows : WindowSettings, optional
        Cut every recording into windows (`window_rows`).

    Raises
    ------
    FusionserError
        If a block learns, no usable rows are left, or the file cannot be written.
    """
    began = time.perf_counter()
    spec = resolve(spec, places)
    extractor = build_features(spec)
    learning = {name: block for name, block in extractor.blocks if isinstance(block, LearnedBlock)}
    if learning:
        verb, they, them = ("learn", "they", "them") if len(learning) > 1 else ("learns", "it", "it")
        gender = any(isinstance(block, EstimatedGender) for block in learning.values())
        hint = " (--gender given or none)" if gender else ""
        raise SettingsError(
            f"{', '.join(learning)} {verb} from training rows, so {they} cannot be extracted beforehand; leave {them} "
            f"out here{hint}, and name {them} in 'fusionser evaluate' or 'fusionser fit'"
        )
    listing = _listed(
        places,
        classes,
        dropped,
        labels,
        strict=strict,
        exact=exact_labels,
        raters=raters,
        own_names=True,
        any_length=windows is not None,
        progress=progress,
    )
    if windows is not None:
        if feature_columns(listing.rows):
            raise SettingsError("a features file has the features of whole recordings; with --windows, give recordings")
        stamp = Stamp(kind="windows", value={"length": float(windows.length), "hop": float(windows.hop)})
        listing = replace(listing, rows=window_rows(listing.rows, windows), notes=[*listing.notes, stamp])
    run = _Extracting(extractor, resources, progress, strict, listing)
    write_features(run.parts(size=PART), extractor, spec.features_name, path, provenance(), run.packed)
    columns = len(extractor.get_feature_names_out())
    done = run.summary(began)
    # Who uses the file must know the licences of others.
    done["notes"] = [*done["notes"], *extractor.stamps()]
    return Extracted(run.kept, columns, spec.features_name, **done)


def analyse_augmented(
    prepared: Prepared,
    split: Protocol | None = None,
    *,
    resources: Resources = LOCAL,
    progress: Progress | None = None,
) -> Prepared:
    """Compute the features of all augmented rows once, so that every fold finds them in the cache.

    With `split`, only rows that are in the training rows of a fold are augmented.

    Rows that cannot be used, such as a stretched clip that is too short, are listed in `Prepared.unusable` and left out
    of the training.
    """
    rows, seed = prepared.spec.rows, prepared.spec.seed
    if not rows.augment:
        return prepared
    # Without a cache, this is only to find the rows that cannot be used.
    cache = Cache.of(resources.cache)
    table = prepared.table
    if split is not None:
        trained = {position for _, train, _ in split.named_folds(table) for position in train}
        table = table.iloc[sorted(trained)]
    augmented = augmented_rows(table, rows.augment, rows.copies, seed)
    result = prepared.extractor.run(
        augmented, cache=cache, n_jobs=resources.n_jobs, memory_limit=resources.memory_limit, progress=progress
    )
    failed = augmented.iloc[sorted(result.failures)]
    notes = [Stamp(kind="unusable-augmentations", value=len(failed))] if len(failed) else []
    return replace(
        prepared,
        unusable=tuple(zip(failed["source"], failed["augmentation"], strict=True)),
        notes=[*prepared.notes, *notes],
    )


def _listed(
    places: Sequence[Place],
    classes: Sequence[str],
    dropped: Sequence[str],
    labels: LabelMap,
    *,
    strict: bool,
    exact: bool,
    raters: Sequence[str] = (),
    own_names: bool = False,
    any_length: bool = False,
    progress: Progress | None = None,
) -> Listing:
    listing = list_places(places, strict=strict, any_length=any_length, progress=progress)
    if raters:
        listing = voted(listing, raters, {} if own_names else labels, exact=exact, strict=strict, keep=own_names)
        labels = labels if own_names else {}
    folded, spellings = fold_labels(listing.rows["emotion"])
    alike = listing.rows if exact else listing.rows.assign(emotion=folded)
    if not exact:
        labels = respelt(labels, alike["emotion"])
    emotions = rename_labels(alike, labels)
    if not exact:
        classes, dropped = (spelt_as(names, emotions) for names in (classes, dropped))
    named = listing.rows if own_names else listing.rows.assign(emotion=emotions)
    rows = named[_kept(emotions, classes, dropped)].reset_index(drop=True)
    told = {
        "labels-exact" if exact else "labels-folded": spellings,
        "labels-joined": joined_labels(rows["emotion"]),
        "labels-renamed": dict(labels) if not own_names else {},
        "labels-missing": _lacking_labels(rows),
    }
    notes = [Stamp(kind=kind, value=value) for kind, value in told.items() if value]
    return replace(listing, rows=rows, notes=[*listing.notes, *_left_out(listing), *notes])


def _of_numbers(listing: Listing) -> Listing:
    """Return a listing without the note on rows that lack an emotion, since none is predicted."""
    return replace(listing, notes=[note for note in listing.notes if note.kind != "labels-missing"])


def _check_gender(extractor: FeatureExtractor, rows: pd.DataFrame) -> None:
    """Raise `SettingsError` if the gender is a feature and no row has one, before anything is decoded."""
    kinds = {getattr(block, "kind", None) for _, block in extractor.blocks}
    if "gender" in kinds and (rows["gender"] == "").all():
        raise SettingsError(
            f"none of {len(rows)} rows has the speaker's gender, which is a feature; fill in the column 'gender' with "
            "female and male, or choose --gender estimated or none"
        )


@dataclass
class _Extracting:
    """One extraction, in one part or several: its inputs, and its results so far."""

    extractor: FeatureExtractor
    resources: Resources
    progress: Progress | None
    strict: bool
    listing: Listing
    kept: int = 0
    seen: int = 0
    computed: int = 0
    quarantine: list[dict[str, str]] = field(default_factory=list)
    notes: list[Stamp] = field(default_factory=list)

    def parts(self, size: int) -> Iterator[pd.DataFrame]:
        """Yield the usable rows with their features, part by part. Raise `AudioError` if there are none."""
        rows = self.listing.rows
        # Checked for all rows at once, so that all parts have the same columns.
        held = self.extractor.table(rows).held().all()
        if not held:
            _check_gender(self.extractor, rows)
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
        self.seen += len(rows)

        def report(done: int, pending: int) -> None:
            if self.progress:
                self.progress(self.seen - pending + done, len(self.listing.rows))

        result = table.compute(
            cache=Cache.of(self.resources.cache),
            n_jobs=self.resources.n_jobs,
            device=self.resources.feature_device,
            memory_limit=self.resources.memory_limit,
            progress=report,
            strict=self.strict,
        )
        self.computed += result.computed
        notes = [Stamp(kind="text", value=text) for text in result.notices]
        self.notes += [note for note in notes if note not in self.notes]
        self.quarantine += [
            {"file": str(rows["file"].iloc[position]), "reason": reason}
            for position, reason in sorted(result.failures.items())
        ]
        return rows.iloc[:0] if len(result.failures) == len(rows) else table.filled(result)

    def _listing_notes(self) -> list[Stamp]:
        """Return the notes on the listing, where a column that a block reads counts as used."""
        read = {name for _, block in self.extractor.blocks for name in block.row_columns()}
        return less_unused(self.listing.notes, read)

    def packed(self) -> bytes:
        """Return what a features file keeps on the recordings."""
        described = self.summary(0.0)
        return pack_notes(described["notes"], described["quarantine"])

    def summary(self, began: float) -> dict[str, Any]:
        """Return the fields that `Prepared` and `Extracted` share."""
        listed = self.listing.quarantine[["file", "reason"]].astype(str).to_dict("records")
        return {
            "quarantine": [*listed, *self.quarantine],
            "notes": [*self._listing_notes(), *self.notes],
            "computed": self.computed,
            "seconds": round(time.perf_counter() - began, 2),
        }


def _lacking_labels(rows: pd.DataFrame) -> int:
    """Return the number of rows without an emotion, and 0 where no row has one: these are rows to predict."""
    lacking = int((rows["emotion"] == "").sum())
    return lacking if lacking < len(rows) else 0


def _left_out(listing: Listing) -> list[Stamp]:
    counts = {"doubled": len(listing.doubled), "ignored": len(listing.ignored)}
    return [Stamp(kind=kind, value=count) for kind, count in counts.items() if count]


def _kept(labels: pd.Series, classes: Sequence[str], dropped: Sequence[str]) -> pd.Series:
    """Return which rows have one of the classes to keep."""
    emotions = sorted(set(labels) - {""})
    for name in [*classes, *dropped]:
        if name not in emotions:
            raise ProtocolError(f"no recording has the emotion '{name}'; there are {', '.join(emotions) or 'none'}")
    kept = (set(classes) or set(labels)) - set(dropped)
    if not kept:
        raise ProtocolError(f"no class is left; there are {', '.join(emotions)}")
    return labels.isin(kept)
