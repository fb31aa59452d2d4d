"""The leakage guard, scores with intervals over speakers, and results that say how they came about."""

from fusionser.evaluation.evaluate import Evaluation, check_labels, evaluate
from fusionser.evaluation.guard import Overlap, check_split, compare, with_fingerprints
from fusionser.evaluation.metrics import METRICS, macro_f1, unweighted_average_recall, weighted_average_recall
from fusionser.evaluation.results import (
    FoldResult,
    ProtocolStamp,
    Result,
    Scores,
    deciding,
    provenance,
    read_result,
    versions,
)

__all__ = [
    "METRICS",
    "Evaluation",
    "FoldResult",
    "Overlap",
    "ProtocolStamp",
    "Result",
    "Scores",
    "check_labels",
    "check_split",
    "compare",
    "deciding",
    "evaluate",
    "macro_f1",
    "provenance",
    "read_result",
    "unweighted_average_recall",
    "versions",
    "weighted_average_recall",
    "with_fingerprints",
]
