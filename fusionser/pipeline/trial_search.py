"""A search for parameters inside a training fold, as an estimator: trials by Optuna, scored by inner folds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.metrics import check_scoring

from fusionser.errors import SettingsError, TrainingError
from fusionser.optional import optional_package
from fusionser.progress import report_step
from fusionser.search_space import NumberRange, Space

__all__ = ["OPTUNA", "USER", "TrialSearch", "distributions_of", "optuna_package"]

OPTUNA = "optuna"

USER = "a search inside each fold (--tune-trials)"


def optuna_package(user: str) -> Any:
    """Return Optuna; raise `SettingsError` if it is not installed.

    Parameters
    ----------
    user : str
        What needs it, for the error message.
    """
    optuna = optional_package(OPTUNA, "tune", user)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


class TrialSearch(MetaEstimatorMixin, BaseEstimator):
    """An estimator with the parameters of the best of several trials, fitted to all training rows.

    As scikit-learn's ``GridSearchCV``, but the values of each trial are chosen by the scores of those before it (by a
    tree-structured Parzen estimator, TPE), and a trial ends when its mean score so far is below the median of the
    others. The first trial has the parameters that the estimator has, if they are in the space. `best_estimator_`
    answers.

    Parameters
    ----------
    estimator : estimator
    space : mapping of str to NumberRange or sequence
        What is tried, by the names of `get_params`, such as ``classifier__C``.
    trials : int, default=20
        Number of trials.
    cv : splitter
        Inner folds of the training rows.
    scoring : str or callable, default="balanced_accuracy"
        As in scikit-learn.
    only_in_trials : mapping of str to object, optional
        Parameters of the estimator in the trials, but not in the last fit.
    random_state : int, default=0

    Attributes
    ----------
    best_estimator_ : estimator
        Fitted to all training rows.
    best_params_ : dict of str to object
    best_score_ : float
        Mean score of the inner folds. It is the best of many, and so too high for new rows.
    scores_ : list of float
        Mean score of each trial, of the inner folds that were computed; NaN if a trial could not be trained.

    Raises
    ------
    SettingsError
        In `fit`, if Optuna is not installed, or no trial can be trained.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from sklearn.model_selection import KFold
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> rows = pd.DataFrame({"x": np.arange(40.0)})
    >>> folds = KFold(4, shuffle=True, random_state=0)
    >>> search = TrialSearch(KNeighborsClassifier(), {"n_neighbors": (1, 25)}, trials=4, cv=folds)
    >>> search.fit(rows, (rows["x"] > 20).to_numpy()).best_params_
    {'n_neighbors': 1}
    """

    def __init__(
        self,
        estimator: Any,
        space: Space,
        *,
        trials: int = 20,
        cv: Any,
        scoring: Any = "balanced_accuracy",
        only_in_trials: Mapping[str, Any] | None = None,
        random_state: int = 0,
    ) -> None:
        self.estimator = estimator
        self.space = space
        self.trials = trials
        self.cv = cv
        self.scoring = scoring
        self.only_in_trials = only_in_trials
        self.random_state = random_state

    def fit(self, X: pd.DataFrame, y: npt.NDArray[Any]) -> Self:
        """Run the trials on inner folds of the rows, and fit the estimator with the best parameters to all of them."""
        if self.trials < 1:
            raise SettingsError(f"trials is {self.trials}; expected 1 or more", parameter="trials")
        optuna = optuna_package(USER)
        study, splits = self._study(optuna), list(self.cv.split(X, y))
        scores, reason = list[float](), ""
        for number in range(self.trials):
            report_step("trials", number, self.trials)
            trial, means = study.ask(distributions_of(optuna, self.space, _positions)), list[float]()
            try:
                for mean in self._means(self._values(trial), splits, X, y):
                    means.append(mean)
                    trial.report(mean, len(means))
                    if len(means) < len(splits) and trial.should_prune():
                        break
            except TrainingError as error:
                # Other parameters may do.
                reason = str(error)
            scores.append(means[-1] if means else float("nan"))
            whole = len(means) == len(splits)
            study.tell(trial, means[-1] if whole else None, None if whole else optuna.trial.TrialState.PRUNED)
        report_step("trials", self.trials, self.trials)
        try:
            best = study.best_trial
        except ValueError as error:
            because = f"; the last error: {reason}" if reason else ""
            raise SettingsError(
                f"--tune-trials {self.trials}: no trial can be trained on all inner folds{because}"
            ) from error
        self.scores_, self.best_score_, self.best_params_ = scores, float(best.value), self._values(best)
        self.best_estimator_ = clone(self.estimator).set_params(**self.best_params_).fit(X, y)
        return self

    def _study(self, optuna: Any) -> Any:
        sampler = optuna.samplers.TPESampler(seed=self.random_state, multivariate=True)
        study = optuna.create_study(direction="maximize", sampler=sampler, pruner=optuna.pruners.MedianPruner())
        if (first := self._current()) is not None:
            study.enqueue_trial(first)
        return study

    def _values(self, trial: Any) -> dict[str, Any]:
        """Return the parameters of a trial, which Optuna has as numbers and as positions of choices."""
        return {
            name: value if isinstance(tried := self.space[name], NumberRange) else tried[value]
            for name, value in trial.params.items()
        }

    def _current(self) -> dict[str, Any] | None:
        """Return the present parameters as Optuna has them, if all of them are in the space."""
        found: dict[str, Any] = {}
        params = self.estimator.get_params()
        for name, tried in self.space.items():
            value = params[name]
            if value not in tried:
                return None
            found[name] = value if isinstance(tried, NumberRange) else list(tried).index(value)
        return found

    def _means(
        self, values: Mapping[str, Any], splits: list[tuple[Any, Any]], X: pd.DataFrame, y: npt.NDArray[Any]
    ) -> Iterator[float]:
        """Yield the mean score after each inner fold."""
        estimator = clone(self.estimator).set_params(**(self.only_in_trials or {})).set_params(**values)
        scorer, scores = check_scoring(estimator, self.scoring), list[float]()
        for train, held in splits:
            fitted = clone(estimator).fit(X.iloc[train], y[train])
            scores.append(float(scorer(fitted, X.iloc[held], y[held])))
            yield float(np.mean(scores))


def distributions_of(optuna: Any, space: Space, encoded: Callable[[Sequence[Any]], Sequence[Any]]) -> dict[str, Any]:
    """Return what Optuna draws from, by parameter; `encoded` returns the choices of a list as Optuna can store them."""
    made = optuna.distributions
    found: dict[str, Any] = {}
    for name, tried in space.items():
        if isinstance(tried, NumberRange):
            kind = made.IntDistribution if tried.whole else made.FloatDistribution
            found[name] = kind(tried.low, tried.high, log=tried.log)
        else:
            found[name] = made.CategoricalDistribution(encoded(tried))
    return found


def _positions(choices: Sequence[Any]) -> range:
    """Return the positions of choices, which may themselves be lists."""
    return range(len(choices))
