"""Base classes of all classifiers, and what they share with regressors."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from fusionser.balancing import balance_columns
from fusionser.checks import check_present
from fusionser.errors import SettingsError
from fusionser.scaling import split_carried
from fusionser.search_space import Space

__all__ = ["MemberClassifier", "MemberEstimator", "Parts", "TableClassifier", "TableEstimator"]

Array = npt.NDArray[Any]


class TableEstimator(BaseEstimator):
    """What classifiers and regressors share: they separate the carried columns of a table from its features."""

    grid: ClassVar[Mapping[str, Sequence[Any]]] = {}
    """Values by parameter that a search over inner folds tries."""

    space: ClassVar[Space] = {}
    """Ranges and choices by parameter that `fusionser.tuning` tries; the grid if it is empty."""

    random_state: int | None

    def _features(self, X: Any) -> Array:
        check_is_fitted(self)
        return validate_data(self, split_carried(X)[1], dtype=np.float64, reset=False)

    def _own_columns(self, X: Any) -> Any:
        """Return the columns that were given in training; others of a table may be for other estimators."""
        names = getattr(self, "feature_names_in_", None)
        carried, _ = split_carried(X)
        return X if names is None else X[[*([] if carried is None else carried), *names]]

    def unused(self) -> Sequence[str]:
        """Return the parameters that have no effect with the values of the others, so no search tries them."""
        return ()

    def check_size(self, rows: int) -> None:
        """Raise `SettingsError` if `fit` would not end in a sensible time for so many training rows."""

    def check_loaded(self) -> None:
        """Raise `ValueError` if parts that were loaded from a file cannot belong to this estimator."""

    def pack(self) -> dict[str, bytes]:
        """Remove fitted parts with a file format of their own, and return them as bytes by name, for a saved model."""
        return {}

    def unpack(self, parts: Mapping[str, bytes]) -> None:
        """Restore the parts that `pack` removed."""


class TableClassifier(ClassifierMixin, TableEstimator):
    """A classifier that separates the carried columns of a table from its features.

    Each has a parameter ``balance``: one of `COLUMN_BALANCINGS`, by which training rows are balanced, or None.
    """

    balance: str | None

    def _training(self, X: Any, y: Any) -> tuple[Array, Array]:
        """Return checked columns and labels."""
        values, labels = self._checked_rows(X, y)
        self._set_classes(labels, len(labels))
        return values, labels

    def _checked_rows(self, X: Any, y: Any, *, reset: bool = True) -> tuple[Array, Array]:
        """Return checked columns and labels; without `reset`, of further rows with the same columns."""
        # Numbers are checked by scikit-learn, in its words.
        given = np.asarray(y)
        if given.ndim == 1 and given.dtype.kind in "OU":
            check_present(y)
        values, labels = validate_data(self, split_carried(X)[1], y, dtype=np.float64, reset=reset)
        check_classification_targets(labels)
        return values, labels

    def _set_classes(self, labels: Array, rows: int) -> None:
        """Set the classes of training rows; raise `SettingsError` if there is only one."""
        self.classes_: Array = np.unique(labels)
        if len(self.classes_) < 2:
            raise SettingsError(
                f"got one class, '{self.classes_[0]}', in {rows} rows; a classifier needs two classes or more"
            )

    def _balanced(self, values: Array, labels: Array) -> tuple[Array, Array]:
        """Return the balanced training rows."""
        if self.balance is None:
            return values, labels
        return balance_columns(values, labels, self.balance, self.random_state or 0)

    def probabilities(self, values: Array) -> Array:
        """Return the probability of each class for checked columns, shape (n_rows, n_classes)."""
        raise NotImplementedError

    def answer(self, values: Array) -> tuple[Array, Array]:
        """Return the results of `predict` and `predict_proba` for checked columns: float64, in training order."""
        probabilities = self.probabilities(values)
        return self.classes_[probabilities.argmax(axis=1)], probabilities

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, shape (n_rows, n_classes), in the order of `classes_`."""
        return self.probabilities(self._features(X))

    def predict(self, X: Any) -> Array:
        """Return the most probable class of each row, shape (n_rows,)."""
        return self.answer(self._features(X))[0]


class Parts(Mapping[str, bytes]):
    """The parts of a saved classifier, which know which of them were read.

    Parameters
    ----------
    parts : mapping of str to bytes
    prefix : str, default=""
        What the names of these parts begin with, before the names by which they are read here.
    used : set of str, optional
        Gets the whole name of each part that is read.
    """

    def __init__(self, parts: Mapping[str, bytes], prefix: str = "", used: set[str] | None = None) -> None:
        self._parts, self._prefix = parts, prefix
        self.used: set[str] = set() if used is None else used

    def __getitem__(self, name: str) -> bytes:
        part = self._parts[f"{self._prefix}{name}"]
        self.used.add(f"{self._prefix}{name}")
        return part

    def __iter__(self) -> Iterator[str]:
        return (name.removeprefix(self._prefix) for name in self._parts if name.startswith(self._prefix))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def under(self, prefix: str) -> "Parts":
        """Return the parts whose names begin with a prefix, by the rest of their names."""
        return Parts(self._parts, f"{self._prefix}{prefix}", self.used)


class MemberEstimator(TableEstimator):
    """An estimator made of others, which are in ``members_`` by name."""

    MEMBER: ClassVar[str] = "classifier"
    """Name of the parameter that the members are clones of."""

    members_: dict[str, Any]

    def _training(self, X: Any, y: Any) -> tuple[Array, Array]:
        """Return checked columns and labels."""
        raise NotImplementedError

    def _whole(self, X: Any, y: Any) -> tuple[pd.DataFrame, list[str], Array]:
        """Return a table of carried columns and checked features, the names of its features, and the labels."""
        carried, _ = split_carried(X)
        values, labels = self._training(X, y)
        names = self._names(values)
        table = pd.DataFrame(values, columns=names)
        whole = table if carried is None else pd.concat([carried.reset_index(drop=True), table], axis=1)
        return whole, names, labels

    def check_size(self, rows: int) -> None:
        """Raise `SettingsError` if the members would not be fitted in a sensible time."""
        member = getattr(self, self.MEMBER)
        if member is not None:
            member.check_size(rows)

    def _names(self, values: Array) -> list[str]:
        return [str(name) for name in getattr(self, "feature_names_in_", range(values.shape[1]))]

    def pack(self) -> dict[str, bytes]:
        """Remove and return the members' parts with a file format of their own."""
        return {
            f"members/{name}/{part}": content
            for name, member in self.members_.items()
            for part, content in member.pack().items()
        }

    def unpack(self, parts: Mapping[str, bytes]) -> None:
        """Restore the members' parts."""
        given = parts if isinstance(parts, Parts) else Parts(parts)
        for name, member in self.members_.items():
            member.unpack(given.under(f"members/{name}/"))


class MemberClassifier(TableClassifier, MemberEstimator):
    """A classifier made of other classifiers."""

    members_: dict[str, TableClassifier]

    def _check_member(self, member: Any, columns: int, never: type) -> None:
        """Raise `ValueError` if a member is not a classifier, is of the type `never`, or fits other data."""
        if not isinstance(member, TableClassifier) or isinstance(member, never):
            raise ValueError(f"a {type(member).__name__} where a classifier is expected")
        if member.n_features_in_ != columns or list(member.classes_) != list(self.classes_):
            raise ValueError("a member was fitted to different columns or classes")
        member.check_loaded()
