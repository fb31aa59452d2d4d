"""Atomic writing of files."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from fusionser.errors import FusionserError

__all__ = ["is_folder", "write_bytes", "write_text", "write_whole"]


def write_whole(path: str | Path, write: Callable[[Path], object]) -> Path:
    """Let `write` fill a temporary file in the folder of `path`, then rename it to `path`.

    Parameters
    ----------
    path : str or Path
        The file to write. Missing folders are created.
    write : callable
        Takes the path of the temporary file, which has the same suffix.

    Returns
    -------
    Path
        The written file.

    Raises
    ------
    FusionserError
        When the file cannot be written (disk full, no permission). An existing file at `path` is then unchanged.
    """
    target = Path(path)
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.stem}-", suffix=target.suffix)
        os.close(handle)
        temporary = Path(name)
        write(temporary)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(target)
    except OSError as error:
        raise FusionserError(
            f"cannot write {target}: {error.strerror or error}. No partial file was left there; "
            "free some space or choose another path, and run the command again"
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
    return target


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write `content` to `path` atomically."""
    return write_whole(path, lambda temporary: temporary.write_bytes(content))


def write_text(path: str | Path, content: str) -> Path:
    """Write `content` to `path` in UTF-8, atomically."""
    return write_bytes(path, content.encode())


def is_folder(path: str | Path) -> bool:
    """Return whether a path is a folder; a path that no file can have is none.

    Examples
    --------
    >>> is_folder("."), is_folder("x" * 5000)
    (True, False)
    """
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False
