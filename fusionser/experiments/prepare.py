"""From places to a table of rows with features; what cannot be used is set apart."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from fusionser.corpora import Listing, list_rows
from fusionser.errors import AudioError, ProtocolError
from fusionser.experiments.choices import Features, Place
from fusionser.features import FeatureCache
from fusionser.features.extraction import Progress

__all__ = ["Prepared", "list_places", "prepare"]


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
    """

    table: pd.DataFrame
    features: Features
    quarantine: list[dict[str, str]]
    notes: list[str] = field(default_factory=list)
    computed: int = 0
    seconds: float = 0.0
    unusable_copies: tuple[tuple[str, str], ...] = ()

    @property
    def corpus(self) -> str:
        """Names of the corpora in the table."""
        return ", ".join(dict.fromkeys(name or "unnamed" for name in self.table["corpus"]))


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
    dropped: Sequence[str] = (),
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
    dropped : sequence of str
        Emotions to leave out, of training and test rows alike.
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
    rows = _keep_classes(listing.rows, classes, dropped)
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


def _keep_classes(rows: pd.DataFrame, classes: Sequence[str], dropped: Sequence[str]) -> pd.DataFrame:
    known = sorted(set(rows["emotion"]) - {""})
    for name in [*classes, *dropped]:
        if name not in known:
            raise ProtocolError(f"no recording has the emotion '{name}'; there are {', '.join(known) or 'none'}")
    kept = (set(classes) or set(rows["emotion"])) - set(dropped)
    if not kept:
        raise ProtocolError(f"no class is left; there are {', '.join(known)}")
    return rows[rows["emotion"].isin(kept)].reset_index(drop=True)
