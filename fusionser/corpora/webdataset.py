"""webdataset: tar files whose members with one name, up to its first dot, are a recording and what is said of it."""

import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from fusionser.checks import SPLIT_WORDS, split_named
from fusionser.corpora.base import Listing
from fusionser.corpora.datasets import DatasetFormat, Entries, Wanted, chosen_columns, row_of
from fusionser.corpora.unpacked import is_inside, unpack, unpacked_folder
from fusionser.errors import CorpusError, FusionserError, SettingsError
from fusionser.rows import SPLIT_COLUMN
from fusionser.suffixes import AUDIO_SUFFIXES

__all__ = ["WebDataset"]

NAME = re.compile(r"((?:.*/|)[^.]+)[.]([^/]*)")
"""The key of a member, and what it is: everything after the first dot of its name."""

MOST_TEXT = 2**20
"""Bytes that a description may have."""

MEBIBYTE = 2**20

TEXTS = ("json", "cls", "txt")


@dataclass
class Sample:
    """One recording in a tar file: its key, its audio, its fields, and why it cannot be used."""

    key: str
    audio: tarfile.TarInfo | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    problem: str = ""


class WebDataset(DatasetFormat):
    """Tar files of webdataset, with .json, .cls or .txt beside each recording; no package is needed.

    - A place is one tar file, or a folder of them. The folder's name is that of the corpus.
    - Fields are those of the .json, and ``cls`` and ``txt`` for the content of these files.
    - A shard whose name begins with a part of a split (``train-0001.tar``) gives it to its recordings, unless they have
      a field for it.
    - Recordings are written to the cache folder, one by one, under names made of their keys. Nothing else is unpacked,
      and links are not followed.

    Examples
    --------
    >>> WebDataset().recognises("rows.csv")
    False
    """

    name: ClassVar[str] = "webdataset"

    def recognises(self, place: str) -> bool:
        """Return whether a place is a tar file, or a folder of tar files and no recordings beside them."""
        path = Path(place)
        if path.is_dir():
            files = [file for file in path.iterdir() if file.is_file() and not file.name.startswith(".")]
            return any(file.suffix == ".tar" for file in files) and not any(
                file.suffix.lower() in AUDIO_SUFFIXES for file in files
            )
        return place.lower().endswith(".tar") and path.is_file()

    def listing(self, place: str, wanted: Wanted) -> Listing:
        """Return the recordings of one tar file, or of all in a folder, as rows."""
        if wanted.parts or wanted.download:
            option = "--parts" if wanted.parts else "--download"
            raise SettingsError(f"{option} has no effect on tar files of webdataset; leave it out")
        shards = _shards(Path(place))
        corpus = shards[0].resolve().parent.name or self.name
        entries = Entries()
        total, before = sum(shard.stat().st_size for shard in shards), 0
        for shard in shards:
            for read in Shard(shard, corpus, wanted, entries).read():
                wanted.report((before + read) // MEBIBYTE, max(1, total // MEBIBYTE))
            before += shard.stat().st_size
        return entries.listing(wanted, place)


def _shards(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(path.glob("*.tar"))
        if not found:
            raise CorpusError(f"{path}: no tar files in this folder; expected shards such as train-000000.tar")
        return found
    if not path.is_file():
        raise CorpusError(f"{path}: no such file or folder; expected a tar file, or a folder of them")
    return [path]


@dataclass
class Shard:
    """One tar file, and where its recordings go."""

    path: Path
    corpus: str
    wanted: Wanted
    entries: Entries

    def read(self) -> Iterator[int]:
        """Add the recordings of the tar file to the entries, and yield the place in the file after each."""
        seen: set[str] = set()
        try:
            # Not "r:*": what is compressed may be far larger than the file.
            with tarfile.open(self.path, "r:") as tar:
                for sample in self._samples(tar):
                    if sample.key in seen:
                        sample.problem = "its key is there twice"
                    seen.add(sample.key)
                    self._add(tar, sample)
                    yield tar.offset
        except (tarfile.TarError, OSError, EOFError) as error:
            if not seen:
                raise CorpusError(
                    f"{self.path}: cannot be read as a tar file ({error}); expected one without compression"
                ) from error
            self.entries.refuse(
                str(self.path), f"is damaged after {len(seen)} recordings ({error}); what follows is not read"
            )

    def _add(self, tar: tarfile.TarFile, sample: Sample) -> None:
        name, audio = f"{self.path}/{sample.key}", sample.audio
        if sample.problem or audio is None:
            self.entries.refuse(name, sample.problem or "has no recording")
            return
        # Shards may number their recordings anew.
        key = f"{self.path.stem}/{sample.key}"
        try:
            chosen = chosen_columns(list(sample.fields), self.wanted, name)
            path = unpack(
                partial(_opened, tar, audio), f"{key}{PurePosixPath(audio.name).suffix}", unpacked_folder(self.corpus)
            )
        except FusionserError as error:
            self.entries.refuse(name, str(error).removeprefix(f"{name}: "))
            return
        values = {ours: sample.fields[theirs] for ours, theirs in chosen.items()}
        if split := _split_of(self.path):
            values.setdefault(SPLIT_COLUMN, split)
        self.entries.records.append(row_of(values, self.corpus, key, str(path)))

    def _samples(self, tar: tarfile.TarFile) -> Iterator[Sample]:
        """Yield the samples of a tar file; members of one sample follow each other."""
        sample: Sample | None = None
        for member in tar:
            # Else the list of members grows with the file.
            tar.members = []  # type: ignore[attr-defined]
            named = NAME.fullmatch(member.name)
            problem = _problem(member)
            if member.isdir() or (not problem and (named is None or _is_hidden(member.name))):
                continue
            if named is None or not is_inside(member.name):
                self.entries.refuse(f"{self.path}/{member.name}", problem)
                continue
            if sample is None or sample.key != named[1]:
                if sample is not None:
                    yield sample
                sample = Sample(named[1])
            sample.problem = sample.problem or problem
            if not problem:
                _take(tar, member, named[2].lower(), sample)
        if sample is not None:
            yield sample


def _opened(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Any:
    content = tar.extractfile(member)
    if content is None:
        raise FusionserError("is not a file")
    return content


def _is_hidden(name: str) -> bool:
    return PurePosixPath(name).name.startswith(".")


def _problem(member: tarfile.TarInfo) -> str:
    """Return why a member is not used; empty if it is."""
    if not is_inside(member.name):
        return "its name leads out of the folder; only relative names without '..' are used"
    if not member.isfile():
        return "is a link, which is not followed" if member.islnk() or member.issym() else "is not a file"
    return ""


def _take(tar: tarfile.TarFile, member: tarfile.TarInfo, kind: str, sample: Sample) -> None:
    """Add a member to its sample."""
    if f".{kind.rpartition('.')[2]}" in AUDIO_SUFFIXES:
        if sample.audio is not None:
            sample.problem = f"has two recordings ({sample.audio.name} and {member.name})"
        sample.audio = member
    elif kind in TEXTS:
        if member.size > MOST_TEXT:
            sample.problem = f"{member.name} has {member.size} bytes; expected at most {MOST_TEXT}"
            return
        with _opened(tar, member) as content:
            _describe(content.read(), kind, member.name, sample)


def _describe(content: bytes, kind: str, name: str, sample: Sample) -> None:
    try:
        text = content.decode("utf-8-sig").strip()
        given = json.loads(text) if kind == "json" else {kind: text}
    except (ValueError, RecursionError) as error:
        sample.problem = f"{name} cannot be read ({error})"
        return
    if not isinstance(given, dict):
        sample.problem = f"{name} holds a {type(given).__name__}; expected names and values"
        return
    # What the .json says of a field comes before the file with its name.
    sample.fields = {**sample.fields, **given} if kind == "json" else {**given, **sample.fields}


def _split_of(shard: Path) -> str:
    """Return the part of a split that the name of a shard begins with; empty if with none."""
    word = re.split(r"[^a-z]", shard.name.lower(), maxsplit=1)[0]
    return split_named(word) if any(word in words for words in SPLIT_WORDS.values()) else ""
