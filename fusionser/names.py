"""Names that options and specifications take and no registry holds; the modules that act on them build on these."""

__all__ = ["FUSIONS", "GENDERS", "IMBALANCE", "IMPORTANCE", "INDUCTIVE", "PRECISIONS", "SCALINGS", "SETTINGS"]

GENDERS = ("given", "estimated", "none")
"""Gender as a feature: read off the rows, estimated from the voice, or left out."""

SCALINGS = ("standard", "robust", "minmax", "quantile", "none")
"""How each block of columns is scaled."""

ROW_BALANCING = ("oversample", "undersample")
COLUMN_BALANCING = ("smote", "borderline-smote", "adasyn", "smote-tomek", "smote-enn")
BAGGING = "balanced-bagging"
IMBALANCE = ("none", "weights", *ROW_BALANCING, *COLUMN_BALANCING, BAGGING)
"""Balancing strategies: nothing, weights of the classes, on rows, on fused columns, or a bag of balanced parts."""

EARLY = "early"
LATE_FUSIONS = ("average", "weighted", "stacked")
FUSIONS = (EARLY, *LATE_FUSIONS)
"""Early fusion classifies all columns together; the others fuse what each member says."""

INDUCTIVE, SPEAKER_NORMALISED = "inductive", "speaker-normalised"
SETTINGS = (INDUCTIVE, SPEAKER_NORMALISED)
"""What is known of a test speaker: nothing, or clips without labels by which they are standardised."""

PRECISIONS = ("float32", "bfloat16")
"""Of convolutions while a network is trained."""

BY_BLOCK, BY_FEATURE = "blocks", "features"
IMPORTANCE = (BY_BLOCK, BY_FEATURE)
"""What columns are shuffled together to see what a classifier relies on."""

STUDIES = ("blocks", "gender", "deep", "normalisation", "corpora", "protocol")
"""Ablations by name, see `fusionser.studies.named`."""

NETWORK_ALONE = "network-alone"
"""In place of a classifier's name, where networks classify by themselves."""
