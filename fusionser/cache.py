"""The cache on disk: computed features, so that no clip is analysed twice, answers, and trained networks.

Features are in one SQLite file, which several processes can safely share. The key of an entry combines the hash of the
recording's bytes, the clip's part of it, the augmentation, and the digest of the computation. So a changed parameter
recomputes only its own block. When the file exceeds `max_bytes`, the least recently used entries are deleted.
"""

import hashlib
import sqlite3
import time
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fusionser.checksums import with_checksum, without_checksum
from fusionser.errors import AudioError, FusionserError, SettingsError
from fusionser.folders import cache_folder
from fusionser.storage import address_of, content_mark

__all__ = ["Cache", "CacheChoice", "FeatureCache"]

DEFAULT_MAX_BYTES = 4 * 1024**3
CHUNK = 500
TEXT = "text"
"""Takes the place of the shape where an entry is no array."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    key TEXT PRIMARY KEY, shape TEXT NOT NULL, value BLOB NOT NULL, used REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, modified INTEGER NOT NULL, digest TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entries_used ON entries (used);
"""
BYTES_IN_USE = """
SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size"""
DELETE_OLDEST = "DELETE FROM entries WHERE key IN (SELECT key FROM entries ORDER BY used LIMIT ?)"

Array = npt.NDArray[np.float32]


def _objects(connection: sqlite3.Connection) -> set[tuple[str, str, str]]:
    """Return kind, name and definition of all that a database consists of."""
    found = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
    return {(kind, name, " ".join(str(sql).split())) for kind, name, sql in found}


@cache
def _own_objects() -> frozenset[tuple[str, str, str]]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(SCHEMA)
        return frozenset(_objects(connection))


class FeatureCache:
    """Arrays of float32 by key, in one SQLite file.

    Parameters
    ----------
    path : str or Path
        The file. It is created if missing.
    max_bytes : int, default=4 GiB
        Maximum size of the file.

    Raises
    ------
    FusionserError
        If the file cannot be created or is not a cache.
    """

    def __init__(self, path: str | Path, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self.path = Path(path)
        self.max_bytes = max_bytes
        self._states: dict[str, tuple[int, int]] = {}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._connect()) as connection, connection:
                connection.executescript(SCHEMA)
                foreign = _objects(connection) != _own_objects()
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(str(error)) from error
        if foreign:
            # A trigger in it would be run by each of our commands.
            raise self._unusable("it has other tables, triggers or views than a cache")

    def _unusable(self, reason: str) -> FusionserError:
        return FusionserError(
            f"the feature cache {self.path} cannot be used ({reason}); delete it, set FUSIONSER_CACHE to "
            "another folder, or set FUSIONSER_CACHE=off"
        )

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=60.0)
        # A damaged text is found where it is used.
        connection.text_factory = lambda text: text.decode(errors="replace")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    def file_digests(self, files: Iterable[str]) -> dict[str, str]:
        """Hash the bytes of each file, or look the hash up by path, size and time of the last change.

        An object elsewhere has its address, its size, and the mark that its place gives to its content.

        Files that cannot be read are left out. Reading them as audio will give the reason.
        """
        digests: dict[str, str] = {}
        fresh: list[tuple[str, int, int, str]] = []
        with closing(self._connect()) as connection, connection:
            for file in dict.fromkeys(files):
                address = address_of(file)
                if address is not None:
                    digests |= {} if (mark := content_mark(address)) is None else {file: mark}
                    continue
                try:
                    path = str(Path(file).resolve())
                    state = _state(path)
                    recalled = connection.execute(
                        "SELECT digest FROM files WHERE path = ? AND size = ? AND modified = ?", (path, *state)
                    ).fetchone()
                    digests[file] = recalled[0] if recalled else _hash_file(path)
                except (OSError, RuntimeError, ValueError, AudioError):
                    continue
                self._states[file] = state
                if not recalled:
                    fresh.append((path, *state, digests[file]))
            connection.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", fresh)
        return digests

    def unchanged(self, file: str) -> bool:
        """Return whether a file is still as it was when `file_digests` hashed it. What is elsewhere counts as such."""
        try:
            return address_of(file) is not None or self._states.get(file) == _state(str(Path(file).resolve()))
        except (OSError, RuntimeError, ValueError):
            return False

    def get(self, keys: Iterable[str]) -> dict[str, Array]:
        """Return the arrays of the keys that are in the cache. A damaged entry is not in it."""
        arrays: dict[str, Array] = {}
        for key, (shape, content) in self._kept(keys).items():
            with suppress(ValueError):
                sizes = [int(size) for size in shape.split(",") if size]
                arrays[key] = np.frombuffer(content, dtype="<f4").reshape(sizes).astype(np.float32)
        return arrays

    def put(self, arrays: Mapping[str, Array]) -> None:
        """Store the arrays. Without room, the least recently used entries are deleted."""
        self._keep(
            {
                key: (",".join(map(str, array.shape)), np.ascontiguousarray(array, dtype="<f4").tobytes())
                for key, array in arrays.items()
            }
        )

    def get_texts(self, keys: Iterable[str]) -> dict[str, str]:
        """Return the texts of the keys that are in the cache, as `get` does for arrays."""
        texts: dict[str, str] = {}
        for key, (shape, content) in self._kept(keys).items():
            with suppress(UnicodeDecodeError):
                texts |= {key: content.decode()} if shape == TEXT else {}
        return texts

    def put_texts(self, texts: Mapping[str, str]) -> None:
        """Store texts, as `put` does arrays."""
        self._keep({key: (TEXT, text.encode()) for key, text in texts.items()})

    def _kept(self, keys: Iterable[str]) -> dict[str, tuple[str, bytes]]:
        """Return the shape and the bytes of the undamaged entries that have one of the keys."""
        wanted = list(dict.fromkeys(keys))
        kept: dict[str, tuple[str, bytes]] = {}
        with closing(self._connect()) as connection, connection:
            for first in range(0, len(wanted), CHUNK):
                chunk = wanted[first : first + CHUNK]
                marks = ",".join("?" * len(chunk))
                query = f"SELECT key, shape, value FROM entries WHERE key IN ({marks})"  # noqa: S608
                for key, shape, value in connection.execute(query, chunk):
                    with suppress(ValueError, TypeError, AttributeError):
                        kept[key] = str(shape), without_checksum(value, f"{key}|{shape}")
                now = time.time()
                # Updating at most hourly avoids a write for every read.
                touch = f"UPDATE entries SET used = ? WHERE used < ? AND key IN ({marks})"  # noqa: S608
                connection.execute(touch, [now, now - 3600.0, *chunk])
        return kept

    def _keep(self, entries: Mapping[str, tuple[str, bytes]]) -> None:
        now = time.time()
        rows = [
            (key, shape, with_checksum(content, f"{key}|{shape}"), now) for key, (shape, content) in entries.items()
        ]
        with closing(self._connect()) as connection:
            with connection:
                connection.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?)", rows)
            while connection.execute(BYTES_IN_USE).fetchone()[0] > self.max_bytes:
                with connection:
                    if connection.execute(DELETE_OLDEST, (CHUNK,)).rowcount == 0:
                        return


