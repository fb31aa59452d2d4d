"""Augmentation of waveforms, and the sampler that adds augmented rows to the training rows."""

from fusionser.augmentation.rows import AugmentRows, augmented_rows
from fusionser.augmentation.waveforms import (
    AUGMENTATIONS,
    REVISION,
    Augmentation,
    Kind,
    augment,
    drawing,
    made_by,
    parse_augmentation,
)

__all__ = [
    "AUGMENTATIONS",
    "REVISION",
    "AugmentRows",
    "Augmentation",
    "Kind",
    "augment",
    "augmented_rows",
    "drawing",
    "made_by",
    "parse_augmentation",
]
