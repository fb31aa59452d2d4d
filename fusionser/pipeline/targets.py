"""The numbers to predict: read from the columns of the rows; rows without one are set aside."""

import reprlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from fusionser.corpora import Listing
from fusionser.errors import RowsError, names_text
from fusionser.facts import Stamp
from fusionser.features.table import LARGEST_VALUE

__all__ = ["with_targets"]


def with_targets(listing: Listing, targets: Sequence[str], *, strict: bool = False) -> Listing:
    """Return a listing whose columns of targets are numbers; rows without one are set aside, with the reason.

    Parameters
    ----------
    listing : Listing
    targets : sequence of str
    strict : bool, default=False
        Raise at the first row without a number.

    Raises
    ------
    RowsError
        If a column is missing, or no row has a number in all of them.
    """
    rows = listing.rows
    if missing := [name for name in targets if name not in rows]:
        raise RowsError(
            f"the rows have no column '{missing[0]}' to predict (--targets); got: {names_text(rows.columns)}. "
            "Give a table of rows with a column of numbers, and name it with --targets, or with "
            f"--map {missing[0]}=COLUMN"
        )
    numbers = pd.DataFrame({name: pd.to_numeric(rows[name], errors="coerce").astype(float) for name in targets})
    # Truth values would otherwise be the numbers 0 and 1.
    usable = (numbers.abs() <= LARGEST_VALUE) & ~rows[[*targets]].map(lambda value: isinstance(value, bool | np.bool_))
    wrong = np.flatnonzero(~usable.all(axis=1))
    reasons = [_reason(rows.iloc[place], usable.iloc[place]) for place in wrong]
    if reasons and (strict or len(wrong) == len(rows)):
        raise RowsError(f"{'' if strict else f'none of {len(rows)} rows can be used; the first: '}{reasons[0]}")
    aside = pd.DataFrame({"file": rows["file"].iloc[wrong].to_numpy(), "reason": reasons}, dtype=object)
    kept = rows.assign(**{name: numbers[name] for name in targets}).drop(index=rows.index[wrong])
    return replace(
        listing,
        rows=kept.reset_index(drop=True),
        quarantine=pd.concat([listing.quarantine, aside], ignore_index=True),
        notes=_used(listing.notes, targets),
    )


def _reason(row: Any, usable: Any) -> str:
    name = str(usable.index[~usable][0])
    value = row[name]
    blank = pd.isna(value) or not str(value).strip()
    got = f"no {name}" if blank else f"{name} is {reprlib.repr(value)}"
    return f"{row['file']}: {got}; expected a finite number, at most {LARGEST_VALUE:g} in size"


def _used(notes: Sequence[Stamp], targets: Sequence[str]) -> list[Stamp]:
    """Return the notes on a listing, where the targets count as used columns."""
    used = []
    for note in notes:
        if note.kind != "unused-columns":
            used.append(note)
        elif left := [name for name in note.value if name not in targets]:
            used.append(Stamp(kind="unused-columns", value=left))
    return used
