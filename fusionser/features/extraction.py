"""Run computations on many clips: known values come from the cache, the others are computed in processes."""

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache, partial
from hashlib import blake2b
from importlib import metadata
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController

from fusionser.augmentation.waveforms import made_by
from fusionser.cache import Cache, FeatureCache
from fusionser.checks import channel_number, check_jobs
from fusionser.errors import AudioError, SettingsError
from fusionser.execution import Executor, Lost, Processes, current_executor, executor_of
from fusionser.features.clip import Clip, Computation
from fusionser.features.spill import Spill
from fusionser.memory import reused_memory
from fusionser.rows import CHANNEL_COLUMN
from fusionser.shards import ArrayList
from fusionser.waveform import holds_waveform

__all__ = ["Extraction", "Progress", "compute_clips"]

Array = npt.NDArray[np.float32]
Row = Mapping[str, Any]
Computations = Mapping[str, Computation]
Answer = dict[str, Array] | str
"""The values of a clip by computation, or the reason why it cannot be used."""
Progress = Callable[[int, int], None]
"""Called with the number of clips done and the total number."""

CPU = "cpu"
BATCH = 24
DEVICE_BATCH = 96
FINGERPRINT, FINGERPRINT_SHAPE = "fingerprint", (16,)
WORTH_A_PROCESS = 48

RECALLED = 64
"""Values that are read from the cache together where memory must not grow with the clips."""


@dataclass
class Extraction:
    """The result of a run over clips.

    Parameters
    ----------
    arrays : dict
        For each computation, a list with one float32 array per clip, or None where the clip failed.
    fingerprints : list of str
        Hash of each clip's decoded audio. Empty if the clip failed or the hash was not computed.
    failures : dict of int to str
        The reason for each failure, by the clip's position.
    computed : int
        Number of clips that were analysed. The others came from the cache.
    notices : list of str
        Problems that did not affect the result.
    spill : Spill, optional
        Where arrays that are not kept in memory go until the end of the run.
    """

    arrays: dict[str, list[Array | None]]
    fingerprints: list[str]
    failures: dict[int, str] = field(default_factory=dict)
    computed: int = 0
    notices: list[str] = field(default_factory=list)
    spill: Spill | None = field(default=None, repr=False)

    @property
    def usable(self) -> list[int]:
        """Positions of the clips that did not fail."""
        return [position for position in range(len(self.fingerprints)) if position not in self.failures]

    def stacked(self, name: str) -> Array:
        """All values of one computation in one array, for the clips that did not fail."""
        return ArrayList([np.asarray(self.arrays[name][place]) for place in self.usable]).stacked(slice(None))

    def record(self, position: int, values: Mapping[str, Array]) -> None:
        """Store the values of one clip."""
        for name, value in values.items():
            if name == FINGERPRINT:
                self.fingerprints[position] = value.astype(np.uint8).tobytes().hex()
            elif self.spill is not None and self.spill.takes(name):
                self.spill.put(name, position, value)
            elif name in self.arrays:
                self.arrays[name][position] = value


def _compute_one(clip: Clip, computations: Computations, ready: Mapping[str, Array | AudioError]) -> Answer:
    """Return the values of a clip. Values in `ready` were computed in a batch."""
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
    except MemoryError:
        return str(_too_large(clip))
    for name, value in values.items():
        if not np.isfinite(value).all():
            return f"{clip.name}: the features '{name}' are not finite numbers for this clip"
    return values


def _too_large(clip: Clip) -> AudioError:
    return AudioError(f"{clip.name}: its analysis takes more memory than there is; cut it into utterances")


def _at_once(computation: Computation, clips: Sequence[Clip], device: str) -> list[Array | AudioError]:
    """Compute many clips in one call. A clip that cannot be used gets its error instead of values."""
    try:
        values = computation.compute_batch(clips, device)
    except AudioError as error:
        if len(clips) == 1:
            return [error]
        return [value for clip in clips for value in _at_once(computation, [clip], device)]
    except MemoryError:
        if len(clips) == 1:
            return [_too_large(clips[0])]
        return [value for clip in clips for value in _at_once(computation, [clip], device)]
    if len(values) != len(clips):
        raise SettingsError(
            f"compute_batch of '{computation.kind}' gave {len(values)} arrays for {len(clips)} clips; expected one each"
        )
    return list(values)


