"""Answers as if all classes were equally frequent."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import clone

from fusionser.classifiers.base import Array, MemberClassifier, TableClassifier
from fusionser.classifiers.kernel_features import check_array
from fusionser.classifiers.svm import SVM

__all__ = ["LogitAdjustment"]


@dataclass(kw_only=True, eq=False, repr=False)
class LogitAdjustment(MemberClassifier):
    """Divide the probabilities of a classifier by the share of each class in training, and normalise them.

    The answers are those for rows of which all classes are equally many, which is what the unweighted average recall
    measures. Nothing is trained anew (post-hoc logit adjustment, Menon et al. 2021). Rare classes are answered more
    often, and frequent ones less.

    Parameters
    ----------
    classifier : TableClassifier, optional
        Cloned and fitted; `SVM` when None.
    random_state : int, default=0
        Changes nothing, since nothing is drawn here.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    members_ : dict of str to TableClassifier
        The fitted classifier, named ``classifier``.
    shares_ : ndarray of shape (n_classes,)
        Share of each class in training.

    Examples
    --------
    >>> X = np.r_[np.zeros((30, 1)), np.ones((10, 1))] + np.random.default_rng(0).normal(0, 1, (40, 1))
    >>> y = ["calm"] * 30 + ["sad"] * 10
    >>> plain, adjusted = SVM().fit(X, y), LogitAdjustment().fit(X, y)
    >>> adjusted.shares_.tolist()
    [0.75, 0.25]
    >>> odds = [one.predict_proba([[0.5]])[0] for one in (plain, adjusted)]
    >>> round(float(odds[1][1] / odds[1][0] / (odds[0][1] / odds[0][0])), 6)
    3.0
    """

    classifier: TableClassifier | None = None
    random_state: int | None = 0

    balance = None

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the classifier, and count the classes.

        Parameters
        ----------
        X : table or array of shape (n_rows, n_columns)
        y : sequence of shape (n_rows,)

        Raises
        ------
        SettingsError
            If all rows have one class, or the classifier cannot be fitted.
        """
        table, _, labels = self._whole(X, y)
        base = SVM() if self.classifier is None else self.classifier
        self.members_ = {self.MEMBER: clone(base).fit(table, labels)}
        counts = np.bincount(np.searchsorted(self.classes_, labels), minlength=len(self.classes_))
        self.shares_: Array = counts / counts.sum()
        return self

    def check_loaded(self) -> None:
        """Raise `ValueError` if the member is no classifier of these columns, or the shares are not of the classes."""
        if type(self.members_) is not dict or set(self.members_) != {self.MEMBER}:
            raise ValueError("an adjustment that lacks its classifier")
        self._check_member(self.members_[self.MEMBER], self.n_features_in_, LogitAdjustment)
        check_array(self.shares_, (len(self.classes_),), "the shares of classes")
        if self.shares_.min() <= 0:
            raise ValueError("a share of a class that is not positive")

    def probabilities(self, values: Array) -> Array:
        """Return the adjusted probability of each class, shape (n_rows, n_classes)."""
        adjusted: Array = self.members_[self.MEMBER].probabilities(values) / self.shares_
        return adjusted / adjusted.sum(axis=1, keepdims=True)
