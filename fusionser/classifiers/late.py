"""Late fusion: several classifiers' probabilities made into one."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize
from scipy.special import softmax
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from fusionser.classifiers.base import Array, MemberClassifier, TableClassifier
from fusionser.classifiers.bounds import expect
from fusionser.classifiers.svm import SVM
from fusionser.errors import SettingsError, unknown_name
from fusionser.features.learned import CROSS_FITTED, SCORE
from fusionser.names import LATE_FUSIONS
from fusionser.scaling import split_carried
from fusionser.splits.inner_folds import InnerFolds

__all__ = ["LateFusion"]

LEAST = 1e-6
"""Probabilities are kept above this, so that no member's zero silences the others."""


@dataclass(kw_only=True, eq=False, repr=False)
class LateFusion(MemberClassifier):
    """Fuse the probabilities of members: a classifier on the handcrafted columns, and every block of class scores.

    Blocks whose columns are class scores (deep extractors with ``output="scores"``) are members as they are.
    All other columns are classified by `classifier`: together, or block by block.

    Parameters
    ----------
    classifier : TableClassifier, optional
        `SVM` when None, whose probabilities are calibrated on inner folds by speaker.
    method : {"average", "weighted", "stacked"}, default="average"
        "average" adds the log-probabilities with equal weights, and learns nothing. "weighted" chooses the
        weights, which are positive and sum to one, and "stacked" a multinomial logistic regression on all
        log-probabilities; both by the training rows' out-of-fold probabilities, on inner folds by speaker.
        They refuse in-fold class scores: those of training rows are too good.
    by_block : bool, default=False
        Give each handcrafted block a classifier of its own.
    folds : int, default=4
        Inner folds of "weighted" and "stacked".
    random_state : int, default=0

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    members_ : dict of str to TableClassifier
        The fitted classifiers, by block, or ``columns`` for all columns together.
    weights_ : dict of str to float
        By member; "stacked" has none.
    stack_ : LogisticRegression or None

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["calm", "sad"], 20)
    >>> X = pd.DataFrame({"a__x": (y == "sad") + rng.normal(0, 0.5, 40), "net__score_calm": np.log(0.5),
    ...                   "net__score_sad": np.log(0.5)})
    >>> fused = LateFusion().fit(X, y)
    >>> sorted(fused.weights_), str(fused.predict(X.iloc[-1:])[0])
    (['columns', 'net'], 'sad')
    """

    classifier: TableClassifier | None = None
    method: str = "average"
    by_block: bool = False
    folds: int = 4
    random_state: int | None = 0

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the members to the columns, and the weights to out-of-fold probabilities where there are any to fit.

        Parameters
        ----------
        X : DataFrame
            Columns named ``block__name``, with the carried columns of the rows.
        y : sequence of shape (n_rows,)
        """
        if self.method not in LATE_FUSIONS:
            raise unknown_name("late fusion", self.method, LATE_FUSIONS)
        carried, _ = split_carried(X)
        values, labels = self._training(X, y)
        table = self._table(values)
        self.groups_ = self._groups(list(table.columns))
        self.scored_ = self._scored(list(table.columns))
        if not self.groups_ and not self.scored_:
            raise SettingsError("late fusion got no columns")
        self._refuse_in_fold(list(table.columns))
        base = SVM(random_state=self.random_state) if self.classifier is None else self.classifier
        whole = table if carried is None else pd.concat([carried.reset_index(drop=True), table], axis=1)
        kept = [] if carried is None else list(carried.columns)
        self.members_ = {
            name: clone(base).fit(whole[[*kept, *columns]], labels) for name, columns in self.groups_.items()
        }
        self.stack_ = None
        names = [*self.groups_, *self.scored_]
        self.weights_ = {name: 1.0 / len(names) for name in names}
        if self.method != "average" and len(names) > 1:
            self._learn(whole, kept, labels, base)
        return self

    def _learn(self, whole: pd.DataFrame, kept: list[str], labels: Array, base: TableClassifier) -> None:
        logs = {name: whole[columns].to_numpy(dtype=np.float64) for name, columns in self.scored_.items()}
        seed = self.random_state or 0
        folds = list(InnerFolds(folds=self.folds, seed=seed).split(whole, labels))
        for name, columns in self.groups_.items():
            part = whole[[*kept, *columns]]
            logs[name] = np.full((len(labels), len(self.classes_)), np.log(LEAST))
            for train, held in folds:
                inner = clone(base).fit(part.iloc[train], labels[train])
                places = np.searchsorted(self.classes_, inner.classes_)
                logs[name][np.ix_(held, places)] = _logs(inner.predict_proba(part.iloc[held]))
        stacked = np.stack([logs[name] for name in self.weights_])
        targets = np.searchsorted(self.classes_, labels)
        if self.method == "weighted":
            weights = best_weights(stacked, targets)
            self.weights_ = dict(zip(self.weights_, weights.tolist(), strict=True))
        else:
            self.weights_ = {}
            # Few columns, all of one kind: a little shrinking is all that they need.
            self.stack_ = LogisticRegression(C=1.0, max_iter=2000).fit(np.concatenate(list(stacked), axis=1), labels)

    def check_loaded(self) -> None:
        """Raise `ValueError` when the members do not read the columns, or do not know the classes, that it says."""
        names = set(map(str, getattr(self, "feature_names_in_", [])))
        if self.method not in LATE_FUSIONS or set(self.members_) != set(self.groups_):
            raise ValueError("a late fusion whose members are not those that it names")
        for name, member in self.members_.items():
            self._check_member(member, len(self.groups_[name]), LateFusion)
        used = [column for group in (*self.groups_.values(), *self.scored_.values()) for column in group]
        if names and set(used) != names:
            raise ValueError("a late fusion of other columns than it says")
        if any(len(columns) != len(self.classes_) for columns in self.scored_.values()):
            raise ValueError("a late fusion whose scores are not one a class")
        parts = [*self.groups_, *self.scored_]
        if self.stack_ is not None:
            expect(self.stack_, LogisticRegression)
            if self.stack_.coef_.shape[1] != len(parts) * len(self.classes_):
                raise ValueError("a stack for other members")
        elif set(self.weights_) != set(parts) or not all(np.isfinite(list(map(float, self.weights_.values())))):
            raise ValueError("a late fusion whose weights are not its members'")

    def probabilities(self, values: Array) -> Array:
        """Return the probability of each class for columns that are checked, shape (n_rows, n_classes)."""
        parts = self._member_logs(values)
        if self.stack_ is not None:
            stacked: Array = self.stack_.predict_proba(np.concatenate(list(parts.values()), axis=1))
            return stacked
        total = sum(self.weights_[name] * part for name, part in parts.items())
        return softmax(np.asarray(total), axis=1)

    def member_log_probabilities(self, X: Any) -> dict[str, Array]:
        """Return the log-probabilities that each member gives, shape (n_rows, n_classes) each."""
        return self._member_logs(self._features(X))

    def _member_logs(self, values: Array) -> dict[str, Array]:
        places = {name: place for place, name in enumerate(self._names(values))}

        def part(columns: list[str]) -> Array:
            return values[:, [places[column] for column in columns]]

        parts = {name: _logs(member.probabilities(part(self.groups_[name]))) for name, member in self.members_.items()}
        return {**parts, **{name: part(columns) for name, columns in self.scored_.items()}}

    def _table(self, values: npt.NDArray[np.float64]) -> pd.DataFrame:
        return pd.DataFrame(values, columns=self._names(values))

    def _names(self, values: npt.NDArray[np.float64]) -> list[str]:
        return [str(name) for name in getattr(self, "feature_names_in_", range(values.shape[1]))]

    def _scored(self, columns: list[str]) -> dict[str, list[str]]:
        groups: dict[str, list[str]] = {}
        for column in columns:
            block, _, name = column.partition("__")
            if name.startswith((SCORE, CROSS_FITTED)):
                groups.setdefault(block, []).append(column)
        for block, names in groups.items():
            classes = [name.partition("__")[2].removeprefix(CROSS_FITTED).removeprefix(SCORE) for name in names]
            if classes != [str(name) for name in self.classes_]:
                raise SettingsError(
                    f"the block '{block}' scores the classes {', '.join(classes)}; expected "
                    f"{', '.join(map(str, self.classes_))}"
                )
        return groups

    def _groups(self, columns: list[str]) -> dict[str, list[str]]:
        plain = [name for name in columns if not name.partition("__")[2].startswith((SCORE, CROSS_FITTED))]
        if not plain:
            return {}
        if not self.by_block:
            return {"columns": plain}
        groups: dict[str, list[str]] = {}
        for column in plain:
            groups.setdefault(column.partition("__")[0], []).append(column)
        return groups

    def _refuse_in_fold(self, columns: list[str]) -> None:
        if self.method == "average":
            return
        in_fold = sorted({name.partition("__")[0] for name in columns if name.partition("__")[2].startswith(SCORE)})
        if in_fold:
            raise SettingsError(
                f"the class scores of {', '.join(in_fold)} are in-fold: those of the training rows are too good to "
                f"choose weights by. Set cross_fit on the extractor (--cross-fit 4), or method='average'"
            )


def best_weights(logs: npt.NDArray[np.float64], targets: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Return the positive weights, summing to one, that give the weighted log-probabilities the least cross-entropy.

    Parameters
    ----------
    logs : ndarray of shape (n_members, n_rows, n_classes)
    targets : ndarray of shape (n_rows,)
        Index of each row's class.

    Examples
    --------
    >>> good, noise = np.log([[0.9, 0.1], [0.1, 0.9]]), np.log([[0.1, 0.9], [0.9, 0.1]])
    >>> best_weights(np.stack([good, noise]), np.array([0, 1])).round(2).tolist()
    [1.0, 0.0]
    """

    def cross_entropy(raw: npt.NDArray[np.float64]) -> float:
        probabilities = softmax(np.tensordot(softmax(raw), logs, axes=1), axis=1)
        return float(-np.log(np.maximum(probabilities[np.arange(len(targets)), targets], LEAST)).mean())

    optimum = minimize(cross_entropy, np.zeros(len(logs)), method="L-BFGS-B", bounds=[(-8.0, 8.0)] * len(logs))
    return softmax(optimum.x)


def _logs(probabilities: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    logs: npt.NDArray[np.float64] = np.log(np.maximum(probabilities, LEAST))
    return logs
