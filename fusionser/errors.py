"""The errors that fusionser raises on purpose.

Every message says what was got, what was expected and what to do about it. The command line prints the
message alone; a traceback there is a bug.
"""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "AudioError",
    "CorpusError",
    "FusionserError",
    "LeakageError",
    "ModelFileError",
    "ProtocolError",
    "RowsError",
    "SettingsError",
    "TrainingError",
    "unknown_name",
]


class FusionserError(Exception):
    """Base class of every error that fusionser raises on purpose."""


class AudioError(FusionserError):
    """A recording cannot be used: unreadable, empty, silent, too short, too long or not finite."""


class CorpusError(FusionserError):
    """A folder of recordings is not what the corpus is known to look like."""


class RowsError(FusionserError):
    """A table of rows lacks a column, or holds a value that cannot be right."""


class SettingsError(FusionserError, ValueError):
    """A parameter has a value out of its range, or a name that is not registered."""


class ProtocolError(FusionserError, ValueError):
    """The rows cannot be split as the protocol asks."""


class LeakageError(FusionserError):
    """Training and test rows share what the protocol says they must not share."""


class TrainingError(FusionserError):
    """A network cannot be trained: it diverges, or there is too little to train it on."""


class ModelFileError(FusionserError):
    """A saved model cannot be read: truncated, foreign, newer than this version, or hostile."""


def unknown_name(kind: str, got: str, known: Iterable[str]) -> SettingsError:
    """Return the error for a name that no registry holds, with the names that it does hold.

    Parameters
    ----------
    kind : str
        What the name was meant to be, such as ``"classifier"``.
    got : str
        The name that was given.
    known : iterable of str
        The registered names.

    Examples
    --------
    >>> print(unknown_name("classifier", "smv", ["svm", "xgboost"]))
    unknown classifier 'smv'; did you mean 'svm'? Known: svm, xgboost
    """
    names = list(known)
    close = get_close_matches(got, names, n=1)
    hint = f"; did you mean '{close[0]}'?" if close else "."
    return SettingsError(f"unknown {kind} '{got}'{hint} Known: {', '.join(names)}")
