"""What human listeners answered, kept with a study to stand beside its results."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from fusionser.corpora.listeners import Heard, read_listeners
from fusionser.errors import SettingsError
from fusionser.files import parse_json, write_text
from fusionser.spec import Spec

__all__ = ["Listeners", "find_listeners", "keep_listeners", "kept_listeners"]

KEPT = "listeners.json"

OTHER = ""
"""An answer that is not known, but wrong."""

Matrix = npt.NDArray[np.float64]


class Listeners(Spec):
    """The answers of listeners to the recordings of a corpus, as confusion matrices.

    The rows of a matrix are the emotions that were meant, and its columns the answers, in the order of `emotions`; the
    last row and the last column are of answers that are not known, but wrong. Each recording counts as one.

    Parameters
    ----------
    corpus, how : str
        See `Heard`.
    emotions : tuple of str
    recordings : int
    answers : float
        Answers to all recordings.
    one : dict of str to list of lists of float
        By speaker: the shares of the answers.
    most : dict of str to list of lists of float
        By speaker: the answer that most listeners gave; answers with equally many have equal parts. Empty if the wrong
        answers are not known.
    """

    corpus: str
    how: str
    emotions: tuple[str, ...]
    recordings: int
    answers: float
    one: dict[str, list[list[float]]]
    most: dict[str, list[list[float]]] = Field({})


def find_listeners(places: Mapping[str, Path]) -> list[Listeners]:
    """Return what listeners answered to the recordings of corpora, where their folders tell it.

    Parameters
    ----------
    places : mapping of str to Path
        The folder of each corpus.

    Raises
    ------
    CorpusError
        If a file of answers cannot be read.
    """
    heard = [read_listeners(corpus, place) for corpus, place in sorted(places.items()) if Path(place).is_dir()]
    return [_listeners(one) for one in heard if one is not None]


def keep_listeners(heard: Sequence[Listeners], folder: str | Path) -> None:
    """Store the answers of listeners with a study, if there are any."""
    if heard:
        write_text(Path(folder) / KEPT, json.dumps([one.model_dump(mode="json") for one in heard]) + "\n")


def kept_listeners(folder: str | Path) -> list[Listeners]:
    """Return the answers of listeners that are stored with a study.

    Raises
    ------
    SettingsError
        If the file is there, but holds something else.
    """
    path = Path(folder) / KEPT
    if not path.is_file():
        return []
    try:
        stored = parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: cannot be read ({error}); delete it, and run the study again") from error
    if not isinstance(stored, list) or not all(isinstance(one, dict) for one in stored):
        raise SettingsError(f"{path}: expected a list of the answers of listeners; delete it, and run the study again")
    return [Listeners(**one) for one in stored]


def _listeners(heard: Heard) -> Listeners:
    counts = heard.counts
    emotions = sorted({*counts, *counts["emotion"]} - {"speaker", "emotion", OTHER})
    answers = counts.reindex(columns=[*emotions, OTHER], fill_value=0.0).to_numpy(dtype=np.float64)
    known = OTHER not in counts
    highest = answers == answers.max(axis=1, keepdims=True)
    return Listeners(
        corpus=heard.corpus,
        how=heard.how,
        emotions=tuple(emotions),
        recordings=len(counts),
        answers=float(answers.sum()),
        one=_by_speaker(counts, emotions, answers),
        most=_by_speaker(counts, emotions, highest.astype(np.float64)) if known else {},
    )


def _by_speaker(counts: pd.DataFrame, emotions: list[str], answers: Matrix) -> dict[str, list[list[float]]]:
    """Return the confusion matrix of each speaker, in which each recording counts as one."""
    shares = answers / answers.sum(axis=1, keepdims=True)
    places = counts["emotion"].map({name: place for place, name in enumerate(emotions)}).to_numpy()
    matrices = {}
    for speaker, rows in counts.groupby("speaker").indices.items():
        matrix = np.zeros((len(emotions) + 1, len(emotions) + 1))
        np.add.at(matrix, places[rows], shares[rows])
        matrices[str(speaker)] = matrix.round(6).tolist()
    return matrices
