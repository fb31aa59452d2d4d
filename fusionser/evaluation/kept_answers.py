"""Answers of a stress test in the cache, so that a test that was stopped goes on where it was."""

import hashlib
import json
import pickle
import sqlite3
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib import metadata
from typing import Any

import soundfile

from fusionser.augmentation.conditions import Condition
from fusionser.augmentation.waveforms import made_by
from fusionser.cache import Cache, CacheChoice, FeatureCache
from fusionser.model import Predictor
from fusionser.origin import code_origin
from fusionser.registry import named_in_blocks, plugins_among
from fusionser.results import versions

__all__ = ["KeptAnswers", "settings_of"]

REVISION = 1
"""Increase it if the conditions of fusionser change samples in another way."""

NUMBER = "clip"
"""Column with the number of a clip in this test, on which its answers do not depend."""


class KeptAnswers:
    """What the cache has of the answers of a model under conditions, clip by clip.

    An entry belongs to the content of a file, the clip's row, the model, the conditions, the seed and the versions of
    the packages. If one of them changes, it is not found.

    Parameters
    ----------
    choice : Cache, bool or None
        As for `Cache.of`.
    records : sequence of mapping
        The rows, each with its number in ``clip``.
    model : Model or OnnxModel
    settings : mapping
        As `settings_of` returns them.
    """

    def __init__(
        self, choice: CacheChoice, records: Sequence[Mapping[str, Any]], model: Predictor, settings: Mapping[str, Any]
    ) -> None:
        cache = Cache.of(choice)
        self._files = {record[NUMBER]: str(record["file"]) for record in records}
        self._keys: dict[int, str] = {}
        self._cache: FeatureCache | None = None if cache is None else cache.features()
        with self._stopping_at_errors() as kept:
            digests = kept.file_digests(self._files.values()) if kept else {}
            shared = hashlib.blake2b(pickle.dumps(model))
            shared.update(_text(settings).encode())
            self._keys = {
                record[NUMBER]: _key(record, digests[str(record["file"])], shared.hexdigest())
                for record in records
                if str(record["file"]) in digests
            }

    def recall(self) -> dict[int, dict[str, Any]]:
        """Return what `keep` was given for each clip, by its number."""
        found: dict[str, str] = {}
        with self._stopping_at_errors() as kept:
            found = kept.get_texts(self._keys.values()) if kept else {}
        values = {number: _value(found[key]) for number, key in self._keys.items() if key in found}
        return {number: value for number, value in values.items() if value is not None}

    def keep(self, answered: Mapping[int, Mapping[str, Any]]) -> None:
        """Store values of clips by their numbers, but for those whose file was changed meanwhile."""
        with self._stopping_at_errors() as kept:
            if kept:
                same = [number for number in answered if number in self._keys and kept.unchanged(self._files[number])]
                kept.put_texts({self._keys[number]: json.dumps(answered[number]) for number in same})

    @contextmanager
    def _stopping_at_errors(self) -> Iterator[FeatureCache | None]:
        """Yield the cache, and go on without it after an error."""
        try:
            yield self._cache
        except sqlite3.Error as error:
            place = self._cache and self._cache.path
            self._cache = None
            warnings.warn(f"the cache {place} cannot be read or written ({error}); continued without it", stacklevel=3)


def settings_of(model: Predictor, conditions: Mapping[str, Condition], seed: int) -> dict[str, Any]:
    """Return what the answers for a clip depend on, beside the clip and the content of the model's file."""
    return {
        "revision": REVISION,
        "augmentation": made_by(),
        "seed": seed,
        "versions": {**versions(), **_other_versions()},
        "plugins": plugins_among(named_in_blocks(model.card.features)),
        "conditions": [
            [name, dict(condition.parameters), code_origin(condition), _described(condition.change)]
            for name, condition in conditions.items()
        ],
    }


def _described(change: Any) -> list[str]:
    """Return which function changes the samples, and of which version."""
    if isinstance(change, partial):
        return [*_described(change.func), repr(change.args), repr(change.keywords)]
    return [getattr(change, "__qualname__", type(change).__qualname__), code_origin(change)]


def _other_versions() -> dict[str, str]:
    found = {"libsndfile": soundfile.__libsndfile_version__}
    with suppress(metadata.PackageNotFoundError):
        found["onnxruntime"] = metadata.version("onnxruntime")
    return found


def _key(record: Mapping[str, Any], file_digest: str, shared: str) -> str:
    row = {name: value for name, value in record.items() if name != NUMBER}
    return hashlib.blake2b(_text([row, file_digest, shared]).encode(), digest_size=16).hexdigest()


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _value(text: str) -> dict[str, Any] | None:
    with suppress(ValueError):
        value = json.loads(text)
        return value if isinstance(value, dict) else None
    return None
