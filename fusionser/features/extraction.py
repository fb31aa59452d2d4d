"""Run computations over many clips: from the cache where they are known, over processes where they are not."""

import gc
import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import metadata
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt

from fusionser.augmentation.waveforms import made_by
from fusionser.cache import Cache, FeatureCache
from fusionser.errors import AudioError, SettingsError
from fusionser.features.clip import Clip, Computation
from fusionser.memory import reused_memory
from fusionser.waveform import holds_waveform

__all__ = ["Extraction", "Progress", "compute_clips"]

Array = npt.NDArray[np.float32]
Progress = Callable[[int, int], None]
"""Is called with the number of clips done and the number of all."""

CPU = "cpu"
BATCH = 24
DEVICE_BATCH = 96
FINGERPRINT = "fingerprint"
WORTH_A_PROCESS = 48


@dataclass
class Extraction:
    """What came of a run over clips.

    Parameters
    ----------
    arrays : dict
        For each computation, an object array with one float32 array a clip; None where the clip failed.
    fingerprints : list of str
        Hash of each clip's decoded audio; empty where it failed or was not asked for.
    failures : dict of int to str
        Reason by position of the clip.
    computed : int
        Number of clips that were analysed, the others came from the cache.
    notices : list of str
        What went wrong on the way without harm to the result.
    """

    arrays: dict[str, list[Array | None]]
    fingerprints: list[str]
    failures: dict[int, str] = field(default_factory=dict)
    computed: int = 0
    notices: list[str] = field(default_factory=list)

    @property
    def usable(self) -> list[int]:
        """Positions of the clips that did not fail."""
        return [position for position in range(len(self.fingerprints)) if position not in self.failures]

    def stacked(self, name: str) -> Array:
        """All values of one computation as an array, of the clips that did not fail."""
        arrays = self.arrays[name]
        return np.stack([np.asarray(arrays[place]) for place in self.usable])


def _compute_one(
    clip: Clip, computations: Mapping[str, Computation], ready: Mapping[str, Array | AudioError]
) -> dict[str, Array] | str:
    """Return the values of a clip, some of which may have been computed with those of others, or what is wrong."""
    values: dict[str, Array] = {}
    try:
        for name, computation in computations.items():
            value = ready[name] if name in ready else computation.compute(clip)
            if isinstance(value, AudioError):
                raise value
            values[name] = np.asarray(value, dtype=np.float32)
        if not clip.in_memory and any(item.uses_audio for item in computations.values()):
            values[FINGERPRINT] = np.frombuffer(bytes.fromhex(clip.fingerprint), dtype=np.uint8).astype(np.float32)
    except AudioError as error:
        return str(error)
    for name, value in values.items():
        if not np.isfinite(value).all():
            return f"{clip.name}: the features '{name}' are not finite numbers for this clip"
    return values


def _at_once(computation: Computation, clips: Sequence[Clip], device: str) -> list[Array | AudioError]:
    """Return the values of many clips by one call, in place of a clip that cannot be used what is wrong with it."""
    try:
        values = computation.compute_batch(clips, device)
    except AudioError as error:
        if len(clips) == 1:
            return [error]
        return [value for clip in clips for value in _at_once(computation, [clip], device)]
    if len(values) != len(clips):
        raise SettingsError(
            f"compute_batch of '{computation.kind}' gave {len(values)} arrays for {len(clips)} clips; expected one each"
        )
    return list(values)


def _compute_batch(
    rows: list[Mapping[str, Any]], computations: Mapping[str, Computation], device: str = CPU, jobs: int | None = None
) -> list[dict[str, Array] | str]:
    clips = [Clip(row) for row in rows]
    if device != CPU:
        from fusionser.features.on_device import share_spectra

        share_spectra(clips, computations, device, jobs)
    ready: list[dict[str, Array | AudioError]] = [{} for _ in clips]
    # One clip has nothing to hand on, and a single prediction should not wait.
    with reused_memory() if len(rows) > 1 else nullcontext():
        for name, computation in computations.items():
            # The others are computed clip by clip, so that all read a spectrum while it is at hand.
            if type(computation).compute_batch is not Computation.compute_batch:
                for values, value in zip(ready, _at_once(computation, clips, device), strict=True):
                    values[name] = value
        return [_compute_one(clip, computations, values) for clip, values in zip(clips, ready, strict=True)]


