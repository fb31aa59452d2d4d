"""Where corpora lie on this machine."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fusionser.corpora import CORPORA, list_rows
from fusionser.errors import FusionserError, SettingsError

__all__ = ["DATA_VARIABLE", "Present", "data_folder", "find_corpora", "named_places", "present_corpora"]

DATA_VARIABLE = "FUSIONSER_DATA"


@dataclass(frozen=True)
class Present:
    """What of a corpus is on this machine."""

    corpus: str
    place: Path | None
    found: int
    wanted: int

    @property
    def whole(self) -> bool:
        """Whether every recording is here."""
        return self.found >= self.wanted

    def __str__(self) -> str:
        return f"{self.found} of {self.wanted} recordings of {self.corpus}"


def data_folder() -> Path | None:
    """Return the folder that ``FUSIONSER_DATA`` names, or None."""
    place = os.environ.get(DATA_VARIABLE, "")
    return Path(place) if place else None


def find_corpora(names: Iterable[str], folder: Path | None) -> dict[str, Path]:
    """Find the folder of each corpus: the one of its name, ``-`` and ``_`` and case being alike.

    Parameters
    ----------
    names : iterable of str
    folder : Path or None
        Where to look, usually `data_folder`.

    Returns
    -------
    dict of str to Path
        Those that were found.
    """
    if folder is None or not folder.is_dir():
        return {}
    present = {entry.name.lower().replace("_", "-"): entry for entry in sorted(folder.iterdir()) if entry.is_dir()}
    return {name: present[name] for name in names if name in present}


def named_places(given: Iterable[str]) -> dict[str, Path]:
    """Read ``corpus=folder`` pairs.

    Raises
    ------
    SettingsError
        When one is no such pair.

    Examples
    --------
    >>> named_places(["emodb=berlin/wav"])["emodb"].parts
    ('berlin', 'wav')
    """
    places = {}
    for text in given:
        name, separator, folder = text.partition("=")
        if not separator or not name or not folder:
            raise SettingsError(f"got '{text}' for a corpus and its place; expected corpus=DIR")
        places[name] = Path(folder)
    return places


def present_corpora(names: Iterable[str], places: Mapping[str, Path]) -> list[Present]:
    """Say how much of each corpus is in its place; nothing where there is no place, or it cannot be read."""
    return [
        Present(name, places.get(name), _found(name, places.get(name)), CORPORA[name].card.counts.files)
        for name in names
    ]


def _found(name: str, place: Path | None) -> int:
    if place is None:
        return 0
    try:
        return len(list_rows(place, name).rows)
    except FusionserError:
        return 0
