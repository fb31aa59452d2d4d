"""Support vector machine."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from scipy.special import softmax
from sklearn.calibration import CalibratedClassifierCV, _CalibratedClassifier, _SigmoidCalibration
from sklearn.svm import SVC

from fusionser.balancing import balance_columns, check_balance
from fusionser.classifiers.base import Array, TableClassifier
from fusionser.classifiers.bounds import check_machine, expect
from fusionser.classifiers.kernel_first import KernelFirst
from fusionser.classifiers.kernel_size import MOST_ROWS, check_kernel_size
from fusionser.errors import ProtocolError
from fusionser.scaling import split_carried
from fusionser.search_space import NumberRange, Space
from fusionser.splits.inner_folds import InnerFolds

__all__ = ["SVM"]


class KernelSVC(KernelFirst, SVC):
    """An `SVC` that is fitted to a kernel computed beforehand (see `KernelFirst`)."""


class BalancedSVC(KernelSVC):
    """A `KernelSVC` that balances its training rows, but never the rows on which it is calibrated.

    Parameters
    ----------
    balance : str
        One of `COLUMN_BALANCINGS`.
    seed : int
    C, kernel, gamma, class_weight
        Parameters of `SVC`.
    """

    def __init__(
        self,
        balance: str = "smote",
        seed: int = 0,
        C: float = 1.0,
        kernel: str = "rbf",
        gamma: float | str = "scale",
        class_weight: str | None = None,
    ) -> None:
        super().__init__(C=C, kernel=kernel, gamma=gamma, class_weight=class_weight)
        self.balance = balance
        self.seed = seed

    def fit(self, X: Any, y: Any) -> Self:
        """Balance the rows and fit the SVM."""
        return super().fit(*balance_columns(np.asarray(X), np.asarray(y), self.balance, self.seed))


@dataclass(kw_only=True, eq=False, repr=False)
class SVM(TableClassifier):
    """Support vector machine with probabilities calibrated on held-out training speakers.

    The calibration uses `InnerFolds`. `predict` is the one-against-one decision of the SVM. `predict_proba` comes from
    sigmoids that are fitted to its out-of-fold decision values (Platt 1999) and normalised, so in close cases the two
    can differ.

    Parameters
    ----------
    C : float, default=10.0
        Penalty on margin violations, above 0.
    kernel : {"rbf", "linear"}, default="rbf"
    gamma : "scale" or float, default="scale"
        Width of the radial basis function; "scale" is 1 / (columns x variance).
    class_weight : {"balanced"}, optional
        Weight each class by the inverse of its share.
    balance : str, optional
        Balancing of the training rows (see `TableClassifier`).
    probability : bool, default=True
        Fit the sigmoids. If False, `predict_proba` is a softmax of the decision values.
    most_rows : int, default=30000
        Refuse to fit more rows, since the time grows with their square; None is no limit. `LinearSVM` is for more.
    random_state : int, default=0
        Seed of the calibration folds.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    svc_ : SVC
    calibrator_ : CalibratedClassifierCV or None

    Examples
    --------
    >>> X = np.r_[np.zeros((9, 2)), np.ones((9, 2))] + np.random.default_rng(0).normal(0, 0.1, (18, 2))
    >>> str(SVM().fit(X, ["calm"] * 9 + ["sad"] * 9).predict([[1.0, 1.0]])[0])
    'sad'
    """

    grid: ClassVar[Mapping[str, Sequence[Any]]] = {"C": (1.0, 10.0, 100.0), "gamma": ("scale", 3e-4)}
    space: ClassVar[Space] = {
        "C": NumberRange(0.1, 1000.0, log=True),
        "gamma": ("scale", 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
    }

    C: float = 10.0
    kernel: str = "rbf"
    gamma: float | str = "scale"
    class_weight: str | None = None
    balance: str | None = None
    probability: bool = True
    most_rows: int | None = MOST_ROWS
    random_state: int | None = 0

    def unused(self) -> Sequence[str]:
        """Return ``gamma`` for the linear kernel."""
        return ("gamma",) if self.kernel == "linear" else ()

    def check_loaded(self) -> None:
        """Raise `ValueError` if the SVM or its sigmoids have other types or were fitted to other data."""
        # A missing part must not go unchecked, so its type is checked too.
        machines = [getattr(self, "svc_", None)]
        calibrator: Any = getattr(self, "calibrator_", "missing")
        if calibrator is not None:
            expect(calibrator, CalibratedClassifierCV)
            for calibrated in calibrator.calibrated_classifiers_:
                expect(calibrated, _CalibratedClassifier)
                machines.append(calibrated.estimator)
                for sigmoid in calibrated.calibrators:
                    expect(sigmoid, _SigmoidCalibration)
        for machine in machines:
            expect(machine, SVC, KernelSVC, BalancedSVC)
            check_machine(machine, len(self.classes_), self.n_features_in_)

    def check_size(self, rows: int) -> None:
        """Raise `SettingsError` for more rows than `most_rows`."""
        check_kernel_size(rows, self.most_rows)

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the SVM and, on folds by speaker, its sigmoids."""
        values, labels = self._training(X, y)
        self.check_size(len(labels))
        settings = {name: getattr(self, name) for name in ("C", "kernel", "gamma", "class_weight")}
        seed = self.random_state or 0
        machine = KernelSVC(**settings) if self.balance is None else BalancedSVC(self.balance, seed, **settings)
        self.calibrator_ = None
        splits: list[Any] = []
        if self.probability:
            carried, _ = split_carried(X)
            # A class with fewer than two original clips cannot be split, so there is no calibration.
            with suppress(ProtocolError):
                splits = list(InnerFolds(seed=seed).split(values if carried is None else carried, labels))
        if self.balance is not None:
            # Checked here, where errors can name the classes; scikit-learn passes numbers to the SVM.
            for part in (labels, *(labels[train] for train, _ in splits)):
                check_balance(part, self.balance)
        if splits:
            self.calibrator_ = CalibratedClassifierCV(machine, cv=splits, ensemble=False).fit(values, labels)
            self.svc_ = self.calibrator_.calibrated_classifiers_[0].estimator
        else:
            self.svc_ = machine.fit(values, labels)
        return self

    def decision_function(self, X: Any) -> Array:
        """Return the decision values of the SVM, shape (n_rows, n_classes), or (n_rows,) for two classes."""
        values = self._features(X)
        return self.svc_.decision_function(values)

    def predict(self, X: Any) -> Array:
        """Return the decision of the SVM, shape (n_rows,)."""
        values = self._features(X)
        return self.svc_.predict(values)

    def answer(self, values: Array) -> tuple[Array, Array]:
        """Return the results of `predict` and `predict_proba`, which can differ."""
        return self.svc_.predict(values), self.probabilities(values)

    def probabilities(self, values: Array) -> Array:
        """Return the calibrated probability of each class, shape (n_rows, n_classes)."""
        if self.calibrator_ is not None:
            return self.calibrator_.predict_proba(values)
        decision = self.svc_.decision_function(values)
        if decision.ndim == 1:
            decision = np.stack([-decision, decision], axis=1)
        return softmax(decision, axis=1)
