"""Kernel features from a sample of the rows, on which a linear machine is one with a radial basis function."""

from dataclasses import dataclass
from numbers import Real
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.kernel_approximation import Nystroem
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.preprocessing import StandardScaler

from fusionser.errors import SettingsError
from fusionser.linear_algebra import one_thread

__all__ = ["KernelFeatures", "LandmarkMachine", "RowSample", "check_array", "kernel_width"]

Array = npt.NDArray[np.float64]


class RowSample:
    """A random sample of rows that come in batches, and the variance of all of their values.

    Parameters
    ----------
    size : int
        Rows of the sample; all rows, if there are no more.
    seed : int

    Notes
    -----
    Each row draws a number, and those with the smallest numbers stay. So the sample does not depend on how the rows
    are divided into batches.

    Examples
    --------
    >>> sample = RowSample(2, seed=0)
    >>> for rows in ([[0.0], [1.0]], [[2.0]], [[3.0]]):
    ...     sample.add(np.array(rows))
    >>> sample.rows.shape, sample.variance
    ((2, 1), 1.25)
    """

    def __init__(self, size: int, seed: int) -> None:
        self._size, self._rng = size, np.random.default_rng(seed)
        self._keys, self._rows = np.zeros(0), np.zeros((0, 0))
        self._spread = StandardScaler()

    def add(self, values: Array) -> None:
        """Add the next rows."""
        self._spread.partial_fit(values.reshape(-1, 1))
        keys = self._rng.random(len(values))
        keys, rows = np.r_[self._keys, keys], np.concatenate([self._rows.reshape(-1, values.shape[1]), values])
        kept = np.argsort(keys, kind="stable")[: self._size]
        self._keys, self._rows = keys[kept], rows[kept]

    @property
    def rows(self) -> Array:
        """The rows of the sample, in random order."""
        return self._rows

    @property
    def variance(self) -> float:
        """The variance of all values of all rows."""
        return float(self._spread.var_[0])


class KernelFeatures:
    """Nystroem features of a radial basis function (Williams and Seeger 2001), centred and of unit mean length.

    Stochastic gradient descent converges much faster on features whose mean is 0 and whose mean length is 1.

    Parameters
    ----------
    sample : RowSample
        Its first rows are the landmarks. All of them give the mean and the length.
    components : int
        Number of landmarks, and so of features; fewer if the sample is smaller.
    gamma : "scale" or float
        Width of the function; "scale" is 1 / (columns x variance), as in scikit-learn's `SVC`.
    seed : int

    Raises
    ------
    SettingsError
        If `components` or `gamma` is out of range.
    """

    def __init__(self, sample: RowSample, components: int, gamma: float | str, seed: int) -> None:
        if components < 1:
            raise SettingsError(f"n_components is {components}; expected 1 or more")
        landmarks = sample.rows[:components]
        self.gamma = kernel_width(gamma, landmarks.shape[1] * sample.variance)
        self._map = Nystroem(gamma=self.gamma, n_components=len(landmarks), random_state=seed).fit(landmarks)
        features = self._map.transform(sample.rows)
        self._mean = features.mean(axis=0)
        length = float(np.sqrt(np.square(features - self._mean).sum(axis=1).mean()))
        self._scale = 1.0 / length if length > 0 else 1.0

    @property
    def count(self) -> int:
        """The number of features."""
        return len(self._mean)

    def of(self, values: Array) -> Array:
        """Return the features of rows, shape (n_rows, count)."""
        features: Array = (self._map.transform(values) - self._mean) * self._scale
        return features

    def machine(self, coefficients: Array, intercept: Array) -> "LandmarkMachine":
        """Return a linear machine on the features, shape (n_outputs, count) and (n_outputs,), as one on the columns."""
        scaled = coefficients * self._scale
        return LandmarkMachine(
            landmarks=self._map.components_,
            weights=self._map.normalization_.T @ scaled.T,
            intercept=intercept - scaled @ self._mean,
            gamma=self.gamma,
        )


@dataclass(frozen=True)
class LandmarkMachine:
    """A weighted sum of radial basis functions around landmarks, for each output.

    Parameters
    ----------
    landmarks : ndarray of shape (n_landmarks, n_columns)
    weights : ndarray of shape (n_landmarks, n_outputs)
    intercept : ndarray of shape (n_outputs,)
    gamma : float
        Width of the functions.
    """

    landmarks: Array
    weights: Array
    intercept: Array
    gamma: float

    def outputs(self, values: Array) -> Array:
        """Return the outputs for rows, shape (n_rows, n_outputs)."""
        with one_thread():
            found: Array = rbf_kernel(values, self.landmarks, gamma=self.gamma) @ self.weights + self.intercept
        return found

    def check(self, columns: int, outputs: int) -> None:
        """Raise `ValueError` unless these, which may be a stranger's, are finite arrays that fit together."""
        count = len(self.landmarks) if isinstance(self.landmarks, np.ndarray) else 0
        shapes = {"landmarks": (count, columns), "weights": (count, outputs), "intercept": (outputs,)}
        for name, shape in shapes.items():
            check_array(getattr(self, name), shape, f"the {name} of a kernel machine")
        if not count or type(self.gamma) is not float or not 0 < self.gamma < np.inf:
            raise ValueError("a kernel machine without landmarks, or with a width that is not positive")

    @classmethod
    def of(cls, fitted: Any) -> Self:
        """Return the machine whose parts are attributes of a fitted estimator."""
        return cls(fitted.landmarks_, fitted.weights_, fitted.intercept_, fitted.gamma_)


def check_array(array: Any, shape: tuple[int, ...], what: str) -> None:
    """Raise `ValueError` unless something is a finite float64 array of a shape."""
    right = isinstance(array, np.ndarray) and array.dtype == np.float64 and array.shape == shape
    if not right or not np.isfinite(array).all():
        raise ValueError(f"{what} are not finite numbers of shape {shape}")


def kernel_width(gamma: float | str, spread: float) -> float:
    """Return the width of the function as a number; `spread` is the number of columns times their variance.

    Examples
    --------
    >>> kernel_width("scale", 4.0)
    0.25
    """
    if gamma == "scale":
        return float(1.0 / spread) if spread > 0 else 1.0
    if isinstance(gamma, bool) or not isinstance(gamma, Real) or not 0 < gamma < np.inf:
        raise SettingsError(f"gamma is {gamma!r}; expected 'scale' or a number above 0")
    return float(gamma)
