"""ASED: ``a5-03-01-02-50`` is emotion (with the number of its folder), sentence, repetition, gender and speaker."""

import re
from pathlib import PurePath

from fusionser.corpora.base import Corpus, Record

__all__ = ["Ased"]

GENDERS = {"01": "female", "02": "male"}
NAME = re.compile(r"([a-z])[1-5]-(0[1-7])-(\d\d)-(0[12])-(\d\d)")


class Ased(Corpus):
    """Amharic Speech Emotion Dataset: 65 speakers, 2 474 recordings."""

    name = "ased"

    def parse(self, path: PurePath) -> Record | None:
        """Parse a path, as described in `Corpus.parse`.

        Examples
        --------
        >>> record = Ased().parse(PurePath("05Angry/a5-03-01-02-50.wav"))
        >>> record["speaker"], record["gender"], record["emotion"], record["statement"]
        ('ased/50', 'male', 'angry', 'a03')
        """
        # One published name has a capital.
        name = path.stem.lower()
        match = NAME.fullmatch(name)
        if match is None:
            return None
        label, sentence, _, gender, speaker = match.groups()
        return self._record(name, speaker, label, gender=GENDERS[gender], statement=label + sentence)
