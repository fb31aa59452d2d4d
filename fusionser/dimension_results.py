"""Stored results of predicted numbers, as those of classes are in `fusionser.results`."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from fusionser.errors import FusionserError
from fusionser.facts import Count, QuarantineList, Record, Stamp
from fusionser.files import write_text
from fusionser.names import EARLY
from fusionser.results import (
    BlockSettings,
    NamedSettings,
    ProtocolStamp,
    Provenance,
    Result,
    StoredSpec,
    read_result,
    read_stored,
)

__all__ = [
    "MEAN",
    "Agreement",
    "AnyResult",
    "DimensionFold",
    "DimensionResult",
    "TargetScores",
    "method_of",
    "read_any_result",
]

FORMAT: Literal[1] = 1

MEAN = "mean"
"""Name of the mean of all targets among the scores."""

Correlation = Annotated[float, Field(ge=-1 - 1e-9, le=1 + 1e-9)]
Error = Annotated[float, Field(ge=0)]


class Agreement(Record):
    """How predicted numbers agree with the labels.

    Parameters
    ----------
    ccc : float
        Concordance correlation coefficient (Lin 1989), -1 to 1; 0 where all predictions, or all labels, are equal.
    pearson : float or None
        Pearson's correlation, -1 to 1; None where all predictions, or all labels, are equal.
    mse : float
        Mean squared error, in the unit of the target, squared.
    """

    ccc: Correlation
    pearson: Correlation | None
    mse: Error


TargetScores = dict[str, Agreement]
"""Scores by target, and those of `MEAN`."""

Interval = tuple[float, float]


class DimensionFold(Record):
    """One fold: its sizes, its scores, and what its training and test rows share."""

    name: str
    train_rows: Count
    test_rows: Count
    test_speakers: Count
    scores: TargetScores
    shared_speakers: Count
    shared_sources: Count
    shared_audio: Count
    shared_statements: Count
    parameters: dict[str, Any] = Field(default_factory=dict)
    fit_seconds: float | None


class DimensionResult(Record):
    """The result of an evaluation of predicted numbers.

    ``pooled`` are the scores over all test predictions together, by target, and their ``mean``; ``speakers`` those of
    each speaker. ``intervals`` come from resampling speakers, by target and score; with fewer than eight speakers there
    are none. ``naive_mse`` is the mean squared error, by target, of the mean of the training rows of each fold, whose
    CCC is 0. The other fields are those of `Result`.
    """

    task: Literal["dimensions"] = "dimensions"
    format: Literal[1] = FORMAT
    corpora: tuple[str, ...]
    rows: Count
    speaker_count: Count
    targets: tuple[str, ...] = Field(min_length=1)
    protocol: ProtocolStamp
    spec: StoredSpec
    features: list[NamedSettings]
    features_name: str
    feature_count: int
    digests: dict[str, str] = Field(default_factory=dict)
    classifier: str
    classifier_settings: BlockSettings
    pooled: TargetScores
    intervals: dict[str, dict[str, Interval]] | None
    naive_mse: dict[str, Error]
    folds: list[DimensionFold] = Field(min_length=1)
    speakers: dict[str, TargetScores]
    genders: dict[str, str] = Field(default_factory=dict)
    quarantine: QuarantineList = Field(default_factory=list)
    notes: tuple[Stamp, ...] = ()
    seed: int
    seconds: dict[str, float]
    provenance: Provenance

    @model_validator(mode="after")
    def _parts_fit(self) -> "DimensionResult":
        wanted = {*self.targets, MEAN}
        scored = [self.pooled, *(fold.scores for fold in self.folds), *self.speakers.values()]
        if any(set(scores) != wanted for scores in scored) or set(self.naive_mse) != set(self.targets):
            raise ValueError(f"its scores are not those of {', '.join(self.targets)} and their mean")
        if self.intervals is not None and (
            set(self.intervals) != wanted
            or any(set(named) != set(Agreement.model_fields) for named in self.intervals.values())
        ):
            raise ValueError("its intervals are not those of its targets and scores")
        return self

    @property
    def corpus(self) -> str:
        """Names of the corpora, as one text."""
        return ", ".join(self.corpora)

    def save(self, path: str | Path) -> Path:
        """Write the result as JSON, atomically."""
        return write_text(path, self.model_dump_json(indent=2) + "\n")


AnyResult = Result | DimensionResult
"""The result of an evaluation, of classes or of numbers."""


def method_of(result: AnyResult) -> str:
    """Return what decided in an evaluation: the classifier, and how blocks were fused if not all were given to it.

    Parameters
    ----------
    result : Result or DimensionResult
    """
    fusion = EARLY if result.spec is None else result.spec.resolved_fusion
    return result.classifier if fusion == EARLY else f"{result.classifier} ({fusion} fusion)"


def read_any_result(path: str | Path) -> AnyResult:
    """Read the result of an evaluation, of classes or of numbers, from its JSON file.

    Raises
    ------
    FusionserError
        If the file is missing, or is not a result that this version can read.
    """
    try:
        values = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise FusionserError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        raise FusionserError(f"{path}: not a result that this version reads ({type(error).__name__})") from error
    if isinstance(values, dict) and values.get("task") == "dimensions":
        return read_stored(DimensionResult, path, "a result")
    return read_result(path)
