"""The names that options take beside those of the registries; reading them imports nothing else.

The command line lists them in its help. What they stand for is in the modules that do it: a mapping there has the very
names of the tuple here, and `tests/test_help.py` compares the two.
"""

from collections.abc import Mapping
from types import MappingProxyType

from fusionser.registry import BLOCKS, NETWORKS

__all__ = [
    "BAGGING",
    "BY_BLOCK",
    "BY_FEATURE",
    "COLUMN_BALANCINGS",
    "COPIED_CLASSES",
    "DEFAULT_PRESET",
    "DEVICES",
    "EARLY",
    "FEATURE_DEVICES",
    "FUSIONS",
    "GENDERS",
    "GENDER_FEATURES",
    "GROUPS",
    "IMBALANCE",
    "IMPORTANCE",
    "INDUCTIVE",
    "LATE_FUSIONS",
    "NETWORK_ALONE",
    "PRECISIONS",
    "ROW_BALANCINGS",
    "SCALINGS",
    "SETTINGS",
    "SPEAKER_NORMALISED",
    "STUDIES",
    "block_names",
]

SCALINGS = ("standard", "robust", "minmax", "quantile", "none")

ROW_BALANCINGS = ("oversample", "undersample")
"""Strategies for rows: scarce classes repeated, or plentiful ones thinned, until all are equal."""

COLUMN_BALANCINGS = ("smote", "borderline-smote", "adasyn", "smote-tomek", "smote-enn")
"""Strategies for columns.

``smote`` makes rows of scarce classes between their neighbours (Chawla, Bowyer, Hall and Kegelmeyer 2002),
``borderline-smote`` near other classes alone (Han, Wang and Mao 2005), ``adasyn`` the more, the more neighbours are of
other classes (He, Bai, Garcia and Li 2008). ``smote-tomek`` and ``smote-enn`` then take out rows that lie among other
classes (Batista, Prati and Monard 2004).
"""

BAGGING = "balanced-bagging"
IMBALANCE = ("none", "weights", *ROW_BALANCINGS, *COLUMN_BALANCINGS, BAGGING)

LATE_FUSIONS = ("average", "weighted", "stacked")
EARLY = "early"
FUSIONS = (EARLY, *LATE_FUSIONS)
"""Early fusion classifies all columns together; the others fuse what each member says, see `LateFusion`."""

GENDERS = ("female", "male")
GENDER_FEATURES = ("given", "estimated", "none")
"""The gender as a feature: read off the rows, estimated from the voice, or left out."""

INDUCTIVE, SPEAKER_NORMALISED = "inductive", "speaker-normalised"
SETTINGS = (INDUCTIVE, SPEAKER_NORMALISED)
"""What is known of a test speaker: nothing, or clips without labels by which they are standardised."""

BY_BLOCK, BY_FEATURE = "blocks", "features"
IMPORTANCE = (BY_BLOCK, BY_FEATURE)
"""Which columns are shuffled together to see what a classifier relies on."""

NETWORK_ALONE = "network-alone"
"""In place of a classifier's name, where networks classify by themselves."""

COPIED_CLASSES = ("all", "scarce")
PRECISIONS = ("float32", "bfloat16")
DEVICES = ("auto", "cpu", "cuda", "cuda:N", "mps")
FEATURE_DEVICES = ("cpu", "cuda", "cuda:N")
STUDIES = ("blocks", "gender", "deep", "normalisation", "corpora", "protocol")
"""Studies of ``fusionser ablate --study``."""

GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType({"acoustic": ("zcr", "chroma", "mfcc", "rms", "mel")})
"""Several blocks under one name: the acoustic vector of SER-FusionNet."""

DEFAULT_PRESET = "wide"


def block_names() -> list[str]:
    """Return every name that a list of blocks may hold."""
    return [*GROUPS, DEFAULT_PRESET, *BLOCKS, *NETWORKS]
