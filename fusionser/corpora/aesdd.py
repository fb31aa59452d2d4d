"""AESDD: ``a03 (4)`` is emotion (a letter), number of the utterance, and number of the speaker in brackets.

A second take of an utterance has a letter after the brackets: ``a06 (5)b``.
"""

import re
from pathlib import PurePath

from fusionser.corpora.base import Corpus, Record

__all__ = ["Aesdd"]

NAME = re.compile(r"([a-z])(\d\d) ?\(0?(\d+)\)([a-z]?)")


class Aesdd(Corpus):
    """Acted Emotional Speech Dynamic Database, Greek theatre actors; it grows, so nobody states its size."""

    name = "aesdd"

    def parse(self, path: PurePath) -> Record | None:
        """Parse a path, as described in `Corpus.parse`.

        Examples
        --------
        >>> record = Aesdd().parse(PurePath("fear/f10 (01).wav"))
        >>> record["id"], record["speaker"], record["emotion"], record["statement"]
        ('f10_1', 'aesdd/1', 'fear', '10')
        """
        match = NAME.fullmatch(path.stem)
        if match is None:
            return None
        label, utterance, speaker, take = match.groups()
        return self._record(f"{label}{utterance}_{speaker}{take}", speaker, label, statement=utterance)
