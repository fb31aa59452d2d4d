"""The best path through candidates of consecutive frames (Viterbi 1967), many frames at a time.

A step from one frame to the next is a matrix of costs, and steps can be joined: the best way over two steps is again a
matrix. So the frames are cut into parts of equal length, whose steps are taken side by side:

1. From each candidate at the start of each part, find the best score of each candidate at its end.
2. Go through the parts in order. This gives the scores at their starts.
3. With these, take the steps of all parts once more, which gives the scores of all frames.

For n frames, that is about three times the root of n operations on arrays, instead of n.
"""

import math

import numpy as np
import numpy.typing as npt

__all__ = ["best_path"]

Array64 = npt.NDArray[np.float64]


def best_path(strength: Array64, costs: Array64) -> npt.NDArray[np.intp]:
    """Return the candidates, one for each frame, whose strengths minus the costs of the steps have the largest sum.

    Parameters
    ----------
    strength : ndarray of shape (n_frames, n_candidates)
        Minus infinity for a candidate that cannot be chosen. At least one of each frame must be finite.
    costs : ndarray of shape (n_frames - 1, n_candidates, n_candidates)
        ``costs[t, i, j]`` is that of the step from candidate i of frame t to candidate j of frame t + 1.

    Returns
    -------
    ndarray of shape (n_frames,)
        Numbers of candidates.

    Examples
    --------
    >>> strength = np.array([[1.0, 0.0], [0.0, 0.5], [1.0, 0.0]])
    >>> free, dear = np.zeros((2, 2, 2)), np.tile(1.0 - np.eye(2), (2, 1, 1))
    >>> best_path(strength, free).tolist(), best_path(strength, dear).tolist()
    ([0, 1, 0], [0, 0, 0])
    """
    scores = _scores(strength, costs)
    back = (scores[:-1, :, None] - costs).argmax(axis=1).tolist()
    path = [int(scores[-1].argmax())]
    for came_from in reversed(back):
        path.append(came_from[path[-1]])
    return np.array(path[::-1], dtype=np.intp)


def _scores(strength: Array64, costs: Array64) -> Array64:
    """Return the largest sum over the paths that end at each candidate, shape (n_frames, n_candidates)."""
    steps, count = len(costs), strength.shape[1]
    length = max(math.isqrt(steps), 1)
    parts = max(-(-steps // length), 1)
    gains, dear = _in_parts(strength[1:], parts, length), _in_parts(costs, parts, length)
    starts = _starts(strength[0], _joined(gains, dear))
    scores = np.empty((length, count, parts))
    now = starts
    for gain, cost, after in zip(gains, dear, scores, strict=True):
        now = np.add(np.maximum.reduce(now[:, None] - cost, axis=0), gain, out=after)
    found = scores.transpose(2, 0, 1).reshape(parts * length, count)[:steps]
    return np.concatenate([strength[:1], found])


def _in_parts(steps: Array64, parts: int, length: int) -> Array64:
    """Return an array of shape (length, ..., parts). The steps that are missing at the end are zeros."""
    filled = np.zeros((parts * length, *steps.shape[1:]))
    filled[: len(steps)] = steps
    return np.ascontiguousarray(np.moveaxis(filled.reshape(parts, length, *steps.shape[1:]), 0, -1))


def _joined(gains: Array64, costs: Array64) -> Array64:
    """Return the best score from each candidate at the start of a part to each at its end, last axis the parts."""
    now = gains[0] - costs[0]
    for gain, cost in zip(gains[1:], costs[1:], strict=True):
        now = np.maximum.reduce(now[:, :, None] - cost, axis=1) + gain
    return now


def _starts(first: Array64, joined: Array64) -> Array64:
    """Return the scores at the start of each part, shape (n_candidates, n_parts)."""
    starts = np.empty(joined.shape[1:])
    starts[:, 0] = now = first
    ways = np.ascontiguousarray(np.moveaxis(joined, -1, 0))
    for number, way in enumerate(ways[:-1], start=1):
        starts[:, number] = now = np.maximum.reduce(now[:, None] + way, axis=0)
    return starts
