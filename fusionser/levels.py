"""The range of samples that come block by block, and how many of them are clipped or zero."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np

from fusionser.samples import SampleRange, Waveform

__all__ = ["Levels", "measure_levels"]

CLIPPED = 0.999
"""Share of the peak above which neighbouring samples of one sign are clipped."""


@dataclass(frozen=True)
class Levels:
    """What the samples of a clip are like at their own rate.

    Parameters
    ----------
    size : int
        Number of samples.
    sampling_rate : int
        Hz.
    low, high : float32
        The lowest and the highest sample.
    clipped : int
        Number of samples that follow another one of the same sign, where both are above `CLIPPED` of the peak.
    zeros : int
        Number of samples that are exactly zero.
    """

    size: int
    sampling_rate: int
    low: np.float32
    high: np.float32
    clipped: int
    zeros: int

    @property
    def peak(self) -> np.float32:
        """The largest absolute sample."""
        return max(self.high, -self.low)


def measure_levels(blocks: Callable[[], AbstractContextManager[tuple[int, Iterator[Waveform]]]]) -> Levels:
    """Return the levels of samples; they are read twice, since what is clipped depends on the peak.

    Parameters
    ----------
    blocks : callable
        Returns a context with the rate and the samples, block by block.

    Examples
    --------
    >>> from contextlib import nullcontext
    >>> halves = np.split(np.array([0, 1, 1, 1, -1, -1, 0.5, 0], dtype=np.float32), 2)
    >>> levels = measure_levels(lambda: nullcontext((8000, iter(halves))))
    >>> levels.size, levels.clipped, levels.zeros
    (8, 3, 2)
    """
    seen, size, zeros = SampleRange(), 0, 0
    with blocks() as (rate, samples):
        for block in samples:
            seen.add(block)
            size += block.size
            zeros += int((block == 0).sum())
    peak = float(max(seen.high, -seen.low))
    clipped = 0
    if peak:
        with blocks() as (_, samples):
            clipped = _clipped(samples, peak)
    return Levels(size, rate, seen.low, seen.high, clipped, zeros)


def _clipped(blocks: Iterator[Waveform], peak: float) -> int:
    """Count pairs of neighbours that are both above, or both below, what counts as clipped."""
    count = 0
    before = np.zeros(2, dtype=bool)
    for block in blocks:
        for side, beyond in enumerate((block > CLIPPED * peak, block < -CLIPPED * peak)):
            count += int((beyond[1:] & beyond[:-1]).sum()) + int(before[side] & beyond[0])
            before[side] = beyond[-1]
    return count
