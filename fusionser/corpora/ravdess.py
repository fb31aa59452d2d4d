"""RAVDESS, speech and song: the file name consists of seven two-digit fields.

In ``03-01-05-02-01-02-07`` these are modality, channel, emotion, intensity, statement, repetition and actor. Actors
with odd numbers are male. The same performance is there as audio (03), as film with sound (01), and as film without
sound (02).
"""

import re
from pathlib import PurePath
from typing import ClassVar

from fusionser.corpora.base import Corpus, Record

__all__ = ["Ravdess", "RavdessSong"]

NAME = re.compile(r"\d\d(-\d\d){6}")
FILM, AUDIO = "01", "03"
INTENSITIES = {"01": "normal", "02": "strong"}
STATEMENTS = {"01": "kids", "02": "dogs"}


class Ravdess(Corpus):
    """RAVDESS speech: 24 actors, 1 440 recordings."""

    name = "ravdess"
    channel: ClassVar[str] = "speech"
    channel_code: ClassVar[str] = "01"
    absent_actors: ClassVar[tuple[str, ...]] = ()

    def parse(self, path: PurePath) -> Record | None:
        """Parse a path, as described in `Corpus.parse`.

        Examples
        --------
        >>> record = Ravdess().parse(PurePath("Actor_07/03-01-05-02-01-02-07.wav"))
        >>> record["speaker"], record["gender"], record["emotion"], record["intensity"]
        ('ravdess/07', 'male', 'angry', 'strong')
        """
        if not NAME.fullmatch(path.stem):
            return None
        modality, channel, emotion, intensity, statement, _, actor = path.stem.split("-")
        valid = emotion in self.card.labels and intensity in INTENSITIES and statement in STATEMENTS
        valid &= modality in (AUDIO, FILM)
        if channel != self.channel_code or not valid:
            return None
        return {
            # The sound of the film is another file of the same performance.
            "id": f"{AUDIO}{path.stem[len(modality) :]}",
            # The same person has the same speaker name in both parts, speech and song.
            "speaker": f"ravdess/{actor}",
            "gender": "male" if int(actor) % 2 else "female",
            "emotion": self.card.labels[emotion],
            "statement": STATEMENTS[statement],
            "intensity": INTENSITIES[intensity],
            "channel": self.channel,
        }

    def is_second_choice(self, path: PurePath) -> bool:
        """Return whether a file is the sound of the film."""
        return path.stem.startswith(f"{FILM}-")

    def expected(self) -> set[str]:
        """Return the ids of the complete corpus."""
        return {
            f"03-{self.channel_code}-{emotion}-{intensity}-{statement}-{repetition}-{actor}"
            for emotion in self.card.labels
            for intensity in (["01"] if emotion == "01" else list(INTENSITIES))
            for statement in STATEMENTS
            for repetition in ("01", "02")
            for actor in (f"{number:02d}" for number in range(1, 25))
            if actor not in self.absent_actors
        }


class RavdessSong(Ravdess):
    """RAVDESS song: the same actors without number 18, 1 012 recordings."""

    name = "ravdess-song"
    channel = "song"
    channel_code = "02"
    absent_actors = ("18",)
