"""TESS: ``OAF_back_ps`` is speaker, word and emotion; one original is named ``OA_bite_neutral``."""

import re
from pathlib import PurePath
from typing import ClassVar

from fusionser.corpora.base import Corpus, Record

__all__ = ["Tess"]

NAME = re.compile(r"(OAF|OA|YAF)_([A-Za-z]+)_([A-Za-z]+)")


class Tess(Corpus):
    """Toronto Emotional Speech Set: an older and a younger woman, 2 800 recordings."""

    name: ClassVar[str] = "tess"

    def parse(self, path: PurePath) -> Record | None:
        """Read a row's fields off a path, see `Corpus.parse`. The folders' spelling does not matter.

        Examples
        --------
        >>> record = Tess().parse(PurePath("OAF_neutral/OA_bite_neutral.wav"))
        >>> record["id"], record["speaker"]
        ('OAF_bite_neutral', 'tess/OAF')
        """
        match = NAME.fullmatch(path.stem)
        if match is None:
            return None
        speaker, word, emotion = match.groups()
        speaker = "OAF" if speaker == "OA" else speaker
        if emotion.lower() not in self.card.labels:
            return None
        return {
            "id": f"{speaker}_{word.lower()}_{emotion.lower()}",
            "speaker": f"tess/{speaker}",
            "gender": "female",
            "emotion": self.card.labels[emotion.lower()],
            "statement": word.lower(),
        }
