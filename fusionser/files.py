"""Atomic writing of files, and temporary folders; what a killed process left of either is cleared by the next one."""

import atexit
import errno
import json
import math
import os
import platform
import re
import shlex
import shutil
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, NoReturn

from fusionser.errors import FusionserError

__all__ = [
    "exists",
    "is_file",
    "is_folder",
    "new_folder",
    "parse_json",
    "parse_toml",
    "public_command",
    "public_path",
    "public_paths",
    "public_text",
    "remove_files",
    "shown_name",
    "temporary_folder",
    "write_bytes",
    "write_text",
    "write_whole",
    "wrong_name",
]


OWNER = re.compile(r"-([0-9a-f]{8})-(\d+)-[^-]*$")
"""Machine and process in the name of a temporary file or folder."""

DAY = 24 * 3600.0


@cache
def _machine() -> str:
    return blake2b(platform.node().encode(), digest_size=4).hexdigest()


def _owned(prefix: str) -> str:
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


def _abandoned(folder: Path, prefix: str) -> Iterator[Path]:
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
        for path in _abandoned(place, prefix):
            shutil.rmtree(path, ignore_errors=True)
        return Path(tempfile.mkdtemp(prefix=_owned(prefix), dir=place))
    except OSError as error:
        raise FusionserError(
            f"cannot make a temporary folder in {place}: {error.strerror or error}; free some space, or choose another "
            "place for it (the environment variables FUSIONSER_CACHE and TMPDIR)"
        ) from error


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
    if is_loop(path):
        raise FusionserError(f"cannot write {path}: a link on its path leads back to itself; choose another path")
    # What a link leads to is replaced, and not the link.
    target = Path(path).resolve() if Path(path).is_symlink() else Path(path)
    if exists(target) and not is_file(target):
        raise FusionserError(f"cannot write {path}: there is a folder, a device or a pipe; choose another path")
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for abandoned in _abandoned(target.parent, f".{target.stem}"):
            with suppress(OSError):
                abandoned.unlink()
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=_owned(f".{target.stem}"), suffix=target.suffix)
        os.close(handle)
        temporary = Path(name)
        write(temporary)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(_mode(target))
        temporary.replace(target)
    except OSError as error:
        raise FusionserError(
            f"cannot write {target}: {error.strerror or error}. No partial file was left there; "
            "free some space or choose another path, and run the command again"
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
    return Path(path)


def remove_files(folder: Path, names: Iterable[str]) -> None:
    """Remove files from a folder, where they are: pages and pictures of an earlier result that was just replaced.

    Raises
    ------
    FusionserError
        When a file cannot be removed.
    """
    for name in names:
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise FusionserError(
                f"{folder / name}: cannot be replaced ({error.strerror or error}); remove it, or choose another folder"
            ) from error


def _mode(target: Path) -> int:
    """Return the permissions of a file that is replaced, or those of a new one."""
    if target.exists():
        return target.stat().st_mode & 0o777
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write `content` to `path` atomically."""
    return write_whole(path, lambda temporary: temporary.write_bytes(content))


def write_text(path: str | Path, content: str) -> Path:
    """Write `content` to `path` in UTF-8, atomically."""
    return write_bytes(path, content.encode())


def _asked(ask: Callable[[Path], bool], path: str | Path) -> bool:
    """Return the answer of the system; False for a path that no file can have."""
    try:
        return ask(Path(path))
    except (OSError, ValueError):
        return False


def is_loop(path: str | Path) -> bool:
    """Return whether a symbolic link on a path leads back to itself."""
    try:
        Path(path).stat()
    except OSError as error:
        return error.errno == errno.ELOOP
    except ValueError:
        return False
    return False


def is_file(path: str | Path) -> bool:
    """Return whether a path is a regular file, which no pipe and no device is; a path that no file can have is none.

    Examples
    --------
    >>> is_file(__file__), is_file("x" * 5000), is_file("/dev/null")
    (True, False, False)
    """
    return _asked(Path.is_file, path)


def exists(path: str | Path) -> bool:
    """Return whether there is a file or folder, as far as can be told; there is none whose name is too long.

    Examples
    --------
    >>> exists("."), exists("x" * 5000)
    (True, False)
    """
    return _asked(Path.exists, path)


def is_folder(path: str | Path) -> bool:
    """Return whether a path is a folder; a path that no file can have is none.

    Examples
    --------
    >>> is_folder("."), is_folder("x" * 5000)
    (True, False)
    """
    return _asked(Path.is_dir, path)


def wrong_name(path: str | Path) -> dict[str, str] | None:
    """Return a quarantine entry if a path is not UTF-8, since it can be neither printed nor stored in a table.

    Examples
    --------
    >>> wrong_name("a.wav")
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        shown = shown_name(path)
        return {"file": shown, "reason": f"{shown}: this name is not UTF-8; rename the file or folder"}
    return None


def shown_name(path: str | Path) -> str:
    r"""Return a path with escapes for what is not UTF-8 in it.

    Examples
    --------
    >>> shown_name("b\udce4d.wav")
    'b\\xe4d.wav'
    """
    text = re.sub("[\udc80-\udcff]", lambda byte: f"\\x{ord(byte[0]) - 0xDC00:02x}", str(path))
    return text.encode(errors="backslashreplace").decode()


def _without_climbing(path: str | Path) -> Path:
    """Return an absolute path for one that has ``..``, by its words alone: links keep their names."""
    return Path(os.path.normpath(Path.cwd() / path)) if ".." in Path(path).parts else Path(path)


DEEPEST = 60
"""Levels of a JSON or TOML text; those of fusionser have a dozen."""

OUTSIDE = r"(?:/|\.\./)"
"""How a path begins that may lead out of the working folder."""


def public_path(path: str | Path) -> str:
    """Return a path for files that are passed on: without the user's name, and where the user's folders are.

    Paths below the working folder are relative to it, those below the home folder begin with ``~``, and of others,
    absolute or by way of ``..``, only the last part is left.

    Examples
    --------
    >>> public_path("mine/a.wav"), public_path("/data/corpora/emodb"), public_path("../../data/corpora/emodb")
    ('mine/a.wav', '.../emodb', '.../emodb')
    """
    given = _without_climbing(path)
    if not given.is_absolute():
        return str(path)
    for folder, mark in ((Path.cwd(), ""), (Path.home(), "~")):
        if given.is_relative_to(folder) and len(folder.parts) > 1:
            return str(Path(mark) / given.relative_to(folder))
    return f".../{given.name}" if given.name else str(path)


def public_paths(paths: Iterable[str]) -> dict[str, str]:
    """Return public paths, by path. Different paths stay different.

    Of paths outside the working folder and the home folder, the folder that all of them are in keeps its name only.

    Examples
    --------
    >>> public_paths(["/data/mine/sad/a.wav", "/data/mine/happy/a.wav"])["/data/mine/sad/a.wav"]
    '.../mine/sad/a.wav'
    """
    public = {path: public_path(path) for path in paths}
    outside = {path: _without_climbing(path) for path, shown in public.items() if shown.startswith(".../")}
    if outside:
        folder = Path(os.path.commonpath([path.parent for path in outside.values()]))
        public |= {given: str(Path("...") / folder.name / path.relative_to(folder)) for given, path in outside.items()}
    return public


def public_text(text: str) -> str:
    """Return a message with public paths.

    Examples
    --------
    >>> public_text("/data/mine/a.wav: holds no samples")
    '.../a.wav: holds no samples'
    """
    return re.sub(rf"(?:^|(?<=[\s=,'\"(])){OUTSIDE}[^\s,'\":;()]+", lambda path: public_path(path[0]), text)


def without_credentials(text: str) -> str:
    """Return a text whose addresses have neither user names nor passwords.

    Examples
    --------
    >>> without_credentials("mlflow:https://me:secret@host:5000/x, http://host/a@b")
    'mlflow:https://***@host:5000/x, http://host/a@b'
    """
    return re.sub(r"://[^/\s]*@", "://***@", text)


def public_command(words: Sequence[str]) -> str:
    """Return a command line with public paths, and without passwords in addresses.

    Examples
    --------
    >>> public_command(["fusionser", "fit", "/data/corpora/emodb", "--out=/tmp/a.fusionser"])
    'fusionser fit .../emodb --out=.../a.fusionser'
    """
    paths = re.compile(rf"(?:^|(?<=[=,])){OUTSIDE}[^,]*")
    return shlex.join(without_credentials(paths.sub(lambda path: public_path(path[0]), word)) for word in words)


def parse_json(content: str | bytes) -> Any:
    """Return the value of a JSON text, in which Python's reader would also accept NaN and infinite numbers.

    Raises
    ------
    ValueError
        If it is not JSON, a number is not finite, or the nesting is too deep.

    Examples
    --------
    >>> parse_json("[1, NaN]")
    Traceback (most recent call last):
    ...
    ValueError: it holds NaN, which is no number of JSON
    """

    def refused(constant: str) -> NoReturn:
        raise ValueError(f"it holds {constant}, which is no number of JSON")

    def finite(digits: str) -> float:
        number = float(digits)
        return number if math.isfinite(number) else refused(digits)

    return _not_deep(lambda: json.loads(content, parse_constant=refused, parse_float=finite))


def parse_toml(text: str) -> dict[str, Any]:
    """Return the values of a TOML text; raise `ValueError` if it is not TOML, or the nesting is too deep."""
    values: dict[str, Any] = _not_deep(lambda: tomllib.loads(text))
    return values


def _not_deep(read: Callable[[], Any]) -> Any:
    """Return what is read, unless it is nested so deeply that what looks at it would run out of stack."""
    try:
        value = read()
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    level = [value]
    for _ in range(DEEPEST):
        level = [
            part
            for one in level
            if isinstance(one, dict | list)
            for part in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return value
    raise ValueError(f"it is nested more than {DEEPEST} levels deep")
