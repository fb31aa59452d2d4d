"""Arrays on disk: many arrays of one shape, in files that are mapped into memory and read where they are needed.

A folder holds shards and a manifest. A shard is a NumPy file (``.npy``) of many arrays in a row, named by the hash of
its content. The manifest is JSON: the shape of an array, the digest of the settings that made them, and the name and
the number of arrays of each shard, in order.
"""

import json
import shutil
import weakref
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fusionser.cache import Cache, CacheChoice
from fusionser.errors import FusionserError
from fusionser.files import parse_json, write_text
from fusionser.folders import new_folder

__all__ = ["MANIFEST", "SHARD_BYTES", "ArrayList", "ShardWriter", "is_mapped", "open_shards"]

Array = npt.NDArray[np.float32]
Positions = Sequence[int] | npt.NDArray[np.integer[Any]]

FORMAT = 1
MANIFEST = "manifest.json"
PREFIX = "inputs"

SHARD_BYTES = 2**30
"""Size at which a shard ends. Each takes a file handle, of which a process may have a thousand."""


class _Folder:
    """A temporary folder that is removed when nothing refers to it any more, and at the latest with the process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        weakref.finalize(self, shutil.rmtree, path, ignore_errors=True)

    def is_needed_by(self, mapped: Any) -> None:
        """Keep the folder until an array that is mapped from it is gone."""
        weakref.finalize(mapped, _Folder._let_go, self)

    def _let_go(self) -> None:
        """Do nothing: that this was called ends the last reference of an array to the folder."""


class ShardWriter:
    """Writes arrays of one shape to a new temporary folder, which is removed when no array of it is used any more.

    Parameters
    ----------
    cache : Cache or bool, default=True
        The folder is made inside the cache's; without a cache, among the temporary files of the system.
    settings : str, default=""
        Digest of the settings that made the arrays.

    Attributes
    ----------
    folder : Path

    Examples
    --------
    >>> writer = ShardWriter(cache=False, settings="1f0c")
    >>> writer.add(np.ones((2, 3), dtype=np.float32))
    >>> first, second = writer.close()
    >>> second.tolist(), sorted(path.suffix for path in writer.folder.iterdir())
    ([1.0, 1.0, 1.0], ['.json', '.npy'])
    """

    def __init__(self, cache: CacheChoice = True, settings: str = "") -> None:
        found = Cache.of(cache)
        self._folder = _Folder(new_folder(PREFIX, None if found is None else Path(found.folder)))
        self.folder, self.settings = self._folder.path, settings
        self._shards: list[dict[str, Any]] = []
        self._shape: tuple[int, ...] = ()
        self._open: _Shard | None = None

    def add(self, arrays: Array) -> None:
        """Write arrays after those before.

        Parameters
        ----------
        arrays : ndarray of shape (n_arrays, ...), float32

        Raises
        ------
        FusionserError
            If they cannot be written.
        """
        with self._told():
            self._shape = arrays.shape[1:]
            if self._open is None:
                self._open = _Shard(self.folder / "unfinished.npy", self._shape)
            self._open.add(arrays)
            if self._open.size >= SHARD_BYTES:
                self._end_shard()

    def close(self) -> list[Array]:
        """Write what is left and the manifest; return all arrays as they are on disk, in order.

        Raises
        ------
        FusionserError
            If something cannot be written.
        """
        with self._told():
            self._end_shard()
            described = {"format": FORMAT, "settings": self.settings, "shape": self._shape, "shards": self._shards}
            write_text(self.folder / MANIFEST, json.dumps(described, indent=2) + "\n")
            arrays: list[Array] = []
            for shard in self._shards:
                mapped = _mapped(self.folder / shard["file"])
                self._folder.is_needed_by(mapped)
                arrays += list(np.asarray(mapped))
            return arrays

    def _end_shard(self) -> None:
        if self._open is not None:
            self._shards.append(self._open.end())
            self._open = None

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FusionserError(
                f"the inputs of networks cannot be written to {self.folder}: {error.strerror or error}; free some "
                "space, or choose another place (the environment variable FUSIONSER_CACHE)"
            ) from error


class _Shard:
    """A file that is written array by array. It gets its name, the hash of its content, when it is whole."""

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self.path, self.shape = path, shape
        self.count = self.size = 0
        self._hash = blake2b(digest_size=16)
        self._file = path.open("wb")
        self._write_header()

    def _write_header(self) -> None:
        # NumPy leaves room in it for any number of arrays.
        described = {"descr": "<f4", "fortran_order": False, "shape": (self.count, *self.shape)}
        np.lib.format.write_array_header_1_0(self._file, described)

    def add(self, arrays: Array) -> None:
        """Write arrays at the end."""
        content = np.ascontiguousarray(arrays, dtype="<f4").data.cast("B")
        self._hash.update(content)
        self._file.write(content)
        self.count, self.size = self.count + len(arrays), self.size + len(content)

    def end(self) -> dict[str, Any]:
        """Give the file its name; return its entry in the manifest."""
        with self._file:
            self._file.seek(0)
            self._write_header()
        name = f"{self._hash.hexdigest()}.npy"
        self.path.replace(self.path.with_name(name))
        return {"file": name, "count": self.count}


def _mapped(path: Path) -> Any:
    return np.load(path, mmap_mode="r", allow_pickle=False)


def open_shards(folder: Path, settings: str = "") -> list[Array]:
    """Return the arrays of a folder that `ShardWriter` wrote, which must not be removed meanwhile.

    Parameters
    ----------
    folder : Path
    settings : str, default=""
        The digest that was given to the writer.

    Raises
    ------
    FusionserError
        If the manifest or a shard is missing or damaged, or made with other settings.
    """
    arrays: list[Array] = []
    try:
        described = parse_json((folder / MANIFEST).read_bytes())
        if (described["format"], described["settings"]) != (FORMAT, settings):
            raise ValueError("it was made with other settings")
        for shard in described["shards"]:
            mapped = np.asarray(_mapped(folder / Path(shard["file"]).name))
            if mapped.shape != (shard["count"], *described["shape"]) or mapped.dtype != np.float32:
                raise ValueError(f"{shard['file']} is {mapped.dtype} of shape {mapped.shape}")
            arrays += list(mapped)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FusionserError(f"the inputs in {folder} cannot be read ({error}); run the command again") from error
    return arrays


def _mapping_of(array: Array) -> "np.memmap[Any, Any] | None":
    """Return the mapped shard that an array is part of, if it is on disk."""
    base: Any = array
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    return base if isinstance(base, np.memmap) else None


def is_mapped(array: Array) -> bool:
    """Return whether an array is on disk."""
    return _mapping_of(array) is not None


class ArrayList(Sequence[Array]):
    """Arrays of one shape, on disk or in memory, that are stacked where they are read.

    Parameters
    ----------
    arrays : sequence of ndarray

    Examples
    --------
    >>> stack = ArrayList([np.zeros(2, dtype=np.float32), np.ones(2, dtype=np.float32)])
    >>> stack.shape, stack.stacked([1, 1]).tolist()
    ((2, 2), [[1.0, 1.0], [1.0, 1.0]])
    """

    def __init__(self, arrays: Sequence[Array]) -> None:
        self.arrays = list(arrays)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that all arrays would have in one."""
        return (len(self.arrays), *self.arrays[0].shape)

    @property
    def dtype(self) -> Any:
        """The type of their values."""
        return self.arrays[0].dtype

    def __len__(self) -> int:
        return len(self.arrays)

    def __getitem__(self, place: Any) -> Any:
        return self.arrays[place]

    def stacked(self, chosen: Positions | slice) -> Array:
        """Return some of the arrays in one, in memory."""
        arrays = self.arrays[chosen] if isinstance(chosen, slice) else [self.arrays[place] for place in chosen]
        mappings = [_mapping_of(array) if array.flags.c_contiguous else None for array in arrays]
        if not any(mapping is not None for mapping in mappings):
            return np.stack(arrays)
        stacked = np.empty((len(arrays), *self.shape[1:]), dtype=np.float32)
        # Pages that are read through a mapping would count as memory of the process, so the files themselves are read.
        with ExitStack() as files, _told_of_changes():
            opened = cache(lambda name: files.enter_context(Path(name).open("rb", buffering=0)))
            for place, (array, mapping) in enumerate(zip(arrays, mappings, strict=True)):
                if mapping is None:
                    stacked[place] = array
                else:
                    _read(opened(str(mapping.filename)), mapping, array, stacked[place])
        return stacked

    def parts(self, size: int) -> Iterator[Array]:
        """Yield all arrays, `size` of them stacked in each part."""
        for first in range(0, len(self), size):
            yield self.stacked(slice(first, first + size))


@contextmanager
def _told_of_changes() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FusionserError(
            f"the inputs of networks, in {error.filename or 'a temporary folder'}, cannot be read any more "
            f"({error.strerror or error}); run the command again"
        ) from error


def _read(file: Any, mapping: "np.memmap[Any, Any]", array: Array, into: Array) -> None:
    """Read an array from the file that it is mapped from."""
    begin = array.__array_interface__["data"][0] - mapping.__array_interface__["data"][0]
    file.seek(mapping.offset + begin)
    if file.readinto(into) != into.nbytes:
        raise FusionserError(f"the inputs in {Path(file.name).parent} were changed; run the command again")
