"""Formats of datasets that other programs write: their base class, the columns they have, and their rows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from fusionser.corpora.base import Listing, measure
from fusionser.corpora.known_words import gender_named
from fusionser.errors import CorpusError, SettingsError, unknown_name
from fusionser.facts import Stamp
from fusionser.names import GENDERS
from fusionser.rows import FOLD_COLUMN, SPLIT_COLUMN

__all__ = ["DatasetFormat", "Entries", "Wanted", "chosen_columns", "chosen_parts", "row_of"]

USUAL_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "emotion": ("emotion", "emotions", "emotion_label", "major_emotion", "label", "labels", "cls"),
    "speaker": ("speaker", "speaker_id", "speakerid", "spk_id", "spk", "actor", "actor_id"),
    "gender": ("gender", "sex"),
    "statement": ("statement", "statement_id", "sentence", "transcription", "transcript", "text", "txt"),
    "intensity": ("intensity", "emotion_intensity", "emotional_intensity"),
    SPLIT_COLUMN: ("split",),
    FOLD_COLUMN: ("fold",),
}
"""Usual names of columns, in order of preference, by the column of rows that they stand for."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a dataset.

    Parameters
    ----------
    columns : mapping of str to str
        Names of columns in the dataset, by the columns of rows that they stand for. Others are found by
        `USUAL_COLUMNS`.
    parts : sequence of str
        Tables of a database, or splits of a dataset. If empty, those that have labels.
    download : bool, default=False
        Whether what is not on this machine may be downloaded.
    accept_truncated : bool, default=False
        As in `fusionser.corpora.list_rows`.
    progress : callable, optional
        Called with what is done and the total.
    of_splits : bool, default=False
        Whether the splits themselves are wanted: parts that have a split come first, and a recording that is in two
        splits is there twice, instead of being refused.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    parts: Sequence[str] = ()
    download: bool = False
    accept_truncated: bool = False
    progress: Progress | None = None
    of_splits: bool = False

    def report(self, done: int, total: int) -> None:
        """Report progress, if anybody wants it."""
        if self.progress is not None:
            self.progress(done, total)


class DatasetFormat:
    """A format of datasets. Subclasses define `name`, `recognises` and `listing`."""

    name: ClassVar[str]

    def recognises(self, place: str) -> bool:
        """Return whether a place is a dataset of this format, by its name and the names of files in it."""
        raise NotImplementedError

    def listing(self, place: str, wanted: Wanted) -> Listing:
        """Return the recordings of a dataset as rows.

        Parameters
        ----------
        place : str
            A folder, a file, or a name.
        wanted : Wanted

        Raises
        ------
        CorpusError
            If there is no dataset, it is damaged, or it has no recordings that can be used.
        SettingsError
            If it lacks a column or a part that is wanted.
        """
        raise NotImplementedError


