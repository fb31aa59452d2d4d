"""A block of features, a preset that uses it, and an augmentation."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fusionser.augmentation import Kind
from fusionser.features import BLOCKS, FeatureBlock, FeatureExtractor
from fusionser.features.presets import build_block


@dataclass(kw_only=True, eq=False, repr=False)
class Crest(FeatureBlock):
    """Peak of the samples, and their crest factor: the peak over the root mean square."""

    kind: ClassVar[str] = "crest"

    def names(self) -> list[str]:
        return ["peak", "crest_factor"]

    def compute(self, clip: Any) -> Any:
        samples = clip.samples(16000)[0].astype(np.float64)
        peak = np.abs(samples).max()
        return np.array([peak, peak / np.sqrt(np.mean(samples**2))], dtype=np.float32)


def loudness(*, gender: bool = False, **clip: Any) -> FeatureExtractor:
    """Peak, crest factor and root mean square."""
    kinds = ["crest", "rms", *(["gender"] if gender else [])]
    return FeatureExtractor(blocks=[(kind, build_block(BLOCKS[kind], clip)) for kind in kinds])


GAIN = Kind(
    "Louder or softer by up to 6 dB.",
    lambda samples, rate, decibels, drawn: samples * 10 ** (decibels / 20),
    lambda rng: float(rng.uniform(-6.0, 6.0)),
    -60.0,
    60.0,
    "dB",
    "+.1f",
)
