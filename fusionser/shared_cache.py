"""A second level of the cache, in a folder or at an address that several machines share."""

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from fusionser.checksums import with_checksum, without_checksum
from fusionser.errors import FusionserError, SettingsError
from fusionser.files import public_path, write_bytes
from fusionser.storage import address_of, in_address, read_object, write_object

__all__ = ["SHARED_VARIABLE", "SharedCache"]

SHARED_VARIABLE = "FUSIONSER_SHARED_CACHE"

PROBE = "can-write"

REQUESTS = 16
"""Objects that are read or written at the same time."""


class SharedCache:
    """Contents by their names, each of which is a hash of all that decides the content.

    So it does not matter which of many machines writes one, or whether several do. Each appears only when it is
    complete, and is checked when it is read. Nothing is ever removed: let the place do that, by the age of objects.

    Parameters
    ----------
    place : str
        A folder, or an address such as ``s3://bucket/cache``.

    Examples
    --------
    >>> SharedCache("/no/such/folder").get(["a"])
    {}
    """

    def __init__(self, place: str) -> None:
        self.place = place

    @classmethod
    def default(cls) -> "SharedCache | None":
        """Return the cache in ``FUSIONSER_SHARED_CACHE``; None if the variable is not set."""
        place = os.environ.get(SHARED_VARIABLE, "")
        return _opened(place) if place else None

    def _of(self, name: str) -> str:
        inside = f"{name[:2]}/{name}"
        return in_address(self.place, inside) if address_of(self.place) else str(Path(self.place) / inside)

    def get(self, names: Iterable[str]) -> dict[str, bytes]:
        """Return the contents that are there and not damaged, by their names.

        Raises
        ------
        StorageError
            If the place cannot be reached.
        """
        wanted = list(dict.fromkeys(names))
        if not wanted:
            return {}
        with ThreadPoolExecutor(min(REQUESTS, len(wanted))) as pool:
            found = zip(wanted, pool.map(self._read, wanted), strict=True)
            return {name: content for name, content in found if content is not None}

    def put(self, contents: Mapping[str, bytes]) -> None:
        """Write contents under their names.

        Raises
        ------
        FusionserError
            If the place cannot be written.
        """
        if contents:
            with ThreadPoolExecutor(min(REQUESTS, len(contents))) as pool:
                list(pool.map(self._write, contents.items()))

    def _read(self, name: str) -> bytes | None:
        place = self._of(name)
        try:
            content = read_object(place) if address_of(place) else Path(place).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        with suppress(ValueError):
            return without_checksum(content, name)
        return None

    def _write(self, item: tuple[str, bytes]) -> None:
        name, content = item
        place, checked = self._of(name), with_checksum(content, name)
        if address_of(place):
            write_object(place, checked)
        else:
            write_bytes(place, checked)


@lru_cache(maxsize=4)
def _opened(place: str) -> SharedCache:
    """Return the cache at a place to which something can be written."""
    opened = SharedCache(place)
    try:
        opened.put({PROBE: b""})
    except FusionserError as error:
        raise SettingsError(
            f"{SHARED_VARIABLE} is {public_path(place)}, which cannot be used: {error}. Name another place, or none"
        ) from error
    return opened
