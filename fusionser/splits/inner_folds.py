"""Folds of the training rows, for choosing parameters and for calibration."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from fusionser.errors import ProtocolError
from fusionser.splits.base import Positions
from fusionser.waveform import split_pair

__all__ = ["InnerFolds", "parted_speakers", "sources_of"]

_parted: ContextVar[list[int] | None] = ContextVar("parted", default=None)


@contextmanager
def parted_speakers() -> Iterator[list[int]]:
    """Collect the number of speakers of every split that had to fall back to folds by clip.

    Examples
    --------
    >>> rows = pd.DataFrame({"speaker": list("aabb"), "source": list("1234")})
    >>> with parted_speakers() as counts:
    ...     splits = list(InnerFolds(folds=2).split(rows, list("xxyy")))
    >>> counts
    [2]
    """
    counts: list[int] = []
    token = _parted.set(counts)
    try:
        yield counts
    finally:
        _parted.reset(token)


@dataclass(kw_only=True)
class InnerFolds:
    """Stratified folds of the training rows by speaker, for choosing parameters and for calibration.

    The folds are by clip if the rows have no speakers, or only one, or if folds by speaker would leave a class out on
    one side. A clip, its copies and its repetitions then stay together. The stamps of an evaluation mention this case.

    Parameters
    ----------
    folds : int, default=4
        Maximum number of folds, at least 2; there are fewer if there are fewer speakers, or clips of the rarest class.
    seed : int, default=0
    """

    folds: int = 4
    seed: int = 0

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Positions, Positions]]:
        """Yield training and validation positions."""
        labels, sources, units, folds = self._inputs(X, y)
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=self.seed)
        splits = list(splitter.split(labels, labels, units))
        if not _cover(splits, labels) and units is not sources:
            # A class that only one speaker has cannot be on both sides.
            if (counts := _parted.get()) is not None:
                counts.append(len(set(units)))
            splits = list(splitter.split(labels, labels, sources))
        if not _cover(splits, labels) and len(set(sources)) == len(sources):
            splits = list(StratifiedKFold(folds, shuffle=True, random_state=self.seed).split(labels, labels))
        yield from splits

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds."""
        return self._inputs(X, y)[-1]

    def _inputs(self, X: Any, y: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], int]:
        """Return the labels, the sources, what is split (speakers, or the same sources), and the number of folds."""
        labels = np.asarray(y)
        sources = units = sources_of(X, len(labels))
        if isinstance(X, pd.DataFrame) and "speaker" in X:
            speakers = X["speaker"].fillna("").to_numpy(dtype=str)
            if (speakers != "").all() and len(set(speakers)) > 1:
                units = speakers
        # A clip and its copies and repetitions count once.
        rarest = min(len(set(sources[labels == label])) for label in np.unique(labels))
        folds = min(self.folds, len(set(units)), rarest)
        if folds < 2:
            raise ProtocolError(
                f"inner folds need at least two clips of every class; the rarest has {rarest}. Add clips, or leave "
                "the class out"
            )
        return labels, sources, units, folds


def _cover(splits: list[tuple[Positions, Positions]], labels: npt.NDArray[Any]) -> bool:
    """Return whether all classes are in all training parts, and no validation part is empty."""
    return all(set(labels[train]) == set(labels) and len(test) for train, test in splits)


def sources_of(X: Any, count: int) -> npt.NDArray[Any]:
    """Return an id for each of `count` clips: the source, else the file, else a hash of the samples.

    The copies and repetitions of a clip share its id.

    Examples
    --------
    >>> sources_of(pd.DataFrame({"file": ["a.wav", "a.wav"], "source": ["a", ""]}), 2).tolist()
    ['a', 'a.wav#0.0']
    """
    if isinstance(X, pd.DataFrame):
        sources, files, starts = (
            X[name].fillna(missing).astype(type(missing)) if name in X else [missing] * count
            for name, missing in (("source", ""), ("file", ""), ("start", 0.0))
        )
        ids = [
            source or (f"{file}#{start}" if file else f"row {number}")
            for number, (source, file, start) in enumerate(zip(sources, files, starts, strict=True))
        ]
    elif X is None or len(X) != count or (isinstance(X, np.ndarray) and X.dtype.kind in "fiu"):
        # An array of numbers holds features, and different clips may have equal features.
        return np.arange(count).astype(str)
    else:
        ids = [_identified(item) for item in X]
    return np.array(ids, dtype=object).astype(str)


def _identified(item: Any) -> str:
    """Return a path as it is, or a hash of the samples in an array or in a pair of samples and rate."""
    if isinstance(item, str) or hasattr(item, "__fspath__"):
        return str(item)
    return hashlib.blake2b(np.ascontiguousarray(split_pair(item)[0]).tobytes(), digest_size=12).hexdigest()
