"""Training inputs in memory or on disk, and how they are prepared and read in batches."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fusionser.cache import CacheChoice
from fusionser.networks.layers import Network
from fusionser.shards import ArrayList, ShardWriter, open_shards

__all__ = [
    "DiskInputs",
    "Inputs",
    "batch_of",
    "first_of",
    "parts_of",
    "prepared",
    "prepared_on_disk",
    "values_of",
]

Array = npt.NDArray[np.float32]

Inputs = Array | ArrayList
"""Inputs in one array in memory, or a list of those that are read from disk."""

PART_VALUES = 1 << 21
"""Most values of a part of the training inputs, from which a network learns how to prepare them."""

MOST_CLIPS = 256
MOST_VALUES = 1 << 20
"""Most input values in one batch; the first feature maps of a network are up to a hundred times larger."""


def batch_of(values: int) -> int:
    """Return the batch size for inference, for inputs of a number of values.

    Examples
    --------
    >>> batch_of(162), batch_of(128 * 259)
    (256, 31)
    """
    return max(1, min(MOST_CLIPS, MOST_VALUES // max(1, values)))


def values_of(inputs: Inputs) -> int:
    """Return the number of values of one input."""
    return int(np.prod(inputs.shape[1:]))


def first_of(inputs: Inputs, count: int) -> Array:
    """Return the first inputs, in memory."""
    return inputs.stacked(slice(count)) if isinstance(inputs, ArrayList) else inputs[:count]


def parts_of(inputs: Inputs) -> Iterator[Array]:
    """Return inputs part by part; the parts are the same in memory and on disk."""
    return _parts(inputs, max(1, PART_VALUES // max(1, values_of(inputs))))


def _parts(inputs: Inputs, size: int) -> Iterator[Array]:
    if isinstance(inputs, ArrayList):
        return inputs.parts(size)
    return (inputs[first : first + size] for first in range(0, len(inputs), size))


def prepared(network: Network, inputs: Array, place: torch.device) -> Tensor:
    """Return front-end outputs on a device, transformed by the network's preparation."""
    given = torch.from_numpy(np.ascontiguousarray(inputs, dtype=np.float32))
    if network.preparation is None:
        return given.to(place)
    # Copied before it is moved, since other threads may be using the same network.
    preparation = network.preparation if place.type == "cpu" else deepcopy(network.preparation).to(place)
    with torch.no_grad():
        return torch.cat([preparation(part.to(place)) for part in torch.split(given, batch_of(values_of(inputs)))])


class DiskInputs:
    """Prepared inputs on disk, which a training reads batch by batch.

    Parameters
    ----------
    arrays : ArrayList
    folder : Path
        The shards that they are in, for other processes.
    device : torch.device, optional
        Where batches go; the CPU when None.

    Examples
    --------
    >>> inputs = DiskInputs(ArrayList([np.zeros(2, np.float32), np.ones(2, np.float32)]), Path("there"))
    >>> len(inputs), inputs[torch.tensor([1, 0])].tolist()
    (2, [[1.0, 1.0], [0.0, 0.0]])
    """

    def __init__(self, arrays: ArrayList, folder: Path, device: torch.device | None = None) -> None:
        self.arrays, self.folder = arrays, folder
        self.device = torch.device("cpu") if device is None else device

    def __len__(self) -> int:
        return len(self.arrays)

    def __getitem__(self, chosen: Tensor | slice) -> Tensor:
        places = chosen if isinstance(chosen, slice) else chosen.tolist()
        return torch.from_numpy(self.arrays.stacked(places)).to(self.device)

    def on(self, device: torch.device) -> "DiskInputs":
        """Return the same inputs, whose batches go to a device."""
        return DiskInputs(self.arrays, self.folder, device)

    def __reduce__(self) -> Any:
        # Another process maps the same files.
        return _opened, (self.folder,)


def _opened(folder: Path) -> DiskInputs:
    return DiskInputs(ArrayList(open_shards(folder)), folder)


def prepared_on_disk(network: Network, inputs: Inputs, place: torch.device, cache: CacheChoice) -> DiskInputs:
    """Return inputs that are transformed by the network's preparation, written to disk.

    Parameters
    ----------
    network : Network
    inputs : ndarray or ArrayList
    place : torch.device
        Where the preparation is computed, and where batches go.
    cache : Cache or bool
        See `ShardWriter`.
    """
    # Whole batches, as `prepared` cuts all inputs into.
    size = batch_of(values_of(inputs))
    size *= max(1, PART_VALUES // (size * max(1, values_of(inputs))))
    writer = ShardWriter(cache)
    for part in _parts(inputs, size):
        writer.add(prepared(network, part, place).cpu().numpy())
    return DiskInputs(ArrayList(writer.close()), writer.folder, place)
