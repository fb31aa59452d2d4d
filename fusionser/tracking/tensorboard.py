"""Runs as event files of TensorBoard."""

import shutil
from itertools import count
from pathlib import Path
from typing import ClassVar

from fusionser.errors import SettingsError
from fusionser.folders import why_unwritable
from fusionser.optional import optional_package
from fusionser.tracking.base import Tracker, TrackingRun

__all__ = ["TensorBoard"]

ARTEFACTS = "artefacts"
LONGEST_NAME = 150


class TensorBoard(Tracker):
    """Runs in a folder of event files that TensorBoard shows.

    Parameters
    ----------
    place : str
        Folder. A run becomes a folder in it, with a number if there is one of that name, and its files a folder
        ``artefacts`` in that, because event files hold none.

    Raises
    ------
    SettingsError
        If the place cannot be a folder that is written to, or the package tensorboard is not installed.

    Examples
    --------
    >>> str(TensorBoard("runs"))
    'tensorboard:runs'
    """

    name: ClassVar[str] = "tensorboard"

    def __init__(self, place: str = "") -> None:
        super().__init__(place)
        if not place:
            raise SettingsError("--track is 'tensorboard'; expected a folder, such as tensorboard:runs")
        there = next(one for one in (Path(place), *Path(place).absolute().parents) if one.exists())
        why = why_unwritable(there)
        if why:
            wrong = f"nothing can be written to it ({why})" if there.is_dir() else "it is a file"
            raise SettingsError(
                f"--track is 'tensorboard:{place}', and {there} is there, but {wrong}; expected a folder"
            )
        # torch's writer imports it.
        optional_package("tensorboard", "tensorboard", "--track tensorboard")
        from torch.utils.tensorboard import SummaryWriter

        self._open = SummaryWriter

    def write(self, run: TrackingRun, parent: str | None) -> None:
        """Write a run and its children, whose folders are in that of the run."""
        folder = _new_folder(Path(parent or self.place), run.name)
        folder.mkdir(parents=True)
        with self._open(str(folder)) as writer:
            self.begun = True
            rows = "\n".join(f"    {name} = {text}" for name, text in run.parameters.items())
            writer.add_text("parameters", rows)
            for name, value in run.scores.items():
                writer.add_scalar(f"scores/{name}", value, 0)
            for name, curve in run.curves.items():
                for epoch, value in zip(curve.index.astype(int), curve, strict=True):
                    writer.add_scalar(name, float(value), int(epoch))
        for path in run.artefacts:
            (folder / ARTEFACTS).mkdir(exist_ok=True)
            shutil.copyfile(path, folder / ARTEFACTS / path.name)
        for child in run.children:
            self.write(child, str(folder))


def _new_folder(place: Path, name: str) -> Path:
    """Return a folder that does not exist yet, for a run whose name may have any letters."""
    letters = (letter if letter.isalnum() or letter in "-+_ ." else "-" for letter in name)
    plain = "".join(letters).strip(" .")[:LONGEST_NAME] or "run"
    folders = (place / (plain if number == 1 else f"{plain}-{number}") for number in count(1))
    return next(folder for folder in folders if not folder.exists())
