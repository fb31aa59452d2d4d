"""Emozionalmente: recordings named by the time, and tables of recordings and of speakers."""

import re
from pathlib import Path, PurePath

from fusionser.corpora.base import Corpus, Record
from fusionser.corpora.known_words import gender_named
from fusionser.corpora.label_files import Labelled, find_label_files, read_table, with_labels
from fusionser.names import GENDERS

__all__ = ["Emozionalmente"]

NAME = re.compile(r"\d{13}")
SAMPLES, USERS = "samples.csv", "users.csv"


class Emozionalmente(Corpus):
    """Emozionalmente, Italian, recorded by the crowd: 431 speakers, 6 902 recordings."""

    name = "emozionalmente"

    def parse(self, path: PurePath) -> Record | None:
        """Parse a path, as described in `Corpus.parse`; speaker and emotion are not in the name.

        Examples
        --------
        >>> Emozionalmente().parse(PurePath("audio/1614680733939.wav"))
        {'id': '1614680733939', 'speaker': ''}
        """
        return {"id": path.stem, "speaker": ""} if NAME.fullmatch(path.stem) else None

    def label(self, records: list[Record], folder: Path) -> Labelled:
        """Add emotion, speaker, gender and sentence from the tables."""
        genders = {
            row["username"]: gender_named(row["gender"])
            for path in find_label_files(folder, USERS, self.card)
            for row in read_table(path, ("username", "gender"))
        }
        found = {
            PurePath(row["file_name"]).stem: {
                "speaker": f"emozionalmente/{row['actor']}",
                "gender": gender if (gender := genders.get(row["actor"], "")) in GENDERS else "",
                "statement": row["sentence"],
                "label": row["emotion_expressed"].lower(),
            }
            for path in find_label_files(folder, SAMPLES, self.card)
            for row in read_table(path, ("file_name", "emotion_expressed", "sentence", "actor"))
        }
        return with_labels(records, found, self.card, lambda name: SAMPLES)
