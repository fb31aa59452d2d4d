"""Range checks that several estimators share."""

import os
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd

from fusionser.errors import SettingsError

__all__ = [
    "channel_number",
    "check_dropout",
    "check_finite",
    "check_jobs",
    "check_present",
    "check_processes",
    "check_range",
    "check_truth",
    "check_units",
    "check_whole",
    "split_named",
]

MOST_UNITS = 8192
MOST_DROPOUT = 0.95

MOST_JOBS_PER_CORE = 8
"""Most processes for each core. More are no faster, and each one takes memory."""

MOST_CHANNEL_NUMBER = 1024
"""Largest number of a channel; libsndfile reads no file with more channels."""

SPLIT_WORDS: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training", "trainset"),
    "validation": ("validation", "valid", "val", "dev", "devel", "development", "devset"),
    "test": ("test", "testing", "testset", "eval", "evaluation"),
}
"""Words for the parts of a given split, by the name that rows have for each."""


def check_range(name: str, value: float, least: float, most: float) -> None:
    """Raise `SettingsError` unless a number is from `least` to `most`.

    Examples
    --------
    >>> check_range("n_mfcc", 200, 1, 128)
    Traceback (most recent call last):
    ...
    fusionser.errors.SettingsError: n_mfcc is 200; expected 1 to 128
    """
    if not isinstance(value, Real) or isinstance(value, bool) or not least <= value <= most:
        raise SettingsError(f"{name} is {value!r}; expected {least} to {most}", parameter=name)


def check_jobs(n_jobs: Any, name: str = "n_jobs") -> None:
    """Raise `SettingsError` if a number of processes is none, or more than this machine can have.

    Examples
    --------
    >>> check_jobs(None)
    >>> check_jobs(0)
    Traceback (most recent call last):
    ...
    fusionser.errors.SettingsError: n_jobs is 0; expected a number of processes, -1 for one per core, or None
    """
    if n_jobs is None:
        return
    if not isinstance(n_jobs, Integral) or isinstance(n_jobs, bool) or n_jobs == 0:
        raise SettingsError(f"{name} is {n_jobs!r}; expected a number of processes, -1 for one per core, or None")
    _check_cores(n_jobs, name, ", or -1 for one per core")


def check_processes(processes: Any) -> None:
    """Raise `SettingsError` unless a network can be trained in a number of processes.

    Examples
    --------
    >>> check_processes(0)
    Traceback (most recent call last):
    ...
    fusionser.errors.SettingsError: processes is 0; expected a number of processes, 1 or more
    """
    if not isinstance(processes, Integral) or isinstance(processes, bool) or processes < 1:
        raise SettingsError(
            f"processes is {processes!r}; expected a number of processes, 1 or more", parameter="processes"
        )
    _check_cores(processes, "processes", "")


def _check_cores(count: Any, name: str, alternative: str) -> None:
    cores = os.cpu_count() or 1
    if int(count) > MOST_JOBS_PER_CORE * cores:
        raise SettingsError(
            f"{name} is {count}, and this machine has {cores} cores; expected at most {MOST_JOBS_PER_CORE} for each "
            f"core{alternative}",
            parameter=name,
        )


def check_whole(name: str, value: int) -> None:
    """Raise `SettingsError` unless a value is a whole number.

    Examples
    --------
    >>> check_whole("epochs", 2.5)
    Traceback (most recent call last):
    ...
    fusionser.errors.SettingsError: epochs is 2.5; expected a whole number
    """
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise SettingsError(f"{name} is {value!r}; expected a whole number", parameter=name)


def check_finite(name: str, value: float) -> None:
    """Raise `SettingsError` unless a value is a finite number.

    Examples
    --------
    >>> check_finite("offset", float("nan"))
    Traceback (most recent call last):
    ...
    fusionser.errors.SettingsError: offset is nan; expected a finite number
    """
    if not isinstance(value, Real) or isinstance(value, bool) or not np.isfinite(float(value)):
        raise SettingsError(f"{name} is {value!r}; expected a finite number", parameter=name)


