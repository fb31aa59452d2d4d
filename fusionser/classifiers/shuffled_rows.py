"""Rows in random order, more of them than memory holds."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from fusionser.folders import brief_folder, no_room

__all__ = ["ShuffledRows"]

Records = npt.NDArray[np.void]

BLOCK = 8192
"""Mean number of rows in a block, which is what is in memory at once."""


class ShuffledRows:
    """Records that are added in any order, and read in random order, block by block, as often as needed.

    Stochastic gradient descent needs rows in random order: of rows that are sorted by class, it learns the last class.
    Each record goes to a random block. If there are several, they are in temporary files until the context ends.

    Parameters
    ----------
    rows : int
        Number of records that will be added, roughly.
    dtype : dtype
        Type of the records.
    seed : int
        The order depends on it, and not on how the records are divided when they are added.

    Examples
    --------
    >>> with ShuffledRows(4, np.dtype([("x", "f4")]), seed=0) as store:
    ...     store.add(np.array([(1,), (2,), (3,), (4,)], dtype=store.dtype))
    ...     [sorted(block["x"].tolist()) for block in store.blocks()]
    [[1.0, 2.0, 3.0, 4.0]]
    """

    def __init__(self, rows: int, dtype: np.dtype[Any], seed: int) -> None:
        self.dtype = dtype
        self._count = max(1, -(-rows // BLOCK))
        self._rng = np.random.default_rng(seed)
        self._kept: list[Records] = []
        self._open = ExitStack()
        self._folder: Path | None = None

    def __enter__(self) -> Self:
        """Make the folder, if there are several blocks."""
        if self._count > 1:
            self._folder = self._open.enter_context(brief_folder())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the folder."""
        self._open.close()

    def add(self, records: Records) -> None:
        """Add records."""
        if self._folder is None:
            self._kept.append(records)
            return
        blocks = self._rng.integers(self._count, size=len(records))
        for number in np.unique(blocks):
            try:
                with (self._folder / str(number)).open("ab") as file:
                    file.write(records[blocks == number].tobytes())
            except OSError as error:
                raise no_room(self._folder, "rows for a linear SVM", error.strerror or error) from error

    def blocks(self) -> Iterator[Records]:
        """Yield every record once, in a new random order."""
        for number in self._rng.permutation(self._count):
            block = self._block(int(number))
            yield block[self._rng.permutation(len(block))]

    def _block(self, number: int) -> Records:
        if self._folder is None:
            self._kept = [np.concatenate(self._kept)]
            return self._kept[0]
        file = self._folder / str(number)
        return np.fromfile(file, dtype=self.dtype) if file.exists() else np.empty(0, dtype=self.dtype)
