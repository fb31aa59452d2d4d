"""Networks as safetensors: numbers and names, nothing that could run."""

from collections.abc import Callable
from typing import TypeVar

import torch
from safetensors.torch import load, save

from fusionser.networks.layers import Network

__all__ = ["pack_network", "unpack_network"]

Built = TypeVar("Built", bound=Network)


def pack_network(network: Network) -> bytes:
    """Return a network's weights and buffers as the bytes of a safetensors file."""
    content: bytes = save({name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()})
    return content


def unpack_network(build: Callable[[], Built], content: bytes) -> Built:
    """Build a network and give it the weights in a safetensors file, which may come from a stranger.

    Parameters
    ----------
    build : callable
        Builds the network; called without memory for its weights, so that no file can ask for more than it holds.
    content : bytes

    Raises
    ------
    ValueError
        When names, shapes or types are not those of this network, or a weight is not a number.
    """
    with torch.device("meta"):
        network = build()
    wanted = network.state_dict()
    try:
        tensors = load(content)
    except Exception as error:
        # safetensors raises an error of its own for each kind of damage.
        raise ValueError(f"the weights cannot be read ({error})") from error
    if set(tensors) != set(wanted):
        raise ValueError("the weights are of another network")
    for name, value in tensors.items():
        if value.shape != wanted[name].shape or value.dtype != wanted[name].dtype:
            raise ValueError(
                f"the weights '{name}' are {tuple(value.shape)} of {value.dtype}; expected "
                f"{tuple(wanted[name].shape)} of {wanted[name].dtype}"
            )
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise ValueError(f"the weights '{name}' are not finite")
    # Copies, laid out as the architecture asks; `to_empty` would do so too, after a second of imports.
    placed = {
        name: torch.empty_strided(value.shape, value.stride(), dtype=value.dtype) for name, value in wanted.items()
    }
    network.load_state_dict({name: place.copy_(tensors[name]) for name, place in placed.items()}, assign=True)
    network.requires_grad_(False)
    return network.eval()
