"""The card of a corpus: its description as data, apart from the code that parses its file names."""

import re
import tomllib
from functools import lru_cache
from importlib import resources

from pydantic import Field, ValidationError

from fusionser.errors import CorpusError
from fusionser.facts import Record

__all__ = ["Card", "read_card"]


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


class Card(Record):
    """Licence, citation, address, counts and label map of a corpus.

    ``example`` is the path of a recording in the folder that is published, ``naming`` the source of the naming scheme
    and of the counts, and ``uncertain`` what could not be verified. ``formats`` are the suffixes of the published
    recordings if they are lossy.
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
    counts: Counts
    labels: dict[str, str]
    protocol: Defaults = Defaults()

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
