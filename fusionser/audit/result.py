"""The stored result of an audit: facts only, which `fusionser.reporting.audit` turns into sentences."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from fusionser.audit.changes import Change
from fusionser.audit.copies import Kind
from fusionser.facts import Count, QuarantineList, Record, Share, Stamp
from fusionser.files import write_text
from fusionser.results import Provenance, Scores, read_stored

__all__ = [
    "FAULTS",
    "LEAKS",
    "NEEDED",
    "AuditResult",
    "Between",
    "CopyPair",
    "Fault",
    "OneClass",
    "Side",
    "Worth",
    "read_audit",
]

Fault = Literal["copies", "speakers", "scaled", "performances", "statements", "classes", "confounded"]
"""The name of what a split can have."""

FAULTS: tuple[Fault, ...] = ("copies", "speakers", "scaled", "performances", "statements", "classes", "confounded")
"""What a split can have."""

LEAKS: tuple[Fault, ...] = FAULTS[:3]
"""What counts as a leak if nothing else is asked for. The others are told."""

NEEDED: Mapping[Fault, tuple[str, ...]] = {
    "copies": ("audio",),
    "speakers": ("speaker",),
    "performances": ("speaker", "statement", "emotion"),
    "statements": ("statement",),
    "classes": ("emotion",),
    "confounded": ("speaker", "emotion"),
}
"""What must be known to tell a fault: the audio, or columns of the rows."""

WITHOUT = {
    "audio": "the recordings are not there",
    "speaker": "not all speakers are known",
    "statement": "not all statements are known",
    "emotion": "not all emotions are known",
}
"""What is said if something needed is not known."""

DOUBTFUL = 0.8
"""Coherence below which a pair should be listened to: it may be two performances that are much alike."""

UNLIKELY = 0.01
"""Probability below which chance does not explain how many speakers have one class only."""

FORMAT: Literal[1] = 1


class CopyPair(Record):
    """Two recordings of one performance on different sides; the second one is described relative to the first.

    ``folds`` names the folds in which they are on different sides, and ``sides`` those of the first of these.
    ``tempo`` is a factor, ``semitones`` the change of pitch, ``start`` the second in the first recording at which the
    second one begins, and ``coherence`` how well both fit, up to 1.
    """

    first: str
    second: str
    kind: Kind
    sides: tuple[str, str]
    folds: tuple[str, ...]
    coherence: float
    tempo: float
    semitones: float
    start: float
    changes: tuple[Change, ...] = ()
    emotions: tuple[str, str] = ("", "")

    @property
    def doubtful(self) -> bool:
        """Whether it may be two performances that are much alike."""
        return self.kind != "identical" and self.coherence < DOUBTFUL


class Between(Record):
    """What two sides of a fold share.

    ``copied`` counts the recordings of the second side that have a copy on the first, and the kinds are the pairs.
    ``both`` names the recordings that are themselves on both sides. ``performances`` are the recordings of the second
    side whose speaker says the same statement with the same emotion on the first side, and ``statements`` the shared
    statements. ``classes_only`` and ``speakers_only`` are the classes and speakers that only the first side has, and
    only the second. ``told_by_speaker`` counts the recordings of the second side whose speaker has one class only on
    the first side, and it is theirs.
    """

    fold: str
    sides: tuple[str, str]
    recordings: tuple[Count, Count]
    speakers: tuple[str, ...]
    copied: Count
    identical: Count
    near: Count
    augmented: Count
    performances: Count
    statements: tuple[str, ...]
    classes_only: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    speakers_only: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    told_by_speaker: Count = 0
    both: tuple[str, ...] = ()


class OneClass(Record):
    """A speaker all of whose recordings on a side, two or more, have one class, and their number."""

    speaker: str
    emotion: str
    recordings: Count


class Side(Record):
    """What is on a side of a fold.

    ``classes`` counts the recordings of each class. ``one_class`` are the speakers of whom there is one class only: who
    speaks tells the class. ``expected`` is how many there would be if the classes were dealt out to the recordings by
    chance, and ``chance`` the probability that there would be as many.
    """

    fold: str
    side: str
    recordings: Count
    speakers: Count
    classes: dict[str, Count]
    one_class: tuple[OneClass, ...] = ()
    expected: Annotated[float, Field(ge=0)] = 0.0
    chance: Share = 1.0

    @property
    def confounded(self) -> bool:
        """Whether more speakers have one class only than chance explains."""
        return bool(self.one_class) and self.chance < UNLIKELY


class Worth(Record):
    """The scores of one pipeline by the split, and by speaker, with the settings of both protocols."""

    features: str
    classifier: str
    by_split: Scores
    by_speaker: Scores
    speaker_folds: Count
    speaker_interval: tuple[Share, Share] | None
    split_interval: tuple[Share, Share] | None = None
    chance: Share


class AuditResult(Record):
    """What a split leaks.

    ``failing`` are the faults that count as leaks. ``audio`` is whether recordings were compared, and not names only.
    ``copies_within`` counts the pairs of copies on the same side. ``scaled`` says how a table was scaled as a whole.
    ``speakers_known``, ``statements_known`` and ``emotions_known`` are whether every row has one. ``worth`` is None if
    no scores were asked for, or they cannot be computed.
    """

    format: Literal[1] = FORMAT
    name: str
    failing: tuple[Fault, ...] = LEAKS
    recordings: Count
    speakers: Count
    audio: bool
    speakers_known: bool
    statements_known: bool
    emotions_known: bool = True
    between: list[Between] = Field(min_length=1)
    sides: tuple[Side, ...] = ()
    copies: list[CopyPair]
    copies_within: Count
    scaled: str | None
    worth: Worth | None = None
    notes: tuple[Stamp, ...] = ()
    quarantine: QuarantineList
    seed: int
    provenance: Provenance

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What the split has, of `FAULTS`."""
        found = {
            "copies": bool(self.copies) or any(one.both for one in self.between),
            "speakers": any(one.speakers for one in self.between),
            "scaled": self.scaled is not None,
            "performances": any(one.performances for one in self.between),
            "statements": any(one.statements for one in self.between),
            "classes": any(any(one.classes_only) for one in self.between),
            "confounded": any(one.confounded for one in self.sides),
        }
        return tuple(name for name in FAULTS if found[name])

    @property
    def unknown(self) -> dict[Fault, str]:
        """Why a fault cannot be told, by its name."""
        known = {
            "audio": self.audio,
            "speaker": self.speakers_known,
            "statement": self.statements_known,
            "emotion": self.emotions_known,
        }
        return {
            fault: lacking[0]
            for fault, each in NEEDED.items()
            if (lacking := [WITHOUT[what] for what in each if not known[what]])
        }

    @property
    def leaks(self) -> tuple[Fault, ...]:
        """The faults that count as leaks."""
        return tuple(name for name in self.faults if name in self.failing)

    def save(self, path: str | Path) -> Path:
        """Write the result as JSON, atomically."""
        return write_text(path, self.model_dump_json(indent=2) + "\n")


def read_audit(path: str | Path) -> AuditResult:
    """Read an audit from its JSON file, as `read_stored` does."""
    return read_stored(AuditResult, path, "an audit")
