"""Databases in the format audformat: tables of files and segments, with schemes, splits and raters."""

import math
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from fusionser.checks import SPLIT_WORDS, split_named
from fusionser.corpora.audb_cache import database_folder, is_named, safe_loader
from fusionser.corpora.base import Listing
from fusionser.corpora.datasets import USUAL_COLUMNS, DatasetFormat, Entries, Wanted, row_of
from fusionser.corpora.unpacked import is_inside
from fusionser.errors import CorpusError, FusionserError, SettingsError, unknown_name
from fusionser.folders import brief_folder
from fusionser.optional import optional_package
from fusionser.rows import SPLIT_COLUMN

__all__ = ["AudformatDatabase"]

HEADER = "db.yaml"
GOLD = "gold"
"""Part of the names of tables, columns and raters with the labels that a database recommends."""

EMOTION = "emotion"

MOST_NAMED = 8


def _audformat() -> Any:
    return optional_package("audformat", "audformat", "a database in audformat")


class AudformatDatabase(DatasetFormat):
    """Databases in audformat: a folder with db.yaml, or audb:name==version from the cache of audb (extra audformat).

    - ``--parts`` names the tables with labels. Without it, those whose names have "gold" are read, else those with a
      split, else all with a column of emotions.
    - Speakers, genders and other columns are also found in the other tables, and in the labels of schemes.
      ``--map gender=speaker.gender`` names a field of a scheme's labels.
    - The type of a table's split (train, dev, test) becomes the split of its rows; without one, a word in the table's
      name does.
    - Where several raters labelled a table, one column is used: that of a gold standard, or the one that ``--map``
      names.
    - Tables are read from CSV or Parquet, and the header without objects: neither can run code.

    Examples
    --------
    >>> AudformatDatabase().recognises("audb:emodb==1.4.1"), AudformatDatabase().recognises("rows.csv")
    (True, False)
    """

    name: ClassVar[str] = "audformat"

    def recognises(self, place: str) -> bool:
        """Return whether a place is a folder with a header, or the name of a database of audb."""
        return is_named(place) or (Path(place) / HEADER).is_file()

    def listing(self, place: str, wanted: Wanted) -> Listing:
        """Return the recordings of the tables as rows."""
        _audformat()
        root = database_folder(place, wanted.download) if is_named(place) else Path(place)
        database = Database(root, _header(root))
        entries = Entries()
        tables = database.tables_wanted(wanted)
        for number, table in enumerate(tables):
            try:
                database.add(table, wanted, entries)
            except FusionserError:
                raise
            except Exception as error:
                # Tables that do not fit the header raise errors of pandas, of audformat, and of Python.
                raise CorpusError(
                    f"{place}: the table '{table}' does not fit the header of the database ({_line(error)})"
                ) from error
            wanted.report(number + 1, len(tables))
        return entries.listing(wanted, place)


def _header(root: Path) -> Any:
    """Return a database without its tables."""
    # audformat itself reads the header with a loader that builds any object that the header asks for.
    import yaml

    audformat = _audformat()
    path = root / HEADER
    if not path.is_file():
        raise CorpusError(f"{root}: no {HEADER} in this folder; expected a database in audformat")
    try:
        header = yaml.load(path.read_text(encoding="utf-8"), Loader=safe_loader())  # noqa: S506
        return audformat.Database.load_header_from_yaml(header)
    except Exception as error:
        # A damaged header raises errors of yaml, of audformat, and of Python.
        raise CorpusError(f"{path}: cannot be read as the header of a database ({_line(error)})") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


