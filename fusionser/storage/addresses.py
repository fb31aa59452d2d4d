"""Addresses of places that are not folders of this machine, such as ``s3://bucket/calls``."""

import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

from fusionser.errors import AudioError, SettingsError, StorageError

__all__ = [
    "CALLS",
    "address_of",
    "filesystem",
    "folder_of",
    "in_address",
    "known_protocols",
    "reaching",
    "redacted",
    "suffix_of",
]

PROTOCOL = r"[a-z][a-z0-9+-]+"
START = re.compile(rf"{PROTOCOL}(?::/|::{PROTOCOL}:/)")
SLASHES = re.compile(rf"(^|::)({PROTOCOL}):/+")
LOCAL = ("file", "local")
"""Protocols of this machine's own files, whose paths begin with a slash."""

PACKAGES = {
    "s3": ("s3fs", "s3"), "s3a": ("s3fs", "s3"), "gs": ("gcsfs", "gs"), "gcs": ("gcsfs", "gs"), "az": ("adlfs", "az"),
    "abfs": ("adlfs", "az"), "abfss": ("adlfs", "az"), "http": ("aiohttp", "http"), "https": ("aiohttp", "http"),
}  # fmt: skip
"""What a protocol needs: the package, and the extra of fusionser with it."""

ALWAYS = ("file", "memory", "tar", "zip")

SECONDS_TO_CONNECT, SECONDS_OF_SILENCE = 20.0, 60.0

GONE, REFUSED = (404, 410), (401, 403)
"""What a server of HTTP answers of what is not there, and of what may not be read."""

CALLS = 4
"""How often a request is made before a place counts as out of reach."""


def address_of(place: str | Path) -> str | None:
    """Return the address that a text or path stands for; None for a path on this machine.

    A path has lost one of the two slashes of an address, and gets it back.

    Examples
    --------
    >>> address_of("s3://bucket/calls"), address_of(Path("s3://bucket/calls"))
    ('s3://bucket/calls', 's3://bucket/calls')
    >>> address_of("zip://a.wav::s3://bucket/a.zip"), address_of(Path("zip://a.wav::file:///home/a.zip"))
    ('zip://a.wav::s3://bucket/a.zip', 'zip://a.wav::file:///home/a.zip')
    >>> print(address_of("calls/a.wav"), address_of("C:/calls/a.wav"))
    None None
    """
    text = str(place)
    if not START.match(text):
        return None
    return SLASHES.sub(lambda start: f"{start[1]}{start[2]}://{'/' if start[2] in LOCAL else ''}", text)


def known_protocols() -> list[str]:
    """Return the protocols that can be used as fusionser is installed.

    Examples
    --------
    >>> {"file", "memory", "tar", "zip"} <= set(known_protocols())
    True
    """
    installed = [name for name, (package, _) in PACKAGES.items() if find_spec(package) is not None]
    return sorted([*ALWAYS, *installed])


def redacted(address: str) -> str:
    """Return an address for messages and files: without user, password, and the values of a query.

    Examples
    --------
    >>> redacted("https://me:secret@host/a.wav?signature=abc&expires=1")
    'https://***@host/a.wav?signature=***&expires=***'
    """
    shown = re.sub(r"://[^/\s]*@", "://***@", address)
    return re.sub(r"([?&][^=&\s]+)=[^&\s]*", r"\1=***", shown)


def suffix_of(place: str | Path) -> str:
    """Return the suffix of a path, or of the object that an address stands for, in small letters.

    Examples
    --------
    >>> suffix_of("https://host/a.WAV?key=1"), suffix_of("zip://a.wav::s3://bucket/x.zip"), suffix_of("calls")
    ('.wav', '.wav', '')
    """
    name = str(place)
    if address_of(place) is not None:
        name = name.partition("::")[0].partition("?")[0]
    return PurePosixPath(name).suffix.lower()


