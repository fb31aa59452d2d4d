"""The names that options take beside those of the registries; reading them imports nothing else.

The command line lists them in its help. What they stand for is in the modules that do it: a mapping there has the very
names of the tuple here, and `tests/test_help.py` compares the two.
"""

from collections.abc import Mapping
from types import MappingProxyType

from fusionser.registry import BLOCKS, NETWORKS, PRESETS

__all__ = [
    "BAGGING",
    "COLUMN_BALANCINGS",
    "COPIED_CLASSES",
    "DEEP_PRESETS",
    "DEVICES",
    "FEATURE_DEVICES",
    "FUSIONS",
    "GENDERS",
    "GENDER_FEATURES",
    "GROUPS",
    "IMBALANCE",
    "IMPORTANCE",
    "LATE_FUSIONS",
    "PRECISIONS",
    "ROW_BALANCINGS",
    "SCALINGS",
    "SETTINGS",
    "STUDIES",
    "block_names",
    "preset_names",
]

SCALINGS = ("standard", "robust", "minmax", "quantile", "none")

ROW_BALANCINGS = ("oversample", "undersample")
COLUMN_BALANCINGS = ("smote", "borderline-smote", "adasyn", "smote-tomek", "smote-enn")
BAGGING = "balanced-bagging"
IMBALANCE = ("none", "weights", *ROW_BALANCINGS, *COLUMN_BALANCINGS, BAGGING)

LATE_FUSIONS = ("average", "weighted", "stacked")
FUSIONS = ("early", *LATE_FUSIONS)
"""Early fusion classifies all columns together; the others fuse what each member says, see `LateFusion`."""

GENDERS = ("female", "male")
GENDER_FEATURES = ("given", "estimated", "none")
"""The gender as a feature: read off the rows, estimated from the voice, or left out."""

SETTINGS = ("inductive", "speaker-normalised")
IMPORTANCE = ("blocks", "features")
COPIED_CLASSES = ("all", "scarce")
PRECISIONS = ("float32", "bfloat16")
DEVICES = ("auto", "cpu", "cuda", "cuda:N", "mps")
FEATURE_DEVICES = ("cpu", "cuda", "cuda:N")
STUDIES = ("blocks", "gender", "deep", "normalisation", "corpora", "protocol")
"""Studies of ``fusionser ablate --study``."""

GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType({"acoustic": ("zcr", "chroma", "mfcc", "rms", "mel")})
"""Several blocks under one name: the acoustic vector of SER-FusionNet."""

DEEP_PRESETS: Mapping[str, tuple[str, ...]] = MappingProxyType({"ser-fusionnet": ("conv1d", "statistics", "gender")})
"""Presets with blocks that learn: SER-FusionNet's 39 columns, 32 deep, 6 statistical and 1 gender."""


def block_names() -> list[str]:
    """Return every name that a list of blocks may hold."""
    return [*GROUPS, "wide", *BLOCKS, *NETWORKS]


def preset_names() -> list[str]:
    """Return every name that a preset may have."""
    return [*PRESETS, *DEEP_PRESETS]
