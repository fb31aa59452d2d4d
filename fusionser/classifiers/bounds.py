"""Indices in a fitted classifier that compiled code follows without looking, checked before it does.

A file from a stranger may hold a tree whose nodes lead outside of it, or a machine whose arrays do not fit
together. Reading such a thing is harmless; predicting with it would read foreign memory.
"""

from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV, _CalibratedClassifier, _SigmoidCalibration
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.tree._tree import Tree

from fusionser.classifiers.bagging import BalancedBagging
from fusionser.classifiers.base import MemberClassifier, TableClassifier
from fusionser.classifiers.booster import OUTSIDE, leads_outside
from fusionser.classifiers.late import METHODS, LateFusion
from fusionser.classifiers.random_forest import RandomForest
from fusionser.classifiers.svm import SVM, BalancedSVC

__all__ = ["check_bounds"]

MISSING = object()


def check_bounds(classifier: TableClassifier) -> None:
    """Check what scikit-learn's compiled code will follow.

    Raises
    ------
    ValueError
        When a part is of another kind than its place asks for, or its indices lead astray.
    """
    classes, columns = len(classifier.classes_), classifier.n_features_in_
    if isinstance(classifier, LateFusion):
        _check_fusion(classifier)
    if isinstance(classifier, BalancedBagging):
        _check_bag(classifier)
    if isinstance(classifier, RandomForest):
        _expect(getattr(classifier, "forest_", None), RandomForestClassifier)
        for tree in classifier.forest_.estimators_:
            _expect(tree, DecisionTreeClassifier)
            _check_tree(tree.tree_, columns, classes)
    if isinstance(classifier, SVM):
        # Asked for by kind: a part that is missing must not go unchecked.
        _check_machine(getattr(classifier, "svc_", None), classes, columns)
        calibrator: Any = getattr(classifier, "calibrator_", MISSING)
        if calibrator is not None:
            _expect(calibrator, CalibratedClassifierCV)
            for one in calibrator.calibrated_classifiers_:
                _expect(one, _CalibratedClassifier)
                for calibrator in one.calibrators:
                    _expect(calibrator, _SigmoidCalibration)
                _check_machine(one.estimator, classes, columns)


def _check_bag(bag: BalancedBagging) -> None:
    """Check that the members of a bag are classifiers of its columns and classes."""
    if type(bag.members_) is not dict or not bag.members_:
        raise ValueError("a bag without members")
    for member in bag.members_.values():
        if not isinstance(member, TableClassifier) or isinstance(member, MemberClassifier):
            raise ValueError(f"a {type(member).__name__} in the place of a classifier")
        if member.n_features_in_ != bag.n_features_in_ or list(member.classes_) != list(bag.classes_):
            raise ValueError("a member of a bag is for other columns or classes")
        check_bounds(member)


def _check_fusion(fused: LateFusion) -> None:
    """Check that a fusion's members read the columns and know the classes that it says."""
    names = set(map(str, getattr(fused, "feature_names_in_", [])))
    if fused.method not in METHODS or set(fused.members_) != set(fused.groups_):
        raise ValueError("a late fusion whose members are not those that it names")
    for name, member in fused.members_.items():
        if not isinstance(member, TableClassifier) or isinstance(member, LateFusion):
            raise ValueError(f"a {type(member).__name__} in the place of a classifier")
        if member.n_features_in_ != len(fused.groups_[name]) or list(member.classes_) != list(fused.classes_):
            raise ValueError(f"the member '{name}' is for other columns or classes")
        check_bounds(member)
    used = [column for group in (*fused.groups_.values(), *fused.scored_.values()) for column in group]
    if names and set(used) != names:
        raise ValueError("a late fusion of other columns than it says")
    if any(len(columns) != len(fused.classes_) for columns in fused.scored_.values()):
        raise ValueError("a late fusion whose scores are not one a class")
    parts = [*fused.groups_, *fused.scored_]
    if fused.stack_ is not None:
        _expect(fused.stack_, LogisticRegression)
        if fused.stack_.coef_.shape[1] != len(parts) * len(fused.classes_):
            raise ValueError("a stack for other members")
    elif set(fused.weights_) != set(parts) or not all(np.isfinite(list(map(float, fused.weights_.values())))):
        raise ValueError("a late fusion whose weights are not its members'")


def _expect(part: Any, kind: type) -> None:
    if type(part) is not kind:
        raise ValueError(f"a {type(part).__name__} in the place of a {kind.__name__}")


def _check_tree(tree: Any, columns: int, classes: int) -> None:
    _expect(tree, Tree)
    if leads_outside(tree.children_left, tree.children_right, tree.feature, tree.node_count, columns):
        raise ValueError(OUTSIDE)
    if tree.value.shape != (tree.node_count, 1, classes) or tree.n_features != columns:
        raise ValueError(f"a tree for {tree.n_features} columns with values of shape {tree.value.shape}")


def _check_machine(machine: Any, classes: int, columns: int) -> None:
    if type(machine) is not BalancedSVC:
        _expect(machine, SVC)
    vectors = machine.support_vectors_.shape[0]
    fits = (
        machine.support_vectors_.shape == (vectors, columns)
        and machine._dual_coef_.shape == (classes - 1, vectors)
        and machine._intercept_.shape == (classes * (classes - 1) // 2,)
        and machine._n_support.shape == (classes,)
        and (machine._n_support >= 0).all()
        and int(machine._n_support.sum()) == vectors
        and machine.support_.shape == (vectors,)
        and not machine._sparse
        and machine.kernel in ("rbf", "linear")
        and machine._impl == "c_svc"
        and machine._probA.size == machine._probB.size == 0
    )
    if not fits:
        raise ValueError("a support vector machine whose arrays do not fit together")
