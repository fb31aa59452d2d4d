"""Late fusion: the probabilities of several classifiers combined into one."""

from collections.abc import Sequence
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
from fusionser.splits.inner_folds import InnerFolds

__all__ = ["LateFusion"]

LEAST = 1e-6
"""Lower limit of probabilities, so that a zero from one member does not overrule the others."""


@dataclass(kw_only=True, eq=False, repr=False)
class LateFusion(MemberClassifier):
    """Fuse the probabilities of members: a classifier on the handcrafted columns, and every block of class scores.

    Blocks of class scores (deep extractors with ``output="scores"``) are members without a classifier. All other
    columns are classified by `classifier`, together or block by block.

    Parameters
    ----------
    classifier : TableClassifier, optional
        Cloned for each member; `SVM`, calibrated on inner folds by speaker, when None.
    method : {"average", "weighted", "stacked"}, default="average"
        "average" adds the log-probabilities with equal weights. "weighted" learns weights, which are positive and sum
        to one. "stacked" fits a multinomial logistic regression to all log-probabilities. Both learn from out-of-fold
        probabilities of the training rows, on inner folds by speaker, and reject in-fold class scores, which are too
        optimistic.
    by_block : bool, default=False
        Fit one classifier per handcrafted block.
    apart : sequence of str, default=()
        Blocks that get a classifier of their own in any case.
    folds : int, default=4
        Number of inner folds of "weighted" and "stacked".
    random_state : int, default=0

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    members_ : dict of str to TableClassifier
        The fitted classifiers, by block, or ``columns`` for all columns together.
    weights_ : dict of str to float
        Weight of each member; empty for "stacked".
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
    apart: Sequence[str] = ()
    folds: int = 4
    random_state: int | None = 0

    def fit(self, X: Any, y: Any) -> Self:
        """Fit the members to the columns, and the weights or the stack to out-of-fold probabilities.

        Parameters
        ----------
        X : DataFrame
            Columns named ``block__name``, with the carried columns of the rows.
        y : sequence of shape (n_rows,)

        Raises
        ------
        SettingsError
            If the method is unknown, a block scores other classes than those of y, or class scores are in-fold where
            weights are learned.
        """
        if self.method not in LATE_FUSIONS:
            raise unknown_name("late fusion", self.method, LATE_FUSIONS)
        whole, features, labels = self._whole(X, y)
        kept = [str(name) for name in whole][: -len(features)]
        self.groups_, self.scored_ = self._parts(features)
        base = SVM(random_state=self.random_state) if self.classifier is None else self.classifier
        self.members_ = {name: clone(base).fit(whole[[*kept, *part]], labels) for name, part in self.groups_.items()}
        self.stack_ = None
        names = [*self.groups_, *self.scored_]
        self.weights_ = {name: 1.0 / len(names) for name in names}
        if self.method != "average" and len(names) > 1:
            self._learn(whole, kept, labels, base)
        return self

    def _learn(self, whole: pd.DataFrame, kept: list[str], labels: Array, base: TableClassifier) -> None:
        logs = {name: whole[columns].to_numpy(dtype=np.float64) for name, columns in self.scored_.items()}
        folds = list(InnerFolds(folds=self.folds, seed=self.random_state or 0).split(whole, labels))
        for name, columns in self.groups_.items():
            part = whole[[*kept, *columns]]
            logs[name] = np.full((len(labels), len(self.classes_)), np.log(LEAST))
            for train, held in folds:
                inner = clone(base).fit(part.iloc[train], labels[train])
                places = np.searchsorted(self.classes_, inner.classes_)
                logs[name][np.ix_(held, places)] = _logs(inner.predict_proba(part.iloc[held]))
        stacked = np.stack([logs[name] for name in self.weights_])
        if self.method == "weighted":
            weights = best_weights(stacked, np.searchsorted(self.classes_, labels))
            self.weights_ = dict(zip(self.weights_, weights.tolist(), strict=True))
        else:
            self.weights_ = {}
            # The columns are few and on one scale, so the default regularisation suffices.
            self.stack_ = LogisticRegression(C=1.0, max_iter=2000).fit(np.concatenate(list(stacked), axis=1), labels)

    def check_loaded(self) -> None:
        """Raise `ValueError` if members, weights or stack do not fit the columns and classes of this fusion."""
        names = set(map(str, getattr(self, "feature_names_in_", [])))
        if self.method not in LATE_FUSIONS or set(self.members_) != set(self.groups_):
            raise ValueError("a late fusion whose members differ from those it names")
        for name, member in self.members_.items():
            self._check_member(member, len(self.groups_[name]), LateFusion)
        used = [column for group in (*self.groups_.values(), *self.scored_.values()) for column in group]
        if names and set(used) != names:
            raise ValueError("a late fusion whose columns differ from those it names")
        if any(len(columns) != len(self.classes_) for columns in self.scored_.values()):
            raise ValueError("a late fusion that lacks one score per class")
        parts = [*self.groups_, *self.scored_]
        if self.stack_ is not None:
            expect(self.stack_, LogisticRegression)
            if self.stack_.coef_.shape[1] != len(parts) * len(self.classes_):
                raise ValueError("a late fusion whose stack belongs to other members")
        elif set(self.weights_) != set(parts) or not all(np.isfinite(list(map(float, self.weights_.values())))):
            raise ValueError("a late fusion whose weights belong to other members or are not finite")

    def probabilities(self, values: Array) -> Array:
        """Return the probability of each class for checked columns, shape (n_rows, n_classes)."""
        parts = self._member_logs(values)
        if self.stack_ is not None:
            return self.stack_.predict_proba(np.concatenate(list(parts.values()), axis=1))
        total = sum(self.weights_[name] * part for name, part in parts.items())
        return softmax(np.asarray(total), axis=1)

    def member_log_probabilities(self, X: Any) -> dict[str, Array]:
        """Return the log-probabilities of each member, shape (n_rows, n_classes) each."""
        return self._member_logs(self._features(X))

    def _member_logs(self, values: Array) -> dict[str, Array]:
        places = {name: place for place, name in enumerate(self._names(values))}

        def part(columns: list[str]) -> Array:
            return values[:, [places[column] for column in columns]]

        parts = {name: _logs(member.probabilities(part(self.groups_[name]))) for name, member in self.members_.items()}
        return {**parts, **{name: part(columns) for name, columns in self.scored_.items()}}

    def _parts(self, columns: list[str]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """Return the columns of each classifier, and the class scores of each block."""
        groups: dict[str, list[str]] = {}
        scored: dict[str, list[str]] = {}
        in_fold = set()
        for column in columns:
            block, _, name = column.partition("__")
            if name.startswith((SCORE, CROSS_FITTED)):
                scored.setdefault(block, []).append(column)
            else:
                groups.setdefault(block if self.by_block or block in self.apart else "columns", []).append(column)
            if name.startswith(SCORE):
                in_fold.add(block)
        for block, names in scored.items():
            prefix = SCORE if block in in_fold else CROSS_FITTED
            classes = [name.partition("__")[2].removeprefix(prefix) for name in names]
            if classes != [str(name) for name in self.classes_]:
                raise SettingsError(
                    f"the block '{block}' scores the classes {', '.join(classes)}; expected "
                    f"{', '.join(map(str, self.classes_))}"
                )
        if in_fold and self.method != "average":
            raise SettingsError(
                f"the class scores of {', '.join(sorted(in_fold))} are in-fold, so those of training rows are too "
                "optimistic to learn weights from. Set cross_fit on the extractor (--cross-fit 4), or method='average'"
            )
        return groups, scored


def best_weights(logs: npt.NDArray[np.float64], targets: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Return the weights of log-probabilities that minimise the cross-entropy; they are positive and sum to one.

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
    return np.asarray(np.log(np.maximum(probabilities, LEAST)))
