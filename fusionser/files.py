"""Files that are written whole or not at all."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from fusionser.errors import FusionserError

__all__ = ["write_bytes", "write_text", "write_whole"]


def write_whole(path: str | Path, write: Callable[[Path], None]) -> Path:
    """Let `write` fill a temporary file beside `path`, then move it there in one step.

    Parameters
    ----------
    path : str or Path
        The file to make; its folder is made when missing.
    write : callable
        Is given the path of the temporary file, which has the same suffix.

    Returns
    -------
    Path
        The finished file.

    Raises
    ------
    FusionserError
        When the file cannot be written (no room, no permission). What stood at `path` before stays.
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
            f"cannot write {target}: {error.strerror or error}. Nothing was left there half-written; "
            "free some room or give another place, and run the command again"
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
    return target


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write `content` to `path`, whole or not at all."""

    def write(temporary: Path) -> None:
        temporary.write_bytes(content)

    return write_whole(path, write)


def write_text(path: str | Path, content: str) -> Path:
    """Write `content` to `path` in UTF-8, whole or not at all."""
    return write_bytes(path, content.encode())
