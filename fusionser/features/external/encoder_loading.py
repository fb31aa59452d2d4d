"""Load a pretrained speech encoder of a stranger's folder: its settings, what prepares its input, and its weights."""

import json
import math
import warnings
from typing import Any

import numpy as np

from fusionser.errors import SettingsError
from fusionser.features.external.base import SPEECH_RATE
from fusionser.features.external.model_folder import EXTRA, MODEL_TYPES, USER, ModelFolder, first_line, settings_of
from fusionser.optional import optional_package

__all__ = ["config_of", "inputs_of", "layer_outputs", "loaded_encoder", "preparation_of"]

UNUSED = ("masked_spec_embed", "decoder.")
"""Weights that only training or transcription uses, and that some files lack."""

DROPPED_SETTINGS = (
    "attn_implementation",
    "_attn_implementation",
    "_attn_implementation_internal",
    "auto_map",
    "quantization_config",
    "return_dict",
    "torchscript",
)
"""Settings that say which code runs the model, or in which form it answers. Those of a stranger are not used."""

MOST_OF_FILE = 4
"""Factor by which a model may have more numbers than its files: some files lack a decoder, which is not used."""

PREPARATION = {
    "feature_size": 1024,
    "chunk_length": 60,
    "n_fft": 16384,
    "hop_length": 16384,
    "n_samples": 60 * SPEECH_RATE,
}
"""Largest values of settings of what prepares waveforms; others would compute for hours."""


def config_of(folder: ModelFolder) -> Any:
    """Return the settings of a model as an object of transformers, without those that choose code.

    Raises
    ------
    SettingsError
        If they are none of such a model.
    """
    library = optional_package("transformers", EXTRA, USER)
    kind = getattr(library, MODEL_TYPES[folder.model_type])
    given = {name: value for name, value in settings_of(folder.path).items() if name not in DROPPED_SETTINGS}
    try:
        return kind.config_class.from_dict(given)
    except Exception as error:
        raise SettingsError(
            f"{folder.path / 'config.json'}: no settings of a {folder.model_type} model ({first_line(error)}); get the "
            "model again"
        ) from error


