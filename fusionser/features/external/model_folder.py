"""Folders of pretrained models of the transformers library: found, checked and described, without running code."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from fusionser.errors import SettingsError, unknown_name
from fusionser.features.external.weights import hash_of_files
from fusionser.files import parse_json
from fusionser.optional import optional_package

__all__ = [
    "MODELS_VARIABLE",
    "MODEL_TYPES",
    "ModelFolder",
    "downloads_allowed",
    "find_model",
    "first_line",
    "settings_of",
]

USER = "the block 'transformers'"
EXTRA = "transformers"
MODELS_VARIABLE = "FUSIONSER_MODELS"
"""Environment variable with a folder of models, which is searched before the cache of the Hugging Face hub."""

MODEL_TYPES: Mapping[str, str] = {
    "wav2vec2": "Wav2Vec2Model",
    "hubert": "HubertModel",
    "wavlm": "WavLMModel",
    "data2vec-audio": "Data2VecAudioModel",
    "whisper": "WhisperModel",
}
"""Class of transformers by the value of ``model_type`` in a configuration."""

FETCHED = ("config.json", "preprocessor_config.json", "README.md", "*.safetensors", "*.safetensors.index.json")
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
"""The file of weights, and, where there are several, the one that says which weights are in which."""

LONGEST_REASON = 200
"""Letters of the message of another package that are told."""

ADAPTER = "adapter_config.json"
"""File that makes transformers load another model, and change it."""

MOST_LAYERS, WIDEST = 256, 65_536

PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle")

_DOWNLOADS = ContextVar("downloads", default=False)


@contextmanager
def downloads_allowed(allowed: bool = True) -> Iterator[None]:
    """Fetch models that are not on this machine from the Hugging Face hub, which else is an error.

    Parameters
    ----------
    allowed : bool, default=True
    """
    token = _DOWNLOADS.set(allowed)
    try:
        yield
    finally:
        _DOWNLOADS.reset(token)


@dataclass(frozen=True)
class ModelFolder:
    """A folder with a pretrained model.

    Parameters
    ----------
    path : Path
    name : str
        Of the model on the hub, or of the folder.
    model_type : str
        A key of `MODEL_TYPES`.
    width : int
        Number of units in the outputs of a layer.
    layers : int
        Number of layers; layer 0, the input of the first one, comes in addition.
    """

    path: Path
    name: str
    model_type: str
    width: int
    layers: int

    def weights(self) -> str:
        """Return a hash of the configuration and the weights.

        Raises
        ------
        SettingsError
            If a file cannot be read.
        """
        settings = [file for name in (*FETCHED[:2], INDEX) if (file := self.path / name).is_file()]
        try:
            return hash_of_files([*settings, *self.weight_files()])
        except OSError as error:
            raise SettingsError(f"{error.filename}: cannot be read ({error.strerror}); get the model again") from error

    def weight_files(self) -> list[Path]:
        """Return the files of weights that are read."""
        return _weight_files(self.path)

    def described(self) -> dict[str, str]:
        """Return the name, what the model was trained on, and its licence, as far as its README says so."""
        known = _metadata(self.path / "README.md")
        datasets = known.get("datasets")
        on = ", ".join(map(str, datasets)) if isinstance(datasets, list) else str(datasets or "unknown recordings")
        return {"what": self.name, "on": on, "licence": str(known.get("license") or "unknown")}


def _metadata(readme: Path) -> dict[str, Any]:
    """Return the metadata at the head of a README; none if there are none that can be read."""
    if not readme.is_file():
        return {}
    hub = optional_package("huggingface_hub", EXTRA, USER)
    try:
        found = hub.metadata_load(readme)
    except Exception:
        # The text is a stranger's; that it says nothing is stated as "unknown".
        return {}
    return found if isinstance(found, dict) else {}


@lru_cache(maxsize=16)
def _checked(path: Path, changed: int, name: str) -> ModelFolder:
    config = settings_of(path)
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in MODEL_TYPES:
        raise unknown_name(f"model_type in {path / 'config.json'}", str(kind), MODEL_TYPES)
    if config.get("auto_map"):
        raise SettingsError(f"{path}: the model brings code of its own (auto_map), which is not run; use another model")
    if (path / ADAPTER).exists():
        raise SettingsError(f"{path}: has {ADAPTER}, which changes another model; expected the folder of a whole model")
    if not _weight_files(path):
        pickles = sorted(file.name for pattern in PICKLES for file in path.glob(pattern))
        found = f"only {', '.join(pickles)}, which may contain code and is never read" if pickles else "none"
        raise SettingsError(
            f"{path}: expected weights in {WEIGHTS}, and there are {found}; save the model again with "
            "save_pretrained(folder), which writes them, in an environment that you trust"
        )
    names = ("d_model", "encoder_layers") if kind == "whisper" else ("hidden_size", "num_hidden_layers")
    width, layers = (config.get(key) for key in names)
    for key, number, most in zip(names, (width, layers), (WIDEST, MOST_LAYERS), strict=True):
        if not isinstance(number, int) or not 0 < number <= most:
            raise SettingsError(
                f"{path / 'config.json'}: {key} is {number!r}; expected a whole number from 1 to {most}"
            )
    return ModelFolder(path, name, str(kind), int(width or 0), int(layers or 0))


def settings_of(path: Path, name: str = "config.json") -> dict[str, Any]:
    """Return the settings in a JSON file of the folder of a model.

    Parameters
    ----------
    path : Path
        The folder.
    name : str, default="config.json"

    Raises
    ------
    SettingsError
        If the file is missing, or no such file.
    """
    file = path / name
    if not file.exists():
        raise SettingsError(f"{path}: has no {name}; expected the folder of a model of transformers")
    if not file.is_file():
        raise SettingsError(f"{file}: expected a file; get the model again")
    try:
        config = parse_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"{file}: cannot be read ({error}); get the model again") from error
    if not isinstance(config, dict):
        raise SettingsError(f"{file}: expected an object; get the model again")
    return config


def _weight_files(path: Path) -> list[Path]:
    """Return the files that transformers reads the weights from; none if there are none.

    An index may name files of any kind anywhere, so those that it names are checked.
    """
    if (path / WEIGHTS).exists():
        names = [WEIGHTS]
    elif (path / INDEX).exists():
        given = settings_of(path, INDEX).get("weight_map")
        names = sorted({str(name) for name in given.values()}) if isinstance(given, dict) else []
        if wrong := [name for name in names if Path(name).name != name or not name.endswith(".safetensors")]:
            raise SettingsError(
                f"{path / INDEX}: names the file '{wrong[0]}'; expected .safetensors files of the same folder, since "
                "others may contain code"
            )
    else:
        return []
    if absent := [name for name in names if not (path / name).is_file()]:
        raise SettingsError(f"{path / absent[0]}: expected a file of weights; get the model again")
    return [path / name for name in names]


def find_model(model: str) -> ModelFolder:
    """Return the folder of a model, after checks that need no package.

    Parameters
    ----------
    model : str
        A folder, a name in the folder that the environment variable ``FUSIONSER_MODELS`` names, or a name on the
        Hugging Face hub, such as ``microsoft/wavlm-base-plus``.

    Raises
    ------
    SettingsError
        If there is no such model here and downloads are not allowed, or it cannot be used.
    """
    if not isinstance(model, str) or not model:
        raise SettingsError(
            f"model of {USER} is {model!r}; expected a folder, or a name on the Hugging Face hub, such as "
            "transformers[model=microsoft/wavlm-base-plus]"
        )
    own = os.environ.get(MODELS_VARIABLE)
    for path in (Path(model), *([Path(own) / model] if own else [])):
        if path.is_dir():
            return _checked(path, _changed(path), path.resolve().name)
    path = _from_hub(model)
    return _checked(path, _changed(path), model)


def _changed(folder: Path) -> int:
    """Return a number that differs after files of a folder have changed."""
    return hash(tuple(sorted((file.name, file.stat().st_mtime_ns) for file in folder.iterdir() if file.is_file())))


def _from_hub(model: str) -> Path:
    """Return the folder of a model in the cache of the hub; fetch it if that is allowed."""
    hub = optional_package("huggingface_hub", EXTRA, USER)
    allowed = _DOWNLOADS.get()
    try:
        return Path(hub.snapshot_download(model, allow_patterns=list(FETCHED), local_files_only=not allowed))
    except Exception as error:
        # The hub's package has many errors of its own, and passes on those of the network.
        if type(error).__name__ == "GatedRepoError":
            raise SettingsError(
                f"the model '{model}' is gated: accept its conditions on its page on huggingface.co, and sign in with "
                "'hf auth login'"
            ) from error
        if allowed:
            raise SettingsError(f"the model '{model}' cannot be downloaded: {first_line(error)}") from error
        raise SettingsError(
            f"there is no model '{model}' here: no such folder, also not in ${MODELS_VARIABLE}, and nothing "
            "of that name in the cache of the Hugging Face hub. Give a folder, or --download to fetch it"
        ) from error


def first_line(error: Exception) -> str:
    """Return the first line of the message of an error, or its name."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:LONGEST_REASON]
