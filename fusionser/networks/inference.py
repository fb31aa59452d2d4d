"""Logits and hidden units of a trained network for new inputs."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fusionser.memory import reused_memory
from fusionser.networks.device import choose_device
from fusionser.networks.inputs import Inputs, batch_of, first_of, prepared, values_of
from fusionser.networks.layers import Network
from fusionser.shards import ArrayList

__all__ = ["embedding_of", "logits_of"]

Array = npt.NDArray[np.float32]


def _applied(network: Network, inputs: Inputs, device: str, function: Callable[[Network, Tensor], Tensor]) -> Array:
    place = choose_device(device)
    if isinstance(inputs, ArrayList):
        parts = inputs.parts(_whole_batches(network, inputs))
        return np.concatenate([_applied(network, part, device, function) for part in parts])
    kind = torch.float32 if place.type == "mps" else network.temperature.dtype
    ready = prepared(network.eval(), inputs, place)
    batches = torch.split(ready, batch_of(ready[:1].numel()))
    if place.type != "cpu":
        # Copied, since other threads may be using the same network.
        network = deepcopy(network).to(place, kind)
    # A single batch has no memory to reuse, and setting it up would delay a single prediction.
    with torch.no_grad(), reused_memory() if len(batches) > 1 else nullcontext():
        return torch.cat([function(network, batch.to(kind)).cpu() for batch in batches]).numpy()


def _whole_batches(network: Network, inputs: ArrayList) -> int:
    """Return a number of inputs that ends with a batch, before and after they are prepared, as all of them do."""
    one = prepared(network, first_of(inputs, 1), torch.device("cpu"))
    return math.lcm(batch_of(values_of(inputs)), batch_of(one.numel()))


def logits_of(network: Network, inputs: Inputs, device: str = "auto") -> Array:
    """Return the logits of front-end outputs, divided by the temperature.

    They are computed in the network's own precision. In double precision, a row's logits do not depend on its batch.
    """
    return _applied(network, inputs, device, lambda module, batch: module(batch) / module.temperature)


def embedding_of(network: Network, inputs: Inputs, device: str = "auto") -> Array:
    """Return the hidden units of front-end outputs."""
    return _applied(network, inputs, device, lambda module, batch: module.embed(batch))
