"""Speaker-by-speaker difference of two results."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fusionser.evaluation.metrics import DRAWS, FEWEST_SPEAKERS
from fusionser.results import Result

__all__ = ["Difference", "speaker_difference"]


@dataclass(frozen=True)
class Difference:
    """Mean gain over speakers, 0 to 1 as the scores, with its 95 % interval (None below eight speakers)."""

    war: float
    uar: float
    war_interval: tuple[float, float] | None
    uar_interval: tuple[float, float] | None
    better: int
    speakers: int


def speaker_difference(without: Result, having: Result, *, seed: int = 0) -> Difference:
    """Compare two results on their common speakers.

    Parameters
    ----------
    without, having : Result
    seed : int, default=0
        Of the bootstrap over speakers.

    Returns
    -------
    Difference
        All speakers count equally. Where their numbers of clips differ, the mean is not exactly the difference of the
        pooled scores.
    """
    names = sorted(set(without.speakers) & set(having.speakers))

    def scores(result: Result) -> npt.NDArray[np.float64]:
        return np.array([(result.speakers[name].war, result.speakers[name].uar) for name in names])

    gains = scores(having) - scores(without)
    war, uar = gains.mean(axis=0).tolist()
    intervals: list[tuple[float, float] | None] = [None, None]
    if len(names) >= FEWEST_SPEAKERS:
        drawn = np.random.default_rng(seed).integers(len(names), size=(DRAWS, len(names)))
        ends = np.percentile(gains[drawn].mean(axis=1), [2.5, 97.5], axis=0)
        intervals = [(low, high) for low, high in ends.T.tolist()]
    return Difference(war, uar, intervals[0], intervals[1], int((gains[:, 0] > 0).sum()), len(names))
