"""Checks of the trees of a booster before XGBoost reads them."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["OUTSIDE", "check_booster", "check_regression_booster", "leads_outside"]

ROOT = 2**31 - 1
"""The parent of a root in XGBoost's format."""

OUTSIDE = "a tree whose nodes lead outside of it"


def leads_outside(
    left: npt.NDArray[Any], right: npt.NDArray[Any], tested: npt.NDArray[Any], nodes: int, columns: int
) -> bool:
    """Return whether a node of a tree refers to a child or a column that does not exist."""
    inner = left != -1
    positions = np.flatnonzero(inner)
    # Children come after their parents, which also rules out loops.
    fits = (left[inner] > positions) & (right[inner] > positions) & (left[inner] < nodes) & (right[inner] < nodes)
    within = (tested[inner] >= 0) & (tested[inner] < columns)
    return not (len(left) == len(right) == len(tested) == nodes and fits.all() and within.all())


def check_booster(model: Mapping[str, Any], classes: int, columns: int) -> None:
    """Check the trees of a booster that classifies, given as XGBoost's JSON.

    Raises
    ------
    ValueError
        If it has other classes or columns, is not a plain tree booster, or its trees have invalid indices.
    """
    params = model["learner"]["learner_model_param"]
    if int(params["num_class"]) != classes or int(params["num_feature"]) != columns:
        raise ValueError(
            f"the booster has {params['num_class']} classes and {params['num_feature']} columns; expected "
            f"{classes} and {columns}"
        )
    if model["learner"]["objective"]["name"] != "multi:softprob":
        raise ValueError("the booster is not a plain tree booster with a softmax")
    if str(params.get("num_target", "1")) != "1":
        raise ValueError(f"the booster has {params['num_target']} targets; expected one")
    _check_trees(model["learner"]["gradient_booster"], classes, columns)


def check_regression_booster(model: Mapping[str, Any], targets: int, columns: int) -> None:
    """Check the trees of a booster that predicts numbers, given as XGBoost's JSON.

    Raises
    ------
    ValueError
        If it has other targets or columns, is not a plain tree booster, or its trees have invalid indices.
    """
    params = model["learner"]["learner_model_param"]
    found = {name: int(params[name]) for name in ("num_class", "num_target", "num_feature")}
    if found != {"num_class": 0, "num_target": targets, "num_feature": columns}:
        raise ValueError(
            f"the booster has {found['num_class']} classes, {found['num_target']} targets and {found['num_feature']} "
            f"columns; expected 0, {targets} and {columns}"
        )
    if model["learner"]["objective"]["name"] != "reg:squarederror":
        raise ValueError("the booster is not a plain tree booster of squared errors")
    starts = np.asarray(json.loads(params["base_score"]), dtype=np.float64)
    if starts.shape != (targets,) or not np.isfinite(starts).all():
        raise ValueError(f"the booster begins with {params['base_score']}; expected {targets} finite numbers")
    _check_trees(model["learner"]["gradient_booster"], targets, columns)


def _check_trees(booster: Mapping[str, Any], outputs: int, columns: int) -> None:
    """Raise `ValueError` unless all trees are plain, and of one of the outputs: the classes or the targets."""
    trees, groups = (booster["model"][key] for key in ("trees", "tree_info"))
    plain = (
        booster["name"] == "gbtree"
        and booster["model"]["gbtree_model_param"]["num_parallel_tree"] == "1"
        and not any(booster["model"].get("cats", {}).values())
    )
    if not plain:
        raise ValueError("the booster is not a plain tree booster")
    if len(groups) != len(trees) or not all(0 <= group < outputs for group in groups):
        raise ValueError("the booster has trees for classes or targets that it does not have")
    # XGBoost takes the places of the trees of an iteration from here, and does not check them.
    borders = booster["model"].get("iteration_indptr", [0, len(trees)])
    ordered = all(type(border) is int for border in borders) and sorted(borders) == borders
    if not ordered or borders[:1] != [0] or borders[-1:] != [len(trees)]:
        raise ValueError("the booster has iterations with trees that it does not have")
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
    rooted = parents[0] == ROOT and ((parents[1:] >= 0) & (parents[1:] < np.arange(1, nodes))).all()
    children = (arrays["left_children"], arrays["right_children"])
    if not rooted or leads_outside(*children, arrays["split_indices"], nodes, columns):
        raise ValueError(OUTSIDE)
