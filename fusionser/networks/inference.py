"""What a trained network says of new inputs."""

from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fusionser.memory import reused_memory
from fusionser.networks.device import choose_device
from fusionser.networks.layers import Network

__all__ = ["embedding_of", "logits_of", "prediction_batch", "prepared"]

MOST_CLIPS = 256
MOST_VALUES = 1 << 20
"""Of the inputs of one batch: the first maps of a network are up to a hundred times as large."""


def prediction_batch(inputs: Tensor) -> int:
    """Return how many inputs go through a network at once when nothing is learned.

    Examples
    --------
    >>> prediction_batch(torch.zeros(9, 162)), prediction_batch(torch.zeros(9, 128, 259))
    (256, 31)
    """
    return max(1, min(MOST_CLIPS, MOST_VALUES // max(1, inputs[:1].numel())))


def prepared(network: Network, inputs: npt.NDArray[np.float32], place: torch.device) -> Tensor:
    """Return inputs as they come from a front end, on a device, as the network's batches are to be."""
    given = torch.from_numpy(np.ascontiguousarray(inputs, dtype=np.float32))
    if network.preparation is None:
        return given.to(place)
    # A copy where it is elsewhere: other threads may be asking the same network.
    preparation = network.preparation if place.type == "cpu" else deepcopy(network.preparation).to(place)
    with torch.no_grad():
        return torch.cat([preparation(part.to(place)) for part in torch.split(given, prediction_batch(given))])


def _applied(
    network: Network,
    inputs: npt.NDArray[np.float32],
    device: str,
    function: Callable[[Network, Tensor], Tensor],
) -> npt.NDArray[np.float32]:
    place = choose_device(device)
    kind = torch.float32 if place.type == "mps" else network.temperature.dtype
    ready = prepared(network.eval(), inputs, place)
    batches = torch.split(ready, prediction_batch(ready))
    if place.type != "cpu":
        # A copy: other threads may be asking the same network.
        network = deepcopy(network).to(place, kind)
    # One batch has nothing to hand on, and a single prediction should not wait.
    with torch.no_grad(), reused_memory() if len(batches) > 1 else nullcontext():
        parts = [function(network, batch.to(kind)).cpu() for batch in batches]
    return torch.cat(parts).numpy()


def logits_of(network: Network, inputs: npt.NDArray[np.float32], device: str = "auto") -> npt.NDArray[np.float32]:
    """Return the logits of inputs as they come from a front end, divided by the temperature.

    They are computed in the network's own precision: in double a row's do not depend on the rows beside it.
    """
    return _applied(network, inputs, device, lambda module, batch: module(batch) / module.temperature)


def embedding_of(network: Network, inputs: npt.NDArray[np.float32], device: str = "auto") -> npt.NDArray[np.float32]:
    """Return the hidden units of inputs as they come from a front end."""
    return _applied(network, inputs, device, lambda module, batch: module.embed(batch))
