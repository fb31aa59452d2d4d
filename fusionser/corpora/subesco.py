"""SUBESCO: ``F_02_MONIKA_S_1_NEUTRAL_5`` is gender, number and name of the actor, sentence, emotion and take."""

import re
from pathlib import PurePath

from fusionser.corpora.base import Corpus, Record

__all__ = ["Subesco"]

WOMEN = ("OISHI", "MONIKA", "SMITA", "SWARNALI", "MOUNI", "SIMI", "TITHI", "JOYEETA", "CHAITY", "FAHMEE")
MEN = ("BASHIR", "NIPUN", "ILIAS", "BIBHAS", "DURANTO", "SHUKANTO", "SIBLY", "PRASUN", "SHUMANTA", "EVAN")
ACTORS = {
    f"{initial}_{number:02d}": name
    for initial, names in (("F", WOMEN), ("M", MEN))
    for number, name in enumerate(names, start=1)
}
SENTENCES, TAKES = range(1, 11), range(1, 6)
NAME = re.compile(r"([FM]_\d\d)_([A-Z]+)_S_(\d+)_([A-Z]+)_(\d)")


class Subesco(Corpus):
    """SUST Bangla Emotional Speech Corpus: 20 actors, 7 000 recordings."""

    name = "subesco"

    def parse(self, path: PurePath) -> Record | None:
        """Parse a path, as described in `Corpus.parse`.

        Examples
        --------
        >>> record = Subesco().parse(PurePath("F_02_MONIKA_S_1_NEUTRAL_5.wav"))
        >>> record["speaker"], record["gender"], record["emotion"], record["statement"]
        ('subesco/F_02', 'female', 'neutral', '1')
        """
        match = NAME.fullmatch(path.stem)
        if match is None or ACTORS.get(match[1]) != match[2]:
            return None
        actor, _, sentence, label, take = match.groups()
        if int(sentence) not in SENTENCES or int(take) not in TAKES:
            return None
        gender = "female" if actor.startswith("F") else "male"
        return self._record(path.stem, actor, label, gender=gender, statement=sentence)

    def expected(self) -> set[str]:
        """Return the ids of the complete corpus."""
        return {
            f"{actor}_{name}_S_{sentence}_{label}_{take}"
            for actor, name in ACTORS.items()
            for sentence in SENTENCES
            for label in self.card.labels
            for take in TAKES
        }
