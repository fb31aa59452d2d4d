"""Stochastic gradient descent on features of shuffled rows: the number of passes, and the type of the rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fusionser.errors import SettingsError

__all__ = ["epochs_for", "record_type"]

ENOUGH = 200_000
"""Rows that descent sees, within the limits of its passes."""

FEWEST, MOST = 5, 20
"""Passes over the rows."""


def epochs_for(rows: int, given: int | None) -> int:
    """Return the number of passes over so many rows: the given one, or as many as see `ENOUGH` rows, 5 to 20.

    Raises
    ------
    SettingsError
        If the given number is below 1.

    Examples
    --------
    >>> epochs_for(100, None), epochs_for(20_000, None), epochs_for(10**6, None), epochs_for(100, 3)
    (20, 10, 5, 3)
    """
    if given is not None and given < 1:
        raise SettingsError(f"epochs is {given}; expected 1 or more, or None")
    return given or min(max(-(-ENOUGH // rows), FEWEST), MOST)


def record_type(features: int, fields: Sequence[tuple[Any, ...]]) -> np.dtype[Any]:
    """Return the type of a row with so many features, in single precision, and other fields."""
    return np.dtype([("features", "f4", (features,)), *fields])
