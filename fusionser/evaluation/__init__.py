"""The leakage guard, scores, and intervals and tests over speakers."""

from fusionser.evaluation.evaluate import Evaluation, check_labels, evaluate
from fusionser.evaluation.guard import Overlap, check_split, compare, with_fingerprints
from fusionser.evaluation.metrics import METRICS, macro_f1, unweighted_average_recall, weighted_average_recall

__all__ = [
    "METRICS",
    "Evaluation",
    "Overlap",
    "check_labels",
    "check_split",
    "compare",
    "evaluate",
    "macro_f1",
    "unweighted_average_recall",
    "weighted_average_recall",
    "with_fingerprints",
]
