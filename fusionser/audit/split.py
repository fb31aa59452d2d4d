"""A split that somebody made: a table with a column of sides, a list of file names, or a folder for each side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fusionser.checks import SPLIT_WORDS, split_named
from fusionser.corpora import CORPORA
from fusionser.corpora.audio_files import AUDIO_SUFFIXES, audio_files
from fusionser.corpora.base import check_folder, measure
from fusionser.errors import RowsError, SettingsError
from fusionser.evaluation.guard import how_scaled
from fusionser.facts import Stamp
from fusionser.rows import COLUMNS, load_rows, make_rows
from fusionser.tables import TABLE_SUFFIXES

__all__ = [
    "SIDES",
    "TEST",
    "TRAIN",
    "VALIDATION",
    "Fold",
    "Split",
    "folder_split",
    "read_split",
    "side_of",
    "table_split",
]

TRAIN, VALIDATION, TEST = SIDES = tuple(SPLIT_WORDS)
"""The sides of a split, in the order in which they are compared."""

ROW_COLUMNS = ("file", "start", "end", "speaker", "gender", "emotion", "statement", "corpus", "audio_channel")
NO_FEATURES = {*COLUMNS, *ROW_COLUMNS, "split", "fold", "age", "year", "index", "id", "duration"}
"""Columns of numbers that are no features."""

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
                f"{name}: no column '{column}'; got {', '.join(map(str, table.columns[:12]))}. Name the one that is "
                f"meant by --map {column}=COLUMN"
            )
    table = table.reset_index(drop=True)
    named = [side_of(word, row) for row, word in enumerate(table["split"])]
    table = table[[side != "" for side in named]].reset_index(drop=True)
    sides = [side for side in named if side]
    _check_files(table, name)
    folds = [str(one).removesuffix(".0") for one in table["fold"]] if "fold" in table else [""] * len(table)
    units = table["file"].astype(str)
    for column in ("start", "end"):
        units = units + "|" + table[column].astype(str) if column in table else units
    codes, _ = pd.factorize(units)
    first = table[~pd.Series(codes).duplicated()].reset_index(drop=True)
    _check_once(table, codes, folds, sides, name)
    records = [_record(row, corpus) for row in first.to_dict("records")]
    placed = pd.DataFrame({"code": codes, "fold": folds, "side": sides})
    split = Split(name, make_rows(records), _folds(placed), audio=False, scaled=_scaled(table))
    return _with_audio(split, None if audio is None else Path(audio), accept_truncated)


def _check_files(table: pd.DataFrame, name: str) -> None:
    if table.empty:
        raise RowsError(f"{name}: the split has no rows; expected a row for each recording")
    blank = table["file"].isna() | (table["file"].astype(str).str.strip() == "")
    if blank.any():
        raise RowsError(f"{name}: row {int(np.flatnonzero(blank)[0])}: empty 'file'; every row needs a recording")


def _check_once(table: pd.DataFrame, codes: Positions, folds: list[str], sides: list[str], name: str) -> None:
    """Raise `RowsError` if a row is there twice with the same side; on two sides, it is a copy of itself."""
    again = pd.DataFrame({"code": codes, "fold": folds, "side": sides}).duplicated()
    if again.any():
        place = int(np.flatnonzero(again)[0])
        raise RowsError(
            f"{name}: row {place}: '{table['file'][place]}' is on the side '{sides[place]}' more than once; give each "
            "recording once, and name folds in a column 'fold'"
        )


def _record(row: Mapping[Any, Any], corpus: str | None) -> dict[str, Any]:
    """Return the fields of a row: those of the table, and what the corpus reads from the name for the others."""
    given = {
        str(key): value
        for key, value in row.items()
        if key in ROW_COLUMNS and not (value is None or value != value or value == "")
    }
    record: dict[str, Any] = {}
    if corpus is not None:
        file = PurePath(str(row["file"]))
        named = file if file.suffix.lower() in AUDIO_SUFFIXES else PurePath(f"{file}.wav")
        record = {**(CORPORA.named(corpus).parse(named) or {}), "corpus": corpus}
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


def _folds(placed: pd.DataFrame) -> list[Fold]:
    """Return the folds, each with at least two sides."""
    folds = []
    for name in placed["fold"].unique():
        rows = placed[placed["fold"] == name]
        sides = {
            side: rows.loc[rows["side"] == side, "code"].to_numpy(np.int64)
            for side in SIDES
            if side in set(rows["side"])
        }
        folds.append(Fold(name or "split", sides))
    for fold in folds:
        if len(fold.sides) < 2:
            raise RowsError(
                f"fold '{fold.name}' has one side only, {next(iter(fold.sides))}; expected recordings on two sides or "
                "more, such as train and test"
            )
    return folds


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
    quarantine = [{"file": file, "reason": f"{file}: not found {where}"} for file in missing]
    records = [
        {key: value for key, value in record.items() if key != "end" or value == value} | {"file": place, "code": code}
        for code, (record, place) in enumerate(zip(rows.to_dict("records"), places, strict=True))
        if place
    ]
    listing = measure([{str(key): one for key, one in record.items()} for record in records],
                      accept_truncated=accept_truncated)  # fmt: skip
    quarantine += [{"file": str(row["file"]), "reason": str(row["reason"])} for _, row in listing.quarantine.iterrows()]
    return _kept(split, listing.rows, quarantine, listing.notes)


def _kept(split: Split, rows: pd.DataFrame, quarantine: list[dict[str, str]], notes: Sequence[Stamp]) -> Split:
    """Return a split of the rows that are left."""
    new = {int(code): place for place, code in enumerate(rows["code"])}
    folds = []
    for fold in split.folds:
        sides = {
            side: np.array([new[code] for code in codes if code in new], dtype=np.int64)
            for side, codes in fold.sides.items()
        }
        lost = [side for side, codes in sides.items() if not len(codes)]
        if lost:
            raise RowsError(f"fold '{fold.name}': none of the recordings of {lost[0]} can be used; the first: "
                            f"{quarantine[0]['reason']}")  # fmt: skip
        folds.append(Fold(fold.name, sides))
    return replace(
        split,
        rows=rows.drop(columns="code"),
        folds=folds,
        audio=True,
        notes=[*split.notes, *notes],
        quarantine=[*split.quarantine, *quarantine],
    )


def _place(name: str, there: Mapping[str, str]) -> str:
    """Return the path of a recording, or nothing."""
    return name if Path(name).is_file() else there.get(PurePath(name).name, there.get(_stem(name), ""))


def _stem(name: str) -> str:
    path = PurePath(name)
    return path.stem if path.suffix.lower() in AUDIO_SUFFIXES else path.name


def _by_stem(folder: Path) -> dict[str, str]:
    """Return the recordings in a folder by their stems; of two with one stem, the one with the preferred suffix."""
    found = audio_files(check_folder(folder)).files
    order = sorted(found, key=lambda file: AUDIO_SUFFIXES.index(file.suffix.lower()), reverse=True)
    return {file.stem: str(file) for file in order} | {file.name: str(file) for file in order}


def folder_split(
    folders: Mapping[str, str | Path], *, corpus: str | None = None, accept_truncated: bool = False
) -> Split:
    """Return the split of a folder for each side.

    Parameters
    ----------
    folders : mapping of str to path
        By the name of the side.
    corpus, accept_truncated
        As for `table_split`.

    Raises
    ------
    RowsError, CorpusError
        If a folder has no recordings.
    """
    records = []
    for side, folder in folders.items():
        found = audio_files(check_folder(folder)).files
        if not found:
            raise RowsError(f"{folder}: no audio files in it, so the side '{side}' is empty")
        records += [{"file": str(file), "split": side} for file in found]
    name = " and ".join(Path(folder).name for folder in folders.values())
    return table_split(pd.DataFrame(records), name=name, corpus=corpus, accept_truncated=accept_truncated)


def read_split(
    places: Sequence[str | Path],
    *,
    audio: str | Path | None = None,
    corpus: str | None = None,
    columns: Mapping[str, str] | None = None,
    accept_truncated: bool = False,
) -> Split:
    """Read a split: one table, or a folder for each side.

    Parameters
    ----------
    places : sequence of path
        One table (CSV, TSV or Parquet), or folders of training and test recordings, or of training, validation and
        test recordings.
    audio, corpus, accept_truncated
        As for `table_split`.
    columns : mapping of str to str, optional
        Names of columns in the table, by the names that they stand for.

    Raises
    ------
    FusionserError
        If the split cannot be read; the message gives the reason.
    """
    paths = [Path(place) for place in places]
    if all(path.is_dir() for path in paths) and len(paths) in (2, 3):
        if audio is not None or columns:
            raise SettingsError("--audio and --map are for a table, and folders were given; leave them out")
        names = (TRAIN, TEST) if len(paths) == 2 else (TRAIN, VALIDATION, TEST)
        return folder_split(dict(zip(names, paths, strict=True)), corpus=corpus, accept_truncated=accept_truncated)
    if len(paths) != 1 or paths[0].suffix.lower() not in TABLE_SUFFIXES:
        given = ", ".join(map(str, paths))
        raise SettingsError(
            f"got {given}; expected one table ({', '.join(TABLE_SUFFIXES)}) with the columns 'file' and 'split', or "
            "folders: training and test, or training, validation and test"
        )
    if not paths[0].is_file():
        raise RowsError(f"{paths[0]}: no such table")
    from fusionser.tables import load_table

    named = load_table(paths[0], columns)
    located = load_rows(paths[0], columns)
    if "file" in named:
        # A path is relative to the table's folder; a name that is no path there is looked for by its stem.
        named["file"] = [
            place if Path(place).is_file() else name for place, name in zip(located["file"], named["file"], strict=True)
        ]
    return table_split(named, name=paths[0].name, audio=audio, corpus=corpus, accept_truncated=accept_truncated)
