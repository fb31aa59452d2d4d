"""The card of a corpus: its description as data, apart from the code that parses its file names."""

import tomllib
from functools import lru_cache
from importlib import resources

from pydantic import ValidationError

from fusionser.errors import CorpusError
from fusionser.facts import Record

__all__ = ["Card", "read_card"]


class Counts(Record):
    """Numbers of recordings and speakers in the complete corpus."""

    files: int
    female_speakers: int
    male_speakers: int
    emotions: dict[str, int]


class Defaults(Record):
    """Default settings of protocols and presets for a corpus.

    ``holdout_speakers`` are the test speakers of a hold-out, ``folds`` is the number of folds by speaker, and
    ``clip_offset`` the seconds that the preset of SER-FusionNet skips.
    """

    holdout_speakers: tuple[str, ...] = ()
    folds: int = 5
    clip_offset: float = 0.0


class Card(Record):
    """Licence, citation, address, counts and label map of a corpus."""

    name: str
    title: str
    language: str
    licence: str
    citation: str
    address: str
    download: str
    description: str
    synthetic: bool = False
    counts: Counts
    labels: dict[str, str]
    protocol: Defaults = Defaults()


@lru_cache(maxsize=32)
def read_card(name: str) -> Card:
    """Read the card of a corpus.

    Raises
    ------
    CorpusError
        If the card does not exist or is not valid.

    Examples
    --------
    >>> read_card("emodb").counts.files
    535
    """
    path = resources.files("fusionser_data") / name / "card.toml"
    try:
        return Card.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise CorpusError(f"the card of the corpus '{name}' cannot be read: {error}") from error
