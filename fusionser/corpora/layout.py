"""What the folders of a tree of recordings mean: found from their names, or given as a pattern."""

import re
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import PurePath
from typing import Any

from fusionser.errors import CorpusError, SettingsError, unknown_name

__all__ = ["LAYOUT_FIELDS", "Layout", "find_layout", "gender_named"]

LAYOUT_FIELDS = ("emotion", "speaker", "gender", "statement", "intensity")
"""Columns of a row that a pattern may name."""

ANY_FOLDERS = "**"

LEAST_SHARE = 0.5
"""Share of the names of a level that must be emotions, so that a speaker called Joy does not make one."""


@dataclass(frozen=True)
class Layout:
    """A pattern of paths, such as ``{speaker}/{emotion}/*``.

    Parameters
    ----------
    pattern : str
        Parts of a path, separated by ``/``. In a part, the name of a column in braces (`LAYOUT_FIELDS`) stands for its
        value, and ``*`` for anything; the part ``**`` stands for any number of folders. The last part is the file, with
        or without its suffix. ``{emotion}`` is required.

    Raises
    ------
    SettingsError
        If the pattern is not such a pattern.

    Examples
    --------
    >>> Layout("{speaker}/*/{emotion}_*").fields(PurePath("ann/monday/sad_3.wav"))
    {'speaker': 'ann', 'emotion': 'sad'}
    """

    pattern: str

    def __post_init__(self) -> None:
        """Check the pattern."""
        object.__setattr__(self, "_expression", self._compiled())

    def _compiled(self) -> re.Pattern[str]:
        names = re.findall(r"\{(.*?)\}", self.pattern)
        for name in names:
            if name not in LAYOUT_FIELDS:
                raise unknown_name(f"field in --layout '{self.pattern}'", name, LAYOUT_FIELDS)
        parts = self.pattern.split("/")
        if names.count("emotion") != 1 or len(set(names)) < len(names) or "" in parts or parts[-1] == ANY_FOLDERS:
            raise SettingsError(
                f"--layout is '{self.pattern}'; expected folders and a file with {{emotion}}, and no field twice, such "
                "as '{emotion}/{speaker}/*' or '{speaker}/{emotion}_*'"
            )
        return re.compile("/".join(map(_part, parts)).replace(f"{ANY_FOLDERS}/", "(?:[^/]+/)*"), re.DOTALL)

    def fields(self, path: PurePath) -> dict[str, str] | None:
        """Return the fields of a path relative to the root; None if it does not have this layout."""
        expression: re.Pattern[str] = vars(self)["_expression"]
        found = expression.fullmatch(path.as_posix()) or expression.fullmatch(path.with_suffix("").as_posix())
        return None if found is None else found.groupdict()


def _part(part: str) -> str:
    """Return a part of a pattern as a regular expression."""
    if part == ANY_FOLDERS:
        return part
    pieces = re.split(r"(\{\w+\}|\*)", part)
    return "".join(
        "[^/]*" if piece == "*" else f"(?P<{piece[1:-1]}>[^/]+?)" if piece[:1] == "{" else re.escape(piece)
        for piece in pieces
    )


def find_layout(paths: Sequence[PurePath], root: str) -> Layout:
    """Find the layout of a tree from the names of its folders.

    A level of folders is that of the emotions if at least half of its names are emotions. Levels whose names are all
    those of data splits, such as ``train``, are passed over, and one of genders is read as such. If one other level is
    left, it has the speakers, or the labels if there are no emotions.

    Parameters
    ----------
    paths : sequence of PurePath
        Relative paths of the recordings, each in at least one folder.
    root : str
        Name of the tree in errors.

    Raises
    ------
    CorpusError
        If the names do not tell which level has the emotions, or it is not the same for all recordings.

    Examples
    --------
    >>> paths = [PurePath(text) for text in ("train/angry/x.flac", "test/sad/y.flac")]
    >>> find_layout(paths, "recordings").pattern
    '*/{emotion}/*'
    """
    depths = {len(path.parts) - 1 for path in paths}
    levels = [{path.parts[level] for path in paths} for level in range(min(depths))]
    names = {level: found for level, folders in enumerate(levels) if (found := _meaning(folders))}
    unnamed = [level for level in range(len(levels)) if level not in names]
    if any(_is_split(name) for level in unnamed for name in levels[level]):
        raise CorpusError(_ambiguous(paths, root, list(names.values()).count("{emotion}")))
    if "{emotion}" not in names.values() and len(unnamed) == 1 and len(depths) == 1:
        names[unnamed.pop()] = "{emotion}"
    if len(depths) == 1 and len(unnamed) == 1:
        names[unnamed.pop()] = "{speaker}"
    fields = [name for name in names.values() if name != "*"]
    if len(depths) > 1:
        _check_deeper(paths, root, [level for level, part in names.items() if part == "{emotion}"])
    if unnamed or "{emotion}" not in fields or len(set(fields)) < len(fields):
        raise CorpusError(_ambiguous(paths, root, fields.count("{emotion}")))
    deeper = [ANY_FOLDERS] if len(depths) > 1 else []
    return Layout("/".join([*(names[level] for level in range(len(levels))), *deeper, "*"]))


def _check_deeper(paths: Sequence[PurePath], root: str, levels: Sequence[int]) -> None:
    """Raise `CorpusError` if a folder in the place of an emotion is none, and has folders that are: a copied tree."""
    means = _meanings()
    for path in paths:
        for level in levels:
            deeper = [name for name in path.parts[level + 1 : -1] if means.get(_plain(name)) == "{emotion}"]
            if deeper and means.get(_plain(path.parts[level])) != "{emotion}":
                raise CorpusError(
                    f"{root}: in {path.as_posix()}, '{deeper[0]}' is the emotion, and in most others the folder in the "
                    f"place of '{path.parts[level]}' is; say what the folders are with --layout, such as "
                    f"'{ANY_FOLDERS}/{{emotion}}/*', or take '{path.parts[level]}' out of the tree"
                )


def _is_split(name: str) -> bool:
    return name.casefold() in _names()["splits"]


def _meaning(folders: set[str]) -> str:
    """Return the part of a pattern for a level of folders; empty if their names do not tell."""
    means = _meanings()
    # With a number it is something else: f1 and f2 are speakers.
    if all(means.get(name.casefold()) == "{gender}" for name in folders):
        return "{gender}"
    # Beside "test", "test copy" is one too.
    if any(map(_is_split, folders)) and all(any(map(_is_split, re.split(r"[\W_]+", name))) for name in folders):
        return "*"
    emotions = sum(means.get(_plain(name)) == "{emotion}" for name in folders)
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


def _ambiguous(paths: Sequence[PurePath], root: str, emotions: int) -> str:
    what = {
        0: "at no level half of the folders have names of emotions that are known",
        1: "it is not clear which folders are the speakers",
    }.get(emotions, "more than one level of folders has the names of emotions")
    if len({len(path.parts) for path in paths}) > 1:
        what += ", and the recordings lie at different depths"
    for level in range(min(len(path.parts) for path in paths) - 1):
        folders = sorted({path.parts[level] for path in paths})
        others = [name for name in folders if not _is_split(name)]
        if 0 < len(others) < len(folders):
            what += f", and '{others[0]}' beside the data splits is none"
    return (
        f"{root}: {what} (first recording: {min(paths).as_posix()}). Say what the folders are with --layout, such as "
        "'{emotion}/{speaker}/*', '{speaker}/{emotion}/*' or '*/{emotion}/*'; * is anything, and ** any folders"
    )
