"""All copies among recordings: identical ones by a hash of their samples, others by candidates and coherence."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
import pandas as pd

from fusionser.audit.candidates import Candidate, candidates_among
from fusionser.audit.changes import Change, changes_between
from fusionser.audit.coherence import Match, best_match
from fusionser.audit.detail import DetailMap, unpacked
from fusionser.cache import Cache
from fusionser.execution import run_jobs
from fusionser.features.clip import Array
from fusionser.features.extraction import compute_clips
from fusionser.reader import read_row
from fusionser.rows import CHANNEL_COLUMN

__all__ = ["Copy", "Heard", "Kind", "find_copies"]

Kind = Literal["identical", "near", "augmented"]
"""Same samples; the same performance through another chain of recording; with another tempo or pitch."""

Step = Callable[[str, int, int], None]
"""Called with what is done, how many are done, and how many there are."""

BATCH = 64
MOST_IDENTICAL = 30
"""Recordings with the same samples of which all pairs are listed; of more, each is paired with the first only."""

NEARLY = 0.15
"""How far below that of a copy the coherence of a near match may be."""

CLEAR = 0.88
"""Coherence that tells a copy of a recording that nearly matches another one, too.

Chosen on one of the two speakers of TESS, who begins all sentences with the same words, and on `CHOSEN_ON` of
`benchmarks/audit.py`, where no recording nearly matches another.
"""


@dataclass(frozen=True)
class Copy:
    """Two recordings of one performance, by their places; the second one is described relative to the first."""

    first: int
    second: int
    kind: Kind
    match: Match
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Heard:
    """What was found in recordings.

    Parameters
    ----------
    copies : list of Copy
    failures : dict of int to str
        Why a recording cannot be used, by its place.
    audio : list of str
        Hash of the samples of each; empty where it cannot be used.
    """

    copies: list[Copy]
    failures: dict[int, str]
    audio: list[str]


def _matches(batch: Sequence[tuple[Candidate, Array, Array]]) -> list[tuple[Candidate, Match]]:
    """Return the candidates of a batch that are copies, or nearly."""
    compared = ((one, best_match(unpacked(first), unpacked(second), one.bands)) for one, first, second in batch)
    return [(one, match) for one, match in compared if match.excess >= -NEARLY]


def standing_out(matches: Sequence[tuple[Candidate, Match]]) -> list[tuple[Candidate, Match]]:
    """Return the matches that are copies.

    Of recordings that nearly match others, such as those of a speaker who says the same phrase in each, only a
    clear match is a copy.

    Parameters
    ----------
    matches : sequence of (Candidate, Match)
        Copies, and pairs that are nearly copies.

    Returns
    -------
    list of (Candidate, Match)

    Examples
    --------
    >>> def pair(second, coherence):
    ...     return Candidate(0, second, 0, 5), Match(coherence, 1.0, 0.0, 0.0)
    >>> alike = [pair(1, 0.60), pair(2, 0.70), pair(3, 0.93)]
    >>> [one.second for one, _ in standing_out(alike)], [one.second for one, _ in standing_out(alike[1:])]
    ([3], [2, 3])
    """
    near = Counter(place for one, match in matches if not match.is_copy for place in (one.first, one.second))
    return [
        (one, match)
        for one, match in matches
        if match.is_copy and (match.coherence >= CLEAR or not (near[one.first] or near[one.second]))
    ]


def _described(batch: Sequence[tuple[Mapping[str, Any], Mapping[str, Any], Match]]) -> list[tuple[Change, ...]]:
    return [changes_between(read_row(first), read_row(second), match) for first, second, match in batch]


def _batches(items: Sequence[Any]) -> Iterator[Any]:
    return (items[first : first + BATCH] for first in range(0, len(items), BATCH))


def _verified(
    candidates: Sequence[Candidate], packed: Sequence[Array], n_jobs: int | None, step: Step | None
) -> list[tuple[Candidate, Match]]:
    """Return the candidates that are copies."""
    batches = ([(one, packed[one.first], packed[one.second]) for one in part] for part in _batches(candidates))
    found: list[tuple[Candidate, Match]] = []
    for count, part in enumerate(run_jobs(_matches, batches, n_jobs if len(candidates) > BATCH else 1), start=1):
        found += part
        if step:
            step("pairs", min(count * BATCH, len(candidates)), len(candidates))
    return standing_out(found)


def _same_audio(audio: Sequence[str]) -> dict[str, list[int]]:
    """Return the places of recordings by the hash of their samples."""
    groups: dict[str, list[int]] = {}
    for place, one in enumerate(audio):
        if one:
            groups.setdefault(one, []).append(place)
    return groups


def _identical(groups: Mapping[str, list[int]]) -> list[Copy]:
    match = Match(1.0, 1.0, 0.0, 0.0)
    pairs = (
        combinations(places, 2) if len(places) <= MOST_IDENTICAL else ((places[0], one) for one in places[1:])
        for places in groups.values()
    )
    return [Copy(first, second, "identical", match, ()) for part in pairs for first, second in part]


def find_copies(
    rows: pd.DataFrame,
    *,
    cache: Cache | None = None,
    n_jobs: int | None = None,
    seed: int = 0,
    step: Step | None = None,
) -> Heard:
    """Find all pairs of recordings that are of one performance.

    Parameters
    ----------
    rows : DataFrame
        With ``file``, ``start`` and ``end``, as `fusionser.rows` has them.
    cache : Cache, optional
        Where the maps are kept, so that a stopped run resumes.
    n_jobs : int, optional
        Number of processes; -1 is one per core.
    seed : int, default=0
        Of what is drawn to find candidates.
    step : callable, optional
        Called with the name of the step, the number done and the total.

    Returns
    -------
    Heard
    """
    kept = [name for name in ("file", "start", "end", CHANNEL_COLUMN) if name in rows]
    records: Sequence[Mapping[Any, Any]] = rows[kept].to_dict("records")
    heard = compute_clips(
        records,
        {DetailMap.kind: DetailMap()},
        cache=cache,
        n_jobs=n_jobs,
        progress=None if step is None else lambda done, total: step("recordings", done, total),
    )
    packed = heard.arrays[DetailMap.kind]
    groups = _same_audio(heard.fingerprints)
    # One recording stands for all with the same samples.
    standing = [places[0] for places in groups.values()]
    maps = [np.asarray(packed[place]) for place in standing]
    candidates = candidates_among(
        [unpacked(one) for one in maps],
        seed=seed,
        progress=None if step is None else lambda done, total: step("patches", done, total),
    )
    verified = _verified(candidates, maps, n_jobs, step)
    near = [(standing[one.first], standing[one.second], match) for one, match in verified]
    changes = _changes(records, near, n_jobs, step)
    copies = [
        Copy(left, right, "near" if match.as_recorded else "augmented", match, differing)
        for (first, second, match), differing in zip(near, changes, strict=True)
        for left in groups[heard.fingerprints[first]]
        for right in groups[heard.fingerprints[second]]
    ]
    return Heard([*_identical(groups), *copies], dict(heard.failures), list(heard.fingerprints))


def _changes(
    records: Sequence[Mapping[str, Any]],
    near: Sequence[tuple[int, int, Match]],
    n_jobs: int | None,
    step: Step | None,
) -> list[tuple[Change, ...]]:
    """Return how the second recording of each pair differs from the first."""
    batches = ([(records[first], records[second], match) for first, second, match in part] for part in _batches(near))
    found: list[tuple[Change, ...]] = []
    for part in run_jobs(_described, batches, n_jobs if len(near) > BATCH else 1):
        found += part
        if step:
            step("copies", len(found), len(near))
    return found
