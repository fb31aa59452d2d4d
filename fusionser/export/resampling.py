"""A change of the speed of waveforms as a convolution, as soxr does it."""

from fractions import Fraction
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import soxr
import torch
from torch import Tensor
from torch.nn import functional

from fusionser.errors import SettingsError

__all__ = ["at_speed", "speed_ratio"]

MOST_PHASES = 100
"""Largest terms of a ratio, since there is one filter per output sample of a period."""

LONGEST_FILTER = 2000
"""Samples around an impulse in which soxr's response to it lies."""

NEGLIGIBLE = 1e-9
"""Below this, a response is rounding errors."""


def speed_ratio(speed: float) -> Fraction | None:
    """Return a speed as a ratio of small numbers; None if there is none.

    Examples
    --------
    >>> speed_ratio(0.9), speed_ratio(1.1), speed_ratio(0.98765)
    (Fraction(9, 10), Fraction(11, 10), None)
    """
    ratio = Fraction(speed).limit_denominator(MOST_PHASES)
    small = abs(float(ratio) - speed) < 1e-12 and ratio.numerator <= MOST_PHASES
    return ratio if small else None


class Filters(NamedTuple):
    """Output sample ``up * j + p`` is the sum of ``weights[p]`` times the input from ``down * j - left`` on."""

    weights: npt.NDArray[np.float32]
    left: int


@cache
def _filters(ratio: Fraction, sampling_rate: int, speed: float) -> Filters:
    """Return what soxr's conversion does, from its responses to impulses."""
    down, up = ratio.numerator, ratio.denominator
    # A whole number of periods, so that an output sample of phase 0 falls on the middle.
    before = -(-LONGEST_FILTER // down) + 1
    middle = before * down
    taps: dict[tuple[int, int], float] = {}
    for place in range(down):
        impulse = np.zeros(2 * middle + down)
        impulse[middle + place] = 1.0
        response = soxr.resample(impulse, sampling_rate * speed, sampling_rate, quality="HQ")
        for output in np.flatnonzero(np.abs(response) > NEGLIGIBLE):
            period, phase = divmod(int(output), up)
            taps[phase, middle + place - down * period] = float(response[output])
    left = -min(offset for _, offset in taps)
    weights = np.zeros((up, left + 1 + max(offset for _, offset in taps)), dtype=np.float32)
    for (phase, offset), value in taps.items():
        weights[phase, offset + left] = value
    return Filters(weights, left)


def at_speed(waveforms: Tensor, sampling_rate: int, speed: float) -> Tensor:
    """Return waveforms at another speed, as the augmentation ``speed`` makes them, with zeros behind their end.

    The first and last samples differ, since soxr treats the ends of a recording in its own way.

    Parameters
    ----------
    waveforms : Tensor of shape (n_clips, n_samples)
    sampling_rate : int
        Their rate in Hz.
    speed : float
        One that `speed_ratio` knows.

    Returns
    -------
    Tensor of shape (n_clips, n_changed)

    Raises
    ------
    SettingsError
        If `speed_ratio` does not know the speed.

    Examples
    --------
    >>> tone = torch.sin(torch.arange(4410) * 0.1)[None]
    >>> bool((at_speed(tone, 22050, 0.9)[0, 2000:2400] - torch.sin(torch.arange(2000, 2400) * 0.09)).abs().max() < 1e-4)
    True
    """
    if (ratio := speed_ratio(speed)) is None:
        raise SettingsError(f"the speed {speed} is no ratio of small whole numbers; expected one such as 0.9")
    weights, left = _filters(ratio, sampling_rate, speed)
    down, up = ratio.numerator, ratio.denominator
    padded = functional.pad(waveforms, (left, weights.shape[1] + down))
    phases = functional.conv1d(padded[:, None], torch.from_numpy(weights)[:, None], stride=down)
    changed = phases.transpose(1, 2).flatten(1)
    # Sizes may be symbols here, which an exported graph would freeze; counts of ones are not.
    length = torch.ones_like(waveforms, dtype=torch.int64).sum(dim=1, keepdim=True)
    places = torch.ones_like(changed, dtype=torch.int64).cumsum(dim=1) - 1
    return torch.where(places < (2 * up * length + down) // (2 * down), changed, 0.0)