@lru_cache(maxsize=1)
def _linear_algebra() -> ThreadpoolController:
    """Return what sets the threads of the libraries that are loaded when clips are first analysed."""
    return ThreadpoolController()


def _compute_batch(
    rows: list[Row], computations: Computations, device: str = CPU, jobs: int | None = None
) -> list[Answer]:
    clips = [Clip(row) for row in rows]
    if device != CPU:
        from fusionser.features.on_device import share_spectra

        share_spectra(clips, computations, device, jobs)
    ready: list[dict[str, Array | AudioError]] = [{} for _ in clips]
    # A single clip has no memory to reuse. With another number of threads, matrix products have other last digits.
    with reused_memory() if len(rows) > 1 else nullcontext(), _linear_algebra().limit(limits=1, user_api="blas"):
        for name, computation in computations.items():
            # The other computations run clip by clip, so that they share each clip's spectrum.
            if type(computation).compute_batch is not Computation.compute_batch:
                for values, value in zip(ready, _at_once(computation, clips, device), strict=True):
                    values[name] = value
        # A clip that is done is not kept, or a batch of long recordings would fill the memory.
        return [_compute_one(clips.pop(0), computations, values) for values in ready]


def _batches(
    rows: Sequence[Row], positions: Sequence[int], computations: Computations, jobs: int | None, device: str
) -> Iterable[tuple[Sequence[int], list[Answer]]]:
    check_jobs(jobs)
    size = BATCH if device == CPU else DEVICE_BATCH
    groups = [positions[first : first + size] for first in range(0, len(positions), size)]
    batches = ([rows[position] for position in group] for group in groups)
    here = device != CPU or (current_executor() is None and len(positions) < WORTH_A_PROCESS)
    executor = Processes(1) if here else executor_of(jobs)
    job = partial(_compute_batch, computations=computations, device=device, jobs=jobs)
    return zip(groups, _kept_going(executor, job, list(batches)), strict=True)


def _kept_going(
    executor: Executor, job: Callable[[list[Row]], list[Answer]], batches: Sequence[list[Row]]
) -> Iterator[list[Answer]]:
    """Yield the answers of batches. A clip that ends its process, with others and alone, gets the reason."""
    for batch, answers in zip(batches, executor.run(job, batches), strict=True):
        if isinstance(answers, Lost):
            alone = executor.run(job, [[row] for row in batch])
            yield [
                f"{row.get('file', 'a waveform')}: {one.reason}, with other recordings and alone; convert it to WAV or "
                "FLAC, cut it into utterances, or leave it out"
                if isinstance(one, Lost)
                else one[0]
                for row, one in zip(batch, alone, strict=True)
            ]
        else:
            yield answers


@lru_cache(maxsize=1)
def _library_versions() -> str:
    """Return the versions of the libraries that decide the cached numbers."""
    return " ".join(f"{name}={metadata.version(name)}" for name in ("numpy", "scipy", "soundfile", "soxr"))


