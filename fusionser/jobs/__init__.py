"""The main jobs of the command line and the Python API: extract, evaluate and fit."""

from fusionser.jobs.evaluation import (
    check_importance,
    evaluate_dimensions_prepared,
    evaluate_prepared,
    plugins_used,
)
from fusionser.jobs.fitting import fit_prepared
from fusionser.jobs.from_dataset import evaluate_streamed, fit_streamed
from fusionser.jobs.from_recordings import evaluate, extract, fit

__all__ = [
    "check_importance",
    "evaluate",
    "evaluate_dimensions_prepared",
    "evaluate_prepared",
    "evaluate_streamed",
    "extract",
    "fit",
    "fit_prepared",
    "fit_streamed",
    "plugins_used",
]
