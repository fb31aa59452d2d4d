"""MELD: films ``train_splits/dia0_utt3.mp4``, and a table with speaker and emotion for each part of the split.

The numbers of dialogues start again in each part, so the folder says which part a film is of.
"""

import re
from collections.abc import Mapping
from pathlib import Path, PurePath

from fusionser.corpora.base import Corpus, Record
from fusionser.corpora.label_files import Labelled, find_label_files, read_table, with_labels

__all__ = ["Meld"]

NAME = re.compile(r"dia(\d+)_utt(\d+)")
PARTS: Mapping[str, str] = {
    "train_splits": "train",
    "dev_splits_complete": "dev",
    "output_repeated_splits_test": "test",
    "train": "train",
    "dev": "dev",
    "test": "test",
}
"""Parts of the split, by the published names of folders, and by short ones."""

COLUMNS = ("Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID")


class Meld(Corpus):
    """MELD, films of the series Friends: 13 708 utterances in seven emotions."""

    name = "meld"

    def parse(self, path: PurePath) -> Record | None:
        """Parse a path, as described in `Corpus.parse`; speaker and emotion are not in the name.

        Examples
        --------
        >>> Meld().parse(PurePath("train/train_splits/dia0_utt3.mp4"))
        {'id': 'train_dia0_utt3', 'speaker': '', 'split': 'train'}
        """
        match = NAME.fullmatch(path.stem)
        parts = [PARTS[name.lower()] for name in path.parts[:-1] if name.lower() in PARTS]
        if match is None or not parts:
            return None
        return {"id": f"{parts[-1]}_{path.stem}", "speaker": "", "split": parts[-1]}

    def label(self, records: list[Record], folder: Path) -> Labelled:
        """Add speaker, emotion and sentiment from the tables."""
        found: dict[str, dict[str, str]] = {}
        for path in find_label_files(folder, "*_sent_emo.csv", self.card):
            part = path.name.lower().removesuffix("_sent_emo.csv")
            for row in read_table(path, COLUMNS):
                found[f"{part}_dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}"] = {
                    "speaker": f"meld/{row['Speaker']}",
                    "sentiment": row["Sentiment"],
                    "label": row["Emotion"].lower(),
                }
        return with_labels(records, found, self.card, lambda name: f"{name.split('_')[0]}_sent_emo.csv")
