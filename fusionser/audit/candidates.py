"""Pairs of recordings that may be copies, found without comparing all pairs.

Of each map, patches around its syllables are described by the principal components of all patches. The patches are
sorted into cells around centres, and each is compared only with the patches in the cells next to it. Two recordings are
a candidate if several patches agree with the same change of pitch.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fusionser.audit.detail import BANDS, Detail, activity
from fusionser.features.clip import Array

__all__ = ["MOST_BANDS", "Candidate", "candidates_among"]

HALF = 12
"""Frames of a patch before and after its centre."""

MOST_BANDS = 6
"""Bands, three semitones, by which the pitch of a copy may differ."""

SMOOTHING = 2.0
"""Frames over which the level is smoothed, so that its peaks are syllables."""

ACTIVE = 0.3
"""Activity from which a frame may be the centre of a patch."""

COMPONENTS, SAMPLED = 80, 8000
"""Components of a patch, and patches from which they are found."""

SIMILAR = 0.8
"""Cosine of two patches from which they agree."""

FEWEST, SHARE = 3, 0.2
"""Patches that must agree with one change of pitch, and their share of those of the recording with fewer patches."""

MOST_CANDIDATES = 40
"""Most candidates of a recording: those that agree most. If all recordings begin with one phrase, all of them agree."""

PROBED = 4
"""Cells that are looked through for a patch."""

PER_CENTRE = 40
"""Patches per centre from which the centres are found."""

BLOCK = 20000
"""Patches that are compared with the centres at once."""

Progress = Callable[[int, int], None]
Indices = npt.NDArray[np.int64]


class Candidate(NamedTuple):
    """Two recordings that may be copies of each other, by their places, the smaller one first.

    ``bands`` is how far the pitch of the second one is above that of the first, and ``agreeing`` the number of patches.
    """

    first: int
    second: int
    bands: int
    agreeing: int


class _Patches(NamedTuple):
    """The patches of all recordings: their vectors without change of pitch, and with each, and whose they are."""

    plain: Array
    shifted: dict[int, Array]
    owners: Indices


def _centres(level: Array, weight: Array) -> Indices:
    """Return the frames around which patches are cut: where syllables are loudest, and where they begin."""
    from scipy.ndimage import gaussian_filter1d

    if level.size < 3:
        return np.zeros(0, dtype=np.int64)
    smooth = gaussian_filter1d(level, SMOOTHING)
    found = [_peaks(smooth), _peaks(np.gradient(smooth))]
    places = np.unique(np.concatenate(found))
    return places[weight[places] > ACTIVE].astype(np.int64)


def _peaks(values: Array) -> Indices:
    return np.flatnonzero((values[1:-1] >= values[:-2]) & (values[1:-1] > values[2:])) + 1


def _cut(detail: Detail, bands: Sequence[int]) -> Array:
    """Return the patches of a map, of shape (len(bands), n_patches, n_values), moved by a number of bands."""
    weight = activity(detail.level)
    places = _centres(detail.level, weight)
    loud = np.pad(detail.cells * weight[:, None], ((HALF, HALF), (0, 0)))
    frames = loud[places[:, None] + np.arange(2 * HALF + 1)]
    parts = [frames[:, :, MOST_BANDS + one : BANDS - MOST_BANDS + one] for one in bands]
    # A recording without syllables has no patches.
    return np.stack([part.reshape(len(places), frames.shape[1] * part.shape[2]) for part in parts])


def _basis(details: Sequence[Detail], rng: np.random.Generator) -> tuple[Array, Array]:
    """Return the mean of patches, and their principal components, from a part of the recordings."""
    from sklearn.utils.extmath import randomized_svd

    drawn: list[Array] = []
    count = 0
    for place in rng.permutation(len(details)):
        drawn.append(_cut(details[place], [0])[0])
        count += len(drawn[-1])
        if count >= SAMPLED:
            break
    patches = np.concatenate(drawn)
    mean = patches.mean(axis=0)
    wanted = min(COMPONENTS, *patches.shape)
    _, _, components = randomized_svd(patches - mean, wanted, random_state=int(rng.integers(1 << 31)))
    return mean, np.ascontiguousarray(components.T, dtype=np.float32)


def _described(details: Sequence[Detail], rng: np.random.Generator, progress: Progress | None) -> _Patches:
    mean, components = _basis(details, rng)
    # Half of the changes: of two recordings, the one that is higher finds the other.
    bands = range(MOST_BANDS + 1)
    vectors: list[Array] = []
    for place, detail in enumerate(details):
        projected = (_cut(detail, bands) - mean) @ components
        vectors.append(projected / (np.linalg.norm(projected, axis=2, keepdims=True) + 1e-9))
        if progress:
            progress(place + 1, len(details))
    together = np.concatenate(vectors, axis=1)
    owners = np.repeat(np.arange(len(details)), [one.shape[1] for one in vectors])
    return _Patches(together[0], {one: together[one] for one in bands}, owners)


def _cells(vectors: Array, rng: np.random.Generator) -> Array:
    """Return the centres of cells: the root of the number of vectors, so that work grows by its power 1.5."""
    from sklearn.cluster import MiniBatchKMeans

    count = max(round(np.sqrt(len(vectors))), 1)
    drawn = vectors[rng.permutation(len(vectors))[: PER_CENTRE * count]]
    found = MiniBatchKMeans(
        count, init="random", n_init=1, max_iter=10, batch_size=4096, random_state=int(rng.integers(1 << 31))
    ).fit(drawn)
    centres = found.cluster_centers_.astype(np.float32)
    return centres / (np.linalg.norm(centres, axis=1, keepdims=True) + 1e-9)


def _nearest(vectors: Array, centres: Array, count: int) -> Indices:
    """Return the `count` cells nearest to each vector, of shape (n_vectors, count)."""
    count = min(count, len(centres))
    nearest = np.empty((len(vectors), count), dtype=np.int64)
    for first in range(0, len(vectors), BLOCK):
        closeness = vectors[first : first + BLOCK] @ centres.T
        nearest[first : first + BLOCK] = np.argpartition(-closeness, count - 1, axis=1)[:, :count]
    return nearest


def _agreeing(queries: Array, near: Indices, patches: _Patches, members: list[Indices]) -> Indices:
    """Return the pairs (patch, recording) that agree, each once, as one number: patch * recordings + recording."""
    recordings = int(patches.owners[-1]) + 1
    found = []
    order = np.argsort(near.ravel(), kind="stable")
    bounds = np.searchsorted(near.ravel()[order], np.arange(len(members) + 1))
    for cell, inside in enumerate(members):
        asking = order[bounds[cell] : bounds[cell + 1]] // near.shape[1]
        if not len(asking) or not len(inside):
            continue
        rows, columns = np.nonzero(queries[asking] @ patches.plain[inside].T > SIMILAR)
        pairs = asking[rows] * recordings + patches.owners[inside[columns]]
        found.append(np.unique(pairs))
    return np.unique(np.concatenate(found)) if found else np.zeros(0, dtype=np.int64)


def candidates_among(details: Sequence[Detail], *, seed: int = 0, progress: Progress | None = None) -> list[Candidate]:
    """Return the pairs of recordings that may be copies.

    Parameters
    ----------
    details : sequence of Detail
        Of each recording.
    seed : int, default=0
        Of the patches that are drawn to find components and cells.
    progress : callable, optional
        Called with the number of recordings described and their number.

    Returns
    -------
    list of Candidate
        Sorted by their places.
    """
    rng = np.random.default_rng(seed)
    if len(details) < 2 or not any(len(_cut(detail, [0])[0]) for detail in details):
        return []
    patches = _described(details, rng, progress)
    centres = _cells(patches.plain, rng)
    home = _nearest(patches.plain, centres, 1)[:, 0]
    members = [np.flatnonzero(home == cell) for cell in range(len(centres))]
    having = np.bincount(patches.owners, minlength=len(details))
    best: dict[tuple[int, int], tuple[int, int]] = {}
    for bands, queries in patches.shifted.items():
        agreed = _agreeing(queries, _nearest(queries, centres, PROBED), patches, members)
        for pair, count in _counted(agreed, patches.owners):
            fewer = int(min(having[pair[0]], having[pair[1]]))
            needed = min(fewer, max(FEWEST, ceil(SHARE * fewer)))
            ordered, moved = (pair, -bands) if pair[0] < pair[1] else (pair[::-1], bands)
            if count >= needed and count > best.get(ordered, (0, 0))[1]:
                best[ordered] = (moved, count)
    return _closest([Candidate(*pair, *best[pair]) for pair in sorted(best)])


def _closest(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates that are among the `MOST_CANDIDATES` of the first or of the second recording."""
    seen: Counter[int] = Counter()
    kept = []
    for one in sorted(candidates, key=lambda one: (-one.agreeing, one.first, one.second)):
        if min(seen[one.first], seen[one.second]) < MOST_CANDIDATES:
            kept.append(one)
        seen.update((one.first, one.second))
    return sorted(kept)


def _counted(agreed: Indices, owners: Indices) -> list[tuple[tuple[int, int], int]]:
    """Return how many patches of one recording agree with another, by (recording that asks, other recording)."""
    recordings = int(owners[-1]) + 1
    pairs, counts = np.unique(owners[agreed // recordings] * recordings + agreed % recordings, return_counts=True)
    several: Any = (
        ((int(pair) // recordings, int(pair) % recordings), int(count))
        for pair, count in zip(pairs, counts, strict=True)
        if pair // recordings != pair % recordings
    )
    return list(several)
