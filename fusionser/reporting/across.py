"""Pipelines over all tables of a study: how often each is the best, and what adaptation changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fusionser.names import ADAPTED, INDUCTIVE
from fusionser.results import Result

__all__ = ["Across", "across_tables"]

FEWEST_TABLES = 3
"""Fewest tables that are worth a summary."""

Pipeline = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Across:
    """One pipeline over several tables.

    Parameters
    ----------
    features_name, classifier : str
    inductive, adapted : float
        Mean UAR, 0 to 1.
    best_inductive, best_adapted : int
        Tables in which no other pipeline has a higher UAR in the same setting.
    higher : int
        Tables in which its UAR is higher adapted than inductive.
    lowest_change, highest_change : float
        Of the UAR by adaptation, 0 to 1.
    """

    features_name: str
    classifier: str
    inductive: float
    adapted: float
    best_inductive: int
    best_adapted: int
    higher: int
    lowest_change: float
    highest_change: float


def across_tables(groups: Mapping[tuple[str, str], Sequence[Result]]) -> tuple[int, list[Across]]:
    """Compare pipelines over the tables that have all of them in both settings.

    Parameters
    ----------
    groups : mapping of (str, str) to sequence of Result
        The results of each table.

    Returns
    -------
    int
        Number of these tables.
    list of Across
        One for each pipeline; none if there are fewer than two pipelines or three tables.
    """
    tables = [_scores(group) for group in groups.values()]
    both = [table for table in tables if _complete(table)]
    pipelines = list(dict.fromkeys(pipeline for table in both for pipeline, _ in table))
    whole = [table for table in both if all((one, INDUCTIVE) in table for one in pipelines)]
    if len(pipelines) < 2 or len(whole) < FEWEST_TABLES:
        return 0, []
    scores = {
        setting: np.array([[table[one, setting] for one in pipelines] for table in whole])
        for setting in (INDUCTIVE, ADAPTED)
    }
    return len(whole), [_across(pipeline, place, scores) for place, pipeline in enumerate(pipelines)]


def _scores(group: Sequence[Result]) -> dict[tuple[Pipeline, str], float]:
    return {((result.features_name, result.classifier), result.protocol.setting): result.pooled.uar for result in group}


def _complete(table: Mapping[tuple[Pipeline, str], float]) -> bool:
    """Return whether a table has each of its pipelines in both settings."""
    pipelines = {pipeline for pipeline, _ in table}
    return all((one, setting) in table for one in pipelines for setting in (INDUCTIVE, ADAPTED))


def _across(pipeline: Pipeline, place: int, scores: Mapping[str, np.ndarray]) -> Across:
    inductive, adapted = scores[INDUCTIVE], scores[ADAPTED]
    changes = adapted[:, place] - inductive[:, place]
    return Across(
        features_name=pipeline[0],
        classifier=pipeline[1],
        inductive=float(inductive[:, place].mean()),
        adapted=float(adapted[:, place].mean()),
        best_inductive=int((inductive[:, place] >= inductive.max(axis=1)).sum()),
        best_adapted=int((adapted[:, place] >= adapted.max(axis=1)).sum()),
        higher=int((changes > 0).sum()),
        lowest_change=float(changes.min()),
        highest_change=float(changes.max()),
    )
