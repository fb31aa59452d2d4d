"""Random forest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

from fusionser.classifiers.base import Array, TableClassifier
from fusionser.classifiers.bounds import expect
from fusionser.search_space import NumberRange, Space

__all__ = ["RandomForest"]


@dataclass(kw_only=True, eq=False, repr=False)
class RandomForest(TableClassifier):
    """Random forest: the mean vote of randomised decision trees (Breiman 2001).

    Parameters
    ----------
    n_estimators : int, default=500
        Number of trees.
    max_features : "sqrt" or float, default="sqrt"
        Number of columns tried at each split: the square root of all, or a share.
    min_samples_leaf : int, default=1
    class_weight : {"balanced"}, optional
        Weight each class by the inverse of its share.
    balance : str, optional
        Balancing of the training rows (see `TableClassifier`).
    random_state : int, default=0
    n_jobs : int, optional
        Number of threads, which does not change the forest; -1 is all cores.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    forest_ : RandomForestClassifier

    Examples
    --------
    >>> RandomForest(n_estimators=10).fit([[0.0], [1.0]] * 5, ["calm", "sad"] * 5).predict([[0.9]]).tolist()
    ['sad']
    """

    grid: ClassVar[Mapping[str, Sequence[Any]]] = {"max_features": ("sqrt", 0.1), "min_samples_leaf": (1, 3)}
    space: ClassVar[Space] = {
        "max_features": ("sqrt", 0.05, 0.1, 0.2, 0.4),
        "min_samples_leaf": NumberRange(1, 10),
    }

    n_estimators: int = 500
    max_features: float | str = "sqrt"
    min_samples_leaf: int = 1
    class_weight: str | None = None
    balance: str | None = None
    random_state: int | None = 0
    n_jobs: int | None = None

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the trees."""
        values, labels = self._balanced(*self._training(X, y))
        self.forest_ = RandomForestClassifier(
            n_estimators=self.n_estimators,
            max_features=self.max_features,
            min_samples_leaf=self.min_samples_leaf,
            class_weight=self.class_weight,
            random_state=self.random_state,
            n_jobs=self.n_jobs,
        ).fit(values, labels)
        return self

    def check_loaded(self) -> None:
        """Raise `ValueError` if the forest or a tree has another type, or was fitted to other columns or classes."""
        expect(getattr(self, "forest_", None), RandomForestClassifier)
        for tree in self.forest_.estimators_:
            expect(tree, DecisionTreeClassifier)
            if (tree.tree_.n_features, *tree.tree_.value.shape[1:]) != (self.n_features_in_, 1, len(self.classes_)):
                raise ValueError("a tree with different columns or classes")

    def probabilities(self, values: Array) -> Array:
        """Return the mean vote of the trees for each class, shape (n_rows, n_classes)."""
        return self.forest_.predict_proba(values)
