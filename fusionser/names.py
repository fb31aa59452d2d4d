"""Valid names of options that have no registry, in a module that imports nothing heavy.

The command line lists them in its help. The code behind each name is elsewhere; `tests/test_help.py` checks that the
names there are the same.
"""

from collections.abc import Mapping
from types import MappingProxyType

from fusionser.registry import BLOCKS, NETWORKS

FOLDERS = "folders"
"""Replaces the name of a corpus for a tree with folders named by emotion."""

UNNAMED = "unnamed"
"""Corpus of rows that name none, as in a table without a column ``corpus``."""

SCALINGS = ("standard", "bounded", "robust", "minmax", "quantile", "none")

ROW_BALANCINGS = ("oversample", "undersample")
"""Strategies for rows: repeat rows of small classes, or remove rows of large ones, until all sizes are equal."""

COLUMN_BALANCINGS = ("smote", "borderline-smote", "adasyn", "smote-tomek", "smote-enn")
"""Strategies for columns.

``smote`` interpolates rows of scarce classes between neighbours (Chawla, Bowyer, Hall and Kegelmeyer 2002),
``borderline-smote`` only near other classes (Han, Wang and Mao 2005), ``adasyn`` more where more neighbours belong to
other classes (He, Bai, Garcia and Li 2008). ``smote-tomek`` and ``smote-enn`` then remove rows that lie among other
classes (Batista, Prati and Monard 2004).
"""

BAGGING = "balanced-bagging"
"""Strategy of several classifiers, each trained on rows of all classes in equal numbers."""

LOGIT_ADJUSTMENT = "logit-adjustment"
"""Strategy that divides probabilities by the share of each class in training."""

IMBALANCE = ("none", "weights", *ROW_BALANCINGS, *COLUMN_BALANCINGS, BAGGING, LOGIT_ADJUSTMENT)

UNSURE = "unsure"
"""What a model answers when it abstains."""

NO_SPEECH = "no speech"
"""What stands in the place of an emotion where nobody speaks."""

LATE_FUSIONS = ("average", "weighted", "stacked")
EARLY = "early"
FUSIONS = (EARLY, *LATE_FUSIONS)
"""Early fusion classifies all columns together; late fusion combines the probabilities of several classifiers."""

TIMELINE_SUFFIXES = (".html", ".csv", ".json", ".txt", ".TextGrid")
ONNX_SUFFIX = ".onnx"
"""Formats of a time line: a page, a table, everything, labels for Audacity, tiers for Praat."""

GENDERS = ("female", "male")
GENDER_FEATURES = ("given", "estimated", "none")
"""The gender as a feature: taken from the rows, estimated from the voice, or not used."""

INDUCTIVE, SPEAKER_NORMALISED, ADAPTED = "inductive", "speaker-normalised", "adapted"
SETTINGS = (INDUCTIVE, SPEAKER_NORMALISED, ADAPTED)
"""What is known before a prediction: nothing, or unlabelled clips of the test speaker, or of the tested corpus."""

STANDARDISE, CORAL = "standardise", "coral"
ADAPTATIONS = (STANDARDISE, CORAL)
"""What of the columns is adapted: mean and standard deviation, or their correlations too."""

BY_BLOCK, BY_FEATURE = "blocks", "features"
IMPORTANCE = (BY_BLOCK, BY_FEATURE)
"""Columns that are shuffled together to measure their importance."""

CLASSES, DIMENSIONS = "classes", "dimensions"
"""Tasks: to predict the emotion, or numbers such as arousal and valence."""

TRIALS = "trials"
"""Setting with the number of trials of a search inside each fold."""

NETWORK_ALONE = "network-alone"
"""Replaces the name of the classifier if networks classify by themselves."""

COPIED_CLASSES = ("all", "scarce")
COPIES_FOR = ("all", "networks")
PRECISIONS = ("float32", "bfloat16")
DEVICES = ("auto", "cpu", "cuda", "cuda:N", "mps")
FEATURE_DEVICES = ("cpu", "cuda", "cuda:N")
STUDIES = ("blocks", "gender", "deep", "normalisation", "corpora", "protocol")
"""Studies of ``fusionser ablate --study``."""

FIGURE_FORMATS = ("pdf", "svg")
"""Formats of figures besides PNG, which pages show."""

PICTURE_SUFFIXES = (".png", ".svg", ".pdf")
"""Suffixes of a picture."""

DEFAULT_PRESET = "robust"
WIDE = "wide"
"""A preset whose blocks a list of blocks may name together. It was the default of earlier versions."""

DEFAULT_SCALING = "standard"
"""Scaling of presets that declare none, and of blocks by name."""

DEFAULT_CLASSIFIER = "svm"
"""Classifier of presets that declare none, and of blocks by name."""

ROBUST_BLOCKS = ("prosody", "relative-cepstra", "modulation")
"""Blocks of the preset ``robust``; by name, they are scaled like it."""

GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"acoustic": ("zcr", "chroma", "mfcc", "rms", "mel"), "robust": ROBUST_BLOCKS}
)
"""Several blocks under one name: the acoustic vector of SER-FusionNet, and the blocks of the preset ``robust``."""


def block_names() -> list[str]:
    """Return every valid name in a list of blocks."""
    return [*GROUPS, WIDE, *BLOCKS, *NETWORKS]


def corpus_text(corpus: str) -> str:
    """Return the name, or names, of the corpus of a result or a model as they stand in a sentence.

    Examples
    --------
    >>> corpus_text("emodb, tess"), corpus_text("unnamed")
    ('emodb, tess', 'an unnamed corpus')
    """
    return ", ".join("an unnamed corpus" if name == UNNAMED else name for name in corpus.split(", "))
