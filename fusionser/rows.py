"""The table that everything flows through: one row a clip.

Columns, always all of them and in this order:

========================  ============================================================================
``file``                  path of the recording
``start``, ``end``        the part of it that is the clip, in seconds; ``end`` is never empty
``corpus``                name of the corpus
``speaker``               ``corpus/name``; empty when unknown
``gender``                ``female``, ``male`` or empty
``emotion``               the label; empty for clips to predict
``statement``             what is said; empty when unknown
``intensity``             as the corpus names it; empty when it does not
``channel``               ``speech`` or ``song``
``augmentation``          empty for an original recording
``source``                id of the original; copies of a clip share it
========================  ============================================================================

Features, where they have been extracted, follow in columns named ``block__name``.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fusionser.errors import FusionserError, RowsError
from fusionser.files import write_whole
from fusionser.legacy import current_column

__all__ = [
    "ARRAY_MARK",
    "AUDIO_COLUMN",
    "CARRIED_COLUMNS",
    "COLUMNS",
    "EXTRACTED_COLUMN",
    "array_columns",
    "check_rows",
    "feature_columns",
    "make_rows",
    "ordered_speakers",
    "read_table",
    "write_table",
]

TEXT_COLUMNS = (
    "file",
    "corpus",
    "speaker",
    "gender",
    "emotion",
    "statement",
    "intensity",
    "channel",
    "augmentation",
    "source",
)
COLUMNS = ("file", "start", "end", *TEXT_COLUMNS[1:])

AUDIO_COLUMN = "audio"
"""Fingerprint of the decoded audio, added by the extraction; the leakage guard compares it."""

EXTRACTED_COLUMN = "extracted"
"""Which blocks of features a row carries, and a digest of the settings of each."""

ARRAY_MARK = "@"
"""Begins the name of a column that holds one array a row: what a network is fed, named by its settings' digest."""

CARRIED_COLUMNS = ("speaker", "source", "augmentation")
"""Columns that travel beside the features through a pipeline, up to the classifier."""

GENDERS = ("female", "male", "")


