"""The folders of corpora on this machine."""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from fusionser.corpora import CORPORA, list_rows
from fusionser.errors import FusionserError, SettingsError

__all__ = ["DATA_VARIABLE", "Present", "data_folder", "find_corpora", "named_places", "present_corpora"]

DATA_VARIABLE = "FUSIONSER_DATA"


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


def data_folder() -> Path | None:
    """Return the folder in the environment variable ``FUSIONSER_DATA``, or None."""
    place = os.environ.get(DATA_VARIABLE, "")
    return Path(place) if place else None


def find_corpora(names: Iterable[str], folder: Path | None) -> dict[str, Path]:
    """Find the subfolder of each corpus by its `Corpus.folder_name`, ignoring case and treating ``_`` as ``-``.

    Parameters
    ----------
    names : iterable of str
    folder : Path or None
        The folder to search, usually that of `data_folder`.

    Returns
    -------
    dict of str to Path
        The folders that exist, by corpus.
    """
    if folder is None or not folder.is_dir():
        return {}
    present = {entry.name.lower().replace("_", "-"): entry for entry in sorted(folder.iterdir()) if entry.is_dir()}
    folders = {name: CORPORA[name].folder_name if name in CORPORA else name for name in names}
    return {name: present[place] for name, place in folders.items() if place in present}


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
                listing = list_rows(place, name)
                # A recording that is set aside is there.
                found = len(listing.rows) + len(listing.quarantine)
        present.append(Present(name, place, found, CORPORA[name].card.counts.files))
    return present
