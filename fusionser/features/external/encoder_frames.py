"""Frames of a pretrained speech encoder, as the input of a network."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from fusionser.audio import ClipSettings
from fusionser.checks import check_range
from fusionser.errors import SettingsError
from fusionser.features.clip import Array, Clip
from fusionser.features.external.encoder import FRAME_RATE, SHORTEST
from fusionser.features.external.transformers import AVERAGE, EncoderParameters, check_layer
from fusionser.features.maps import FrontEnd

__all__ = ["EncoderFrames"]

LONGEST_CLIP = 30.0
"""Seconds of a clip that are used at most."""


@dataclass(kw_only=True, eq=False, repr=False)
class EncoderFrames(EncoderParameters, FrontEnd):
    """Outputs of a pretrained speech encoder for every frame, 50 a second. Frames after the end of a clip are zeros.

    Parameters
    ----------
    layer : int or "mean", default="mean"
        As in `Transformers`.
    duration : float, default=4.0
        Seconds of a clip that are used, more than 0 to 30. Shorter clips are not padded before they are encoded, since
        that would change their outputs.

    Examples
    --------
    >>> EncoderFrames(duration=60.0).check()
    Traceback (most recent call last):
    ...
    fusionser.errors.SettingsError: duration is 60.0; expected 0.1 to 30.0
    """

    kind: ClassVar[str] = "encoder-frames"
    layer: int | str = AVERAGE
    duration: float | None = 4.0

    def check(self) -> None:
        """Raise `SettingsError` if a parameter is out of range, or the model cannot be used."""
        if self.duration is None:
            raise SettingsError("duration is None; expected a number of seconds, so that all arrays have the same size")
        check_range("duration", self.duration, 0.1, LONGEST_CLIP)
        super().check()
        check_layer(self.layer, self.folder())

    def clip_settings(self) -> ClipSettings:
        """Return the settings of the clip, which is not padded."""
        return replace(super().clip_settings(), duration=None)

    def array_shape(self) -> tuple[int, ...]:
        """Return the numbers of frames and of units."""
        return (self.n_frames, self.folder().width)

    @property
    def n_frames(self) -> int:
        """Number of frames of every clip."""
        return round((self.duration or 0) * FRAME_RATE)

    def compute(self, clip: Clip) -> Array:
        """Return the frames of one clip, shape (n_frames, width)."""
        return self.compute_batch([clip], "cpu")[0]

    def compute_batch(self, clips: Sequence[Clip], device: str) -> Sequence[Array]:
        """Return the frames of several clips."""
        return [self._frames(clip, device) for clip in clips]

    def _frames(self, clip: Clip, device: str) -> Array:
        most = round((self.duration or 0) * self.sampling_rate)
        layers = self.encoder(device).frames(clip.waveform(self.clip_settings(), SHORTEST)[: max(most, SHORTEST)])
        frames = layers.mean(axis=0) if self.layer == AVERAGE else layers[int(self.layer)]
        if len(frames) > self.n_frames + 1:
            raise SettingsError(
                f"{self.model}: gives {len(frames)} frames for {self.duration} s; expected {FRAME_RATE} a second, as "
                "the encoders of speech give"
            )
        result = np.zeros(self.array_shape(), dtype=np.float32)
        kept = frames[: self.n_frames]
        result[: len(kept)] = kept
        return result
