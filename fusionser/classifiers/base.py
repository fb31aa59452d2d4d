"""What every classifier shares."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from fusionser.balancing import balance_columns
from fusionser.errors import SettingsError
from fusionser.scaling import split_carried

__all__ = ["MemberClassifier", "TableClassifier"]

Array = npt.NDArray[Any]


class TableClassifier(ClassifierMixin, BaseEstimator):
    """A classifier that sets the carried columns aside before it looks at the features.

    Each has a parameter ``balance``: one of `COLUMN_BALANCINGS`, or None; what it learns from is balanced so.
    """

    grid: ClassVar[Mapping[str, Sequence[Any]]] = {}
    """What a search over inner folds tries, by parameter."""

    balance: str | None
    random_state: int | None

    def _training(self, X: Any, y: Any) -> tuple[Array, Array]:
        _, features = split_carried(X)
        values, labels = validate_data(self, features, y, dtype=np.float64)
        check_classification_targets(labels)
        self.classes_: Array = np.unique(labels)
        if len(self.classes_) < 2:
            raise SettingsError(
                f"got one class, '{self.classes_[0]}', in {len(labels)} rows; a classifier needs two classes or more"
            )
        return values, labels

    def _balanced(self, values: Array, labels: Array) -> tuple[Array, Array]:
        """Return what is learned from."""
        if self.balance is None:
            return values, labels
        return balance_columns(values, labels, self.balance, self.random_state or 0)

    def _features(self, X: Any) -> Array:
        check_is_fitted(self)
        _, features = split_carried(X)
        values: Array = validate_data(self, features, dtype=np.float64, reset=False)
        return values

    def probabilities(self, values: Array) -> Array:
        """Return the probability of each class for columns that are checked, shape (n_rows, n_classes)."""
        raise NotImplementedError

    def answer(self, values: Array) -> tuple[Array, Array]:
        """Return what `predict` and `predict_proba` do for columns that are checked: float64, in training's order."""
        probabilities = self.probabilities(values)
        return self.classes_[probabilities.argmax(axis=1)], probabilities

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, shape (n_rows, n_classes), in the order of `classes_`."""
        return self.probabilities(self._features(X))

    def predict(self, X: Any) -> Array:
        """Return the most probable class of each row, shape (n_rows,)."""
        labels, _ = self.answer(self._features(X))
        return labels

    def check_loaded(self) -> None:
        """Raise `ValueError` when parts that a file gave this classifier are of another kind than it predicts with."""

    def pack(self) -> dict[str, bytes]:
        """Take out the fitted parts that have a format of their own, as bytes by name, for a saved model."""
        return {}

    def unpack(self, parts: Mapping[str, bytes]) -> None:
        """Put back what `pack` took out."""


class MemberClassifier(TableClassifier):
    """A classifier of classifiers, which are in ``members_`` by name."""

    members_: dict[str, TableClassifier]

    def _check_member(self, member: Any, columns: int, never: type) -> None:
        """Raise `ValueError` when a member is no classifier, one of a kind that may not be, or for something else."""
        if not isinstance(member, TableClassifier) or isinstance(member, never):
            raise ValueError(f"a {type(member).__name__} in the place of a classifier")
        if member.n_features_in_ != columns or list(member.classes_) != list(self.classes_):
            raise ValueError("a member for other columns or classes")
        member.check_loaded()

    def pack(self) -> dict[str, bytes]:
        """Take out the members' parts that have a format of their own."""
        return {
            f"members/{name}/{part}": content
            for name, member in self.members_.items()
            for part, content in member.pack().items()
        }

    def unpack(self, parts: Mapping[str, bytes]) -> None:
        """Put the members' parts back."""
        for name, member in self.members_.items():
            prefix = f"members/{name}/"
            member.unpack({key.removeprefix(prefix): value for key, value in parts.items() if key.startswith(prefix)})
