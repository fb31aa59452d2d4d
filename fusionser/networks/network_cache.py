"""Trained networks on disk, so that a second classifier, or a run that was stopped, need not train them again.

The key is a hash of everything that decides the weights: the very arrays that the network is trained on, its
architecture and first weights, the settings, the code of this package, and the versions of what it stands on. So a
network is found again only where training would give it anew.
"""

import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import safe_open
from safetensors.torch import save

from fusionser.errors import FusionserError
from fusionser.features.cache import cache_folder
from fusionser.features.clip import plain_value
from fusionser.files import write_bytes
from fusionser.networks.layers import Network

__all__ = ["checkpoint_path", "keep_network", "network_key", "recall_network"]

MAX_BYTES = 2 * 1024**3
HISTORY = "history"
CHECKPOINT = ".checkpoint.safetensors"
PLAIN = (bool, int, float, str, tuple, type(None))

History = list[dict[str, float]]


def network_key(network: Network, settings: dict[str, Any], arrays: Iterable[npt.NDArray[Any] | None]) -> str:
    """Return the key of a network before it is trained."""
    digest = hashlib.blake2b(digest_size=16)
    versions = {name: metadata.version(name) for name in ("torch", "skorch", "numpy")}
    described = {"network": _structure(network), "settings": settings, "versions": versions, "code": _code()}
    digest.update(json.dumps(described, sort_keys=True, default=plain_value).encode())
    weights = [value.detach().cpu().numpy() for value in network.state_dict().values()]
    for array in [*weights, *arrays]:
        if array is None:
            digest.update(b"none")
            continue
        digest.update(f"{array.shape}{array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def recall_network(network: Network, key: str) -> History | None:
    """Give a network the weights that are kept under a key; return its learning curve, or None."""
    path = _path(key)
    if path is None or not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as kept:
            network.load_state_dict({name: kept.get_tensor(name) for name in kept.keys()})  # noqa: SIM118
            history: History = json.loads(kept.metadata()[HISTORY])
        path.touch()
    except Exception:
        # Whatever is wrong with a file of the cache, training again puts it right.
        return None
    return history


def keep_network(network: Network, key: str, history: History) -> None:
    """Keep a trained network; a full disk does no harm but that it will be trained again."""
    path = _path(key)
    if path is None:
        return
    tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    try:
        write_bytes(path, save(tensors, {HISTORY: json.dumps(history)}))
        path.with_suffix(CHECKPOINT).unlink(missing_ok=True)
        _forget(path.parent)
    except (OSError, FusionserError):
        return


def checkpoint_path(key: str) -> Path | None:
    """Return where the state of an unfinished training is kept, None where nothing is."""
    path = _path(key)
    return None if path is None else path.with_suffix(CHECKPOINT)


def _structure(network: Network) -> list[tuple[str, str, dict[str, str]]]:
    """Return every layer with its plain attributes: some, as the number of segments, show in no weight and no name."""
    return [
        (
            name,
            type(layer).__name__,
            {key: repr(value) for key, value in sorted(vars(layer).items()) if isinstance(value, PLAIN)},
        )
        for name, layer in network.named_modules()
    ]


@lru_cache(maxsize=1)
def _code() -> str:
    """Return a hash of the code that trains: a change of it may change the weights."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _path(key: str) -> Path | None:
    folder = cache_folder()
    return None if folder is None else folder / "networks" / f"{key}.safetensors"


def _forget(folder: Path) -> None:
    """Remove what was used longest ago until the folder is within `MAX_BYTES`."""
    kept = sorted((path.stat().st_mtime, path.stat().st_size, path) for path in folder.glob("*.safetensors"))
    total = sum(size for _, size, _ in kept)
    for _, size, path in kept:
        if total <= MAX_BYTES:
            return
        path.unlink(missing_ok=True)
        total -= size
