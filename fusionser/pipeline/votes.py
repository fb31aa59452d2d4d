"""Emotions by the votes of several raters, for the rows of a table."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from fusionser.corpora import Listing
from fusionser.corpora.labels import LabelMap
from fusionser.corpora.raters import vote
from fusionser.errors import RowsError
from fusionser.facts import Stamp
from fusionser.features.external.columns import matching_columns
from fusionser.pipeline.notes import less_unused
from fusionser.rows import COLUMNS, VOTES_COLUMN

__all__ = ["voted"]


def voted(
    listing: Listing, raters: Sequence[str], labels: LabelMap, *, exact: bool, strict: bool, keep: bool = False
) -> Listing:
    """Return a listing with the emotions that have most votes; rows without such an emotion are set aside.

    The votes are in the column ``votes_of_raters`` instead of those of the raters, so that no feature can read them.

    Parameters
    ----------
    listing : Listing
    raters : sequence of str
        Columns with the labels of one rater each, or patterns.
    labels : mapping
        A `LabelMap`, applied before the votes are counted.
    exact : bool
        Keep labels apart that differ only in case, blanks or Unicode form.
    strict : bool
        Raise at the first row without such an emotion.
    keep : bool, default=False
        Keep the columns of the raters, for a file that is voted on again.

    Raises
    ------
    RowsError
        If there are fewer than two raters, or no row has such an emotion.
    """
    rows = listing.rows
    others = [name for name in rows.columns if name not in COLUMNS]
    if not others:
        raise RowsError(
            f"--raters (raters in a settings file) names {', '.join(raters)}, and these recordings have no columns of "
            "raters; give a table that has them, or leave it out"
        )
    columns = matching_columns(others, raters)
    if len(columns) < 2:
        raise RowsError(f"--raters names the column {columns[0]} alone; expected two raters or more")
    found = vote(rows, columns, labels, exact=exact)
    files = {place: str(rows["file"].iloc[place]) for place in found.reasons}
    apart = [
        {"file": files[place], "reason": f"{files[place]}: no label has most votes ({votes})"}
        for place, votes in found.reasons.items()
    ]
    if strict and apart:
        raise RowsError(apart[0]["reason"])
    labelled = rows.assign(emotion=found.emotions)
    if not keep:
        labelled = labelled.drop(columns=columns).assign(**{VOTES_COLUMN: found.counts})
    kept = labelled[found.emotions != ""].reset_index(drop=True)
    if kept.empty:
        raise RowsError(f"none of {len(rows)} rows has a label with most votes; the first: {apart[0]['reason']}")
    value = {"columns": columns, "agreement": found.agreement, "unsettled": len(apart), "labels": dict(labels)}
    quarantine = pd.concat([listing.quarantine, pd.DataFrame(apart, columns=["file", "reason"])], ignore_index=True)
    return replace(
        listing,
        rows=kept,
        quarantine=quarantine,
        notes=[*less_unused(listing.notes, columns), Stamp(kind="raters", value=value)],
    )
