"""Forests as tensors: all trees are descended at once, one level per step."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

__all__ = ["Trees"]

Array = npt.NDArray[Any]

ROUNDING = 3e-6
"""What is taken off the thresholds of a booster whose columns are computed in the graph, in standard deviations.

XGBoost puts thresholds on values of training rows. The columns of a graph differ in the last bits, and would send such
rows to either side.
"""


class _Tree(NamedTuple):
    left: Array
    right: Array
    column: Array
    threshold: Array
    value: Array


class Trees(nn.Module):
    """Trees whose leaves hold one value per class.

    Parameters
    ----------
    trees : sequence of _Tree
        Nodes in arrays; a leaf leads to itself. ``value`` has the shape (n_nodes, n_classes).
    equal_goes_left : bool
        Whether a value that equals the threshold of a node goes left.
    """

    roots: Tensor
    left: Tensor
    right: Tensor
    column: Tensor
    threshold: Tensor
    value: Tensor

    def __init__(self, trees: Sequence[_Tree], equal_goes_left: bool) -> None:
        super().__init__()
        firsts = np.cumsum([0, *(len(tree.left) for tree in trees)])
        self.depth = max(_depth(tree) for tree in trees)
        self.equal_goes_left = equal_goes_left
        joined = {
            "roots": firsts[:-1],
            "left": np.concatenate([tree.left + first for tree, first in zip(trees, firsts, strict=False)]),
            "right": np.concatenate([tree.right + first for tree, first in zip(trees, firsts, strict=False)]),
            "column": np.concatenate([tree.column for tree in trees]),
            "threshold": np.concatenate([tree.threshold for tree in trees]),
            "value": np.concatenate([tree.value for tree in trees]),
        }
        for name, array in joined.items():
            kind = np.float64 if name in ("threshold", "value") else np.int64
            self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(array, dtype=kind)))

    def lower_thresholds(self) -> None:
        """Take `ROUNDING` off the thresholds of a booster, for columns that differ in the last bits."""
        if not self.equal_goes_left:
            self.threshold -= ROUNDING * self.threshold.abs().clamp(min=1.0)

    def forward(self, columns: Tensor) -> Tensor:
        """Return the sum of the leaves that each row of columns reaches, shape (n_rows, n_classes)."""
        # Both libraries compare columns in single precision.
        columns = columns.float().double()
        nodes = torch.zeros_like(columns[:, :1], dtype=torch.int64) + self.roots
        for _ in range(self.depth):
            values, threshold = columns.gather(1, self.column[nodes]), self.threshold[nodes]
            goes_left = values <= threshold if self.equal_goes_left else values < threshold
            nodes = torch.where(goes_left, self.left[nodes], self.right[nodes])
        return self.value[nodes].sum(dim=1)

    @classmethod
    def of_forest(cls, forest: Any) -> Self:
        """Return the trees of a scikit-learn forest, whose leaves hold the share of each class."""
        trees = []
        for tree in (estimator.tree_ for estimator in forest.estimators_):
            places = np.arange(tree.node_count)
            leaf = tree.children_left < 0
            shares = tree.value[:, 0] / tree.value[:, 0].sum(axis=1, keepdims=True)
            trees.append(
                _Tree(
                    np.where(leaf, places, tree.children_left),
                    np.where(leaf, places, tree.children_right),
                    np.where(leaf, 0, tree.feature),
                    tree.threshold,
                    shares,
                )
            )
        return cls(trees, equal_goes_left=True)

    @classmethod
    def of_booster(cls, booster: Any, classes: int) -> tuple[Self, Array]:
        """Return the trees of an XGBoost booster, and the score that each class begins with."""
        learner = json.loads(bytes(booster.save_raw("json")))["learner"]
        model = learner["gradient_booster"]["model"]
        trees = []
        for tree, group in zip(model["trees"], model["tree_info"], strict=True):
            left, right = np.array(tree["left_children"]), np.array(tree["right_children"])
            places, leaf = np.arange(len(left)), left < 0
            # The condition of a leaf is its value.
            condition = np.array(tree["split_conditions"], dtype=np.float32).astype(np.float64)
            value = np.zeros((len(left), classes))
            value[leaf, group] = condition[leaf]
            column = np.where(leaf, 0, np.array(tree["split_indices"]))
            trees.append(_Tree(np.where(leaf, places, left), np.where(leaf, places, right), column, condition, value))
        start = np.array(json.loads(str(learner["learner_model_param"]["base_score"])), dtype=np.float64)
        return cls(trees, equal_goes_left=False), np.broadcast_to(start, (classes,)).copy()


def _depth(tree: _Tree) -> int:
    """Return the number of steps from the root to the deepest leaf."""
    nodes, depth = np.array([0]), 0
    while True:
        inner = nodes[tree.left[nodes] != nodes]
        if not inner.size:
            return depth
        nodes, depth = np.concatenate([tree.left[inner], tree.right[inner]]), depth + 1
