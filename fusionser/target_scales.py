"""The scales of numbers to predict: their means, standard deviations and ranges over the training rows."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt

__all__ = ["TargetScales", "check_scales", "standardised"]

Array = npt.NDArray[Any]


def standardised(targets: Array) -> tuple[Array, Array, Array]:
    """Return targets with mean 0 and standard deviation 1, and their means and deviations; 1 where all are equal.

    Examples
    --------
    >>> [part.tolist() for part in standardised(np.array([[1.0, 5.0], [3.0, 5.0]]))]
    [[[-1.0, 0.0], [1.0, 0.0]], [2.0, 5.0], [1.0, 1.0]]
    """
    center, scale = targets.mean(axis=0), targets.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    return (targets - center) / scale, center, scale


def check_scales(center: Any, scale: Any, targets: int) -> None:
    """Raise `ValueError` if means and deviations from a file are not those of `standardised`."""
    for values in (center, scale):
        if not isinstance(values, np.ndarray) or values.shape != (targets,) or not np.isfinite(values).all():
            raise ValueError("the means or deviations of the targets are not finite numbers, one for each")
    if not (scale > 0).all():
        raise ValueError("a deviation of a target is not positive")


@dataclass(frozen=True, eq=False)
class TargetScales:
    """The scales of what a network predicts. It is trained on standardised numbers.

    The numbers that it predicts are kept within the range of the training rows: the output of a network has no limits,
    so that a single clip unlike all others could otherwise decide a score.

    Parameters
    ----------
    center, scale : ndarray of shape (n_targets,)
        Mean and standard deviation, as `standardised` returns them.
    low, high : ndarray of shape (n_targets,)
        Least and greatest number.

    Examples
    --------
    >>> scales = TargetScales.of(np.array([[1.0], [3.0]]))
    >>> scales.standard(np.array([[2.5]])).tolist(), scales.restored(np.array([[0.5], [7.0]])).tolist()
    ([[0.5]], [[2.5], [3.0]])
    >>> scales.texts()["high"], TargetScales.read(scales.texts()).high.tolist()
    ('[3.0]', [3.0])
    """

    center: Array
    scale: Array
    low: Array
    high: Array

    @classmethod
    def of(cls, targets: Array) -> Self:
        """Return the scales of training rows, shape (n_rows, n_targets)."""
        return cls(*standardised(targets)[1:], targets.min(axis=0), targets.max(axis=0))

    def __len__(self) -> int:
        return len(self.center)

    def standard(self, targets: Array) -> Array:
        """Return numbers in the scale of the network."""
        return (np.asarray(targets, dtype=np.float64).reshape(len(targets), len(self)) - self.center) / self.scale

    def restored(self, outputs: Array) -> Array:
        """Return the numbers that outputs of the network stand for, within the range of the training rows."""
        return np.clip(outputs.astype(np.float64) * self.scale + self.center, self.low, self.high)

    def check(self, targets: int) -> None:
        """Raise `ValueError` unless these, which may be a stranger's, are scales of so many targets."""
        check_scales(self.center, self.scale, targets)
        for values in (self.low, self.high):
            if not isinstance(values, np.ndarray) or values.shape != (targets,) or not np.isfinite(values).all():
                raise ValueError("the ranges of the targets are not finite numbers, one for each")
        if (self.low > self.high).any():
            raise ValueError("the range of a target ends before it begins")

    def texts(self) -> dict[str, str]:
        """Return the scales as texts by name, for the metadata of a network."""
        return {field.name: json.dumps(getattr(self, field.name).tolist()) for field in fields(self)}

    @classmethod
    def read(cls, metadata: Mapping[str, str]) -> Self | None:
        """Return the scales in metadata, which may be a stranger's; None if there are none.

        Raises
        ------
        ValueError
            If they are not those of `texts`.
        """
        names = [field.name for field in fields(cls)]
        if not set(names) & set(metadata):
            return None
        try:
            read = cls(*(np.array(json.loads(metadata.get(name, "[]")), dtype=np.float64) for name in names))
        except (TypeError, OverflowError, RecursionError) as error:
            raise ValueError(f"the scales of the targets cannot be read ({error})") from error
        read.check(max(1, read.center.size))
        return read
