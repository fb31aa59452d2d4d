"""Validation rows that a protocol gives to the networks of a pipeline, whichever step they are in.

A network stops early by validation rows. By default it holds out some of its training rows; a protocol with validation
rows of its own gives these instead. A network that reads columns needs them as columns, so the steps before it say how
they turn rows into columns.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt
import pandas as pd

__all__ = ["ValidationRows", "given_validation", "validated_by"]

Step = Callable[[Any], Any]


@dataclass
class ValidationRows:
    """Validation rows with their labels, and the fitted steps that turn rows into columns.

    Parameters
    ----------
    rows : DataFrame
    labels : ndarray of shape (n_rows,) or (n_rows, n_targets)
    steps : list of callable
        How each fitted step transforms what the step before it returns, in order.

    Examples
    --------
    >>> given = ValidationRows(pd.DataFrame({"a__x": [1.0]}), ["sad"])
    >>> given.passes(lambda rows: rows * 2, first=True)
    >>> given.passes(lambda rows: rows + 1)
    >>> given.columns()["a__x"].tolist()
    [3.0]
    """

    rows: pd.DataFrame
    labels: npt.NDArray[Any]
    steps: list[Step] = field(default_factory=list)

    def passes(self, step: Step, *, first: bool = False) -> None:
        """Note how a step of the pipeline that is fitted now transforms its input; `first` begins with rows."""
        if first:
            self.steps.clear()
        self.steps.append(step)

    def columns(self) -> Any:
        """Return the validation rows as the step after those noted gets them."""
        columns: Any = self.rows
        for step in self.steps:
            columns = step(columns)
        return columns


_given: ContextVar[ValidationRows | None] = ContextVar("given", default=None)


@contextmanager
def validated_by(rows: pd.DataFrame, labels: npt.NDArray[Any]) -> Iterator[None]:
    """Let networks that are fitted in this context stop early by these labelled rows; by rows of their own if none.

    Parameters
    ----------
    rows : DataFrame
    labels : ndarray of shape (n_rows,) or (n_rows, n_targets)
        Their classes, or their numbers.

    Examples
    --------
    >>> import numpy as np
    >>> with validated_by(pd.DataFrame({"a__x": [1.0]}), np.array(["sad"])):
    ...     given_validation().labels.tolist()
    ['sad']
    >>> given_validation() is None
    True
    """
    given = ValidationRows(rows, labels) if len(rows) else None
    token = _given.set(given)
    try:
        yield
    finally:
        _given.reset(token)


def given_validation() -> ValidationRows | None:
    """Return the validation rows that the protocol gives, or None."""
    return _given.get()
