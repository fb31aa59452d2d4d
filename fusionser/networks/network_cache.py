"""Cache of trained networks on disk, so that a second classifier or a resumed run need not train them again.

The key is a hash of everything that determines the weights:

- the arrays that the network is trained on,
- its architecture and initial weights,
- the settings,
- the code of the training and of the layers, without comments and docstrings,
- the versions of torch, skorch and NumPy.

So a network is found only if training would give the same one.
"""

import ast
import hashlib
import json
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fusionser.errors import FusionserError
from fusionser.features.clip import plain_value
from fusionser.networks.layers import Network
from fusionser.networks.weights import keep, pack_network, read_kept
from fusionser.registry import code_origin
from fusionser.shards import ArrayList
from fusionser.shared_cache import SharedCache

__all__ = ["checkpoint_path", "code_digest", "keep_network", "network_key", "recall_network"]

MAX_BYTES = 2 * 1024**3
HISTORY = "history"
SUFFIX, CHECKPOINT = ".safetensors", ".checkpoint.safetensors"
HASHED = 64
"""Arrays that are hashed together where they are on disk."""

PLAIN = (bool, int, float, str, tuple, type(None))

FOLDER = Path(__file__).parent
TRAINING = (
    "batches", "checkpoints", "corpora", "data_parallel", "fitting", "inference", "inputs", "loop", "objective",
    "preparation", "ranks", "rows", "settings", "training",
)  # fmt: skip
"""Modules of this package that train every network; modules of layers are found from their classes."""
FOREIGN = ("builtins", "torch")
"""Packages whose code is not hashed, since their versions are in the key."""

History = list[dict[str, float]]


def network_key(
    network: Network,
    settings: dict[str, Any],
    arrays: Iterable[npt.NDArray[Any] | ArrayList | None],
    distortion: Any = None,
) -> str:
    """Return the key of a network before it is trained.

    Parameters
    ----------
    network : Network
        With its initial weights.
    settings : dict
        Settings of the training, as plain values.
    arrays : iterable of ndarray, ArrayList or None
        Training and validation arrays. The key is the same for arrays in memory and on disk.
    distortion : Distortion, optional
    """
    digest = hashlib.blake2b(digest_size=16)
    described = {
        "network": _structure(network),
        "settings": settings,
        "distortion": str(distortion),
        "versions": {name: metadata.version(name) for name in ("torch", "skorch", "numpy")},
        "code": _code([*network.modules(), distortion]),
    }
    digest.update(json.dumps(described, sort_keys=True, default=plain_value).encode())
    weights = [value.detach().cpu().numpy() for value in network.state_dict().values()]
    for array in [*weights, *arrays]:
        if array is None:
            digest.update(b"none")
            continue
        digest.update(f"{array.shape}{array.dtype}".encode())
        for part in array.parts(HASHED) if isinstance(array, ArrayList) else [array]:
            digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


def recall_network(network: Network, kept: Path | None) -> History | None:
    """Load cached weights into a network; return its learning curve, or None if there are none.

    Parameters
    ----------
    network : Network
    kept : Path, optional
        Key in the folder of trained networks; None without a cache.
    """
    path = None if kept is None else kept.with_suffix(SUFFIX)
    if path is None or not (path.is_file() or _fetched(path)):
        return None
    try:
        tensors, metadata = read_kept(path)
        network.load_state_dict(tensors)
        history: History = json.loads(metadata[HISTORY])
        path.touch()
    except Exception:
        # An unreadable cache file only means training again.
        return None
    return history


def keep_network(network: Network, kept: Path | None, history: History) -> None:
    """Write a trained network to the cache; if that fails, it is only trained again next time."""
    if kept is None:
        return
    content = pack_network(network, {HISTORY: json.dumps(history)})
    with suppress(OSError, FusionserError):
        keep(content, kept.with_suffix(SUFFIX))
        kept.with_suffix(CHECKPOINT).unlink(missing_ok=True)
        _forget(kept.parent)
    shared = SharedCache.default()
    if shared is not None:
        with suppress(FusionserError):
            shared.put({kept.with_suffix(SUFFIX).name: content})


def _fetched(path: Path) -> bool:
    """Write a network that the shared cache has to the cache of this machine, if it has it."""
    shared = SharedCache.default()
    if shared is None:
        return False
    with suppress(OSError, FusionserError):
        content = shared.get([path.name]).get(path.name)
        if content is not None:
            keep(content, path)
            return True
    return False


def checkpoint_path(kept: Path | None) -> Path | None:
    """Return the path of the checkpoint of an unfinished training, or None without a cache."""
    return None if kept is None else kept.with_suffix(CHECKPOINT)


def _structure(network: Network) -> list[tuple[str, str, dict[str, str]]]:
    """Return every layer with its plain attributes, since weights and names do not show all of them."""
    return [
        (name, type(layer).__name__, {k: repr(v) for k, v in sorted(vars(layer).items()) if isinstance(v, PLAIN)})
        for name, layer in network.named_modules()
    ]


def code_digest(source: str) -> str:
    """Return a hash of a module's syntax tree without comments and docstrings.

    Examples
    --------
    >>> [code_digest("x = 1  # one") == code_digest(other) for other in ("x = 1", "x = 2")]
    [True, False]
    """
    tree = _WithoutDocstrings().visit(ast.parse(source))
    return hashlib.blake2b(ast.dump(tree).encode(), digest_size=16).hexdigest()


class _WithoutDocstrings(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if text else node


def _code(parts: Iterable[Any]) -> list[str]:
    """Return hashes of the code of training and layers, and the origins of the layers."""
    classes = {kind for part in parts for kind in type(part).__mro__}
    classes = {kind for kind in classes if kind.__module__.partition(".")[0] not in FOREIGN}
    found = [getattr(sys.modules.get(kind.__module__), "__file__", None) for kind in classes]
    files = {*(FOLDER / f"{name}.py" for name in TRAINING), *(Path(file) for file in found if file is not None)}
    return sorted({*map(_file_digest, files), *map(code_origin, classes)})


@lru_cache
def _file_digest(file: Path) -> str:
    """Return the hash of a module's code, or "" without source; then only the package's version tells it apart."""
    try:
        return code_digest(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return ""


def _forget(folder: Path) -> None:
    """Remove the least recently used files until the folder is within `MAX_BYTES`."""
    kept = sorted((path.stat().st_mtime, path.stat().st_size, path) for path in folder.glob(f"*{SUFFIX}"))
    total = sum(size for _, size, _ in kept)
    for _, size, path in kept:
        if total <= MAX_BYTES:
            return
        path.unlink(missing_ok=True)
        total -= size
