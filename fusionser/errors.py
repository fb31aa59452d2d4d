"""The errors that fusionser raises on purpose.

Every message says what was given, what was expected and what to do. The command line prints the message alone; a
traceback there is a bug.
"""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "AudioError",
    "CorpusError",
    "ExportError",
    "FusionserError",
    "LeakageError",
    "ModelFileError",
    "ProtocolError",
    "RowsError",
    "SettingsError",
    "StorageError",
    "TrainingError",
    "UnknownNameError",
    "names_text",
    "unknown_name",
]


MOST_NAMES = 60
"""Valid names that a message lists."""


class FusionserError(Exception):
    """Base class of every error that fusionser raises on purpose.

    Parameters
    ----------
    *args : object
        The message.
    parameter : str, optional
        Name of the parameter with a wrong value. The command line adds the option to the message.
    """

    parameter: str | None = None

    def __init__(self, *args: object, parameter: str | None = None) -> None:
        super().__init__(*args)
        if parameter is not None:
            self.parameter = parameter


class AudioError(FusionserError):
    """A recording cannot be used: it is unreadable, empty, silent, too short, too long or not finite."""


class CorpusError(FusionserError):
    """A folder of recordings does not match its corpus."""


class RowsError(FusionserError):
    """A table of rows lacks a column or has an invalid value."""


class SettingsError(FusionserError, ValueError):
    """A parameter has an invalid value or an unknown name."""


class StorageError(FusionserError):
    """A place that an address stands for, such as a bucket, cannot be reached, read or written."""


class UnknownNameError(SettingsError):
    """A name is not one of the valid names; `kind` tells what it stands for, such as ``"classifier"``."""

    def __init__(self, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.kind = kind


class ProtocolError(FusionserError, ValueError):
    """The rows cannot be split under the protocol."""


class LeakageError(FusionserError):
    """Training and test rows share something that the protocol does not allow."""


class TrainingError(FusionserError):
    """A network cannot be trained: it diverges, or there are too few rows."""


class ModelFileError(FusionserError):
    """A saved model cannot be read: it is truncated, unsafe, from a newer version or of another format."""


class ExportError(FusionserError):
    """A model cannot be expressed in another format, or what was made of it gives other answers than the model."""


def unknown_name(kind: str, got: str, known: Iterable[str]) -> UnknownNameError:
    """Return the error for an unknown name, with the valid names in its message.

    Parameters
    ----------
    kind : str
        What the name stands for, such as ``"classifier"``.
    got : str
        The unknown name.
    known : iterable of str
        The valid names.

    Examples
    --------
    >>> print(unknown_name("classifier", "smv", ["svm", "xgboost"]))
    unknown classifier 'smv'; did you mean 'svm'? Known: svm, xgboost
    """
    names = list(known)
    close = get_close_matches(got, names, n=1)
    hint = f"; did you mean '{close[0]}'?" if close else "."
    return UnknownNameError(f"unknown {kind} '{got}'{hint} Known: {names_text(names)}", kind)


def names_text(names: Iterable[object], most: int = MOST_NAMES) -> str:
    """Return names as one text, of which a table may have thousands.

    Examples
    --------
    >>> names_text(["file", "speaker", "emotion"], most=2), names_text([])
    ('file, speaker and 1 more', 'none')
    """
    texts = [str(name) for name in names]
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return f"{', '.join(texts[:most])}{more}" if texts else "none"