@dataclass
class Database:
    """A database whose tables are read as they are needed.

    Parameters
    ----------
    root : Path
    header : audformat.Database
    """

    root: Path
    header: Any

    def __post_init__(self) -> None:
        self._read: set[str] = set()

    def table(self, name: str) -> Any:
        """Return a table with its rows; first those of the tables that have the labels of its schemes."""
        if name not in self._read:
            self._read.add(name)
            for column in self.header[name].columns.values():
                labels = column.scheme.labels if column.scheme is not None else None
                if isinstance(labels, str):
                    self.table(labels)
            self._load(name)
        return self.header[name]

    def _load(self, name: str) -> None:
        if "/" in name or not is_inside(name):
            raise CorpusError(f"{self.root}: a table is named '{name}', which is no name of a file")
        found = [path for kind in ("parquet", "csv") if (path := self.root / f"db.{name}.{kind}").is_file()]
        if not found:
            pickled = (self.root / f"db.{name}.pkl").is_file()
            reason = (
                "is there only as a pickle, which could run code when it is opened; save the database as csv or parquet"
                if pickled
                else f"has no file db.{name}.csv or db.{name}.parquet"
            )
            raise CorpusError(f"{self.root}: the table '{name}' {reason}")
        if found[0].suffix == ".csv":
            self._check_heads(name, found[0])
        try:
            with brief_folder() as folder:
                # audformat would prefer a pickle beside it.
                shutil.copy(found[0], folder / found[0].name)
                self.header[name].load(str(folder / f"db.{name}"))
        except Exception as error:
            # Damaged files raise errors of pyarrow, of pandas, of audformat, and of Python.
            raise CorpusError(f"{found[0]}: cannot be read as a table ({_line(error)})") from error

    def _check_heads(self, name: str, file: Path) -> None:
        """Raise `CorpusError` if a table has its columns in another order, which audformat would read by their place.

        The names of the index are before those of the columns.
        """
        expected = list(self.header[name].columns)
        try:
            heads = list(pd.read_csv(file, nrows=0).columns)
        except ValueError as error:
            raise CorpusError(f"{file}: cannot be read as a table ({_line(error)})") from error
        if heads[len(heads) - len(expected) :] != expected:
            raise CorpusError(
                f"{file}: cannot be read as a table: its columns are {', '.join(heads)}; expected those of {HEADER} "
                f"at the end, in their order: {', '.join(expected)}"
            )

    def _note_unknown_labels(self, name: str, column: str, values: Sequence[Any], entries: Entries) -> None:
        """Note labels that the scheme of a column does not have, which audformat leaves out."""
        file = self.root / f"db.{name}.csv"
        if not file.is_file() or (self.root / f"db.{name}.parquet").is_file():
            return
        written = pd.read_csv(file, usecols=[column], dtype=str)[column].tolist()
        unknown = {text for text, value in zip(written, values, strict=True) if value is None and text == text}
        if unknown:
            entries.note(
                f"labels of the column {column} of the table {name} that its scheme does not have are left out: "
                f"{', '.join(sorted(unknown)[:MOST_NAMED])}"
            )

    def tables_wanted(self, wanted: Wanted) -> list[str]:
        """Return the tables to read labels from.

        Raises
        ------
        SettingsError
            If there is none, or another one than is wanted.
        """
        tables = dict(self.header.tables)
        for name in wanted.parts:
            if name not in tables:
                raise unknown_name(f"table of '{self.header.name}'", name, tables)
        if wanted.parts:
            return list(wanted.parts)
        named = wanted.columns.get(EMOTION)
        labelled = {
            name: table
            for name, table in tables.items()
            if (_column_named(table.columns, named) if named else _emotion_columns(table))
        }
        if not labelled:
            lacking = f"the column '{named}'" if named else "a column that is known to hold emotions"
            raise SettingsError(
                f"{self.header.name}: no table has {lacking}; name one with --map {EMOTION}=COLUMN; {self._listed()}"
            )
        split = [name for name in labelled if self._split_of(name)]
        among = split if wanted.of_splits and split else list(labelled)
        return [name for name in among if GOLD in name] or split or list(labelled)

    def _split_of(self, name: str) -> str:
        """Return the part of a split that a table is: by its split, or else by a word of its name; empty if none."""
        split = self.header.tables[name].split_id
        if split is not None:
            kind = self.header.splits[split].type
            return str(kind) if kind in ("train", "dev", "test") else ""
        known = {word for words in SPLIT_WORDS.values() for word in words}
        words = [word for word in re.split(r"[^a-z]", name.casefold()) if word in known]
        return split_named(words[0]) if len(words) == 1 else ""

    def add(self, name: str, wanted: Wanted, entries: Entries) -> None:
        """Add the rows of a table to the entries."""
        table = self.table(name)
        index = table.index
        columns = self._columns(name, wanted)
        _, column, field = columns[EMOTION]
        if len(self.header.tables) > 1 or len(table.columns) > 1:
            named = f"{column}.{field}" if field else column
            entries.note(f"emotions are from the table {name}, column {named}; --parts and --map choose others")
        split = self._split_of(name)
        values = {ours: self._values(place, index) for ours, place in columns.items()}
        if field is None:
            self._note_unknown_labels(name, column, values[EMOTION], entries)
        corpus = str(self.header.name)
        for place, (file, start, end) in enumerate(_segments(index)):
            if not is_inside(file):
                entries.refuse(f"{name}: {file}", "leads out of the folder of the database")
                continue
            span = _span(start, end)
            if not 0 <= span.get("start", 0.0) < span.get("end", math.inf):
                entries.refuse(
                    f"{name}: {file}",
                    f"the segment has start = {span.get('start', 0.0):g} and end = {span.get('end', math.inf):g} s; "
                    "expected 0 <= start < end",
                )
                continue
            given = {ours: column[place] for ours, column in values.items()}
            if split:
                given.setdefault(SPLIT_COLUMN, split)
            # Without a source: segments that overlap get the same one from the rows.
            entries.records.append({**row_of(given, corpus, None, str(self.root / file)), **span})

    def _columns(self, name: str, wanted: Wanted) -> dict[str, tuple[str, str, str | None]]:
        """Return table, column and field of its labels by the column of rows."""
        found = {EMOTION: (name, *self._emotion(name, wanted.columns.get(EMOTION)))}
        others = [name, *(other for other in self.header.tables if other != name)]
        for ours in (*USUAL_COLUMNS, *wanted.columns):
            if ours in found:
                continue
            given = wanted.columns.get(ours)
            place = self._place(others, [given] if given else USUAL_COLUMNS[ours])
            if place is not None:
                found[ours] = place
            elif given:
                raise SettingsError(
                    f"{self.header.name}: has no column '{given}', which --map gives for '{ours}'; {self._listed()}"
                )
        return found

    def _place(self, tables: Sequence[str], names: Sequence[str]) -> tuple[str, str, str | None] | None:
        for name in names:
            for table in tables:
                if (found := _column_named(self.header[table].columns, name)) is not None:
                    return (table, *found)
        for name in names:
            # A field of the labels of another column, such as the gender in those of the speakers.
            for table in tables:
                for column, described in self.header[table].columns.items():
                    if name in self._fields(described):
                        return table, column, name
        return None

    def _fields(self, column: Any) -> set[str]:
        labels = column.scheme.labels if column.scheme is not None else None
        if isinstance(labels, str):
            return set(self.header[labels].columns)
        if isinstance(labels, Mapping):
            return {str(field) for value in labels.values() if isinstance(value, Mapping) for field in value}
        return set()

    def _listed(self) -> str:
        tables = [f"{name} ({', '.join(table.columns) or 'none'})" for name, table in self.header.tables.items()]
        return f"the tables and their columns are: {'; '.join(tables) or 'none'}"

    def _emotion(self, name: str, given: str | None) -> tuple[str, str | None]:
        """Return the column of a table that has the emotions; its raters must agree, or one be a gold standard."""
        table = self.header[name]
        if given is not None:
            if (found := _column_named(table.columns, given)) is None:
                raise SettingsError(
                    f"{self.header.name}: the table '{name}' has no column '{given}', which --map gives for "
                    f"'{EMOTION}'; the columns are {', '.join(table.columns) or 'none'}"
                )
            return found
        columns = _emotion_columns(table)
        if not columns:
            raise SettingsError(
                f"{self.header.name}: no column of the table '{name}' is known to hold emotions; name it with --map "
                f"{EMOTION}=COLUMN. The columns are {', '.join(table.columns) or 'none'}"
            )
        gold = [column for column in columns if GOLD in column or GOLD in str(table.columns[column].rater_id)]
        if len(columns) == 1 or len(gold) == 1:
            return (gold or columns)[0], None
        self._check_agreement(name, columns)
        return columns[0], None

    def _check_agreement(self, name: str, columns: Sequence[str]) -> None:
        """Raise `SettingsError` if raters differ, since it is not known which one is right."""
        table = self.table(name)
        labels = table.df[list(columns)].astype(object)
        labels = labels.where(labels.notna(), "")
        differing = int(labels.ne(labels.iloc[:, 0], axis=0).any(axis=1).sum())
        if differing:
            raters = ", ".join(
                f"{column} (rater {rater})" if (rater := table.columns[column].rater_id) else column
                for column in columns
            )
            raise SettingsError(
                f"{self.header.name}: {len(columns)} columns of the table '{name}' hold emotions, and they differ in "
                f"{differing} of {len(labels)} rows: {raters}; choose one with --map {EMOTION}=COLUMN"
            )

    def _values(self, place: tuple[str, str, str | None], index: pd.Index) -> list[Any]:
        """Return the values of a column for an index, by segment or by file."""
        name, column, field = place
        found = self.table(name)[column]
        values = found.get() if field is None else found.get(map=field)
        values = values.astype(object).where(values.notna(), None)
        if values.index.equals(index):
            return values.tolist()
        values = values[~values.index.duplicated()]
        if values.index.nlevels == index.nlevels:
            return values.reindex(index).tolist()
        if values.index.nlevels > 1:
            # What the segments of a file share is said of the file.
            values = values.groupby(level="file").agg(
                lambda part: part.iloc[0] if (part == part.iloc[0]).all() else None
            )
        return values.reindex(index.get_level_values("file")).tolist()


