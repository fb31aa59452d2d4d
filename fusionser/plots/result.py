"""The result of an evaluation as a picture: confusion, reliability, speakers and learning curves."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fusionser.dimension_results import MEAN, AnyResult, DimensionResult, method_of, read_any_result
from fusionser.errors import FusionserError, RowsError
from fusionser.plots.style import TITLE_SIZE, WIDTH, titled
from fusionser.reporting.dimensions import predictions_figure
from fusionser.reporting.drawing import Figure
from fusionser.reporting.learning_curves import curves_figure, draw_curves
from fusionser.reporting.result_figures import (
    confusion_figure,
    draw_confusion,
    draw_reliability,
    draw_speakers,
    reliability_figure,
    speakers_figure,
)
from fusionser.reporting.stored import PREDICTIONS, stored_curves, stored_predictions
from fusionser.results import Result

__all__ = [
    "RESULT",
    "StoredResult",
    "confusion_figure",
    "curves_figure",
    "read_stored_result",
    "reliability_figure",
    "result_figure",
    "speakers_figure",
]

RESULT = "result.json"

MOST_AT_THE_ENDS = 3
"""Speakers with the lowest and with the highest scores that the facts name."""


@dataclass(frozen=True)
class StoredResult:
    """A result, and what its folder has beside it.

    Parameters
    ----------
    result : Result or DimensionResult
    predictions : DataFrame or None
        The predictions of the evaluation, if they are there.
    curves : DataFrame
        Its learning curves; empty if no network was trained.
    """

    result: AnyResult
    predictions: pd.DataFrame | None = None
    curves: pd.DataFrame = field(default_factory=pd.DataFrame)

    def facts(self) -> dict[str, Any]:
        """Return the scores as JSON values."""
        result = self.result
        shared = {
            "method": method_of(result),
            "features": result.features_name,
            "corpora": list(result.corpora),
            "protocol": result.protocol.name,
            "rows": result.rows,
            "speakers": result.speaker_count,
        }
        if isinstance(result, DimensionResult):
            scores = {name: one.model_dump(mode="json") for name, one in result.pooled.items()}
            return shared | {"scores": {name: one for name, one in scores.items() if name in (*result.targets, MEAN)}}
        ranked = sorted(result.speakers, key=lambda name: (result.speakers[name].uar, name))
        ends = [*ranked[:MOST_AT_THE_ENDS], *ranked[max(len(ranked) - MOST_AT_THE_ENDS, MOST_AT_THE_ENDS) :]]
        return shared | {
            "scores": result.pooled.model_dump(mode="json"),
            "intervals": None if result.intervals is None else {k: list(v) for k, v in result.intervals.items()},
            "calibration_error": result.calibration_error,
            "uar_of_speakers": {name: result.speakers[name].uar for name in ends},
        }


def read_stored_result(place: str | Path) -> StoredResult:
    """Read a result from its folder, or from its file, beside which its predictions and learning curves are.

    Parameters
    ----------
    place : str or Path
        A folder that ``fusionser evaluate`` wrote, or a ``result.json``.

    Returns
    -------
    StoredResult

    Raises
    ------
    FusionserError
        If it cannot be read, or is no result of an evaluation.
    """
    path = Path(place)
    file = path / RESULT if path.is_dir() else path
    if not file.is_file():
        raise FusionserError(f"{file}: no such file; expected a folder that 'fusionser evaluate --out' wrote")
    result = read_any_result(file)
    return StoredResult(result, stored_predictions(file.parent, result), stored_curves(file.parent))


def result_figure(result: str | Path | AnyResult | StoredResult) -> Figure:
    """Draw the result of an evaluation.

    Of emotions: the confusion in percent with counts, the reliability of the probabilities, the UAR of each speaker
    with intervals, and learning curves, as far as the result has them. Of numbers: predictions over labels.

    Parameters
    ----------
    result : str, path, Result, DimensionResult or StoredResult
        A folder that ``fusionser evaluate`` wrote, a ``result.json``, or a result, which has no predictions and no
        learning curves.

    Returns
    -------
    Figure

    Raises
    ------
    FusionserError
        If it cannot be read, or is no result of an evaluation; for numbers, if the predictions are missing.

    Examples
    --------
    >>> result_figure("report").savefig("result.png")  # doctest: +SKIP
    """
    if isinstance(result, str | Path):
        result = read_stored_result(result)
    stored = result if isinstance(result, StoredResult) else StoredResult(result)
    if isinstance(stored.result, DimensionResult):
        return _figure_of_numbers(stored, stored.result)
    return _figure_of_classes(stored, stored.result)


def _figure_of_numbers(stored: StoredResult, result: DimensionResult) -> Figure:
    if stored.predictions is None:
        raise RowsError(f"the picture of predicted numbers needs {PREDICTIONS} beside the result; evaluate again")
    figure = predictions_figure(stored.predictions, result.targets)
    figure.suptitle(titled(_title(result), figure.get_figwidth()), fontsize=TITLE_SIZE)
    return figure


def _title(result: AnyResult) -> str:
    return f"{method_of(result)} with {result.features_name} on {result.corpus} ({result.protocol.name})"


def _figure_of_classes(stored: StoredResult, result: Result) -> Figure:
    reliable = stored.predictions is not None and result.calibration_error is not None
    upper = float(np.clip(2.6 + 0.42 * len(result.classes), 5.0, 12.0))
    heights = [upper, *([3.4] if result.speakers else []), *([4.4] if len(stored.curves) else [])]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.5), layout="constrained")
    parts = iter(figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0])
    panels = next(parts).subplots(1, 2 if reliable else 1, squeeze=False)[0]
    draw_confusion(panels[0], result, f"Confusion: UAR {100 * result.pooled.uar:.1f} %")
    if stored.predictions is not None and reliable:
        draw_reliability(panels[1], result, stored.predictions)
    if result.speakers:
        draw_speakers(next(parts).add_subplot(), result)
    if len(stored.curves):
        draw_curves(next(parts), stored.curves)
    figure.suptitle(titled(_title(result)), fontsize=TITLE_SIZE)
    return figure
