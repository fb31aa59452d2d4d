"""The folders of corpora on this machine."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fusionser.corpora import CORPORA, list_rows
from fusionser.errors import FusionserError, SettingsError

__all__ = ["Present", "named_places", "present_corpora"]


@dataclass(frozen=True)
class Present:
    """The number of recordings of a corpus on this machine, out of those of the complete corpus, if that is known."""

    corpus: str
    place: Path | None
    found: int
    wanted: int | None

    @property
    def whole(self) -> bool:
        """Whether all recordings are present, or some, if nobody knows how many there are."""
        return self.found >= (1 if self.wanted is None else self.wanted)

    def __str__(self) -> str:
        return f"{self.found} of {'unknown' if self.wanted is None else self.wanted} recordings of {self.corpus}"


def named_places(given: Iterable[str]) -> dict[str, Path]:
    """Parse ``corpus=folder`` pairs.

    Raises
    ------
    SettingsError
        If a text is not such a pair.

    Examples
    --------
    >>> named_places(["emodb=berlin/wav"])["emodb"].parts
    ('berlin', 'wav')
    """
    places = {}
    for text in given:
        name, _, folder = text.partition("=")
        if not name or not folder:
            raise SettingsError(f"got '{text}' for a corpus and its folder; expected corpus=DIR")
        places[name] = Path(folder)
    return places


def present_corpora(names: Iterable[str], places: Mapping[str, Path]) -> list[Present]:
    """Count the recordings of each corpus in its place: 0 if it has no place or cannot be read."""
    present = []
    for name in names:
        place, found = places.get(name), 0
        if place is not None:
            with suppress(FusionserError):
                listing = list_rows(place, name, measured=False)
                # A recording that is set aside is there.
                found = len(listing.rows) + len(listing.quarantine)
        present.append(Present(name, place, found, CORPORA[name].card.counts.files))
    return present
