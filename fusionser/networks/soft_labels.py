"""Shares of the votes of several raters, against which networks train instead of one label."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fusionser.errors import SettingsError
from fusionser.features.learned import columns_of
from fusionser.files import parse_json
from fusionser.rows import VOTES_COLUMN

__all__ = ["counts_of", "shares_of", "weighted_by_label"]


def counts_of(text: str) -> Mapping[str, int]:
    """Return the number of votes by emotion; none of an empty text.

    Parameters
    ----------
    text : str
        A value of the column ``votes_of_raters``.

    Raises
    ------
    SettingsError
        If the text is anything else.

    Examples
    --------
    >>> counts_of('{"angry": 2, "sad": 1}'), counts_of("")
    ({'angry': 2, 'sad': 1}, {})
    """
    try:
        counts = parse_json(text) if text else {}
    except ValueError:
        counts = None
    if not isinstance(counts, dict) or not all(type(count) is int and count >= 0 for count in counts.values()):
        raise SettingsError(
            f"the column '{VOTES_COLUMN}' holds {text[:60]!r}; expected the number of votes by emotion, such as "
            '{"angry": 2, "sad": 1}'
        )
    return counts


def shares_of(X: Any, labels: npt.NDArray[Any], classes: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return the share of each class in the votes for each row, shape (n_rows, n_classes).

    Votes for other emotions do not count. A row without a vote for any of the classes has only its label.

    Parameters
    ----------
    X : table with the column ``votes_of_raters``
    labels : ndarray of shape (n_rows,)
        The label of each row, one of the classes.
    classes : ndarray of shape (n_classes,), sorted

    Raises
    ------
    SettingsError
        If no row has votes, or a text in the column does not hold any.

    Examples
    --------
    >>> X = pd.DataFrame({"votes_of_raters": ['{"angry": 3, "fear": 2, "sad": 1}', ""]})
    >>> shares_of(X, np.array(["angry", "sad"]), np.array(["angry", "sad"])).tolist()
    [[0.75, 0.25], [0.0, 1.0]]
    """
    texts = columns_of(X, {VOTES_COLUMN: ""})[VOTES_COLUMN].astype(str)
    if not len(labels):
        return np.zeros((0, len(classes)), dtype=np.float32)
    if (texts == "").all():
        raise SettingsError(
            f"soft_labels needs the votes of several raters in the column '{VOTES_COLUMN}', but no row has any; name "
            "the columns of the raters (--raters)"
        )
    places, different = pd.factorize(texts)
    names = [str(name) for name in classes]
    votes = np.array([[counts.get(name, 0) for name in names] for counts in map(counts_of, different)], dtype=float)
    shares = votes[places]
    without = shares.sum(axis=1) == 0
    shares[without] = np.eye(len(names))[np.searchsorted(classes, np.asarray(labels)[without])]
    return (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)


def weighted_by_label(
    shares: npt.NDArray[np.float32], targets: npt.NDArray[np.int64], weights: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Return targets with which the loss of a row has the weight of its label, shape (n_rows, n_classes).

    A loss with class weights multiplies the term of each class by its weight. That alone would let the few votes for a
    scarce class outweigh those of the majority, so each share is divided by it first.

    Parameters
    ----------
    shares : ndarray of shape (n_rows, n_classes)
    targets : ndarray of shape (n_rows,)
        Class index of the label of each row.
    weights : ndarray of shape (n_classes,)
        Weight of each class. Votes for a class with the weight 0 do not count.

    Examples
    --------
    >>> weights = np.float32([3.0, 0.5])
    >>> (weighted_by_label(np.float32([[0.75, 0.25]]), np.array([0]), weights) * weights).tolist()
    [[2.25, 0.75]]
    """
    inverse = np.divide(1.0, weights, out=np.zeros(weights.shape), where=weights > 0)
    factors: npt.NDArray[np.float64] = np.outer(weights[targets], inverse)
    return (shares * factors).astype(np.float32)
