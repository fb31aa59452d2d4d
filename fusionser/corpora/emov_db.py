"""EmoV-DB: ``jenie_Angry/anger_1-28_0011.wav`` is speaker, emotion, and the number of the sentence.

The sorted version has ``jenie/Angry/anger_1-28_0011.wav``, the packages of OpenSLR ``jenie_Angry/``. The name begins
with the emotion, and the numbers in the middle are those of the recording session.
"""

import re
from pathlib import PurePath

from fusionser.corpora.base import Corpus, Record

__all__ = ["EmovDB"]

GENDERS = {"bea": "female", "jenie": "female", "josh": "male", "sam": "male"}
NAME = re.compile(r"([a-z]+)_(\d+[-_]\d+)_(\d{4})")


class EmovDB(Corpus):
    """Emotional Voices Database (EmoV-DB): two women and two men reading sentences, 7 000 recordings."""

    name = "emov-db"

    def parse(self, path: PurePath) -> Record | None:
        """Parse a path, as described in `Corpus.parse`; the speaker is in the name of a folder.

        Examples
        --------
        >>> record = EmovDB().parse(PurePath("sam/Disgusted/Disgust_1-28_0001.wav"))
        >>> record["speaker"], record["gender"], record["emotion"], record["statement"]
        ('emov-db/sam', 'male', 'disgust', '0001')
        """
        match = NAME.fullmatch(path.stem.lower())
        speakers = [name.lower().split("_")[0] for name in path.parts[:-1]]
        speaker = next((name for name in reversed(speakers) if name in GENDERS), None)
        if match is None or speaker is None:
            return None
        label, _, sentence = match.groups()
        # A sentence may be there from two sessions.
        return self._record(
            f"{speaker}_{path.stem.lower()}", speaker, label, gender=GENDERS[speaker], statement=sentence
        )