def _state(path: str) -> tuple[int, int]:
    """Return the size of a file, and a number for when it was changed.

    The modification time alone can be set back, as by tools that copy it.
    """
    status = Path(path).stat()
    return status.st_size, (31 * status.st_mtime_ns + status.st_ctime_ns) % 2**63


def _hash_file(path: str) -> str:
    if not Path(path).is_file():
        raise AudioError(f"{path}: not a regular file")
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


@dataclass(frozen=True)
class Cache:
    """A folder for computed features and trained networks.

    Parameters
    ----------
    folder : str or Path
        It is created when something is first stored.

    Examples
    --------
    >>> Cache("there").networks.as_posix()
    'there/networks'
    """

    folder: str | Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder))

    @classmethod
    def default(cls) -> "Cache | None":
        """Return the cache in ``FUSIONSER_CACHE`` (None if that is ``off``), or else in the user's cache folder."""
        folder = cache_folder()
        return None if folder is None else cls(folder)

    @classmethod
    def of(cls, choice: "CacheChoice") -> "Cache | None":
        """Return the cache for an estimator's parameter: True means the default, False and None mean no cache.

        Raises
        ------
        SettingsError
            If it is none of these, nor a Cache.
        """
        if isinstance(choice, Cache):
            return choice
        if choice is None or isinstance(choice, bool):
            return cls.default() if choice else None
        raise SettingsError(f"cache is {choice!r}; expected True, False, None, or a Cache, as Cache({str(choice)!r})")

    @property
    def networks(self) -> Path:
        """The folder of trained networks."""
        return Path(self.folder) / "networks"

    def features(self) -> FeatureCache:
        """Open the cache of features."""
        return FeatureCache(Path(self.folder) / "features.sqlite")


CacheChoice = Cache | bool | None
"""Values of an estimator's parameter ``cache``, which `Cache.of` resolves."""
