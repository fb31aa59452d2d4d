"""Rows for XGBoost that come in batches, and are kept in files."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy.typing as npt
import xgboost

from fusionser.folders import check_space
from fusionser.progress import report_step

__all__ = ["BoostedRows", "Rounds"]

Rows = tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any] | None]
"""Columns, labels as numbers, and weights."""


SPARE = 4
"""Bytes that must be free for each value of a batch, of which XGBoost writes one and what belongs to it."""


class BoostedRows(xgboost.DataIter):
    """Batches of rows as XGBoost reads them, several times.

    Parameters
    ----------
    passes : callable
        Returns the batches of one pass.
    folder : Path
        Where XGBoost keeps the rows, with one byte for each value.
    """

    def __init__(self, passes: Callable[[], Iterable[Rows]], folder: Path) -> None:
        self._passes = passes
        self._left: Iterator[Rows] = iter(())
        self._folder = folder
        super().__init__(cache_prefix=str(folder / "rows"))

    def reset(self) -> None:
        """Begin a pass."""
        self._left = iter(self._passes())

    def next(self, input_data: Callable[..., None]) -> bool:
        """Give the next batch to XGBoost; return False if there is none."""
        batch = next(self._left, None)
        if batch is None:
            return False
        values, labels, weights = batch
        # XGBoost would end the process where its files cannot be written.
        check_space(self._folder, SPARE * values.size, "rows for XGBoost")
        input_data(data=values, label=labels, weight=weights)
        return True


class Rounds(xgboost.callback.TrainingCallback):
    """Reports the rounds of boosting.

    Parameters
    ----------
    most : int
        Number of rounds.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Report a round; return that training goes on."""
        report_step("xgboost, rounds", epoch + 1, self._most)
        return False
