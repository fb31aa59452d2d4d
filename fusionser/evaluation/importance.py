"""What a fitted pipeline relies on: how much worse it is on held-out speakers when columns are shuffled."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.pipeline import Pipeline

from fusionser.errors import SettingsError, unknown_name
from fusionser.evaluation.metrics import confusion, unweighted_average_recall
from fusionser.evaluation.statistics import mean_change
from fusionser.names import BY_FEATURE, IMPORTANCE

__all__ = ["average_importance", "column_groups", "fold_importance"]

SHUFFLES = 5

Drops = dict[str, dict[str, float]]
"""What each speaker's UAR loses, by name of what was shuffled."""


def column_groups(names: Sequence[str], kind: str) -> dict[str, list[int]]:
    """Return the positions of columns that are shuffled together, by block, and each alone after them where asked for.

    Parameters
    ----------
    names : sequence of str
        Of the columns, as ``block__column``; others are carried along, and are no features.
    kind : str
        One of `IMPORTANCE`.

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


def fold_importance(
    pipeline: Pipeline,
    rows: pd.DataFrame,
    kind: str,
    *,
    shuffles: int = SHUFFLES,
    seed: int = 0,
) -> Drops:
    """Shuffle each group of columns over the test rows of a fold, and see what each speaker's UAR loses.

    The rows of a group stay together, so that what columns of a block say to each other is kept; other columns stay
    where they are (Breiman 2001). A column that others can stand in for loses little: that is what is asked, what this
    classifier relies on, and not what a column is worth by itself.

    Parameters
    ----------
    pipeline : fitted Pipeline
        Whose last step classifies columns.
    rows : DataFrame
        The test rows.
    kind : str
        One of `IMPORTANCE`.
    shuffles : int, default=5
    seed : int, default=0

    Returns
    -------
    dict of str to dict of str to float
        By name of the group and by speaker, the mean over the shuffles.
    """
    columns_of, classifier = pipeline[:-1], pipeline[-1]
    table = columns_of.transform(rows)
    named = table.columns if isinstance(table, pd.DataFrame) else columns_of.get_feature_names_out()
    groups = column_groups([str(name) for name in named], kind)
    speakers = rows["speaker"].to_numpy()
    truth = rows["emotion"].to_numpy(dtype=object)
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(table)) for _ in range(shuffles)]
    base = _by_speaker(classifier.predict(table), truth, speakers)
    drops: Drops = {}
    for name, columns in groups.items():
        losses = []
        for order in orders:
            left = _by_speaker(classifier.predict(_shuffled(table, columns, order)), truth, speakers)
            losses.append({speaker: base[speaker] - left[speaker] for speaker in base})
        drops[name] = {speaker: float(np.mean([loss[speaker] for loss in losses])) for speaker in base}
    return drops


def _shuffled(table: Any, columns: Sequence[int], order: npt.NDArray[np.intp]) -> Any:
    shuffled = table.copy()
    if isinstance(table, pd.DataFrame):
        shuffled.iloc[:, list(columns)] = table.iloc[order, list(columns)].to_numpy()
    else:
        shuffled[:, columns] = table[order][:, columns]
    return shuffled


def _by_speaker(predicted: Any, truth: npt.NDArray[Any], speakers: npt.NDArray[Any]) -> dict[str, float]:
    scores = {}
    for speaker in sorted(set(speakers)):
        of_speaker = speakers == speaker
        classes = tuple(sorted(set(truth[of_speaker]) | set(np.asarray(predicted)[of_speaker])))
        scores[str(speaker)] = float(
            unweighted_average_recall(confusion(truth[of_speaker], predicted[of_speaker], classes))
        )
    return scores


def average_importance(folds: Sequence[Drops]) -> dict[str, tuple[float, tuple[float, float] | None]]:
    """Return what the UAR loses by each name, the mean over speakers and its interval, the largest first.

    A speaker who is tested in several folds counts once.
    """
    if not folds:
        return {}
    names = {name for fold in folds for name in fold}
    for fold in folds:
        if set(fold) != names:
            raise SettingsError("the folds have different columns, so that what they rely on cannot be averaged")
    averages = {}
    for name in folds[0]:
        speakers: dict[str, list[float]] = {}
        for fold in folds:
            for speaker, loss in fold[name].items():
                speakers.setdefault(speaker, []).append(loss)
        change = mean_change([float(np.mean(losses)) for losses in speakers.values()])
        averages[name] = (change.mean, change.interval)
    return dict(sorted(averages.items(), key=lambda item: -item[1][0]))
