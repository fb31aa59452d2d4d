"""CREMA-D: ``1001_IEO_ANG_HI`` is actor, sentence, emotion and intensity; the sex stands in a table."""

import csv
import re
from pathlib import Path, PurePath
from typing import ClassVar

from fusionser.corpora.base import Corpus, Record
from fusionser.errors import CorpusError
from fusionser.facts import Stamp

__all__ = ["CremaD"]

NAME = re.compile(r"(\d{4})_([A-Z]{3})_([A-Z]{3})_([A-Z]{1,2})")
DEMOGRAPHICS = "VideoDemographics.csv"
INTENSITIES = {"LO": "low", "MD": "medium", "HI": "high", "XX": "", "X": ""}


class CremaD(Corpus):
    """CREMA-D: 91 actors, 7 442 recordings."""

    name: ClassVar[str] = "crema-d"

    def parse(self, path: PurePath) -> Record | None:
        """Read a row's fields off a path, see `Corpus.parse`.

        Examples
        --------
        >>> CremaD().parse(PurePath("AudioWAV/1001_IEO_SAD_HI.wav"))["intensity"]
        'high'
        """
        match = NAME.fullmatch(path.stem)
        if match is None:
            return None
        actor, sentence, emotion, intensity = match.groups()
        if emotion not in self.card.labels or intensity not in INTENSITIES:
            return None
        return {
            "id": path.stem,
            "speaker": f"crema-d/{actor}",
            "emotion": self.card.labels[emotion],
            "statement": sentence,
            "intensity": INTENSITIES[intensity],
        }

    def complete(self, records: list[Record], folder: Path) -> list[Stamp]:
        """Add the sex of each actor from ``VideoDemographics.csv``, in the folder, beneath it or beside it."""
        tables = sorted(folder.rglob(DEMOGRAPHICS))
        beside = folder.resolve().parent / DEMOGRAPHICS
        if not tables and beside.is_file():
            tables = [beside]
        if not tables:
            lacking = {"table": DEMOGRAPHICS, "folder": str(folder), "address": self.card.address}
            return [Stamp(kind="genders-unknown", value=lacking)]
        genders = read_genders(tables[0])
        for record in records:
            record["gender"] = genders.get(record["speaker"].removeprefix("crema-d/"), "")
        unknown = sorted({record["speaker"] for record in records if not record["gender"]})
        named = {"table": str(tables[0]), "speakers": unknown}
        return [Stamp(kind="speakers-not-in-table", value=named)] if unknown else []


def read_genders(path: Path) -> dict[str, str]:
    """Read actor and gender off the corpus's table of demographics.

    Raises
    ------
    CorpusError
        When the columns ``ActorID`` and ``Sex`` are not there.
    """
    genders = {"male": "male", "m": "male", "female": "female", "f": "female"}
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        reader = csv.DictReader(file)
        if not {"ActorID", "Sex"} <= set(reader.fieldnames or ()):
            raise CorpusError(
                f"{path}: got the columns {', '.join(reader.fieldnames or ())}; expected ActorID and Sex among them"
            )
        return {(row["ActorID"] or "").strip(): genders.get((row["Sex"] or "").strip().lower(), "") for row in reader}
