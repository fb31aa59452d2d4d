"""Folds inside the training rows, for choosing parameters and for calibration."""

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
from fusionser.waveform import split_pair

__all__ = ["InnerFolds", "parted_speakers", "sources_of"]

Positions = npt.NDArray[np.intp]

_parted: ContextVar[list[int] | None] = ContextVar("parted", default=None)


@contextmanager
def parted_speakers() -> Iterator[list[int]]:
    """Collect the number of speakers of every split that had to cut inner folds by clip though speakers are known.

    Examples
    --------
    >>> rows = pd.DataFrame({"speaker": list("aabb"), "source": list("1234")})
    >>> with parted_speakers() as found:
    ...     splits = list(InnerFolds(folds=2).split(rows, list("xxyy")))
    >>> found
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
    """Folds of the training rows by speaker, for choosing parameters and for calibration.

    Emotions are spread evenly. Where no speakers are known (or there is one), or folds by speaker would leave a class
    out on one side, the folds are by clip, a clip's copies and repetitions staying together; the stamp of an
    evaluation says where that was so.

    Parameters
    ----------
    folds : int, default=4
        At most; fewer when there are fewer speakers, or clips of the rarest class.
    seed : int, default=0
    """

    folds: int = 4
    seed: int = 0

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Positions, Positions]]:
        """Yield training and validation positions."""
        labels = np.asarray(y)
        sources = sources_of(X, len(labels))
        units = self._units(X, sources)
        folds = self._count(units, sources, labels)
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=self.seed)
        splits = list(splitter.split(labels, labels, units))
        classes = set(labels)
        if any(set(labels[train]) != classes or len(test) == 0 for train, test in splits):
            # A class that one speaker alone has cannot be kept on both sides: fall back to clips, a clip's copies
            # and repetitions staying together.
            counts = _parted.get()
            if counts is not None and units is not sources:
                counts.append(len(set(units)))
            splits = list(splitter.split(labels, labels, sources))
            if any(set(labels[train]) != classes or len(test) == 0 for train, test in splits):
                shuffled = StratifiedKFold(folds, shuffle=True, random_state=self.seed)
                splits = list(shuffled.split(labels, labels)) if len(set(sources)) == len(sources) else splits
        yield from splits

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds of these rows."""
        labels = np.asarray(y)
        sources = sources_of(X, len(labels))
        return self._count(self._units(X, sources), sources, labels)

    def _count(self, units: npt.NDArray[Any], sources: npt.NDArray[Any], labels: npt.NDArray[Any]) -> int:
        # A clip's copies and repetitions are one clip.
        rarest = min(len(set(sources[labels == label])) for label in np.unique(labels))
        count = min(self.folds, len(np.unique(units)), rarest)
        if count < 2:
            raise ProtocolError(
                f"inner folds need two clips of every class at least; the rarest has {rarest}. Add clips, or leave "
                "the class out"
            )
        return count

    @staticmethod
    def _units(X: Any, sources: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if isinstance(X, pd.DataFrame) and "speaker" in X:
            speakers = X["speaker"].fillna("").to_numpy(dtype=str)
            if (speakers != "").all() and len(set(speakers)) > 1:
                return speakers
        return sources


def sources_of(X: Any, count: int) -> npt.NDArray[Any]:
    """Return what tells clips apart, their copies and repetitions sharing it: source, else file, else the samples.

    Examples
    --------
    >>> sources_of(pd.DataFrame({"file": ["a.wav", "a.wav"], "source": ["a", ""]}), 2).tolist()
    ['a', 'a.wav#0.0']
    """
    if isinstance(X, pd.DataFrame):
        blank = pd.Series([""] * count)
        source, file = (
            X[name].fillna("").astype(str).reset_index(drop=True) if name in X else blank for name in ("source", "file")
        )
        start = X["start"].fillna(0.0).to_numpy() if "start" in X else np.zeros(count)
        return np.array(
            [
                source_name or (f"{path}#{float(place)}" if path else f"row {number}")
                for number, (source_name, path, place) in enumerate(zip(source, file, start, strict=True))
            ],
            dtype=object,
        ).astype(str)
    if isinstance(X, np.ndarray) and X.dtype.kind in "fiu":
        # Rows of numbers are features, and equal features may be of different clips.
        return np.arange(count).astype(str)
    return _hashes(list(X)) if X is not None and len(X) == count else np.arange(count).astype(str)


def _hashes(items: list[Any]) -> npt.NDArray[Any]:
    """Return paths as they are, and a hash of what is an array of samples, or a pair of it and its rate."""
    names = [
        str(item)
        if isinstance(item, str) or hasattr(item, "__fspath__")
        else hashlib.blake2b(np.ascontiguousarray(split_pair(item)[0]).tobytes(), digest_size=12).hexdigest()
        for item in items
    ]
    return np.array(names, dtype=object).astype(str)
