"""SAVEE, in both layouts: ``AudioData/DC/a01.wav`` and ``DC_a01.wav``."""

import re
from pathlib import PurePath
from typing import ClassVar

from fusionser.corpora.base import Corpus, Record

__all__ = ["Savee"]

SPEAKERS = ("DC", "JE", "JK", "KL")
NAME = re.compile(r"(?:(DC|JE|JK|KL)_)?([a-z]{1,2})(\d\d)")


class Savee(Corpus):
    """SAVEE: four men, 480 recordings."""

    name: ClassVar[str] = "savee"

    def parse(self, path: PurePath) -> Record | None:
        """Read a row's fields off a path, see `Corpus.parse`.

        Examples
        --------
        >>> Savee().parse(PurePath("AudioData/DC/sa01.wav")) == Savee().parse(PurePath("DC_sa01.wav"))
        True
        """
        match = NAME.fullmatch(path.stem)
        if match is None:
            return None
        speaker, letters, number = match.groups()
        speaker = speaker or path.parent.name
        if speaker not in SPEAKERS or letters not in self.card.labels:
            return None
        return {
            "id": f"{speaker}_{letters}{number}",
            "speaker": f"savee/{speaker}",
            "gender": "male",
            "emotion": self.card.labels[letters],
            "statement": f"{letters}{number}",
        }

    def expected(self) -> set[str]:
        """Ids of the complete corpus."""
        return {
            f"{speaker}_{letters}{number:02d}"
            for speaker in SPEAKERS
            for letters in self.card.labels
            for number in range(1, (30 if letters == "n" else 15) + 1)
        }
