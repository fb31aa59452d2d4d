"""Logits and hidden units of a trained network for new inputs."""

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
"""Most input values in one batch; the first feature maps of a network are up to a hundred times larger."""


def prediction_batch(inputs: Tensor) -> int:
    """Return the batch size for inference.

    Examples
    --------
    >>> prediction_batch(torch.zeros(9, 162)), prediction_batch(torch.zeros(9, 128, 259))
    (256, 31)
    """
    return max(1, min(MOST_CLIPS, MOST_VALUES // max(1, inputs[:1].numel())))


def prepared(network: Network, inputs: npt.NDArray[np.float32], place: torch.device) -> Tensor:
    """Return front-end outputs on a device, transformed by the network's preparation."""
    given = torch.from_numpy(np.ascontiguousarray(inputs, dtype=np.float32))
    if network.preparation is None:
        return given.to(place)
    # Copied before it is moved, since other threads may be using the same network.
    preparation = network.preparation if place.type == "cpu" else deepcopy(network.preparation).to(place)
    with torch.no_grad():
        return torch.cat([preparation(part.to(place)) for part in torch.split(given, prediction_batch(given))])


def _applied(
    network: Network, inputs: npt.NDArray[np.float32], device: str, function: Callable[[Network, Tensor], Tensor]
) -> npt.NDArray[np.float32]:
    place = choose_device(device)
    kind = torch.float32 if place.type == "mps" else network.temperature.dtype
    ready = prepared(network.eval(), inputs, place)
    batches = torch.split(ready, prediction_batch(ready))
    if place.type != "cpu":
        # Copied, since other threads may be using the same network.
        network = deepcopy(network).to(place, kind)
    # A single batch has no memory to reuse, and setting it up would delay a single prediction.
    with torch.no_grad(), reused_memory() if len(batches) > 1 else nullcontext():
        parts = [function(network, batch.to(kind)).cpu() for batch in batches]
    return torch.cat(parts).numpy()


def logits_of(network: Network, inputs: npt.NDArray[np.float32], device: str = "auto") -> npt.NDArray[np.float32]:
    """Return the logits of front-end outputs, divided by the temperature.

    They are computed in the network's own precision. In double precision, a row's logits do not depend on its batch.
    """
    return _applied(network, inputs, device, lambda module, batch: module(batch) / module.temperature)


def embedding_of(network: Network, inputs: npt.NDArray[np.float32], device: str = "auto") -> npt.NDArray[np.float32]:
    """Return the hidden units of front-end outputs."""
    return _applied(network, inputs, device, lambda module, batch: module.embed(batch))
