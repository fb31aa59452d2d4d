"""Objects read from and written to the places that addresses stand for, again where a request fails."""

import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from fusionser.errors import AudioError, SettingsError, StorageError
from fusionser.storage.addresses import CALLS, address_of, filesystem, in_address, reaching, redacted

__all__ = [
    "State",
    "content_mark",
    "download",
    "is_remote_folder",
    "listed",
    "listed_state",
    "read_range",
    "reading",
    "remove",
    "state_of",
    "upload",
]

T = TypeVar("T")

FIRST_WAIT = 0.2
"""Seconds until a request that failed is made again; each further wait is four times as long."""

HASHES = ("md5Hash", "content_md5", "ETag")
"""What places call a hash of the content of an object; that of S3 is the third."""

TOKENS = ("etag", "generation", "mtime", "LastModified", "last_modified", "created")
"""What they call a mark that changes with an object, the surest first."""


NOT_WRITTEN = {
    "zip": "archives can only be read",
    "tar": "archives can only be read",
    "http": "servers can only be read",
    "https": "servers can only be read",
    "memory": "this memory ends with the command",
}

REMEDY = "; choose another place for --out, and run it again"
BLOCK = 1 << 20
MOST_UNKNOWN = 1 << 30
"""Most bytes of an object whose size is not stated."""

PROBE = ".fusionser-can-write"

_LISTED: dict[str, "State"] = {}
"""What was last said of objects, so that a list of a million is not followed by a million questions."""

_TOLD: set[str] = set()
"""Places of which it was said that they do not answer."""

LOG = logging.getLogger(__name__)


class State(NamedTuple):
    """What a place says of an object: its size in bytes, and a mark that changes with its content."""

    size: int
    mark: str
    hashed: bool = False
    """Whether objects with the same mark have the same content."""


def _again(address: str, request: Callable[[], T]) -> T:
    """Make a request, several times if the place does not answer, or answers with an error of its own."""
    wait = FIRST_WAIT
    for call in range(CALLS):
        try:
            with reaching(address):
                return request()
        except StorageError:
            if call == CALLS - 1:
                raise
            _tell(address)
            time.sleep(wait)
            wait *= 4
    raise AssertionError("the last call returns or raises")


def _tell(address: str) -> None:
    """Say once of each place that a request to it is made again, since that can take half a minute."""
    place = redacted(address).partition("://")[2].partition("/")[0]
    if place not in _TOLD:
        _TOLD.add(place)
        LOG.warning("note: a request to %s failed; it is repeated for a while", redacted(address))


def _state(information: dict[str, Any]) -> State:
    name = next((name for name in (*HASHES, *TOKENS) if information.get(name)), None)
    size = information.get("size")
    mark = "" if name is None else str(information[name])
    return State(-1 if size is None else int(size), mark, hashed=name in HASHES)


def state_of(address: str) -> State:
    """Return the size and mark of an object; the size is -1 where the place does not tell it.

    Raises
    ------
    FileNotFoundError
        If there is none.
    StorageError
        If the place cannot be reached.
    """
    system, path = filesystem(address)
    information = _again(address, lambda: system.info(path))
    if information["type"] == "directory":
        raise IsADirectoryError(address)
    return _state(information)


def listed_state(address: str) -> State | None:
    """Return what was said of an object when its folder was listed; None of one that was in no list."""
    return _LISTED.get(address)


def content_mark(address: str) -> str | None:
    """Return a hash of an address and of what its place says of its content, at the last listing if it was in one.

    None stands for an object that is not there, or whose place says nothing of its content.
    """
    try:
        state = _LISTED.get(address) or state_of(address)
    except (FileNotFoundError, PermissionError, IsADirectoryError):
        return None
    return blake2b(f"{address}|{state.size}|{state.mark}".encode(), digest_size=16).hexdigest() if state.mark else None


def is_remote_folder(address: str) -> bool:
    """Return whether something is below an address; raise `FileNotFoundError` if nothing is there at all."""
    system, path = filesystem(address)
    return bool(_again(address, lambda: system.info(path))["type"] == "directory")


def listed(address: str) -> dict[str, State]:
    """Return the objects below an address by their names, relative to it and sorted.

    Raises
    ------
    StorageError
        If the place cannot be reached.
    """
    system, path = filesystem(address)
    system.invalidate_cache()
    try:
        found = _again(address, lambda: system.find(path, detail=True))
    except FileNotFoundError:
        return {}
    start = path.rstrip("/")
    names = {name[len(start) :].lstrip("/") if start else name.lstrip("/"): one for name, one in found.items()}
    states = {name: _state(one) for name, one in sorted(names.items()) if name and one["type"] == "file"}
    _LISTED.update((in_address(address, name), state) for name, state in states.items())
    return states


