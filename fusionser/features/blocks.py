"""The handcrafted feature blocks, each a transformer of its own.

Every block takes, beside its own parameters, those of the clip and its frames (`FrameParameters`:
`sampling_rate`, `offset`, `duration`, `trim`, `denoise`, `n_fft`, `hop_length`), and blocks of series take
`statistics` and `deltas` (`FrameFeature`). Inside a `FeatureExtractor` the blocks of equal settings share one
transform of the clip; separate blocks in a ``make_union`` each transform it, and share through the cache alone.
"""

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
