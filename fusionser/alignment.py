"""Alignment of the columns of new clips with the statistics of the training clips, without labels."""

import numpy as np
import numpy.typing as npt

from fusionser.errors import SettingsError

__all__ = ["ADVISABLE_CLIPS", "LEAST_CLIPS", "Moments", "check_clips", "covariance", "moments", "recolour"]

Array = npt.NDArray[np.float64]
Moments = tuple[Array, Array]

LEAST_CLIPS = 10
"""Fewest clips that a pipeline can be adapted to."""

ADVISABLE_CLIPS = 50
"""Fewest clips that are likely to improve its predictions."""


def check_clips(count: int, failure: str = "") -> None:
    """Raise `SettingsError` if there are too few clips to adapt to; `failure` is why the first other is not used."""
    if count < LEAST_CLIPS:
        raise SettingsError(
            f"got {count} usable {'clip' if count == 1 else 'clips'} to adapt to; expected {LEAST_CLIPS} or more "
            f"({ADVISABLE_CLIPS} are advisable), because the statistics of fewer depend too much on what is "
            "said in them. Copies of a clip count once. Leave out the adaptation"
            + (f". The first that cannot be used: {failure}" if failure else "")
        )


def moments(values: Array) -> Moments:
    """Return the mean and standard deviation of each column; the deviation of a constant column is 1.

    Examples
    --------
    >>> [part.tolist() for part in moments(np.array([[1.0, 5.0], [3.0, 5.0]]))]
    [[2.0, 5.0], [1.0, 1.0]]
    """
    std = values.std(axis=0)
    # A column that is constant except for rounding must not be amplified.
    still = std <= 1e-7 * np.maximum(np.abs(values).max(axis=0), 1e-30)
    return values.mean(axis=0), np.where(still, 1.0, std)


def covariance(scores: Array) -> Array:
    """Return the covariance of standard scores plus the identity, as CORAL regularises it (Sun, Feng and Saenko 2016).

    It can be inverted however few clips there are.

    Examples
    --------
    >>> covariance(np.array([[-1.0, -1.0], [1.0, 1.0]])).tolist()
    [[2.0, 1.0], [1.0, 2.0]]
    """
    centred = scores - scores.mean(axis=0)
    regularised: Array = centred.T @ centred / len(scores) + np.eye(scores.shape[1])
    return regularised


def recolour(given: Array, wanted: Array) -> Array:
    """Return the map of columns with the covariance `given` that gives them the covariance `wanted`.

    Examples
    --------
    >>> recolour(np.diag([4.0, 1.0]), np.diag([1.0, 9.0])).round(12).tolist()
    [[0.5, 0.0], [0.0, 3.0]]
    """
    return _power(given, -0.5) @ _power(wanted, 0.5)


def _power(matrix: Array, exponent: float) -> Array:
    values, vectors = np.linalg.eigh(matrix)
    powered: Array = (vectors * values**exponent) @ vectors.T
    return powered
