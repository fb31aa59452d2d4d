"""The result of an evaluation as a picture: confusion, reliability, speakers and learning curves."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fusionser.dimension_results import MEAN, AnyResult, DimensionResult, method_of, read_any_result
from fusionser.errors import FusionserError, RowsError
from fusionser.plots.style import TITLE_SIZE, WIDTH, titled
from fusionser.reporting import learning_curves, result_figures
from fusionser.reporting.dimensions import predictions_figure
from fusionser.reporting.drawing import Figure
from fusionser.reporting.learning_curves import draw_curves
from fusionser.reporting.result_figures import draw_confusion, draw_reliability, draw_speakers, speakers_height
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

MOST_BESIDE = 11
"""Most classes of a confusion that has another panel at its side."""

HALF, WHOLE = 3.4, 8.0
"""Inches that all cells of a confusion have side by side, with and without another panel."""

RELIABILITY = 4.8
"""Height of the reliability in inches, in a row of its own."""

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


Shown = str | Path | AnyResult | StoredResult
"""A result, or where it is."""


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


def result_figure(result: Shown) -> Figure:
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
    stored = _stored(result)
    if isinstance(stored.result, DimensionResult):
        return _figure_of_numbers(stored, stored.result)
    return _figure_of_classes(stored, stored.result)


def _stored(result: Shown) -> StoredResult:
    """Return a result that is given in any way."""
    if isinstance(result, str | Path):
        return read_stored_result(result)
    if isinstance(result, Result | DimensionResult):
        return StoredResult(result)
    if not isinstance(result, StoredResult):
        raise RowsError(
            f"result is {result!r}; expected what 'fusionser evaluate --out' wrote (the path of the folder or of "
            "result.json), or what fusionser.evaluate returned"
        )
    return result


def _of_classes(result: Shown) -> Result:
    found = _stored(result).result
    if isinstance(found, DimensionResult):
        raise RowsError(
            f"the result is of numbers ({', '.join(found.targets)}), and this picture is of emotions; use result_figure"
        )
    return found


def confusion_figure(result: Shown) -> Figure:
    """Draw the confusion matrix: the share of each true class in percent, with the counts.

    Parameters
    ----------
    result : str, path, Result or StoredResult
        As of `result_figure`.

    Returns
    -------
    Figure

    Raises
    ------
    FusionserError
        If it cannot be read, or is not the result of an evaluation of emotions.
    """
    return result_figures.confusion_figure(_of_classes(result))


def speakers_figure(result: Shown) -> Figure:
    """Draw the UAR of each test speaker with its interval, sorted, and the pooled UAR as a line.

    Parameters
    ----------
    result : str, path, Result or StoredResult
        As of `result_figure`.

    Returns
    -------
    Figure

    Raises
    ------
    FusionserError
        If it cannot be read, or is not the result of an evaluation of emotions.
    """
    return result_figures.speakers_figure(_of_classes(result))


def reliability_figure(result: Shown, predictions: pd.DataFrame | None = None) -> Figure:
    """Draw how many of the answers of about the same probability are right, and how many answers these are.

    Parameters
    ----------
    result : str, path, Result or StoredResult
        As of `result_figure`.
    predictions : DataFrame, optional
        The predictions of the evaluation, with a column ``probability_<class>`` for each class; by default those in the
        folder of the result.

    Returns
    -------
    Figure

    Raises
    ------
    FusionserError
        If it cannot be read, is not the result of an evaluation of emotions, or has no probabilities.
    """
    stored = _stored(result)
    found = stored.predictions if predictions is None else predictions
    of_classes = _of_classes(stored)
    if found is None or not {f"probability_{name}" for name in of_classes.classes} <= set(found):
        raise RowsError(
            f"there are no probabilities; expected predictions with columns such as "
            f"'probability_{of_classes.classes[0]}', as in {PREDICTIONS} in the folder of an evaluation"
        )
    return result_figures.reliability_figure(of_classes, found)


def curves_figure(curves: str | Path | pd.DataFrame | StoredResult) -> Figure:
    """Draw the learning curves of every training, one column of panels per network.

    Parameters
    ----------
    curves : str, path, DataFrame or StoredResult
        One row per epoch: ``fold``, ``network``, ``epoch``, and losses and scores; or a result as of `result_figure`.

    Returns
    -------
    Figure

    Raises
    ------
    FusionserError
        If the result cannot be read, or has no learning curves.
    """
    found = curves if isinstance(curves, pd.DataFrame) else _stored(curves).curves
    if found.empty:
        raise RowsError("there are no learning curves; expected those of a network that was trained")
    return learning_curves.curves_figure(found)


def _figure_of_numbers(stored: StoredResult, result: DimensionResult) -> Figure:
    if stored.predictions is None:
        raise RowsError(f"the picture of predicted numbers needs {PREDICTIONS} beside the result; evaluate again")
    figure = predictions_figure(stored.predictions, result.targets)
    figure.suptitle(titled(_title(result), figure.get_figwidth()), fontsize=TITLE_SIZE)
    return figure


def _title(result: AnyResult) -> str:
    return f"{method_of(result)} with {result.features_name} on {result.corpus} ({result.protocol.name})"


def _figure_of_classes(stored: StoredResult, result: Result) -> Figure:
    predictions = None if result.calibration_error is None else stored.predictions
    classes = len(result.classes)
    beside = predictions is not None and classes <= MOST_BESIDE
    upper = [float(np.clip(2.6 + 0.42 * classes, 5.0, 16.0)), *([RELIABILITY] if predictions is not None else [])]
    heights = [
        *(upper[:1] if beside else upper),
        *([speakers_height(result)] if result.speakers else []),
        *([4.4] if len(stored.curves) else []),
    ]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.5), layout="constrained")
    parts = iter(figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0])
    panels = list(next(parts).subplots(1, 2 if beside else 1, squeeze=False)[0])
    title = f"Confusion: UAR {100 * result.pooled.uar:.1f} %"
    draw_confusion(panels[0], result, title, (HALF if beside else WHOLE) / classes)
    if predictions is not None:
        draw_reliability(panels[1] if beside else next(parts).add_subplot(), result, predictions)
    if result.speakers:
        draw_speakers(next(parts).add_subplot(), result)
    if len(stored.curves):
        draw_curves(next(parts), stored.curves)
    figure.suptitle(titled(_title(result)), fontsize=TITLE_SIZE)
    return figure