def download(address: str, target: Path, expected: State) -> None:
    """Write an object to a file, which appears only when it is complete.

    Parameters
    ----------
    address : str
    target : Path
    expected : State
        What `state_of` said of the object. An object of another size is read again.

    Raises
    ------
    FileNotFoundError
        If there is no such object.
    StorageError
        If the place cannot be reached, or gives a part of the object each time.
    """
    system, path = filesystem(address)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".part-")
    os.close(handle)

    def fetch() -> None:
        if expected.size == -1 and state_of(address).size == -1:
            _stream(system, path, Path(name), address)
            return
        system.get_file(path, name)
        size = Path(name).stat().st_size
        if expected.size not in (-1, size):
            raise OSError(f"{size} of {expected.size} bytes arrived")

    try:
        _again(address, fetch)
        Path(name).replace(target)
    finally:
        Path(name).unlink(missing_ok=True)


def _stream(system: Any, path: str, target: Path, address: str) -> None:
    """Write an object of unknown size to a file, up to a limit: a server may never end."""
    written = 0
    with system.open(path, "rb", block_size=0, size=None) as opened, target.open("wb") as file:
        while block := opened.read(BLOCK):
            written += file.write(block)
            if written > MOST_UNKNOWN:
                raise AudioError(
                    f"{redacted(address)}: more than {MOST_UNKNOWN >> 20} MiB, and its server does not say how long it "
                    "is; download it first"
                )


def upload(source: Path, address: str) -> None:
    """Write a file to a place. Object stores show an object only when it is complete; of others, the size is compared.

    Raises
    ------
    StorageError
        If it cannot be written; the message says why.
    """
    system, path = filesystem(address)

    def put() -> None:
        with suppress(NotImplementedError, FileExistsError, PermissionError):
            # Stores without folders have nothing to make, and ask for a right that is not needed.
            if "s3" not in system.protocol and "gs" not in system.protocol:
                system.makedirs(path.rpartition("/")[0], exist_ok=True)
        system.put_file(str(source), path)
        system.invalidate_cache(path)
        size = system.info(path)["size"]
        if size not in (None, source.stat().st_size):
            raise OSError(f"{size} of {source.stat().st_size} bytes were written")

    try:
        _again(address, put)
    except (NotImplementedError, OSError, StorageError) as error:
        raise StorageError(_refused(address, error)) from error


def check_writable(address: str) -> None:
    """Write an empty object beside what an address stands for, and remove it: before the work whose results go there.

    Raises
    ------
    StorageError
        If nothing can be written there.
    """
    protocol = address.partition(":")[0]
    if protocol in NOT_WRITTEN:
        raise SettingsError(
            f"--out is {redacted(address)}; {NOT_WRITTEN[protocol]}; choose a folder, or another address"
        )
    first, chained, rest = address.rstrip("/").partition("::")
    beside = f"{first.rpartition('/')[0]}/{PROBE}{chained}{rest}"
    with tempfile.NamedTemporaryFile() as empty:
        try:
            upload(Path(empty.name), beside)
        except StorageError as error:
            raise StorageError(str(error).replace(redacted(beside), redacted(address))) from error
    remove(beside, [""])


def read_object(address: str) -> bytes:
    """Return the content of an object; raise `FileNotFoundError` if there is none."""
    system, path = filesystem(address)
    content: bytes = _again(address, lambda: system.cat_file(path))
    return content


def read_range(address: str, begin: int, end: int) -> bytes | None:
    """Return the bytes of an object from `begin` to `end`; None if its place gives others, no ranges, or nothing."""
    system, path = filesystem(address)
    try:
        content = bytes(_again(address, lambda: system.cat_file(path, start=begin, end=end)))
    except (NotImplementedError, ValueError, StorageError):
        # What the place does not give as a part, it may give as a whole; if not, that is told then.
        return None
    return content if len(content) == end - begin else None


def write_object(address: str, content: bytes) -> None:
    """Write an object; raise `StorageError` if that is not possible."""
    system, path = filesystem(address)
    try:
        _again(address, lambda: system.pipe_file(path, content))
    except (NotImplementedError, OSError, StorageError) as error:
        raise StorageError(_refused(address, error)) from error


def _refused(address: str, error: Exception) -> str:
    """Return why nothing can be written to a place."""
    why = {
        FileNotFoundError: "there is no such bucket or container",
        PermissionError: "these credentials may not write there, or it is full",
        NotImplementedError: "this kind of address can only be read",
    }
    known = next((text for kind, text in why.items() if isinstance(error, kind)), "")
    said = redacted(" ".join(str(error).split())[:300]).removeprefix(f"{redacted(address)}: ")
    return f"cannot write {redacted(address)}: {known or said}{'' if isinstance(error, StorageError) else REMEDY}"


def remove(address: str, names: list[str]) -> None:
    """Remove objects below an address, where they are.

    Raises
    ------
    StorageError
        If the place cannot be reached.
    """
    for name in names:
        one = in_address(address, name) if name else address
        system, path = filesystem(one)
        with suppress(FileNotFoundError):
            _again(one, lambda system=system, path=path: system.rm_file(path))  # type: ignore[misc]


@contextmanager
def reading(place: str) -> Iterator[tuple[str, Any]]:
    """Yield a path and the file system of pyarrow to read it by ranges, for a path or an address.

    Raises
    ------
    StorageError
        If the place cannot be reached.
    """
    import pyarrow.fs

    address = address_of(place)
    if address is None:
        yield place, None
        return
    system, path = filesystem(address)
    with reaching(address):
        yield path, pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(system))
