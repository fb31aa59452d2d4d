"""Checks of all arguments and of the environment, before any command looks at them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fusionser.errors import SettingsError
from fusionser.files import is_loop

LAST_SECOND = 253402300799
"""End of the year 9999, in seconds since 1970."""

DIGITS = 20
"""Most digits that are made a number; Python refuses thousands of them with an error of its own."""

LEAST_MEMORY = 1 << 30
"""Bytes that a process must be allowed to have; most of it is never used."""

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Variables with numbers of threads; libraries print warnings of their own about others."""

DATE = "SOURCE_DATE_EPOCH"
"""Variable with the date of what is written; NumPy, matplotlib and fusionser read it."""

LOGS = "TORCH_LOGS"
"""Variable with what torch logs. It reads it when it is loaded, which takes seconds, so only if it is set."""

PATH_OPTIONS = frozenset(
    {
        "--config",
        "--html",
        "--list",
        "--measure",
        "--model",
        "--out",
        "--rates",
        "--save-config",
        "--study",
        "--timeline",
    }
)
"""Options that name a file or a folder. An empty list of names, such as ``--augment ""``, is a value."""


def check_given(arguments: Sequence[str], environment: Mapping[str, str]) -> None:
    """Raise `SettingsError` if a path cannot be one, or the environment cannot be right.

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
    for name in THREADS:
        threads = environment.get(name, "")
        # OpenMP takes a list, with a number for each level.
        if threads and not all(level.strip().isdecimal() and int(level) > 0 for level in threads.split(",")):
            raise SettingsError(f"{name} is {threads[:40]!r}; expected a number of threads, or no such variable")
    _check_working_folder()
    _check_memory()
    if logs := environment.get(LOGS):
        _check_logs(logs)


def _check_logs(logs: str) -> None:
    """Raise `SettingsError` if torch cannot be loaded because it knows no logs of these names."""
    try:
        import torch._logging  # noqa: F401
    except ValueError as error:
        raise SettingsError(f"{LOGS} is {logs[:40]!r}; expected logs that torch knows, or no such variable") from error


def _check_memory() -> None:
    """Raise `SettingsError` if this process may not have the memory that libraries take when they are loaded.

    OpenBLAS then asks for it without end.
    """
    try:
        import resource
    except ImportError:
        return
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if 0 <= limit < LEAST_MEMORY:
        raise SettingsError(
            f"this process may have {limit / 2**20:.0f} MiB of memory (ulimit -v); expected "
            f"{LEAST_MEMORY >> 20} or more"
        )


def _check_working_folder() -> None:
    """Raise `SettingsError` if the working folder was deleted, which libraries meet in ways of their own."""
    try:
        Path.cwd()
    except OSError as error:
        raise SettingsError("the working folder does not exist any more; change to another folder") from error


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
