"""The recordings for ``fusionser predict``."""

import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import pandas as pd

from fusionser.archive import is_model_file
from fusionser.audio import duration_of, is_cut_off
from fusionser.corpora.base import AUDIO_SUFFIXES, audio_files, check_name
from fusionser.errors import AudioError, CorpusError, SettingsError
from fusionser.rows import check_rows, read_table
from fusionser.tables import TABLE_SUFFIXES, named_columns

from .console import say


def gather_clips(
    clips: list[str], listed: Path | None, *, columns: str | None = None, accept_truncated: bool = False
) -> pd.DataFrame:
    """List the recordings to predict, in a table with a column ``file``.

    `clips` are files, folders, or ``-`` for paths on standard input. `listed` is a text file with one path per line,
    or a table, whose other columns are added. With `accept_truncated`, a recording that was cut off ends where its
    audio ends.
    """
    files: list[str] = []
    for clip in clips:
        if clip == "-":
            files += _lines_of(sys.stdin)
        elif Path(clip).is_dir():
            in_folder = [str(file) for file in audio_files(Path(clip), others=True)]
            if not in_folder:
                expected = ", ".join(AUDIO_SUFFIXES)
                raise CorpusError(f"{clip}: no audio files in this folder; expected files ending in {expected}")
            files += in_folder
        else:
            # A missing file gets an answer with an error, like any other unusable file.
            files.append(clip)
    for file in files:
        check_name(file)
    rows = pd.DataFrame({"file": files}, dtype=object)
    if listed is not None:
        rows = pd.concat([rows, _read_list(listed, columns)], ignore_index=True)
    if rows.empty:
        raise SettingsError(
            "nothing to predict; give recordings, folders, --list FILE, or '-' with paths on standard input"
        )
    rows = check_rows(rows)
    return _ended(rows) if accept_truncated else rows


def _ended(rows: pd.DataFrame) -> pd.DataFrame:
    """Set the end of each recording that was cut off, and of no other one."""
    ends = rows["end"].tolist()
    for place, file in enumerate(rows["file"].tolist()):
        # What cannot be read at all gets its error later.
        with suppress(AudioError):
            if ends[place] != ends[place] and is_cut_off(file, seconds := duration_of(file, accept_truncated=True)):
                ends[place] = seconds
    return rows.assign(end=ends)


def _lines_of(stream: TextIO) -> list[str]:
    try:
        return _paths(line.rstrip("\r\n") for line in stream)
    except UnicodeDecodeError as error:
        raise SettingsError(f"the list on standard input is not UTF-8 ({error})") from error


def _paths(lines: Iterable[str]) -> list[str]:
    """Return the paths in a list, without blanks around them, unless a file has such a name."""
    return [line if Path(line).exists() else line.strip() for line in lines if line.strip()]


def split_model(paths: list[str]) -> tuple[Path | None, list[str]]:
    """Return the model and the recordings among the arguments; None stands for the included model."""
    for path in paths[1:]:
        if is_model_file(path):
            raise SettingsError(f"{path} is a model, and not the first argument; give the model before the recordings")
    if "" in paths:
        raise SettingsError("got an empty path; give the paths of recordings")
    if paths and is_model_file(paths[0]):
        return Path(paths[0]), paths[1:]
    return None, paths


def check_gender(model: Any, rows: pd.DataFrame, advice: str) -> None:
    """Raise `SettingsError` if a model has the gender as a feature, and it is not known for all rows."""
    if model.needs_gender and not ("gender" in rows and (rows["gender"] != "").all()):
        raise SettingsError(
            f"the model has the speaker's gender as a feature, which is not known for all recordings; {advice} with a "
            "column 'gender' (or fit with --gender none)"
        )


def load_or_included(path: Path | None) -> Any:
    """Load a model; say what is used if none is given."""
    from fusionser.model import load_model

    loaded = load_model(path)
    if path is None:
        card = loaded.card
        licences = ", ".join(f"{name} ({licence})" for name, licence in card.licences.items())
        say(
            f"no model given: using the included one, {card.classifier} on {card.features_name}, trained on "
            f"{licences}; 'fusionser card' describes it"
        )
    return loaded


def _read_list(listed: Path, columns: str | None) -> pd.DataFrame:
    if listed.suffix.lower() in TABLE_SUFFIXES:
        return read_table(listed, named_columns(columns))
    try:
        lines = listed.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{listed}: the list cannot be read ({error})") from error
    return pd.DataFrame({"file": _paths(lines)}, dtype=object)
