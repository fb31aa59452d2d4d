"""What human listeners answered, kept with a study to stand beside its results."""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field, model_validator

from fusionser.corpora.listeners import Heard, read_listeners
from fusionser.errors import SettingsError
from fusionser.files import parse_json, write_text
from fusionser.spec import Spec

__all__ = ["Listeners", "find_listeners", "keep_listeners", "kept_listeners"]

KEPT = "listeners.json"

OTHER = ""
"""An answer that is not known, but wrong."""

TOLERANCE = 1e-3
"""Rounding errors of the shares of a speaker's recordings, together."""

MOST = 10**7
"""Most recordings of a speaker."""

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
    answers : float
        Mean number of answers to a recording.
    one : dict of str to list of lists of float
        By speaker: the shares of the answers.
    most : dict of str to list of lists of float
        By speaker: the answer that most listeners gave; answers with equally many have equal parts. Empty if the wrong
        answers are not known.
    """

    corpus: str
    how: str
    emotions: tuple[str, ...]
    answers: float = Field(gt=0, le=1e6)
    one: dict[str, list[list[float]]] = Field(min_length=1)
    most: dict[str, list[list[float]]] = Field({})

    @model_validator(mode="after")
    def _matrices_fit(self) -> Self:
        if len(set(self.emotions)) < len(self.emotions):
            raise ValueError(f"emotions has one twice: {', '.join(self.emotions)}")
        if self.most and self.most.keys() != self.one.keys():
            raise ValueError("one and most are of other speakers")
        side = len(self.emotions) + 1
        for matrix in (*self.one.values(), *self.most.values()):
            if len(matrix) != side or any(len(row) != side for row in matrix):
                raise ValueError(f"a matrix does not have {side} rows of {side} numbers")
            counts = np.sum(matrix, axis=1)
            if (
                np.min(matrix) < 0
                or np.max(np.abs(counts - counts.round())) > TOLERANCE
                or not 1 <= round(float(counts.sum())) <= MOST
            ):
                raise ValueError("a row of a matrix does not add up to the number of recordings with that emotion")
        return self

    def of_speakers(self, speakers: Collection[str]) -> Self:
        """Return the answers to the recordings of some speakers only."""
        parts = ({name: stored[name] for name in stored if name in speakers} for stored in (self.one, self.most))
        return self.model_copy(update=dict(zip(("one", "most"), parts, strict=True)))


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
    """Store the answers of listeners with a study, beside those of other corpora that are stored there."""
    if heard:
        kept = {one.corpus: one for one in [*kept_listeners(folder), *heard]}
        text = json.dumps([kept[name].model_dump(mode="json") for name in sorted(kept)])
        write_text(Path(folder) / KEPT, text + "\n")


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
        if not isinstance(stored, list):
            raise ValueError("it holds no list")
        kept = [Listeners(**one) for one in stored]
        if len({one.corpus for one in kept}) < len(kept):
            raise ValueError("a corpus is there twice")
    except (OSError, ValueError, TypeError, SettingsError) as error:
        raise SettingsError(
            f"{path}: does not hold answers of listeners ({error}); delete it, and run the study again"
        ) from error
    return kept


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
        answers=float(answers.sum() / len(counts)),
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
