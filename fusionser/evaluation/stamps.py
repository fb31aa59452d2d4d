"""Stamps of an evaluation: what training and test rows share, and what was known of the test clips."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from sklearn.base import BaseEstimator

from fusionser.evaluation.fitted import computed_stamps, setting_of, stops_early
from fusionser.evaluation.guard import COLUMNS, Overlap
from fusionser.facts import Stamp
from fusionser.names import ADAPTED, SPEAKER_NORMALISED
from fusionser.splits.base import Protocol

__all__ = ["FoldFacts", "stamps_of"]


@dataclass(frozen=True, kw_only=True)
class FoldFacts:
    """What the stamps tell of one fold.

    Parameters
    ----------
    name : str
    gender : (int, int)
        Number of test clips whose gender was estimated correctly, and of those with an estimated and a labelled one.
    parted : bool
        Whether inner folds had to separate clips of one speaker.
    adapted : list of int
        Number of test clips of each corpus that the pipeline was adapted to.
    """

    name: str
    gender: tuple[int, int]
    parted: bool
    adapted: list[int]


def stamps_of(
    protocol: Protocol,
    overlaps: Sequence[Overlap],
    outcomes: Sequence[FoldFacts],
    rows: pd.DataFrame,
    estimator: BaseEstimator,
) -> list[Stamp]:
    """Return what a reader of the scores must know: what the folds share, and what was known of the test clips."""
    shared = [
        Stamp(kind=f"shared-{kind}", value=most, allowed=kind in protocol.allows or kind == "statements")
        for kind in COLUMNS
        if (most := max(len(getattr(overlap, kind)) for overlap in overlaps))
    ]
    unknown = int((rows["speaker"] == "").sum())
    given = any(getattr(part, "kind", None) == "gender" for part in estimator.get_params(deep=True).values())
    right, clips = map(sum, zip(*(outcome.gender for outcome in outcomes), strict=True))
    parted = [outcome.name for outcome in outcomes if outcome.parted]
    left_out = protocol.classes_left_out(rows)
    whole = protocol.folds_of_whole()
    setting = setting_of(estimator)
    others = [
        (unknown, Stamp(kind="speakers-unknown", value=unknown)),
        (setting == SPEAKER_NORMALISED, Stamp(kind="speaker-normalised")),
        (setting == ADAPTED, _adapted_stamp(outcomes, estimator)),
        (given, Stamp(kind="gender-given")),
        (len(overlaps) == 1, Stamp(kind="one-split")),
        (whole, Stamp(kind="part-of-folds", value={"used": len(overlaps), "folds": whole})),
        (clips, Stamp(kind="gender-estimated", value={"accuracy": right / max(clips, 1), "clips": clips})),
        (parted, Stamp(kind="inner-folds-by-clip", value=parted)),
        (left_out, Stamp(kind="classes-left-out", value=left_out)),
    ]
    return [
        *shared,
        *(stamp for applies, stamp in others if applies),
        *computed_stamps(estimator),
        *_validation_stamps(protocol, rows, [outcome.name for outcome in outcomes], estimator),
    ]


def _validation_stamps(
    protocol: Protocol, rows: pd.DataFrame, folds: Sequence[str], estimator: BaseEstimator
) -> list[Stamp]:
    """Return a stamp on the validation rows that the protocol gives, if any, and on whether they are used."""
    most = max(len(protocol.validation_of(rows, name)) for name in folds)
    value = {"rows": most, "used": stops_early(estimator)}
    return [Stamp(kind="validation-rows", value=value)] if most else []


def _adapted_stamp(outcomes: Sequence[FoldFacts], estimator: BaseEstimator) -> Stamp:
    clips = [count for outcome in outcomes for count in outcome.adapted]
    params = estimator.get_params().items()
    how = next((value for name, value in params if name.split("__")[-1] == "adaptation" and value), None)
    return Stamp(kind="adapted", value={"adaptation": how, "clips": [min(clips, default=0), max(clips, default=0)]})
