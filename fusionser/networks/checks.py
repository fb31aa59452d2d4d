"""The ranges of what networks have in common: numbers of units, dropout, and maps that are large enough to pool."""

import math
from collections.abc import Sequence

import numpy as np

from fusionser.errors import SettingsError

__all__ = ["check_dropout", "check_pools", "check_units"]

MOST_UNITS = 8192
MOST_DROPOUT = 0.95


def check_units(**given: int | Sequence[int]) -> None:
    """Raise `SettingsError` for a number of units or filters, or one of several, that is out of its range.

    Examples
    --------
    >>> check_units(units=64, hidden=(12, 10))
    """
    for name, value in given.items():
        for count in np.ravel(value):
            if not 1 <= count <= MOST_UNITS:
                raise SettingsError(f"{name} is {value}; expected 1 to {MOST_UNITS}")


def check_dropout(dropout: float) -> None:
    """Raise `SettingsError` for a dropout that is out of its range."""
    if not 0 <= dropout <= MOST_DROPOUT:
        raise SettingsError(f"dropout is {dropout}; expected 0 to {MOST_DROPOUT}")


def check_pools(n_bands: int, n_frames: int, pools: Sequence[int]) -> None:
    """Raise `SettingsError` when square pools would leave nothing of a map.

    Examples
    --------
    >>> check_pools(128, 219, (2, 4, 4, 4))
    """
    least = math.prod(pools)
    if min(n_bands, n_frames) < least:
        raise SettingsError(
            f"got maps of {n_bands} bands by {n_frames} frames; pools of {', '.join(map(str, pools))} need {least} or "
            "more"
        )
