"""Base class of corpora, and the conversion of a folder of recordings to rows."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from math import nan
from pathlib import Path, PurePath
from typing import Any

import pandas as pd

from fusionser.corpora.audio_files import audio_files
from fusionser.corpora.card import Card, read_card
from fusionser.corpora.data_folder import found_instead
from fusionser.corpora.label_files import Labelled
from fusionser.decoding import check_length, decode, duration_of, is_cut_off
from fusionser.errors import AudioError, CorpusError
from fusionser.facts import Stamp
from fusionser.rows import make_rows
from fusionser.samples import fingerprint
from fusionser.storage import HEADER, called, fetched_ahead
from fusionser.suffixes import AUDIO_SUFFIXES, LOSSLESS_SUFFIXES

__all__ = ["Corpus", "Listing", "list_corpus", "measure", "measuring", "without_overlong"]

Record = dict[str, Any]


@dataclass
class Listing:
    """The recordings in a folder or table.

    Parameters
    ----------
    rows : DataFrame
        The usable recordings.
    quarantine : DataFrame with columns ``file`` and ``reason``
        The unusable recordings.
    doubled : list of (str, str)
        Each file that is not used because its recording exists twice, and the file that is used.
    ignored : list of str
        Audio files that do not belong to the corpus.
    notes : list of Stamp
        Missing or unusual data.
    """

    rows: pd.DataFrame
    quarantine: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["file", "reason"]))
    doubled: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    notes: list[Stamp] = field(default_factory=list)


class Corpus:
    """A corpus: a name, a card, and a parser of file names. Subclasses define `name` and `parse`."""

    name: str

    @property
    def folder_name(self) -> str:
        """Name of its folder among those of other corpora."""
        return self.name

    @property
    def card(self) -> Card:
        """Licence, citation, address, counts and label map."""
        return read_card(self.name)

    def parse(self, path: PurePath) -> Record | None:
        """Parse the fields of a row from a path relative to the corpus's folder.

        Parameters
        ----------
        path : PurePath
            Its suffix does not matter.

        Returns
        -------
        dict or None
            ``id`` (unique in the corpus), ``speaker``, ``emotion`` and any other fields in the name; None if the file
            does not belong to the corpus. What the name does not tell is left to `label`.
        """
        raise NotImplementedError

    def _record(self, name: str, speaker: str, label: str, **fields: str) -> Record | None:
        """Return the fields of a row; None if the card does not contain the label."""
        if label not in self.card.labels:
            return None
        return {"id": name, "speaker": f"{self.name}/{speaker}", "emotion": self.card.labels[label], **fields}

    def label(self, records: list[Record], folder: Path) -> Labelled:
        """Return the records with their labels, where these are in other files of the folder, and not in the names."""
        return Labelled(records)

    def complete(self, records: list[Record], folder: Path) -> list[Stamp]:
        """Add fields from other files in the folder to the records, and return notes on missing data."""
        return []

    def repeated(self) -> Mapping[str, str]:
        """Return, by its id, each recording that in some copies of the corpus has the audio of another one."""
        return {}

    def is_second_choice(self, path: PurePath) -> bool:
        """Return whether another file of the same recording is preferred."""
        return False

    def expected(self) -> set[str]:
        """Return the ids of the complete corpus if they follow a rule, else an empty set."""
        return set()


def check_folder(folder: str | Path, corpus: str | None = None) -> Path:
    """Return the folder as a path, or raise `CorpusError` if it is not a folder; it says where the corpus is."""
    path = Path(folder)
    if path.is_dir():
        return path
    if path.exists():
        raise CorpusError(f"{folder}: not a folder; expected a folder of recordings")
    raise CorpusError(f"{folder}: no such folder; expected a folder of recordings{found_instead(folder, corpus)}")


def list_corpus(corpus: Corpus, folder: str | Path, *, accept_truncated: bool = False) -> Listing:
    """List the recordings of a corpus in a folder and its subfolders.

    Parameters
    ----------
    corpus : Corpus
        Parses the file names.
    folder : str or Path
    accept_truncated : bool, default=False
        Use what is there of recordings that were cut off.

    Returns
    -------
    Listing
        Rows sorted by corpus, speaker and id.

    Raises
    ------
    CorpusError
        If the folder does not exist or contains no audio files of this corpus.
    """
    root = check_folder(folder, corpus.name)
    found = audio_files(root)
    if not found.files:
        raise CorpusError(
            found.refused[0]["reason"]
            if found.refused
            else f"{folder}: no audio files in it; expected files ending in {', '.join(AUDIO_SUFFIXES)}"
        )
    records, doubled, ignored = _parsed(corpus, found.files, root)
    if not records:
        raise CorpusError(
            f"{folder}: {len(found.files)} audio file{'' if len(found.files) == 1 else 's'}, but no file name matches "
            f"those of {corpus.card.title} (first: {min(found.files).name})"
            f"{f'; expected names such as {corpus.card.example}' if corpus.card.example else ''}; is --corpus "
            f"{corpus.name} right?"
        )
    labelled = corpus.label(list(records.values()), root)
    if not labelled.records:
        raise CorpusError(_without_labels(corpus, labelled, str(folder), len(records)))
    ordered = sorted(labelled.records, key=lambda record: (record["speaker"], record["source"]))
    notes = [*labelled.notes, *corpus.complete(ordered, root)]
    repeated = _repeated(corpus, {record["source"]: record for record in ordered})
    usable = [record for record in ordered if record["source"] not in repeated]
    refused = [*found.refused, *labelled.refused, *repeated.values()]
    listing = measure(usable, refused=refused, accept_truncated=accept_truncated)
    return replace(
        listing,
        doubled=[*found.linked, *doubled],
        ignored=sorted(ignored),
        notes=[*notes, *listing.notes, *_lossy(corpus, usable)],
    )


def _parsed(
    corpus: Corpus, files: Sequence[Path], root: Path
) -> tuple[dict[str, Record], list[tuple[str, str]], list[str]]:
    """Return the records by source, pairs of a file that is left out and the one that is used, and other files."""
    records: dict[str, Record] = {}
    doubled, ignored = [], []
    # Of two files of one recording, the one with the preferred suffix, then the shorter path, comes first.
    ordered = sorted(
        files,
        key=lambda file: (
            corpus.is_second_choice(file),
            AUDIO_SUFFIXES.index(file.suffix.lower()),
            len(file.parts),
            str(file),
        ),
    )
    for file in ordered:
        record = corpus.parse(file.relative_to(root))
        if record is None:
            ignored.append(called(file))
            continue
        record.setdefault("corpus", corpus.name)
        source = f"{record['corpus']}/{record.pop('id')}"
        record |= {"source": source, "file": called(file)}
        if records.setdefault(source, record) is not record:
            doubled.append((called(file), records[source]["file"]))
    return records, doubled, ignored


def _without_labels(corpus: Corpus, labelled: Labelled, folder: str, count: int) -> str:
    """Return the reason why no recording of a folder has a label."""
    if labelled.refused:
        return f"none of {count} recordings has a label; the first: {labelled.refused[0]['reason']}"
    there = ", ".join(labelled.notes[0].value["labels"])
    return f"{folder}: all of {count} recordings have other labels ({there}) than {', '.join(corpus.card.labels)}"


def _lossy(corpus: Corpus, records: Sequence[Record]) -> list[Stamp]:
    """Return a stamp if recordings of a corpus are there as lossy copies, and were not published as these."""
    formats = Counter(Path(record["file"]).suffix.lower().lstrip(".") for record in records)
    whole = {*LOSSLESS_SUFFIXES, *(f".{name}" for name in corpus.card.formats)}
    lossy = {name: count for name, count in sorted(formats.items()) if f".{name}" not in whole}
    value = {"corpus": corpus.name, "recordings": len(records), "formats": lossy}
    return [Stamp(kind="lossy-copies", value=value)] if lossy and not corpus.card.synthetic else []


def _repeated(corpus: Corpus, records: Mapping[str, Record]) -> dict[str, dict[str, str]]:
    """Return, by source, the recordings that have the audio of another one, and so a wrong label."""
    refused = {}
    for name, other in corpus.repeated().items():
        source, original = (records.get(f"{corpus.name}/{one}") for one in (name, other))
        if source and original and _same_audio(source["file"], original["file"]):
            reason = f"{source['file']}: has the audio of {other}, so its label cannot be right"
            refused[source["source"]] = {"file": source["file"], "reason": reason}
    return refused


def _same_audio(one: str, other: str) -> bool:
    try:
        return fingerprint(*decode(one)) == fingerprint(*decode(other))
    except AudioError:
        return False


def without_overlong(listing: Listing) -> Listing:
    """Move the recordings that are too long for one clip (`fusionser.audio.LONGEST_SECONDS`) to the quarantine."""
    overlong: dict[int, str] = {}
    spans = zip(listing.rows["file"], listing.rows["start"], listing.rows["end"], strict=True)
    for place, (file, start, end) in enumerate(spans):
        try:
            check_length(end - start, str(file))
        except AudioError as error:
            overlong[place] = str(error)
    if not overlong:
        return listing
    if len(overlong) == len(listing.rows):
        raise CorpusError(f"none of {len(overlong)} recordings can be used; the first: {next(iter(overlong.values()))}")
    refused = listing.rows.iloc[list(overlong)].assign(reason=list(overlong.values()))
    return replace(
        listing,
        rows=listing.rows.drop(index=refused.index).reset_index(drop=True),
        quarantine=pd.concat([listing.quarantine, refused[["file", "reason"]]], ignore_index=True),
    )


_MEASURED: ContextVar[bool] = ContextVar("measured", default=True)


@contextmanager
def measuring(measured: bool) -> Iterator[None]:
    """Choose whether `measure` opens recordings, until the end of a block."""
    token = _MEASURED.set(measured)
    try:
        yield
    finally:
        _MEASURED.reset(token)


def measure(
    records: list[Record], *, refused: Sequence[Mapping[str, str]] = (), accept_truncated: bool = False
) -> Listing:
    """Set ``end`` of each record to the duration of its file, and list unreadable files as quarantined.

    `refused` are quarantine entries of recordings that were set aside before; they come first.

    With `accept_truncated`, a file that was cut off ends where its audio ends. Inside `measuring(False)`, no file is
    opened, and ``end`` is missing where it is not given.
    """
    if not _MEASURED.get():
        unopened = make_rows({"end": nan, **record} for record in records)
        return Listing(rows=unopened, quarantine=_quarantined(refused))
    usable, unreadable, cut_off = [], [], 0
    for record in fetched_ahead(records, lambda record: (record["file"], None if accept_truncated else HEADER)):
        try:
            seconds = duration_of(record["file"], accept_truncated=accept_truncated)
            cut_off += accept_truncated and is_cut_off(record["file"], seconds)
            if record.get("start", 0.0) >= seconds:
                raise AudioError(f"{record['file']}: {seconds:g} s long; holds nothing from {record['start']:g} s on")
        except AudioError as error:
            unreadable.append({"file": record["file"], "reason": str(error)})
        else:
            usable.append({**record, "end": record.get("end", seconds)})
    set_aside = [*refused, *unreadable]
    if not usable:
        raise CorpusError(f"none of {len(set_aside)} recordings can be used; the first: {set_aside[0]['reason']}")
    notes = [Stamp(kind="cut-off", value=cut_off)] if cut_off else []
    return Listing(rows=make_rows(usable), quarantine=_quarantined(set_aside), notes=notes)


def _quarantined(entries: Sequence[Mapping[str, str]]) -> pd.DataFrame:
    return pd.DataFrame(entries, columns=["file", "reason"])


def differences(corpus: Corpus, rows: pd.DataFrame, set_aside: int = 0) -> list[Stamp]:
    """Return a stamp for each difference between rows and the complete corpus, as its card describes it.

    `set_aside` recordings are there and cannot be used; with any, the recordings of single emotions are not compared.
    What the card does not count is not compared.
    """
    counts = corpus.card.counts
    absent = sorted(corpus.expected() - {source.split("/", 1)[1] for source in rows["source"]})
    compared: list[tuple[str, int, int | None]] = [("recordings", len(rows) + set_aside, counts.files)]
    if not absent and not set_aside:
        count = rows["emotion"].value_counts()
        compared += [(f"recordings of {name}", int(count.get(name, 0)), n) for name, n in counts.emotions.items()]
    for gender, expected in (("female", counts.female_speakers), ("male", counts.male_speakers)):
        compared.append((f"{gender} speakers", rows.loc[rows["gender"] == gender, "speaker"].nunique(), expected))
    if counts.speakers is not None:
        compared.append(("speakers", rows.loc[rows["speaker"] != "", "speaker"].nunique(), counts.speakers))
    stamps = [
        Stamp(kind="count-differs", value={"what": what, "found": count, "expected": expected})
        for what, count, expected in compared
        if expected is not None and count != expected
    ]
    return [*stamps, *(Stamp(kind="missing-recording", value=name) for name in absent)]
