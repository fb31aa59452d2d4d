"""ESD: ``0011/Angry/0011_000351.wav`` is speaker, emotion, and the number of the recording.

Each speaker says the same 350 sentences of their language in each emotion, one emotion after the other, so that the
number, counted in each emotion, is that of the sentence. In some copies the recordings of an emotion are in folders
``train``, ``evaluation`` and ``test``.
"""

import re
from pathlib import PurePath

from fusionser.corpora.base import Corpus, Record

__all__ = ["Esd"]

NAME = re.compile(r"(\d{4})_(\d{6})")
MEN = ("0004", "0005", "0006", "0008", "0010", "0011", "0012", "0013", "0014", "0020")
WOMEN = ("0001", "0002", "0003", "0007", "0009", "0015", "0016", "0017", "0018", "0019")
MANDARIN = {f"{number:04d}" for number in range(1, 11)}
PARTS = {"train": "train", "evaluation": "validation", "test": "test"}
"""Parts of the split, by the folders that some copies have."""

SENTENCES = 350


class Esd(Corpus):
    """Emotional Speech Dataset: ten speakers of English and ten of Mandarin, 35 000 recordings."""

    name = "esd"

    def parse(self, path: PurePath) -> Record | None:
        """Parse a path, as described in `Corpus.parse`; the emotion is the name of the folder.

        Examples
        --------
        >>> record = Esd().parse(PurePath("0011/Angry/train/0011_000431.wav"))
        >>> record["speaker"], record["gender"], record["emotion"], record["language"], record["statement"]
        ('esd/0011', 'male', 'angry', 'English', 'English 081')
        """
        match = NAME.fullmatch(path.stem)
        folders = [name for name in path.parts[:-1] if name.lower() not in PARTS]
        parts = [PARTS[name.lower()] for name in path.parts[:-1] if name.lower() in PARTS]
        if match is None or not folders:
            return None
        speaker, number = match[1], int(match[2])
        if speaker not in MEN + WOMEN or not 1 <= number <= SENTENCES * len(self.card.labels):
            return None
        language = "Mandarin" if speaker in MANDARIN else "English"
        return self._record(
            path.stem,
            speaker,
            folders[-1].capitalize(),
            gender="male" if speaker in MEN else "female",
            statement=f"{language} {(number - 1) % SENTENCES + 1:03d}",
            language=language,
            **({"split": parts[-1]} if parts else {}),
        )

    def expected(self) -> set[str]:
        """Return the ids of the complete corpus."""
        count = SENTENCES * len(self.card.labels)
        return {f"{speaker}_{number:06d}" for speaker in MEN + WOMEN for number in range(1, count + 1)}
