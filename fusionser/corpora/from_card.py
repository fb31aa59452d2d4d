"""Corpora whose recordings' names follow a form: the card says everything, and there is no code for each."""

from functools import cached_property
from pathlib import PurePath
from re import Pattern

from fusionser.corpora.base import Corpus, Record
from fusionser.corpora.card import Card, read_card
from fusionser.corpora.naming import Naming
from fusionser.errors import CorpusError

__all__ = ["CardCorpus"]

COLUMNS = ("gender", "statement", "intensity")
"""Fields of names that become columns, besides the label and the speaker; others only tell recordings apart."""


MOST_NAMES = 1_000_000
"""Most names of a corpus that are listed; published ones have thousands."""


class CardCorpus(Corpus):
    """A corpus that is read by the table ``[names]`` of its card.

    Parameters
    ----------
    card : Card

    Raises
    ------
    CorpusError
        If the card has no table ``[names]``.

    Examples
    --------
    >>> emovo = CardCorpus(read_card("emovo"))
    >>> record = emovo.parse(PurePath("f2/gio-f2-b2.wav"))
    >>> record["speaker"], record["gender"], record["emotion"], record["statement"]
    ('emovo/f2', 'female', 'happy', 'b2')
    >>> len(emovo.expected()), emovo.summary
    (588, 'Six actors, fourteen sentences, seven emotions (EMOVO, Italian).')
    """

    def __init__(self, card: Card) -> None:
        self.name = card.name
        self._card = card

    @property
    def card(self) -> Card:
        """Licence, citation, address, counts, label map, and the form of the names."""
        return self._card

    @property
    def summary(self) -> str:
        """One line on the corpus: the first sentence of its description, what it is called, and its language."""
        sentence = self.card.description.partition(". ")[0].rstrip(".")
        return f"{sentence} ({self.card.short_title}, {self.card.language})."

    @cached_property
    def _naming(self) -> Naming:
        if self.card.names is None:
            raise CorpusError(
                f"the card of the corpus '{self.name}' has no table [names]; add one, or write a Corpus with parse"
            )
        return self.card.names

    @cached_property
    def _pattern(self) -> Pattern[str]:
        return self._naming.pattern(self.card.labels)

    def parse(self, path: PurePath) -> Record | None:
        """Parse a path, as described in `Corpus.parse`."""
        name = self._naming.name_of(path)
        match = self._pattern.fullmatch(name)
        if match is None:
            return None
        meant = self._naming.meaning(match.groupdict())
        columns = {column: meant[column] for column in COLUMNS if column in meant}
        return self._record(name, meant["speaker"], meant["label"], **columns)

    def expected(self) -> set[str]:
        """Return the ids of the complete corpus, if its names follow a rule, else an empty set.

        Raises
        ------
        CorpusError
            If there are so many that something must be wrong with the card.
        """
        count = self._naming.count(self.card.labels)
        if count > MOST_NAMES:
            raise CorpusError(
                f"the form of names in the card of '{self.name}' has {count} names; expected at most {MOST_NAMES}. "
                "Give the values of a field that the names do not have all of as a regular expression"
            )
        return set(self._naming.names(self.card.labels))


def __getattr__(name: str) -> CardCorpus:
    """Return the corpus of the card with a name, for the registry: ``corpora.from_card:emovo``."""
    if name.startswith("_"):
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    try:
        return CardCorpus(read_card(name))
    except CorpusError as error:
        raise AttributeError(str(error)) from error
