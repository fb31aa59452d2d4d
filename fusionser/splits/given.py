"""The split that a table itself describes, in a column of sides."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from fusionser.errors import ProtocolError
from fusionser.splits.base import Fold, Protocol

__all__ = ["GivenSplit"]


@dataclass(kw_only=True)
class GivenSplit(Protocol):
    """The split that the table names in columns of the words train, dev and test, whatever it leaks.

    Rows on the side ``dev`` are tested if no row is on the side ``test``, and left out otherwise. Results carry stamps
    of what training and test rows share.

    Parameters
    ----------
    columns : sequence of str
        Columns of the rows, one per fold; ``split`` if empty.
    """

    name: ClassVar[str] = "given-split"
    allows: ClassVar[frozenset[str]] = frozenset({"speakers", "sources", "audio"})
    columns: Sequence[str] = ()

    def folds_of(self, rows: pd.DataFrame) -> Iterator[Fold]:
        """Yield a fold for each column."""
        for column in self.columns or ("split",):
            if column not in rows:
                raise ProtocolError(
                    f"{self.name}: the table has no column '{column}'; expected train, dev and test in it"
                )
            sides = rows[column].astype(str)
            if unknown := sorted(set(sides) - {"train", "dev", "test", ""}):
                raise ProtocolError(
                    f"{self.name}: the column '{column}' holds '{unknown[0]}'; expected train, dev, test or nothing"
                )
            tested = "test" if (sides == "test").any() else "dev"
            yield column, np.flatnonzero(sides == "train"), np.flatnonzero(sides == tested)
