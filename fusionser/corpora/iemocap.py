"""IEMOCAP, in four and in six classes: ``Ses01F_script01_1_M000`` is session, recording, scene and turn.

The letter after the session is the actor whose face was recorded. Who speaks is the letter of the turn, so this is a
turn of the man of the first session. The labels are in ``SessionN/dialog/EmoEvaluation``, one file for each dialogue.
"""

import re
from pathlib import Path, PurePath

from fusionser.corpora.base import Corpus, Record
from fusionser.corpora.label_files import Labelled, find_label_files, read_lines, with_labels

__all__ = ["Iemocap4", "Iemocap6"]

NAME = re.compile(r"((Ses0[1-5])[FM]_(impro|script)(\w+))_([FM])\d{3}")
LABEL = re.compile(r"\[[\d.]+ - [\d.]+\]\s+(\w+)\s+(\w+)\s+\[.*\]\s*")
LABEL_FILES = "EmoEvaluation/*.txt"
ALL_LABELS = ("ang", "dis", "exc", "fea", "fru", "hap", "neu", "oth", "sad", "sur", "xxx")
"""The labels of the corpus; ``xxx`` are turns that the raters did not agree on."""


class Iemocap4(Corpus):
    """IEMOCAP in four classes, angry, happy with excited, neutral and sad: ten actors, 5 531 recordings."""

    name = "iemocap-4"

    @property
    def folder_name(self) -> str:
        """Name of its folder among those of other corpora."""
        return "iemocap"

    def parse(self, path: PurePath) -> Record | None:
        """Parse a path, as described in `Corpus.parse`; the emotion is not in the name.

        Examples
        --------
        >>> record = Iemocap4().parse(PurePath("Session1/sentences/wav/Ses01F_script01_1/Ses01F_script01_1_M000.wav"))
        >>> record["speaker"], record["gender"], record["session"], record["style"], record["statement"]
        ('iemocap/Ses01M', 'male', 'Ses01', 'scripted', 'script01_1')
        """
        match = NAME.fullmatch(path.stem)
        if match is None:
            return None
        _, session, style, scene, letter = match.groups()
        return {
            "id": path.stem,
            # The same person has the same speaker name in both settings.
            "speaker": f"iemocap/{session}{letter}",
            "gender": "female" if letter == "F" else "male",
            # Improvised turns have no text that others say, too.
            "statement": f"{style}{scene}" if style == "script" else "",
            "session": session,
            "style": "scripted" if style == "script" else "improvised",
        }

    def label(self, records: list[Record], folder: Path) -> Labelled:
        """Add the emotion that the raters agreed on."""
        found: dict[str, dict[str, str]] = {}
        for path in find_label_files(folder, LABEL_FILES, self.card):
            turns = [match.groups() for line in read_lines(path) if (match := LABEL.fullmatch(line))]
            found |= {turn: {"label": label.lower()} for turn, label in turns}
        return with_labels(
            records, found, self.card, lambda name: f"EmoEvaluation/{name.rsplit('_', 1)[0]}.txt", ALL_LABELS
        )


class Iemocap6(Iemocap4):
    """IEMOCAP in six classes, with frustrated, and excited apart from happy: ten actors, 7 380 recordings."""

    name = "iemocap-6"
