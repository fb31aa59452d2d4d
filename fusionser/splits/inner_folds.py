"""Folds of the training rows, for choosing parameters and for calibration."""

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
from fusionser.sources import sources_of
from fusionser.splits.base import Positions

__all__ = ["InnerFolds", "parted_speakers"]

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
    stratified : bool, default=True
        Whether y has classes, which are spread evenly. If not, it may be anything of n_rows, such as numbers.
    """

    folds: int = 4
    seed: int = 0
    stratified: bool = True

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Positions, Positions]]:
        """Yield training and validation positions."""
        yield from self.split_ids(*self._inputs(X, y))

    def split_ids(
        self, labels: npt.NDArray[Any], sources: npt.NDArray[Any], speakers: npt.NDArray[Any] | None
    ) -> list[tuple[Positions, Positions]]:
        """Return training and validation positions of rows that are given by their ids, which may be numbers.

        Parameters
        ----------
        labels, sources : ndarray of shape (n_rows,)
        speakers : ndarray of shape (n_rows,), optional
            None if the speaker of a row is unknown.
        """
        units = sources if speakers is None or len(np.unique(speakers)) < 2 else speakers
        folds = self._count(labels, sources, units)
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=self.seed)
        splits = list(splitter.split(labels, labels, units))
        if not _cover(splits, labels) and units is not sources:
            # A class that only one speaker has cannot be on both sides.
            if (counts := _parted.get()) is not None:
                counts.append(len(np.unique(units)))
            splits = list(splitter.split(labels, labels, sources))
        if not _cover(splits, labels) and len(np.unique(sources)) == len(sources):
            splits = list(StratifiedKFold(folds, shuffle=True, random_state=self.seed).split(labels, labels))
        return splits

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds."""
        labels, sources, speakers = self._inputs(X, y)
        units = sources if speakers is None or len(np.unique(speakers)) < 2 else speakers
        return self._count(labels, sources, units)

    def _inputs(self, X: Any, y: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any] | None]:
        """Return the labels, the sources, and the speakers if all are known."""
        labels = np.asarray(y) if self.stratified else np.zeros(len(y), dtype=np.intp)
        sources = sources_of(X, len(labels))
        if isinstance(X, pd.DataFrame) and "speaker" in X:
            speakers = X["speaker"].fillna("").to_numpy(dtype=str)
            if (speakers != "").all():
                return labels, sources, speakers
        return labels, sources, None

    def _count(self, labels: npt.NDArray[Any], sources: npt.NDArray[Any], units: npt.NDArray[Any]) -> int:
        """Return the number of folds."""
        # A clip and its copies and repetitions count once.
        rarest = min(len(np.unique(sources[labels == label])) for label in np.unique(labels))
        folds = min(self.folds, len(np.unique(units)), rarest)
        if folds < 2:
            raise ProtocolError(
                f"inner folds need at least two clips of every class; the rarest has {rarest}. Add clips, or leave "
                "the class out"
            )
        return folds


def _cover(splits: list[tuple[Positions, Positions]], labels: npt.NDArray[Any]) -> bool:
    """Return whether all classes are in all training parts, and no validation part is empty."""
    classes = np.unique(labels)
    return all(np.array_equal(np.unique(labels[train]), classes) and len(test) for train, test in splits)
