"""Linear support vector machine on kernel features, for many rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from sklearn.linear_model import SGDClassifier
from threadpoolctl import threadpool_limits

from fusionser.balancing import balance_columns, check_balance
from fusionser.classifiers.base import Array, TableClassifier
from fusionser.classifiers.batches import Batches, BatchLearner, CheckedBatch, ClassCounts, class_weights
from fusionser.classifiers.descent import epochs_for, record_type
from fusionser.classifiers.kernel_features import KernelFeatures, LandmarkMachine, RowSample
from fusionser.classifiers.shuffled_rows import BLOCK, ShuffledRows
from fusionser.errors import ProtocolError
from fusionser.progress import report_step
from fusionser.scaling import split_carried
from fusionser.search_space import NumberRange, Space
from fusionser.splits.inner_folds import InnerFolds
from fusionser.splits.row_ids import RowIds
from fusionser.temperature import best_temperature

__all__ = ["LinearSVM"]

CALIBRATED = 20_000
"""Rows to which the temperature is fitted; of more rows, a random sample of about as many."""


class _Rows(NamedTuple):
    """Rows to learn from: which machines see each, as bits, and the inner fold that holds it out, or -1."""

    values: Array
    codes: Array
    weights: Array
    seen: Array
    held: Array


@dataclass(kw_only=True, eq=False, repr=False)
class LinearSVM(BatchLearner, TableClassifier):
    """Linear support vector machine on kernel features, whose time grows with the rows and not with their square.

    The features approximate the radial basis function of `SVM` around landmarks, which are drawn from the training rows
    (Nystroem's method, Williams and Seeger 2001). One linear machine for each class, against all others, is trained by
    averaged stochastic gradient descent on the hinge loss. `predict_proba` is a softmax of their decision values,
    whose temperature is fitted to out-of-fold decision values of held-out training speakers (`InnerFolds`; all folds
    share the landmarks). So, unlike with `SVM`, the answer is always the class with the highest probability.

    `fit_batches` takes two passes over the rows. Features of more than about 8000 rows are in temporary files, with
    4 bytes for each feature of each row.

    Parameters
    ----------
    n_components : int, default=1000
        Number of landmarks. More approximate the kernel better, and take longer.
    gamma : "scale" or float, default="scale"
        Width of the radial basis function; "scale" is 1 / (columns x variance).
    alpha : float, default=1e-4
        Weight of the penalty on large coefficients, above 0.
    epochs : int, optional
        Passes over the features. None is as many as see 200 000 rows, from 5 to 20.
    class_weight : {"balanced"}, optional
        Weight each class by the inverse of its share.
    balance : str, optional
        Balancing of the training rows (see `TableClassifier`); not for batches.
    probability : bool, default=True
        Fit the temperature, which takes up to five times as long. If False, it is 1.
    random_state : int, default=0
        Seed of the landmarks, of the order of the rows, and of the calibration folds.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    landmarks_ : ndarray of shape (n_landmarks, n_columns)
    weights_ : ndarray of shape (n_landmarks, n_outputs)
        Of the radial basis functions around the landmarks, for each class; for two classes, there is one output.
    intercept_ : ndarray of shape (n_outputs,)
    gamma_ : float
        The width as a number.
    temperature_ : float
        What decision values are divided by.

    Examples
    --------
    >>> X = np.r_[np.zeros((9, 2)), np.ones((9, 2))] + np.random.default_rng(0).normal(0, 0.1, (18, 2))
    >>> str(LinearSVM().fit(X, ["calm"] * 9 + ["sad"] * 9).predict([[1.0, 1.0]])[0])
    'sad'
    """

    grid: ClassVar[Mapping[str, Sequence[Any]]] = {"alpha": (1e-5, 1e-4, 1e-3), "gamma": ("scale", 3e-4)}
    space: ClassVar[Space] = {
        "alpha": NumberRange(1e-6, 1e-2, log=True),
        "gamma": ("scale", 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
    }

    n_components: int = 1000
    gamma: float | str = "scale"
    alpha: float = 1e-4
    epochs: int | None = None
    class_weight: str | None = None
    balance: str | None = None
    probability: bool = True
    random_state: int | None = 0

    @property
    def _seed(self) -> int:
        return self.random_state or 0

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the machines and, on folds by speaker, their temperature."""
        if self.balance is None:
            return self.fit_batches(lambda: [(X, y, None)])
        values, labels = self._training(X, y)
        sample, ids = self._sample(), RowIds()
        sample.add(values)
        ids.add(split_carried(X)[0], len(labels))
        codes = np.searchsorted(self.classes_, labels)
        counts = ClassCounts(np.bincount(codes))
        held = self._held(codes, ids)
        with threadpool_limits(1, user_api="blas"):
            return self._learn(self._balanced_rows(values, labels, held), len(labels), held, sample, counts)

    def fit_batches(self, batches: Batches) -> Self:
        """Fit to rows that come in batches; see `BatchLearner.fit_batches`."""
        sample, ids, labels = self._sample(), RowIds(), []

        def see(batch: CheckedBatch) -> None:
            sample.add(batch.values)
            ids.add(batch.carried, len(batch.values))
            names, numbers = np.unique(batch.labels, return_inverse=True)
            labels.append((names, numbers.astype(np.int32)))

        with threadpool_limits(1, user_api="blas"):
            counts = self._count_classes(batches, see)
            codes = [np.searchsorted(self.classes_, names)[numbers] for names, numbers in labels]
            held = self._held(np.concatenate(codes), ids)
            return self._learn(self._rows(batches, held), counts.rows, held, sample, counts)

    def _sample(self) -> RowSample:
        return RowSample(2 * self.n_components, self._seed)

    def _held(self, codes: Array, ids: RowIds) -> npt.NDArray[np.int8]:
        """Return the inner fold that holds each row out; -1 without calibration."""
        held = np.full(len(codes), -1, dtype=np.int8)
        if self.probability:
            # A class with fewer than two original clips cannot be split, so there is no calibration.
            with suppress(ProtocolError):
                for number, (_, test) in enumerate(InnerFolds(seed=self._seed).split_ids(codes, *ids.arrays())):
                    held[test] = number
        return held

    def _rows(self, batches: Batches, held: npt.NDArray[np.int8]) -> Iterator[_Rows]:
        """Yield the rows of batches. The first machine sees all of them, and each other one those outside its fold."""
        place, everything = 0, (1 << (int(held.max()) + 2)) - 1
        for batch in self._checked(batches, len(held)):
            own = held[place : place + len(batch.values)].astype(np.int64)
            place += len(own)
            weights = np.ones(len(own)) if batch.weights is None else batch.weights
            codes = np.searchsorted(self.classes_, batch.labels)
            yield _Rows(batch.values, codes, weights, np.where(own < 0, 1, everything - (1 << (own + 1))), own)

    def _balanced_rows(self, values: Array, labels: Array, held: npt.NDArray[np.int8]) -> Iterator[_Rows]:
        """Yield the balanced training rows of each machine, and the given rows, of which none learns."""
        parts = [held != number for number in range(-1, int(held.max()) + 1)]
        parts[0] = np.ones(len(held), dtype=bool)
        for part in parts:
            # Checked here, where errors can name the classes.
            check_balance(labels[part], str(self.balance))
        for number, part in enumerate(parts):
            more, named = balance_columns(values[part], labels[part], str(self.balance), self._seed)
            filled = np.ones(len(more))
            yield _Rows(more, np.searchsorted(self.classes_, named), filled, filled * (1 << number), filled * -1)
        unseen = np.zeros(len(held))
        yield _Rows(values, np.searchsorted(self.classes_, labels), unseen + 1, unseen, held)

    def _learn(
        self, parts: Iterable[_Rows], rows: int, held: npt.NDArray[np.int8], sample: RowSample, counts: ClassCounts
    ) -> Self:
        """Fit the machines to rows, which come in parts."""
        kernel = KernelFeatures(sample, self.n_components, self.gamma, self._seed)
        fields = [("code", "i4"), ("weight", "f8"), ("seen", "u1"), ("held", "i1")]
        with ShuffledRows(rows, record_type(kernel.count, fields), self._seed) as store:
            for part in _in_pieces(parts):
                records = np.empty(len(part.values), dtype=store.dtype)
                records["features"] = kernel.of(part.values)
                for name, values in zip(("code", "weight", "seen", "held"), part[1:], strict=True):
                    records[name] = values
                store.add(records)
            sizes = [rows, *(rows - np.bincount(held[held >= 0])).tolist()]
            machines = self._machines(store, sizes, counts)
            self.temperature_ = self._temperature(store, machines[1:]) if len(machines) > 1 else 1.0
        machine = kernel.machine(machines[0].coef_, machines[0].intercept_)
        self.landmarks_, self.weights_ = machine.landmarks, machine.weights
        self.intercept_, self.gamma_ = machine.intercept, machine.gamma
        return self

    def _machines(self, store: ShuffledRows, sizes: Sequence[int], counts: ClassCounts) -> list[SGDClassifier]:
        """Train the machine of all rows, and that of each inner fold; `sizes` are the rows that each sees."""
        epochs = epochs_for(sizes[0], self.epochs)
        machines = [
            # The mean of the coefficients over the second half of the training.
            SGDClassifier(alpha=self.alpha, average=max(1, size * epochs // 2), shuffle=False)
            for size in sizes
        ]
        weights = class_weights(self.class_weight, self.classes_, counts)
        known = np.arange(len(self.classes_))
        for epoch in range(epochs):
            for block in store.blocks():
                features, given = block["features"].astype(np.float64), block["weight"] * weights[block["code"]]
                for number, machine in enumerate(machines):
                    seen = ((block["seen"] >> number) & 1 == 1) & (given > 0)
                    if seen.any():
                        machine.partial_fit(features[seen], block["code"][seen], known, given[seen])
            report_step("linear-svm, epochs", epoch + 1, epochs)
        return machines

    def _temperature(self, store: ShuffledRows, machines: Sequence[SGDClassifier]) -> float:
        """Return the temperature of decision values for the rows that each machine did not see."""
        decisions, codes, count = [], [], 0
        for block in store.blocks():
            for number, machine in enumerate(machines):
                own = block[block["held"] == number]
                if len(own):
                    decisions.append(_logits(machine.decision_function(own["features"].astype(np.float64))))
                    codes.append(own["code"])
                    count += len(own)
            if count >= CALIBRATED:
                break
        return best_temperature(np.concatenate(decisions), np.concatenate(codes))

    def check_loaded(self) -> None:
        """Raise `ValueError` if the machine does not fit the columns and classes, or its temperature is none."""
        outputs = 1 if len(self.classes_) == 2 else len(self.classes_)
        LandmarkMachine.of(self).check(self.n_features_in_, outputs)
        if type(self.temperature_) is not float or not 0 < self.temperature_ < np.inf:
            raise ValueError("a linear machine whose temperature is not positive")

    def decision_function(self, X: Any) -> Array:
        """Return the decision values of the machines, shape (n_rows, n_classes), or (n_rows,) for two classes."""
        values = self._features(X)
        outputs = LandmarkMachine.of(self).outputs(values)
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    def probabilities(self, values: Array) -> Array:
        """Return the calibrated probability of each class, shape (n_rows, n_classes)."""
        return softmax(_logits(LandmarkMachine.of(self).outputs(values)) / self.temperature_, axis=1)


def _in_pieces(parts: Iterable[_Rows]) -> Iterator[_Rows]:
    """Yield the rows in parts of at most a block, so that there are few features in memory at once."""
    for part in parts:
        for first in range(0, len(part.values), BLOCK):
            yield _Rows(*(values[first : first + BLOCK] for values in part))


def _logits(outputs: Array) -> Array:
    """Return decision values of each class; machines of two classes give that of the second alone."""
    columns = outputs.reshape(len(outputs), -1)
    return np.concatenate([-columns, columns], axis=1) if columns.shape[1] == 1 else columns
