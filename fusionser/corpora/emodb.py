"""EMO-DB: ``03a01Fa`` is speaker, sentence, emotion (a German initial) and version."""

import re
from pathlib import PurePath

from fusionser.corpora.base import Corpus, Record

__all__ = ["EmoDB"]

MEN = ("03", "10", "11", "12", "15")
WOMEN = ("08", "09", "13", "14", "16")
NAME = re.compile(rf"({'|'.join(MEN + WOMEN)})([ab]\d\d)([A-Z])[a-z]?")


class EmoDB(Corpus):
    """Berlin Database of Emotional Speech: ten actors, 535 recordings."""

    name = "emodb"

    def parse(self, path: PurePath) -> Record | None:
        """Parse a path, as described in `Corpus.parse`.

        Examples
        --------
        >>> EmoDB().parse(PurePath("wav/16b10Wb.wav"))["emotion"]
        'angry'
        """
        match = NAME.fullmatch(path.stem)
        if match is None:
            return None
        speaker, sentence, letter = match.groups()
        gender = "male" if speaker in MEN else "female"
        return self._record(path.stem, speaker, letter, gender=gender, statement=sentence)
