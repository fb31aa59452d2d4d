"""Batch normalisation with the statistics of new inputs (AdaBN: Li, Wang, Shi, Hou and Liu 2016)."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from fusionser.networks.layers import Network
from fusionser.networks.preparation import Moments

__all__ = ["has_batch_norm", "with_statistics_of"]

Apply = Callable[[Network], Any]
"""Applies a network to all inputs, in batches of any size."""

Part = tuple[int, list[float], list[float]]
"""The count of a batch's values in each channel, their means, and the sums of their squared differences from them."""


def has_batch_norm(network: Network) -> bool:
    """Return whether a network has layers with running means and variances."""
    return bool(_layers(network))


def with_statistics_of(network: Network, apply: Apply) -> Network:
    """Return a copy of a network whose batch normalisation has the mean and variance of the given inputs.

    The layers are set one after the other, in the order in which they are applied, each from all inputs. So the result
    does not depend on the order of the batches, and each layer sees what the layers before it give with their new
    statistics.

    Parameters
    ----------
    network : Network
    apply : callable
        Applies a network to the inputs.
    """
    copied = deepcopy(network).eval()
    for layer in _in_order(copied, apply):
        gathered: list[Part] = []
        _with_hook(copied, layer, partial(_add, gathered), apply)
        whole = _whole(gathered)
        layer.running_mean.copy_(whole.mean)
        # Batch normalisation stores the unbiased variance.
        layer.running_var.copy_(whole.variance(correction=1))
    return copied


def _layers(network: Network) -> list[Any]:
    return [part for part in network.modules() if isinstance(part, _BatchNorm) and part.running_mean is not None]


def _in_order(network: Network, apply: Apply) -> list[Any]:
    """Return the layers in the order in which they are applied; those that are not applied are left out."""
    seen: dict[int, None] = {}
    layers = _layers(network)
    handles = [
        layer.register_forward_pre_hook(lambda module, given, place=place: seen.setdefault(place))
        for place, layer in enumerate(layers)
    ]
    try:
        if layers:
            apply(network)
    finally:
        for handle in handles:
            handle.remove()
    return [layers[place] for place in seen]


def _with_hook(network: Network, layer: Any, add: Callable[[Tensor], None], apply: Apply) -> None:
    handle = layer.register_forward_pre_hook(lambda module, given: add(given[0]))
    try:
        apply(network)
    finally:
        handle.remove()


def _add(parts: list[Part], values: Tensor) -> None:
    """Add a batch of shape (n_rows, n_channels, ...)."""
    axes = [axis for axis in range(values.dim()) if axis != 1]
    variance, mean = (part.cpu().double() for part in torch.var_mean(values, dim=axes, correction=0))
    count = values.numel() // values.shape[1]
    parts.append((count, mean.tolist(), (variance * count).tolist()))


def _whole(parts: list[Part]) -> Moments:
    """Return the moments of all batches.

    They are added in sorted order. In the order in which they come, which differs between clips in memory and on disk,
    a mean halfway between two numbers of single precision would be rounded now to the one, now to the other.
    """
    whole = Moments()
    for count, mean, squares in sorted(parts):
        whole.add(count, torch.tensor(mean, dtype=torch.double), torch.tensor(squares, dtype=torch.double))
    return whole
