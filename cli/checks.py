"""Checks of all arguments and of the environment, before any command looks at them."""

from collections.abc import Iterator, Mapping, Sequence

from fusionser.errors import SettingsError
from fusionser.files import is_loop

LAST_SECOND = 253402300799
"""End of the year 9999, in seconds since 1970."""

DIGITS = 20
"""Most digits that are made a number; Python refuses thousands of them with an error of its own."""

DATE = "SOURCE_DATE_EPOCH"
"""Variable with the date of what is written; NumPy, matplotlib and fusionser read it."""

PATH_OPTIONS = frozenset({"--config", "--html", "--list", "--out", "--save-config", "--study", "--timeline"})
"""Options that name a file or a folder. An empty list of names, such as ``--augment ""``, is a value."""


def check_given(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Raise `SettingsError` if a path cannot be one, or the date of the environment cannot be right.

    An empty path would be the working folder.

    Examples
    --------
    >>> check_given(["fit", "recordings", "--out", ""], {})
    Traceback (most recent call last):
    ...
    fusionser.errors.SettingsError: got an empty value for --out; a shell variable may not be set
    """
    for option, value in _paths(arguments):
        if not value:
            named = f"value for {option}" if option else "argument"
            raise SettingsError(f"got an empty {named}; a shell variable may not be set")
        if option and is_loop(value):
            raise SettingsError(f"{option} is {value}, where a link leads back to itself; choose another path")
    date = environment.get(DATE, "")
    if date and not (date.isdecimal() and date.isascii() and len(date) <= DIGITS and int(date) <= LAST_SECOND):
        raise SettingsError(
            f"{DATE} is {date[:40]!r}; expected seconds since 1970, 0 to {LAST_SECOND}, or no such variable"
        )


def _paths(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the option and the value of each path, and each argument that is no option's value with no option."""
    for before, argument in zip(["", *arguments], arguments, strict=False):
        flag, has_value, value = argument.partition("=")
        if has_value and flag in PATH_OPTIONS:
            yield flag, value
        elif before in PATH_OPTIONS:
            yield before, argument
        elif not before.startswith("-") and not argument.startswith("-"):
            yield "", argument
