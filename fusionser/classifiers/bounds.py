"""Checks of indices in a fitted classifier that compiled code uses without bounds checks.

An untrusted file may contain a tree whose nodes lead outside of it, or a support vector machine whose arrays do not fit
together. Loading it is harmless, but predicting with it would read memory out of bounds.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fusionser.classifiers.booster import OUTSIDE, leads_outside

__all__ = ["check_machine", "check_nodes", "check_regression_machine", "expect"]


def expect(part: Any, *kinds: type) -> None:
    """Raise `ValueError` if the type of a part is not one of these; subclasses are rejected."""
    if type(part) not in kinds:
        raise ValueError(f"a {type(part).__name__} where a {kinds[0].__name__} is expected")


def check_nodes(state: Mapping[str, Any], columns: int, classes: int, outputs: int = 1) -> None:
    """Raise `ValueError` if the pickled state of a scikit-learn tree has invalid indices or shapes.

    A tree of a regressor has one class for each of its outputs.
    """
    nodes, values = state["nodes"], state["values"]
    count = state["node_count"]
    if nodes.ndim != 1 or type(count) is not int or not 1 <= count == len(nodes):
        raise ValueError("a tree whose number of nodes differs from what it states")
    if values.shape != (count, outputs, classes):
        raise ValueError(f"a tree for {classes} classes with values of shape {values.shape}")
    if leads_outside(nodes["left_child"], nodes["right_child"], nodes["feature"], count, columns):
        raise ValueError(OUTSIDE)


def check_machine(machine: Any, classes: int, columns: int) -> None:
    """Raise `ValueError` if the arrays of a support vector machine do not fit together."""
    vectors = machine.support_vectors_.shape[0]
    fits = (
        machine.support_vectors_.shape == (vectors, columns)
        and machine._dual_coef_.shape == (classes - 1, vectors)
        and machine._intercept_.shape == (classes * (classes - 1) // 2,)
        and machine._n_support.shape == (classes,)
        and (machine._n_support >= 0).all()
        and int(machine._n_support.sum(dtype=np.int64)) == vectors
        and machine.support_.shape == (vectors,)
        and not machine._sparse
        and machine.kernel in ("rbf", "linear")
        and machine._impl == "c_svc"
        and machine._probA.size == machine._probB.size == 0
    )
    if not fits:
        raise ValueError("a support vector machine whose arrays do not fit together")


def check_regression_machine(machine: Any, columns: int) -> None:
    """Raise `ValueError` if the arrays of a support vector regression do not fit together."""
    vectors = machine.support_vectors_.shape[0]
    fits = (
        machine.support_vectors_.shape == (vectors, columns)
        and machine._dual_coef_.shape == (1, vectors)
        and machine._intercept_.shape == (1,)
        # libsvm counts the vectors of a regression as those of two classes.
        and machine._n_support.shape == (2,)
        and (machine._n_support == vectors).all()
        and machine.support_.shape == (vectors,)
        and not machine._sparse
        and machine.kernel in ("rbf", "linear")
        and machine._impl == "epsilon_svr"
        and machine._probA.size == machine._probB.size == 0
    )
    if not fits:
        raise ValueError("a support vector regression whose arrays do not fit together")
