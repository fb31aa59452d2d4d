"""A corpus with its card, and a protocol."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, ClassVar

import pandas as pd

from fusionser.corpora import Card, Corpus
from fusionser.splits import Fold, Protocol
from fusionser.splits.base import by_mask

EMOTIONS = ("angry", "fear", "happy", "neutral", "sad")


class Dashed(Corpus):
    """Recordings named speaker-emotion-number, as f1-angry-03: four speakers, 60 recordings."""

    name: ClassVar[str] = "dashed"

    @property
    def card(self) -> Card:
        return Card.model_validate(
            {
                "name": self.name,
                "title": "Dashed",
                "language": "none",
                "licence": "CC0",
                "citation": "none",
                "address": "https://example.org/dashed",
                "download": "made by the test",
                "description": "Recordings whose names have dashes.",
                "synthetic": True,
                "counts": {
                    "files": 60,
                    "female_speakers": 2,
                    "male_speakers": 2,
                    "emotions": dict.fromkeys(EMOTIONS, 12),
                },
                "labels": {name: name for name in EMOTIONS},
                "protocol": {"folds": 2, "holdout_speakers": ["dashed/f1"]},
            }
        )

    def parse(self, path: PurePath) -> dict[str, Any] | None:
        speaker, _, rest = path.stem.partition("-")
        emotion, _, _ = rest.partition("-")
        if emotion not in self.card.labels:
            return None
        gender = "female" if speaker.startswith("f") else "male"
        return {"id": path.stem, "speaker": f"dashed/{speaker}", "gender": gender, "emotion": emotion}


@dataclass(kw_only=True)
class LeaveOneGenderOut(Protocol):
    """Each gender is tested once, by what is trained on the other."""

    name: ClassVar[str] = "leave-one-gender-out"

    def folds_of(self, rows: pd.DataFrame) -> Iterator[Fold]:
        for gender in sorted(set(rows["gender"])):
            yield gender, *by_mask((rows["gender"] == gender).to_numpy())
