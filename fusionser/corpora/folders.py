"""Any tree with folders named by emotion, and maybe by speaker."""

from collections import Counter
from hashlib import file_digest
from pathlib import Path
from stat import S_ISREG
from typing import Any

from fusionser.corpora.audio_files import audio_files
from fusionser.corpora.base import Listing, check_folder, measure
from fusionser.corpora.known_words import gender_named
from fusionser.corpora.layout import FieldsOfPath, Layout, find_layout
from fusionser.errors import AudioError, CorpusError
from fusionser.facts import Stamp
from fusionser.storage import at_hand, called, listed_state
from fusionser.suffixes import AUDIO_SUFFIXES

__all__ = ["list_label_folders"]


def list_label_folders(
    folder: str | Path, layout: str | None = None, *, accept_truncated: bool = False, guess: bool = False
) -> Listing:
    """List a tree with folders, or files, named by emotion.

    Parameters
    ----------
    folder : str or Path
    layout : str, optional
        What the folders are, such as ``{speaker}/{emotion}/*`` (`Layout`). If None, it is found from their names
        (`find_layout`).
    accept_truncated : bool, default=False
        Use what is there of recordings that were cut off.
    guess : bool, default=False
        Whether nobody said that it is such a tree; see `find_layout`.

    Returns
    -------
    Listing
        With the layout among its notes. Recordings that do not have it are among the ignored ones.

    Raises
    ------
    CorpusError
        If the folder does not exist, contains no recordings of this layout, or the names do not tell which folders are
        the emotions.
    SettingsError
        If the layout is not a pattern.
    """
    given = None if layout is None else Layout(layout)
    root = check_folder(folder)
    audio = audio_files(root)
    paths = [file.relative_to(root) for file in audio.files]
    if not paths:
        raise CorpusError(
            audio.refused[0]["reason"]
            if audio.refused
            else f"{folder}: no audio files in it; expected files ending in {', '.join(AUDIO_SUFFIXES)}"
        )
    name = root.resolve().name
    found: FieldsOfPath = given or find_layout(paths, str(folder), guess=guess)
    fields = {path: found.fields(path) for path in paths}
    records = [
        {
            "file": called(root / path),
            "corpus": name,
            **values,
            "gender": gender_named(values.get("gender", "")),
            "speaker": f"{name}/{values['speaker']}" if "speaker" in values else "",
            "source": f"{name}/{path.with_suffix('').as_posix()}",
        }
        for path, values in fields.items()
        if values is not None
    ]
    if not records:
        raise CorpusError(
            f"{folder}: none of {len(paths)} recordings has the layout {found.pattern} (first: {min(paths).as_posix()})"
        )
    kept, doubled, refused = _without_copies(records)
    listing = measure(kept, refused=[*audio.refused, *refused], accept_truncated=accept_truncated)
    listing.doubled = [*audio.linked, *doubled]
    listing.ignored = [called(root / path) for path, values in fields.items() if values is None]
    if given is None:
        listing.notes.append(Stamp(kind="layout", value=found.pattern))
    if "{speaker}" not in found.pattern:
        listing.notes.append(Stamp(kind="no-speaker-folders"))
    return listing


def _without_copies(
    records: list[dict[str, str]],
) -> tuple[list[dict[str, str]], list[tuple[str, str]], list[dict[str, str]]]:
    """Return the recordings to use, pairs of a copy and the file that is used, and quarantine entries.

    Of files with the same content and the same labels, the one with the shortest path is used. If their labels differ,
    none of them can be right.
    """
    copies: dict[Any, list[dict[str, str]]] = {}
    sizes = {record["file"]: _size(record["file"]) for record in records}
    counts = Counter(sizes.values())
    for record in records:
        size = sizes[record["file"]]
        content = _digest(record["file"]) if size and counts[size] > 1 else record["file"]
        copies.setdefault((size, content), []).append(record)
    doubled, refused, left_out = [], [], set()
    for group in copies.values():
        first, *others = sorted(group, key=lambda record: (len(Path(record["file"]).parts), record["file"]))
        if len({(record["emotion"], record["speaker"].casefold()) for record in group}) > 1:
            left_out |= {record["file"] for record in group}
            refused += [
                {
                    "file": one["file"],
                    "reason": f"{one['file']}: has the audio of {_another(one, group)}, whose labels differ",
                }
                for one in group
            ]
        else:
            left_out |= {record["file"] for record in others}
            doubled += [(record["file"], first["file"]) for record in others]
    return [record for record in records if record["file"] not in left_out], doubled, refused


def _another(record: dict[str, str], group: list[dict[str, str]]) -> str:
    return next(
        one["file"] for one in group if one["emotion"] != record["emotion"] or one["speaker"] != record["speaker"]
    )


def _size(file: str) -> int:
    """Return the bytes of a file; 0 of one that cannot be read, which gets its error when it is decoded."""
    if state := listed_state(file):
        return state.size
    try:
        found = Path(file).stat()
    except OSError:
        return 0
    return found.st_size if S_ISREG(found.st_mode) else 0


def _digest(file: str) -> str:
    """Return a digest of the content of a file, or its name if it cannot be read."""
    if (state := listed_state(file)) and state.hashed:
        return state.mark
    try:
        with at_hand(file) as path, Path(path).open("rb") as content:
            return file_digest(content, "blake2b").hexdigest()
    except (OSError, AudioError):
        return file
