"""Indices in a fitted classifier that compiled code follows without looking, checked before it does.

A file from a stranger may hold a tree whose nodes lead outside of it, or a machine whose arrays do not fit
together. Reading such a thing is harmless; predicting with it would read foreign memory.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.calibration import CalibratedClassifierCV, _CalibratedClassifier, _SigmoidCalibration
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.tree._tree import Tree

from fusionser.classifiers.base import TableClassifier

__all__ = ["check_booster", "check_bounds"]

ROOT = 2**31 - 1
"""What XGBoost writes as the parent of a root."""

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
                _expect(one, _CalibratedClassifier)
                for calibrator in one.calibrators:
                    _expect(calibrator, _SigmoidCalibration)
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
    _expect(tree, Tree)
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
        and machine._impl == "c_svc"
        and machine._probA.size == machine._probB.size == 0
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
    model_part = booster["model"]
    plain = (
        booster["name"] == "gbtree"
        and learner["objective"]["name"] == "multi:softprob"
        and model_part["gbtree_model_param"]["num_parallel_tree"] == "1"
        and not any(model_part.get("cats", {}).values())
    )
    if not plain:
        raise ValueError("the booster is no plain tree booster with a softmax")
    trees, groups = model_part["trees"], model_part["tree_info"]
    if len(groups) != len(trees) or not all(0 <= group < classes for group in groups):
        raise ValueError("the booster's trees are of classes that it does not have")
    for tree in trees:
        _check_boosted_tree(tree, columns)


def _check_boosted_tree(tree: Mapping[str, Any], columns: int) -> None:
    nodes = int(tree["tree_param"]["num_nodes"])
    arrays = {key: np.asarray(value) for key, value in tree.items() if isinstance(value, list)}
    categories = [key for key in arrays if key.startswith("categories")]
    if tree["tree_param"]["size_leaf_vector"] != "1" or any(arrays.pop(key).size for key in categories):
        raise ValueError("a tree with vectors in its leaves, or with categories")
    if any(array.shape != (nodes,) for array in arrays.values()) or arrays["split_type"].any():
        raise ValueError("a tree whose arrays do not fit together")
    parents = arrays["parents"]
    ranks = np.arange(nodes)
    if parents[0] != ROOT or not ((parents[1:] >= 0) & (parents[1:] < ranks[1:])).all():
        raise ValueError(OUTSIDE)
    if _leads_outside(arrays["left_children"], arrays["right_children"], arrays["split_indices"], nodes, columns):
        raise ValueError(OUTSIDE)
