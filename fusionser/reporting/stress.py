"""The page and the picture of a stress test."""

from pathlib import Path

import numpy as np
import pandas as pd

from fusionser.evaluation.stress import StressResult
from fusionser.files import remove_files
from fusionser.registry import CORPORA
from fusionser.reporting.drawing import Axes, Figure
from fusionser.reporting.figures import COLORS, plain, save_figure
from fusionser.reporting.formats import PAGE_ONLY, Formats, write_tables
from fusionser.reporting.markdown import escaped
from fusionser.reporting.page import render
from fusionser.reporting.tables.stress import stress_tables
from fusionser.reporting.web_page import write_pages
from fusionser.reporting.words import corpora_text, percent, stamp_texts
from fusionser.rows import public_table, write_table

__all__ = [
    "RESULT",
    "headline",
    "interval_text",
    "is_synthetic",
    "stress_figure",
    "stress_page",
    "write_stress",
]

RESULT = "stress.json"
"""Name of the stored result in the folder of a report."""


def headline(result: StressResult) -> str:
    """Return which conditions change the most and the fewest answers, in one sentence."""
    shares = sorted(scores.changed for scores in result.conditions)
    fewest, most = (percent(share) for share in (shares[0], shares[-1]))
    model = f"{result.classifier} with {result.features_name}"
    if fewest == most:
        return f"{_changing(result, most)} {most} % of the answers of {model}."
    return (
        f"Of {len(result.conditions)} conditions, {_changing(result, most)} the most answers of {model} ({most} %), "
        f"and {_changing(result, fewest)} the fewest ({fewest} %)."
    )


def _changing(result: StressResult, share: str) -> str:
    """Return the conditions that change a share of the answers, in percent, as the subject of a sentence."""
    names = [scores.name for scores in result.conditions if percent(scores.changed) == share]
    if len(names) == 1:
        return f"{names[0]} changes"
    others = names[1] if len(names) == 2 else f"{len(names) - 1} others"
    return f"{names[0]} and {others} change"


def is_synthetic(result: StressResult) -> bool:
    """Return whether any of the recordings are synthetic."""
    return any(CORPORA[name].card.synthetic for name in result.corpora if name in CORPORA)


def interval_text(result: StressResult) -> str:
    """Return how the intervals were made, or why there are none."""
    if result.clean.changed_interval is None:
        return f"none, because there are fewer than eight {'speakers' if result.by_speaker else 'clips'}"
    source = "speakers" if result.by_speaker else "clips, because not all speakers are known"
    return f"95 %, by resampling {source}; where no answer or every answer changes, Wilson's interval over clips"


def stress_page(result: StressResult) -> str:
    """Return the Markdown page of a stress test."""
    tables, result = stress_tables(result), escaped(result)
    return render(
        "stress.md.j2",
        result=result,
        headline=headline(result),
        tables=tables,
        stamps=stamp_texts(result.notes),
        interval_text=interval_text(result),
        corpora=corpora_text(result.corpora),
        trained_on=corpora_text(result.trained_on.split(", ")),
        synthetic=is_synthetic(result),
        chance=100 / len(result.classes),
    )


def stress_figure(result: StressResult) -> Figure:
    """Draw the share of changed answers under each condition, and beside it the UAR, with intervals as bars."""
    names = [scores.name for scores in result.conditions]
    labelled = result.clean.uar is not None
    figure = Figure(figsize=(9.5 if labelled else 6.5, 1.1 + 0.27 * len(names)), layout="constrained")
    panels = figure.subplots(1, 2 if labelled else 1, sharey=True, squeeze=False)[0]
    _draw(panels[0], [(scores.changed, scores.changed_interval) for scores in result.conditions], COLORS[0])
    panels[0].set_yticks(range(len(names)), [plain(name) for name in names], fontsize=8)
    panels[0].set(xlabel="answers changed, %", ylim=(len(names) - 0.4, -0.6))
    if labelled:
        _draw(panels[1], [(scores.uar, scores.uar_interval) for scores in result.conditions], COLORS[2])
        clean = 100 * (result.clean.uar or 0.0)
        panels[1].axvline(clean, color="black", linewidth=1, linestyle="--")
        panels[1].set(xlabel=f"UAR, % (dashed: clean, {clean:.1f} %)")
    return figure


def _draw(axes: Axes, values: list[tuple[float | None, tuple[float, float] | None]], color: str) -> None:
    for place, (value, interval) in enumerate(values):
        if interval is not None:
            axes.plot(100 * np.asarray(interval), [place, place], color=color, linewidth=1.2)
        if value is not None:
            axes.plot([100 * value], [place], marker="o", color=color, markersize=5)
    axes.set_xlim(-2, 102)
    axes.grid(axis="both", linewidth=0.4)


def write_stress(
    result: StressResult,
    folder: str | Path,
    answers: pd.DataFrame | None = None,
    formats: Formats = PAGE_ONLY,
) -> Path:
    """Write ``report.md``, ``stress.png`` and ``stress.json``, and ``answers.csv`` if the answers are given.

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
    result.save(place / RESULT)
    # A run that fails from here on must leave nothing of an earlier result beside the new one.
    remove_files(place, ["report.md", "report.html", "stress.png"])
    if answers is not None:
        remove_files(place, ["answers.csv"])
        write_table(public_table(answers), place / "answers.csv")
    save_figure(stress_figure(result), place / "stress.png", formats.figures)
    write_tables(stress_tables(result), place, formats.tables)
    return write_pages(place, stress_page(result))