def folder_of(address: str) -> str | None:
    """Return the address of the folder that something is in; None if it is in none.

    Examples
    --------
    >>> folder_of("s3://bucket/calls/rows.csv"), folder_of("zip://a/rows.csv::s3://bucket/x.zip"), folder_of("s3://bucket")
    ('s3://bucket/calls', 'zip://a::s3://bucket/x.zip', None)
    """
    first, chained, rest = address.partition("::")
    protocol, _, path = first.partition("?")[0].rstrip("/").partition("://")
    folder, slash, _ = path.rpartition("/")
    return f"{protocol}://{folder}{chained}{rest}" if slash else None


def in_address(address: str, name: str) -> str:
    """Return the address of what has a name, perhaps of several parts, below an address.

    Examples
    --------
    >>> in_address("s3://bucket/calls/", "a.wav"), in_address("zip://inner::s3://bucket/x.zip", "a.wav")
    ('s3://bucket/calls/a.wav', 'zip://inner/a.wav::s3://bucket/x.zip')
    """
    first, chained, rest = address.partition("::")
    joined = first + name if first.endswith("/") else f"{first}/{name}"
    return joined + chained + rest


@lru_cache(maxsize=64)
def filesystem(address: str) -> tuple[Any, str]:
    """Return the file system of fsspec that an address belongs to, and the path there.

    Raises
    ------
    SettingsError
        If the protocol is unknown, or its package is not installed.
    """
    protocols = re.findall(rf"(?:^|::)({PROTOCOL})(?=:)", address)
    for protocol in protocols:
        package, extra = PACKAGES.get(protocol, ("", ""))
        if package and find_spec(package) is None:
            raise SettingsError(
                f"{redacted(address)}: reading from {protocol}:// needs the package {package}; install it with "
                f"pip install 'fusionser[{extra}]'"
            )
    import fsspec.core

    try:
        with reaching(address):
            found: tuple[Any, str] = fsspec.core.url_to_fs(address, **_patience(protocols))
    except (ValueError, ImportError) as error:
        raise SettingsError(
            f"{redacted(address)}: this kind of address is unknown; expected a path, or one that begins with "
            f"{', '.join(f'{name}://' for name in known_protocols())}"
        ) from error
    return found


def _patience(protocols: list[str]) -> dict[str, Any]:
    """Return options of fsspec that end requests of which nothing arrives any more."""
    options: dict[str, Any] = {}
    for protocol in protocols:
        if protocol in ("http", "https"):
            import aiohttp

            timeout = aiohttp.ClientTimeout(total=None, sock_connect=SECONDS_TO_CONNECT, sock_read=SECONDS_OF_SILENCE)
            own = {"client_kwargs": {"timeout": timeout}}
            options |= own if len(protocols) == 1 else {protocol: own}
    return options


@contextmanager
def reaching(address: str) -> Iterator[None]:
    """Raise `StorageError`, without credentials, for what a place answers that is no answer of its own to a file.

    `FileNotFoundError`, `PermissionError` and `FileExistsError` pass through.
    """
    try:
        yield
    except FileNotFoundError as error:
        status = getattr(error.__cause__, "status", None)
        if not type(error.__cause__).__module__.startswith("aiohttp") or status in GONE:
            raise
        # fsspec says the same of every failure of a server.
        if status in REFUSED:
            raise PermissionError(str(error)) from error
        raise _unreachable(address, error.__cause__) from error
    except (PermissionError, FileExistsError, IsADirectoryError, NotADirectoryError):
        raise
    except (ValueError, ImportError, StorageError, SettingsError, MemoryError, AudioError):
        raise
    except (KeyError, EOFError, zipfile.BadZipFile, tarfile.TarError, zlib.error) as error:
        raise AudioError(f"{redacted(address)}: cannot be read from its archive ({error})") from error
    except Exception as error:
        raise _unreachable(address, error) from error


def _unreachable(address: str, error: BaseException | None) -> StorageError:
    said = redacted(" ".join(str(error).split())[:300]) or type(error).__name__
    return StorageError(
        f"{redacted(address)}: cannot be reached ({said}); check the address, the network and the credentials, then "
        "run the command again: what is done is kept"
    )
