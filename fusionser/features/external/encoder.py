"""Outputs of all layers of a pretrained speech encoder, computed by the transformers library."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from fusionser.features.external.base import SPEECH_RATE
from fusionser.features.external.encoder_loading import inputs_of, layer_outputs, loaded_encoder, preparation_of
from fusionser.features.external.model_folder import ModelFolder
from fusionser.samples import Waveform

__all__ = ["FRAME_RATE", "LONGEST", "SHORTEST", "Encoder", "encoder_of", "pieces"]

LONGEST = 30 * SPEECH_RATE
"""Samples of a piece. Longer clips are cut into pieces, because attention takes memory by the square of the length."""

SHORTEST = 400
"""Samples of a frame of the models of raw waveforms."""

FRAME_RATE = 50
"""Frames per second of all these encoders."""

Moments = tuple[int, npt.NDArray[np.float64], npt.NDArray[np.float64]]
"""Number of frames, and sum and sum of squares of the outputs, shape (n_layers + 1, width)."""


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
        model = loaded_encoder(folder, self._prepare)
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
        values = inputs_of(self._folder, self._prepare, list(parts)).to(self._device, self._dtype)
        states = layer_outputs(self._folder, self._model, values)
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
