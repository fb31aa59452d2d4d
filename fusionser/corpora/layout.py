"""What the folders of a tree of recordings mean: found from their names, or given as a pattern."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from fusionser.corpora.known_words import emotion_in, is_emotion, is_split, meaning_of_level
from fusionser.errors import CorpusError, SettingsError, unknown_name

__all__ = ["LAYOUT_FIELDS", "FieldsOfPath", "Layout", "NamedFiles", "find_layout"]

LAYOUT_FIELDS = ("emotion", "speaker", "gender", "statement", "intensity")
"""Columns of a row that a pattern may name."""

ANY_FOLDERS = "**"

NAMED_SHARE = 0.9
"""Share of the names of files that must have an emotion to be the labels."""


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


@dataclass(frozen=True)
class NamedFiles:
    """The emotion in the name of each file, such as ``ann_angry_01.wav``, wherever it stands there.

    Parameters
    ----------
    folders : sequence of str
        What the folders above the files are, as in a pattern: ``{speaker}``, ``{gender}``, or ``*`` for any; empty if
        files may lie at any depth.

    Examples
    --------
    >>> NamedFiles(["{speaker}"]).fields(PurePath("ann/take 2 angry.wav"))
    {'speaker': 'ann', 'emotion': 'angry'}
    """

    folders: Sequence[str]

    @property
    def pattern(self) -> str:
        """The layout as text."""
        return "/".join([*self.folders, "*{emotion}*"])

    def fields(self, path: PurePath) -> dict[str, str] | None:
        """Return the fields of a path relative to the root; None if its name does not have exactly one emotion."""
        emotion = emotion_in(path.stem)
        if emotion is None:
            return None
        above = {
            part[1:-1]: folder for part, folder in zip(self.folders, path.parts, strict=False) if part.startswith("{")
        }
        return {**above, "emotion": emotion}


FieldsOfPath = Layout | NamedFiles


def _part(part: str) -> str:
    """Return a part of a pattern as a regular expression."""
    if part == ANY_FOLDERS:
        return part
    pieces = re.split(r"(\{\w+\}|\*)", part)
    return "".join(
        "[^/]*" if piece == "*" else f"(?P<{piece[1:-1]}>[^/]+?)" if piece[:1] == "{" else re.escape(piece)
        for piece in pieces
    )


def find_layout(paths: Sequence[PurePath], root: str, *, guess: bool = False) -> FieldsOfPath:
    """Find the layout of a tree from the names of its folders, or else of its files.

    A level of folders is that of the emotions if at least half of its names are emotions. Levels whose names are all
    those of data splits, such as ``train``, are passed over, and one of genders is read as such. If one other level is
    left, it has the speakers, or the labels if there are no emotions. If no level is that of the emotions, but nine of
    ten names of files have one emotion, these are the labels.

    Parameters
    ----------
    paths : sequence of PurePath
        Relative paths of the recordings.
    root : str
        Name of the tree in errors.
    guess : bool, default=False
        Whether nobody said that the folders are labels. Folders with the same name and different numbers are then none.

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
    if (named := _named_files(paths)) is not None:
        return named
    paths = [path for path in paths if len(path.parts) > 1]
    if not paths:
        raise CorpusError(
            f"{root}: neither folders nor names of files tell the emotions; expected {{emotion}}/clip.wav, "
            "{emotion}/{speaker}/clip.wav or angry_01.wav, --layout with a pattern of the paths, or a table with the "
            "columns file and emotion"
        )
    depths = {len(path.parts) - 1 for path in paths}
    levels = [{path.parts[level] for path in paths} for level in range(min(depths))]
    names = {level: found for level, folders in enumerate(levels) if (found := meaning_of_level(folders))}
    unnamed = [level for level in range(len(levels)) if level not in names]
    if guess and "{emotion}" in names.values():
        # A folder around all others is no speaker.
        names |= {level: "*" for level in unnamed if len(levels[level]) == 1}
        unnamed = [level for level in unnamed if level not in names]
    if any(is_split(name) for level in unnamed for name in levels[level]):
        raise CorpusError(_ambiguous(paths, root, list(names.values()).count("{emotion}")))
    if "{emotion}" not in names.values() and len(unnamed) == 1 and len(depths) == 1:
        level = unnamed.pop()
        if guess:
            _refuse_numbered(levels[level], root)
        names[level] = "{emotion}"
    if len(depths) == 1 and len(unnamed) == 1:
        names[unnamed.pop()] = "{speaker}"
    fields = [name for name in names.values() if name != "*"]
    if len(depths) > 1:
        _check_deeper(paths, root, [level for level, part in names.items() if part == "{emotion}"])
    if unnamed or "{emotion}" not in fields or len(set(fields)) < len(fields):
        raise CorpusError(_ambiguous(paths, root, fields.count("{emotion}")))
    deeper = [ANY_FOLDERS] if len(depths) > 1 else []
    return Layout("/".join([*(names[level] for level in range(len(levels))), *deeper, "*"]))


