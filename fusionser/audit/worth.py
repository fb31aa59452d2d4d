"""What a leak is worth: the score of one pipeline by the split, and by speaker."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from fusionser.audit.result import Worth
from fusionser.audit.split import DEV, TEST, TRAIN, Split
from fusionser.errors import FusionserError
from fusionser.facts import Stamp
from fusionser.features.extraction import Progress
from fusionser.files import brief_folder
from fusionser.jobs import evaluate_prepared
from fusionser.pipeline import Place, Prepared, Resources, prepare
from fusionser.pipeline.resources import LOCAL
from fusionser.rows import write_table
from fusionser.spec import PipelineSpec
from fusionser.splits import GivenSplit, SpeakerKFold

__all__ = ["scored_split"]

FEWEST_SPEAKERS = 2


def scored_split(
    split: Split, spec: PipelineSpec, *, resources: Resources = LOCAL, progress: Progress | None = None
) -> Worth | Stamp:
    """Score a pipeline by a split and by speaker, or return why that cannot be done.

    Parameters
    ----------
    split : Split
    spec : PipelineSpec
        Of features and classifier, the same for both.
    resources : Resources
    progress : callable, optional
        Called with the number of recordings analysed and their number.
    """
    if reason := _lacking(split):
        return Stamp(kind="not-scored", value=reason)
    columns = _columns(split)
    try:
        with brief_folder() as folder:
            table = write_table(split.rows.assign(**columns), folder / "rows.parquet")
            prepared = prepare([Place(table)], spec, resources=resources, progress=progress)
        return _scored(prepared, columns, _folds(split), resources)
    except FusionserError as error:
        # The audit itself is whole without the scores.
        return Stamp(kind="not-scored", value=str(error))


def _lacking(split: Split) -> str:
    rows = split.rows
    if any(not {TRAIN} < set(fold.sides) for fold in split.folds):
        return "a fold has no training recordings"
    if (rows["emotion"] == "").any():
        return "the emotion of some recordings is unknown"
    if (rows["speaker"] == "").any():
        return "the speaker of some recordings is unknown"
    if rows["speaker"].nunique() < FEWEST_SPEAKERS:
        return "there is one speaker only"
    if any(len({int(one) for one in fold.sides[TRAIN]} & _tested(fold.sides)) for fold in split.folds):
        return "a recording is itself on both sides"
    return ""


def _tested(sides: Any) -> set[int]:
    return {int(one) for one in sides[TEST if TEST in sides else DEV]}


def _columns(split: Split) -> dict[str, pd.Series]:
    """Return a column of sides for each fold."""
    columns = {}
    for number, fold in enumerate(split.folds, start=1):
        words = np.full(len(split.rows), "", dtype=object)
        for side, places in fold.sides.items():
            words[places] = side
        columns[f"split_{number}"] = pd.Series(words, index=split.rows.index)
    return columns


def _folds(split: Split) -> int:
    """Return the number of folds by speaker whose training rows are about as many as those of the split."""
    tested = np.mean([len(_tested(fold.sides)) / (len(_tested(fold.sides)) + len(fold.sides[TRAIN]))
                      for fold in split.folds])  # fmt: skip
    return int(np.clip(round(1 / max(float(tested), 0.05)), 2, split.rows["speaker"].nunique()))


def _scored(prepared: Prepared, columns: dict[str, pd.Series], folds: int, resources: Resources) -> Worth:
    score = partial(evaluate_prepared, prepared, resources=resources)
    by_split, _ = score(GivenSplit(columns=tuple(columns)))
    folds = min(folds, int(prepared.table["speaker"].nunique()))
    by_speaker, _ = score(SpeakerKFold(folds=folds))
    return Worth(
        features=by_split.features_name,
        classifier=by_split.classifier,
        by_split=by_split.pooled,
        by_speaker=by_speaker.pooled,
        speaker_folds=folds,
        speaker_interval=None if by_speaker.intervals is None else by_speaker.intervals["uar"],
        chance=1 / len(by_split.classes),
    )
