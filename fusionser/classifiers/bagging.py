"""A bag of classifiers, each trained on its own balanced sample of the rows."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import clone

from fusionser.balancing import row_sampler
from fusionser.classifiers.base import Array, MemberClassifier, TableClassifier
from fusionser.classifiers.svm import SVM
from fusionser.errors import SettingsError
from fusionser.names import BAGGING

__all__ = ["BAGGING", "BalancedBagging"]

MOST_MEMBERS = 99


@dataclass(kw_only=True, eq=False, repr=False)
class BalancedBagging(MemberClassifier):
    """The mean of members that are each trained on another balanced sample of the rows.

    Each member gets all rows of the rarest class and as many of every other class, drawn anew, so that together they
    use most rows (EasyEnsemble: Liu, Wu and Zhou 2009, with any classifier).

    Parameters
    ----------
    classifier : TableClassifier, optional
        Cloned for each member; `SVM` when None.
    n_members : int, default=10
        1 to 99.
    random_state : int, default=0

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    members_ : dict of str to TableClassifier
        Members by number.

    Examples
    --------
    >>> X = np.r_[np.zeros((40, 2)), np.ones((8, 2))] + np.random.default_rng(0).normal(0, 0.1, (48, 2))
    >>> BalancedBagging(n_members=3).fit(X, ["calm"] * 40 + ["sad"] * 8).predict([[1.0, 1.0]]).tolist()
    ['sad']
    """

    classifier: TableClassifier | None = None
    n_members: int = 10
    random_state: int | None = 0

    balance = None

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the members.

        Parameters
        ----------
        X : table or array of shape (n_rows, n_columns)
        y : sequence of shape (n_rows,)

        Raises
        ------
        SettingsError
            If `n_members` is outside its range, or all rows have one class.
        """
        if not 1 <= self.n_members <= MOST_MEMBERS:
            raise SettingsError(f"n_members is {self.n_members}; expected 1 to {MOST_MEMBERS}")
        table, _, labels = self._whole(X, y)
        base = SVM() if self.classifier is None else self.classifier
        places = np.arange(len(labels))[:, None]
        self.members_ = {}
        for number in range(self.n_members):
            seed = (self.random_state or 0) + number
            kept = np.sort(row_sampler("undersample", seed).fit_resample(places, labels)[0].ravel())
            member = clone(base).set_params(random_state=seed)
            self.members_[str(number)] = member.fit(table.iloc[kept], labels[kept])
        return self

    def check_size(self, rows: int) -> None:
        """Do nothing: each member gets a balanced sample of the rows, and checks that."""

    def check_loaded(self) -> None:
        """Raise `ValueError` if the members are not classifiers of these columns and classes."""
        if type(self.members_) is not dict or not self.members_:
            raise ValueError("the bag has no members")
        for member in self.members_.values():
            self._check_member(member, self.n_features_in_, MemberClassifier)

    def probabilities(self, values: Array) -> Array:
        """Return the mean of the members' probabilities, shape (n_rows, n_classes)."""
        return np.asarray(np.mean([member.probabilities(values) for member in self.members_.values()], axis=0))
