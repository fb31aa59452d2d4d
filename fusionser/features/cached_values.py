"""Values of clips in the cache."""

import io
import sqlite3
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from hashlib import blake2b
from importlib import metadata

import numpy as np

from fusionser.augmentation.waveforms import made_by
from fusionser.cache import Cache, FeatureCache
from fusionser.checks import channel_number
from fusionser.features.clip import Computation
from fusionser.features.clip_batch import CPU, FINGERPRINT, Array, Computations, Row
from fusionser.rows import CHANNEL_COLUMN
from fusionser.shared_cache import SharedCache
from fusionser.waveform import holds_waveform

__all__ = ["CachedValues"]

FINGERPRINT_SHAPE = (16,)


@lru_cache(maxsize=1)
def _library_versions() -> str:
    """Return the versions of the libraries that decide the cached numbers."""
    return " ".join(f"{name}={metadata.version(name)}" for name in ("numpy", "scipy", "soundfile", "soxr"))


class CachedValues:
    """The cache during one run: the keys of the run's rows, and a notice once the cache has failed."""

    def __init__(self, cache: Cache | None, rows: Mapping[int, Row], computations: Computations, device: str) -> None:
        self.cache: FeatureCache | None = None
        self.shared = SharedCache.default()
        self.notice: str | None = None
        self.keys: dict[tuple[int, str], str] = {}
        self.rows = rows
        self.shapes: dict[str, tuple[int, ...]] = {}
        if cache is None:
            return
        # The last digits depend on the device.
        versions = _library_versions() + ("" if device == CPU else f" torch={metadata.version('torch')} on {device}")
        digests = {name: f"{item.digest()}|{versions}" for name, item in computations.items() if item.uses_audio}
        if not digests or not rows:
            return
        digests[FINGERPRINT] = f"{FINGERPRINT} by xxh3_128"
        self.shapes = {name: _shape(item) for name, item in computations.items()} | {FINGERPRINT: FINGERPRINT_SHAPE}
        self.cache = cache.features()
        with self._stopping_at_errors(self.cache):
            files = self.cache.file_digests(str(row["file"]) for row in rows.values() if not holds_waveform(row))
            for position, row in rows.items():
                if not holds_waveform(row) and row["file"] in files:
                    clip = _described(row, files[row["file"]])
                    for name, digest in digests.items():
                        self.keys[position, name] = blake2b(f"{clip}|{digest}".encode(), digest_size=16).hexdigest()

    @contextmanager
    def _stopping_at_errors(self, cache: FeatureCache) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            self.notice = f"the feature cache {cache.path} cannot be read or written ({error}); continued without it"

    def recall(self, at_once: int | None = None) -> Iterator[tuple[int, str, Array]]:
        """Yield the position of a clip, the name of a computation, and the cached value.

        Values of `at_once` clips are read together, or those of all clips when None.
        """
        keys = self._keys_of_clips()
        clips = list(keys)
        for first in range(0, len(clips), at_once or max(len(clips), 1)):
            part = clips[first : first + (at_once or len(clips))]
            recalled = self._recalled([keys[position] for position in part])
            for position in part:
                for name, key in keys[position].items():
                    value = recalled.get(key)
                    if value is not None and _fits(value.shape, self.shapes[name]):
                        yield position, name, value

    def _keys_of_clips(self) -> dict[int, dict[str, str]]:
        """Return the keys of each clip by the name of the computation."""
        clips: dict[int, dict[str, str]] = {}
        for (position, name), key in self.keys.items():
            clips.setdefault(position, {})[name] = key
        return clips

    def _recalled(self, clips: Sequence[Mapping[str, str]]) -> dict[str, Array]:
        """Return what the caches have of some clips, by key."""
        recalled: dict[str, Array] = {}
        if self.cache is not None and not self.notice:
            with self._stopping_at_errors(self.cache):
                recalled = self.cache.get([key for keys in clips for key in keys.values()])
                recalled |= self._shared_values(clips, recalled)
        return recalled

    def _shared_values(self, clips: Sequence[Mapping[str, str]], known: Mapping[str, Array]) -> dict[str, Array]:
        """Return what the shared cache has of clips that this machine does not know, and keep it here."""
        if self.shared is None or self.cache is None:
            return {}
        wanted = {_name_of(keys): keys for keys in clips if not known.keys() >= set(keys.values())}
        found: dict[str, Array] = {}
        for name, content in self.shared.get(wanted).items():
            found |= _unpacked(content, [*wanted[name].values()])
        if found:
            self.cache.put(found)
        return found

    def _share(self, kept: Mapping[str, Array], positions: set[int]) -> None:
        """Write the clips of which all values were computed to the shared cache."""
        if self.shared is not None:
            names = [*self.shapes]
            clips = [
                {name: self.keys[position, name] for name in names if (position, name) in self.keys}
                for position in sorted(positions)
            ]
            whole = [keys for keys in clips if keys and kept.keys() >= set(keys.values())]
            self.shared.put({_name_of(keys): _packed([kept[key] for key in keys.values()]) for keys in whole})

    def keep(self, computed: Mapping[tuple[int, str], Array]) -> None:
        """Write computed values to the cache, but for those of files that were changed since they were hashed."""
        if self.cache is not None and not self.notice:
            files = {str(self.rows[place[0]]["file"]) for place in computed if place in self.keys}
            same = {file for file in files if self.cache.unchanged(file)}
            kept = {
                self.keys[place]: value
                for place, value in computed.items()
                if place in self.keys and str(self.rows[place[0]]["file"]) in same
            }
            with self._stopping_at_errors(self.cache):
                self.cache.put(kept)
            self._share(kept, {position for position, _ in computed})


def _name_of(keys: Mapping[str, str]) -> str:
    """Return the name under which all values of a clip are in the shared cache."""
    return blake2b(" ".join(keys.values()).encode(), digest_size=16).hexdigest()


def _packed(arrays: Sequence[Array]) -> bytes:
    """Return arrays as the bytes of a NumPy archive."""
    buffer = io.BytesIO()
    np.savez(buffer, *arrays)
    return buffer.getvalue()


def _unpacked(content: bytes, keys: Sequence[str]) -> dict[str, Array]:
    """Return the arrays of an archive by their keys; none if it is not what `_packed` gave."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = [archive[f"arr_{place}"].astype(np.float32) for place in range(len(archive.files))]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return {}
    return dict(zip(keys, arrays, strict=True)) if len(arrays) == len(keys) else {}


def _shape(computation: Computation) -> tuple[int, ...]:
    """Return the shape of what a computation gives for a clip: that of a front end, or one number per column."""
    shape = getattr(computation, "array_shape", None)
    return tuple(shape()) if shape is not None else (len(computation.names()),)


def _fits(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Return whether an array has the shape of a computation; -1 is an axis of any length."""
    return len(shape) == len(wanted) and all(size in (one, -1) for one, size in zip(shape, wanted, strict=True))


def _described(row: Row, file_digest: str) -> str:
    """Return the part of a cache key that identifies a clip."""
    text = row.get("augmentation")
    copied = f"{text}|{made_by(text)}" if isinstance(text, str) and text else ""
    channel = channel_number(row.get(CHANNEL_COLUMN))
    used = "" if channel is None else f"|channel {channel}"
    return f"{file_digest}|{row.get('start')}|{row.get('end')}|{copied}{used}"
