"""From a folder to rows: what every corpus does alike."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, ClassVar

import pandas as pd

from fusionser.audio import duration_of
from fusionser.corpora.card import Card, read_card
from fusionser.errors import AudioError, CorpusError
from fusionser.facts import Stamp
from fusionser.rows import make_rows

__all__ = ["AUDIO_SUFFIXES", "Corpus", "Listing", "audio_files", "list_corpus", "measure"]

AUDIO_SUFFIXES = (
    ".wav",
    ".flac",
    ".aiff",
    ".aif",
    ".w64",
    ".rf64",
    ".caf",
    ".au",
    ".ogg",
    ".oga",
    ".opus",
    ".mp3",
)
"""Lossless formats first: of two files of one recording the earlier suffix is kept."""

Record = dict[str, Any]


@dataclass
class Listing:
    """What was found in a folder.

    Parameters
    ----------
    rows : DataFrame
        The usable recordings.
    quarantine : DataFrame with columns ``file`` and ``reason``
        Recordings that cannot be used.
    doubled : list of (str, str)
        Files left out because the recording is there twice, and the file that was kept.
    ignored : list of str
        Audio files that are not of this corpus.
    notes : list of Stamp
        What is missing or odd.
    """

    rows: pd.DataFrame
    quarantine: pd.DataFrame
    doubled: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    notes: list[Stamp] = field(default_factory=list)


def empty_quarantine() -> pd.DataFrame:
    """Return a quarantine list with nothing on it."""
    return pd.DataFrame(columns=["file", "reason"])


class Corpus:
    """A corpus: a name, a card, and a parser of file names. Subclasses give `name` and `parse`."""

    name: ClassVar[str]

    @property
    def card(self) -> Card:
        """Licence, citation, address, counts, label map."""
        return read_card(self.name)

    def parse(self, path: PurePath) -> Record | None:
        """Read a row's fields off a path relative to the corpus's folder.

        Parameters
        ----------
        path : PurePath
            The suffix does not matter.

        Returns
        -------
        dict or None
            ``id`` (unique in the corpus), ``speaker``, ``emotion`` and what else the name tells; None when
            the file is not of this corpus.
        """
        raise NotImplementedError

    def complete(self, records: list[Record], folder: Path) -> list[Stamp]:
        """Add to the records what stands elsewhere in the folder; return notes on what was not found."""
        return []

    def expected(self) -> set[str]:
        """Ids of the complete corpus, where they follow a rule; else nothing."""
        return set()


def check_name(path: str | Path) -> None:
    """Refuse a file name that is not UTF-8: it could be neither printed nor kept in a table."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise CorpusError(f"{os.fsencode(path)!r}: the name of this file is not UTF-8; rename it") from error


def audio_files(folder: Path) -> Iterator[Path]:
    """Audio files under a folder in the order of their paths; hidden and macOS archive folders are skipped.

    Raises
    ------
    CorpusError
        When a file's name is not UTF-8.
    """
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__MACOSX")
        for name in sorted(names):
            if not name.startswith(".") and PurePath(name).suffix.lower() in AUDIO_SUFFIXES:
                check_name(Path(place) / name)
                yield Path(place) / name


def check_folder(folder: str | Path) -> Path:
    """Return the folder, or raise `CorpusError` when it is none."""
    path = Path(folder)
    if not path.exists():
        raise CorpusError(f"{folder}: no such folder; expected a folder of recordings")
    if not path.is_dir():
        raise CorpusError(f"{folder}: not a folder; expected a folder of recordings")
    return path


def list_corpus(corpus: Corpus, folder: str | Path) -> Listing:
    """List the recordings of a corpus in a folder and all folders beneath.

    Parameters
    ----------
    corpus : Corpus
        Knows the names.
    folder : str or Path
        Where to look.

    Returns
    -------
    Listing
        Rows sorted by corpus, speaker and id.

    Raises
    ------
    CorpusError
        When there is no folder, no audio, or none of this corpus.
    """
    root = check_folder(folder)
    records: dict[str, Record] = {}
    doubled: list[tuple[str, str]] = []
    ignored: list[str] = []
    files = list(audio_files(root))
    if not files:
        raise CorpusError(f"{folder}: no audio files in it; expected files ending in {', '.join(AUDIO_SUFFIXES)}")
    # Lossless first, then the shallower of two copies.
    files.sort(key=lambda file: (AUDIO_SUFFIXES.index(file.suffix.lower()), len(file.parts), str(file)))
    for file in files:
        record = corpus.parse(file.relative_to(root))
        if record is None:
            ignored.append(str(file))
            continue
        record.setdefault("corpus", corpus.name)
        record["source"] = f"{record['corpus']}/{record.pop('id')}"
        record["file"] = str(file)
        if record["source"] in records:
            doubled.append((str(file), records[record["source"]]["file"]))
        else:
            records[record["source"]] = record
    if not records:
        raise CorpusError(
            f"{folder}: {len(files)} audio files, none named as in {corpus.card.title} (first: "
            f"{min(files).name}); is --corpus {corpus.name} right?"
        )
    ordered = sorted(records.values(), key=lambda record: (record["speaker"], record["source"]))
    notes = corpus.complete(ordered, root)
    listing = measure(ordered)
    listing.doubled, listing.ignored, listing.notes = doubled, sorted(ignored), notes + listing.notes
    return listing


def measure(records: list[Record]) -> Listing:
    """Give each record its duration as ``end``, and set those apart whose file has none."""
    usable, refused = [], []
    for record in records:
        try:
            seconds = duration_of(record["file"])
            if record.get("start", 0.0) >= seconds:
                raise AudioError(f"{record['file']}: {seconds:g} s long; holds nothing from {record['start']:g} s on")
        except AudioError as error:
            refused.append({"file": record["file"], "reason": str(error)})
        else:
            usable.append({**record, "end": record.get("end", seconds)})
    if not usable:
        first = refused[0]["reason"] if refused else "there are none"
        raise CorpusError(f"none of {len(refused)} recordings can be read; the first: {first}")
    return Listing(rows=make_rows(usable), quarantine=pd.DataFrame(refused, columns=["file", "reason"]))


def differences(corpus: Corpus, rows: pd.DataFrame) -> list[Stamp]:
    """Compare rows with the counts on the corpus's card."""
    counts = corpus.card.counts
    absent = sorted(corpus.expected() - {source.split("/", 1)[1] for source in rows["source"]})
    compared = [("recordings", len(rows), counts.files)]
    if not absent:
        count = rows["emotion"].value_counts()
        compared += [(f"recordings of {name}", int(count.get(name, 0)), n) for name, n in counts.emotions.items()]
    for gender, expected in (("female", counts.female_speakers), ("male", counts.male_speakers)):
        speakers = rows.loc[rows["gender"] == gender, "speaker"].nunique()
        compared.append((f"{gender} speakers", speakers, expected))
    stamps = [
        Stamp(kind="count-differs", value={"what": what, "found": count, "expected": expected})
        for what, count, expected in compared
        if count != expected
    ]
    return [*stamps, *(Stamp(kind="missing-recording", value=name) for name in absent)]
