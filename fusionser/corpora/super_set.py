"""The Super Set of the SER-FusionNet paper: four corpora in one folder, under one set of labels."""

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

    The speakers are numbered by corpus in this order, then by name (the paper does not say; inferred), so that
    a hold-out of speakers 1 to 4 tests RAVDESS's first four actors.
    """

    name: ClassVar[str] = "super-set"
    parts: ClassVar[tuple[Corpus, ...]] = (Ravdess(), CremaD(), Savee(), Tess())

    def parse(self, path: PurePath) -> Record | None:
        """Read a row's fields off a path, see `Corpus.parse`."""
        for part in self.parts:
            record = part.parse(path)
            if record is not None:
                return {**record, "corpus": part.name}
        return None

    def complete(self, records: list[Record], folder: Path) -> list[Stamp]:
        """Let each part complete its own records, and put them in the order of the parts."""
        notes: list[Stamp] = []
        order = {part.name: position for position, part in enumerate(self.parts)}
        records.sort(key=lambda record: (order[record["corpus"]], record["speaker"], record["source"]))
        for part in self.parts:
            of_part = [record for record in records if record["corpus"] == part.name]
            if of_part:
                notes += part.complete(of_part, folder)
            else:
                notes.append(
                    Stamp(kind="part-missing", value={"corpus": part.card.title, "address": part.card.address})
                )
        return notes
