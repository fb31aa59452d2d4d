"""What a leak is worth: the score of one pipeline by the split, and by speaker."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fusionser.audit.result import Worth
from fusionser.audit.split import TEST, TRAIN, VALIDATION, Split
from fusionser.errors import FusionserError
from fusionser.facts import Stamp
from fusionser.features.extraction import Progress
from fusionser.folders import brief_folder
from fusionser.jobs import evaluate_prepared
from fusionser.pipeline import Place, Prepared, Resources, prepare
from fusionser.pipeline.resources import LOCAL
from fusionser.rows import write_table
from fusionser.spec import PipelineSpec
from fusionser.splits import GivenSplit, SpeakerKFold
from fusionser.storage import address_of

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
    try:
        with brief_folder() as folder:
            rows, by_fold = _wherever_read(split.rows), _wherever_read(_by_fold(split))
            analysed = prepare(
                [Place(write_table(rows, folder / "rows.parquet"))], spec, resources=resources, progress=progress
            )
            # All values are in the table now, so that each recording is analysed once.
            given = prepare([Place(write_table(by_fold, folder / "folds.parquet"))], spec, resources=resources)
        return _scored(given, analysed, _folds(split), resources)
    except FusionserError as error:
        # The audit itself is whole without the scores.
        return Stamp(kind="not-scored", value=str(error))


def _wherever_read(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows whose recordings are found from any folder: paths in a table are relative to the table."""
    if "file" not in rows:
        return rows
    return rows.assign(file=[name if address_of(name) else str(Path(name).absolute()) for name in rows["file"]])


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
    return {int(one) for one in sides[TEST if TEST in sides else VALIDATION]}


def _by_fold(split: Split) -> pd.DataFrame:
    """Return a row for each recording and fold, as the protocol ``given-split`` reads them."""
    parts = []
    for fold in split.folds:
        # Without rows to test, those for validation are tested.
        renamed = {} if TEST in fold.sides else {VALIDATION: TEST}
        for side, places in fold.sides.items():
            parts.append(split.rows.iloc[places].assign(split=renamed.get(side, side), fold=fold.name))
    return pd.concat(parts, ignore_index=True)


def _folds(split: Split) -> int:
    """Return the number of folds by speaker whose training rows are about as many as those of the split."""
    tested = np.mean([len(_tested(fold.sides)) / (len(_tested(fold.sides)) + len(fold.sides[TRAIN]))
                      for fold in split.folds])  # fmt: skip
    return int(np.clip(round(1 / max(float(tested), 0.05)), 2, split.rows["speaker"].nunique()))


def _scored(given: Prepared, analysed: Prepared, folds: int, resources: Resources) -> Worth:
    by_split, _ = evaluate_prepared(given, GivenSplit(), resources=resources)
    folds = min(folds, int(analysed.table["speaker"].nunique()))
    by_speaker, _ = evaluate_prepared(analysed, SpeakerKFold(folds=folds), resources=resources)
    return Worth(
        features=by_split.features_name,
        classifier=by_split.classifier,
        by_split=by_split.pooled,
        by_speaker=by_speaker.pooled,
        speaker_folds=folds,
        speaker_interval=None if by_speaker.intervals is None else by_speaker.intervals["uar"],
        split_interval=None if by_split.intervals is None else by_split.intervals["uar"],
        chance=1 / len(by_split.classes),
    )
