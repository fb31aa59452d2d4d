"""What a result says of the votes of raters: how networks used them, and how far the probabilities agree with them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator

from fusionser.facts import Stamp
from fusionser.networks.settings import NetworkTraining
from fusionser.networks.soft_labels import counts_of, shares_of
from fusionser.rows import VOTES_COLUMN

__all__ = ["cross_entropy", "vote_stamps"]

LEAST = 1e-6
"""Lower limit of probabilities, so that a zero does not decide alone."""


def vote_stamps(
    rows: pd.DataFrame,
    estimator: BaseEstimator,
    predictions: pd.DataFrame | None = None,
    classes: Sequence[str] = (),
) -> list[Stamp]:
    """Return stamps on a training by votes, and on the cross-entropy with the votes for the test rows.

    Parameters
    ----------
    rows : DataFrame
        Training and test rows. Without the votes of raters, there are no stamps.
    estimator : estimator
    predictions : DataFrame, optional
        Predictions as in `Evaluation`.
    classes : sequence of str
        The classes of the predictions, sorted.
    """
    if VOTES_COLUMN not in rows:
        return []
    stamps = []
    parts = estimator.get_params(deep=True).values()
    if any(isinstance(part, NetworkTraining) and part.soft_labels for part in parts):
        numbers = [sum(counts_of(text).values()) for text in rows[VOTES_COLUMN]]
        stamps.append(Stamp(kind="soft-labels", value=[min(numbers), max(numbers)]))
    columns = [f"probability_{name}" for name in classes]
    if predictions is not None and set(columns) <= set(predictions):
        labels = predictions["truth"].to_numpy(dtype=object)
        shares = shares_of(predictions, labels, np.array(classes)).astype(np.float64)
        # A class that is missing in a fold has no probability there.
        probabilities = predictions[columns].fillna(0.0).to_numpy()
        value = {"nats": cross_entropy(shares, probabilities), "least": cross_entropy(shares, shares)}
        stamps.append(Stamp(kind="votes-cross-entropy", value=value))
    return stamps


def cross_entropy(shares: npt.NDArray[np.float64], probabilities: npt.NDArray[np.float64]) -> float:
    """Return the mean cross-entropy of probabilities with shares, in nats.

    Parameters
    ----------
    shares, probabilities : ndarray of shape (n_rows, n_classes)
        Probabilities below 1e-6 count as 1e-6.

    Examples
    --------
    >>> shares = np.array([[0.5, 0.5]])
    >>> round(float(cross_entropy(shares, shares) / np.log(2)), 6)
    1.0
    """
    # Rounding, and the sign of -0, give no cross-entropy below that of certain answers to unanimous votes.
    return max(0.0, float(-(shares * np.log(np.maximum(probabilities, LEAST))).sum(axis=1).mean()))