@dataclass
class Entries:
    """The recordings of a dataset while it is read: those to use, those that cannot be used, and repeated ones."""

    records: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, str]] = field(default_factory=list)
    doubled: list[tuple[str, str]] = field(default_factory=list)
    notes: list[Stamp] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Note how the dataset was read."""
        self.notes.append(Stamp(kind="text", value=text))

    def refuse(self, name: str, reason: str) -> None:
        """Set a recording aside with a reason."""
        self.refused.append({"file": name, "reason": f"{name}: {reason}"})

    def listing(self, wanted: Wanted, place: str) -> Listing:
        """Return the rows, with each recording once, and measured.

        Raises
        ------
        CorpusError
            If no recording can be used.
        """
        kept = self._without_repeated(wanted.of_splits)
        if not kept:
            first = f"; the first: {self.refused[0]['reason']}" if self.refused else ""
            raise CorpusError(f"{place}: none of {len(self.refused)} recordings can be used{first}")
        found = measure(kept, refused=self.refused, accept_truncated=wanted.accept_truncated)
        found.doubled = self.doubled
        found.notes = [*self.notes, *found.notes]
        return found

    def _without_repeated(self, of_splits: bool) -> list[dict[str, Any]]:
        """Return the clips, each once, or once in each split. None of those with several labels can be right."""
        clips: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        for record in self.records:
            span = (record.get("start", 0.0), record.get("end"))
            split = record.get(SPLIT_COLUMN, "") if of_splits else ""
            place = (record["file"], *span, record.get(FOLD_COLUMN, ""), split)
            clips.setdefault(place, []).append(record)
        kept = []
        for (file, *_), group in clips.items():
            labels = sorted({record["emotion"] for record in group})
            splits = sorted({record.get(SPLIT_COLUMN, "") for record in group})
            if len(labels) > 1:
                self.refuse(file, f"is there {len(group)} times, with the labels {', '.join(map(repr, labels))}")
            elif len(splits) > 1:
                self.refuse(file, f"is there {len(group)} times, in the splits {', '.join(map(repr, splits))}")
            else:
                kept.append(group[0])
                self.doubled += [(file, file)] * (len(group) - 1)
        return kept


def chosen_columns(there: Sequence[str], wanted: Wanted, where: str) -> dict[str, str]:
    """Return the columns of a dataset by the columns of rows that they stand for.

    Parameters
    ----------
    there : sequence of str
        The columns of the dataset.
    wanted : Wanted
    where : str
        What has these columns, for error messages.

    Raises
    ------
    SettingsError
        If a column that is named is not there, or none is known to hold emotions.

    Examples
    --------
    >>> chosen_columns(["audio", "label", "Speaker_ID"], Wanted(), "x")
    {'emotion': 'label', 'speaker': 'Speaker_ID'}
    """
    listed = ", ".join(there) or "none"
    for ours, theirs in wanted.columns.items():
        if theirs not in there:
            raise SettingsError(
                f"{where}: has no column '{theirs}', which --map gives for '{ours}'; the columns are {listed}"
            )
    lower = {name.casefold(): name for name in reversed(there)}
    found = {ours: lower[name] for ours, names in USUAL_COLUMNS.items() if (name := _first(names, lower)) is not None}
    chosen = {**found, **wanted.columns}
    if "emotion" not in chosen:
        raise SettingsError(
            f"{where}: no column is known to hold emotions; name it with --map emotion=COLUMN. The columns are {listed}"
        )
    return chosen


def _first(names: Iterable[str], there: Mapping[str, str]) -> str | None:
    return next((name for name in names if name in there), None)


def chosen_parts(there: Sequence[str], wanted: Wanted, what: str) -> list[str]:
    """Return the parts of a dataset to read: those that are named, or else all.

    Raises
    ------
    UnknownNameError
        If a part that is named is not there.
    """
    for name in wanted.parts:
        if name not in there:
            raise unknown_name(what, name, there)
    return list(wanted.parts) or list(there)


def row_of(values: Mapping[str, Any], corpus: str, key: str | None, file: str) -> dict[str, Any]:
    """Return the fields of a row from the values that a dataset has for it, by the columns of rows.

    Parameters
    ----------
    values : mapping
    corpus : str
    key : str, optional
        What the dataset calls the recording. Without it, rows have no source yet.
    file : str
        Path of the recording.

    Raises
    ------
    CorpusError
        If a value is neither a text nor a number, nor a list of these.

    Examples
    --------
    >>> row_of({"emotion": "sad", "speaker": 3, "gender": "F"}, "calls", "a1", "a1.wav")["speaker"]
    'calls/3'
    """
    texts = {name: _text(value) for name, value in values.items()}
    for name, value in values.items():
        if isinstance(value, Mapping | bytes | bytearray):
            raise CorpusError(
                f"{corpus}: the column for '{name}' holds {value!r:.60}; expected a text or a number. --map "
                f"{name}=COLUMN names another column"
            )
    gender = gender_named(texts.get("gender", ""))
    speaker = texts.get("speaker", "")
    return {
        **texts,
        "file": file,
        "corpus": corpus,
        "emotion": texts.get("emotion", ""),
        "speaker": f"{corpus}/{speaker}" if speaker else "",
        "gender": gender if gender in GENDERS else "",
        "source": "" if key is None else f"{corpus}/{key}",
    }


def _text(value: Any) -> str:
    """Return a value as text: several labels as one, and nothing for a missing one."""
    if isinstance(value, list | tuple | np.ndarray):
        return ";".join(filter(None, map(_text, value)))
    if value is None or value != value or value is pd.NA or value is pd.NaT:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
