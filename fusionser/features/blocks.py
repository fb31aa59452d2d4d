"""The handcrafted feature blocks, each a transformer of its own.

Every block takes, beside its own parameters, those of the clip and its frames (`ClipComputation`:
`sampling_rate`, `offset`, `duration`, `trim`, `denoise`, `n_fft`, `hop_length`), and blocks of series take
`statistics` and `deltas` (`FrameFeature`). Inside a `FeatureExtractor` the blocks of equal settings share one
transform of the clip; separate blocks in a ``make_union`` each transform it, and share through the cache alone.
"""

from collections.abc import Mapping
from types import MappingProxyType

from fusionser.features.base import FeatureBlock
from fusionser.features.clip_blocks import Gender, Pitch, SignalStatistics
from fusionser.features.frame_blocks import (
    MFCC,
    RMS,
    Chroma,
    MelSpectrogram,
    SpectralContrast,
    SpectralShape,
    ZeroCrossingRate,
)

__all__ = [
    "BLOCKS",
    "MFCC",
    "RMS",
    "Chroma",
    "Gender",
    "MelSpectrogram",
    "Pitch",
    "SignalStatistics",
    "SpectralContrast",
    "SpectralShape",
    "ZeroCrossingRate",
]

BLOCKS: Mapping[str, type[FeatureBlock]] = MappingProxyType(
    {
        block.kind: block
        for block in (
            ZeroCrossingRate,
            Chroma,
            MFCC,
            RMS,
            MelSpectrogram,
            SignalStatistics,
            Gender,
            Pitch,
            SpectralShape,
            SpectralContrast,
        )
    }
)
"""Every handcrafted block by its name, which is also the prefix of its columns."""
