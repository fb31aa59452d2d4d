"""The card of a corpus: what is known of it, apart from the code that reads its names."""

import tomllib
from functools import lru_cache
from importlib import resources

from pydantic import BaseModel, ConfigDict, ValidationError

from fusionser.errors import CorpusError

__all__ = ["Card", "read_card"]


class Counts(BaseModel):
    """How many recordings and speakers the complete corpus has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    files: int
    female_speakers: int
    male_speakers: int
    emotions: dict[str, int]


class Defaults(BaseModel):
    """What protocols and presets take for this corpus unless told otherwise.

    ``holdout_speakers`` are tested in a hold-out, ``folds`` is the number of folds by speaker, and
    ``clip_offset`` the seconds that the preset of SER-FusionNet skips.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    holdout_speakers: tuple[str, ...] = ()
    folds: int = 5
    clip_offset: float = 0.0


class Card(BaseModel):
    """Licence, citation, address, counts and label map of a corpus."""

    model_config = ConfigDict(extra="forbid", frozen=True)

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
        When there is no such card, or it is not valid.

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
