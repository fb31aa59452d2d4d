"""The audio files under a folder."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from fusionser.files import shown_name, wrong_name
from fusionser.storage import called, recordings_below
from fusionser.suffixes import AUDIO_SUFFIXES

__all__ = ["Found", "audio_files"]


CHAIN = "::"

ARCHIVED = "__MACOSX"
"""Folder in archives that macOS makes, whose files are no recordings."""


@dataclass
class Found:
    """The audio files under a folder.

    Parameters
    ----------
    files : list of Path
        Sorted by path.
    unnamed : list of Path
        The files whose path is not UTF-8.
    linked : list of (str, str)
        Each file that is left out because it is another name of a file in the list, and that file.
    unreadable : list of dict
        Quarantine entries of the folders that cannot be read.
    """

    files: list[Path] = field(default_factory=list)
    unnamed: list[Path] = field(default_factory=list)
    linked: list[tuple[str, str]] = field(default_factory=list)
    unreadable: list[dict[str, str]] = field(default_factory=list)

    @property
    def refused(self) -> list[dict[str, str]]:
        """Quarantine entries of the unnamed files, and of the folders that cannot be read."""
        return [*(wrong for path in self.unnamed if (wrong := wrong_name(path))), *self.unreadable]

    def left_out(self, error: OSError) -> None:
        """Note a folder that cannot be read."""
        name = shown_name(str(error.filename))
        reason = f"{name}: this folder cannot be read ({error.strerror}), so its recordings are left out"
        self.unreadable.append({"file": name, "reason": reason})


def audio_files(folder: Path) -> Found:
    """Find the audio files under a folder, without those in hidden or macOS archive folders.

    Links to files and folders are followed. A folder or file that several paths lead to is used once.

    Parameters
    ----------
    folder : Path
        For one that is elsewhere (`fusionser.storage.input_place`), the paths stand for the objects below its address.
    """
    found = Found()
    below = recordings_below(folder)
    if below is not None:
        audio = sorted(path for path in below if _is_audio_name(path.relative_to(folder)))
        found.files = [path for path in audio if CHAIN not in path.name]
        for path in audio:
            if CHAIN in path.name:
                reason = f"{called(path)}: its name has '{CHAIN}', which chains addresses; rename it"
                found.unreadable.append({"file": called(path), "reason": reason})
        return found
    read: set[str] = set()
    known: dict[tuple[int, int], Path] = {}
    # What a link leads to may also lie in the folder itself, under the name that says what it is.
    folders, links = [str(folder)], list[Path]()
    while folders:
        further: list[str] = []
        for path in _walked(folders, read, further, found):
            if path.is_symlink():
                links.append(path)
            else:
                _add(path, found, known)
        folders = further
    for path in links:
        _add(path, found, known)
    found.files.sort()
    return found


def _is_audio_name(path: Path) -> bool:
    hidden = any(part.startswith(".") or part == ARCHIVED for part in path.parts)
    return not hidden and path.suffix.lower() in AUDIO_SUFFIXES


def _walked(folders: list[str], read: set[str], linked: list[str], found: Found) -> Iterator[Path]:
    """Return the audio files under folders, and put the folders that they link to in a list."""
    for folder in folders:
        for place, names, files in os.walk(folder, onerror=found.left_out):
            real = os.path.realpath(place)
            if real in read:
                names.clear()
                continue
            read.add(real)
            names[:] = sorted(name for name in names if not name.startswith(".") and name != ARCHIVED)
            linked += [path for name in names if os.path.islink(path := os.path.join(place, name))]  # noqa: PTH114, PTH118
            for name in sorted(files):
                if not name.startswith(".") and PurePath(name).suffix.lower() in AUDIO_SUFFIXES:
                    yield Path(place) / name


def _add(path: Path, found: Found, known: dict[tuple[int, int], Path]) -> None:
    if wrong_name(path) is not None:
        found.unnamed.append(path)
        return
    try:
        status = path.stat()
    except OSError:
        # A link to nothing; reading it gives the reason.
        found.files.append(path)
        return
    # On file systems without inodes, all are 0.
    first = known.setdefault((status.st_dev, status.st_ino), path) if status.st_ino else path
    if first is path:
        found.files.append(path)
    else:
        found.linked.append((str(path), str(first)))
