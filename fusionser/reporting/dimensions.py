"""Pages and figures of predicted numbers."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fusionser.dimension_results import MEAN, DimensionResult, method_of
from fusionser.errors import RowsError
from fusionser.evaluation.dimensions import DimensionEvaluation, predicted_column
from fusionser.reporting.drawing import Figure, MaxNLocator
from fusionser.reporting.figures import COLORS, plain, save_figure
from fusionser.reporting.formats import PAGE_ONLY, Formats, write_tables
from fusionser.reporting.learning_curves import curves_figure
from fusionser.reporting.markdown import escaped
from fusionser.reporting.page import USED_CLIPS, remove_report, render
from fusionser.reporting.scores import AGREEMENT_NAMES, agreement_interval, agreement_text, is_synthetic
from fusionser.reporting.settings import classifier_lines
from fusionser.reporting.stored import CURVES, PREDICTIONS, stored_curves, stored_predictions
from fusionser.reporting.tables.cells import chosen
from fusionser.reporting.tables.dimensions import dimension_tables
from fusionser.reporting.web_page import write_pages
from fusionser.reporting.words import corpora_text, where_tested
from fusionser.results import read_stored
from fusionser.rows import public_table, write_table

__all__ = [
    "dimension_headline",
    "dimension_page",
    "is_at_naive",
    "predictions_figure",
    "rewrite_dimension_report",
    "score_rows",
    "write_dimension_report",
]

MOST_POINTS = 5000
"""Most test clips that a figure draws."""


def score_rows(result: DimensionResult) -> list[list[str]]:
    """Return a row for each target, and for the mean of several: each score, and its interval."""
    rows = []
    shown = [*result.targets, MEAN] if len(result.targets) > 1 else result.targets
    for target in shown:
        scores = result.pooled[target]
        pairs = [
            (agreement_text(getattr(scores, name)), agreement_interval(result, target, name))
            for name in AGREEMENT_NAMES
        ]
        rows.append([target, *(part for pair in pairs for part in pair)])
    return rows


def dimension_headline(result: DimensionResult) -> str:
    """Return the scores of a result in one sentence."""
    interval = agreement_interval(result, MEAN, "ccc")
    shown = "" if interval == "-" else f" (95 % interval over speakers {interval})"
    whole = f"CCC of {agreement_text(result.pooled[MEAN].ccc)}{shown}"
    each = ", ".join(f"{name} {agreement_text(result.pooled[name].ccc)}" for name in result.targets)
    reached = f"a mean {whole}: {each}" if len(result.targets) > 1 else f"a {whole} for {result.targets[0]}"
    return (
        f"{where_tested(result)}{USED_CLIPS[result.protocol.setting]}, {method_of(result)} with {result.features_name} "
        f"reached {reached}. The naive answer, the mean of the training rows, has a CCC of 0."
    )


def is_at_naive(result: DimensionResult) -> bool:
    """Return whether the mean CCC, or the lower end of its interval over speakers, is not above the naive 0."""
    least = result.pooled[MEAN].ccc if result.intervals is None else result.intervals[MEAN]["ccc"][0]
    return least <= 0.0


def dimension_page(result: DimensionResult, networks: Sequence[str] = ()) -> str:
    """Return the Markdown page of one result; `networks` names the networks that have learning curves."""
    result = escaped(result)
    return render(
        "dimensions.md.j2",
        result=result,
        rows=score_rows(result),
        regressor=classifier_lines([result])[0],
        number=agreement_text,
        searched=any(fold.parameters for fold in result.folds),
        chosen=chosen,
        mean=MEAN,
        names=AGREEMENT_NAMES,
        networks=networks,
        headline=dimension_headline(result),
        method=method_of(result),
        corpora=corpora_text(result.corpora),
        synthetic=is_synthetic(result),
    )


def predictions_figure(predictions: pd.DataFrame, targets: Sequence[str]) -> Figure:
    """Draw the prediction of each test clip over its label, one panel per target, and the line of perfect agreement."""
    figure = Figure(figsize=(4.2 * len(targets), 4.0), layout="constrained")
    panels = figure.subplots(1, len(targets), squeeze=False)[0]
    drawn = predictions
    if len(predictions) > MOST_POINTS:
        drawn = predictions.iloc[np.random.default_rng(0).permutation(len(predictions))[:MOST_POINTS]]
    for axes, name in zip(panels, targets, strict=True):
        truth, guess = drawn[name].to_numpy(), drawn[predicted_column(name)].to_numpy()
        ends = [min(truth.min(), guess.min()), max(truth.max(), guess.max())]
        axes.scatter(truth, guess, s=8, alpha=0.5, color=COLORS[0], linewidths=0)
        axes.plot(ends, ends, color="black", linewidth=1, linestyle="--", label="perfect agreement")
        axes.set_title(plain(name), fontsize=10)
        # Both axes have the same unit, so they have the same range and the same ticks.
        margin = 0.04 * (ends[1] - ends[0]) or 0.5
        limits = (ends[0] - margin, ends[1] + margin)
        axes.set(xlabel="label", ylabel="prediction", xlim=limits, ylim=limits, aspect="equal")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(nbins=6))
        axes.legend(loc="upper left", fontsize=8)
    return figure


def write_dimension_report(
    result: DimensionResult, evaluation: DimensionEvaluation, folder: str | Path, formats: Formats = PAGE_ONLY
) -> Path:
    """Write ``report.md``, ``result.json``, ``predictions.csv``, the figures and the tables of one evaluation.

    Parameters
    ----------
    result : DimensionResult
    evaluation : DimensionEvaluation
        The evaluation that the result is of.
    folder : str or Path
    formats : Formats
        Formats besides the page.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    FusionserError
        When a file cannot be written.
    """
    place = Path(folder)
    result.save(place / "result.json")
    # A run that fails from here on must leave nothing of an earlier result beside the new one.
    remove_report(place)
    write_table(public_table(evaluation.predictions), place / PREDICTIONS)
    if len(evaluation.curves):
        write_table(evaluation.curves, place / CURVES)
    return _write(result, evaluation.predictions, evaluation.curves, place, formats)


def _write(
    result: DimensionResult, predictions: pd.DataFrame, curves: pd.DataFrame, place: Path, formats: Formats
) -> Path:
    save_figure(predictions_figure(predictions, result.targets), place / "predictions.png", formats.figures)
    networks = list(dict.fromkeys(curves["network"])) if len(curves) else []
    if networks:
        save_figure(curves_figure(curves), place / "learning_curves.png", formats.figures)
    write_tables(dimension_tables(result), place, formats.tables)
    return write_pages(place, dimension_page(result, networks))


def rewrite_dimension_report(folder: str | Path, formats: Formats = PAGE_ONLY) -> Path:
    """Write the page, the figures and the tables of a folder of `write_dimension_report` again.

    Parameters
    ----------
    folder : str or Path
    formats : Formats
        Formats besides the page.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    FusionserError
        If a file is missing, or is not one of such a folder.
    """
    place = Path(folder)
    result = read_stored(DimensionResult, place / "result.json", "a result of numbers")
    predictions = stored_predictions(place, result)
    if predictions is None:
        raise RowsError(f"{place / PREDICTIONS}: there is no such file; evaluate again")
    return _write(result, predictions, stored_curves(place), place, formats)
