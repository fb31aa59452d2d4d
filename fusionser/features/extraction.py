"""Run computations on many clips: known values come from the cache, the others are computed in processes."""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from fusionser.cache import Cache
from fusionser.checks import check_jobs
from fusionser.errors import AudioError
from fusionser.execution import Executor, Lost, Processes, current_executor, executor_of
from fusionser.features.cached_values import CachedValues
from fusionser.features.clip import Computation
from fusionser.features.clip_batch import CPU, FINGERPRINT, Answer, Array, Computations, Row, compute_named
from fusionser.features.spill import Spill
from fusionser.shards import ArrayList

__all__ = ["Extraction", "Progress", "compute_clips", "compute_parts"]

Progress = Callable[[int, int], None]
"""Called with the number of clips done and the total number."""

BATCH = 24
DEVICE_BATCH = 96
WORTH_A_PROCESS = 48
RECALLED = 64
"""Clips that are read from the cache together where memory must not grow with them."""


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


@dataclass(frozen=True)
class _Batch:
    """Clips of a part that are computed together."""

    part: "_Part"
    names: Sequence[str]
    positions: Sequence[int]

    @property
    def rows(self) -> list[Row]:
        return [self.part.rows[position] for position in self.positions]


def _kept_going(
    executor: Executor, job: Callable[[Any], list[Answer]], batches: Iterable[_Batch], *, gpu: bool
) -> Iterator[tuple[_Batch, list[Answer]]]:
    """Yield batches with their answers. A clip that ends its process, with others and alone, gets the reason."""
    begun = deque[_Batch]()

    def tasks() -> Iterator[tuple[list[Row], Sequence[str]]]:
        for batch in batches:
            begun.append(batch)
            yield batch.rows, batch.names

    for answers in executor.run(job, tasks(), gpu=gpu):
        batch = begun.popleft()
        if isinstance(answers, Lost):
            rows = batch.rows
            alone = executor.run(job, [([row], batch.names) for row in rows], gpu=gpu)
            yield (
                batch,
                [
                    f"{row.get('file', 'a waveform')}: {one.reason}, with other recordings and alone; convert it to "
                    "WAV or FLAC, cut it into utterances, or leave it out"
                    if isinstance(one, Lost)
                    else one[0]
                    for row, one in zip(rows, alone, strict=True)
                ],
            )
        else:
            yield batch, answers


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

    def report(part: _Part) -> None:
        if progress:
            progress(part.done, part.total)

    run = _Run(computations, len(rows), device, n_jobs, strict, report)
    (result,) = run.completed(iter([_Part(rows, held, computations, cache, device, on_disk)]))
    return result


def compute_parts(
    parts: Iterable[tuple[Sequence[Row], Sequence[Mapping[str, Array]] | None]],
    computations: Mapping[str, Computation],
    *,
    count: int,
    cache: Cache | None = None,
    n_jobs: int | None = None,
    device: str = CPU,
    progress: Progress | None = None,
    strict: bool = False,
    on_disk: Collection[str] = (),
) -> Iterator[Extraction]:
    """Run computations on many clips part by part, as `compute_clips` does, and begin a part before the last is done.

    Parameters
    ----------
    parts : iterable of (rows, held)
        As in `compute_clips`. They are read when there is a place to compute them.
    computations : mapping of str to Computation
        By name.
    count : int
        The number of rows of all parts.
    cache, n_jobs, device, strict, on_disk
        As in `compute_clips`.
    progress : callable, optional
        Called after each batch with the number of clips of all parts that are known, and `count`.

    Yields
    ------
    Extraction
        One for each part, in their order.
    """
    known = 0

    def report(part: _Part) -> None:
        if progress:
            progress(known + len(part.rows) - part.total + part.done, count)

    run = _Run(computations, count, device, n_jobs, strict, report)
    for result in run.completed(_Part(rows, held, computations, cache, device, on_disk) for rows, held in parts):
        known += len(result.fingerprints)
        yield result


def _place(count: int, jobs: int | None, device: str) -> Executor:
    """Return where so many clips are computed."""
    check_jobs(jobs)
    here = current_executor() is None and (device != CPU or count < WORTH_A_PROCESS)
    return Processes(1) if here else executor_of(jobs)


