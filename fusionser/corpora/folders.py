"""Any tree with folders named by emotion, and maybe by speaker."""

from pathlib import Path

import pandas as pd

from fusionser.corpora.base import Listing, audio_files, check_folder, measure
from fusionser.corpora.layout import Layout, find_layout, gender_named
from fusionser.errors import CorpusError
from fusionser.facts import Stamp

__all__ = ["list_label_folders"]


def list_label_folders(folder: str | Path, layout: str | None = None, *, accept_truncated: bool = False) -> Listing:
    """List a tree with folders named by emotion.

    Parameters
    ----------
    folder : str or Path
    layout : str, optional
        What the folders are, such as ``{speaker}/{emotion}/*`` (`Layout`). If None, it is found from their names
        (`find_layout`).
    accept_truncated : bool, default=False
        Use what is there of recordings that were cut off.

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
    inside = [path for path in paths if len(path.parts) > 1]
    if not (inside or (given and paths)):
        raise CorpusError(
            f"{folder}: no audio files in folders named by emotion; expected {{emotion}}/clip.wav or "
            "{emotion}/{speaker}/clip.wav, or --layout with a pattern of the paths"
        )
    name = root.resolve().name
    found = given or find_layout(inside, str(folder))
    fields = {path: found.fields(path) for path in paths}
    records = [
        {
            "file": str(root / path),
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
    listing = measure(records, accept_truncated=accept_truncated)
    listing.quarantine = pd.concat([pd.DataFrame(audio.refused, columns=["file", "reason"]), listing.quarantine])
    listing.doubled = audio.linked
    listing.ignored = [str(root / path) for path, values in fields.items() if values is None]
    listing.notes.append(Stamp(kind="layout", value=found.pattern))
    if "{speaker}" not in found.pattern:
        listing.notes.append(Stamp(kind="no-speaker-folders"))
    return listing
