"""Waveforms as a pretrained speech encoder expects them, as the input of a network that trains the encoder."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from fusionser.audio import ClipSettings
from fusionser.checks import check_range
from fusionser.errors import SettingsError
from fusionser.features.clip import Array, Clip
from fusionser.features.external.encoder import SHORTEST
from fusionser.features.external.encoder_frames import LONGEST_CLIP
from fusionser.features.external.encoder_loading import preparation_of
from fusionser.features.external.model_folder import ModelFolder
from fusionser.features.external.transformers import OfEncoder
from fusionser.features.maps import FrontEnd

__all__ = ["EncoderWaveform"]


@dataclass(kw_only=True, eq=False, repr=False)
class EncoderWaveform(OfEncoder, FrontEnd):
    """The waveform at 16 kHz, prepared as for the pretrained encoder. Samples after the end of a clip are zeros.

    For encoders of raw waveforms: wav2vec 2.0, HuBERT, WavLM and data2vec.

    Parameters
    ----------
    duration : float, default=4.0
        Seconds of a clip that are used, 0.1 to 30.

    Examples
    --------
    >>> EncoderWaveform(duration=2.0).array_shape()
    (32000,)
    """

    kind: ClassVar[str] = "encoder-waveform"
    duration: float | None = 4.0

    def check(self) -> None:
        """Raise `SettingsError` if a parameter is out of range, or the model cannot be used."""
        if self.duration is None:
            raise SettingsError("duration is None; expected a number of seconds, so that all arrays have the same size")
        check_range("duration", self.duration, 0.1, LONGEST_CLIP)
        super().check()
        if self.folder().model_type == "whisper":
            raise SettingsError(
                f"{self.model}: the encoder of Whisper reads spectra; expected wav2vec 2.0, HuBERT, WavLM or data2vec"
            )

    def clip_settings(self) -> ClipSettings:
        """Return the settings of the clip, which is padded only after it was standardised."""
        return replace(super().clip_settings(), duration=None)

    def array_shape(self) -> tuple[int, ...]:
        """Return the number of samples."""
        return (round((self.duration or 0) * self.sampling_rate),)

    def compute(self, clip: Clip) -> Array:
        """Return the samples of one clip."""
        folder, result = self.folder(), np.zeros(self.array_shape(), dtype=np.float32)
        samples = clip.waveform(self.clip_settings(), SHORTEST)[: result.size]
        prepare = _preparation(folder, folder.weights())
        given = prepare(np.asarray(samples), sampling_rate=self.sampling_rate, return_tensors="np")
        result[: samples.size] = given["input_values"][0]
        return result


@lru_cache(maxsize=2)
def _preparation(folder: ModelFolder, weights: str) -> Any:
    """Return what prepares waveforms. `weights` is the hash of the model, so that changed settings are read again."""
    return preparation_of(folder)
