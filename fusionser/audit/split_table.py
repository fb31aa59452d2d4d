"""A split as a table: recordings, each with its side, and perhaps with its fold."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pandas as pd

from fusionser.audit.split import Split, folds_of, placed_rows, side_of, with_usable
from fusionser.corpora import CORPORA
from fusionser.corpora.audio_files import audio_files
from fusionser.corpora.base import check_folder, measure
from fusionser.errors import RowsError, names_text
from fusionser.evaluation.guard import how_scaled
from fusionser.facts import Stamp
from fusionser.rows import COLUMNS, make_rows
from fusionser.suffixes import AUDIO_SUFFIXES

__all__ = ["table_split"]

ROW_COLUMNS = ("file", "start", "end", "speaker", "gender", "emotion", "statement", "corpus", "audio_channel")
NO_FEATURES = {*COLUMNS, *ROW_COLUMNS, "split", "fold", "age", "year", "index", "id", "duration"}
"""Columns of numbers that are no features."""


def table_split(
    table: pd.DataFrame,
    *,
    name: str = "table",
    audio: str | Path | None = None,
    corpus: str | None = None,
    accept_truncated: bool = False,
) -> Split:
    """Return the split that a table describes.

    Parameters
    ----------
    table : DataFrame
        With ``file`` (a path, or the stem of a name) and ``split``; optionally ``fold``, and what a row can have. Other
        columns of numbers are taken for features.
    name : str, default="table"
        What the split is called.
    audio : str or Path, optional
        Folder in which recordings are found by the stems of their names.
    corpus : str, optional
        A key of `CORPORA`, whose names say what the table does not.
    accept_truncated : bool, default=False
        Use what is there of recordings that were cut off.

    Raises
    ------
    RowsError
        If a column or a side is missing, or a word is no side.

    Examples
    --------
    >>> given = pd.DataFrame({"file": ["03a01Fa", "08a01Na"], "split": ["train", "Test"]})
    >>> split = table_split(given, corpus="emodb")
    >>> split.rows["speaker"].tolist(), split.folds[0].sides["test"].tolist(), split.audio
    (['emodb/03', 'emodb/08'], [1], False)
    """
    for column in ("file", "split"):
        if column not in table:
            raise RowsError(
                f"{name}: no column '{column}'; got {names_text(table.columns)}. Name the one that is "
                f"meant by --map {column}=COLUMN"
            )
    table = table.reset_index(drop=True)
    named = [side_of(word, row) for row, word in enumerate(table["split"])]
    if len(table) and not any(named):
        raise RowsError(
            f"{name}: no row has a side, because the column 'split' is empty in all of them; expected train, "
            "validation or test. If another column has the sides, name it with --map split=COLUMN"
        )
    without = named.count("")
    table = table[[side != "" for side in named]].reset_index(drop=True)
    sides = [side for side in named if side]
    _check_files(table, name)
    placed = placed_rows(table, sides, name)
    first = table.iloc[placed.loc[~placed["code"].duplicated(), "row"]]
    records = [_record(row, corpus) for row in first.to_dict("records")]
    notes = [*_without_side(without), *_unread_names(first["file"], corpus)]
    split = Split(name, make_rows(records), folds_of(placed, name), audio=False, scaled=_scaled(table), notes=notes)
    return _with_audio(split, None if audio is None else Path(audio), accept_truncated)


def _check_files(table: pd.DataFrame, name: str) -> None:
    if table.empty:
        raise RowsError(f"{name}: the split has no rows; expected a row for each recording")
    blank = table["file"].isna() | (table["file"].astype(str).str.strip() == "")
    if blank.any():
        raise RowsError(f"{name}: row {int(np.flatnonzero(blank)[0])}: empty 'file'; every row needs a recording")


def _record(row: Mapping[Any, Any], corpus: str | None) -> dict[str, Any]:
    """Return the fields of a row: those of the table, and what the corpus reads from the name for the others."""
    given = {
        str(key): value
        for key, value in row.items()
        if key in ROW_COLUMNS and not (value is None or value != value or value == "")
    }
    record: dict[str, Any] = {}
    if corpus is not None:
        record = {**(_said_by_name(row["file"], corpus) or {}), "corpus": corpus}
        record.pop("id", None)
    times: dict[str, Any] = {key: float(given.pop(key)) for key in ("start", "end") if key in given}
    merged: dict[str, Any] = {
        "start": 0.0,
        "end": float("nan"),
        **record,
        **{key: str(one) for key, one in given.items()},
        **times,
    }
    return {**merged, "source": str(row["file"])}


def _said_by_name(name: Any, corpus: str) -> dict[str, Any] | None:
    """Return what a corpus reads from the name of a recording, None if it is no name of this corpus."""
    file = PurePath(str(name))
    return CORPORA.named(corpus).parse(file if file.suffix.lower() in AUDIO_SUFFIXES else PurePath(f"{file}.wav"))


def _without_side(count: int) -> list[Stamp]:
    return [Stamp(kind="rows-without-side", value=count)] if count else []


def _unread_names(files: Iterable[Any], corpus: str | None) -> list[Stamp]:
    """Return a note if there are names that say nothing to the corpus."""
    if corpus is None:
        return []
    unread = [str(file) for file in files if _said_by_name(file, corpus) is None]
    value = {"corpus": corpus, "count": len(unread), "first": PurePath(unread[0]).name if unread else ""}
    return [Stamp(kind="names-unread", value=value)] if unread else []


def _scaled(table: pd.DataFrame) -> str | None:
    names = [name for name in table if str(name).lower() not in NO_FEATURES]
    numbers = table[names].apply(pd.to_numeric, errors="coerce").dropna(axis=1)
    return how_scaled(numbers.to_numpy(dtype=np.float64)) if len(numbers.columns) else None


def _with_audio(split: Split, folder: Path | None, accept_truncated: bool) -> Split:
    """Return the split with the recordings that are there; without any, only names are audited."""
    rows = split.rows
    there = _by_stem(folder) if folder is not None else {}
    places = [
        str(one) if Path(one).is_file() else there.get(Path(one).name, there.get(_stem(one), ""))
        for one in rows["file"]
    ]
    missing = [file for file, place in zip(rows["file"], places, strict=True) if not place]
    if folder is not None and len(missing) == len(rows):
        raise RowsError(f"{split.name}: none of {len(rows)} recordings is in {folder} (first: {missing[0]})")
    if len(missing) == len(rows):
        return replace(split, rows=rows.assign(end=rows["end"].fillna(0.0)))
    where = f"in {folder}" if folder is not None else "where the table says"
    refused = [{"file": file, "reason": f"{file}: not found {where}"} for file in missing]
    records = [
        {key: value for key, value in record.items() if key != "end" or value == value} | {"file": place, "code": code}
        for code, (record, place) in enumerate(zip(rows.to_dict("records"), places, strict=True))
        if place
    ]
    given = [{str(key): one for key, one in record.items()} for record in records]
    listing = measure(given, refused=refused, accept_truncated=accept_truncated)
    refused = [{"file": str(row["file"]), "reason": str(row["reason"])} for _, row in listing.quarantine.iterrows()]
    kept = listing.rows["code"].astype(int).tolist()
    return with_usable(split, listing.rows.drop(columns="code"), kept, refused, listing.notes)


def _stem(name: str) -> str:
    path = PurePath(name)
    return path.stem if path.suffix.lower() in AUDIO_SUFFIXES else path.name


def _by_stem(folder: Path) -> dict[str, str]:
    """Return the recordings in a folder by their stems; of two with one stem, the one with the preferred suffix."""
    found = audio_files(check_folder(folder)).files
    order = sorted(found, key=lambda file: AUDIO_SUFFIXES.index(file.suffix.lower()), reverse=True)
    return {file.stem: str(file) for file in order} | {file.name: str(file) for file in order}
