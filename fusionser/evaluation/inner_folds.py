"""Folds inside the training rows, for choosing parameters and for calibration."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from fusionser.errors import ProtocolError

__all__ = ["InnerFolds"]

Positions = npt.NDArray[np.intp]


@dataclass(kw_only=True)
class InnerFolds:
    """Folds of the training rows by speaker, for choosing parameters and for calibration.

    Emotions are spread evenly. Where no speakers are known (or there is one), the folds are by source, and
    with neither by clip.

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
        units = self._units(X, len(labels))
        folds = self._count(units, labels)
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=self.seed)
        splits = list(splitter.split(labels, labels, units))
        classes = set(labels)
        if any(set(labels[train]) != classes or len(test) == 0 for train, test in splits):
            # A class that one speaker alone has cannot be kept on both sides: fall back to clips, a clip's copies
            # and repetitions staying together.
            sources = self._units(X, len(labels), ("source",))
            splits = list(splitter.split(labels, labels, sources))
            if any(set(labels[train]) != classes or len(test) == 0 for train, test in splits):
                shuffled = StratifiedKFold(folds, shuffle=True, random_state=self.seed)
                splits = list(shuffled.split(labels, labels)) if len(set(sources)) == len(sources) else splits
        yield from splits

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds of these rows."""
        labels = np.asarray(y)
        return self._count(self._units(X, len(labels)), labels)

    def _count(self, units: npt.NDArray[Any], labels: npt.NDArray[Any]) -> int:
        rarest = int(np.unique(labels, return_counts=True)[1].min())
        count = min(self.folds, len(np.unique(units)), rarest)
        if count < 2:
            raise ProtocolError(
                f"inner folds need two clips of every class at least; the rarest has {rarest}. Add clips, or leave "
                "the class out"
            )
        return count

    @staticmethod
    def _units(X: Any, count: int, columns: Sequence[str] = ("speaker", "source")) -> npt.NDArray[Any]:
        if isinstance(X, pd.DataFrame):
            for column in columns:
                if column in X and (X[column] != "").all() and len(set(X[column])) > 1:
                    return X[column].to_numpy(dtype=str)
        return np.arange(count)
