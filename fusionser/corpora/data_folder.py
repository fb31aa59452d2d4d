"""The folders of corpora in the folder that the environment variable ``FUSIONSER_DATA`` names."""

import os
from collections.abc import Iterable
from pathlib import Path

from fusionser.registry import CORPORA

__all__ = ["DATA_VARIABLE", "data_folder", "find_corpora", "found_instead"]

DATA_VARIABLE = "FUSIONSER_DATA"


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


def found_instead(folder: str | Path, corpus: str | None) -> str:
    """Return the end of an error about a folder that does not exist: where its corpus is, or how to say it, or nothing.

    Parameters
    ----------
    folder : str or Path
        A folder that does not exist. Its name may be that of a corpus.
    corpus : str or None
        The corpus that it was said to be.
    """
    named = Path(folder).name.lower().replace("_", "-")
    known = [name for name in (corpus or "", named) if name in CORPORA]
    for name, place in find_corpora(known, data_folder()).items():
        return f". {DATA_VARIABLE} has {name} at {place}; give that path"
    if named in CORPORA:
        return f". '{named}' is the name of a corpus; give the folder with its recordings"
    return ""
