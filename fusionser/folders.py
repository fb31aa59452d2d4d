"""Temporary folders, cleared by the next process where one was killed, and the folder of the cache."""

import atexit
import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import blake2b
from pathlib import Path

import platformdirs

from fusionser.errors import FusionserError

__all__ = [
    "abandoned",
    "brief_folder",
    "cache_folder",
    "check_space",
    "is_running",
    "new_folder",
    "no_room",
    "owned",
    "temporary_folder",
    "why_unwritable",
]

OWNER = re.compile(r"-([0-9a-f]{8})-(\d+)-[^-]*$")
"""Machine and process in the name of a temporary file or folder."""

DAY = 24 * 3600.0


@cache
def _machine() -> str:
    return blake2b(platform.node().encode(), digest_size=4).hexdigest()


def owned(prefix: str) -> str:
    """Return the beginning of a temporary name, which says whose it is."""
    return f"{prefix}-{_machine()}-{os.getpid()}-"


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        # It belongs to somebody else.
        return True
    return True


def is_running(owner: str) -> bool | None:
    """Return whether the process that a name of `owned` begins with runs; None if that cannot be told from here.

    Examples
    --------
    >>> is_running(owned("worker")), is_running("worker-of-somebody")
    (True, None)
    """
    found = OWNER.search(f"{owner}x")
    if found is None or found[1] != _machine():
        return None
    if os.name == "nt":
        # Asking for a process would end it there.
        return True if int(found[2]) == os.getpid() else None
    return _is_running(int(found[2]))


def abandoned(folder: Path, prefix: str) -> Iterator[Path]:
    """Yield the temporary files or folders in a folder whose process on this machine no longer runs."""
    with os.scandir(folder) as entries:
        found = [Path(entry.path) for entry in entries if entry.name.startswith(f"{prefix}-")]
    for path in found:
        owner = OWNER.search(path.name.removesuffix(path.suffix))
        if owner is None or owner[1] != _machine():
            continue
        if os.name == "nt":
            # Asking for a process would end it there.
            if time.time() - path.stat().st_mtime > DAY:
                yield path
        elif not _is_running(int(owner[2])):
            yield path


def temporary_folder() -> Path:
    """Return a new folder that is removed when the process ends; those of killed processes are removed now."""
    folder = new_folder()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@contextmanager
def brief_folder() -> Iterator[Path]:
    """Yield a new folder that is removed when the context ends; those of killed processes are removed now."""
    folder = new_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def new_folder(prefix: str = "fusionser", place: Path | None = None) -> Path:
    """Return a new folder, which its user removes; those of killed processes are removed now.

    Parameters
    ----------
    prefix : str, default="fusionser"
        How its name begins.
    place : Path, optional
        The folder to make it in; that of the system's temporary files when None.

    Raises
    ------
    FusionserError
        If it cannot be made.
    """
    place = Path(tempfile.gettempdir()) if place is None else place
    try:
        place.mkdir(parents=True, exist_ok=True)
        for path in abandoned(place, prefix):
            shutil.rmtree(path, ignore_errors=True)
        return Path(tempfile.mkdtemp(prefix=owned(prefix), dir=place))
    except OSError as error:
        raise FusionserError(
            f"cannot make a temporary folder in {place}: {error.strerror or error}; free some space, or choose another "
            "place for it (the environment variables FUSIONSER_CACHE and TMPDIR)"
        ) from error


def check_space(folder: Path, size: int, what: str) -> None:
    """Raise `FusionserError` if a temporary folder has no room.

    Parameters
    ----------
    folder : Path
    size : int
        Bytes that are about to be written.
    what : str
        What they are, as the beginning of a sentence.
    """
    free = shutil.disk_usage(folder).free
    if free < size:
        raise no_room(folder, what, f"{free} bytes are left")


def why_unwritable(folder: Path, prefix: str = ".fusionser", suffix: str = "") -> str:
    """Return why no file can be made in a folder, and "" if one can: one is made and removed.

    Permissions do not tell: some systems have folders that even their owner cannot write to.

    Parameters
    ----------
    folder : Path
    prefix, suffix : str
        How the name of the file begins and ends, since a name can be too long.

    Examples
    --------
    >>> why_unwritable(Path(tempfile.gettempdir())), why_unwritable(Path("no", "such", "folder"))
    ('', 'No such file or directory')
    """
    try:
        handle, name = tempfile.mkstemp(dir=folder, prefix=owned(prefix), suffix=suffix)
        os.close(handle)
        Path(name).unlink(missing_ok=True)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def no_room(folder: Path, what: str, why: object) -> FusionserError:
    """Return the error for temporary files that cannot be written."""
    return FusionserError(
        f"{what} cannot be written to {folder}: {why}; free some space, or choose another place for temporary files "
        "(the environment variable TMPDIR)"
    )


def cache_folder() -> Path | None:
    """Return the folder in ``FUSIONSER_CACHE`` (None if that is ``off``), or else one in the user's cache folder."""
    place = os.environ.get("FUSIONSER_CACHE", "")
    if place.lower() == "off":
        return None
    return Path(place or platformdirs.user_cache_dir("fusionser", appauthor=False))
