"""A split by its places: a table, folders, or a dataset of another program."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from fusionser.audit.split import SIDES, TEST, TRAIN, VALIDATION, Split, folds_of, placed_rows
from fusionser.audit.split_table import table_split
from fusionser.checks import SPLIT_WORDS
from fusionser.corpora import DATASET_FORMATS, FOLDERS, dataset_format
from fusionser.corpora.audio_files import audio_files
from fusionser.corpora.base import Listing, check_folder, without_overlong
from fusionser.corpora.data_folder import found_instead
from fusionser.corpora.datasets import Progress, Wanted
from fusionser.corpora.known_words import gender_named
from fusionser.corpora.layout import Layout, find_layout
from fusionser.errors import RowsError, SettingsError
from fusionser.rows import FOLD_COLUMN, SPLIT_COLUMN, load_rows
from fusionser.tables import TABLE_SUFFIXES, load_table

__all__ = ["SplitOptions", "read_split"]


@dataclass(frozen=True, kw_only=True)
class SplitOptions:
    """How a split is read.

    Parameters
    ----------
    audio : str or Path, optional
        For a table: folder in which recordings are found by the stems of their names.
    corpus : str, optional
        A key of `CORPORA`, whose names say what a table or folders do not; ``folders``, if folders inside those of the
        sides are named by emotion; or a key of `DATASET_FORMATS`.
    layout : str, optional
        With ``folders``: a pattern of the paths in the folder of each side, such as ``{emotion}/{speaker}/*``.
    columns : mapping of str to str
        Names of columns in a table or a dataset, by the names that they stand for.
    parts : sequence of str
        For a dataset: the tables of a database, or the splits; if empty, those that have labels.
    download : bool, default=False
        For a dataset: get it from where it is published, if it is not on this machine.
    accept_truncated : bool, default=False
        Use what is there of recordings that were cut off.
    progress : callable, optional
        For a dataset: called with what is read and the total.
    """

    audio: str | Path | None = None
    corpus: str | None = None
    layout: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    parts: Sequence[str] = ()
    download: bool = False
    accept_truncated: bool = False
    progress: Progress | None = None

    def refuse(self, what: str, *names: str) -> None:
        """Raise `SettingsError` if any of these options is given, because it has no effect on what is read."""
        flags = {"columns": "--map"}
        for name in names:
            if getattr(self, name):
                raise SettingsError(f"{flags.get(name, f'--{name}')} has no effect on {what}; leave it out")


def read_split(places: Sequence[str | Path], options: SplitOptions | None = None) -> Split:
    """Read a split.

    Parameters
    ----------
    places : sequence of path
        One table (CSV, TSV or Parquet); folders of training and test recordings, or of training, validation and test
        recordings; one folder with folders of such names; or datasets of `DATASET_FORMATS` that have splits.
    options : SplitOptions, optional

    Raises
    ------
    FusionserError
        If the split cannot be read; the message gives the reason.
    """
    options = options or SplitOptions()
    paths = [Path(place) for place in places]
    if options.layout is not None and options.corpus != FOLDERS:
        raise SettingsError(f"--layout is '{options.layout}'; it needs --corpus {FOLDERS}")
    if (kind := _dataset_format(paths, options.corpus)) is not None:
        return _dataset_split(paths, kind, options)
    if all(path.is_dir() for path in paths):
        if folders := _folders_of_sides(paths):
            return _folder_split(folders, options)
    elif len(paths) == 1 and paths[0].suffix.lower() in TABLE_SUFFIXES:
        return _read_table(paths[0], options)
    if absent := [path for path in paths if not path.exists()]:
        raise SettingsError(f"{absent[0]}: no such table or folder{found_instead(absent[0], options.corpus)}")
    raise SettingsError(
        f"got {', '.join(map(str, paths))}; expected one table ({', '.join(TABLE_SUFFIXES)}) with the columns 'file' "
        "and 'split'; folders of training and test recordings, or of training, validation and test recordings; one "
        f"folder with folders of such names; or a dataset with splits ({', '.join(DATASET_FORMATS)})"
    )


def _dataset_format(paths: Sequence[Path], corpus: str | None) -> str | None:
    """Return the format of datasets: the one that is named, or else that of all places."""
    if corpus is not None:
        return corpus if corpus in DATASET_FORMATS else None
    found = {dataset_format(path) for path in paths}
    if len(paths) > 1 and all(path.is_dir() for path in paths):
        # Folders are sides, even if there is a description in each.
        return None
    return found.pop() if len(found) == 1 else None


def _read_table(path: Path, options: SplitOptions) -> Split:
    options.refuse("a table", "layout", "parts", "download")
    if options.corpus == FOLDERS:
        raise SettingsError(f"--corpus {FOLDERS} has no effect on a table; leave it out")
    if not path.is_file():
        raise RowsError(f"{path}: no such table")
    named = load_table(path, options.columns)
    located = load_rows(path, options.columns)
    if "file" in named:
        # A path is relative to the table's folder; a name that is no path there is looked for by its stem.
        named["file"] = [
            place if Path(place).is_file() else name for place, name in zip(located["file"], named["file"], strict=True)
        ]
    return table_split(
        named,
        name=path.name,
        audio=options.audio,
        corpus=options.corpus,
        accept_truncated=options.accept_truncated,
    )


def _folders_of_sides(paths: Sequence[Path]) -> dict[str, Path]:
    """Return a folder for each side: those that are given, or those in one folder that have the names of sides."""
    if len(paths) == 2:
        return dict(zip((TRAIN, TEST), paths, strict=True))
    if len(paths) == 3:
        return dict(zip((TRAIN, VALIDATION, TEST), paths, strict=True))
    if len(paths) > 3:
        return {}
    named: dict[str, list[Path]] = {
        side: [path for path in sorted(paths[0].iterdir()) if path.is_dir() and path.name.casefold() in words]
        for side, words in SPLIT_WORDS.items()
    }
    for side, found in named.items():
        if len(found) > 1:
            raise SettingsError(
                f"{paths[0]}: {found[0].name} and {found[1].name} are both names for {side}; give the folder of each "
                "side"
            )
    folders = {side: found[0] for side, found in named.items() if found}
    return folders if len(folders) > 1 else {}


def _folder_split(folders: Mapping[str, Path], options: SplitOptions) -> Split:
    options.refuse("folders", "audio", "columns", "parts", "download")
    sides: dict[Path, str] = {}
    records = []
    for side, folder in folders.items():
        root = check_folder(folder, options.corpus)
        before = sides.setdefault(root.resolve(), side)
        if before != side:
            raise SettingsError(f"{folder} is given for {before} and for {side}; give another folder for each side")
        found = audio_files(root).files
        if not found:
            raise RowsError(f"{folder}: no audio files in it, so the side '{side}' is empty")
        said = _said_by_folders(root, found, options.layout) if options.corpus == FOLDERS else {}
        records += [{"file": str(file), SPLIT_COLUMN: side, **said.get(file, {})} for file in found]
    corpus = None if options.corpus == FOLDERS else options.corpus
    name = " and ".join(folder.name for folder in folders.values())
    return table_split(pd.DataFrame(records), name=name, corpus=corpus, accept_truncated=options.accept_truncated)


def _said_by_folders(root: Path, files: Sequence[Path], layout: str | None) -> dict[Path, dict[str, str]]:
    """Return what the folders below that of a side say of its recordings: emotion, and perhaps speaker and others.

    A speaker has no prefix, so that one who is on two sides has one name.
    """
    paths = {file: file.relative_to(root) for file in files}
    inside = [path for path in paths.values() if len(path.parts) > 1]
    if layout is None and not inside:
        raise RowsError(f"{root}: no folders named by emotion; leave out --corpus {FOLDERS}, or give --layout")
    found = find_layout(inside, str(root)) if layout is None else Layout(layout)
    said = {file: found.fields(path) or {} for file, path in paths.items()}
    return {
        file: {**one, "gender": gender_named(one["gender"]) or ""} if "gender" in one else one
        for file, one in said.items()
    }


def _dataset_split(places: Sequence[Path], kind: str, options: SplitOptions) -> Split:
    """Return the split that the recordings of datasets have."""
    options.refuse("a dataset", "audio")
    wanted = Wanted(
        options.columns,
        options.parts,
        options.download,
        options.accept_truncated,
        options.progress,
        of_splits=True,
    )
    listings = [without_overlong(DATASET_FORMATS.named(kind)().listing(str(place), wanted)) for place in places]
    name = ", ".join(place.name for place in places)
    rows = pd.concat([listing.rows for listing in listings], ignore_index=True)
    notes = [note for listing in listings for note in listing.notes]
    if SPLIT_COLUMN not in rows or not (rows[SPLIT_COLUMN].fillna("") != "").any():
        raise RowsError(_without_sides(name, listings))
    rows = rows[rows[SPLIT_COLUMN].fillna("") != ""].reset_index(drop=True)
    placed = placed_rows(rows, rows[SPLIT_COLUMN].tolist(), name)
    first = rows.iloc[placed.loc[~placed["code"].duplicated(), "row"]]
    refused = pd.concat([listing.quarantine for listing in listings])[["file", "reason"]].astype(str)
    return Split(
        name,
        first.drop(columns=[SPLIT_COLUMN, FOLD_COLUMN], errors="ignore").reset_index(drop=True),
        folds_of(placed, name),
        audio=True,
        notes=notes,
        quarantine=[{str(key): str(value) for key, value in one.items()} for one in refused.to_dict("records")],
    )


def _without_sides(name: str, listings: Sequence[Listing]) -> str:
    notes = "".join(f"; {note.value}" for listing in listings for note in listing.notes if note.kind == "text")
    return (
        f"{name}: no recording has a side; expected {', '.join(SIDES)} as splits, in their names, or in a column that "
        f"--map {SPLIT_COLUMN}=COLUMN names{notes}"
    )
