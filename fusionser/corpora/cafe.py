"""CaFE: ``01-C-1-1`` is actor, emotion (a French initial), intensity and sentence. Actors with odd numbers are men."""

import re
from pathlib import PurePath

from fusionser.corpora.base import Corpus, Record

__all__ = ["Cafe"]

ACTORS, SENTENCES = range(1, 13), range(1, 7)
INTENSITIES = {"1": "mild", "2": "strong"}
NAME = re.compile(r"(\d\d)-([A-Z])-([12])-([1-6])")


class Cafe(Corpus):
    """Canadian French Emotional speech database (CaFE): twelve actors, 936 recordings."""

    name = "cafe"

    def parse(self, path: PurePath) -> Record | None:
        """Parse a path, as described in `Corpus.parse`.

        Examples
        --------
        >>> record = Cafe().parse(PurePath("Colère/Fort/01-C-2-1.wav"))
        >>> record["speaker"], record["gender"], record["emotion"], record["intensity"]
        ('cafe/01', 'male', 'angry', 'strong')
        """
        match = NAME.fullmatch(path.stem)
        if match is None or int(match[1]) not in ACTORS:
            return None
        actor, label, intensity, sentence = match.groups()
        return self._record(
            path.stem,
            actor,
            label,
            gender="male" if int(actor) % 2 else "female",
            statement=sentence,
            intensity="" if label == "N" else INTENSITIES[intensity],
        )

    def expected(self) -> set[str]:
        """Return the ids of the complete corpus."""
        return {
            f"{actor:02d}-{label}-{intensity}-{sentence}"
            for actor in ACTORS
            for label in self.card.labels
            for intensity in (["1"] if label == "N" else list(INTENSITIES))
            for sentence in SENTENCES
        }
