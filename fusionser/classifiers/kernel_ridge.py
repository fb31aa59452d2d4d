"""Kernel ridge classification."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from scipy.special import softmax
from sklearn.kernel_ridge import KernelRidge as Ridge
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.utils.class_weight import compute_sample_weight

from fusionser.balancing import balance_columns, check_balance
from fusionser.classifiers.base import Array, TableClassifier
from fusionser.classifiers.kernel_features import LandmarkMachine, check_array, kernel_width
from fusionser.classifiers.kernel_first import MOST_AT_ONCE
from fusionser.classifiers.kernel_size import check_kernel_size
from fusionser.errors import ProtocolError, SettingsError
from fusionser.linear_algebra import one_thread
from fusionser.scaling import split_carried
from fusionser.search_space import NumberRange, Space
from fusionser.splits.inner_folds import InnerFolds

__all__ = ["KernelRidge", "ridge_weights"]

SHARPNESS = 5.0
"""What outputs, which are near 0 and 1, are multiplied by before probabilities are made of them."""


@dataclass(kw_only=True, eq=False, repr=False)
class KernelRidge(TableClassifier):
    """Kernel ridge regression of 0 and 1 for each class, with probabilities calibrated on held-out training speakers.

    It is also known as least-squares support vector machine (Suykens and Vandewalle 1999) and as kernel extreme
    learning machine (Huang et al. 2012). One machine with a radial basis function answers for all classes at once.
    `predict_proba` is a multinomial logistic regression of its outputs, fitted to out-of-fold outputs of held-out
    training speakers (`InnerFolds`). So, unlike with `SVM`, the answer is always the class with the highest
    probability. It suits many columns and few rows, such as Fisher vectors.

    Parameters
    ----------
    alpha : float, default=0.3
        Weight of the penalty on large coefficients, above 0.
    gamma : "scale" or float, default="scale"
        Width of the radial basis function; "scale" is 1 / (columns x variance).
    class_weight : {"balanced"} or dict, optional
        Weight each class by the inverse of its share, or as given, in the machine and in the calibration.
    balance : str, optional
        Balancing of the training rows (see `TableClassifier`).
    most_rows : int, default=10000
        Refuse to fit more rows, since the time grows with their cube and the memory with their square; None is no
        limit. `LinearSVM` is for more.
    random_state : int, default=0
        Seed of the calibration folds, and of the balancing.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    landmarks_ : ndarray of shape (n_rows, n_columns)
        The training rows.
    weights_ : ndarray of shape (n_rows, n_classes)
        Of the radial basis functions around the training rows, for each class.
    intercept_ : ndarray of shape (n_classes,)
    gamma_ : float
        The width as a number.
    slopes_ : ndarray of shape (n_classes, n_classes)
        Of the logistic regression, for each output and class.
    offsets_ : ndarray of shape (n_classes,)

    Examples
    --------
    >>> X = np.r_[np.zeros((9, 2)), np.ones((9, 2))] + np.random.default_rng(0).normal(0, 0.1, (18, 2))
    >>> str(KernelRidge().fit(X, ["calm"] * 9 + ["sad"] * 9).predict([[1.0, 1.0]])[0])
    'sad'
    """

    grid: ClassVar[Mapping[str, Sequence[Any]]] = {"alpha": (0.1, 0.3, 1.0), "gamma": ("scale", 3e-4)}
    space: ClassVar[Space] = {
        "alpha": NumberRange(0.01, 10.0, log=True),
        "gamma": ("scale", 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
    }

    alpha: float = 0.3
    gamma: float | str = "scale"
    class_weight: str | Mapping[Any, float] | None = None
    balance: str | None = None
    most_rows: int | None = MOST_AT_ONCE
    random_state: int | None = 0

    def check_size(self, rows: int) -> None:
        """Raise `SettingsError` for more rows than `most_rows`."""
        check_kernel_size(rows, self.most_rows, "kernel-ridge", "cube")

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the machine and, on folds by speaker, the calibration."""
        values, labels = self._training(X, y)
        self.check_size(len(labels))
        if self.class_weight not in (None, "balanced") and not isinstance(self.class_weight, Mapping):
            raise SettingsError(f"class_weight is {self.class_weight!r}; expected None, 'balanced' or weights by class")
        with one_thread():
            self.slopes_, self.offsets_ = self._calibration(split_carried(X)[0], values, labels)
            rows, named = self._balanced(values, labels)
            self.gamma_ = kernel_width(self.gamma, rows.shape[1] * rows.var())
            kernel = rbf_kernel(rows, gamma=self.gamma_)
            self.weights_, self.intercept_ = self._machine(kernel, np.searchsorted(self.classes_, named))
        # A copy, since the rows may be the caller's.
        self.landmarks_ = np.array(rows, order="C")
        return self

    def _calibration(self, carried: Any, values: Array, labels: Array) -> tuple[Array, Array]:
        """Return slopes and offsets of the logistic regression of outputs."""
        folds: list[Any] = []
        # A class with fewer than two original clips cannot be split, so there is no calibration.
        with suppress(ProtocolError):
            seed = self.random_state or 0
            folds = list(InnerFolds(seed=seed).split(values if carried is None else carried, labels))
        count = len(self.classes_)
        if not folds:
            return SHARPNESS * np.eye(count), np.zeros(count)
        outputs = np.concatenate([self._held_out(values, labels, train, test) for train, test in folds])
        codes = np.searchsorted(self.classes_, np.concatenate([labels[test] for _, test in folds]))
        shares = compute_sample_weight(self.class_weight, self.classes_[codes])
        fitted = LogisticRegression(max_iter=2000).fit(SHARPNESS * outputs, codes, sample_weight=shares)
        # Of two classes, it has the slopes and the offset of the second only.
        slopes, offsets = np.zeros((count, count)), np.zeros(count)
        slopes[:, -len(fitted.coef_) :], offsets[-len(fitted.coef_) :] = SHARPNESS * fitted.coef_.T, fitted.intercept_
        return slopes, offsets

    def _held_out(self, values: Array, labels: Array, train: Array, test: Array) -> Array:
        """Return the outputs for the test rows of a fold."""
        rows, named = values[train], labels[train]
        if self.balance is not None:
            # Checked here, where errors can name the classes.
            check_balance(named, self.balance)
            rows, named = balance_columns(rows, named, self.balance, self.random_state or 0)
        gamma = kernel_width(self.gamma, rows.shape[1] * rows.var())
        weights, intercept = self._machine(rbf_kernel(rows, gamma=gamma), np.searchsorted(self.classes_, named))
        outputs: Array = rbf_kernel(values[test], rows, gamma=gamma) @ weights + intercept
        return outputs

    def _machine(self, kernel: Array, codes: Array) -> tuple[Array, Array]:
        """Return weights and intercept of the machine for a kernel of training rows and the codes of their classes."""
        targets = np.eye(len(self.classes_))[codes]
        shares = compute_sample_weight(self.class_weight, self.classes_[codes])
        intercept: Array = np.average(targets, axis=0, weights=shares)
        return ridge_weights(kernel, targets - intercept, self.alpha, shares), intercept

    def check_loaded(self) -> None:
        """Raise `ValueError` if the machine or its calibration do not fit the columns and classes."""
        count = len(self.classes_)
        LandmarkMachine.of(self).check(self.n_features_in_, count)
        check_array(self.slopes_, (count, count), "the slopes of a kernel machine")
        check_array(self.offsets_, (count,), "the offsets of a kernel machine")

    def probabilities(self, values: Array) -> Array:
        """Return the calibrated probability of each class, shape (n_rows, n_classes)."""
        with one_thread():
            scores = LandmarkMachine.of(self).outputs(values) @ self.slopes_ + self.offsets_
        return softmax(scores, axis=1)


def ridge_weights(kernel: Array, targets: Array, alpha: float, shares: Array | None = None) -> Array:
    """Return the weights of kernel ridge regression around the training rows.

    Parameters
    ----------
    kernel : ndarray of shape (n_rows, n_rows)
    targets : ndarray of shape (n_rows, n_targets)
    alpha : float
        Weight of the penalty, above 0.
    shares : ndarray of shape (n_rows,), optional
        Weight of each row.

    Raises
    ------
    SettingsError
        If alpha is not above 0.

    Examples
    --------
    >>> ridge_weights(np.eye(2), np.array([[1.0], [3.0]]), alpha=1.0).round(3).tolist()
    [[0.5], [1.5]]
    """
    if isinstance(alpha, bool) or not isinstance(alpha, Real) or not 0 < alpha < np.inf:
        raise SettingsError(f"alpha is {alpha!r}; expected a number above 0")
    machine = Ridge(alpha=alpha, kernel="precomputed").fit(kernel, targets, sample_weight=shares)
    # A file keeps the order of rows, on which the last digits of products depend.
    return np.ascontiguousarray(machine.dual_coef_)
