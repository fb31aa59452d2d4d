"""Late fusion of predicted numbers: the predictions of several regressors and networks combined into one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize
from scipy.special import softmax
from sklearn.base import clone
from sklearn.linear_model import Ridge

from fusionser.agreement import mean_concordance
from fusionser.classifiers.base import Array, MemberEstimator
from fusionser.errors import SettingsError, unknown_name
from fusionser.features.learned import CROSS_FITTED_NUMBER, NUMBER
from fusionser.names import LATE_FUSIONS
from fusionser.regressors.base import TableRegressor
from fusionser.regressors.svm import SVM
from fusionser.splits.inner_folds import InnerFolds
from fusionser.target_scales import check_scales, standardised

__all__ = ["LateFusion"]


@dataclass(kw_only=True, eq=False, repr=False)
class LateFusion(TableRegressor, MemberEstimator):
    """Fuse the numbers of members: a regressor on the handcrafted columns, and every block of predicted numbers.

    Blocks of predicted numbers (deep extractors with ``output="scores"`` that were fitted to numbers) are members
    without a regressor. All other columns go to `regressor`, together or block by block. The numbers are standardised,
    so that all targets count alike.

    Parameters
    ----------
    regressor : TableRegressor, optional
        Cloned for each member; `SVM` when None.
    method : {"average", "weighted", "stacked"}, default="average"
        "average" gives all members the same weight. "weighted" learns the weights with the highest mean CCC, which are
        positive and sum to one. "stacked" fits a ridge regression to the numbers of all members. Both learn from
        out-of-fold numbers of the training rows, on inner folds by speaker, and reject in-fold numbers of blocks, which
        are too good.
    by_block : bool, default=False
        Fit one regressor per handcrafted block.
    apart : sequence of str, default=()
        Blocks that get a regressor of their own in any case.
    folds : int, default=4
        Number of inner folds of "weighted" and "stacked".
    random_state : int, default=0

    Attributes
    ----------
    members_ : dict of str to TableRegressor
        The fitted regressors, by block, or ``columns`` for all columns together.
    weights_ : dict of str to float
        Weight of each member; empty for "stacked".
    stack_ : ndarray of shape (n_targets, 1 + n_members * n_targets)
        For "stacked": the intercept and the coefficients of each target; else without columns.
    center_, scale_ : ndarray of shape (n_targets,)
        Mean and standard deviation of each target in training.

    Examples
    --------
    >>> X = pd.DataFrame({"a__x": np.arange(40.0), "net__predicted_1": (np.arange(40.0) - 19.5) / 11.54})
    >>> fused = LateFusion().fit(X, 5 * X[["a__x"]].to_numpy())
    >>> sorted(fused.weights_), fused.predict(X.iloc[[20]]).round(-1).tolist()
    (['columns', 'net'], [[100.0]])
    """

    MEMBER: ClassVar[str] = "regressor"

    regressor: TableRegressor | None = None
    method: str = "average"
    by_block: bool = False
    apart: Sequence[str] = ()
    folds: int = 4
    random_state: int | None = 0

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the members to the columns, and the weights or the stack to out-of-fold numbers.

        Parameters
        ----------
        X : DataFrame
            Columns named ``block__name``, with the carried columns of the rows.
        y : ndarray of shape (n_rows, n_targets)

        Raises
        ------
        SettingsError
            If the method is unknown, or numbers of blocks are in-fold where weights are learned.
        """
        if self.method not in LATE_FUSIONS:
            raise unknown_name("late fusion", self.method, LATE_FUSIONS)
        whole, features, targets = self._whole(X, y)
        kept = [str(name) for name in whole][: -len(features)]
        scaled, self.center_, self.scale_ = standardised(targets)
        self.groups_, self.answered_ = self._parts(features)
        base = SVM(random_state=self.random_state) if self.regressor is None else self.regressor
        self.members_ = {name: clone(base).fit(whole[[*kept, *part]], targets) for name, part in self.groups_.items()}
        self.stack_ = np.zeros((self.n_targets_, 0))
        names = [*self.groups_, *self.answered_]
        self.weights_ = {name: 1.0 / len(names) for name in names}
        if self.method != "average" and len(names) > 1:
            self._learn(whole, kept, targets, scaled, base)
        return self

    def _learn(self, whole: pd.DataFrame, kept: list[str], targets: Array, scaled: Array, base: TableRegressor) -> None:
        """Learn the weights, or the stack, from out-of-fold numbers."""
        numbers = {name: whole[columns].to_numpy(dtype=np.float64) for name, columns in self.answered_.items()}
        inner = InnerFolds(folds=self.folds, seed=self.random_state or 0, stratified=False)
        folds = list(inner.split(whole, targets))
        for name, columns in self.groups_.items():
            part = whole[[*kept, *columns]]
            numbers[name] = np.zeros(targets.shape)
            for train, held in folds:
                numbers[name][held] = self._standard(clone(base).fit(part.iloc[train], targets[train]), part.iloc[held])
        stacked = np.stack([numbers[name] for name in self.weights_])
        if self.method == "weighted":
            self.weights_ = dict(zip(self.weights_, best_weights(stacked, scaled).tolist(), strict=True))
        else:
            self.weights_ = {}
            # The columns are few and on one scale, so the default regularisation suffices.
            ridge = Ridge(alpha=1.0).fit(np.concatenate(list(stacked), axis=1), scaled)
            # Of a single target, scikit-learn gives a vector.
            self.stack_ = np.column_stack([ridge.intercept_, ridge.coef_.reshape(self.n_targets_, -1)])

    def _standard(self, member: TableRegressor, X: Any) -> Array:
        """Return the numbers of a member, in the scale of this fusion."""
        return (member.predict(X).reshape(len(X), -1) - self.center_) / self.scale_

    def check_loaded(self) -> None:
        """Raise `ValueError` if members, weights or stack do not fit the columns and targets of this fusion."""
        check_scales(self.center_, self.scale_, self.n_targets_)
        if self.method not in LATE_FUSIONS or set(self.members_) != set(self.groups_):
            raise ValueError("a late fusion whose members differ from those it names")
        for name, member in self.members_.items():
            self._check_member(member, len(self.groups_[name]))
        names = set(map(str, getattr(self, "feature_names_in_", [])))
        used = [column for group in (*self.groups_.values(), *self.answered_.values()) for column in group]
        if names and set(used) != names:
            raise ValueError("a late fusion whose columns differ from those it names")
        if any(len(columns) != self.n_targets_ for columns in self.answered_.values()):
            raise ValueError("a late fusion that lacks one number per target")
        parts = [*self.groups_, *self.answered_]
        if not isinstance(self.stack_, np.ndarray) or not np.isfinite(self.stack_).all():
            raise ValueError("a late fusion whose stack is not finite")
        wide = 0 if self.weights_ else 1 + len(parts) * self.n_targets_
        if self.stack_.shape != (self.n_targets_, wide):
            raise ValueError("a late fusion whose stack belongs to other members")
        if self.weights_ and (set(self.weights_) != set(parts) or not np.isfinite(list(self.weights_.values())).all()):
            raise ValueError("a late fusion whose weights belong to other members or are not finite")

    def _check_member(self, member: Any, columns: int) -> None:
        """Raise `ValueError` if a member is not a regressor, is a fusion itself, or fits other data."""
        if not isinstance(member, TableRegressor) or isinstance(member, LateFusion):
            raise ValueError(f"a {type(member).__name__} where a regressor is expected")
        if member.n_features_in_ != columns or member.n_targets_ != self.n_targets_:
            raise ValueError("a member was fitted to different columns or targets")
        member.check_loaded()

    def numbers(self, values: Array) -> Array:
        """Return the prediction for checked columns, shape (n_rows, n_targets)."""
        parts = self.member_numbers(values)
        if self.weights_:
            fused = sum(self.weights_[name] * part for name, part in parts.items())
        else:
            fused = np.concatenate(list(parts.values()), axis=1) @ self.stack_[:, 1:].T + self.stack_[:, 0]
        return np.asarray(fused) * self.scale_ + self.center_

    def member_numbers(self, values: Array) -> dict[str, Array]:
        """Return the standardised numbers of each member for checked columns, shape (n_rows, n_targets) each."""
        places = {name: place for place, name in enumerate(self._names(values))}

        def part(columns: list[str]) -> Array:
            return values[:, [places[column] for column in columns]]

        parts = {
            name: (member.numbers(part(self.groups_[name])) - self.center_) / self.scale_
            for name, member in self.members_.items()
        }
        return {**parts, **{name: part(columns) for name, columns in self.answered_.items()}}

    def _parts(self, columns: list[str]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """Return the columns of each regressor, and the numbers of each block that predicts them."""
        blocks: dict[str, list[str]] = {}
        for column in columns:
            blocks.setdefault(column.partition("__")[0], []).append(column)
        groups: dict[str, list[str]] = {}
        answered, in_fold = {}, []
        for block, names in blocks.items():
            own = [name.partition("__")[2] for name in names]
            wanted = {
                prefix: [f"{prefix}{number}" for number in range(1, self.n_targets_ + 1)]
                for prefix in (NUMBER, CROSS_FITTED_NUMBER)
            }
            if own in wanted.values():
                answered[block] = names
                in_fold += [block] if own == wanted[NUMBER] else []
            else:
                groups.setdefault(block if self.by_block or block in self.apart else "columns", []).extend(names)
        if in_fold and self.method != "average":
            raise SettingsError(
                f"the predicted numbers of {', '.join(in_fold)} are in-fold, so those of training rows are too good to "
                "learn weights from. Set cross_fit on the extractor (--cross-fit 4), or method='average'"
            )
        return groups, answered


def best_weights(numbers: npt.NDArray[np.float64], targets: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the weights of predictions that give the highest mean CCC; they are positive and sum to one.

    Parameters
    ----------
    numbers : ndarray of shape (n_members, n_rows, n_targets)
    targets : ndarray of shape (n_rows, n_targets)

    Examples
    --------
    >>> targets = np.array([[-1.0], [0.0], [1.0]])
    >>> best_weights(np.stack([targets, -targets]), targets).round(2).tolist()
    [1.0, 0.0]
    """

    def disagreement(raw: npt.NDArray[np.float64]) -> float:
        return -mean_concordance(targets, np.tensordot(softmax(raw), numbers, axes=1))

    optimum = minimize(disagreement, np.zeros(len(numbers)), method="L-BFGS-B", bounds=[(-8.0, 8.0)] * len(numbers))
    return softmax(optimum.x)
