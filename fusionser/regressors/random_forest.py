"""Random forest of regression trees."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from sklearn.ensemble import RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor

from fusionser.classifiers.base import Array
from fusionser.classifiers.bounds import expect
from fusionser.regressors.base import TableRegressor
from fusionser.target_scales import check_scales, standardised

__all__ = ["RandomForest"]


@dataclass(kw_only=True, eq=False, repr=False)
class RandomForest(TableRegressor):
    """Random forest: the mean of randomised regression trees, which predict all targets together (Breiman 2001).

    Targets are standardised first, so that all count alike in a split.

    Parameters
    ----------
    n_estimators : int, default=500
        Number of trees.
    max_features : "sqrt" or float, default=0.33
        Number of columns tried at each split: the square root of all, or a share.
    min_samples_leaf : int, default=1
    random_state : int, default=0
    n_jobs : int, optional
        Number of threads, which does not change the forest; -1 is all cores.

    Attributes
    ----------
    forest_ : RandomForestRegressor
    center_, scale_ : ndarray of shape (n_targets,)
        Mean and standard deviation of each target in training.

    Examples
    --------
    >>> RandomForest(n_estimators=10).fit([[0.0], [1.0]] * 5, [[1.0, 7.0], [3.0, 9.0]] * 5).predict([[0.9]]).tolist()
    [[3.0, 9.0]]
    """

    grid: ClassVar[Mapping[str, Sequence[Any]]] = {"max_features": ("sqrt", 0.33), "min_samples_leaf": (1, 3)}

    n_estimators: int = 500
    max_features: float | str = 0.33
    min_samples_leaf: int = 1
    random_state: int | None = 0
    n_jobs: int | None = None

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the trees."""
        values, targets = self._training(X, y)
        scaled, self.center_, self.scale_ = standardised(targets)
        self.forest_ = RandomForestRegressor(
            n_estimators=self.n_estimators,
            max_features=self.max_features,
            min_samples_leaf=self.min_samples_leaf,
            random_state=self.random_state,
            n_jobs=self.n_jobs,
        ).fit(values, scaled[:, 0] if self.n_targets_ == 1 else scaled)
        return self

    def numbers(self, values: Array) -> Array:
        """Return the mean of the trees for checked columns, shape (n_rows, n_targets)."""
        return self.forest_.predict(values).reshape(len(values), -1) * self.scale_ + self.center_

    def check_loaded(self) -> None:
        """Raise `ValueError` if the forest or a tree has another type, or was fitted to other columns or targets."""
        expect(getattr(self, "forest_", None), RandomForestRegressor)
        if self.forest_.n_outputs_ != self.n_targets_:
            raise ValueError("a forest with other targets")
        for tree in self.forest_.estimators_:
            expect(tree, DecisionTreeRegressor)
            shape = (tree.tree_.n_features, *tree.tree_.value.shape[1:], tree.n_outputs_)
            if shape != (self.n_features_in_, self.n_targets_, 1, self.n_targets_):
                raise ValueError("a tree with different columns or targets")
        check_scales(self.center_, self.scale_, self.n_targets_)
