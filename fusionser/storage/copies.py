"""Copies on this machine of recordings that are elsewhere, in a folder that does not grow beyond a limit."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

from fusionser.errors import AudioError, SettingsError
from fusionser.folders import cache_folder, temporary_folder
from fusionser.storage.addresses import address_of, redacted, suffix_of
from fusionser.storage.ranges import Parts, may_be_parted
from fusionser.storage.transfers import State, download, state_of

__all__ = ["HEADER", "LIMIT_VARIABLE", "at_hand", "fetched_ahead", "fetching_ahead", "local_copy"]

LIMIT_VARIABLE = "FUSIONSER_FETCHED_GIB"
DEFAULT_GIB = 10.0
GIB = 1 << 30
BLOCK = 512
"""Size of what the system counts as a block of a file, in bytes."""

T = TypeVar("T")
Span = tuple[float, float]
Wanted = tuple[str | Path, Span | None]

HEADER: Span = (0.0, 0.0)
"""The span of what tells the duration of a recording."""

REQUESTS = 8
"""Recordings that are fetched at the same time."""

AHEAD = 128
"""Most recordings that are fetched before the first of them is done."""

SECONDS_KNOWN = 60.0
"""How long a copy is used without asking the place whether it has changed, and how long it is safe from removal."""


class _Copies:
    """The folder of copies, shared by all processes of this machine."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self.limit = limit
        self._known: dict[str, tuple[Path, State, float]] = {}
        self._parts: dict[Path, Parts] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()
        self._written = limit  # so that the first copy looks at what earlier processes left

    def path(self, address: str, span: Span | None = None) -> Path:
        """Return the copy of an object, fetched if it is not there or is not the present object.

        With a span, from a start to an end in seconds, it may have no more than that.
        """
        with self._guard:
            lock = self._locks.setdefault(address, threading.Lock())
        with lock:
            path, state, checked = self._known.get(address, (None, None, 0.0))
            if path is None or state is None or time.monotonic() - checked >= SECONDS_KNOWN:
                state = state_of(address)
                path = self.folder / _name(address, state)
                self._known[address] = (path, state, time.monotonic())
                with suppress(OSError):
                    os.utime(path)
            if not path.exists():
                if span is not None and (parts := self._with_part(address, state, path, span)) is not None:
                    return parts
                download(address, path, state)
                self._make_room(path.stat().st_size)
        with self._guard:
            self._locks.pop(address, None)
        return path

    def _with_part(self, address: str, state: State, path: Path, span: Span) -> Path | None:
        """Return a file with a part of an object; None if the whole object is better fetched."""
        if not may_be_parted(address, state):
            return None
        # One file for each process: what another one makes anew has other holes. A forked process is another one.
        own = path.with_name(f"{path.stem}.parts-{os.getpid()}{path.suffix}")
        parts = self._parts.setdefault(own, Parts(address, state, own))
        if not parts.fetch([span]):
            return None
        self._make_room(_taken(parts.path.stat()) // 100)
        return parts.path

    def _make_room(self, written: int) -> None:
        """Remove the copies used longest ago while all of them together take more than the limit."""
        with self._guard:
            self._written += written
            if self._written < self.limit // 20:
                return
            self._written = 0
        copies = []
        for path in self.folder.rglob("*"):
            with suppress(OSError):
                status = path.stat()
                if path.is_file():
                    copies.append((status.st_mtime, _taken(status), path))
        total = sum(size for _, size, _ in copies)
        for used, size, path in sorted(copies):
            if total <= self.limit:
                return
            if time.time() - used > SECONDS_KNOWN:
                path.unlink(missing_ok=True)
                total -= size


def _taken(status: os.stat_result) -> int:
    """Return the bytes that a file takes on its disk: those of parts have holes, which take nothing."""
    blocks = getattr(status, "st_blocks", None)
    return int(status.st_size if blocks is None else blocks * BLOCK)


def _name(address: str, state: State) -> str:
    """Return the name of a copy: of the address and the mark of the object, with its suffix, in one of 256 folders."""
    digest = blake2b(f"{address}|{state.size}|{state.mark}".encode(), digest_size=16).hexdigest()
    suffix = suffix_of(address)
    return f"{digest[:2]}/{digest}{suffix if len(suffix) <= 8 else ''}"


def _limit() -> int:
    text = os.environ.get(LIMIT_VARIABLE, "")
    try:
        limit = float(text) if text else DEFAULT_GIB
    except ValueError:
        limit = -1.0
    if not 0 < limit < 1e6:
        raise SettingsError(f"{LIMIT_VARIABLE} is '{text}'; expected the GiB that copies may take, such as 10")
    return int(limit * GIB)


@cache
def _copies() -> _Copies:
    folder = cache_folder()
    return _Copies((temporary_folder() if folder is None else folder) / "fetched", _limit())


def local_copy(address: str, span: Span | None = None) -> Path:
    """Return a copy of an object on this machine.

    Parameters
    ----------
    address : str
    span : (float, float), optional
        Start and end in seconds of what is needed of a recording. Of a long WAV file, only that part is fetched.

    Returns
    -------
    Path
        In the folder ``fetched`` of the cache, whose files used longest ago are removed when it has more than
        ``FUSIONSER_FETCHED_GIB`` (10). A copy is not used when the object has changed.

    Raises
    ------
    AudioError
        If there is no such object, or it may not be read.
    StorageError
        If the place cannot be reached, or gives a part of the object each time.
    """
    try:
        return _copies().path(address, span)
    except FileNotFoundError as error:
        raise AudioError(f"{redacted(address)}: there is no such object; check the address") from error
    except (IsADirectoryError, NotADirectoryError) as error:
        raise AudioError(f"{redacted(address)}: not an object, but a folder; expected a recording") from error
    except PermissionError as error:
        raise AudioError(f"{redacted(address)}: these credentials may not read it") from error


@contextmanager
def at_hand(file: str | Path, span: Span | None = None) -> Iterator[str | Path]:
    """Yield the path of a recording on this machine: its own, or that of a copy, which errors call by its address.

    Parameters
    ----------
    file : str or Path
        A path or an address.
    span : (float, float), optional
        As in `local_copy`.
    """
    address = address_of(file)
    if address is None:
        yield file
        return
    copy = local_copy(address, span)
    try:
        yield copy
    except AudioError as error:
        raise AudioError(str(error).replace(str(copy), redacted(address))) from error


@contextmanager
def fetching_ahead(files: Iterable[Wanted]) -> Iterator[None]:
    """Fetch recordings that are elsewhere in threads, while the first ones are worked on.

    What cannot be fetched is found when it is used.

    Parameters
    ----------
    files : iterable of (str or Path, span)
        As for `at_hand`.
    """
    wanted = list(dict.fromkeys((address, span) for file, span in files if (address := address_of(file)) is not None))
    if len(wanted) < 2:
        yield
        return
    pool = ThreadPoolExecutor(min(REQUESTS, len(wanted)), thread_name_prefix="fetch")
    try:
        for address, span in wanted:
            pool.submit(local_copy, address, span)
        yield
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def fetched_ahead(items: Sequence[T], file_of: Callable[[T], Wanted]) -> Iterator[T]:
    """Yield items whose recordings are used one after the other, some of which are fetched ahead."""
    for first in range(0, len(items), AHEAD):
        some = items[first : first + AHEAD]
        with fetching_ahead(map(file_of, some)):
            yield from some
