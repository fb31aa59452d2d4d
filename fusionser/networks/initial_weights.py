"""Initial weights of a network from the network of the same kind in a model file, which may be a stranger's."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load
from torch import Tensor

from fusionser.archive import LEARNED_PART, read_archive
from fusionser.errors import ModelFileError, SettingsError
from fusionser.facts import Stamp
from fusionser.networks.layers import Network
from fusionser.networks.weights import check_tensors

__all__ = ["InitialWeights", "load_initial_weights", "named_weights", "weights_stamp"]

RELEARNED = ("preparation.", "temperature")
"""Beginnings of the names of what training sets by its own rows."""

READ_FILES = 4


@dataclass(frozen=True)
class InitialWeights:
    """A trained network of a model file.

    Parameters
    ----------
    name : str
        Name of the file.
    content : bytes
        The network as a safetensors file.
    settings : mapping of str
        Settings of the network, as the model has them.
    corpus, licence : str
        What the model was trained on.
    """

    name: str
    content: bytes
    settings: Mapping[str, Any]
    corpus: str
    licence: str


def load_initial_weights(
    path: str, kind: str, front_end: Mapping[str, Any], build: Callable[[int], Network]
) -> dict[str, Tensor]:
    """Return the tensors of the network in a model file that a new network of the same kind can begin with.

    The output layer is left out, since its classes may be others. So are the standardisation of the inputs and the
    temperature, which training learns from its own rows.

    Parameters
    ----------
    path : str
        Model file.
    kind : str
        Kind of the network, such as ``conv2d``.
    front_end : mapping of str
        Settings of the new network's front end, which must be those of the trained one.
    build : callable
        Builds the new network for a number of outputs.

    Returns
    -------
    dict of str to Tensor

    Raises
    ------
    SettingsError
        If the file cannot be read, or its network has another kind, other inputs or other layers.
    """
    given = _of_kind(path, kind)
    if given.settings.get("front_end") != dict(front_end):
        raise SettingsError(
            f"--weights: {kind} of {given.name} has other inputs than the network to train "
            f"({_difference(given.settings.get('front_end'), front_end)}); use the settings of that model, or another"
        )
    with torch.device("meta"):
        shapes, others = ({name: value.shape for name, value in build(size).state_dict().items()} for size in (2, 3))
        wanted = build(2).state_dict()
    kept = [name for name in wanted if shapes[name] == others[name] and not name.startswith(RELEARNED)]
    try:
        tensors = load(given.content)
        _check_names(tensors, wanted, kept)
        found = {name: tensors[name] for name in kept}
        check_tensors(
            {**found, "temperature": tensors["temperature"]},
            {**{name: wanted[name] for name in kept}, "temperature": wanted["temperature"]},
        )
    except Exception as error:
        # safetensors raises different errors for different kinds of damage.
        raise SettingsError(
            f"--weights: {kind} of {given.name} cannot be used ({error}); expected a network with the same layers "
            "as the one to train"
        ) from error
    return found


def _check_names(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], kept: Sequence[str]) -> None:
    """Raise `ValueError` if a weight is missing, or belongs to a layer that the new network does not have."""
    missing = [name for name in (*kept, "temperature") if name not in tensors]
    unknown = [name for name in tensors if name not in wanted and not name.startswith(RELEARNED)]
    if missing or unknown:
        what = f"it has no '{missing[0]}'" if missing else f"it has '{unknown[0]}', which the network to train lacks"
        raise ValueError(what)


def named_weights(path: str) -> str:
    """Return name and hash of a file of weights, or `path` unchanged if there is no such file, as in a saved model."""
    file = Path(path)
    if not file.is_file():
        return path
    status = file.stat()
    return f"{file.name}, sha256 {_hash(file, status.st_size, status.st_mtime_ns)}"


def weights_stamp(path: str, kind: str) -> Stamp:
    """Return what results with a network that began with the weights of a model must say.

    Parameters
    ----------
    path : str
        The model file, or what `named_weights` returned for it: then its corpus is not known any more.
    kind : str

    Raises
    ------
    SettingsError
        If the file cannot be read, or has no network of this kind.
    """
    on, licence = "recordings that are not named", "unknown"
    if Path(path).is_file() or ", sha256 " not in path:
        given = _of_kind(path, kind)
        on, licence = given.corpus, given.licence
    return Stamp(kind="pretrained", value={"what": f"{kind} ({named_weights(path)})", "on": on, "licence": licence})


def _of_kind(path: str, kind: str) -> InitialWeights:
    networks = _networks(path)
    if kind not in networks:
        raise SettingsError(
            f"--weights: {path} has no network {kind}; it has {', '.join(sorted(networks)) or 'none'}. Fit a model "
            f"with {kind} first, such as 'fusionser fit FOLDER --network {kind} --out {kind}.fusionser'"
        )
    return networks[kind]


def _networks(path: str) -> dict[str, InitialWeights]:
    """Return the networks of a model file by kind; of two of a kind, the first."""
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return _read(path, 0, 0)
    return _read(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=READ_FILES)
def _read(path: str, size: int, changed: int) -> dict[str, InitialWeights]:
    try:
        manifest, members = read_archive(path)
        card = manifest["card"]
        found: dict[str, InitialWeights] = {}
        for described in card["features"]:
            settings = dict(described)
            kind, name = str(settings["kind"]), str(settings.get("name", settings["kind"]))
            if f"{LEARNED_PART}{name}" in members and "front_end" in settings and "epochs" in settings:
                heard, licences = _heard(card, kind)
                one = InitialWeights(Path(path).name, members[f"{LEARNED_PART}{name}"], settings, heard, licences)
                found.setdefault(kind, one)
        return found
    except ModelFileError as error:
        raise SettingsError(f"--weights: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SettingsError(f"--weights: {path}: its card was not written by fusionser ({error!r})") from error


def _heard(card: Mapping[str, Any], kind: str) -> tuple[str, str]:
    """Return what a network was trained on and under which licences, with what it started from in its turn.

    Raises
    ------
    ValueError
        If the card, which may be a stranger's, has no text there.
    """
    begun = [note["value"] for note in card.get("notes", []) if note.get("kind") == "pretrained"]
    begun = [value for value in begun if str(value["what"]).startswith(f"{kind} (")]
    own = list(card.get("licences", {}).values()) or ["unknown"]
    heard = [card["corpus"], *(value["on"] for value in begun)]
    licences = [*own, *(value["licence"] for value in begun)]
    for text in (*heard, *licences):
        if not isinstance(text, str) or not text.strip() or not text.isprintable():
            raise ValueError(f"{text!r} where the name of a corpus or of a licence is expected")
    names = (name for text in heard for name in text.split(", "))
    return ", ".join(dict.fromkeys(names)), "; ".join(dict.fromkeys(licences))


def _difference(given: Any, own: Mapping[str, Any]) -> str:
    """Return the first setting that differs, as text."""
    given = given if isinstance(given, Mapping) else {}
    for name in [*own, *given]:
        if given.get(name) != own.get(name):
            return f"{name} {given.get(name)!r}, not {own.get(name)!r}"
    return "in their order"


@lru_cache(maxsize=READ_FILES)
def _hash(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
