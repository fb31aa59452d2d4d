"""The base of blocks whose columns another program or a pretrained network computes."""

from dataclasses import dataclass
from typing import Any, ClassVar

from fusionser.features.base import FeatureBlock
from fusionser.features.clip import Clip
from fusionser.features.framing import PartParameters
from fusionser.samples import Waveform

__all__ = ["SPEECH_RATE", "ExternalBlock"]

SPEECH_RATE = 16000
"""Sampling rate in Hz that pretrained networks of speech expect, and that openSMILE's sets are described for."""


@dataclass(kw_only=True, eq=False, repr=False)
class ExternalBlock(PartParameters, FeatureBlock):
    """A block that passes the samples of a clip, at 16 kHz, to a package.

    Subclasses define `names`, `compute`, `made_with` (what else decides the numbers: versions and weights) and
    `stamps` (what a reader of a result must know: the licence, what a network was trained on).
    """

    sampling_rate: ClassVar[int] = SPEECH_RATE

    def speech(self, clip: Clip, shortest: int = 1) -> Waveform:
        """Return the samples of a clip at 16 kHz. `shortest` is the least number of samples that can be used."""
        return clip.waveform(self.clip_settings(), shortest)

    def made_with(self) -> dict[str, Any]:
        """Return what decides the numbers besides the settings."""
        raise NotImplementedError
