"""Transforms of the arrays of a front end, which learn from all training inputs before a network is trained."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

__all__ = ["Moments", "Preparation", "Standardise"]


class Moments:
    """Mean and variance of values that come in parts (pairwise update of Chan, Golub and LeVeque 1979).

    Attributes
    ----------
    count : int
        Values so far, of each channel.
    mean : ndarray or Tensor
        Their means.

    Examples
    --------
    >>> import numpy as np
    >>> moments = Moments()
    >>> for part in ([1.0, 2.0], [6.0]):
    ...     moments.add(len(part), np.mean(part), np.var(part) * len(part))
    >>> float(moments.mean), round(float(moments.variance()), 6)
    (3.0, 4.666667)
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean: Any = 0.0
        self.squares: Any = 0.0

    def add(self, count: int, mean: Any, squares: Any) -> None:
        """Add a part.

        Parameters
        ----------
        count : int
            Values of each channel in it; more than none.
        mean, squares : ndarray or Tensor
            The mean of each channel, and the sum of the squared differences from it, in double precision.
        """
        whole, step = self.count + count, mean - self.mean
        self.squares = self.squares + squares + step**2 * (self.count * count / whole)
        self.mean = self.mean + step * (count / whole)
        self.count = whole

    def variance(self, correction: int = 0) -> Any:
        """Return the variance of each channel, with `correction` values less in the denominator, but 1 at least."""
        return self.squares / max(self.count - correction, 1)


class Preparation(nn.Module):
    """A transform of the arrays of a front end, applied once before training or prediction."""

    def learn(self, parts: Iterable[npt.NDArray[np.float32]]) -> None:
        """Estimate what the transform needs from the training inputs, part by part. The default does nothing.

        Parameters
        ----------
        parts : iterable of ndarray of shape (n_rows, ...)
            Together all training inputs, in order. They may be more than fit into memory at once.
        """


class Standardise(Preparation):
    """Subtract the mean of the training rows and divide by their standard deviation; both are buffers.

    Parameters
    ----------
    shape : tuple of int
        Shape of the mean, which is broadcast over an input.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("deviation", torch.ones(shape))

    def learn(self, parts: Iterable[npt.NDArray[np.float32]]) -> None:
        """Compute mean and standard deviation of the training inputs over every axis that the mean broadcasts along."""
        moments = Moments()
        axes = (0, *(axis for axis, size in enumerate(self.mean.shape, start=1) if size == 1))
        for part in parts:
            wide = part.astype(np.float64)
            mean = wide.mean(axis=axes, keepdims=True)
            count = wide.size // mean.size
            moments.add(count, mean[0], np.square(wide - mean).sum(axis=axes, keepdims=True)[0])
        if not moments.count:
            return
        mean, std = moments.mean, np.sqrt(moments.variance())
        std[std <= 1e-7 * np.maximum(np.abs(mean), 1e-30)] = 1.0
        self.mean.copy_(torch.from_numpy(mean))
        self.deviation.copy_(torch.from_numpy(std))

    def forward(self, x: Tensor) -> Tensor:
        """Return the standardised input, of the same shape."""
        return (x - self.mean) / self.deviation
