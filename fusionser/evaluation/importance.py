"""Permutation importance: how much UAR a fitted pipeline loses on held-out speakers when columns are shuffled."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from fusionser.errors import SettingsError, unknown_name
from fusionser.evaluation.fitted import columns_of
from fusionser.evaluation.guard import without_labels
from fusionser.evaluation.metrics import confusion, unweighted_average_recall
from fusionser.evaluation.statistics import mean_change
from fusionser.names import BY_FEATURE, IMPORTANCE
from fusionser.progress import report_step

__all__ = ["average_importance", "column_groups", "fold_importance"]

Drops = dict[str, dict[str, float]]
"""Loss of each speaker's UAR, by name of the shuffled group and by speaker."""


def column_groups(names: Sequence[str], kind: str) -> dict[str, list[int]]:
    """Return the positions of the columns that are shuffled together, by name of the group.

    Parameters
    ----------
    names : sequence of str
        Column names. Features are named ``block__column``; other columns are ignored.
    kind : {"blocks", "features"}
        One group per block, or these and one group per column after them.

    Examples
    --------
    >>> column_groups(["mfcc__0", "mfcc__1", "rms__mean"], "blocks")
    {'mfcc': [0, 1], 'rms': [2]}
    """
    if kind not in IMPORTANCE:
        raise unknown_name("kind of importance", kind, IMPORTANCE)
    features = [(place, name) for place, name in enumerate(names) if "__" in name]
    groups: dict[str, list[int]] = {}
    for place, name in features:
        groups.setdefault(name.partition("__")[0], []).append(place)
    if kind == BY_FEATURE:
        groups.update({name: [place] for place, name in features})
    return groups


def fold_importance(fitted: BaseEstimator, rows: pd.DataFrame, kind: str, *, shuffles: int = 5, seed: int = 0) -> Drops:
    """Shuffle each group of columns over the test rows of a fold, and measure the loss of each speaker's UAR.

    The columns of a group are permuted together, which preserves their correlation (Breiman 2001). A column whose
    information other columns also carry loses little: the score says what this classifier relies on, not what a
    column is worth by itself.

    Parameters
    ----------
    fitted : estimator
        A fitted pipeline whose last step classifies columns, or a search over one.
    rows : DataFrame
        The test rows.
    kind : {"blocks", "features"}
        See `column_groups`.
    shuffles : int, default=5
    seed : int, default=0

    Returns
    -------
    dict of str to dict of str to float
        Mean loss over the shuffles, by name of the group and by speaker.

    Raises
    ------
    SettingsError
        When the estimator is not such a pipeline.
    """
    pipeline = getattr(fitted, "best_estimator_", fitted)
    if not isinstance(pipeline, Pipeline) or len(pipeline) == 1:
        raise SettingsError("importance needs a pipeline whose last step classifies feature columns")
    classifier, table = pipeline[-1], columns_of(pipeline, without_labels(rows))
    named = table.columns if isinstance(table, pd.DataFrame) else pipeline[:-1].get_feature_names_out()
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(table)) for _ in range(shuffles)]

    def scores(columns: Any) -> dict[str, float]:
        return _by_speaker(classifier.predict(columns), rows)

    base = scores(table)
    drops: Drops = {}
    groups = column_groups([str(name) for name in named], kind)
    for number, (name, group) in enumerate(groups.items()):
        report_step("importance, groups of columns", number, len(groups))
        left = [scores(_shuffled(table, group, order)) for order in orders]
        drops[name] = {speaker: float(np.mean([base[speaker] - one[speaker] for one in left])) for speaker in base}
    report_step("importance, groups of columns", len(groups), len(groups))
    return drops


def _shuffled(table: Any, columns: list[int], order: npt.NDArray[np.intp]) -> Any:
    shuffled = table.copy()
    if isinstance(table, pd.DataFrame):
        shuffled.iloc[:, columns] = table.iloc[order, columns].to_numpy()
    else:
        shuffled[:, columns] = table[order][:, columns]
    return shuffled


def _by_speaker(predicted: npt.NDArray[Any], rows: pd.DataFrame) -> dict[str, float]:
    speakers, truth = rows["speaker"].to_numpy(), rows["emotion"].to_numpy(dtype=object)
    scores = {}
    for speaker in sorted(set(speakers)):
        true, given = truth[speakers == speaker], predicted[speakers == speaker]
        matrix = confusion(true, given, sorted({*true, *given}))
        scores[str(speaker)] = float(unweighted_average_recall(matrix))
    return scores


def average_importance(folds: Sequence[Drops]) -> dict[str, tuple[float, tuple[float, float] | None]]:
    """Return the mean UAR loss over speakers and its 95 % interval, by name of the group, the largest loss first.

    A speaker who is tested in several folds counts once.
    """
    if len({frozenset(fold) for fold in folds}) > 1:
        raise SettingsError("the folds have different columns, so their importance cannot be averaged")
    changes = {}
    for name in next(iter(folds), {}):
        losses: dict[str, list[float]] = defaultdict(list)
        for fold in folds:
            for speaker, loss in fold[name].items():
                losses[speaker].append(loss)
        changes[name] = mean_change([float(np.mean(of_speaker)) for of_speaker in losses.values()])
    ranked = sorted(changes.items(), key=lambda item: -item[1].mean)
    return {name: (change.mean, change.interval) for name, change in ranked}
