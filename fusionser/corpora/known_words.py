"""Words that names of folders and files are known by: emotions, genders and data splits, in several languages."""

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib import resources
from itertools import pairwise
from typing import Any

__all__ = ["emotion_in", "gender_named", "is_emotion", "is_split", "meaning_of_level"]

LEAST_SHARE = 0.5
"""Share of the names of a level that must be emotions, so that a speaker called Joy does not make one."""


def meaning_of_level(folders: set[str]) -> str:
    """Return the part of a pattern for a level of folders; empty if their names do not tell."""
    means = _meanings()
    # With a number it is something else: f1 and f2 are speakers.
    if all(means.get(name.casefold()) == "{gender}" for name in folders):
        return "{gender}"
    # Beside "test", "test copy" is one too.
    if any(map(is_split, folders)) and all(any(map(is_split, re.split(r"[\W_]+", name))) for name in folders):
        return "*"
    emotions = sum(is_emotion(name) for name in folders)
    return "{emotion}" if emotions >= LEAST_SHARE * len(folders) else ""


@cache
def _names() -> dict[str, Any]:
    return tomllib.loads((resources.files("fusionser_data") / "folder_names.toml").read_text(encoding="utf-8"))


@cache
def _meanings() -> Mapping[str, str]:
    """Return the part of a pattern by each known name of a folder."""
    groups = {
        "*": [_names()["splits"]],
        "{gender}": _names()["genders"].values(),
        "{emotion}": _names()["emotions"].values(),
    }
    return {name: part for part, lists in groups.items() for names in lists for name in names}


def is_emotion(name: str) -> bool:
    """Return whether the name of a folder, or a word of a file's name, is that of an emotion.

    Examples
    --------
    >>> is_emotion("01 - Angry"), is_emotion("Actor_01")
    (True, False)
    """
    return _meanings().get(_plain(name)) == "{emotion}"


def gender_named(folder: str) -> str:
    """Return the gender that a folder is named by, or the name itself.

    Examples
    --------
    >>> gender_named("Women"), gender_named("other")
    ('female', 'other')
    """
    return next((gender for gender, names in _names()["genders"].items() if folder.casefold() in names), folder)


def _plain(name: str) -> str:
    """Return the name of a folder in lower case, without numbers and signs around it, and with ``_`` for blanks."""
    # macOS writes accents as characters of their own.
    composed = unicodedata.normalize("NFC", name.casefold())
    return re.sub(r"^[\W\d_]+|[\W\d_]+$", "", re.sub(r"[\s-]+", "_", composed))


def is_split(name: str) -> bool:
    """Return whether the name of a folder is that of a side of a split, such as ``train``."""
    return name.casefold() in _names()["splits"]


def emotion_in(stem: str) -> str | None:
    """Return the only known emotion among the words of a name, in lower case; None if there is none, or several.

    Examples
    --------
    >>> emotion_in("ann_Angry01"), emotion_in("happy or sad"), emotion_in("pleasant surprise 2")
    ('angry', None, 'pleasant_surprise')
    """
    words = [word for word in re.split(r"[\W\d_]+", unicodedata.normalize("NFC", stem).casefold()) if word]
    pairs = [f"{one}_{other}" for one, other in pairwise(words)]
    found = {word for word in (*words, *pairs) if is_emotion(word)}
    # "pleasant surprise" is one emotion, and "surprise" a word of it.
    longest = {word for word in found if not any(word != other and word in other.split("_") for other in found)}
    return longest.pop() if len(longest) == 1 else None