class _Part:
    """Clips, what is known of them, and the batches of what is missing."""

    def __init__(
        self,
        rows: Sequence[Row],
        held: Sequence[Mapping[str, Array]] | None,
        computations: Computations,
        cache: Cache | None,
        device: str,
        on_disk: Collection[str] = (),
    ) -> None:
        self.rows = rows
        self.result = Extraction(
            arrays={name: [None] * len(rows) for name in computations}, fingerprints=[""] * len(rows)
        )
        known = _held(self.result, held)
        unknown = {place: rows[place] for place, names in enumerate(known) if not computations.keys() <= names}
        if on_disk:
            self.result.spill = Spill({name: computations[name] for name in on_disk}, cache)
        self._store = CachedValues(cache, unknown, computations, device)
        for place, name, value in self._store.recall(RECALLED if on_disk else None):
            if name not in known[place]:
                known[place].add(name)
                self.result.record(place, {name: value})
        self._pending = _missing(known, computations)
        self._size = BATCH if device == CPU else DEVICE_BATCH
        self.done, self.total = 0, sum(map(len, self._pending.values()))
        self.result.computed = sum(
            len(positions)
            for names, positions in self._pending.items()
            if any(computations[name].uses_audio for name in names)
        )

    def batches(self) -> Iterator[_Batch]:
        """Yield what must be computed."""
        for names, positions in self._pending.items():
            for first in range(0, len(positions), self._size):
                yield _Batch(self, names, positions[first : first + self._size])

    def keep(self, positions: Sequence[int], answers: Sequence[Answer], strict: bool) -> None:
        """Keep the answers of a batch; with `strict`, raise `AudioError` for the first clip without values."""
        computed: dict[tuple[int, str], Array] = {}
        for position, answer in zip(positions, answers, strict=True):
            if isinstance(answer, str):
                if strict:
                    raise AudioError(answer)
                self.result.failures[position] = answer
            else:
                computed |= {(position, name): value for name, value in answer.items()}
                self.result.record(position, answer)
        self._store.keep(computed)
        self.done += len(positions)

    def noted(self) -> Extraction:
        """Return the result, with what went wrong."""
        if self.result.spill is not None:
            self.result.spill.close(self.result.arrays)
            self.result.spill = None
        if self._store.notice:
            self.result.notices.append(self._store.notice)
        return self.result


@dataclass(frozen=True)
class _Run:
    """How parts are computed."""

    computations: Computations
    count: int
    device: str
    jobs: int | None
    strict: bool
    report: Callable[[_Part], None]

    def completed(self, parts: Iterator[_Part]) -> Iterator[Extraction]:
        """Yield the results of parts in their order. While one is computed, the next ones are begun."""
        job = partial(compute_named, computations=self.computations, device=self.device, jobs=self.jobs)
        for part in parts:
            if not part.total:
                yield part.noted()
                continue
            executor = _place(part.total if len(part.rows) == self.count else self.count, self.jobs, self.device)
            complete: list[_Part] = []
            batches = _batches_until_known(part, parts, complete)
            for batch, answers in _kept_going(executor, job, batches, gpu=self.device != CPU):
                batch.part.keep(batch.positions, answers, self.strict)
                self.report(batch.part)
                if batch.part.done == batch.part.total:
                    yield batch.part.noted()
            yield from (one.noted() for one in complete)


def _batches_until_known(first: _Part, others: Iterator[_Part], known: list[_Part]) -> Iterator[_Batch]:
    """Yield the batches of parts up to one of which everything is known; put that into a list.

    Reading on would fill the memory with parts that wait for their turn.
    """
    for part in chain([first], others):
        if not part.total:
            known.append(part)
            return
        yield from part.batches()


def _held(result: Extraction, held: Sequence[Mapping[str, Array]] | None) -> list[set[str]]:
    """Record the values that are already known; return their names for each clip."""
    if held is None:
        return [set() for _ in result.fingerprints]
    for place, values in enumerate(held):
        result.record(place, values)
    return [set(values) for values in held]


def _missing(known: Sequence[set[str]], names: Iterable[str]) -> dict[tuple[str, ...], list[int]]:
    """Group the positions of incomplete clips by the names of their missing values."""
    pending: dict[tuple[str, ...], list[int]] = {}
    for position, there in enumerate(known):
        missing = tuple(name for name in names if name not in there)
        if missing:
            pending.setdefault(missing, []).append(position)
    return pending
