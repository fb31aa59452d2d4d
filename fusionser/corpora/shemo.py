"""ShEMO: ``F03S02`` is gender and number of the speaker, emotion (a letter), and the number of the utterance."""

import re
from pathlib import PurePath

from fusionser.corpora.base import Corpus, Record

__all__ = ["Shemo"]

NAME = re.compile(r"([FM])(\d\d)([A-Z])(\d\d+)")


class Shemo(Corpus):
    """Sharif Emotional Speech Database, Persian radio plays: 87 speakers, 3 000 recordings."""

    name = "shemo"

    def parse(self, path: PurePath) -> Record | None:
        """Parse a path, as described in `Corpus.parse`.

        Examples
        --------
        >>> record = Shemo().parse(PurePath("female/F14A09.wav"))
        >>> record["speaker"], record["gender"], record["emotion"]
        ('shemo/F14', 'female', 'angry')
        """
        match = NAME.fullmatch(path.stem)
        if match is None:
            return None
        initial, number, label, _ = match.groups()
        return self._record(path.stem, initial + number, label, gender="female" if initial == "F" else "male")