def check_truth(name: str, value: bool) -> None:
    """Raise `SettingsError` unless a value is true or false.

    Examples
    --------
    >>> check_truth("trim", [])
    Traceback (most recent call last):
    ...
    fusionser.errors.SettingsError: trim is []; expected true or false
    """
    if not isinstance(value, (bool, np.bool_)):
        raise SettingsError(f"{name} is {value!r}; expected true or false", parameter=name)


def check_units(**given: int | Sequence[int]) -> None:
    """Raise `SettingsError` unless all numbers of units or filters are in their range.

    Examples
    --------
    >>> check_units(units=64, hidden=(12, 10), none=())
    """
    for name, value in given.items():
        counts = np.ravel(np.asarray(value))
        if counts.size and counts.dtype.kind not in "iu":
            raise SettingsError(f"{name} is {value!r}; expected whole numbers")
        if not all(1 <= count <= MOST_UNITS for count in counts):
            raise SettingsError(f"{name} is {value}; expected 1 to {MOST_UNITS}")


def check_dropout(dropout: float, name: str = "dropout") -> None:
    """Raise `SettingsError` unless a dropout rate is in its range."""
    check_range(name, dropout, 0, MOST_DROPOUT)


def check_present(labels: Any) -> None:
    """Raise `SettingsError` if a label is missing. In a list of texts, NaN would otherwise become the text 'nan'.

    Examples
    --------
    >>> check_present(["sad", None, "happy"])
    Traceback (most recent call last):
    ...
    fusionser.errors.SettingsError: 1 of 3 labels is missing, the first in row 1; label these rows, or leave them out
    """
    given = np.asarray(labels, dtype=object)
    missing = np.flatnonzero(pd.isna(given))
    if len(missing):
        verb = "is" if len(missing) == 1 else "are"
        raise SettingsError(
            f"{len(missing)} of {len(given)} labels {verb} missing, the first in row {missing[0]}; "
            "label these rows, or leave them out"
        )


def channel_number(channel: object) -> int | None:
    """Return the number of a channel, from 1; None for the mean of all.

    Parameters
    ----------
    channel : object
        ``mean``, ``left``, ``right``, or a number as text or as a number. Missing and empty values are ``mean``.

    Raises
    ------
    SettingsError
        If it is none of these.

    Examples
    --------
    >>> channel_number("right"), channel_number("3"), channel_number("mean")
    (2, 3, None)
    """
    if channel is None or channel != channel:
        return None
    text = str(channel).strip().lower()
    if text in ("", "mean"):
        return None
    number = {"left": "1", "right": "2"}.get(text, text.removesuffix(".0"))
    # A very long number would take long to read.
    if not (number.isascii() and number.isdigit() and len(number) <= 4 and 1 <= int(number) <= MOST_CHANNEL_NUMBER):
        raise SettingsError(
            f"channel is '{channel}'; expected left, right, mean, or a number from 1 to {MOST_CHANNEL_NUMBER}",
            parameter="channel",
        )
    return int(number)


def split_named(word: object) -> str:
    """Return the part of a given split that a word stands for: ``train``, ``validation``, ``test``, or empty for none.

    Parameters
    ----------
    word : object
        Any of `SPLIT_WORDS`, in small or capital letters. Missing and empty values are none.

    Raises
    ------
    SettingsError
        If it is none of these.

    Examples
    --------
    >>> split_named("Devel"), split_named("training"), split_named(None)
    ('validation', 'train', '')
    """
    if word is None or word != word:
        return ""
    text = str(word).strip().casefold()
    if not text:
        return ""
    found = next((name for name, words in SPLIT_WORDS.items() if text in words), None)
    if found is None:
        accepted = "; ".join(f"{name} ({', '.join(words[1:])})" for name, words in SPLIT_WORDS.items())
        raise SettingsError(f"split is '{str(word).strip()}'; expected one of: {accepted}; or nothing")
    return found
