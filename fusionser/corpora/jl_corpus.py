"""JL corpus: ``male2_concerned_6b_1`` is speaker, emotion, sentence, session, and repetition."""

import re
from pathlib import PurePath

from fusionser.corpora.base import Corpus, Record

__all__ = ["JLCorpus"]

SPEAKERS = ("female1", "female2", "male1", "male2")
SENTENCES = range(1, 16)
NAME = re.compile(rf"({'|'.join(SPEAKERS)})_([a-z]+)_(\d+)([ab])_([12])")


class JLCorpus(Corpus):
    """JL corpus, New Zealand English: four speakers, 2 400 recordings in ten emotions."""

    name = "jl-corpus"

    def parse(self, path: PurePath) -> Record | None:
        """Parse a path, as described in `Corpus.parse`.

        Examples
        --------
        >>> record = JLCorpus().parse(PurePath("male2_concerned_6b_1.wav"))
        >>> record["speaker"], record["emotion"], record["statement"]
        ('jl-corpus/male2', 'concerned', '6')
        """
        match = NAME.fullmatch(path.stem)
        if match is None or int(match[3]) not in SENTENCES:
            return None
        speaker, label, sentence = match[1], match[2], match[3]
        return self._record(path.stem, speaker, label, gender=speaker[:-1], statement=sentence)

    def expected(self) -> set[str]:
        """Return the ids of the complete corpus."""
        return {
            f"{speaker}_{label}_{sentence}{session}_{repetition}"
            for speaker in SPEAKERS
            for label in self.card.labels
            for sentence in SENTENCES
            for session in "ab"
            for repetition in "12"
        }