def _emotion_columns(table: Any) -> list[str]:
    """Return the columns of a table that hold emotions: by their names, or by the name of their scheme."""
    by_scheme = [name for name, column in table.columns.items() if column.scheme_id in ("emotion", "emotions")]
    by_name = ([column] for name in USUAL_COLUMNS[EMOTION] for column in table.columns if column.casefold() == name)
    return by_scheme or next(by_name, [])


def _column_named(columns: Any, name: str) -> tuple[str, str | None] | None:
    """Return a column, and the field of its labels if the name has one after the last dot."""
    if name in columns:
        return name, None
    lower = {column.casefold(): column for column in columns}
    if name.casefold() in lower:
        return lower[name.casefold()], None
    column, _, field = name.rpartition(".")
    return (column, field) if column in columns else None


def _segments(index: pd.Index) -> list[tuple[str, Any, Any]]:
    if index.nlevels == 1:
        return [(str(file), pd.NaT, pd.NaT) for file in index]
    return [(str(file), start, end) for file, start, end in index]


def _span(start: Any, end: Any) -> dict[str, float]:
    """Return the part of a recording in seconds; an end that is not known is that of the recording."""
    spans = {"start": start, "end": end}
    return {name: span.total_seconds() for name, span in spans.items() if not pd.isna(span)}
