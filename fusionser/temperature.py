"""Temperature scaling: probabilities that are as often right as they say, for unseen speakers (Guo et al. 2017)."""

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

__all__ = ["COLDEST", "HOTTEST", "best_temperature", "fit_temperature", "tempered", "tempered_by_others"]

COLDEST, HOTTEST = float(np.exp(-2.0)), float(np.exp(2.0))
"""Range of temperatures. Those above 1 bring the probabilities closer together, those below 1 further apart."""

LEAST = 1e-6
"""Lower limit of probabilities, so that a zero does not decide alone."""

Array64 = npt.NDArray[np.float64]


def _logs(probabilities: npt.ArrayLike) -> Array64:
    return np.log(np.maximum(np.asarray(probabilities, dtype=np.float64), LEAST))


def tempered(probabilities: npt.ArrayLike, temperature: float) -> Array64:
    """Return probabilities at another temperature; the most probable class stays the same.

    Parameters
    ----------
    probabilities : array-like of shape (n_rows, n_classes)
    temperature : float
        The logarithms are divided by it. With 1, nothing changes.

    Examples
    --------
    >>> tempered([[0.9, 0.1]], 2.0).round(2).tolist()
    [[0.75, 0.25]]
    """
    if temperature == 1.0:
        return np.asarray(probabilities, dtype=np.float64)
    return np.asarray(softmax(_logs(probabilities) / temperature, axis=1))


def fit_temperature(probabilities: npt.ArrayLike, targets: npt.ArrayLike) -> float:
    """Return the temperature with the least cross-entropy, from `COLDEST` to `HOTTEST`.

    Parameters
    ----------
    probabilities : array-like of shape (n_rows, n_classes)
        For rows that the classifier was not fitted to.
    targets : array-like of int, shape (n_rows,), or of float, shape (n_rows, n_classes)
        Index of each row's class, or the share of each class.

    Examples
    --------
    Probabilities of 90 % that are right in three of four cases are too high:

    >>> round(fit_temperature([[0.9, 0.1]] * 4, [0, 0, 0, 1]), 2)
    2.0
    """
    return best_temperature(_logs(probabilities), targets)


def tempered_by_others(probabilities: npt.ArrayLike, targets: npt.ArrayLike, folds: npt.ArrayLike) -> Array64:
    """Return the probabilities of each fold at the temperature of the other folds.

    What a temperature does for rows that it was not fitted to can be measured with these.

    Parameters
    ----------
    probabilities, targets : array-like
        As in `fit_temperature`.
    folds : array-like of shape (n_rows,)
        Name or number of each row's fold; at least two different ones.

    Examples
    --------
    The other fold's probabilities of 90 % are right in half of the cases:

    >>> folds = ["first", "second", "second"]
    >>> tempered_by_others([[0.9, 0.1]] * 3, [0, 0, 1], folds)[0].round(2).tolist()
    [0.57, 0.43]
    """
    given, right, names = np.asarray(probabilities, dtype=np.float64), np.asarray(targets), np.asarray(folds)
    result = np.empty_like(given)
    for name in np.unique(names):
        own = names == name
        result[own] = tempered(given[own], fit_temperature(given[~own], right[~own]))
    return result


def best_temperature(logits: npt.ArrayLike, targets: npt.ArrayLike) -> float:
    """Return the temperature of logits with the least cross-entropy; for parameters see `fit_temperature`."""
    given, right = np.asarray(logits, dtype=np.float64), np.asarray(targets)
    shares = right if right.ndim == 2 else np.eye(given.shape[1])[right]

    def cross_entropy(exponent: float) -> float:
        scaled = log_softmax(given / np.exp(exponent), axis=1)
        return float(-(shares * scaled).sum(axis=1).mean())

    limits = (np.log(COLDEST), np.log(HOTTEST))
    return float(np.exp(minimize_scalar(cross_entropy, bounds=limits, method="bounded").x))
