"""A search: trials until enough of them were run, in this process or in several."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fusionser.errors import FusionserError, SettingsError, TrainingError
from fusionser.execution.beside import running_beside
from fusionser.model import digests_of
from fusionser.pipeline import Prepared, Resources, configured_features
from fusionser.pipeline.build import decided_by
from fusionser.pipeline.parameter_space import current_values, space_of, space_text, with_values
from fusionser.pipeline.resources import LOCAL
from fusionser.pipeline.trial_search import OPTUNA
from fusionser.results import provenance, versions
from fusionser.search_space import Space
from fusionser.tuning.objective import Deadline, InnerScores
from fusionser.tuning.result import COMPLETE, TrialRecord, TuningResult
from fusionser.tuning.study import TrialStudy

__all__ = ["Search", "TuningProgress", "tune_prepared"]

SECONDS_BETWEEN_LOOKS = 0.5

TuningProgress = Callable[[int, int, str], None]
"""Called with the number of trials that have ended, the number of all, and the best UAR so far in words."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """How a search runs.

    Parameters
    ----------
    trials : int, default=40
        Number of trials, with those of earlier runs.
    folds : int, default=4
        Maximum number of inner folds.
    space : mapping, optional
        What is tried instead of what the classifier and the networks state, such as
        ``{"classifier.C": NumberRange(0.1, 100.0, log=True)}``.
    pruning : bool, default=True
        Stop trials whose mean UAR so far is below the median of the other trials.
    minutes : float, optional
        Time after which no further trial begins.
    workers : int, default=1
        Number of processes, of one thread each. With one, a seed gives the same trials again.
    """

    trials: int = 40
    folds: int = 4
    space: Space | None = None
    pruning: bool = True
    minutes: float | None = None
    workers: int = 1

    def __post_init__(self) -> None:
        """Raise `SettingsError` if a number is outside its range."""
        if self.trials < 1:
            raise SettingsError(f"trials is {self.trials}; expected 1 or more", parameter="trials")
        if self.folds < 2:
            raise SettingsError(f"folds is {self.folds}; expected 2 inner folds or more")
        if self.minutes is not None and self.minutes <= 0:
            raise SettingsError(f"minutes is {self.minutes:g}; expected more than 0", parameter="minutes")
        if self.workers < 1:
            raise SettingsError(f"workers is {self.workers}; expected 1 or more", parameter="workers")


def tune_prepared(
    prepared: Prepared,
    folder: str | Path,
    search: Search,
    *,
    left_out: tuple[str, ...] = (),
    resources: Resources = LOCAL,
    progress: TuningProgress | None = None,
) -> TuningResult:
    """Search the parameters of the pipeline of prepared rows; run again, it goes on from the journal in the folder.

    Parameters
    ----------
    prepared : Prepared
        Rows that no score is reported of.
    folder : path
        Gets ``journal.log``.
    search : Search
    left_out : tuple of str
        Speakers that were left out of the rows, to be stored with the result.
    resources : Resources
    progress : callable, optional
        See `TuningProgress`.

    Raises
    ------
    SettingsError
        If Optuna is missing, the journal is damaged or of another search, or no trial was finished.
    """
    folds = InnerScores(prepared, resources, search.folds)
    task = _Task(prepared, Path(folder), search, folds, _about(prepared, search))
    study = task.study()
    study.take_back_lost()
    if search.workers == 1:
        _work(task, study, progress)
    else:
        _work_beside(task, study, progress)
    return _result(task, study, left_out)


def _about(prepared: Prepared, search: Search) -> dict[str, Any]:
    """Return everything that the score of a trial depends on."""
    table, spec = prepared.table, prepared.spec
    described = table[["source", "emotion", "speaker"]].to_csv(index=False)
    settings = configured_features(spec, prepared.extractor).settings()
    weights = {one.get("name", one["kind"]): one["weights"] for one in settings if one.get("weights")}
    return {
        "specification": spec.public().plain(),
        **({"initial weights": weights} if weights else {}),
        "rows": hashlib.blake2b(described.encode(), digest_size=16).hexdigest(),
        "features": digests_of(configured_features(spec, prepared.extractor)),
        "search space": {name: space_text(tried) for name, tried in _space(prepared, search).items()},
        "inner folds": search.folds,
        "versions": versions(),
    }


def _space(prepared: Prepared, search: Search) -> dict[str, Any]:
    return space_of(prepared.spec, prepared.extractor, search.space)


@dataclass
class _Task:
    """What each process of a search gets."""

    prepared: Prepared
    folder: Path
    search: Search
    folds: InnerScores
    about: dict[str, Any]

    def study(self) -> TrialStudy:
        """Open the study."""
        space, spec = _space(self.prepared, self.search), self.prepared.spec
        return TrialStudy(
            self.folder,
            space,
            self.about,
            seed=spec.seed,
            pruning=self.search.pruning,
            first=current_values(spec, self.prepared.extractor, space),
        )


def _work(task: _Task, study: TrialStudy, progress: TuningProgress | None = None) -> None:
    """Run trials until enough are taken, or the time is over."""
    deadline = Deadline(task.search.minutes)
    _report(study, task.search.trials, progress)
    while not deadline.passed and (trial := study.next_trial(task.search.trials)) is not None:
        _run(task.folds, study, trial, deadline)
        _report(study, task.search.trials, progress)


def _run(folds: InnerScores, study: TrialStudy, trial: Any, deadline: Deadline) -> None:
    """Score one trial, fold by fold; what is stopped is tried again by the next run."""
    began, scores, pruned = time.monotonic(), list[float](), False
    try:
        for score in folds.scores(study.values_of(trial)):
            scores.append(score)
            if len(scores) == len(folds.splits):
                break
            if deadline.passed:
                study.give_back(trial)
                return
            if pruned := study.should_prune(trial, len(scores), float(np.mean(scores))):
                break
        study.finish(trial, scores, time.monotonic() - began, pruned=pruned)
    except TrainingError as error:
        # Other parameters may do.
        study.finish(trial, scores, time.monotonic() - began, pruned=True, reason=str(error))
    except FusionserError:
        study.refuse(trial)
        raise
    except KeyboardInterrupt:
        study.give_back(trial)
        raise


def _work_beside(task: _Task, study: TrialStudy, progress: TuningProgress | None) -> None:
    """Run trials in several processes, and watch them."""
    deadline, looked = Deadline(task.search.minutes), 0.0

    def ready() -> bool:
        nonlocal looked
        if time.monotonic() - looked < SECONDS_BETWEEN_LOOKS:
            return False
        looked = time.monotonic()
        _report(study, task.search.trials, progress)
        ended = len(study.records())
        return ended >= task.search.trials or (deadline.passed and study.taken() == ended)

    try:
        with running_beside(_join, [task] * task.search.workers, threads=1) as beside:
            beside.wait_until(ready)
    finally:
        study.take_back_lost()


def _join(task: _Task) -> None:
    _work(task, task.study())


def _report(study: TrialStudy, trials: int, progress: TuningProgress | None) -> None:
    if progress is None:
        return
    ended = study.records()
    best = max((trial.score or 0.0 for trial in ended if trial.state == COMPLETE), default=None)
    progress(min(len(ended), trials), trials, "" if best is None else f"best UAR {100 * best:.1f} %")


def _result(task: _Task, study: TrialStudy, left_out: tuple[str, ...]) -> TuningResult:
    prepared, trials = task.prepared, study.records()
    complete = [trial for trial in trials if trial.state == COMPLETE]
    if not complete:
        raise SettingsError(
            f"none of the {len(trials)} trials has a score; give more --minutes, or narrow the search space (--space)"
        )
    best = max(complete, key=lambda trial: (trial.score or 0.0, -trial.number))
    spec, space = prepared.spec, _space(prepared, task.search)
    return TuningResult(
        corpora=prepared.corpora,
        classes=tuple(sorted(set(prepared.table["emotion"]))),
        rows=len(prepared.table),
        speakers=tuple(sorted(set(prepared.table["speaker"]) - {""})),
        left_out=left_out,
        folds=len(task.folds.splits),
        by_clip=task.folds.by_clip,
        classifier=decided_by(spec, prepared.extractor),
        features_name=spec.features_name,
        spec=with_values(spec, best.parameters),
        space={name: space_text(tried) for name, tried in space.items()},
        trials=tuple(trials),
        wanted=task.search.trials,
        best=best,
        before=_before(trials, current_values(spec, prepared.extractor, space)),
        importance=study.importance(),
        seed=spec.seed,
        provenance=provenance(networks=False, processes=task.search.workers, threads=None, others=(OPTUNA,)),
    )


def _before(trials: list[TrialRecord], values: dict[str, Any] | None) -> TrialRecord | None:
    return next((trial for trial in trials if trial.parameters == values and trial.state == COMPLETE), None)
