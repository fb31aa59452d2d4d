"""The card of a corpus: its description as data, apart from the code that parses its file names."""

import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator

from fusionser.corpora.naming import Naming, check_composed
from fusionser.errors import CorpusError
from fusionser.facts import Record

__all__ = ["Card", "Example", "card_from", "read_card"]


class Counts(Record):
    """Numbers of recordings and speakers in the complete corpus, as its publishers state them.

    What they do not state is missing. ``speakers`` is there if their genders are not.
    """

    files: int | None = None
    female_speakers: int | None = None
    male_speakers: int | None = None
    speakers: int | None = None
    emotions: dict[str, int] = Field(default_factory=dict)


class Defaults(Record):
    """Default settings of protocols and presets for a corpus.

    ``holdout_speakers`` are the test speakers of a hold-out, ``folds`` is the number of folds by speaker, and
    ``clip_offset`` the seconds that the preset of SER-FusionNet skips.
    """

    holdout_speakers: tuple[str, ...] = ()
    folds: int = 5
    clip_offset: float = 0.0


class PublishedSplit(Record):
    """Folds by speaker that papers on a corpus use, and the ``source`` that lists them."""

    source: str
    folds: tuple[tuple[str, ...], ...]


class Example(Record):
    """A recording of the corpus, and what its publishers say of it, for the tests; what names do not tell is missing.

    Its speaker has the name of the corpus before it, as in rows.
    """

    path: str
    speaker: str | None = None
    gender: str | None = None
    emotion: str | None = None
    statement: str | None = None
    intensity: str | None = None


class Card(Record):
    """Licence, citation, address, counts and label map of a corpus.

    ``example`` is the path of a recording in the folder that is published, ``naming`` the source of the naming scheme
    and of the counts, and ``uncertain`` what could not be verified. ``formats`` are the suffixes of the published
    recordings if they are lossy. ``names`` is the form of the names, for a corpus that has no class of its own.
    ``splits`` are folds of the protocol ``published-folds`` by their names.
    ``examples`` are recordings with what the parser must return; ``others`` are paths that look alike, and belong to no
    recording of the corpus.
    """

    name: str
    title: str
    language: str
    licence: str
    citation: str
    address: str
    download: str
    description: str
    example: str = ""
    naming: str = ""
    uncertain: str = ""
    formats: tuple[str, ...] = ()
    synthetic: bool = False
    examples: tuple[Example, ...] = ()
    others: tuple[str, ...] = ()
    names: Naming | None = None
    counts: Counts
    labels: dict[str, str]
    protocol: Defaults = Defaults()
    splits: dict[str, PublishedSplit] = Field(default_factory=dict)

    @field_validator("labels")
    @classmethod
    def _check_labels(cls, labels: dict[str, str]) -> dict[str, str]:
        for label in labels:
            check_composed("a label", label)
        return labels

    @property
    def short_title(self) -> str:
        """The name that people call it by: what the title has in brackets, or its beginning.

        Examples
        --------
        >>> read_card("emodb").short_title, read_card("ravdess").short_title, read_card("super-set").short_title
        ('EMO-DB', 'RAVDESS speech', 'SER Super Set')
        """
        bracketed = re.search(r"\(([^()]+)\)$", self.title)
        return bracketed[1] if bracketed else self.title.partition(":")[0].replace(",", "")


def card_from(file: Traversable | Path) -> Card:
    """Read a card from a TOML file, such as ``importlib.resources.files("my_package") / "card.toml"``.

    Raises
    ------
    CorpusError
        If the file does not exist or is not a card; the message names the keys that are wrong.
    """
    try:
        return Card.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise CorpusError(f"{file}: not a card of a corpus: {'; '.join(map(_problem, error.errors()))}") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CorpusError(f"{file}: not read as a card of a corpus: {error}") from error


def _problem(details: Mapping[str, Any]) -> str:
    place = ".".join(str(part) for part in details["loc"])
    return f"{place}: {details['msg'].removeprefix('Value error, ')}"


@lru_cache(maxsize=32)
def read_card(name: str) -> Card:
    """Read the card of a corpus of fusionser.

    Raises
    ------
    CorpusError
        If the card does not exist or is not valid.

    Examples
    --------
    >>> read_card("emodb").counts.files
    535
    """
    try:
        return card_from(resources.files("fusionser_data") / name / "card.toml")
    except CorpusError as error:
        raise CorpusError(f"the card of the corpus '{name}' cannot be read: {error}") from error
