"""The Super Set of the SER-FusionNet paper: four corpora in one folder, with common labels."""

from pathlib import Path, PurePath
from typing import ClassVar

from fusionser.corpora.base import Corpus, Record
from fusionser.corpora.crema_d import CremaD
from fusionser.corpora.ravdess import Ravdess
from fusionser.corpora.savee import Savee
from fusionser.corpora.tess import Tess
from fusionser.facts import Stamp

__all__ = ["SuperSet"]


class SuperSet(Corpus):
    """RAVDESS speech, CREMA-D, SAVEE and TESS: 121 speakers, 12 162 recordings.

    The speakers are numbered by corpus in this order, then by name (inferred, since the paper does not specify it), so
    that a hold-out of speakers 1 to 4 tests the first four actors of RAVDESS.
    """

    name = "super-set"
    parts: ClassVar[tuple[Corpus, ...]] = (Ravdess(), CremaD(), Savee(), Tess())

    def parse(self, path: PurePath) -> Record | None:
        """Parse a path, as described in `Corpus.parse`."""
        for part in self.parts:
            if record := part.parse(path):
                return {**record, "corpus": part.name}
        return None

    def is_second_choice(self, path: PurePath) -> bool:
        """Return whether another file of the same recording is preferred."""
        return any(part.is_second_choice(path) for part in self.parts)

    def complete(self, records: list[Record], folder: Path) -> list[Stamp]:
        """Sort the records by part, and let each part complete its own."""
        notes: list[Stamp] = []
        order = {part.name: position for position, part in enumerate(self.parts)}
        records.sort(key=lambda record: (order[record["corpus"]], record["speaker"], record["source"]))
        for part in self.parts:
            missing = {"corpus": part.card.title, "address": part.card.address}
            of_part = [record for record in records if record["corpus"] == part.name]
            notes += part.complete(of_part, folder) if of_part else [Stamp(kind="part-missing", value=missing)]
        return notes
