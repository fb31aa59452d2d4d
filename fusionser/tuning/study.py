"""The study of a search in a journal of Optuna, which several processes can work at at the same time."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from fusionser.errors import FusionserError, SettingsError
from fusionser.folders import is_running, owned
from fusionser.pipeline.trial_search import distributions_of, optuna_package
from fusionser.search_space import NumberRange, Searched, Space
from fusionser.tuning.result import COMPLETE, PRUNED, TrialRecord

__all__ = ["JOURNAL", "USER", "TrialStudy"]

JOURNAL = "journal.log"
USER = "a search for parameters (fusionser tune)"
NAME = "tuning"
ABOUT, OWNER, SCORES, SECONDS, REASON = "about", "owner", "scores", "seconds", "reason"
PLAIN = (bool, int, float, str, type(None))
LOST_AFTER = timedelta(days=1)
"""Time after which a trial of another machine counts as lost; processes of this one can be asked for."""


def _seeded(optuna: Any, seed: int) -> Any:
    """Return a sampler whose draws for a trial depend only on the seed and on the trials before it."""

    class SeededByTrial(optuna.samplers.BaseSampler):
        """TPE with a seed for each trial, so that a resumed search goes on as if it had not been stopped.

        Processes that work at one study draw differently, because their trials have different places.
        """

        def before_trial(self, study: Any, trial: Any) -> None:
            failed = optuna.trial.TrialState.FAIL
            # Trials that were stopped and are tried again do not count.
            place = sum(one.number < trial.number and one.state != failed for one in study.get_trials(deepcopy=False))
            own = int(np.random.SeedSequence([seed, place]).generate_state(1)[0])
            self.sampler = optuna.samplers.TPESampler(seed=own, multivariate=True)

        def infer_relative_search_space(self, study: Any, trial: Any) -> Any:
            return self.sampler.infer_relative_search_space(study, trial)

        def sample_relative(self, study: Any, trial: Any, search_space: Any) -> Any:
            return self.sampler.sample_relative(study, trial, search_space)

        def sample_independent(self, study: Any, trial: Any, name: str, distribution: Any) -> Any:
            return self.sampler.sample_independent(study, trial, name, distribution)

    return SeededByTrial()


class TrialStudy:
    """The trials of a search.

    Parameters
    ----------
    folder : Path
        Has the journal; a new one is made if there is none.
    space : mapping of str to NumberRange or sequence
    about : dict
        Everything that a score depends on, as JSON values. A journal that is about anything else is refused.
    seed : int
    pruning : bool
        Stop trials whose mean score so far is below the median.
    first : dict, optional
        Values of the first trial of a new study.

    Raises
    ------
    SettingsError
        If Optuna is not installed, or the journal is damaged or of another search.
    """

    def __init__(
        self,
        folder: Path,
        space: Space,
        about: Mapping[str, Any],
        *,
        seed: int,
        pruning: bool,
        first: Mapping[str, Any] | None = None,
    ) -> None:
        self.path, self.space = folder / JOURNAL, space
        self._optuna = optuna = optuna_package(USER)
        folder.mkdir(parents=True, exist_ok=True)
        pruner = optuna.pruners.MedianPruner() if pruning else optuna.pruners.NopPruner()
        with self._reading():
            self._drop_broken_line()
            storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(self.path)))
            options = {"storage": storage, "sampler": _seeded(optuna, seed), "pruner": pruner}
            described = json.dumps(about, sort_keys=True)
            try:
                self._study = optuna.create_study(study_name=NAME, direction="maximize", **options)
                self._study.set_user_attr(ABOUT, described)
                if first is not None:
                    self._study.enqueue_trial(self._encoded(first))
            except optuna.exceptions.DuplicatedStudyError:
                self._study = optuna.load_study(study_name=NAME, **options)
            self._check_about(json.loads(self._study.user_attrs.get(ABOUT, described)), json.loads(described))
            self.records()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Turn what a damaged or edited journal may raise into an error that says so."""
        try:
            yield
        except FusionserError:
            raise
        except OSError as error:
            raise SettingsError(f"{self.path}: {error.strerror or error}; choose another --out") from error
        except Exception as error:
            raise SettingsError(
                f"{self.path}: cannot be read as the journal of a search ({type(error).__name__}: {error}); it was "
                "edited or damaged. Move it away to begin again, or choose another --out"
            ) from error

    def _drop_broken_line(self) -> None:
        """Remove the last line if the process that wrote it was killed meanwhile."""
        if not self.path.exists():
            return
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(self.path, whole)

    def _check_about(self, stored: Any, wanted: dict[str, Any]) -> None:
        if not isinstance(stored, dict):
            raise ValueError("what it is about is no table")
        differing = [name for name, value in wanted.items() if stored.get(name) != value]
        if differing:
            raise SettingsError(
                f"{self.path} has the trials of another search; it differs in: {', '.join(differing)}. Choose another "
                "--out, or move the journal away"
            )

    def _encoded(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: v if isinstance(self.space[name], NumberRange) else _text(v) for name, v in values.items()}

    def _decoded(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of parameters; raise `ValueError` for those that are not in the space."""
        found: dict[str, Any] = {}
        for name, value in values.items():
            tried: Searched = self.space[name]
            if isinstance(tried, NumberRange):
                if value not in tried:
                    raise ValueError(f"{name} is {value!r}, which is not in {tried}")
                found[name] = value
            else:
                found[name] = {_text(one): one for one in tried}[value]
        return found

    def next_trial(self, most: int) -> Any | None:
        """Return a new trial of Optuna, or None if `most` trials are taken by this process and others."""
        state = self._optuna.trial.TrialState
        with self._reading():
            if self.taken() >= most:
                return None
            trial = self._study.ask(distributions_of(self._optuna, self.space, _texts))
            trial.set_user_attr(OWNER, owned("worker"))
            counted = [one.number for one in self._all() if one.state != state.FAIL]
            # Several processes may have asked at the same time; those with the lowest numbers go on.
            if sorted(counted).index(trial.number) >= most:
                self._study.tell(trial, state=state.FAIL)
                return None
            return trial

    def values_of(self, trial: Any) -> dict[str, Any]:
        """Return the parameters of a trial, by name."""
        return self._decoded(trial.params)

    def should_prune(self, trial: Any, step: int, mean: float) -> bool:
        """Note the mean score so far; return whether the trial should stop."""
        trial.report(mean, step)
        return bool(trial.should_prune())

    def finish(self, trial: Any, scores: list[float], seconds: float, *, pruned: bool, reason: str = "") -> None:
        """Store the scores of a trial."""
        for name, value in ((SCORES, scores), (SECONDS, round(seconds, 3)), (REASON, reason)):
            trial.set_user_attr(name, value)
        state = self._optuna.trial.TrialState
        if pruned:
            self._study.tell(trial, state=state.PRUNED)
        else:
            self._study.tell(trial, float(np.mean(scores)))

    def give_back(self, trial: Any) -> None:
        """Let the parameters of a trial that was stopped be tried again."""
        self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
        self._study.enqueue_trial(trial.params)

    def refuse(self, trial: Any) -> None:
        """End a trial whose parameters are an error."""
        self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)

    def take_back_lost(self) -> int:
        """Let the parameters of trials whose process was killed be tried again; return how many there are."""
        state, lost = self._optuna.trial.TrialState, 0
        with self._reading():
            for trial in self._all():
                if trial.state == state.RUNNING and _is_lost(trial):
                    self._study.tell(trial.number, state=state.FAIL)
                    if set(trial.params) == set(self.space):
                        self._study.enqueue_trial(trial.params)
                    lost += 1
        return lost

    def _all(self) -> list[Any]:
        return list(self._study.get_trials(deepcopy=False))

    def taken(self) -> int:
        """Return how many trials have ended or are running."""
        state = self._optuna.trial.TrialState
        return sum(trial.state in (state.COMPLETE, state.PRUNED, state.RUNNING) for trial in self._all())

    def records(self) -> list[TrialRecord]:
        """Return the trials that have ended, in the order of their numbers."""
        state = self._optuna.trial.TrialState
        names = {state.COMPLETE: COMPLETE, state.PRUNED: PRUNED}
        with self._reading():
            return [_record(trial, names[trial.state], self) for trial in self._all() if trial.state in names]

    def importance(self) -> dict[str, float]:
        """Return the share of the variance of the scores that each parameter explains (fANOVA), largest first.

        It is empty with fewer than two scores that differ.
        """
        scores = {trial.score for trial in self.records() if trial.state == COMPLETE}
        if len(scores) < 2:
            return {}
        evaluator = self._optuna.importance.FanovaImportanceEvaluator(seed=0)
        found = self._optuna.importance.get_param_importances(self._study, evaluator=evaluator)
        return {name: float(share) for name, share in found.items() if np.isfinite(share)}


def _record(trial: Any, state: str, study: TrialStudy) -> TrialRecord:
    """Return what a trial found; raise an error if somebody changed it."""
    scores = tuple(trial.user_attrs.get(SCORES, ()))
    if set(trial.params) != set(study.space):
        raise ValueError(f"trial {trial.number} has other parameters than the search space")
    if state == COMPLETE and (not scores or not np.isclose(trial.value, np.mean(scores))):
        raise ValueError(f"the score of trial {trial.number} is not the mean of those of its folds")
    return TrialRecord(
        number=trial.number,
        state=state,
        score=float(np.mean(scores)) if scores else None,
        scores=scores,
        parameters=study.values_of(trial),
        seconds=trial.user_attrs.get(SECONDS, 0.0),
        reason=trial.user_attrs.get(REASON, ""),
    )


def _texts(choices: Sequence[Any]) -> list[Any]:
    return [_text(choice) for choice in choices]


def _text(choice: Any) -> Any:
    """Return a choice as Optuna stores it: lists as JSON."""
    return choice if isinstance(choice, PLAIN) else json.dumps(choice)


def _is_lost(trial: Any) -> bool:
    owner = trial.user_attrs.get(OWNER, "")
    if (running := is_running(owner)) is not None:
        return not running
    return trial.datetime_start is None or datetime.now() - trial.datetime_start > LOST_AFTER
