"""Any tree with one folder per label: ``label/clip.wav`` or ``label/speaker/clip.wav``."""

from pathlib import Path

from fusionser.corpora.base import Listing, audio_files, check_folder, measure
from fusionser.errors import CorpusError
from fusionser.facts import Stamp

__all__ = ["list_label_folders"]


def list_label_folders(folder: str | Path) -> Listing:
    """List a tree whose top folders are the labels.

    Parameters
    ----------
    folder : str or Path
        Contains one folder per label. If all recordings are in subfolders of these, the subfolder is the speaker.

    Returns
    -------
    Listing

    Raises
    ------
    CorpusError
        If the folder does not exist, or no folder of a label contains a recording.
    """
    root = check_folder(folder)
    paths = [file.relative_to(root) for file in audio_files(root, others=True)]
    inside = [path for path in paths if len(path.parts) > 1]
    if not inside:
        raise CorpusError(
            f"{folder}: no audio files in folders named by label; expected label/clip.wav or label/speaker/clip.wav"
        )
    name = root.resolve().name
    by_speaker = all(len(path.parts) > 2 for path in inside)
    records = [
        {
            "file": str(root / path),
            "corpus": name,
            "speaker": f"{name}/{path.parts[1]}" if by_speaker else "",
            "emotion": path.parts[0],
            "source": f"{name}/{path.with_suffix('').as_posix()}",
        }
        for path in inside
    ]
    listing = measure(records)
    listing.ignored = [str(root / path) for path in paths if len(path.parts) == 1]
    if not by_speaker:
        listing.notes.append(Stamp(kind="no-speaker-folders"))
    return listing