def preparation_of(folder: ModelFolder) -> Any:
    """Return what prepares waveforms for an encoder: a feature extractor of transformers.

    Raises
    ------
    SettingsError
        If it cannot be used, or is for another rate.
    """
    library = optional_package("transformers", EXTRA, USER)
    kind = "WhisperFeatureExtractor" if folder.model_type == "whisper" else "Wav2Vec2FeatureExtractor"
    front, file = getattr(library, kind), folder.path / "preprocessor_config.json"
    given = settings_of(folder.path, file.name) if file.is_file() else {}
    for name, most in PREPARATION.items():
        value = given.get(name, 1)
        if not isinstance(value, int) or not 1 <= value <= most:
            raise SettingsError(f"{file}: {name} is {value!r}; expected a whole number from 1 to {most}")
    if (rate := given.get("sampling_rate", SPEECH_RATE)) != SPEECH_RATE:
        raise SettingsError(f"{file}: sampling_rate is {rate!r}; expected {SPEECH_RATE}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return front.from_dict(given)
    except Exception as error:
        raise SettingsError(f"{file}: cannot be used ({first_line(error)}); get the model again") from error


def loaded_encoder(folder: ModelFolder, prepare: Any = None) -> Any:
    """Return an encoder of transformers with its pretrained weights, after it has answered a second of noise.

    Parameters
    ----------
    folder : ModelFolder
    prepare : object, optional
        What `preparation_of` returns for the folder.

    Raises
    ------
    SettingsError
        If the weights cannot be read, are missing or too many, or do not fit the settings.
    """
    library, config = optional_package("transformers", EXTRA, USER), config_of(folder)
    kind = getattr(library, MODEL_TYPES[folder.model_type])
    library.utils.logging.set_verbosity_error()
    library.utils.logging.disable_progress_bar()
    _check_size(folder, kind, config)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model, found = kind.from_pretrained(
                folder.path,
                config=config,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except Exception as error:
        # A damaged or foreign file may fail in any way; nothing in it is run.
        raise SettingsError(
            f"{folder.path}: the weights cannot be read, or do not fit config.json ({first_line(error)}); get the "
            "model again"
        ) from error
    _check_found(folder, found)
    model = model.float().eval()
    _check_answer(folder, model, prepare or preparation_of(folder))
    return model


def _check_size(folder: ModelFolder, kind: Any, config: Any) -> None:
    """Raise `SettingsError` if the settings are of a model far larger than its files, before it is built."""
    import torch

    stored = sum(_numbers_in(file) for file in folder.weight_files())
    try:
        with torch.device("meta"):
            wanted = sum(one.numel() for one in kind(config).parameters())
    except Exception as error:
        raise SettingsError(
            f"{folder.path / 'config.json'}: no model can be built from it ({first_line(error)}); get the model again"
        ) from error
    if wanted > MOST_OF_FILE * stored:
        raise SettingsError(
            f"{folder.path / 'config.json'}: describes a model of {wanted} numbers, and its files have {stored}; get "
            "the model again"
        )


def _numbers_in(file: Any) -> int:
    """Return how many numbers a safetensors file has, by its header."""
    try:
        with file.open("rb") as opened:
            size = int.from_bytes(opened.read(8), "little")
            if size > file.stat().st_size:
                raise ValueError("its header is longer than the file")
            header = json.loads(opened.read(size))
        return sum(math.prod(map(int, one["shape"])) for name, one in header.items() if name != "__metadata__")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise SettingsError(f"{file}: cannot be read as safetensors ({error}); get the model again") from error


def _check_found(folder: ModelFolder, found: Any) -> None:
    """Raise `SettingsError` if weights are missing, have other sizes, or are of layers that the settings lack."""
    lacking = [name for name in found["missing_keys"] if not any(unused in name for unused in UNUSED)]
    wrong = [*lacking, *(str(entry) for entry in found.get("mismatched_keys", ()))]
    if wrong:
        raise SettingsError(
            f"{folder.path}: lacks {len(wrong)} weights of a {folder.model_type} model, such as {wrong[0]}, which "
            "would be random; get the model again"
        )
    if more := sorted(name for name in found["unexpected_keys"] if "layers." in name):
        raise SettingsError(
            f"{folder.path}: has weights of layers that config.json does not describe, such as {more[0]}; get the "
            "model again"
        )


def inputs_of(folder: ModelFolder, prepare: Any, parts: list[Any]) -> Any:
    """Return the input of an encoder for waveforms of one length, a tensor."""
    given = prepare([np.asarray(part) for part in parts], sampling_rate=SPEECH_RATE, return_tensors="pt")
    return given["input_features" if folder.model_type == "whisper" else "input_values"]


def layer_outputs(folder: ModelFolder, encoder: Any, values: Any) -> Any:
    """Return the outputs of all layers, shape (n_parts, n_layers + 1, n_frames, n_units), as a tensor.

    Raises
    ------
    SettingsError
        If the encoder cannot compute them.
    """
    import torch

    try:
        with torch.inference_mode():
            found = encoder(values, output_hidden_states=True, return_dict=True)
            return torch.stack(found.hidden_states, dim=1)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise SettingsError(
            f"{folder.path}: the encoder cannot compute its layers ({first_line(error)}); config.json or "
            "preprocessor_config.json does not fit the weights, so get the model again"
        ) from error


def _check_answer(folder: ModelFolder, model: Any, prepare: Any) -> None:
    """Raise `SettingsError` unless the model gives numbers for each of its layers, for a second of noise."""
    noise = 0.1 * np.random.default_rng(0).normal(size=SPEECH_RATE).astype(np.float32)
    encoder = model.get_encoder() if folder.model_type == "whisper" else model
    try:
        values = inputs_of(folder, prepare, [noise])
    except Exception as error:
        raise SettingsError(
            f"{folder.path / 'preprocessor_config.json'}: cannot prepare a waveform ({first_line(error)}); get the "
            "model again"
        ) from error
    outputs = layer_outputs(folder, encoder, values)
    if (outputs.shape[1], outputs.shape[3]) != (folder.layers + 1, folder.width):
        raise SettingsError(
            f"{folder.path}: gives {outputs.shape[1] - 1} layers of {outputs.shape[3]} units; expected {folder.layers} "
            f"of {folder.width}, as config.json says"
        )
    if not bool(outputs.isfinite().all()):
        raise SettingsError(
            f"{folder.path}: its outputs are not finite numbers, so its weights are damaged; get the model again"
        )
