"""What is kept on disk: computed features, so that no clip is analysed twice, and trained networks.

Features are in one SQLite file, shared safely by any number of processes. An entry's key is made of the hash of the
recording's bytes, the part of it that is the clip, the augmentation, and the digest of the computation; a
change of one block's parameters recomputes that block alone. The file keeps to `max_bytes` by forgetting
what was used longest ago.
"""

import hashlib
import os
import sqlite3
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import platformdirs

from fusionser.errors import AudioError, FusionserError, SettingsError

__all__ = ["Cache", "CacheChoice", "FeatureCache"]

DEFAULT_MAX_BYTES = 4 * 1024**3
CHUNK = 500
SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    key TEXT PRIMARY KEY, shape TEXT NOT NULL, value BLOB NOT NULL, used REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, modified INTEGER NOT NULL, digest TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entries_used ON entries (used);
"""

Array = npt.NDArray[np.float32]


class FeatureCache:
    """Arrays of float32 by key, in one SQLite file.

    Parameters
    ----------
    path : str or Path
        The file; made when missing.
    max_bytes : int, default=4 GiB
        Size that the file is kept to.

    Raises
    ------
    FusionserError
        When the file cannot be made or is not a cache.
    """

    def __init__(self, path: str | Path, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self.path = Path(path)
        self.max_bytes = max_bytes
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._connect()) as connection, connection:
                connection.executescript(SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise FusionserError(
                f"the feature cache {self.path} cannot be used ({error}); delete it, set FUSIONSER_CACHE to "
                "another folder, or set FUSIONSER_CACHE=off"
            ) from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=60.0)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    def file_digests(self, files: Iterable[str]) -> dict[str, str]:
        """Hash the bytes of each file, or recall the hash by path, size and time of change.

        Files that cannot be read are left out: reading them as audio says why.
        """
        digests: dict[str, str] = {}
        fresh: list[tuple[str, int, int, str]] = []
        with closing(self._connect()) as connection, connection:
            for file in dict.fromkeys(files):
                try:
                    path = str(Path(file).resolve())
                    status = Path(path).stat()
                    recalled = connection.execute(
                        "SELECT digest FROM files WHERE path = ? AND size = ? AND modified = ?",
                        (path, status.st_size, status.st_mtime_ns),
                    ).fetchone()
                    if recalled:
                        digests[file] = recalled[0]
                        continue
                    digests[file] = _hash_file(path)
                except (OSError, RuntimeError, ValueError, AudioError):
                    continue
                fresh.append((path, status.st_size, status.st_mtime_ns, digests[file]))
            connection.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", fresh)
        return digests

    def get(self, keys: Iterable[str]) -> dict[str, Array]:
        """Return the arrays of those keys that are known."""
        wanted = list(dict.fromkeys(keys))
        arrays: dict[str, Array] = {}
        with closing(self._connect()) as connection, connection:
            for first in range(0, len(wanted), CHUNK):
                chunk = wanted[first : first + CHUNK]
                marks = ",".join("?" * len(chunk))
                query = f"SELECT key, shape, value FROM entries WHERE key IN ({marks})"  # noqa: S608
                for key, shape, value in connection.execute(query, chunk):
                    arrays[key] = _unpack(shape, value)
                now = time.time()
                # An hour's grain keeps reading from becoming writing.
                touch = f"UPDATE entries SET used = ? WHERE used < ? AND key IN ({marks})"  # noqa: S608
                connection.execute(touch, [now, now - 3600.0, *chunk])
        return arrays

    def put(self, arrays: Mapping[str, Array]) -> None:
        """Keep the arrays; what was used longest ago goes when there is no room."""
        now = time.time()
        rows = [
            (key, ",".join(map(str, array.shape)), np.ascontiguousarray(array, dtype="<f4").tobytes(), now)
            for key, array in arrays.items()
        ]
        with closing(self._connect()) as connection:
            with connection:
                connection.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?)", rows)
            self._forget(connection)

    def _forget(self, connection: sqlite3.Connection) -> None:
        def bytes_in_use() -> int:
            pages, free, size = (
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_count", "freelist_count", "page_size")
            )
            return int((pages - free) * size)

        while bytes_in_use() > self.max_bytes:
            with connection:
                dropped = connection.execute(
                    "DELETE FROM entries WHERE key IN (SELECT key FROM entries ORDER BY used LIMIT ?)",
                    (CHUNK,),
                ).rowcount
            if dropped == 0:
                return


def _hash_file(path: str) -> str:
    digest = hashlib.blake2b(digest_size=16)
    if not Path(path).is_file():
        raise AudioError(f"{path}: not a regular file")
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _unpack(shape: str, value: bytes) -> Array:
    sizes = tuple(int(size) for size in shape.split(",") if size)
    return np.frombuffer(value, dtype="<f4").reshape(sizes).astype(np.float32)


@dataclass(frozen=True)
class Cache:
    """A folder where computed features and trained networks are kept.

    Parameters
    ----------
    folder : str or Path
        Made when something is first kept there.

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
        """Return the cache in the folder named by ``FUSIONSER_CACHE``, else in the user's; None where it is ``off``."""
        place = os.environ.get("FUSIONSER_CACHE", "")
        if place.lower() == "off":
            return None
        return cls(place or platformdirs.user_cache_dir("fusionser", appauthor=False))

    @classmethod
    def of(cls, choice: "CacheChoice") -> "Cache | None":
        """Return the cache that an estimator's parameter means: True is the default one, False and None are none.

        Raises
        ------
        SettingsError
            When it is none of these.
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
        """Open the features that are kept."""
        return FeatureCache(Path(self.folder) / "features.sqlite")


CacheChoice = Cache | bool | None
"""What the parameter ``cache`` of an estimator may be, see `Cache.of`."""
