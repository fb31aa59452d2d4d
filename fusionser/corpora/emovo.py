"""EMOVO: ``dis-f1-b1`` is emotion (three letters of the Italian word), actor and sentence."""

import re
from pathlib import PurePath

from fusionser.corpora.base import Corpus, Record

__all__ = ["Emovo"]

SPEAKERS = ("f1", "f2", "f3", "m1", "m2", "m3")
SENTENCES = ("b1", "b2", "b3", "d1", "d2", "l1", "l2", "l3", "l4", "n1", "n2", "n3", "n4", "n5")
NAME = re.compile(rf"([a-z]{{3}})-({'|'.join(SPEAKERS)})-({'|'.join(SENTENCES)})")


class Emovo(Corpus):
    """EMOVO, Italian: six actors, 588 recordings."""

    name = "emovo"

    def parse(self, path: PurePath) -> Record | None:
        """Parse a path, as described in `Corpus.parse`.

        Examples
        --------
        >>> record = Emovo().parse(PurePath("f2/gio-f2-b2.wav"))
        >>> record["speaker"], record["emotion"], record["statement"]
        ('emovo/f2', 'happy', 'b2')
        """
        match = NAME.fullmatch(path.stem)
        if match is None:
            return None
        label, speaker, sentence = match.groups()
        gender = "female" if speaker.startswith("f") else "male"
        return self._record(path.stem, speaker, label, gender=gender, statement=sentence)

    def expected(self) -> set[str]:
        """Return the ids of the complete corpus."""
        return {
            f"{label}-{speaker}-{sentence}"
            for label in self.card.labels
            for speaker in SPEAKERS
            for sentence in SENTENCES
        }
