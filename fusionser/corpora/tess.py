"""TESS: ``OAF_back_ps`` is speaker, word and emotion; one original is named ``OA_bite_neutral``."""

import re
from pathlib import PurePath

from fusionser.corpora.base import Corpus, Record

__all__ = ["Tess"]

NAME = re.compile(r"(OAF|OA|YAF)_([A-Za-z]+)_([A-Za-z]+)")


class Tess(Corpus):
    """Toronto Emotional Speech Set: an older and a younger woman, 2 800 recordings."""

    name = "tess"

    def parse(self, path: PurePath) -> Record | None:
        """Parse a path, as described in `Corpus.parse`; the names of the folders do not matter.

        Examples
        --------
        >>> record = Tess().parse(PurePath("OAF_neutral/OA_bite_neutral.wav"))
        >>> record["id"], record["speaker"]
        ('OAF_bite_neutral', 'tess/OAF')
        """
        match = NAME.fullmatch(path.stem)
        if match is None:
            return None
        speaker = "OAF" if match[1] == "OA" else match[1]
        word, emotion = match[2].lower(), match[3].lower()
        return self._record(f"{speaker}_{word}_{emotion}", speaker, emotion, gender="female", statement=word)
