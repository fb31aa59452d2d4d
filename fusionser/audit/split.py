"""A split: recordings, and the sides on which they are, fold by fold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fusionser.checks import SPLIT_WORDS, split_named
from fusionser.errors import RowsError, SettingsError
from fusionser.facts import Stamp
from fusionser.rows import FOLD_COLUMN

__all__ = ["SIDES", "TEST", "TRAIN", "VALIDATION", "Fold", "Split", "folds_of", "placed_rows", "side_of", "with_usable"]

TRAIN, VALIDATION, TEST = SIDES = tuple(SPLIT_WORDS)
"""The sides of a split, in the order in which they are compared."""

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Fold:
    """The places of the rows of each side, by its name."""

    name: str
    sides: Mapping[str, Positions]


@dataclass(frozen=True)
class Split:
    """Recordings, and the sides on which they are.

    Parameters
    ----------
    name : str
        Of the table or folders.
    rows : DataFrame
        One row per recording, with the columns of `fusionser.rows`.
    folds : list of Fold
    audio : bool
        Whether the recordings are there, and not only their names.
    scaled : str, optional
        How the features of the table were scaled as a whole, a key of `fusionser.evaluation.guard.SCALED`.
    notes, quarantine
        Facts about the rows, and the recordings that cannot be used.
    """

    name: str
    rows: pd.DataFrame
    folds: list[Fold]
    audio: bool
    scaled: str | None = None
    notes: list[Stamp] = field(default_factory=list)
    quarantine: list[dict[str, str]] = field(default_factory=list)


def side_of(word: Any, row: int) -> str:
    """Return the side that a word stands for, empty if there is none.

    Parameters
    ----------
    word : object
    row : int
        Place of the row in its table, for the error message.

    Raises
    ------
    RowsError
        If no side has such a name.

    Examples
    --------
    >>> side_of("Dev", 0)
    'validation'
    """
    try:
        return split_named(word)
    except SettingsError as error:
        raise RowsError(
            f"row {row}: column 'split': {error}. If another column has the sides, name it with --map split=COLUMN"
        ) from error


def placed_rows(table: pd.DataFrame, sides: Sequence[str], name: str) -> pd.DataFrame:
    """Return where each recording of a table is: the number of the recording, its fold and its side.

    Parameters
    ----------
    table : DataFrame
        With ``file``; optionally ``start``, ``end`` and ``fold``. A row without a fold belongs to all folds.
    sides : sequence of str
        The side of each row.
    name : str
        Of the split, for error messages.

    Returns
    -------
    DataFrame
        With the columns ``row`` (the place in the table), ``code`` (equal for rows of one recording, in the order of
        their first rows), ``fold`` and ``side``.

    Raises
    ------
    RowsError
        If a row is there twice with the same fold and side. On two sides, it is a copy of itself.

    Examples
    --------
    >>> table = pd.DataFrame({"file": ["a", "b", "a"], "fold": ["1", "", "2"]})
    >>> placed_rows(table, ["train", "test", "train"], "x")[["code", "fold", "side"]].to_numpy().tolist()
    [[0, '1', 'train'], [1, '1', 'test'], [1, '2', 'test'], [0, '2', 'train']]
    """
    units = table["file"].astype(str)
    for column in ("start", "end"):
        units = units + "|" + table[column].astype(str) if column in table else units
    codes, _ = pd.factorize(units)
    folds = _fold_names(table)
    named = list(dict.fromkeys(fold for fold in folds if fold)) or [""]
    placed = pd.DataFrame(
        [
            {"row": row, "code": code, "fold": fold, "side": side}
            for row, (code, given, side) in enumerate(zip(codes.tolist(), folds, sides, strict=True))
            for fold in ([given] if given else named)
        ]
    )
    again = placed.duplicated(["code", "fold", "side"])
    if again.any():
        row, _, _, side = placed[again].iloc[0]
        raise RowsError(
            f"{name}: row {row}: '{table['file'].iloc[row]}' is on the side '{side}' more than once; give each "
            "recording once, and name folds in a column 'fold'"
        )
    return placed


def _fold_names(table: pd.DataFrame) -> list[str]:
    if FOLD_COLUMN not in table:
        return [""] * len(table)
    return ["" if pd.isna(fold) else str(fold).strip().removesuffix(".0") for fold in table[FOLD_COLUMN]]


def folds_of(placed: pd.DataFrame, name: str) -> list[Fold]:
    """Return the folds of recordings that `placed_rows` made, each with at least two sides.

    Raises
    ------
    RowsError
        If a fold has one side only.
    """
    folds = []
    for fold in placed["fold"].unique().tolist():
        rows = placed[placed["fold"] == fold]
        codes = {side: rows.loc[rows["side"] == side, "code"].to_numpy(np.int64) for side in SIDES}
        sides = {side: found for side, found in codes.items() if len(found)}
        if len(sides) < 2:
            where = f"fold '{fold}' has" if fold else "there is"
            raise RowsError(
                f"{name}: {where} one side only, {next(iter(sides))}; expected recordings on two sides or more, such "
                "as train and test"
            )
        folds.append(Fold(fold or "split", sides))
    return folds


def with_usable(
    split: Split,
    rows: pd.DataFrame,
    kept: Sequence[int],
    refused: Sequence[dict[str, str]],
    notes: Sequence[Stamp] = (),
) -> Split:
    """Return a split of the recordings that can be used.

    Parameters
    ----------
    split : Split
    rows : DataFrame
        The rows of these recordings.
    kept : sequence of int
        The place of each of them in the split.
    refused : sequence of dict
        ``file`` and ``reason`` of each other one.
    notes : sequence of Stamp
        Facts about the rows.

    Raises
    ------
    RowsError
        If no recording of a side can be used.
    """
    new = {old: place for place, old in enumerate(kept)}
    folds = []
    for fold in split.folds:
        sides = {
            side: np.array([new[one] for one in places.tolist() if one in new], dtype=np.int64)
            for side, places in fold.sides.items()
        }
        if lost := [side for side, places in sides.items() if not len(places)]:
            where = f" in fold '{fold.name}'" if len(split.folds) > 1 else ""
            raise RowsError(
                f"{split.name}: none of the recordings of {lost[0]}{where} can be used; the first: "
                f"{refused[0]['reason']}"
            )
        folds.append(Fold(fold.name, sides))
    return replace(
        split,
        rows=rows,
        folds=folds,
        audio=True,
        notes=[*split.notes, *notes],
        quarantine=[*split.quarantine, *refused],
    )