def _named_files(paths: Sequence[PurePath]) -> NamedFiles | None:
    """Return the layout of files that are named by emotion, where no level of folders is."""
    depths = {len(path.parts) - 1 for path in paths}
    levels = [{path.parts[level] for path in paths} for level in range(min(depths))]
    meanings = [meaning_of_level(folders) for folders in levels]
    named = sum(emotion_in(path.stem) is not None for path in paths)
    if "{emotion}" in meanings or named < NAMED_SHARE * len(paths):
        return None
    if len(depths) > 1:
        return NamedFiles([ANY_FOLDERS])
    # A folder around all recordings is no speaker, as in an archive.
    speakers = [len(folders) > 1 and not part for folders, part in zip(levels, meanings, strict=True)]
    single = sum(speakers) == 1
    return NamedFiles(
        [part or ("{speaker}" if single and of else "*") for part, of in zip(meanings, speakers, strict=True)]
    )


def _refuse_numbered(folders: set[str], root: str) -> None:
    """Raise `CorpusError` if folders differ by numbers only, like those of speakers."""
    stems = {re.sub(r"\d+", "", name).casefold() for name in folders}
    if len(folders) > 1 and len(stems) == 1:
        shown = sorted(folders)
        raise CorpusError(
            f"{root}: the folders {shown[0]} to {shown[-1]} do not look like emotions, and the files are not named by "
            "emotions; say what the folders are with --layout, give a table with the columns file and emotion, or take "
            "them as the labels with --corpus folders"
        )


def _check_deeper(paths: Sequence[PurePath], root: str, levels: Sequence[int]) -> None:
    """Raise `CorpusError` if a folder in the place of an emotion is none, and has folders that are: a copied tree."""
    for path in paths:
        for level in levels:
            deeper = [name for name in path.parts[level + 1 : -1] if is_emotion(name)]
            if deeper and not is_emotion(path.parts[level]):
                raise CorpusError(
                    f"{root}: in {path.as_posix()}, '{deeper[0]}' is the emotion, and in most others the folder in the "
                    f"place of '{path.parts[level]}' is; say what the folders are with --layout, such as "
                    f"'{ANY_FOLDERS}/{{emotion}}/*', or take '{path.parts[level]}' out of the tree"
                )


def _ambiguous(paths: Sequence[PurePath], root: str, emotions: int) -> str:
    what = {
        0: "at no level half of the folders have names of emotions that are known",
        1: "it is not clear which folders are the speakers",
    }.get(emotions, "more than one level of folders has the names of emotions")
    if len({len(path.parts) for path in paths}) > 1:
        what += ", and the recordings lie at different depths"
    for level in range(min(len(path.parts) for path in paths) - 1):
        folders = sorted({path.parts[level] for path in paths})
        others = [name for name in folders if not is_split(name)]
        if 0 < len(others) < len(folders):
            what += f", and '{others[0]}' beside the data splits is none"
    return (
        f"{root}: {what} (first recording: {min(paths).as_posix()}). Say what the folders are with --layout, such as "
        "'{emotion}/{speaker}/*', '{speaker}/{emotion}/*' or '*/{emotion}/*'; * is anything, and ** any folders"
    )
