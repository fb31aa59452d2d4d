"""The rows of all inputs together, with the emotions that are wanted."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from fusionser.corpora import CORPORA, Listing, list_rows
from fusionser.corpora.labels import LabelMap, fold_labels, joined_labels, rename_labels, respelt, spelt_as
from fusionser.errors import AudioError, ProtocolError
from fusionser.facts import Stamp
from fusionser.features.extraction import Progress
from fusionser.pipeline.features import Place
from fusionser.pipeline.votes import voted
from fusionser.rows import CHANNEL_COLUMN
from fusionser.storage import address_of

__all__ = ["NO_LABELS", "labelled", "list_places", "listed_rows"]

NO_LABELS: LabelMap = MappingProxyType({})


def list_places(
    places: Sequence[Place],
    *,
    strict: bool = False,
    any_length: bool = False,
    progress: Progress | None = None,
    measured: bool = True,
) -> Listing:
    """List the rows of all places together, with recordings that are too long for one clip if `any_length`.

    `measured` is as in `list_rows`.

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
            measured=measured,
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
    clips["file"] = [address_of(file) or os.path.realpath(file) for file in rows["file"]]
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


def listed_rows(
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
    measured: bool = True,
) -> Listing:
    """List the rows of all places that have a wanted emotion.

    Parameters
    ----------
    places, classes, dropped, labels, strict, raters, progress
        As in `fusionser.pipeline.prepare`.
    exact : bool
        Keep labels apart that differ only in case, blanks or Unicode form.
    own_names : bool, default=False
        Keep the emotions under their own names.
    any_length, measured : bool
        As in `fusionser.corpora.list_rows`.
    """
    listing = list_places(places, strict=strict, any_length=any_length, progress=progress, measured=measured)
    return labelled(listing, classes, dropped, labels, strict=strict, exact=exact, raters=raters, own_names=own_names)


def labelled(
    listing: Listing,
    classes: Sequence[str],
    dropped: Sequence[str],
    labels: LabelMap,
    *,
    strict: bool,
    exact: bool,
    raters: Sequence[str] = (),
    own_names: bool = False,
) -> Listing:
    """Return a listing with renamed emotions, and only those to keep; parameters are those of `listed_rows`."""
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
    return replace(listing, rows=rows, notes=[*listing.notes, *left_out_stamps(listing), *notes])


def _lacking_labels(rows: pd.DataFrame) -> int:
    """Return the number of rows without an emotion, and 0 where no row has one: these are rows to predict."""
    lacking = int((rows["emotion"] == "").sum())
    return lacking if lacking < len(rows) else 0


def left_out_stamps(listing: Listing) -> list[Stamp]:
    """Return how many copies were left out, and how many files were not read."""
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
