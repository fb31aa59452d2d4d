"""CREMA-D: ``1001_IEO_ANG_HI`` is actor, sentence, emotion and intensity; a table contains the sex of the actors."""

import re
from collections.abc import Mapping
from pathlib import Path, PurePath

from fusionser.corpora.base import Corpus, Record
from fusionser.corpora.label_files import read_table
from fusionser.facts import Stamp

__all__ = ["CremaD"]

NAME = re.compile(r"(\d{4})_([A-Z]{3})_([A-Z]{3})_([A-Z]{1,2})")
DEMOGRAPHICS = "VideoDemographics.csv"
REPEATED = {
    "1006_TIE_NEU_XX": "1006_TIE_HAP_XX",
    "1013_WSI_SAD_XX": "1013_WSI_DIS_XX",
    "1017_IWW_FEA_XX": "1017_IWW_ANG_XX",
}
"""Recordings that in some copies have the audio of another emotion."""

INTENSITIES = {"LO": "low", "MD": "medium", "HI": "high", "XX": "", "X": ""}


class CremaD(Corpus):
    """CREMA-D: 91 actors, 7 442 recordings."""

    name = "crema-d"

    def parse(self, path: PurePath) -> Record | None:
        """Parse a path, as described in `Corpus.parse`.

        Examples
        --------
        >>> CremaD().parse(PurePath("AudioWAV/1001_IEO_SAD_HI.wav"))["intensity"]
        'high'
        """
        match = NAME.fullmatch(path.stem)
        if match is None or match[4] not in INTENSITIES:
            return None
        actor, sentence, emotion, intensity = match.groups()
        return self._record(path.stem, actor, emotion, statement=sentence, intensity=INTENSITIES[intensity])

    def repeated(self) -> Mapping[str, str]:
        """Return the recordings that in some copies have the audio of another one."""
        return REPEATED

    def complete(self, records: list[Record], folder: Path) -> list[Stamp]:
        """Add the gender of each actor from ``VideoDemographics.csv`` in the folder, a subfolder or the parent."""
        beside = folder.resolve().parent / DEMOGRAPHICS
        tables = sorted(folder.rglob(DEMOGRAPHICS)) or ([beside] if beside.is_file() else [])
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
    """Read the gender of each actor from the corpus's table of demographics.

    Raises
    ------
    CorpusError
        If the column ``ActorID`` or ``Sex`` is missing.
    """
    genders = {"male": "male", "m": "male", "female": "female", "f": "female"}
    return {row["ActorID"]: genders.get(row["Sex"].lower(), "") for row in read_table(path, ("ActorID", "Sex"))}
