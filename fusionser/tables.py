"""Tables of rows in the formats that spreadsheets and other tools write: CSV of any dialect, and Parquet."""

import codecs
import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from fusionser.errors import RowsError, SettingsError, names_text
from fusionser.feature_dataset import FeatureDataset, is_feature_dataset

__all__ = [
    "TABLE_SUFFIXES",
    "column_names",
    "is_table",
    "load_table",
    "named_columns",
    "quoting_of",
    "without_formulas",
]

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")
"""Suffixes of files that are read as tables."""

SEPARATORS = ",;\t"
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Encodings by the bytes that a text begins with. UTF-32 begins as UTF-16 does, and so comes before it."""

FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""What a cell begins with that a spreadsheet takes for a formula."""

LARGEST_FIELD = 10**7
"""Characters that a cell may have."""


def is_table(path: str | Path) -> bool:
    """Return whether a path is that of a file with a table, or of a folder with a dataset of features.

    Examples
    --------
    >>> is_table("."), is_table("none.csv")
    (False, False)
    """
    source = Path(path)
    try:
        return (source.suffix.lower() in TABLE_SUFFIXES and source.is_file()) or is_feature_dataset(source)
    except (OSError, ValueError):
        # No file can have such a path.
        return False


def named_columns(pairs: Mapping[str, str] | str | None) -> dict[str, str]:
    """Return the names of columns in a table, by the names that they stand for.

    Parameters
    ----------
    pairs : str or mapping, optional
        ``file=path,emotion=label``, or such a mapping.

    Raises
    ------
    SettingsError
        If a text is not such a list.

    Examples
    --------
    >>> named_columns("file=path,emotion=label")
    {'file': 'path', 'emotion': 'label'}
    """
    if pairs is None or not isinstance(pairs, str):
        return dict(pairs or {})
    named: dict[str, str] = {}
    for text in pairs.split(","):
        ours, _, theirs = (part.strip() for part in text.partition("="))
        if not ours or not theirs or ours in named:
            raise SettingsError(
                f"--map got '{text}'; expected column=name for each column, such as file=path,emotion=label"
            )
        named[ours] = theirs
    return named


def without_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose texts and column names a spreadsheet does not take for formulas.

    Texts that begin as a formula does get an apostrophe before them, which `load_table` takes off again.

    Examples
    --------
    >>> without_formulas(pd.DataFrame({"note": ["=1+1", "-1", "fine"], "score": [-1, 0, 1]}))["note"].tolist()
    ["'=1+1", "'-1", 'fine']
    """
    safe = table.copy()
    for name, kind in table.dtypes.items():
        if kind.kind not in "biufcmM":
            safe[name] = table[name].map(_escaped)
    return safe.rename(columns=_escaped)


def quoting_of(table: pd.DataFrame) -> Literal[0, 2]:
    """Return how texts are quoted in a CSV file: all of them if one has a carriage return, which begins a line.

    The writer of Python 3.11 does not quote a text because of it.

    Examples
    --------
    >>> quoting_of(pd.DataFrame({"file": ["a.wav"]})) == csv.QUOTE_MINIMAL
    True
    """
    texts = [table[name] for name, kind in table.dtypes.items() if kind.kind not in "biufcmM"]
    returns = any("\r" in text for column in texts for text in column if isinstance(text, str))
    return csv.QUOTE_NONNUMERIC if returns or any("\r" in str(name) for name in table) else csv.QUOTE_MINIMAL


def _looks_like_formula(text: str) -> bool:
    return text.lstrip("'").startswith(FORMULAS)


def _escaped(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and _looks_like_formula(value) else value


def _unescaped(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and _looks_like_formula(cell) else cell


def load_table(path: str | Path, columns: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Read a CSV or Parquet file as it is. All values of a CSV file are texts.

    Parameters
    ----------
    path : str or Path
        CSV may be separated by commas, semicolons or tabs, and be encoded as UTF-8, UTF-16 or UTF-32 with a mark. A
        folder with a dataset of features is read as one table.
    columns : mapping of str to str, optional
        Names of columns in the file, by the names that they get.

    Raises
    ------
    RowsError
        If the file cannot be read as a table, or lacks a column.
    """
    source = Path(path)
    if is_feature_dataset(source):
        table = FeatureDataset.open(source).read()
    else:
        table = _parquet(source) if source.suffix.lower() == ".parquet" else _csv(source)
    if table.empty:
        raise RowsError(f"{source}: the table has no rows")
    return _renamed(table, columns or {}, source)


