"""Folders and files that are elsewhere, as folders and files of this machine for as long as a process runs.

What a command reads as a whole, such as a table or a model, is copied when it is named. What it writes below such a
folder is written to the address, too (`fusionser.files.write_whole`). Recordings are only listed; each is fetched when
it is decoded (`fusionser.storage.copies`).
"""

import os
from functools import cache
from pathlib import Path, PurePosixPath

from fusionser.errors import StorageError
from fusionser.folders import temporary_folder
from fusionser.storage.addresses import address_of, folder_of, in_address, redacted, suffix_of
from fusionser.storage.transfers import State, check_writable, download, is_remote_folder, listed, remove, upload
from fusionser.suffixes import AUDIO_SUFFIXES

__all__ = [
    "called", "check_output", "elsewhere", "input_place", "output_file", "output_folder", "recordings_below",
    "remove_below", "shown", "write_back",
]  # fmt: skip

MOST_BYTES = 64 << 20
"""Largest file beside recordings, such as a list of labels, that is copied when a folder of recordings is named."""

MANIFEST = "manifest.json"

MOST_TOGETHER = 1 << 30
"""Most bytes of such files together."""

_PLACES: dict[Path, str] = {}
"""Addresses by the paths that stand for them."""


@cache
def _folder() -> Path:
    return temporary_folder().resolve()


def _stand_in(address: str) -> Path:
    """Return the path on this machine that stands for an address, with its last name."""
    plain = address.rstrip("/") if "::" not in address else address
    for path, known in _PLACES.items():
        if known == plain and path.parent != _folder():
            return path
    name = PurePosixPath(plain.partition("::")[0].partition("?")[0].partition("://")[2]).name or "place"
    path = _folder() / str(len(_PLACES)) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    _PLACES[path] = plain
    # A table names recordings beside it.
    if (parent := folder_of(plain)) is not None:
        _PLACES[path.parent] = parent
    return path


def elsewhere(path: str | Path) -> str | None:
    """Return the address that a path stands for, itself or as a part of a folder; None for this machine's own."""
    address = address_of(path)
    if address is not None or not _PLACES:
        return address
    below = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
    for place, known in _PLACES.items():
        if below == place:
            return known
        if below.is_relative_to(place):
            return in_address(known, below.relative_to(place).as_posix())
    return None


def called(path: str | Path) -> str:
    """Return the address that a path stands for, or the path itself.

    Examples
    --------
    >>> called("calls/a.wav")
    'calls/a.wav'
    """
    return elsewhere(path) or str(path)


def shown(text: str) -> str:
    """Return a text with the addresses that paths in it stand for."""
    for place, address in _PLACES.items():
        if str(place) in text:
            text = text.replace(str(place), redacted(address))
    return text


def input_place(place: str | Path) -> Path:
    """Return a path on this machine for what is read: that of a copy, or of a folder with the files of labels.

    Parameters
    ----------
    place : str or Path
        A path, which is returned as it is, or an address.

    Raises
    ------
    StorageError
        If nothing is there, or it cannot be read.
    """
    address = address_of(place)
    if address is None:
        return Path(place)
    path = _stand_in(address)
    if path.exists():
        return path
    try:
        if is_remote_folder(address):
            path.mkdir()
            _copy_below(address, path, only_small=True)
        else:
            download(address, path, State(-1, ""))
    except FileNotFoundError as error:
        raise StorageError(f"{redacted(address)}: there is no such object or folder; check the address") from error
    except PermissionError as error:
        raise StorageError(
            f"{redacted(address)}: these credentials may not read it; check them, and the address"
        ) from error
    return path


def _copy_below(address: str, path: Path, *, only_small: bool) -> None:
    found = listed(address)
    if MANIFEST in found:
        # The parts of a dataset of features are read where they are.
        found = {name: state for name, state in found.items() if not name.startswith("parts/")}
    labels = {name: state for name, state in found.items() if suffix_of(name) not in AUDIO_SUFFIXES}
    if only_small and sum(state.size for state in labels.values() if state.size <= MOST_BYTES) > MOST_TOGETHER:
        raise StorageError(
            f"{redacted(address)}: more than {MOST_TOGETHER >> 20} MiB of files beside the recordings, which may be "
            "labels; give a folder with the recordings and their labels alone"
        )
    for name, state in found.items():
        audio = suffix_of(name) in AUDIO_SUFFIXES
        if not audio and _is_below(path, name) and not (only_small and state.size > MOST_BYTES):
            download(in_address(address, name), path / name, state)


def _is_below(folder: Path, name: str) -> bool:
    """Return whether a name from elsewhere stays in the folder that it is written to."""
    return Path(os.path.normpath(folder / name)).is_relative_to(folder) and "\0" not in name


def recordings_below(folder: Path) -> list[Path] | None:
    """Return the paths that stand for all objects below a folder that is elsewhere; None for this machine's own."""
    address = elsewhere(folder)
    if address is None:
        return None
    return [folder / name for name in listed(address) if _is_below(folder, name)]


def output_file(place: str | Path) -> Path:
    """Return a path on this machine for a file to write, which `fusionser.files.write_whole` also writes elsewhere."""
    address = address_of(place)
    return Path(place) if address is None else _stand_in(address)


def check_output(path: Path) -> None:
    """Raise `StorageError` if a file or folder to write stands for an address that nothing can be written to."""
    address = elsewhere(path)
    if address is not None:
        check_writable(address)


def output_folder(place: str | Path) -> Path:
    """Return a path on this machine for a folder to write, with what is already there, so that work is resumed."""
    address = address_of(place)
    if address is None:
        return Path(place)
    path = _stand_in(address)
    if not path.exists():
        path.mkdir()
        _copy_below(address, path, only_small=False)
    return path


def write_back(path: Path) -> None:
    """Write a file that was just written to the address that it stands for, if it stands for one.

    Raises
    ------
    StorageError
        If it cannot be written there.
    """
    address = elsewhere(path)
    if address is not None:
        upload(path, address)


def remove_below(path: Path) -> None:
    """Remove the object that a file stands for, if it stands for one."""
    address = elsewhere(path)
    if address is not None:
        remove(address, [""])