def make_rows(records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Build a table from records, filling the columns that they leave out.

    Parameters
    ----------
    records : iterable of mapping
        Each holds ``file`` and ``end`` at least.

    Returns
    -------
    DataFrame
        Checked by `check_rows`.

    Examples
    --------
    >>> make_rows([{"file": "a.wav", "end": 1.5, "emotion": "sad"}]).loc[0, ["source", "channel"]].tolist()
    ['a.wav', 'speech']
    """
    return check_rows(pd.DataFrame.from_records(list(records)))


def check_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with every column, in order and of the right type.

    Parameters
    ----------
    table : DataFrame
        Has a column ``file``; the others are filled: text with the empty string, ``start`` with 0, ``source``
        with the file's name (and its part of the file, where the clip is not the whole).

    Raises
    ------
    RowsError
        When a column is missing or a value cannot be right.
    """
    if "file" not in table.columns:
        raise RowsError(
            f"the table has no column 'file'; got: {', '.join(map(str, table.columns)) or 'no columns'}. "
            "It names the recording of each row"
        )
    checked = table.copy()
    for name in TEXT_COLUMNS:
        values = checked[name] if name in checked else pd.Series("", index=checked.index)
        filled = values.astype(object).where(values.notna(), "")
        checked[name] = [str(value).strip() for value in filled]
    checked["start"] = _seconds(checked, "start", 0.0)
    checked["end"] = _seconds(checked, "end", np.nan)
    _check_values(checked)
    blank = checked["source"] == ""
    checked.loc[blank, "source"] = _sources(checked[blank])
    checked.loc[checked["channel"] == "", "channel"] = "speech"
    others = [name for name in checked.columns if name not in COLUMNS]
    return checked[[*COLUMNS, *others]].reset_index(drop=True)


def _seconds(table: pd.DataFrame, name: str, missing: float) -> "pd.Series[float]":
    if name not in table:
        return pd.Series(missing, index=table.index, dtype=float)
    numbers = pd.to_numeric(table[name], errors="coerce").astype(float)
    wrong = numbers.isna() & table[name].notna() & (table[name].astype(str).str.strip() != "")
    if wrong.any():
        raise RowsError(f"column '{name}' holds {table.loc[wrong, name].iloc[0]!r}; expected seconds as a number")
    return numbers.fillna(missing)


def _check_values(table: pd.DataFrame) -> None:
    if (table["file"] == "").any():
        raise RowsError(f"{int((table['file'] == '').sum())} rows have an empty 'file'; every row needs one")
    genders = sorted(set(table["gender"]) - set(GENDERS))
    if genders:
        raise RowsError(f"column 'gender' holds {genders[0]!r}; expected 'female', 'male' or nothing")
    wrong = (table["start"] < 0) | (table["end"] <= table["start"]) | ~np.isfinite(table["start"])
    wrong |= np.isinf(table["end"])
    if wrong.any():
        row = table[wrong].iloc[0]
        raise RowsError(
            f"{row['file']}: the part from start = {row['start']:g} to end = {row['end']:g} s is empty; "
            "expected 0 <= start < end"
        )


def _sources(table: pd.DataFrame) -> list[str]:
    return [
        file if start == 0 else f"{file}#{start:g}" for file, start in zip(table["file"], table["start"], strict=True)
    ]


def feature_columns(table: pd.DataFrame) -> list[str]:
    """Names of the columns that hold features: those written ``block__name``."""
    return [name for name in table.columns if isinstance(name, str) and "__" in name]


def array_columns(table: pd.DataFrame) -> list[str]:
    """Names of the columns that hold one array a row; they live in memory only and are never written."""
    return [name for name in table.columns if isinstance(name, str) and name.startswith(ARRAY_MARK)]


def ordered_speakers(table: pd.DataFrame) -> list[str]:
    """Speakers in the order of their corpora in the table, then by name.

    Raises
    ------
    RowsError
        When a row has no speaker.
    """
    unknown = table["speaker"].astype(str) == ""
    if unknown.any():
        raise RowsError(
            f"{int(unknown.sum())} of {len(table)} rows have no speaker (first: {table.loc[unknown, 'file'].iloc[0]}); "
            "a split by speaker needs the column 'speaker' filled"
        )

    def corpus_of(name: str) -> str:
        return name.split("/")[0] if "/" in name else ""

    order = {corpus: position for position, corpus in enumerate(dict.fromkeys(map(corpus_of, table["speaker"])))}
    return sorted(set(table["speaker"].astype(str)), key=lambda name: (order[corpus_of(name)], name))


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a CSV or Parquet table of rows; relative files are taken from the table's own folder.

    Raises
    ------
    RowsError
        When the table cannot be read, or `check_rows` refuses it.
    """
    source = Path(path)
    try:
        if source.suffix == ".parquet":
            table = pd.read_parquet(source)
        else:
            # Names such as 01 must stay text, and "NA" may be a label.
            table = pd.read_csv(source, dtype=str, keep_default_na=False)
    except (OSError, ValueError, ImportError) as error:
        raise RowsError(f"{source}: cannot be read as a table ({error}); expected CSV or Parquet") from error
    if table.empty:
        raise RowsError(f"{source}: the table has no rows")
    if "file" in table.columns:
        # Before the sources are named after the files: two tables may use the same relative names.
        folder = source.resolve().parent
        table["file"] = [
            str(folder / str(file)) if pd.notna(file) and str(file).strip() else "" for file in table["file"]
        ]
    return check_rows(table.rename(columns=current_column))


def write_table(table: pd.DataFrame, path: str | Path) -> Path:
    """Write rows as CSV or Parquet, by the suffix, whole or not at all.

    Raises
    ------
    FusionserError
        When the suffix is neither, or the file cannot be written.
    """
    target = Path(path)
    table = table.drop(columns=array_columns(table))
    if target.suffix == ".parquet":
        return write_whole(target, lambda temporary: table.to_parquet(temporary, index=False))
    if target.suffix == ".csv":
        return write_whole(target, lambda temporary: table.to_csv(temporary, index=False))
    raise FusionserError(f"{target}: cannot tell the format from '{target.suffix}'; expected .parquet or .csv")
