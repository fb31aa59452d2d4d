"""Learning from rows that come in batches, because memory does not hold all of them."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from fusionser.errors import SettingsError
from fusionser.scaling import split_carried

__all__ = ["Batch", "BatchLearner", "Batches", "CheckedBatch", "ClassCounts", "class_weights"]

Array = npt.NDArray[Any]

Batch = tuple[Any, Any, Array | None]
"""Columns and labels as `fit` takes them, and the weight of each row, or None where all weigh the same."""

Batches = Callable[[], Iterable[Batch]]
"""Called for each pass over the rows; it must give the same rows in the same order each time."""


@dataclass(frozen=True)
class CheckedBatch:
    """A batch whose columns, labels and weights were checked, with the carried columns of its rows."""

    carried: pd.DataFrame | None
    values: Array
    labels: Array
    weights: Array | None


@dataclass(frozen=True)
class ClassCounts:
    """The number of rows of each class, in the order of `classes_`, and whether any batch has weights."""

    counts: npt.NDArray[np.int64]
    weighted: bool = False

    @property
    def rows(self) -> int:
        """The number of all rows."""
        return int(self.counts.sum())


class BatchLearner:
    """What classifiers have in common that also learn from batches; mixed into a `TableClassifier`."""

    classes_: Array
    balance: str | None
    _checked_rows: Callable[..., tuple[Array, Array]]
    _set_classes: Callable[..., None]

    def fit_batches(self, batches: Batches) -> Self:
        """Fit to rows that come in batches, as `fit` does to a whole table.

        Parameters
        ----------
        batches : callable
            Takes nothing, and returns an iterable of batches: triples of columns and labels, as `fit` takes them, and
            the weight of each row, shape (n_rows,), or None. It is called for each pass over the rows, and must give
            the same rows in the same order each time.

        Raises
        ------
        SettingsError
            If there are no rows, all have one class, two passes give different rows, or `balance` is set, which needs
            all rows at once.
        """
        raise NotImplementedError

    def _count_classes(self, batches: Batches, see: Callable[[CheckedBatch], None] | None = None) -> ClassCounts:
        """Take the first pass: check the columns, set the classes, and count their rows; `see` gets each batch."""
        if self.balance is not None:
            raise SettingsError(
                f"balance is '{self.balance}', which needs all rows at once, but they come in batches; leave it out, "
                "or use class_weight='balanced'"
            )
        found: list[Array] = []
        counts: Counter[Any] = Counter()
        weighted, total = False, 0.0
        for batch in self._checked(batches):
            names, many = np.unique(batch.labels, return_counts=True)
            found.append(names)
            weighted = weighted or batch.weights is not None
            total += len(batch.values) if batch.weights is None else float(batch.weights.sum())
            counts.update(dict(zip(names.tolist(), many.tolist(), strict=True)))
            if see is not None:
                see(batch)
        if not total:
            raise SettingsError("the weights of all rows are 0; expected some above 0")
        self._set_classes(np.concatenate(found), sum(counts.values()))
        return ClassCounts(np.array([counts[name] for name in self.classes_.tolist()], dtype=np.int64), weighted)

    def _checked(self, batches: Batches, rows: int | None = None) -> Iterator[CheckedBatch]:
        """Yield checked batches. `rows` is their number in the first pass; None is the first pass."""
        seen = 0
        for X, y, weights in batches():
            values, labels = self._checked_rows(X, y, reset=rows is None and not seen)
            seen += len(values)
            yield CheckedBatch(split_carried(X)[0], values, labels, _checked_weights(weights, len(values)))
        if not seen:
            raise SettingsError("got no rows; expected batches with rows of two classes or more")
        if rows is not None and seen != rows:
            raise SettingsError(
                f"a pass over the batches gave {seen} rows, and the first pass {rows}; expected the same rows each time"
            )


def _checked_weights(weights: Any, rows: int) -> Array | None:
    """Return the weights of a batch as numbers; raise `SettingsError` if a row cannot have its weight."""
    if weights is None:
        return None
    checked = np.asarray(weights, dtype=np.float64)
    if checked.shape != (rows,) or not (np.isfinite(checked) & (checked >= 0)).all():
        raise SettingsError(
            f"the weights of a batch of {rows} rows have the shape {checked.shape}, or one is below 0 or not finite; "
            "expected one number for each row, 0 or more"
        )
    return checked


def class_weights(class_weight: Mapping[Any, float] | str | None, classes: Array, counts: ClassCounts) -> Array:
    """Return the weight of the rows of each class, as scikit-learn's function of that name does for all labels.

    Parameters
    ----------
    class_weight : {"balanced"}, mapping or None
    classes : ndarray of shape (n_classes,)
    counts : ClassCounts

    Raises
    ------
    SettingsError
        If it is another text.

    Examples
    --------
    >>> class_weights("balanced", np.array(["calm", "sad"]), ClassCounts(np.array([30, 10]))).round(2).tolist()
    [0.67, 2.0]
    """
    if class_weight is None:
        return np.ones(len(classes))
    if isinstance(class_weight, Mapping):
        return np.array([float(class_weight.get(name, 1.0)) for name in classes.tolist()])
    if class_weight != "balanced":
        raise SettingsError(f"class_weight is {class_weight!r}; expected 'balanced', weights by class, or None")
    return counts.rows / (len(classes) * counts.counts)
