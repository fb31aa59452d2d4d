"""The table of rows, one per clip, that all parts of fusionser exchange.

A table always has all of these columns, in this order:

========================  ============================================================================
``file``                  path of the recording
``start``, ``end``        the part of the recording that is the clip, in seconds; ``end`` is never empty
``corpus``                name of the corpus
``speaker``               ``corpus/name``; empty if unknown
``gender``                ``female``, ``male`` or empty
``emotion``               the label; empty for clips to predict
``statement``             id of the spoken text; empty if unknown
``intensity``             intensity as the corpus names it; empty if unknown
``channel``               ``speech`` or ``song``
``augmentation``          empty for an original recording
``source``                id of the original recording; copies of a clip share it
========================  ============================================================================

A table may have ``audio_channel`` (``left``, ``right``, ``mean`` or a number from 1): the channel of the recording that
is used. Without it, the mean of all channels is. It may have ``split`` (``train``, ``validation``, ``test`` or empty)
and ``fold``, which the protocol ``given-split`` goes by. Extracted features follow in columns named ``block__name``.
"""

import reprlib
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fusionser.checks import channel_number, split_named
from fusionser.errors import FusionserError, RowsError, SettingsError, names_text
from fusionser.files import exists, public_paths, write_whole
from fusionser.legacy import current_column
from fusionser.names import GENDERS
from fusionser.storage import address_of, called, input_place
from fusionser.tables import load_table, quoting_of, without_formulas