@lru_cache(maxsize=1)
def _settle() -> None:
    gc.collect()
    gc.freeze()


def _compute_batch_apart(
    rows: list[Mapping[str, Any]], computations: Mapping[str, Computation], caller: int
) -> list[dict[str, Array] | str]:
    """Compute a batch in a process of joblib's, which looks through all its memory for garbage once a second.

    Of what is imported there is none: passed over, a tenth of the time is saved.
    """
    # joblib may have been told to stay in the caller's process, whose memory is its own affair.
    if os.getpid() != caller:
        _settle()
    return _compute_batch(rows, computations)


def _keys(row: Mapping[str, Any], file_digest: str, digests: Mapping[str, str]) -> dict[str, str]:
    text = row.get("augmentation")
    copied = f"{text}|{made_by(text)}" if isinstance(text, str) and text else ""
    part = f"{file_digest}|{row.get('start')}|{row.get('end')}|{copied}"
    return {
        name: hashlib.blake2b(f"{part}|{digest}".encode(), digest_size=16).hexdigest()
        for name, digest in digests.items()
    }


def _batches(
    rows: Sequence[Mapping[str, Any]],
    positions: Sequence[int],
    computations: Mapping[str, Computation],
    jobs: int | None,
    device: str,
) -> Iterator[tuple[Sequence[int], list[dict[str, Array] | str]]]:
    size = BATCH if device == CPU else DEVICE_BATCH
    groups = [positions[first : first + size] for first in range(0, len(positions), size)]
    if device != CPU:
        for group in groups:
            yield group, _compute_batch([rows[position] for position in group], computations, device, jobs)
        return
    if len(positions) < WORTH_A_PROCESS or joblib.effective_n_jobs(jobs) == 1:
        for group in groups:
            yield group, _compute_batch([rows[position] for position in group], computations)
        return
    parallel = joblib.Parallel(n_jobs=jobs, return_as="generator", pre_dispatch="2*n_jobs")
    results = parallel(
        joblib.delayed(_compute_batch_apart)([rows[position] for position in group], computations, os.getpid())
        for group in groups
    )
    yield from zip(groups, results, strict=True)


@lru_cache(maxsize=1)
def _made_by() -> str:
    """Versions of the libraries whose numbers the cache keeps."""
    return " ".join(f"{name}={metadata.version(name)}" for name in ("numpy", "scipy", "soundfile", "soxr"))


class _Store:
    """The cache as one run sees it: the keys of its rows, and what to do when the disk is full."""

    def __init__(
        self,
        cache: Cache | None,
        rows: Mapping[int, Mapping[str, Any]],
        computations: Mapping[str, Computation],
        device: str,
    ) -> None:
        self.cache: FeatureCache | None = None
        self.notice: str | None = None
        self.keys: dict[int, dict[str, str]] = {}
        if cache is None:
            return
        # Another device gives other last digits.
        made_by = _made_by() if device == CPU else f"{_made_by()} torch={metadata.version('torch')} on {device}"
        digests = {name: f"{item.digest()}|{made_by}" for name, item in computations.items() if item.uses_audio}
        if not digests or not rows:
            return
        digests[FINGERPRINT] = f"{FINGERPRINT} by xxh3_128"
        self.cache = cache.features()
        try:
            files = self.cache.file_digests(str(row["file"]) for row in rows.values() if not holds_waveform(row))
        except sqlite3.Error as error:
            self._give_up(error)
            return
        for position, row in rows.items():
            if not holds_waveform(row) and row["file"] in files:
                self.keys[position] = _keys(row, files[row["file"]], digests)

    def _give_up(self, error: sqlite3.Error) -> None:
        assert self.cache is not None  # noqa: S101
        self.notice = f"the feature cache {self.cache.path} takes or gives no more ({error}); went on without it"

    def recall(self) -> dict[int, dict[str, Array]]:
        """Values of every row of which all are known."""
        if self.cache is None or not self.keys:
            return {}
        try:
            recalled = self.cache.get(key for keys in self.keys.values() for key in keys.values())
        except sqlite3.Error as error:
            self._give_up(error)
            return {}
        return {
            position: {name: recalled[key] for name, key in keys.items() if key in recalled}
            for position, keys in self.keys.items()
        }

    def keep(self, computed: Mapping[int, Mapping[str, Array]]) -> None:
        if self.cache is None or self.notice:
            return
        arrays = {
            self.keys[position][name]: value
            for position, values in computed.items()
            if position in self.keys
            for name, value in values.items()
            if name in self.keys[position]
        }
        try:
            self.cache.put(arrays)
        except sqlite3.Error as error:
            self._give_up(error)


