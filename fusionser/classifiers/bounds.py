"""Indices in a fitted classifier that compiled code follows without looking, checked before it does.

A file from a stranger may hold a tree whose nodes lead outside of it, or a machine whose arrays do not fit
together. Reading such a thing is harmless; predicting with it would read foreign memory.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from fusionser.classifiers.base import TableClassifier

__all__ = ["check_booster", "check_bounds"]

OUTSIDE = "a tree whose nodes lead outside of it"


def check_bounds(classifier: TableClassifier) -> None:
    """Check what scikit-learn's compiled code will follow.

    Raises
    ------
    ValueError
        When a part is of another kind than its place asks for, or its indices lead astray.
    """
    classes, columns = len(classifier.classes_), classifier.n_features_in_
    if hasattr(classifier, "forest_"):
        _expect(classifier.forest_, RandomForestClassifier)
        for tree in classifier.forest_.estimators_:
            _expect(tree, DecisionTreeClassifier)
            _check_tree(tree.tree_, columns, classes)
    if hasattr(classifier, "svc_"):
        _check_machine(classifier.svc_, classes, columns)
        if classifier.calibrator_ is not None:
            _expect(classifier.calibrator_, CalibratedClassifierCV)
            for one in classifier.calibrator_.calibrated_classifiers_:
                _check_machine(one.estimator, classes, columns)


def _expect(part: Any, kind: type) -> None:
    if type(part) is not kind:
        raise ValueError(f"a {type(part).__name__} in the place of a {kind.__name__}")


def _leads_outside(
    left: npt.NDArray[Any], right: npt.NDArray[Any], tested: npt.NDArray[Any], nodes: int, columns: int
) -> bool:
    inner = left != -1
    positions = np.flatnonzero(inner)
    # A child that comes after its parent also rules out a loop.
    fits = (left[inner] > positions) & (right[inner] > positions) & (left[inner] < nodes) & (right[inner] < nodes)
    within = (tested[inner] >= 0) & (tested[inner] < columns)
    return not (len(left) == len(right) == len(tested) == nodes and fits.all() and within.all())


def _check_tree(tree: Any, columns: int, classes: int) -> None:
    if _leads_outside(tree.children_left, tree.children_right, tree.feature, tree.node_count, columns):
        raise ValueError(OUTSIDE)
    if tree.value.shape != (tree.node_count, 1, classes) or tree.n_features != columns:
        raise ValueError(f"a tree for {tree.n_features} columns with values of shape {tree.value.shape}")


def _check_machine(machine: Any, classes: int, columns: int) -> None:
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
    )
    if not fits:
        raise ValueError("a support vector machine whose arrays do not fit together")


def check_booster(model: Mapping[str, Any], classes: int, columns: int) -> None:
    """Check the trees of a booster, given as XGBoost's JSON.

    Raises
    ------
    ValueError
        When it is for other classes or columns, is no plain tree booster, or its trees lead astray.
    """
    learner = model["learner"]
    params = learner["learner_model_param"]
    if int(params["num_class"]) != classes or int(params["num_feature"]) != columns:
        raise ValueError(
            f"the booster has {params['num_class']} classes and {params['num_feature']} columns; expected "
            f"{classes} and {columns}"
        )
    booster = learner["gradient_booster"]
    if booster["name"] != "gbtree":
        raise ValueError(f"the booster is a '{booster['name']}'; expected 'gbtree'")
    trees = booster["model"]["trees"]
    groups = booster["model"]["tree_info"]
    if len(groups) != len(trees) or not all(0 <= group < classes for group in groups):
        raise ValueError("the booster's trees are of classes that it does not have")
    for tree in trees:
        left, right, tested = (np.asarray(tree[key]) for key in ("left_children", "right_children", "split_indices"))
        nodes = int(tree["tree_param"]["num_nodes"])
        if _leads_outside(left, right, tested, nodes, columns) or len(tree["split_conditions"]) != nodes:
            raise ValueError(OUTSIDE)
