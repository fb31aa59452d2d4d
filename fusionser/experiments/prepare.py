"""From places to a table of rows with features; what cannot be used is set apart."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from fusionser.corpora import CORPORA, Listing, list_rows
from fusionser.corpora.places import Present
from fusionser.errors import AudioError, ProtocolError
from fusionser.evaluation import provenance
from fusionser.experiments.choices import Features, Place
from fusionser.features import Cache
from fusionser.features.extraction import Progress
from fusionser.features.store import write_features

__all__ = ["Extracted", "Prepared", "extract_file", "list_places", "prepare"]

PART = 500
"""Rows that are in memory at once while a features file is written."""


@dataclass(frozen=True)
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
    unusable_copies : tuple of (str, str)
        Source and augmentation of copies that turned out not to be usable.
    cache : Cache, optional
        Where the features were looked up and kept, and where copies and networks will be; the default one when None.
    """

    table: pd.DataFrame
    features: Features
    quarantine: list[dict[str, str]]
    notes: list[str] = field(default_factory=list)
    computed: int = 0
    seconds: float = 0.0
    unusable_copies: tuple[tuple[str, str], ...] = ()
    cache: Cache | None = None

    @property
    def corpus(self) -> str:
        """Names of the corpora in the table."""
        return ", ".join(dict.fromkeys(name or "unnamed" for name in self.table["corpus"]))


@dataclass(frozen=True)
class Extracted:
    """What `extract_file` did.

    Parameters
    ----------
    rows : int
        Number of rows in the file.
    quarantine, notes, computed, seconds
        As in `Prepared`.
    """

    rows: int
    quarantine: list[dict[str, str]]
    notes: list[str]
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


def _partial(place: Place, listing: Listing) -> list[str]:
    """Say how much of a published corpus is in its folder, where it is not all; a table may hold what it likes."""
    corpus = CORPORA.get(place.corpus or "")
    if corpus is None or corpus.card.synthetic or not Path(place.path).is_dir():
        return []
    found = len(listing.rows) + len(listing.quarantine)
    one = Present(str(place.corpus), Path(place.path), found, corpus.card.counts.files)
    return [] if one.whole else [f"partial: {one}"]


def prepare(
    places: Sequence[Place],
    features: Features,
    *,
    classes: Sequence[str] = (),
    dropped: Sequence[str] = (),
    cache: Cache | None = None,
    n_jobs: int | None = None,
    device: str = "cpu",
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
    dropped : sequence of str
        Emotions to leave out, of training and test rows alike.
    cache, n_jobs, device, progress
        See `compute_clips`.
    strict : bool, default=False
        Raise at the first recording that cannot be used.

    Raises
    ------
    FusionserError
        When nothing usable is left.
    """
    began = time.perf_counter()
    listed = _listed(places, classes, dropped, strict=strict)
    run = _Extracting(features, cache, n_jobs, device, progress, strict, total=len(listed.rows))
    (table,) = run.parts(listed.rows, size=len(listed.rows))
    return Prepared(
        table,
        features,
        [*listed.quarantine, *run.quarantine],
        notes=[*listed.notes, *run.notes],
        computed=run.computed,
        seconds=round(time.perf_counter() - began, 2),
        cache=cache,
    )


def extract_file(
    places: Sequence[Place],
    features: Features,
    path: str | Path,
    *,
    classes: Sequence[str] = (),
    dropped: Sequence[str] = (),
    cache: Cache | None = None,
    n_jobs: int | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
    strict: bool = False,
) -> Extracted:
    """Do what `prepare` does, part by part into a features file: memory does not grow with the corpus.

    Parameters
    ----------
    places, features, classes, dropped, cache, n_jobs, device, progress, strict
        See `prepare`.
    path : str or Path
        Features file, written whole or not at all.

    Raises
    ------
    FusionserError
        When nothing usable is left, or the file cannot be written.
    """
    began = time.perf_counter()
    listed = _listed(places, classes, dropped, strict=strict)
    run = _Extracting(features, cache, n_jobs, device, progress, strict, total=len(listed.rows))
    write_features(run.parts(listed.rows, size=PART), features.extractor, features.name, path, provenance())
    return Extracted(
        run.kept,
        [*listed.quarantine, *run.quarantine],
        [*listed.notes, *run.notes],
        run.computed,
        round(time.perf_counter() - began, 2),
    )


@dataclass(frozen=True)
class _Listed:
    rows: pd.DataFrame
    quarantine: list[dict[str, str]]
    notes: list[str]


def _listed(places: Sequence[Place], classes: Sequence[str], dropped: Sequence[str], *, strict: bool) -> _Listed:
    listing = list_places(places, strict=strict)
    rows = _keep_classes(listing.rows, classes, dropped)
    quarantine = [{key: str(row[key]) for key in ("file", "reason")} for row in listing.quarantine.to_dict("records")]
    return _Listed(rows, quarantine, [*listing.notes, *_left_out(listing)])


@dataclass
class _Extracting:
    """One extraction, in one part or many: what it needs, and what it has found so far."""

    features: Features
    cache: Cache | None
    n_jobs: int | None
    device: str
    progress: Progress | None
    strict: bool
    total: int
    kept: int = 0
    seen: int = 0
    computed: int = 0
    quarantine: list[dict[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def parts(self, rows: pd.DataFrame, size: int) -> Iterator[pd.DataFrame]:
        """Yield the usable rows with their features, part by part; raise `AudioError` when there are none."""
        # Asked of all rows at once, so that all parts have the same columns.
        held = self.features.extractor.table(rows).held().all()
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
        self.features.extractor.check()
        table = self.features.extractor.table(rows)
        result = table.compute(
            cache=self.cache,
            n_jobs=self.n_jobs,
            device=self.device,
            progress=self._told(len(rows)),
            strict=self.strict,
        )
        self.seen += len(rows)
        self.computed += result.computed
        self.notes += [note for note in result.notices if note not in self.notes]
        self.quarantine += [
            {"file": str(rows["file"].iloc[position]), "reason": reason}
            for position, reason in sorted(result.failures.items())
        ]
        return rows.iloc[:0] if len(result.failures) == len(rows) else table.filled(result)

    def _told(self, count: int) -> Progress | None:
        """Return a progress function of one part that tells of all rows, those that were known among them."""
        if self.progress is None:
            return None
        told, before, total = self.progress, self.seen, self.total
        return lambda done, pending: told(before + count - pending + done, total)


def _left_out(listing: Listing) -> list[str]:
    notes = []
    if listing.doubled:
        notes.append(f"{len(listing.doubled)} recordings are there twice; one of each is used")
    if listing.ignored:
        notes.append(f"{len(listing.ignored)} audio files are not of this corpus and were left out")
    return notes


def _keep_classes(rows: pd.DataFrame, classes: Sequence[str], dropped: Sequence[str]) -> pd.DataFrame:
    known = sorted(set(rows["emotion"]) - {""})
    for name in [*classes, *dropped]:
        if name not in known:
            raise ProtocolError(f"no recording has the emotion '{name}'; there are {', '.join(known) or 'none'}")
    kept = (set(classes) or set(rows["emotion"])) - set(dropped)
    if not kept:
        raise ProtocolError(f"no class is left; there are {', '.join(known)}")
    return rows[rows["emotion"].isin(kept)].reset_index(drop=True)
