"""Runs of experiments, recorded where people compare them.

- `fusionser.tracking.base`: what a run and a tracker are, and how one is chosen,
- `fusionser.tracking.runs`: the run of a result,
- `fusionser.tracking.mlflow`, `tensorboard`: the trackers.
"""

from fusionser.tracking.base import Tracker, TrackingError, TrackingRun, open_tracker, record_run

__all__ = ["Tracker", "TrackingError", "TrackingRun", "open_tracker", "record_run"]
