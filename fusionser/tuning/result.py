"""The result of a search: its trials, the best of them, and what a reader needs to judge it."""

from pathlib import Path
from typing import Any

from fusionser.facts import Count, Record, Share
from fusionser.files import write_text
from fusionser.results import Provenance
from fusionser.spec import PipelineSpec

__all__ = ["COMPLETE", "PRUNED", "TrialRecord", "TuningResult"]

COMPLETE, PRUNED = "complete", "pruned"


class TrialRecord(Record):
    """One trial.

    ``score`` is the mean UAR of the inner folds that were computed, ``scores`` those of each. A pruned trial has fewer
    of them, or a ``reason`` if it could not be trained.
    """

    number: Count
    state: str
    score: Share | None
    scores: tuple[Share, ...]
    parameters: dict[str, Any]
    seconds: float
    reason: str = ""


class TuningResult(Record):
    """The result of a search.

    ``best`` is the best trial with all folds, ``before`` the trial with the parameters that the specification had, if
    the search space has them. ``spec`` has the best parameters. ``wanted`` is the number of trials that were asked for.
    ``by_clip`` is whether the inner folds are by clip, since too few speakers have every class.
    """

    corpora: tuple[str, ...]
    classes: tuple[str, ...]
    rows: Count
    speakers: tuple[str, ...]
    left_out: tuple[str, ...]
    folds: Count
    by_clip: bool
    classifier: str
    features_name: str
    spec: PipelineSpec
    space: dict[str, str]
    trials: tuple[TrialRecord, ...]
    wanted: Count
    best: TrialRecord
    before: TrialRecord | None
    importance: dict[str, float]
    seed: Count
    provenance: Provenance

    @property
    def complete(self) -> tuple[TrialRecord, ...]:
        """The trials with all folds, best first."""
        found = [trial for trial in self.trials if trial.state == COMPLETE]
        return tuple(sorted(found, key=lambda trial: (-(trial.score or 0.0), trial.number)))

    def save(self, path: str | Path) -> Path:
        """Write the result as JSON, atomically."""
        return write_text(path, self.model_dump_json(indent=2) + "\n")
