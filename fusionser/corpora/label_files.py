"""The files of a corpus that say what its file names do not: labels and speakers."""

import csv
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from fusionser.corpora.card import Card
from fusionser.errors import CorpusError
from fusionser.facts import Stamp

__all__ = ["Labelled", "find_label_files", "read_lines", "read_table", "with_labels"]


@dataclass
class Labelled:
    """Records with what label files say of them.

    Parameters
    ----------
    records : list of dict
        The records with an emotion.
    refused : list of dict
        Quarantine entries of the recordings without a label, or with an unknown one.
    notes : list of Stamp
        How many recordings have other labels.
    """

    records: list[dict[str, Any]]
    refused: list[dict[str, str]] = field(default_factory=list)
    notes: list[Stamp] = field(default_factory=list)


def find_label_files(folder: Path, pattern: str, card: Card) -> list[Path]:
    """Find the label files of a corpus under a folder. Links to folders are followed.

    Parameters
    ----------
    folder : Path
    pattern : str
        Of the name of the file, such as ``*_sent_emo.csv``, or of its folder and its name, in small letters.
    card : Card
        Of the corpus, for the error.

    Returns
    -------
    list of Path
        Sorted.

    Raises
    ------
    CorpusError
        If there is none.
    """
    parts = pattern.count("/") + 1
    found = [path for path in _files(folder) if fnmatchcase("/".join(path.parts[-parts:]).lower(), pattern.lower())]
    if not found:
        raise CorpusError(
            f"{folder}: the emotions of {card.title} are in files {pattern}, and there is none; expected the corpus as "
            f"it is published, with recordings such as {card.example}. Get the files from {card.address}, and give the "
            "folder that has both"
        )
    return sorted(found)


def _files(folder: Path) -> Iterator[Path]:
    read: set[str] = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in read:
            folders.clear()
            continue
        read.add(real)
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__MACOSX"]
        yield from (Path(place) / name for name in files if not name.startswith("."))


def read_lines(path: Path) -> list[str]:
    """Read the lines of a label file, whatever its line ends are.

    Raises
    ------
    CorpusError
        If it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise CorpusError(f"{path}: this label file cannot be read ({error.strerror or error})") from error


def read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read columns of a CSV table, without blanks around the values.

    Raises
    ------
    CorpusError
        If it cannot be read, or lacks one of the columns.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            reader = csv.DictReader(file)
            there = [(name or "").strip() for name in reader.fieldnames or ()]
            if not set(columns) <= set(there):
                listed = f"{', '.join(columns[:-1])} and {columns[-1]}"
                raise CorpusError(f"{path}: got the columns {', '.join(there)}; expected {listed} among them")
            reader.fieldnames = there
            return [{name: (row[name] or "").strip() for name in columns} for row in reader]
    except (OSError, csv.Error) as error:
        raise CorpusError(f"{path}: this table cannot be read ({error})") from error


def with_labels(
    records: Sequence[dict[str, Any]],
    found: Mapping[str, Mapping[str, str]],
    card: Card,
    where: Callable[[str], str],
    others: Collection[str] = (),
) -> Labelled:
    """Add what label files say to records, with the emotion of each label.

    Parameters
    ----------
    records : sequence of dict
        Each with ``source``, the corpus and the id of the recording.
    found : mapping
        By id, the fields of a record that label files name, and ``label``.
    card : Card
        Of the corpus, with the emotion of each label.
    where : callable
        Given an id, returns the label file that it should be in.
    others : collection of str
        Labels of the corpus that the card leaves out. Recordings with these are counted, and not used.

    Returns
    -------
    Labelled
    """
    usable, refused, left_out = [], [], Counter[str]()
    for record in records:
        name = record["source"].split("/", 1)[1]
        fields = dict(found.get(name, {}))
        label = fields.pop("label", None)
        if label in card.labels:
            usable.append({**record, **fields, "emotion": card.labels[label]})
        elif label is not None and label in others:
            left_out[label] += 1
        else:
            wrong = f"no label in {where(name)}" if label is None else _unknown(label, where(name), card, others)
            refused.append({"file": record["file"], "reason": f"{record['file']}: {wrong}"})
    value = {"corpus": card.name, "labels": dict(sorted(left_out.items()))}
    return Labelled(usable, refused, [Stamp(kind="labels-left-out", value=value)] if left_out else [])


def _unknown(label: str, where: str, card: Card, others: Collection[str]) -> str:
    return f"has the label '{label}' in {where}; expected one of {', '.join(sorted({*card.labels, *others}))}"
