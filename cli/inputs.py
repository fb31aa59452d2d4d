"""The recordings for ``fusionser predict``."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fusionser.archive import is_model_file
from fusionser.containers import is_audio
from fusionser.corpora.audio_files import audio_files
from fusionser.corpora.data_folder import found_instead
from fusionser.decoding import duration_of, is_cut_off
from fusionser.errors import AudioError, CorpusError, RowsError, SettingsError, names_text
from fusionser.facts import Stamp
from fusionser.files import exists, is_folder, wrong_name
from fusionser.folders import temporary_folder
from fusionser.names import ONNX_SUFFIX
from fusionser.rows import check_rows, load_rows, of_channel
from fusionser.storage import address_of, called, input_place, suffix_of
from fusionser.suffixes import AUDIO_SUFFIXES
from fusionser.tables import TABLE_SUFFIXES, is_table, load_table, named_columns

from .console import say

STANDARD_INPUT = "-"
SPOKEN = "standard-input.fusionser-audio"
"""Name of the temporary file with a recording from standard input."""


@dataclass(frozen=True)
class Clips:
    """Clips to predict.

    `rows` is a table of those that can be read, perhaps. `refused` has a quarantine entry for each other one, by its
    position among all of them. `notes` are stamps about the clips. `names` are what a table or the command line calls
    recordings whose paths are others. `given` has all rows as they were given.
    """

    rows: pd.DataFrame
    refused: dict[int, dict[str, str]]
    notes: list[Stamp]
    names: dict[str, str]
    given: pd.DataFrame

    def places(self) -> list[int]:
        """Return the position of each row among all clips."""
        return [place for place in range(len(self.rows) + len(self.refused)) if place not in self.refused]


def shown_names(answers: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Return answers that name recordings as they were given."""
    named = [names.get(file, file) for file in answers["file"]]
    errors = [
        error.replace(file, name) for error, file, name in zip(answers["error"], answers["file"], named, strict=True)
    ]
    return answers.assign(file=pd.Series(named, index=answers.index, dtype=object), error=errors)


def gather_clips(
    clips: list[str],
    listed: Path | None,
    *,
    columns: str | None = None,
    accept_truncated: bool = False,
    channel: str | None = None,
) -> Clips:
    """List the recordings to predict.

    `clips` are files, folders, tables, or ``-`` for a recording, or paths, on standard input. `listed` is a text file
    with one path per line, or a table, whose other columns are added. With `accept_truncated`, a recording that was cut
    off ends where its audio ends. `channel` is the one to use of each recording, also where a table has another one.
    """
    tables = [Path(clip) for clip in clips if _is_table(clip)]
    if columns is not None and not (tables or _is_table(str(listed))):
        raise SettingsError("--map has no effect without a table of recordings (.csv, .tsv, .parquet); leave it out")
    files = [file for clip in clips if not _is_table(clip) for file in _files_of(clip)]
    names = {file: STANDARD_INPUT for file in files if Path(file).name == SPOKEN}
    parts = [pd.DataFrame({"file": files}, dtype=object)]
    for source in [*tables, *([] if listed is None else [listed])]:
        part, given = _read_list(source, columns)
        parts.append(part)
        names |= given
    table = of_channel(pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True), channel)
    if table.empty:
        raise SettingsError(
            "nothing to predict; give recordings, folders, --list FILE, or '-' with paths on standard input"
        )
    refused = {
        place: wrong
        for place, file in enumerate(table["file"])
        if (wrong := wrong_name(str(file)) or (_absent_folder(str(file)) if file in clips else None))
    }
    reasons: dict[int, str] = {}
    rows = check_rows(table.drop(index=list(refused)).reset_index(drop=True), reasons)
    kept = [place for place in range(len(table)) if place not in refused]
    refused |= {
        kept[place]: {"file": str(table["file"].iloc[kept[place]]), "reason": reason}
        for place, reason in reasons.items()
    }
    cut_off = 0
    if accept_truncated:
        left = [place for place in range(len(table)) if place not in refused]
        rows, cut_off, unusable = _ended(rows)
        refused |= {left[place]: answer for place, answer in unusable.items()}
    return Clips(rows, refused, [Stamp(kind="cut-off", value=cut_off)] if cut_off else [], names, table)


def gathered_clips(clips: list[str], asked: Any) -> Clips:
    """Return the recordings among the arguments, if any can be used."""
    shared = ("columns", "accept_truncated", "channel")
    gathered = gather_clips(clips, asked.listed, **{name: getattr(asked, name) for name in shared})
    if gathered.rows.empty:
        several = "none of the recordings can be used; the first: " if len(gathered.refused) > 1 else ""
        raise CorpusError(f"{several}{gathered.refused[0]['reason']}")
    if gathered.notes:
        from fusionser.reporting.words import stamp_texts

        for text in stamp_texts(gathered.notes):
            say(f"note: {text}")
    return gathered


def _absent_folder(clip: str) -> dict[str, str] | None:
    """Return the quarantine entry of an argument that is not there, and is not named like a recording."""
    if address_of(clip) is not None or Path(clip).suffix.lower() in AUDIO_SUFFIXES or exists(clip):
        return None
    why = "cannot be opened (no such file or folder); check the path"
    return {"file": clip, "reason": f"{clip}: {why}{found_instead(clip, None)}"}


