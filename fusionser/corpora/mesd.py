"""MESD: ``Anger_C_A_basta_ya`` is emotion, voice (female, male or child), list of words, and the word.

The names do not say which of the 11 speakers it is, so the speaker is unknown.
"""

import re
from pathlib import PurePath

from fusionser.corpora.base import Corpus, Record

__all__ = ["Mesd"]

GENDERS = {"F": "female", "M": "male", "C": ""}
NAME = re.compile(r"([A-Z][a-z]+)_([CFM])_([AB])_(\w+)")


class Mesd(Corpus):
    """Mexican Emotional Speech Database: single words of women, men and children; the speakers are unknown."""

    name = "mesd"

    def parse(self, path: PurePath) -> Record | None:
        """Parse a path, as described in `Corpus.parse`.

        Examples
        --------
        >>> record = Mesd().parse(PurePath("Anger_F_A_tarde.wav"))
        >>> record["speaker"], record["gender"], record["emotion"], record["statement"]
        ('', 'female', 'angry', 'tarde')
        """
        match = NAME.fullmatch(path.stem)
        if match is None or match[1] not in self.card.labels:
            return None
        label, voice, _, word = match.groups()
        return {
            "id": path.stem,
            "speaker": "",
            "gender": GENDERS[voice],
            "emotion": self.card.labels[label],
            "statement": word,
        }
