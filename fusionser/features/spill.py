"""The inputs of networks that an extraction moves to disk as they are computed."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from fusionser.cache import Cache
from fusionser.features.clip import Computation
from fusionser.shards import ShardWriter

__all__ = ["Spill"]

Array = npt.NDArray[np.float32]


class Spill:
    """Writes the arrays of some computations to disk; what stands for them in memory comes when all are written.

    Parameters
    ----------
    computations : mapping of str to Computation
        Those whose arrays are moved, by name.
    cache : Cache, optional
        See `ShardWriter`.
    """

    def __init__(self, computations: Mapping[str, Computation], cache: Cache | None) -> None:
        self._writers = {name: ShardWriter(cache, item.digest()) for name, item in computations.items()}
        self._places: dict[str, list[int]] = {name: [] for name in computations}

    def takes(self, name: str) -> bool:
        """Return whether the arrays of a computation are moved."""
        return name in self._writers

    def put(self, name: str, position: int, array: Array) -> None:
        """Write the array of a clip."""
        self._writers[name].add(array[None])
        self._places[name].append(position)

    def close(self, arrays: Mapping[str, list[Array | None]]) -> None:
        """Fill in the arrays as they are on disk, in lists with one entry for each clip."""
        for name, writer in self._writers.items():
            for position, array in zip(self._places[name], writer.close(), strict=True):
                arrays[name][position] = array