def column_names(path: str | Path, columns: Mapping[str, str] | None = None) -> list[str]:
    """Return the names of the columns that `load_table` gives.

    Raises
    ------
    RowsError
        If the file cannot be read as a table.
    """
    source = Path(path)
    if is_feature_dataset(source):
        return FeatureDataset.open(source).columns
    if source.suffix.lower() != ".parquet":
        return [str(name) for name in load_table(source, columns).columns]
    import pyarrow
    import pyarrow.parquet

    try:
        names = pyarrow.parquet.read_schema(source).names
    except (OSError, pyarrow.ArrowException) as error:
        raise RowsError(f"{source}: cannot be read as a table ({error}); expected CSV or Parquet") from error
    return [str(name) for name in names]


def _renamed(table: pd.DataFrame, columns: Mapping[str, str], source: Path) -> pd.DataFrame:
    for ours, theirs in columns.items():
        if theirs not in table.columns:
            raise RowsError(
                f"{source}: has no column '{theirs}', which --map gives for '{ours}'; got: {names_text(table.columns)}"
            )
    # What had the name of ours is not used, and must not be taken for it.
    hidden = [name for name in columns if name in table.columns and name not in columns.values()]
    return table.drop(columns=hidden).rename(columns={theirs: ours for ours, theirs in columns.items()})


def _parquet(source: Path) -> pd.DataFrame:
    try:
        table = _with_index(pd.read_parquet(source))
    except Exception as error:
        # Damaged files raise errors of pyarrow, of pandas, and of Python.
        raise RowsError(f"{source}: cannot be read as a table ({error}); expected CSV or Parquet") from error
    for name in [name for name, kind in table.dtypes.items() if kind.kind == "O"]:
        held = next((value for value in table[name] if isinstance(value, (list, dict, np.ndarray))), None)
        if held is not None:
            raise RowsError(
                f"{source}: column '{name}' holds lists (first: {held!r:.60}); expected one value per row: leave the "
                "column out, or spread it over one column per value"
            )
    return table


def _with_index(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose named index levels are columns: recordings are often indexed by file, start and end."""
    if isinstance(table.index, pd.RangeIndex):
        return table
    names = table.index.names
    levels = {str(name): table.index.get_level_values(place) for place, name in enumerate(names) if name is not None}
    if len(levels) < sum(name is not None for name in names):
        raise ValueError("two levels of the index have the same name")
    added = {name: values.to_numpy() for name, values in levels.items() if name not in table}
    columns = pd.DataFrame(added, index=table.index)
    return pd.concat([columns, table], axis=1).reset_index(drop=True)


def _csv(source: Path) -> pd.DataFrame:
    text = _text(source)
    first, _, rest = text.partition("\n")
    if first.strip().lower().startswith("sep=") and len(first.strip()) == len("sep=;"):
        separator, text = first.strip()[-1], rest
    else:
        separator = max(SEPARATORS, key=first.count)
    csv.field_size_limit(LARGEST_FIELD)
    try:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        header = [_unescaped(name) for name in next(lines, [])]
        rows = [_fitted(line, header, source, lines.line_num) for line in lines if any(line)]
    except csv.Error as error:
        raise RowsError(f"{source}: cannot be read as a table ({error}); expected CSV or Parquet") from error
    header = [name.strip() for name in header]
    twice = sorted({name for name in header if header.count(name) > 1 and name})
    if twice:
        raise RowsError(f"{source}: has the column '{twice[0]}' twice; expected different names")
    table = pd.DataFrame(rows, columns=header, dtype=object)
    # A separator at the end of all lines, the first one included, makes a column without a name.
    return table.drop(columns=[name for name in header if not name])


def _fitted(line: list[str], header: list[str], source: Path, number: int) -> list[str]:
    """Return the cells of a line, one per column; a separator at its end is not one more cell."""
    if len(line) > len(header) and not any(line[len(header) :]):
        line = line[: len(header)]
    if len(line) != len(header):
        raise RowsError(
            f"{source}, line {number}: has {len(line)} values for {len(header)} columns; put quotation marks around "
            "values that contain a separator"
        )
    return [_unescaped(cell) for cell in line]


def _text(source: Path) -> str:
    try:
        content = source.read_bytes()
    except OSError as error:
        raise RowsError(f"{source}: cannot be read as a table ({error}); expected CSV or Parquet") from error
    encoding = next((name for mark, name in BYTE_ORDER_MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise RowsError(
            f"{source}: cannot be read as a table, since it is not {encoding.upper()} ({error.reason} at byte "
            f"{error.start}); save it as 'CSV UTF-8', or convert it to UTF-8"
        ) from error
    if "\0" in text:
        raise RowsError(f"{source}: cannot be read as a table (it has null characters); expected CSV or Parquet")
    return text