def _files_of(clip: str) -> list[str]:
    """Return the recordings that an argument stands for."""
    if clip == STANDARD_INPUT:
        if sys.stdin is None:
            raise SettingsError("got '-', but standard input is closed; give it a recording, or a list of paths")
        return _from_standard_input(sys.stdin.buffer.read())
    if not is_folder(clip):
        # A missing file gets an answer with an error, like any other unusable file.
        return [clip]
    audio = audio_files(Path(clip))
    for entry in audio.unreadable:
        say(f"note: {entry['reason']}")
    # Names that are no UTF-8 get their answers later.
    found = sorted(map(called, [*audio.files, *audio.unnamed]))
    if not found:
        expected = ", ".join(AUDIO_SUFFIXES)
        raise CorpusError(f"{clip}: no audio files in this folder; expected files ending in {expected}")
    return found


def _ended(rows: pd.DataFrame) -> tuple[pd.DataFrame, int, dict[int, dict[str, str]]]:
    """Set the end of each recording that was cut off, and of no other one.

    Also return how many were, and the answers, by place, for recordings without any samples, which are left out.
    """
    ends, cut_off = rows["end"].tolist(), 0
    unusable: dict[int, dict[str, str]] = {}
    for place, file in enumerate(rows["file"].tolist()):
        if ends[place] == ends[place]:
            continue
        try:
            if is_cut_off(file, seconds := duration_of(file, accept_truncated=True)):
                ends[place] = seconds
                cut_off += 1
        except AudioError as error:
            unusable[place] = {"file": file, "reason": str(error)}
    return rows.assign(end=ends).drop(index=list(unusable)).reset_index(drop=True), cut_off, unusable


def _from_standard_input(content: bytes) -> list[str]:
    """Return the path of a temporary file with the recording on standard input, or the paths listed there."""
    if is_audio(content):
        path = temporary_folder() / SPOKEN
        path.write_bytes(content)
        return [str(path)]
    problem = "standard input is neither a recording nor a list of paths"
    lines = _lines(content, problem)
    if not any(map(exists, lines)) and any("\udc80" <= letter <= "\udcff" for line in lines for letter in line):
        raise SettingsError(f"{problem} in UTF-8")
    return _paths(lines)


def _lines(content: bytes, problem: str) -> list[str]:
    """Return the lines of a list in UTF-8; a name that is not UTF-8 is refused later, and does not stop the others."""
    if b"\0" in content:
        raise SettingsError(f"{problem} (a zero byte at byte {content.index(0)}); expected lines of text in UTF-8")
    return content.decode("utf-8-sig", errors="surrogateescape").splitlines()


def _paths(lines: Iterable[str]) -> list[str]:
    """Return the paths in a list, without blanks around them, unless a file has such a name."""
    return [line if exists(line) else line.strip() for line in lines if line.strip()]


def split_model(paths: list[str]) -> tuple[Path | None, list[str]]:
    """Return the model and the recordings among the arguments; None stands for the included model."""
    paths = [_on_this_machine(path) for path in paths]
    for path in paths[1:]:
        if _is_model(path):
            raise SettingsError(f"{path} is a model, and not the first argument; give the model before the recordings")
    if paths and _is_model(paths[0]):
        return Path(paths[0]), paths[1:]
    return None, paths


def _on_this_machine(path: str) -> str:
    """Return the path of a copy of a folder, table or model that is elsewhere; recordings keep their addresses."""
    address = address_of(path)
    if address is None or suffix_of(address) in AUDIO_SUFFIXES:
        return address or path
    return str(input_place(address))


def check_gender(model: Any, rows: pd.DataFrame, advice: str) -> None:
    """Raise `SettingsError` if a model has the gender as a feature, and it is not known for all rows."""
    if model.needs_gender and not ("gender" in rows and (rows["gender"] != "").all()):
        raise SettingsError(
            f"the model has the speaker's gender as a feature, which is not known for all recordings; {advice} with a "
            "column 'gender' (or fit with --gender none)"
        )


def _is_model(path: str) -> bool:
    return is_model_file(path) or is_onnx(path)


def is_onnx(path: str | Path) -> bool:
    """Return whether a path stands for a model in an ONNX file."""
    return Path(path).suffix.lower() == ONNX_SUFFIX and not is_folder(path)


def load_or_included(path: Path | None) -> Any:
    """Load a model; say what is used if none is given."""
    if path is not None and is_onnx(path):
        from fusionser.model import load_onnx

        return load_onnx(path)
    from fusionser.model import load_model

    loaded = load_model(path)
    if path is None:
        card = loaded.card
        licences = ", ".join(f"{name} ({licence})" for name, licence in card.licences.items())
        say(
            f"no model given: using the included one, {card.classifier} on {card.features_name}, trained on "
            f"{licences}; 'fusionser info' describes it"
        )
    return loaded


def _is_table(path: str) -> bool:
    return is_table(path)


def _read_list(listed: Path, columns: str | None) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the rows of a list, and what it calls recordings whose paths are others."""
    if is_table(listed) or listed.suffix.lower() in TABLE_SUFFIXES:
        wanted = named_columns(columns)
        rows = load_rows(listed, wanted)
        if "file" not in rows:
            raise RowsError(
                f"{listed}: no column 'file'; got {names_text(rows.columns)}. Name the one with the "
                "paths by --map file=COLUMN"
            )
        given = load_table(listed, wanted)["file"]
        return rows, {path: str(name) for path, name in zip(rows["file"], given, strict=True) if path}
    try:
        lines = _lines(listed.read_bytes(), f"{listed}: the list cannot be read")
    except OSError as error:
        raise SettingsError(f"{listed}: the list cannot be read ({error})") from error
    return pd.DataFrame({"file": _paths(lines)}, dtype=object), {}