__all__ = [
    "ARRAY_MARK",
    "AUDIO_COLUMN",
    "CARRIED_COLUMNS",
    "CHANNEL_COLUMN",
    "COLUMNS",
    "EXTRACTED_COLUMN",
    "FOLD_COLUMN",
    "SPLIT_COLUMN",
    "VOTES_COLUMN",
    "array_columns",
    "check_columns",
    "check_rows",
    "each_once",
    "feature_columns",
    "given_columns",
    "given_names",
    "load_rows",
    "make_rows",
    "of_channel",
    "ordered_speakers",
    "public_table",
    "read_table",
    "with_times",
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
"""Columns of a table of rows, one row for each clip; only ``file`` is required everywhere."""

AUDIO_COLUMN = "audio"
"""Fingerprint of the decoded audio, added by the extraction and compared by the leakage guard."""

EXTRACTED_COLUMN = "extracted"
"""The feature blocks of a row, each with a digest of its settings."""

CHANNEL_COLUMN = "audio_channel"
"""The channel of the recording that is used; the column ``channel`` is RAVDESS's vocal channel."""

SPLIT_COLUMN, FOLD_COLUMN = "split", "fold"
"""The part of a given split that a row belongs to, and the fold of a split that has several."""

VOTES_COLUMN = "votes_of_raters"
"""The votes of several raters for each emotion, as text such as ``{"angry": 2, "sad": 1}``; in memory only."""

ARRAY_MARK = "@"
"""First character of a column with one array per row, a network's input; the digest of its settings follows."""

ADDED_COLUMNS = (AUDIO_COLUMN, CHANNEL_COLUMN, EXTRACTED_COLUMN, VOTES_COLUMN, "channel", "augmentation", "source")
"""Columns that listing, augmentation and extraction fill."""

ANSWERS = ("emotion", "probability", "unlikeness", "unlike_because", "unsure_because", "error")
"""Columns that answers may have beside those of a list; not all models give all of them."""

LARGEST_WHOLE = 2**63
"""Largest whole number that is read as seconds."""

ROUNDING = 1e-3
"""Seconds by which parts that follow each other may seem to overlap."""

CARRIED_COLUMNS = ("speaker", "source", "augmentation", "corpus")
"""Row columns that pass through a pipeline beside the features, up to the classifier; so do `VOTES_COLUMN` if there."""


def make_rows(records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Build a table from records, and fill missing columns as `check_rows` does.

    Parameters
    ----------
    records : iterable of mapping
        Each contains at least ``file`` and ``end``.

    Returns
    -------
    DataFrame

    Examples
    --------
    >>> make_rows([{"file": "a.wav", "end": 1.5, "emotion": "sad"}]).loc[0, ["source", "channel"]].tolist()
    ['a.wav', 'speech']
    """
    return check_rows(pd.DataFrame.from_records(list(records)))


def check_rows(table: pd.DataFrame, wrong: dict[int, str] | None = None) -> pd.DataFrame:
    """Return the table with all columns, in order and with the right types.

    Parameters
    ----------
    table : DataFrame
        Needs a column ``file``. Missing values become the empty string in text columns, 0 in ``start``, and in
        ``source`` the file's path, with the start of the clip if it is not 0; overlapping parts of a file share a
        source, unless their speakers differ. ``start`` and ``end`` are numbers of
        seconds, or time spans; a missing ``end`` is the end of the file.
    wrong : dict of int to str, optional
        Gets the reason for each row whose file or part cannot be right, by its position, instead of an error. These
        rows are left out.

    Raises
    ------
    RowsError
        If the column ``file`` is missing, two columns have one name, or a value is invalid.
    """
    check_columns(table)
    if "file" not in table.columns:
        raise RowsError(
            f"the table has no column 'file'; got: {names_text(table.columns)}. "
            "It is the path of each recording. If another column has the paths, name it with --map file=COLUMN"
        )
    checked = table.copy()
    for name in TEXT_COLUMNS:
        values = checked[name] if name in checked else pd.Series("", index=checked.index)
        filled = values.astype(object).where(values.notna(), "")
        # A file may have a name that begins or ends with a blank.
        checked[name] = [str(value) if name == "file" else str(value).strip() for value in filled]
    problems: dict[int, str] = {}
    checked["start"] = _seconds(checked, "start", 0.0, problems)
    checked["end"] = _seconds(checked, "end", np.nan, problems)
    problems |= _wrong_places(checked)
    if problems and wrong is None:
        raise RowsError(next(iter(problems.values())))
    if wrong is not None:
        wrong |= problems
        checked = checked[~np.isin(np.arange(len(checked)), list(problems))].copy()
    _check_genders(checked)
    _check_channels(checked)
    checked = _with_splits(checked)
    blank = checked["source"] == ""
    checked.loc[blank, "source"] = _sources(checked[blank])
    checked.loc[checked["channel"] == "", "channel"] = "speech"
    others = [name for name in checked.columns if name not in COLUMNS]
    return checked[[*COLUMNS, *others]].reset_index(drop=True)


def _sources(rows: pd.DataFrame) -> list[str]:
    """Return the file and the start of each row, with the channel where speakers have channels of their own.

    Rows of a speaker that overlap in a file have samples in common, so that no split may part them: they share the
    earliest start.
    """
    if rows.empty:
        return []
    ordered = rows.reset_index(drop=True).sort_values(["file", "speaker", "start"], kind="stable")
    one = ordered["file"] + "\0" + ordered["speaker"]
    ends = ordered["end"].fillna(np.inf).groupby(one).cummax()
    apart = (one != one.shift()) | (ordered["start"] >= ends.shift() - ROUNDING)
    ordered = ordered.assign(channel=ordered[CHANNEL_COLUMN].astype(str) if CHANNEL_COLUMN in ordered else "")
    several = ordered.groupby("file")["channel"].transform("nunique") > 1
    first = ordered.groupby(apart.cumsum())[["start", "channel"]].transform("first")
    places = zip(ordered["file"], first["channel"].where(several, ""), first["start"], strict=True)
    named = [
        f"{file}{f'@{channel}' if channel else ''}{f'#{start:g}' if start else ''}" for file, channel, start in places
    ]
    return pd.Series(named, index=ordered.index, dtype=object).sort_index().tolist()


def check_columns(table: pd.DataFrame) -> None:
    """Raise `RowsError` unless each column of a table has one name, of one level, that no other column has."""
    if table.columns.nlevels == 1 and table.columns.is_unique:
        return
    names = ", ".join(dict.fromkeys(map(str, table.columns[table.columns.duplicated()])))
    raise RowsError(
        f"the columns of the table {f'have a name twice: {names}' if names else 'have several levels of names'}; "
        "expected one name for each column"
    )


def with_times(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose ``start`` and ``end``, where it has them, are numbers of seconds, or NaN.

    Raises
    ------
    RowsError
        For the first value that is neither a number nor a time span.

    Examples
    --------
    >>> with_times(pd.DataFrame({"file": ["a.wav"], "end": ["0:00:02"]})).loc[0, "end"]
    np.float64(2.0)
    """
    problems: dict[int, str] = {}
    times = {
        name: _seconds(table, name, np.nan, problems)
        for name in ("start", "end")
        if name in table and table[name].dtype != np.float64
    }
    if problems:
        raise RowsError(next(iter(problems.values())))
    return table.assign(**times) if times else table


def _seconds(table: pd.DataFrame, name: str, missing: float, problems: dict[int, str]) -> "pd.Series[float]":
    if name not in table:
        return pd.Series(missing, index=table.index, dtype=float)
    given = table[name]
    if len(given) and pd.api.types.is_datetime64_any_dtype(given):
        raise RowsError(f"column '{name}' holds points in time ({given.iloc[0]}); expected seconds as a number")
    # NaT would otherwise be a number.
    given = given.astype(object).where(given.notna(), np.nan)
    spans = given.map(_is_duration)
    numbers = pd.to_numeric(given.mask(spans | given.map(_has_no_float)), errors="coerce").astype(float)
    if spans.any():
        numbers[spans] = pd.to_timedelta(given[spans], errors="coerce").dt.total_seconds()
    wrong = numbers.isna() & given.notna() & (given.astype(str).str.strip() != "")
    for place in np.flatnonzero(wrong).tolist():
        problems[place] = (
            f"{_named(table, place)}column '{name}' holds {reprlib.repr(given.iloc[place])}; expected seconds as a "
            "number"
        )
    return numbers.fillna(missing)


def _named(table: pd.DataFrame, place: int) -> str:
    return f"{table['file'].iloc[place]}: " if table["file"].iloc[place] else f"row {place}: "


def _is_duration(value: Any) -> bool:
    """Return whether a value is a time span, or a text such as ``0 days 00:00:01.5`` that tables give for one."""
    return isinstance(value, (timedelta, np.timedelta64)) or (isinstance(value, str) and ":" in value)


def _has_no_float(value: Any) -> bool:
    """Return whether a value is a number that pandas cannot convert to a float, or only by losing a part of it."""
    return isinstance(value, (complex, np.complexfloating)) or (isinstance(value, int) and abs(value) > LARGEST_WHOLE)


def _wrong_places(table: pd.DataFrame) -> dict[int, str]:
    """Return the reason for each row without a file, or with an impossible part, by its position."""
    blank = np.array([file.strip() == "" for file in table["file"]], dtype=bool)
    start, end = table["start"].to_numpy(), table["end"].to_numpy()
    impossible = ~np.isfinite(start) | (start < 0) | np.isinf(end) | (end <= start)
    problems: dict[int, str] = {
        place: f"row {place}: empty 'file'; every row needs a recording" for place in np.flatnonzero(blank).tolist()
    }
    for place in np.flatnonzero(impossible & ~blank).tolist():
        problems[place] = (
            f"{_named(table, place)}the part from start = {start[place]:g} to end = {end[place]:g} s is empty; "
            "expected 0 <= start < end"
        )
    return problems


def _check_genders(table: pd.DataFrame) -> None:
    genders = sorted(set(table["gender"]) - {*GENDERS, ""})
    if genders:
        raise RowsError(f"column 'gender' holds {genders[0]!r}; expected 'female', 'male' or nothing")


def _check_channels(table: pd.DataFrame) -> None:
    try:
        for channel in set(table.get(CHANNEL_COLUMN, ())):
            channel_number(channel)
    except SettingsError as error:
        raise RowsError(f"column '{CHANNEL_COLUMN}': {error}") from error


def _with_splits(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose given split, where it has one, is in our words, and whose folds are texts."""
    named: dict[str, list[str]] = {}
    if SPLIT_COLUMN in table:
        named[SPLIT_COLUMN] = [_split_of(table, place) for place in range(len(table))]
    if FOLD_COLUMN in table:
        # A whole number may have become a float, because other rows have none.
        named[FOLD_COLUMN] = [
            "" if pd.isna(fold) else str(fold).strip().removesuffix(".0") for fold in table[FOLD_COLUMN]
        ]
    return table.assign(**named) if named else table


def _split_of(table: pd.DataFrame, place: int) -> str:
    word = table[SPLIT_COLUMN].iloc[place]
    try:
        return split_named(None if pd.isna(word) else word)
    except SettingsError as error:
        raise RowsError(
            f"{_named(table, place)}column '{SPLIT_COLUMN}': {error}. If the column is something else, give it another "
            "name"
        ) from error


def of_channel(table: pd.DataFrame, channel: str | None) -> pd.DataFrame:
    """Return rows that use one channel of their recordings; without features that were extracted from another one.

    Parameters
    ----------
    table : DataFrame
    channel : str, optional
        As for `fusionser.checks.channel_number`. None leaves the rows as they are.

    Raises
    ------
    SettingsError
        If there is no such channel.

    Examples
    --------
    >>> of_channel(pd.DataFrame({"file": ["a.wav"], "extracted": ["zcr=1"]}), "left").iloc[0].to_dict()
    {'file': 'a.wav', 'extracted': '', 'audio_channel': 'left'}
    """
    if channel is None:
        return table
    number = channel_number(channel)
    earlier = table[CHANNEL_COLUMN] if CHANNEL_COLUMN in table else [None] * len(table)
    same = np.array([channel_number(one) == number for one in earlier], dtype=bool)
    known = [name for name in (EXTRACTED_COLUMN, AUDIO_COLUMN) if name in table]
    return table.assign(**{name: table[name].where(same, "") for name in known}, **{CHANNEL_COLUMN: channel})


def feature_columns(table: pd.DataFrame) -> list[str]:
    """Return the names of the feature columns, those of the form ``block__name``."""
    return [name for name in table.columns if isinstance(name, str) and "__" in name]


def array_columns(table: pd.DataFrame) -> list[str]:
    """Return the names of the columns with one array per row; these exist in memory only and are never written."""
    return [name for name in table.columns if isinstance(name, str) and name.startswith(ARRAY_MARK)]


def each_once(table: pd.DataFrame) -> pd.DataFrame:
    """Return rows with each clip once, where a given split has a row for each of its folds.

    Examples
    --------
    >>> table = pd.DataFrame({"file": ["a", "a", "b"], "start": 0.0, "end": 1.0, "fold": ["1", "2", "1"]})
    >>> each_once(table)["file"].tolist()
    ['a', 'b']
    """
    if FOLD_COLUMN not in table:
        return table
    clip = [name for name in ("file", "start", "end", CHANNEL_COLUMN, "augmentation") if name in table]
    # Samples from memory have no file.
    again = table.duplicated(clip) & (table["file"] != "")
    return table[~again].reset_index(drop=True)


def given_names(table: pd.DataFrame, taken: Collection[str] = ()) -> dict[Any, Any]:
    """Return the columns in which a table says something of its clips, and their names beside other columns.

    These are the columns of rows that are filled, and those that are not of rows. The parts of the clips, and what
    fusionser adds to rows, are left out. The label is named ``truth``, and a name that is taken begins with ``given_``.

    Parameters
    ----------
    table : DataFrame
    taken : collection of str
        Names of the other columns.

    Examples
    --------
    >>> table = pd.DataFrame({"file": ["a"], "emotion": ["sad"], "gender": [""], "error": [2]})
    >>> given_names(table, taken=["emotion", "error"])
    {'emotion': 'truth', 'error': 'given_error'}
    """
    left_out = {*ADDED_COLUMNS, "file", "start", "end", *feature_columns(table), *array_columns(table)}
    kept = [name for name in table.columns if name not in left_out]
    filled = [name for name in kept if name not in COLUMNS or (table[name].notna() & (table[name] != "")).any()]
    taken = {*taken, *ANSWERS} if taken else set()
    # A name that is free stays, whatever another column would be renamed to.
    used = {*taken, *(name for name in filled if name != "emotion")}
    named = {}
    for name in filled:
        new = "truth" if name == "emotion" and "truth" not in used else name
        while new in taken or (new != name and new in used):
            new = f"given_{new}"
        used.add(new)
        named[name] = new
    return named


def given_columns(table: pd.DataFrame, taken: Collection[str] = ()) -> pd.DataFrame:
    """Return what a table says of its clips, under the names of `given_names`.

    Examples
    --------
    >>> table = pd.DataFrame({"file": ["a"], "emotion": ["sad"], "gender": [""], "session": [2]})
    >>> given_columns(table).iloc[0].to_dict()
    {'truth': 'sad', 'session': 2}
    """
    names = given_names(table, taken)
    return table[list(names)].rename(columns=names).reset_index(drop=True)


def ordered_speakers(table: pd.DataFrame) -> list[str]:
    """Return the speakers in the order of their corpora in the table, then by name.

    Raises
    ------
    RowsError
        If a row has no speaker.
    """
    unknown = table["speaker"].astype(str) == ""
    if unknown.any():
        raise RowsError(
            f"{int(unknown.sum())} of {len(table)} rows {'has' if unknown.sum() == 1 else 'have'} no "
            f"speaker (first: {table.loc[unknown, 'file'].iloc[0]}); "
            "to split by speaker, fill the column 'speaker', or give the layout of the folder (--layout), such as "
            "'{emotion}/{speaker}_*' for happy/anna_01.wav"
        )

    def corpus_of(name: str) -> str:
        return name.split("/")[0] if "/" in name else ""

    order = {corpus: position for position, corpus in enumerate(dict.fromkeys(map(corpus_of, table["speaker"])))}
    return sorted(set(table["speaker"].astype(str)), key=lambda name: (order[corpus_of(name)], name))


def load_rows(path: str | Path, columns: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Read a CSV or Parquet table of rows as it is; relative files are relative to the table's folder.

    Parameters
    ----------
    path : str or Path
        As for `load_table`, or an address such as ``s3://bucket/rows.csv``.
    columns : mapping of str to str, optional
        Names of columns in the table, by the names of the columns of rows that they stand for.

    Raises
    ------
    RowsError
        If the table cannot be read.
    """
    source = input_place(path)
    table = load_table(source, columns)
    if "file" in table.columns:
        # Before the sources are named after the files, since two tables may use the same relative names.
        folder = source.resolve().parent
        table["file"] = [address_of(str(file)) or called(_in_folder(folder, file)) for file in table["file"]]
    return table.rename(columns=current_column)


def read_table(path: str | Path, columns: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Read a table with `load_rows`, and return it as `check_rows` does.

    Raises
    ------
    RowsError
        If the table cannot be read, or `check_rows` rejects it.
    """
    return check_rows(load_rows(path, columns))


def _in_folder(folder: Path, file: Any) -> str:
    """Return the path of a file named in a table of this folder; empty if it names none."""
    if pd.isna(file) or not str(file).strip():
        return ""
    path = folder / str(file)
    # A blank after a separator is not part of the name, unless there is such a file.
    stripped = folder / str(file).strip()
    return str(stripped if path != stripped and exists(stripped) and not exists(path) else path)


def public_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table for reports, with public paths of its files, and of the sources that are named after them.

    Examples
    --------
    >>> public_table(pd.DataFrame({"file": ["/data/mine/sad/a.wav", "/data/mine/happy/a.wav"]}))["file"].tolist()
    ['.../mine/sad/a.wav', '.../mine/happy/a.wav']
    """
    named = {name: table[name].astype(str).tolist() for name in ("file", "source") if name in table}
    public = {name: public_paths(paths) for name, paths in named.items()}
    return table.assign(**{name: [public[name][path] for path in paths] for name, paths in named.items()})


def write_table(table: pd.DataFrame, path: str | Path) -> Path:
    """Write rows as CSV or Parquet, by the suffix, atomically.

    Raises
    ------
    FusionserError
        If the suffix is neither ``.csv`` nor ``.parquet``, or the file cannot be written.
    """
    target = Path(path)
    table = table.drop(columns=array_columns(table))
    writers: dict[str, Callable[..., Any]] = {
        ".parquet": table.to_parquet,
        ".csv": lambda *given, **options: without_formulas(table).to_csv(*given, **options, quoting=quoting_of(table)),
    }
    if target.suffix.lower() not in writers:
        raise FusionserError(f"{target}: cannot tell the format from '{target.suffix}'; expected .parquet or .csv")
    return write_whole(target, lambda temporary: writers[target.suffix.lower()](temporary, index=False))
