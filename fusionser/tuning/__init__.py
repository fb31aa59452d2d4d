"""Search for parameters: trials by Optuna, scored by inner folds of the speakers."""

from fusionser.tuning.from_recordings import tune
from fusionser.tuning.result import TrialRecord, TuningResult
from fusionser.tuning.search import Search, tune_prepared

__all__ = ["Search", "TrialRecord", "TuningResult", "tune", "tune_prepared"]
