"""The container of a saved model: a zip file of named members, read as untrusted input.

It contains no pickles. The manifest lists the name, size and hash of each member.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fusionser.errors import ModelFileError, SettingsError
from fusionser.files import exists, is_file, is_folder, parse_json, write_bytes

__all__ = [
    "EARLIEST",
    "FORMAT",
    "LEARNED_PART",
    "MODEL_SUFFIX",
    "check_sizes",
    "is_model_file",
    "read_archive",
    "write_archive",
]

FORMAT = 1
MODEL_SUFFIX = ".fusionser"
LEARNED_PART = "features/"
"""Beginning of the names of the members that are learned blocks, such as networks; the name of the block follows."""

MANIFEST = "manifest.json"
LARGEST_MODEL = 4 * 1024**3
LARGEST_RATIO = 100
MOST_MEMBERS = 100
EARLIEST = (1980, 1, 1, 0, 0, 0)
"""Date of all members, so that the same content gives the same bytes."""


def write_archive(path: str | Path, manifest: Mapping[str, Any], members: Mapping[str, bytes]) -> Path:
    """Write a model file atomically; the same content gives the same bytes.

    Raises
    ------
    SettingsError
        If the manifest has a number that is not finite, which JSON does not know.
    """
    listed = {
        name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()} for name, content in members.items()
    }
    described = {"format": FORMAT, **manifest, "members": listed}
    try:
        manifest_text = json.dumps(described, indent=1, allow_nan=False).encode()
    except ValueError as error:
        told = "the model's settings have a number that is not finite, so it cannot be saved"
        raise SettingsError(f"{path}: {told}") from error
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {MANIFEST: manifest_text, **members}.items():
            archive.writestr(zipfile.ZipInfo(name, EARLIEST), content, zipfile.ZIP_DEFLATED)
    return write_bytes(path, buffer.getvalue())


def is_model_file(path: str | Path) -> bool:
    """Return whether a path stands for a saved model: by its suffix, or because it is a zip file with a manifest.

    Examples
    --------
    >>> is_model_file("missing.fusionser"), is_model_file("missing.wav")
    (True, False)
    """
    if Path(path).suffix.lower() == MODEL_SUFFIX and not is_folder(path):
        return True
    if not is_file(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return MANIFEST in archive.namelist()
    except (OSError, ValueError, zipfile.BadZipFile):
        return False


def check_sizes(archive: zipfile.ZipFile, size: int, where: str | Path) -> None:
    """Raise `ModelFileError` if a zip file of `size` bytes would unpack to more than any model needs."""
    for info in archive.infolist():
        # The decoders of other methods unpack without a limit, whatever the header says.
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ModelFileError(f"{where}: the member '{info.filename}' is neither stored nor deflated")
        if info.file_size > LARGEST_MODEL or info.file_size > LARGEST_RATIO * max(info.compress_size, 1):
            raise ModelFileError(
                f"{where}: the member '{info.filename}' unpacks to {info.file_size} bytes; refused as hostile"
            )
    # Members that share their bytes are small, each by itself.
    if sum(info.compress_size for info in archive.infolist()) > size:
        raise ModelFileError(f"{where}: its members overlap; refused as hostile")
    if (total := sum(info.file_size for info in archive.infolist())) > LARGEST_MODEL:
        raise ModelFileError(f"{where}: its members unpack to {total} bytes; refused as hostile")


def _read_member(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    info = archive.getinfo(name)
    with archive.open(info) as member:
        # The size in the header may be false, so no more than that is read.
        return member.read(info.file_size + 1)[: info.file_size]


def _manifest(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
    if MANIFEST not in archive.namelist():
        raise ModelFileError(f"{path}: a zip file without '{MANIFEST}', so not a model saved by fusionser")
    try:
        manifest = parse_json(_read_member(archive, MANIFEST, path))
        version = manifest["format"]
        members = manifest["members"]
        names = set(members)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFileError(f"{path}: its manifest was not written by fusionser ({error!r})") from error
    if type(version) is not int or not 1 <= version <= FORMAT:
        raise ModelFileError(
            f"{path}: has format {version!r}, and this version reads up to {FORMAT}; install a newer fusionser"
        )
    if len(names) > MOST_MEMBERS:
        raise ModelFileError(
            f"{path}: has {len(names)} members; a model has at most {MOST_MEMBERS}; refused as hostile"
        )
    listed = isinstance(members, dict) and names | {MANIFEST} == set(archive.namelist())
    if not listed or len(archive.namelist()) != len(names) + 1:
        raise ModelFileError(f"{path}: its members are not those that its manifest lists; refused as hostile")
    return dict(manifest)


def read_archive(path: str | Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read a model file, and return its manifest and the content of each member by name.

    Raises
    ------
    ModelFileError
        If the file is missing, truncated, foreign, newer, changed since it was written, or hostile.
    """
    source = Path(path)
    if exists(source) and not is_file(source):
        raise ModelFileError(f"{path}: neither a file nor a link to one; expected a model that 'fusionser fit' wrote")
    try:
        with zipfile.ZipFile(source) as archive:
            check_sizes(archive, source.stat().st_size, source)
            manifest = _manifest(archive, source)
            members = {name: _read_member(archive, name, source) for name in manifest["members"]}
    except FileNotFoundError as error:
        raise ModelFileError(f"{path}: no such file; expected a model that 'fusionser fit --out' wrote") from error
    except (zipfile.BadZipFile, EOFError) as error:
        raise ModelFileError(f"{path}: truncated, or not a model saved by fusionser ({error})") from error
    except (OSError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ModelFileError(f"{path}: cannot be read ({error})") from error
    except Exception as error:
        # A damaged deflate stream raises zlib.error, which is a direct subclass of Exception.
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"{path}: damaged ({error})") from error
    for name, content in members.items():
        listed = manifest["members"][name]
        digest = hashlib.sha256(content).hexdigest()
        if not isinstance(listed, dict) or listed.get("sha256") != digest:
            raise ModelFileError(f"{path}: the member '{name}' was changed or damaged since it was written")
    return manifest, members
