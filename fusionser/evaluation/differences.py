"""What one result gains over another, speaker by speaker."""

from dataclasses import dataclass

import numpy as np

from fusionser.evaluation.metrics import FEWEST_SPEAKERS
from fusionser.results import Result

__all__ = ["Difference", "speaker_difference"]


@dataclass(frozen=True)
class Difference:
    """Mean over speakers of what is gained, in the score's own unit, and its interval (None below eight speakers)."""

    war: float
    uar: float
    war_interval: tuple[float, float] | None
    uar_interval: tuple[float, float] | None
    better: int
    speakers: int


def speaker_difference(without: Result, having: Result, *, draws: int = 2000, seed: int = 0) -> Difference:
    """Compare two results on the same speakers.

    Parameters
    ----------
    without, having : Result
    draws : int, default=2000
        Of the percentile bootstrap over speakers, 95 %.
    seed : int, default=0

    Returns
    -------
    Difference
        Means over speakers, all alike: where speakers have unlike numbers of clips, they are not quite the
        difference of the pooled scores.
    """
    names = sorted(set(without.speakers) & set(having.speakers))
    gains = np.array(
        [
            [getattr(having.speakers[name], score) - getattr(without.speakers[name], score) for score in ("war", "uar")]
            for name in names
        ]
    )
    war, uar = gains.mean(axis=0)
    intervals: list[tuple[float, float] | None] = [None, None]
    if len(names) >= FEWEST_SPEAKERS:
        drawn = np.random.default_rng(seed).integers(len(names), size=(draws, len(names)))
        ends = np.percentile(gains[drawn].mean(axis=1), [2.5, 97.5], axis=0)
        intervals = [(float(ends[0, column]), float(ends[1, column])) for column in (0, 1)]
    return Difference(
        war=float(war),
        uar=float(uar),
        war_interval=intervals[0],
        uar_interval=intervals[1],
        better=int((gains[:, 0] > 0).sum()),
        speakers=len(names),
    )
