"""The trees of a booster, checked before XGBoost reads them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["OUTSIDE", "check_booster", "leads_outside"]

ROOT = 2**31 - 1
"""What XGBoost writes as the parent of a root."""

OUTSIDE = "a tree whose nodes lead outside of it"


def leads_outside(
    left: npt.NDArray[Any], right: npt.NDArray[Any], tested: npt.NDArray[Any], nodes: int, columns: int
) -> bool:
    """Tell whether a child or a tested column of a tree's nodes does not exist."""
    inner = left != -1
    positions = np.flatnonzero(inner)
    # A child that comes after its parent also rules out a loop.
    fits = (left[inner] > positions) & (right[inner] > positions) & (left[inner] < nodes) & (right[inner] < nodes)
    within = (tested[inner] >= 0) & (tested[inner] < columns)
    return not (len(left) == len(right) == len(tested) == nodes and fits.all() and within.all())


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
    if leads_outside(arrays["left_children"], arrays["right_children"], arrays["split_indices"], nodes, columns):
        raise ValueError(OUTSIDE)
