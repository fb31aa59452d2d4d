"""The scales of numbers to predict: their means and standard deviations over the training rows."""

import json
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["check_scales", "read_scales", "standardised", "written_scales"]

Array = npt.NDArray[Any]
SCALES = ("center", "scale")
"""Names of the means and of the deviations in the metadata of a network."""


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


def written_scales(center: Array, scale: Array) -> dict[str, str]:
    """Return means and deviations as texts by name, for the metadata of a network; none without targets.

    Examples
    --------
    >>> written_scales(np.array([2.0]), np.array([0.5]))
    {'center': '[2.0]', 'scale': '[0.5]'}
    """
    values = zip(SCALES, (center, scale), strict=True)
    return {name: json.dumps(part.tolist()) for name, part in values} if len(center) else {}


def read_scales(metadata: dict[str, str]) -> tuple[Array, Array]:
    """Return the means and deviations that `written_scales` wrote, which may be a stranger's; empty without targets.

    Raises
    ------
    ValueError
        If they are not finite numbers, or a deviation is not positive.
    """
    if not set(SCALES) & set(metadata):
        return np.zeros(0), np.zeros(0)
    try:
        center, scale = (np.array(json.loads(metadata.get(name, "[]")), dtype=np.float64) for name in SCALES)
    except (TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"the means or deviations of the targets cannot be read ({error})") from error
    check_scales(center, scale, max(1, center.size))
    return center, scale
