"""nEMO: ``EB0_anger_13`` is speaker, emotion and sentence."""

import re
from pathlib import PurePath

from fusionser.corpora.base import Corpus, Record

__all__ = ["Nemo"]

GENDERS = {
    "EB0": "female", "IC0": "female", "KD0": "female", "MK0": "female",
    "KS0": "male", "MP0": "male", "SM0": "male", "TP0": "male", "WR0": "male",
}  # fmt: skip
NAME = re.compile(rf"({'|'.join(GENDERS)})_([a-z]+)_(\d+)")
SENTENCES = range(1, 91)


class Nemo(Corpus):
    """Polish recordings of nine actors who read ninety sentences (nEMO)."""

    name = "nemo"

    def parse(self, path: PurePath) -> Record | None:
        """Parse a path, as described in `Corpus.parse`.

        Examples
        --------
        >>> record = Nemo().parse(PurePath("samples/WR0_surprised_64.wav"))
        >>> record["speaker"], record["gender"], record["emotion"], record["statement"]
        ('nemo/WR0', 'male', 'surprise', '64')
        """
        match = NAME.fullmatch(path.stem)
        if match is None or int(match[3]) not in SENTENCES:
            return None
        speaker, label, sentence = match.groups()
        return self._record(path.stem, speaker, label, gender=GENDERS[speaker], statement=sentence)
