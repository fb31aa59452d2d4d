"""What is recorded of a run, and the interface of the places where runs are recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pandas as pd

from fusionser.errors import FusionserError
from fusionser.files import without_credentials
from fusionser.registry import TRACKERS

__all__ = ["Tracker", "TrackingError", "TrackingRun", "open_tracker", "record_run"]


class TrackingError(FusionserError):
    """A run cannot be recorded; `begun` is whether a part of it was."""

    def __init__(self, message: str, *, begun: bool = False) -> None:
        super().__init__(message)
        self.begun = begun


@dataclass(frozen=True, kw_only=True)
class TrackingRun:
    """What is recorded of a run.

    Parameters
    ----------
    name : str
    parameters : mapping of str to str
        Settings by name, such as ``pipeline.classifier.name``.
    scores : mapping of str to float
        Scores, 0 to 1, and the ends of their intervals.
    curves : mapping of str to Series, optional
        Values by epoch, such as the losses of a network in a fold.
    artefacts : sequence of Path
        Files to keep with the run.
    children : sequence of TrackingRun
        Runs that are a part of it.
    """

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, "pd.Series[float]"] = field(default_factory=dict)
    artefacts: Sequence[Path] = ()
    children: Sequence["TrackingRun"] = ()


class Tracker:
    """A place where runs are recorded.

    Parameters
    ----------
    place : str
        Address or folder, or empty for the default.

    Attributes
    ----------
    name : str
        Name of the kind of tracker, as `open_tracker` has it.
    begun, complete : bool
        Whether a part of a run is recorded, and whether all of it is.
    """

    name: ClassVar[str]

    def __init__(self, place: str = "") -> None:
        self.place = place
        self.begun = self.complete = False

    def record(self, run: TrackingRun) -> None:
        """Record a run with its children.

        Parameters
        ----------
        run : TrackingRun

        Raises
        ------
        TrackingError
            If it cannot be recorded. Its message has no passwords.
        """
        try:
            self.write(run, None)
            self.complete = True
        except Exception as error:
            # Clients of servers raise whatever their libraries raise, and no result may be lost for that.
            reason = without_credentials(f"{type(error).__name__}: {error}".partition("\n")[0])
            begun = " completely" if self.begun else ""
            raise TrackingError(
                f"the run was not recorded{begun} by {self}: {reason}. The result itself is not affected; check the "
                "place, and record it again with the same command",
                begun=self.begun,
            ) from error

    def write(self, run: TrackingRun, parent: str | None) -> None:
        """Write a run with its children, and set `begun` as soon as a part of it is recorded.

        Parameters
        ----------
        run : TrackingRun
        parent : str or None
            What identifies the run that it is a part of.
        """
        raise NotImplementedError

    def __str__(self) -> str:
        return f"{self.name}{':' if self.place else ''}{without_credentials(self.place)}"


def record_run(trackers: Sequence[Tracker], run: TrackingRun) -> list[TrackingError]:
    """Record a run in several places; return the errors, so that one place does not keep a run from the others."""
    errors = []
    for tracker in trackers:
        try:
            tracker.record(run)
        except TrackingError as error:
            errors.append(error)
    return errors


def open_tracker(text: str) -> Tracker:
    """Return a tracker from its name and place.

    Parameters
    ----------
    text : str
        Key of `TRACKERS`, with a colon and the place behind it: ``mlflow:http://localhost:5000``.

    Returns
    -------
    Tracker

    Raises
    ------
    SettingsError
        If the name is unknown, a package is missing, or the place cannot be one.

    Examples
    --------
    >>> open_tracker("mlfow:http://localhost:5000")
    Traceback (most recent call last):
    ...
    fusionser.errors.UnknownNameError: unknown tracker 'mlfow'; did you mean 'mlflow'? Known: mlflow, tensorboard
    """
    name, _, place = text.partition(":")
    tracker: Tracker = TRACKERS.named(name)(place)
    return tracker
