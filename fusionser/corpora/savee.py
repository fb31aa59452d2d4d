"""SAVEE, in both layouts: ``AudioData/DC/a01.wav`` and ``DC_a01.wav``."""

import re
from pathlib import PurePath

from fusionser.corpora.base import Corpus, Record

__all__ = ["Savee"]

SPEAKERS = ("DC", "JE", "JK", "KL")
NAME = re.compile(rf"(?:({'|'.join(SPEAKERS)})_)?([a-z]{{1,2}})(\d\d)")


class Savee(Corpus):
    """SAVEE: four men, 480 recordings."""

    name = "savee"

    def parse(self, path: PurePath) -> Record | None:
        """Parse a path, as described in `Corpus.parse`.

        Examples
        --------
        >>> Savee().parse(PurePath("AudioData/DC/sa01.wav")) == Savee().parse(PurePath("DC_sa01.wav"))
        True
        """
        match = NAME.fullmatch(path.stem)
        if match is None:
            return None
        speaker, letters, number = match.groups()
        speaker, statement = speaker or path.parent.name, letters + number
        if speaker not in SPEAKERS:
            return None
        return self._record(f"{speaker}_{statement}", speaker, letters, gender="male", statement=statement)

    def expected(self) -> set[str]:
        """Return the ids of the complete corpus."""
        return {
            f"{speaker}_{letters}{number:02d}"
            for speaker in SPEAKERS
            for letters in self.card.labels
            for number in range(1, (30 if letters == "n" else 15) + 1)
        }
