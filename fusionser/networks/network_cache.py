"""Trained networks on disk, so that a second classifier, or a run that was stopped, need not train them again.

The key is a hash of everything that decides the weights: the very arrays that the network is trained on, its
architecture and first weights, the settings, the code that trains it and that of its layers, and the versions of what
it stands on. So a network is found again only where training would give it anew. Of code, what is hashed is what it
does: comments and docstrings may change.
"""

import ast
import hashlib
import json
import sys
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
from fusionser.features.clip import plain_value
from fusionser.files import write_bytes
from fusionser.networks.layers import Network
from fusionser.registry import code_origin

__all__ = ["checkpoint_path", "code_digest", "keep_network", "network_key", "recall_network"]

MAX_BYTES = 2 * 1024**3
HISTORY = "history"
SUFFIX, CHECKPOINT = ".safetensors", ".checkpoint.safetensors"
PLAIN = (bool, int, float, str, tuple, type(None))

FOLDER = Path(__file__).parent
TRAINING = ("batches", "checkpoints", "inference", "loop", "settings", "training")
"""Modules of this package by which every network is trained; those of its layers are found by their classes."""
FOREIGN = ("builtins", "torch")
"""Packages that no code is read of: their versions are in the key."""

History = list[dict[str, float]]


def network_key(
    network: Network,
    settings: dict[str, Any],
    arrays: Iterable[npt.NDArray[Any] | None],
    distortion: Any = None,
) -> str:
    """Return the key of a network before it is trained.

    Parameters
    ----------
    network : Network
        With its first weights.
    settings : dict
        Of the training, as plain values.
    arrays : iterable of ndarray or None
        What it is trained on.
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
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def recall_network(network: Network, kept: Path | None) -> History | None:
    """Give a network the weights that are kept; return its learning curve, or None.

    Parameters
    ----------
    network : Network
    kept : Path, optional
        The key in the folder of trained networks; nothing is kept where there is none.
    """
    if kept is None:
        return None
    path = kept.with_suffix(SUFFIX)
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            network.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
            history: History = json.loads(file.metadata()[HISTORY])
        path.touch()
    except Exception:
        # Whatever is wrong with a file of the cache, training again puts it right.
        return None
    return history


def keep_network(network: Network, kept: Path | None, history: History) -> None:
    """Keep a trained network; a full disk does no harm but that it will be trained again."""
    if kept is None:
        return
    path = kept.with_suffix(SUFFIX)
    tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    try:
        write_bytes(path, save(tensors, {HISTORY: json.dumps(history)}))
        kept.with_suffix(CHECKPOINT).unlink(missing_ok=True)
        _forget(path.parent)
    except (OSError, FusionserError):
        return


def checkpoint_path(kept: Path | None) -> Path | None:
    """Return where the state of an unfinished training is kept, None where nothing is."""
    return None if kept is None else kept.with_suffix(CHECKPOINT)


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


def code_digest(source: str) -> str:
    """Return a hash of what a module does: of its syntax tree without comments and docstrings.

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
    """Return hashes of the code that trains, and of that of the layers, and where the layers of others come from."""
    classes = {kind for part in parts for kind in type(part).__mro__}
    classes = {kind for kind in classes if kind.__module__.partition(".")[0] not in FOREIGN}
    modules = {kind.__module__ for kind in classes}
    files = [*(FOLDER / f"{name}.py" for name in TRAINING), *(_file_of(module) for module in modules)]
    return sorted({*map(_file_digest, filter(None, files)), *map(code_origin, classes)})


def _file_of(module: str) -> Path | None:
    file = getattr(sys.modules.get(module), "__file__", None)
    return None if file is None else Path(file)


@lru_cache
def _file_digest(file: Path) -> str:
    """Return the hash of a module's code; "" where there is no source, so that its package's version must do."""
    try:
        return code_digest(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        return ""


def _forget(folder: Path) -> None:
    """Remove what was used longest ago until the folder is within `MAX_BYTES`."""
    kept = sorted((path.stat().st_mtime, path.stat().st_size, path) for path in folder.glob(f"*{SUFFIX}"))
    total = sum(size for _, size, _ in kept)
    for _, size, path in kept:
        if total <= MAX_BYTES:
            return
        path.unlink(missing_ok=True)
        total -= size
