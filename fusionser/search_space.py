"""What a search for parameters tries: ranges of numbers and lists of choices, as data."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fusionser.errors import SettingsError

__all__ = ["NumberRange", "Searched", "Space", "searched_of"]


@dataclass(frozen=True)
class NumberRange:
    """A range of numbers, with both of its ends; of whole numbers if both ends are whole.

    Parameters
    ----------
    low, high : int or float
        `low` is below `high`.
    log : bool, default=False
        Whether equal ratios, and not equal differences, are equally likely; `low` is then above 0.

    Raises
    ------
    SettingsError
        If the ends are no finite numbers in this order.

    Examples
    --------
    >>> NumberRange(0.1, 100.0, log=True)
    NumberRange(low=0.1, high=100.0, log=True)
    >>> NumberRange(1, 9).whole, NumberRange(3.0, 1.0)
    Traceback (most recent call last):
    ...
    fusionser.errors.SettingsError: the range is 3.0 to 1.0; expected two finite numbers, the lower one first
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        """Raise `SettingsError` if the ends are no finite numbers in this order."""
        ends = (self.low, self.high)
        if any(isinstance(end, bool) or not isinstance(end, int | float) or not math.isfinite(end) for end in ends):
            raise SettingsError(f"the range is {self.low!r} to {self.high!r}; expected two finite numbers")
        if self.low >= self.high:
            raise SettingsError(
                f"the range is {self.low} to {self.high}; expected two finite numbers, the lower one first"
            )
        if not isinstance(self.log, bool):
            raise SettingsError(f"log is {self.log!r}; expected true or false")
        if self.log and self.low <= 0:
            raise SettingsError(f"the range begins at {self.low}; expected more than 0, because log is true")

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are tried."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def __contains__(self, value: object) -> bool:
        """Return whether a value is a number in the range."""
        number = isinstance(value, int if self.whole else int | float) and not isinstance(value, bool)
        return number and self.low <= value <= self.high  # type: ignore[operator]

    def __str__(self) -> str:
        """Return the range in words."""
        return f"{self.low:g} to {self.high:g}{', log scale' if self.log else ''}"


Searched = NumberRange | Sequence[Any]
"""What is tried for one parameter: a range, or a list of choices."""

Space = Mapping[str, Searched]
"""What is tried, by parameter."""


def searched_of(value: Any) -> Searched:
    """Return what is tried for one parameter, from the value of a TOML file.

    Parameters
    ----------
    value : list, or dict
        Choices, or the parameters of a `NumberRange`.

    Raises
    ------
    SettingsError
        If it is neither.

    Examples
    --------
    >>> searched_of({"low": 1, "high": 8}), searched_of(["scale", 0.001])
    (NumberRange(low=1, high=8, log=False), ('scale', 0.001))
    """
    if isinstance(value, Mapping) and {"low", "high"} <= set(value) <= {"low", "high", "log"}:
        return NumberRange(**value)
    if isinstance(value, list | tuple) and value:
        return tuple(tuple(one) if isinstance(one, list) else one for one in value)
    raise SettingsError(
        f"got {value!r}; expected a list of choices, such as [1, 10], or a range, such as "
        "{low = 0.1, high = 100, log = true}"
    )
