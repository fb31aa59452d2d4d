"""Speech emotion corpora, and one function that lists any of them as rows.

>>> from fusionser.corpora import CORPORA
>>> [name for name in CORPORA if name.startswith("ravdess")]
['ravdess', 'ravdess-song']
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from fusionser.checks import channel_number
from fusionser.corpora.base import Corpus, Listing, differences, list_corpus, measure, measuring, without_overlong
from fusionser.corpora.card import Card, card_from, read_card
from fusionser.corpora.data_folder import found_instead
from fusionser.corpora.datasets import DatasetFormat, Progress, Wanted
from fusionser.corpora.demo import generate_demo
from fusionser.corpora.folders import list_label_folders
from fusionser.corpora.from_card import CardCorpus
from fusionser.corpora.kept_notes import kept_notes
from fusionser.corpora.recognised import recognised_corpus
from fusionser.errors import CorpusError, SettingsError, unknown_name
from fusionser.facts import Stamp
from fusionser.names import FOLDERS
from fusionser.registry import CORPORA, DATASET_FORMATS
from fusionser.rows import (
    COLUMNS,
    FOLD_COLUMN,
    SPLIT_COLUMN,
    check_rows,
    feature_columns,
    given_columns,
    load_rows,
    of_channel,
)
from fusionser.storage import input_place
from fusionser.tables import TABLE_SUFFIXES, is_table

__all__ = [
    "CORPORA",
    "DATASET_FORMATS",
    "FOLDERS",
    "Card",
    "CardCorpus",
    "Corpus",
    "DatasetFormat",
    "Listing",
    "card_from",
    "corpus_of_folder",
    "dataset_format",
    "differences",
    "generate_demo",
    "list_rows",
    "read_card",
]


def list_rows(
    place: str | Path,
    corpus: str | None = None,
    layout: str | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    accept_truncated: bool = False,
    channel: str | None = None,
    any_length: bool = False,
    parts: Sequence[str] = (),
    download: bool = False,
    progress: Progress | None = None,
    measured: bool = True,
) -> Listing:
    """List the rows of a folder or of a table.

    Parameters
    ----------
    place : str or Path
        A folder of recordings; a CSV or Parquet table with ``file`` and ``emotion``, such as the output of ``fusionser
        extract``; or a dataset of one of `DATASET_FORMATS`.
    corpus : str, optional
        For a folder: a key of `CORPORA`, or ``folders`` for a tree with folders, or files, named by emotion; if None,
        the corpus whose names its recordings have, or else ``folders``. For a dataset: a key of `DATASET_FORMATS`; if
        None, it is found by the place.
    layout : str, optional
        For a tree that is no known corpus: a pattern of the paths, such as ``{speaker}/{emotion}/*`` (`Layout`). If
        None, it is found from the names of the folders and files.
    columns : mapping of str to str, optional
        For a table or a dataset: the names of columns in it, by the names of the columns of rows that they stand for.
    accept_truncated : bool, default=False
        Use what is there of recordings that were cut off, instead of quarantining them.
    channel : str, optional
        Channel of the recordings to use, ``left``, ``right``, ``mean`` or a number from 1; a table may also have it in
        the column ``audio_channel``.
    any_length : bool, default=False
        List recordings that are too long for one clip too, for example to cut them into windows.
    parts : sequence of str
        For a dataset: the tables of a database, or the splits, to read; if empty, all with labels.
    download : bool, default=False
        For a dataset: get it from where it is published, if it is not on this machine.
    progress : callable, optional
        For a dataset: called with what is read and the total.
    measured : bool, default=True
        Read from each recording how long it is. Without that, ``end`` is missing where it is not given, and recordings
        that cannot be read are listed, too.

    Returns
    -------
    Listing

    Raises
    ------
    CorpusError, RowsError, SettingsError
        If nothing can be listed; the message gives the reason.
    """
    channel_number(channel)
    if not isinstance(place, str | Path):
        raise SettingsError(f"place is {place!r}; expected the path of a folder or of a table", parameter="place")
    wanted = Wanted(columns or {}, parts, download, accept_truncated, progress)
    with measuring(measured):
        listing = _listed(input_place(place), corpus, layout, wanted)
    if not any_length and not feature_columns(listing.rows):
        listing = without_overlong(listing)
    return replace(listing, rows=of_channel(listing.rows, channel))


def corpus_of_folder(place: str | Path, layout: str | None = None) -> str | None:
    """Return the known corpus that a folder is by the names of its recordings; None for any other place.

    Parameters
    ----------
    place : str or Path
    layout : str, optional
        With one, it is no known corpus.

    Raises
    ------
    CorpusError
        If the names are those of several corpora.

    Examples
    --------
    >>> corpus_of_folder("rows.csv") is None
    True
    """
    path = input_place(place)
    if layout is not None or is_table(path) or not path.is_dir() or dataset_format(path) is not None:
        return None
    return recognised_corpus(path)


def dataset_format(place: str | Path) -> str | None:
    """Return the name of the format of a dataset; None if a place is none.

    Examples
    --------
    >>> dataset_format("audb:emodb==1.4.1"), dataset_format("recordings")
    ('audformat', None)
    """
    known = DATASET_FORMATS.loadable()
    return next((name for name in known if DATASET_FORMATS[name]().recognises(str(place))), None)


def _listed(path: Path, corpus: str | None, layout: str | None, wanted: Wanted) -> Listing:
    columns, accept_truncated = wanted.columns, wanted.accept_truncated
    if layout is not None and corpus not in (None, FOLDERS):
        raise SettingsError(f"--layout is '{layout}' and --corpus is {corpus}; a layout is for --corpus {FOLDERS}")
    if is_table(path) or (path.suffix.lower() in TABLE_SUFFIXES and not path.is_dir()):
        _refuse_options(path, wanted)
        return _list_table(path, columns, accept_truncated)
    dataset = corpus if corpus in DATASET_FORMATS else None
    if corpus is None:
        dataset = dataset_format(path)
    if dataset is not None:
        return DATASET_FORMATS.named(dataset)().listing(str(path), wanted)
    _refuse_options(path, wanted)
    if corpus is None and not path.is_dir():
        found = "neither a folder nor a table" if path.exists() else "no such folder or table"
        raise CorpusError(
            f"{path}: {found}; expected a folder, or a table ({', '.join(TABLE_SUFFIXES)})"
            f"{'' if path.exists() else found_instead(path, None)}"
        )
    guess = corpus is None
    if corpus is None:
        corpus = FOLDERS if layout is not None else recognised_corpus(path) or FOLDERS
    if corpus == FOLDERS:
        return list_label_folders(path, layout, accept_truncated=accept_truncated, guess=guess)
    if corpus not in CORPORA:
        raise unknown_name("corpus", corpus, [*CORPORA, FOLDERS, *DATASET_FORMATS])
    return list_corpus(CORPORA[corpus], path, accept_truncated=accept_truncated)


def _refuse_options(path: Path, wanted: Wanted) -> None:
    """Raise `SettingsError` if an option for datasets is given for another place. Downloads are for models, too."""
    if wanted.parts:
        raise SettingsError(f"--parts is for datasets ({', '.join(DATASET_FORMATS)}), but {path} is none; leave it out")


def _list_table(path: Path, columns: Mapping[str, str] | None, accept_truncated: bool) -> Listing:
    if not is_table(path):
        raise CorpusError(f"{path}: no such table")
    wrong: dict[int, str] = {}
    table = load_rows(path, columns)
    rows = check_rows(table, wrong)
    if rows.empty:
        raise CorpusError(f"{path}: none of {len(wrong)} rows can be used; the first: {wrong[min(wrong)]}")
    notes, set_aside = kept_notes(path)
    refused = [{"file": str(table["file"].iloc[place]), "reason": reason} for place, reason in sorted(wrong.items())]
    if rows["end"].notna().all():
        listing = Listing(rows, quarantine=pd.DataFrame([*set_aside, *refused], columns=["file", "reason"]))
    else:
        records = [
            {str(key): value for key, value in record.items() if key != "end" or value == value}
            for record in rows.to_dict("records")
        ]
        listing = measure(records, refused=[*set_aside, *refused], accept_truncated=accept_truncated)
    listing.notes[:0] = notes
    if unused := sorted(set(map(str, given_columns(rows))) - {"truth", *COLUMNS, SPLIT_COLUMN, FOLD_COLUMN}):
        listing.notes.append(Stamp(kind="unused-columns", value=unused))
    return listing
