"""EMO-DB: ``03a01Fa`` is speaker, sentence, emotion (a German initial) and version."""

import re
from pathlib import PurePath
from typing import ClassVar

from fusionser.corpora.base import Corpus, Record

__all__ = ["EmoDB"]

NAME = re.compile(r"(\d\d)([ab]\d\d)([A-Z])([a-z]?)")
MEN = frozenset({"03", "10", "11", "12", "15"})
WOMEN = frozenset({"08", "09", "13", "14", "16"})


class EmoDB(Corpus):
    """Berlin Database of Emotional Speech: ten actors, 535 recordings."""

    name: ClassVar[str] = "emodb"

    def parse(self, path: PurePath) -> Record | None:
        """Read a row's fields off a path, see `Corpus.parse`.

        Examples
        --------
        >>> EmoDB().parse(PurePath("wav/16b10Wb.wav"))["emotion"]
        'angry'
        """
        match = NAME.fullmatch(path.stem)
        if match is None:
            return None
        speaker, sentence, letter, _ = match.groups()
        if letter not in self.card.labels or speaker not in MEN | WOMEN:
            return None
        return {
            "id": path.stem,
            "speaker": f"emodb/{speaker}",
            "gender": "male" if speaker in MEN else "female",
            "emotion": self.card.labels[letter],
            "statement": sentence,
        }