class _Store:
    """The cache during one run: the keys of the run's rows, and a notice once the cache has failed."""

    def __init__(self, cache: Cache | None, rows: Mapping[int, Row], computations: Computations, device: str) -> None:
        self.cache: FeatureCache | None = None
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

    def recall(self, at_once: int) -> Iterator[tuple[int, str, Array]]:
        """Yield the position of a clip, the name of a computation, and the cached value, `at_once` read together."""
        places = list(self.keys)
        for first in range(0, len(places), at_once):
            part = places[first : first + at_once]
            recalled: dict[str, Array] = {}
            if self.cache is not None and not self.notice:
                with self._stopping_at_errors(self.cache):
                    recalled = self.cache.get([self.keys[place] for place in part])
            for position, name in part:
                value = recalled.get(self.keys[position, name])
                if value is not None and _fits(value.shape, self.shapes[name]):
                    yield position, name, value

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
    on_disk: Collection[str] = (),
) -> Extraction:
    """Run each computation on each clip.

    Parameters
    ----------
    rows : sequence of mapping
        Each has ``file``, or ``waveform`` and ``sampling_rate``, and optionally ``start``, ``end``, ``augmentation``.
    computations : mapping of str to Computation
        By name.
    held : sequence of mapping, optional
        Values that are already known, one mapping per row, by the name of their computation. They are not computed.
    cache : Cache, optional
        Where values are looked up and stored. Each batch is stored when it is done, so a stopped run can be resumed.
    n_jobs : int, optional
        Number of processes; -1 means one per core. Few clips are computed in the current process. With a device other
        than the CPU, the number of threads that decode.
    device : str, default="cpu"
        Where spectra are computed, by its torch name, such as ``cuda``. A GPU computes many at once, and agrees with
        the CPU within 1e-3. It needs double precision, which ``mps`` lacks.
    progress : callable, optional
        Called after each batch with the number of clips done and the number to compute.
    strict : bool, default=False
        Raise at the first clip that cannot be used, instead of recording the failure.
    on_disk : collection of str, default=()
        Names of computations whose arrays are not kept in memory, but read from disk where they are used (see
        `fusionser.shards`). Those in `held` stay where they are.

    Returns
    -------
    Extraction

    Raises
    ------
    AudioError
        With `strict`, for the first clip that cannot be used.
    """
    result = Extraction(arrays={name: [None] * len(rows) for name in computations}, fingerprints=[""] * len(rows))
    known = _held(result, held)
    unknown = {place: rows[place] for place, names in enumerate(known) if not computations.keys() <= names}
    if on_disk:
        result.spill = Spill({name: computations[name] for name in on_disk}, cache)
    store = _Store(cache, unknown, computations, device)
    for place, name, value in store.recall(RECALLED if on_disk else max(len(store.keys), 1)):
        if name not in known[place]:
            known[place].add(name)
            result.record(place, {name: value})
    pending = _missing(known, computations)
    done, total = 0, sum(map(len, pending.values()))
    result.computed = sum(
        len(positions) for names, positions in pending.items() if any(computations[name].uses_audio for name in names)
    )
    for names, positions in pending.items():
        wanted = {name: computations[name] for name in names}
        for group, answers in _batches(rows, positions, wanted, n_jobs, device):
            store.keep(_recorded(result, group, answers, strict=strict))
            done += len(group)
            if progress:
                progress(done, total)
    if result.spill is not None:
        result.spill.close(result.arrays)
        result.spill = None
    if store.notice:
        result.notices.append(store.notice)
    return result


def _held(result: Extraction, held: Sequence[Mapping[str, Array]] | None) -> list[set[str]]:
    """Record the values that are already known; return their names for each clip."""
    if held is None:
        return [set() for _ in result.fingerprints]
    for place, values in enumerate(held):
        result.record(place, values)
    return [set(values) for values in held]


def _recorded(
    result: Extraction, group: Sequence[int], answers: Sequence[Answer], *, strict: bool
) -> dict[tuple[int, str], Array]:
    """Record the answers of a batch; return its values by the position of the clip and the name of the computation."""
    computed: dict[tuple[int, str], Array] = {}
    for position, answer in zip(group, answers, strict=True):
        if isinstance(answer, str):
            if strict:
                raise AudioError(answer)
            result.failures[position] = answer
        else:
            computed |= {(position, name): value for name, value in answer.items()}
            result.record(position, answer)
    return computed


def _missing(known: Sequence[set[str]], names: Iterable[str]) -> dict[tuple[str, ...], list[int]]:
    """Group the positions of incomplete clips by the names of their missing values."""
    pending: dict[tuple[str, ...], list[int]] = {}
    for position, there in enumerate(known):
        missing = tuple(name for name in names if name not in there)
        if missing:
            pending.setdefault(missing, []).append(position)
    return pending
