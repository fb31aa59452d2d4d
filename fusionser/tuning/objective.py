"""The score of one configuration: the UAR on inner folds of the speakers."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from sklearn.metrics import balanced_accuracy_score

from fusionser.errors import SettingsError
from fusionser.evaluation.evaluate import check_labels
from fusionser.evaluation.fitted import columns_of, uses_gpu
from fusionser.evaluation.guard import check_not_scaled, without_labels
from fusionser.execution import run_jobs
from fusionser.jobs.evaluation import parameter_errors
from fusionser.names import DIMENSIONS
from fusionser.pipeline import Prepared, Resources, build_features
from fusionser.pipeline.build import build_pipeline
from fusionser.pipeline.parameter_space import only_in_trials, with_values
from fusionser.splits import InnerFolds, parted_speakers
from fusionser.splits.base import Positions

__all__ = ["InnerScores"]


@dataclass
class InnerScores:
    """Scores configurations on inner folds of the rows, by speaker wherever that is possible (`InnerFolds`).

    Parameters
    ----------
    prepared : Prepared
        Rows with features; none of them may be tested on later.
    resources : Resources
    folds : int, default=4
        Maximum number of inner folds.

    Attributes
    ----------
    splits : list of (positions, positions)
        Training and validation positions.
    by_clip : bool
        Whether the folds are by clip, since too few speakers have every class.

    Raises
    ------
    SettingsError
        If numbers are to be predicted.
    ProtocolError
        If the rows cannot be split.
    """

    prepared: Prepared
    resources: Resources
    folds: int = 4
    splits: list[tuple[Positions, Positions]] = field(init=False)
    by_clip: bool = field(init=False)

    def __post_init__(self) -> None:
        """Split the rows."""
        spec, table = self.prepared.spec, self.prepared.table
        if spec.task == DIMENSIONS:
            raise SettingsError(
                "a search (fusionser tune) scores emotions by UAR, but --targets asks for numbers; 'fusionser evaluate "
                "--targets ... --tune' chooses the parameters of a regressor from its grid"
            )
        check_labels(table)
        check_not_scaled(table)
        known = set(table["speaker"])
        with parted_speakers() as parted:
            inner = InnerFolds(folds=self.folds, seed=spec.seed)
            self.splits = list(inner.split(table, table["emotion"].to_numpy(dtype=object)))
        self.by_clip = bool(parted) or "" in known or len(known) < 2

    def scores(self, values: Mapping[str, Any]) -> Iterator[float]:
        """Yield the UAR on each inner fold of a pipeline with these values of its searched parameters.

        The folds run on the cluster that `executing_on` chose, or else one after the other, when they are asked for.
        """
        spec = with_values(self.prepared.spec, values)
        extractor = self.prepared.extractor
        if any(name.startswith("blocks.") for name in values):
            extractor = build_features(spec)
        with parameter_errors(spec):
            pipeline = build_pipeline(
                spec, extractor=extractor, unusable=self.prepared.unusable, resources=self.resources
            )
            pipeline.set_params(**only_in_trials(spec, pipeline))
        with parameter_errors(spec):
            yield from run_jobs(partial(self._score_fold, pipeline), self.splits, n_jobs=1, gpu=uses_gpu(pipeline))

    def _score_fold(self, pipeline: Any, fold: tuple[Positions, Positions]) -> float:
        return self._score(pipeline, *fold)

    def _score(self, pipeline: Any, train: Positions, held: Positions) -> float:
        table = self.prepared.table
        labels = table["emotion"].to_numpy(dtype=object)
        fitted = pipeline.fit(table.iloc[train], labels[train])
        predicted = fitted[-1].predict(columns_of(fitted, without_labels(table.iloc[held])))
        return float(balanced_accuracy_score(labels[held], np.asarray(predicted, dtype=object)))


@dataclass
class Deadline:
    """A time by which work should end.

    Parameters
    ----------
    minutes : float, optional
        From now on; None is no limit.
    """

    minutes: float | None
    began: float = field(default_factory=time.monotonic)

    @property
    def passed(self) -> bool:
        """Whether the time is over."""
        return self.minutes is not None and time.monotonic() - self.began >= 60 * self.minutes
