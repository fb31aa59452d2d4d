"""Intervals over speakers for scores of predicted numbers."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from fusionser.agreement import AGREEMENT
from fusionser.evaluation.metrics import DRAWS, FEWEST_SPEAKERS, percentile_interval, resampled

__all__ = ["agreement_intervals"]

Array = npt.NDArray[np.float64]


def agreement_intervals(
    moments: Mapping[str, Array], scale: Array, *, draws: int = DRAWS, seed: int = 0
) -> dict[str, list[tuple[float, float]]] | None:
    """Return 95 % percentile bootstrap intervals of the pooled scores; speakers are resampled.

    Parameters
    ----------
    moments : mapping of str to ndarray of shape (n_targets, 6)
        Those of each speaker.
    scale : ndarray of shape (n_targets,)
        The scale of the moments.
    draws : int, default=2000
    seed : int, default=0

    Returns
    -------
    dict of str to list of (float, float), or None
        By name of the score: the interval of each target, and last that of their mean. A correlation that a draw
        leaves undefined counts as 0. None with fewer than `FEWEST_SPEAKERS` speakers.
    """
    if len(moments) < FEWEST_SPEAKERS:
        return None
    stacked = np.stack([moments[name] for name in sorted(moments)])
    pooled = resampled(stacked, np.random.default_rng(seed), draws)
    found = {}
    for name, score in AGREEMENT.items():
        values = np.nan_to_num(score(pooled), nan=0.0) * (scale**2 if name == "mse" else 1.0)
        columns = [*values.T, values.mean(axis=1)]
        found[name] = [percentile_interval(column) for column in columns]
    return found