def compute_clips(
    rows: Sequence[Mapping[str, Any]],
    computations: Mapping[str, Computation],
    *,
    held: Sequence[Mapping[str, Array]] | None = None,
    cache: Cache | None = None,
    n_jobs: int | None = None,
    device: str = CPU,
    progress: Progress | None = None,
    strict: bool = False,
) -> Extraction:
    """Run each computation on each clip.

    Parameters
    ----------
    rows : sequence of mapping
        Each has ``file``, or ``waveform`` and ``sampling_rate``, and optionally ``start``, ``end``, ``augmentation``.
    computations : mapping of str to Computation
        By name.
    held : sequence of mapping, optional
        Values that are at hand, one mapping a row, by the name of their computation; they are taken as they are.
    cache : Cache, optional
        Where values are looked up and kept, batch by batch, so that a stopped run goes on where it was.
    n_jobs : int, optional
        Processes; -1 is one a core. Few clips are done in this process. Threads that decode, with another device.
    device : str, default="cpu"
        Where spectra are computed, as torch names it, as ``cuda``: many at once, equal to the processor's within
        1e-3. It needs double precision, which ``mps`` has not.
    progress : callable, optional
        Is told after each batch.
    strict : bool, default=False
        Raise at the first clip that cannot be used, instead of recording it.

    Returns
    -------
    Extraction

    Raises
    ------
    AudioError
        With `strict`, for the first clip that cannot be used.
    """
    result = Extraction(arrays={name: [None] * len(rows) for name in computations}, fingerprints=[""] * len(rows))
    values: list[Mapping[str, Array]] = [*(held or [{}] * len(rows))]
    unknown = {place for names in _missing(values, computations).values() for place in names}
    store = _Store(cache, {place: rows[place] for place in sorted(unknown)}, computations, device)
    for place, recalled in store.recall().items():
        values[place] = {**recalled, **values[place]}
    for place, at_hand in enumerate(values):
        _record(result, place, at_hand)
    pending = _missing(values, computations)
    total = sum(len(positions) for positions in pending.values())
    done = 0
    for names, positions in pending.items():
        wanted = {name: computations[name] for name in names}
        for group, answers in _batches(rows, positions, wanted, n_jobs, device):
            computed: dict[int, dict[str, Array]] = {}
            for position, answer in zip(group, answers, strict=True):
                if isinstance(answer, str):
                    if strict:
                        raise AudioError(answer)
                    result.failures[position] = answer
                else:
                    computed[position] = answer
                    _record(result, position, answer)
            store.keep(computed)
            done += len(group)
            if progress:
                progress(done, total)
    analysed = [names for names in pending if any(computations[name].uses_audio for name in names)]
    result.computed = sum(len(pending[names]) for names in analysed)
    if store.notice:
        result.notices.append(store.notice)
    return result


def _missing(values: Sequence[Mapping[str, Array]], names: Iterable[str]) -> dict[tuple[str, ...], list[int]]:
    """Return the positions of clips of which something is not known, by what that is."""
    pending: dict[tuple[str, ...], list[int]] = {}
    for position, at_hand in enumerate(values):
        missing = tuple(name for name in names if name not in at_hand)
        if missing:
            pending.setdefault(missing, []).append(position)
    return pending


def _record(result: Extraction, position: int, values: Mapping[str, Array]) -> None:
    for name, value in values.items():
        if name == FINGERPRINT:
            result.fingerprints[position] = value.astype(np.uint8).tobytes().hex()
        elif name in result.arrays:
            result.arrays[name][position] = value
