"""The ranges of what every network has: numbers of units, and dropout."""

from collections.abc import Sequence

from fusionser.errors import SettingsError

__all__ = ["check_dropout", "check_units"]

MOST_UNITS = 8192
MOST_DROPOUT = 0.95


def check_units(**given: int | Sequence[int]) -> None:
    """Raise `SettingsError` for a number of units or filters, or one of several, that is out of its range.

    Examples
    --------
    >>> check_units(units=64, hidden=(12, 10))
    """
    for name, value in given.items():
        for count in [value] if isinstance(value, int) else value:
            if not 1 <= count <= MOST_UNITS:
                raise SettingsError(f"{name} is {value}; expected 1 to {MOST_UNITS}")


def check_dropout(dropout: float) -> None:
    """Raise `SettingsError` for a dropout that is out of its range."""
    if not 0 <= dropout <= MOST_DROPOUT:
        raise SettingsError(f"dropout is {dropout}; expected 0 to {MOST_DROPOUT}")
