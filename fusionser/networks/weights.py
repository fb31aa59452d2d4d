"""Networks as safetensors, a format that holds only names and numbers and no code."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import load, save

from fusionser.checksums import with_checksum, without_checksum
from fusionser.files import write_bytes
from fusionser.networks.layers import Network

__all__ = ["check_tensors", "keep", "metadata_of", "pack_network", "read_kept", "saved", "unpack_network"]

Built = TypeVar("Built", bound=Network)


def pack_network(network: Network, metadata: dict[str, str] | None = None) -> bytes:
    """Return a network's weights and buffers as the bytes of a safetensors file, with metadata in its header."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    return saved(tensors, metadata)


def saved(tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """Return tensors as the bytes of a safetensors file, the same bytes for the same tensors and metadata."""
    content = save(tensors, metadata)
    if metadata is None or len(metadata) < 2:
        return content
    # safetensors writes metadata in random order. The header is JSON; its size comes first, as eight bytes.
    size = int.from_bytes(content[:8], "little")
    header = {**json.loads(content[8 : 8 + size]), "__metadata__": dict(sorted(metadata.items()))}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def keep(content: bytes, path: Path) -> None:
    """Write a safetensors file to the cache, with a checksum."""
    write_bytes(path, with_checksum(content, path.name))


def metadata_of(content: bytes) -> dict[str, str]:
    """Return the metadata in the header of a safetensors file.

    Raises
    ------
    ValueError
        If it is damaged.
    """
    try:
        # The header is JSON; its size comes first, as eight bytes.
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        return {str(name): str(value) for name, value in header.get("__metadata__", {}).items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise ValueError(f"the weights cannot be read ({error})") from error


def read_kept(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Return the tensors and the metadata of a file that `keep` wrote.

    Raises
    ------
    ValueError
        If the file is damaged.
    OSError
        If it cannot be read.
    """
    content = without_checksum(path.read_bytes(), path.name)
    return load(content), metadata_of(content)


def check_tensors(tensors: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]) -> None:
    """Raise `ValueError` unless tensors, which may be a stranger's, can be the weights and buffers of a network.

    Parameters
    ----------
    tensors, wanted : mapping of str to Tensor
        Names, shapes and types must agree, and numbers must be finite.
    """
    if set(tensors) != set(wanted):
        raise ValueError("the weights belong to another network")
    for name, value in tensors.items():
        if value.shape != wanted[name].shape or value.dtype != wanted[name].dtype:
            raise ValueError(
                f"the weights '{name}' are {tuple(value.shape)} of {value.dtype}; expected "
                f"{tuple(wanted[name].shape)} of {wanted[name].dtype}"
            )
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise ValueError(f"the weights '{name}' are not finite")
        if name.endswith("running_var") and bool((value < 0).any()):
            raise ValueError(f"the variances '{name}' are negative")
    if not float(tensors["temperature"]) > 0:
        raise ValueError("the temperature is not positive")


def unpack_network(build: Callable[[], Built], content: bytes) -> Built:
    """Build a network and load its weights from a safetensors file, which may be untrusted.

    Parameters
    ----------
    build : callable
        Builds the network. Called on the meta device, so that a file cannot request more memory than its own size.
    content : bytes

    Raises
    ------
    ValueError
        If the file is damaged, names, shapes or types differ from the network's, or a weight is not finite.
    """
    with torch.device("meta"):
        network = build()
    wanted = network.state_dict()
    try:
        tensors = load(content)
    except Exception as error:
        # safetensors raises different errors for different kinds of damage.
        raise ValueError(f"the weights cannot be read ({error})") from error
    check_tensors(tensors, wanted)
    # Copied, to have the memory layout of the architecture. `to_empty` would do the same, but imports much more.
    copies = {
        name: torch.empty_strided(value.shape, value.stride(), dtype=value.dtype).copy_(tensors[name])
        for name, value in wanted.items()
    }
    network.load_state_dict(copies, assign=True)
    return network.requires_grad_(False).eval()
