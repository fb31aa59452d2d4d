"""URDU: ``SM20_F8_N012`` is speaker (M for a man, F for a woman), file of the speaker, emotion (a letter), number."""

import re
from pathlib import PurePath

from fusionser.corpora.base import Corpus, Record

__all__ = ["Urdu"]

NAME = re.compile(r"S([FM])(\d+)_F\d+_([A-Z])\d+")


class Urdu(Corpus):
    """URDU, spontaneous speech of talk shows (Latif et al. 2018): 38 speakers, 400 recordings."""

    name = "urdu"

    def parse(self, path: PurePath) -> Record | None:
        """Parse a path, as described in `Corpus.parse`.

        Examples
        --------
        >>> record = Urdu().parse(PurePath("Neutral/SM20_F8_N012.wav"))
        >>> record["speaker"], record["gender"], record["emotion"]
        ('urdu/SM20', 'male', 'neutral')
        """
        match = NAME.fullmatch(path.stem)
        if match is None:
            return None
        initial, number, label = match.groups()
        return self._record(path.stem, f"S{initial}{number}", label, gender="female" if initial == "F" else "male")
