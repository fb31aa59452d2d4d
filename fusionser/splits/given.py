"""The split that the rows themselves say, such as the public list of a corpus."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from fusionser.errors import ProtocolError
from fusionser.rows import FOLD_COLUMN, SPLIT_COLUMN
from fusionser.splits.base import Fold, Positions, Protocol, by_mask

__all__ = ["GivenSplit"]


@dataclass(kw_only=True)
class GivenSplit(Protocol):
    """The split that the rows have in their columns split and fold, such as the public list of a corpus.

    It trains on the rows of ``train``, and tests on those of ``test``.

    - Rows of ``validation`` are neither trained on nor tested on. Networks stop early by them, instead of by training
      rows that they hold out. Other classifiers do not use them. The result says so.
    - Rows without a split are not used.
    - A column ``fold`` gives several folds, each with its own rows for training and test, so a clip has one row for
      each fold. Rows without a fold belong to all of them. Where there is a ``fold`` and no ``split``, each fold is
      tested once, and all others are trained on.

    A public list may share speakers between training and test, and even recordings. It must be reproduced as it is, so
    nothing that training and test share is refused; the result is stamped with it. Augmented copies in the test, and
    recordings that are tested twice, are refused under every protocol.

    Examples
    --------
    >>> rows = pd.DataFrame({"split": ["train", "train", "test", "validation"]})
    >>> [(name, len(train), len(test)) for name, train, test in GivenSplit().folds_of(rows)]
    [('given split', 2, 1)]
    """

    name: ClassVar[str] = "given-split"
    allows: ClassVar[frozenset[str]] = frozenset({"speakers", "sources", "audio"})

    def folds_of(self, rows: pd.DataFrame) -> Iterator[Fold]:
        """Yield the folds in the order of their names, numbers first."""
        if SPLIT_COLUMN not in rows:
            yield from self._tested_once(rows)
            return
        for fold in _folds(rows):
            inside = _inside(rows, fold)
            train, test = (np.flatnonzero(inside & _of(rows, part)) for part in ("train", "test"))
            for part, positions in (("train", train), ("test", test)):
                if positions.size == 0:
                    raise ProtocolError(
                        f"{self.name}: {f'fold {fold!r} has' if fold else 'there are'} no rows with the split "
                        f"'{part}' (column '{SPLIT_COLUMN}'); there are {_counted(rows[inside])}"
                    )
            yield fold or "given split", train, test

    def validation_of(self, rows: pd.DataFrame, fold: str) -> Positions:
        """Return the positions of the validation rows of a fold."""
        if SPLIT_COLUMN not in rows:
            return np.empty(0, dtype=np.intp)
        inside = _inside(rows, fold if fold in _folds(rows) else "")
        return np.flatnonzero(inside & _of(rows, "validation"))

    def _tested_once(self, rows: pd.DataFrame) -> Iterator[Fold]:
        folds = _folds(rows)
        if len(folds) < 2:
            raise ProtocolError(
                f"{self.name}: the rows have no column '{SPLIT_COLUMN}', and no column '{FOLD_COLUMN}' with two folds "
                f"or more; fill in '{SPLIT_COLUMN}' with train and test (and validation), or name another column of "
                f"the table with --map {SPLIT_COLUMN}=COLUMN"
            )
        blank = int((rows[FOLD_COLUMN] == "").sum())
        if blank:
            raise ProtocolError(
                f"{self.name}: {blank} of {len(rows)} rows have no fold, and there is no column '{SPLIT_COLUMN}'; fill "
                f"in '{FOLD_COLUMN}' for each"
            )
        for fold in folds:
            yield fold, *by_mask(_inside(rows, fold))


def _folds(rows: pd.DataFrame) -> list[str]:
    """Return the names of the folds; one without a name if there are none."""
    names = set(rows[FOLD_COLUMN]) - {""} if FOLD_COLUMN in rows else set()
    return sorted(names, key=lambda name: (not name.isdecimal(), name.zfill(9) if name.isdecimal() else name)) or [""]


def _inside(rows: pd.DataFrame, fold: str) -> npt.NDArray[np.bool_]:
    if not fold:
        return np.ones(len(rows), dtype=bool)
    return rows[FOLD_COLUMN].isin([fold, ""] if SPLIT_COLUMN in rows else [fold]).to_numpy(dtype=bool)


def _of(rows: pd.DataFrame, part: str) -> npt.NDArray[np.bool_]:
    return (rows[SPLIT_COLUMN] == part).to_numpy(dtype=bool)


def _counted(rows: pd.DataFrame) -> str:
    counts = rows[SPLIT_COLUMN].value_counts()
    return ", ".join(f"{count} of '{name}'" if name else f"{count} without one" for name, count in counts.items())
