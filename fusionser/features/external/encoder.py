"""Outputs of all layers of a pretrained speech encoder, computed by the transformers library."""

import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from fusionser.errors import SettingsError
from fusionser.features.external.base import SPEECH_RATE
from fusionser.features.external.model_folder import EXTRA, MODEL_TYPES, USER, ModelFolder
from fusionser.optional import optional_package
from fusionser.samples import Waveform

__all__ = ["FRAME_RATE", "LONGEST", "SHORTEST", "Encoder", "encoder_of", "loaded_encoder", "pieces", "preparation_of"]

LONGEST = 30 * SPEECH_RATE
"""Samples of a piece. Longer clips are cut into pieces, because attention takes memory by the square of the length."""

SHORTEST = 400
"""Samples of a frame of the models of raw waveforms."""

UNUSED = ("masked_spec_embed", "decoder.")
"""Weights that only training or transcription uses, and that some files lack."""

FRAME_RATE = 50
"""Frames per second of all these encoders."""

Moments = tuple[int, npt.NDArray[np.float64], npt.NDArray[np.float64]]
"""Number of frames, and sum and sum of squares of the outputs, shape (n_layers + 1, width)."""


def preparation_of(folder: ModelFolder) -> Any:
    """Return what prepares waveforms for an encoder: a feature extractor of transformers.

    Raises
    ------
    SettingsError
        If it cannot be used, or is for another rate.
    """
    library = optional_package("transformers", EXTRA, USER)
    kind = "WhisperFeatureExtractor" if folder.model_type == "whisper" else "Wav2Vec2FeatureExtractor"
    front = getattr(library, kind)
    described = (folder.path / "preprocessor_config.json").is_file()
    try:
        made = front.from_pretrained(folder.path, local_files_only=True) if described else front()
    except Exception as error:
        raise SettingsError(f"{folder.path}: preprocessor_config.json cannot be used ({error})") from error
    if made.sampling_rate != SPEECH_RATE:
        raise SettingsError(f"{folder.path}: is for {made.sampling_rate} Hz; expected {SPEECH_RATE} Hz")
    return made


def loaded_encoder(folder: ModelFolder) -> Any:
    """Return an encoder of transformers with its pretrained weights.

    Raises
    ------
    SettingsError
        If the weights cannot be read, or some are missing.
    """
    library, path = optional_package("transformers", EXTRA, USER), folder.path
    kind = getattr(library, MODEL_TYPES[folder.model_type])
    library.utils.logging.set_verbosity_error()
    library.utils.logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model, found = kind.from_pretrained(
                path, local_files_only=True, use_safetensors=True, trust_remote_code=False, output_loading_info=True
            )
    except Exception as error:
        # A damaged or foreign file may fail in any way; nothing in it is run.
        raise SettingsError(
            f"{path}: the weights cannot be read ({type(error).__name__}: {str(error).splitlines()[:1]}); get the "
            "model again"
        ) from error
    lacking = [name for name in found["missing_keys"] if not any(unused in name for unused in UNUSED)]
    wrong = [*lacking, *(str(entry) for entry in found.get("mismatched_keys", ()))]
    if wrong:
        raise SettingsError(
            f"{path}: lacks {len(wrong)} weights of a {folder.model_type} model, such as {wrong[0]}, which "
            "would be random; get the model again"
        )
    return model


class Encoder:
    """A pretrained encoder on a device.

    Parameters
    ----------
    folder : ModelFolder
    precision : str
        Name of a torch dtype.
    device : str
        Name of a torch device.
    """

    def __init__(self, folder: ModelFolder, precision: str, device: str) -> None:
        import torch

        self._folder, self._device, self._dtype = folder, device, getattr(torch, precision)
        self._prepare = preparation_of(folder)
        model = loaded_encoder(folder)
        self._whisper = folder.model_type == "whisper"
        self._model = (model.get_encoder() if self._whisper else model).to(device=device, dtype=self._dtype).eval()

    def moments(self, clips: Sequence[Waveform]) -> list[Moments]:
        """Return the moments of the outputs of every layer over the frames of each clip.

        Clips of one length are computed together. Others are not, because what pads a clip changes its outputs.

        Parameters
        ----------
        clips : sequence of ndarray of shape (n_samples,)
            At 16 kHz.
        """
        placed = [(place, piece) for place, clip in enumerate(clips) for piece in pieces(clip)]
        by_length: dict[int, list[tuple[int, Waveform]]] = {}
        for place, piece in placed:
            by_length.setdefault(piece.size, []).append((place, piece))
        shape = (self._folder.layers + 1, self._folder.width)
        counts = [0] * len(clips)
        sums, squares = ([np.zeros(shape) for _ in clips] for _ in range(2))
        for group in by_length.values():
            outputs = self._outputs([piece for _, piece in group])
            for (place, _), output in zip(group, outputs, strict=True):
                counts[place] += output.shape[1]
                sums[place] += output.sum(axis=1)
                squares[place] += np.square(output).sum(axis=1)
        return list(zip(counts, sums, squares, strict=True))

    def frames(self, clip: Waveform) -> npt.NDArray[np.float64]:
        """Return the outputs of every layer for one clip at 16 kHz, shape (n_layers + 1, n_frames, width)."""
        return np.concatenate([self._outputs([piece])[0] for piece in pieces(clip)], axis=1)

    def _outputs(self, parts: Sequence[Waveform]) -> npt.NDArray[np.float64]:
        """Return outputs of all layers for parts of one length, shape (n_parts, n_layers + 1, n_frames, n_units)."""
        import torch

        given = self._prepare([np.asarray(part) for part in parts], sampling_rate=SPEECH_RATE, return_tensors="pt")
        values = given["input_features" if self._whisper else "input_values"].to(self._device, self._dtype)
        with torch.inference_mode():
            states = torch.stack(self._model(values, output_hidden_states=True).hidden_states, dim=1)
        if self._whisper:
            # It pads its input to 30 s; a frame of its outputs stands for 20 ms.
            states = states[:, :, : max(1, -(-parts[0].size * FRAME_RATE // SPEECH_RATE))]
        outputs: npt.NDArray[np.float64] = states.double().cpu().numpy()
        return outputs


def pieces(clip: Waveform) -> list[Waveform]:
    """Return a clip in pieces of about equal length, of at most `LONGEST` samples."""
    count = -(-clip.size // LONGEST)
    return list(np.array_split(clip, count)) if count > 1 else [clip]


@lru_cache(maxsize=2)
def encoder_of(folder: ModelFolder, weights: str, precision: str, device: str) -> Encoder:
    """Return an encoder, which stays in memory. `weights` is their hash, so that changed ones are read again."""
    return Encoder(folder, precision, device)
