"""Figures of the result of one evaluation: confusion, reliability, speakers."""

import math
from collections.abc import Sequence
from textwrap import fill

import numpy as np
import numpy.typing as npt
import pandas as pd

from fusionser.dimension_results import method_of
from fusionser.evaluation.calibration import reliability, share_interval, uar_interval
from fusionser.reporting.by_corpus import corpus_of, corpus_scores
from fusionser.reporting.drawing import Axes, Figure
from fusionser.reporting.figures import (
    COLORS,
    DARK_CELL,
    LONGEST_SPEAKER,
    LONGEST_TITLE,
    MARKS,
    plain,
    short,
    shorts,
    speaker_names,
)
from fusionser.results import Result

__all__ = [
    "confusion_figure",
    "draw_confusion",
    "draw_reliability",
    "draw_speakers",
    "reliability_figure",
    "speakers_figure",
    "speakers_height",
]

WIDEST = 11.0
"""Greatest width of a figure in inches."""

MOST_NAMED, MOST_AT_THE_ENDS = 45, 110
"""Most speakers of whom all are named, and of whom those at both ends are; there is no room for more names."""

HIGHEST_BAR = 25
"""Height of the bar with the most answers, in percent of the axis on the left."""

FEW_NAMES, FEW_LETTERS = 12, 4
"""Speakers up to which names are larger, and letters up to which they are then not turned."""

ENDS = 10
"""Speakers at each end that are named if not all of them are."""

CELL = 0.72
"""Inches of a cell of a confusion matrix that is a picture of its own."""

CELL_LOOKS = ((0.4, True, 8.5), (0.29, True, 6.5), (0.2, False, 6.5))
"""Inches of a cell from which it has percent, whether there is room for counts, too, and the size of the letters."""

NAME_SIZES = ((0.29, 10.0), (0.2, 8.0), (0.0, 6.0))
"""Inches of a cell from which the names of the classes have a size."""

NAME_SPACE = 0.13
"""Inches from one name of the smallest size to the next; where cells are smaller, not every class is named."""

RELIABILITY_TITLE = 36
"""Letters in a line above the reliability, which can be narrower than other panels."""

LETTER = 0.085
"""Inches that a letter of a turned name needs."""

LEGEND_COLUMNS, LEGEND_ROW = 3, 16
"""Entries of a legend side by side, and the height of a row in points."""


def _one(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def confusion_figure(result: Result) -> Figure:
    """Draw the confusion matrix: the share of each true class in percent, with the counts.

    Parameters
    ----------
    result : Result

    Returns
    -------
    Figure
    """
    size = 1.8 + CELL * len(result.classes)
    figure, axes = _one(size + 1.0, size)
    title = f"{method_of(result)}, {result.features_name}: UAR {100 * result.pooled.uar:.1f} %"
    draw_confusion(axes, result, title)
    return figure


def draw_confusion(axes: Axes, result: Result, title: str, cell: float = CELL) -> None:
    """Draw what `confusion_figure` draws, with another title, and as much text as cells of a size in inches hold."""
    counts = np.asarray(result.confusion)
    totals = counts.sum(axis=1)
    shares = counts / np.maximum(totals[:, None], 1)
    image = axes.imshow(100 * shares, cmap="Blues", vmin=0.0, vmax=100.0, aspect="auto")
    _name_classes(axes, result.classes, totals, cell)
    looks = next(((counted, size) for least, counted, size in CELL_LOOKS if cell >= least), None)
    if looks is not None:
        _write_cells(axes, shares, counts, *looks)
    axes.figure.colorbar(image, ax=axes, label="share of the true class, %", shrink=0.8, aspect=30, pad=0.02)
    axes.set_title(fill(plain(title), LONGEST_TITLE), fontsize=11)


def _name_classes(axes: Axes, classes: Sequence[str], totals: npt.NDArray[np.int_], cell: float) -> None:
    """Write the names of the classes beside the cells: all of them, if there is room."""
    size = next(size for least, size in NAME_SIZES if cell >= least)
    step = math.ceil(NAME_SPACE / cell)
    named, more = range(0, len(classes), step), f"; one of {step} is named" if step > 1 else ""
    names = shorts(classes)
    axes.set_xticks(named, names[::step], rotation=45, ha="right", rotation_mode="anchor", fontsize=size)
    axes.set_yticks(named, [f"{names[place]} ({totals[place]})" for place in named], fontsize=size)
    axes.set(xlabel=f"predicted{more}", ylabel=f"true (recordings){more}")


def _write_cells(
    axes: Axes, shares: npt.NDArray[np.float64], counts: npt.NDArray[np.int_], counted: bool, size: float
) -> None:
    """Write percent into each cell, and below it the count if there is room for both."""
    for (row, column), count in np.ndenumerate(counts):
        share = shares[row, column]
        text = f"{100 * share:.0f} %\n{count}" if counted else f"{100 * share:.0f}"
        color = "white" if share > DARK_CELL else "black"
        axes.text(
            column,
            row,
            text if count else "0",
            ha="center",
            va="center",
            color=color,
            fontsize=size,
            linespacing=0.95,
        )


def reliability_figure(result: Result, predictions: pd.DataFrame) -> Figure:
    """Draw how many of the answers of about the same probability are right, and how many answers these are.

    Parameters
    ----------
    result : Result
    predictions : DataFrame
        The predictions of the evaluation, with a column ``probability_<class>`` for each class.

    Returns
    -------
    Figure
    """
    figure, axes = _one(5.4, 5.6)
    draw_reliability(axes, result, predictions)
    return figure


def draw_reliability(axes: Axes, result: Result, predictions: pd.DataFrame) -> None:
    """Draw what `reliability_figure` draws."""
    bins = reliability(predictions, result.classes)
    most = max((one.clips for one in bins), default=1)
    x, y = ([100 * getattr(one, name) for one in bins] for name in ("probability", "accuracy"))
    counted = [share_interval(round(one.accuracy * one.clips), one.clips) for one in bins]
    axes.bar(
        x,
        [HIGHEST_BAR * one.clips / most for one in bins],
        width=4.0,
        color="0.82",
        edgecolor="0.55",
        linewidth=0.6,
        label="number of answers, by the axis on the right",
    )
    axes.plot([0, 100], [0, 100], color="black", linewidth=1, linestyle="--", label="probability = share that is right")
    _draw_points(axes, x, y, counted, COLORS[0], MARKS[0], "share that is right, 95 %")
    axes.set(xlim=(0, 101), ylim=(0, 103), xlabel="probability of the answer, %", ylabel="answers that are right, %")
    axes.set_aspect("equal", adjustable="box")
    scale = most / HIGHEST_BAR
    counts = axes.secondary_yaxis("right", functions=(lambda y: np.asarray(y) * scale, lambda n: np.asarray(n) / scale))
    counts.set_yticks([0, most])
    counts.tick_params(labelsize=8)
    counts.set_ylabel("answers", y=HIGHEST_BAR / 200, fontsize=8, labelpad=-4)
    # A point may be anywhere in the panel.
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), fontsize=8)
    axes.grid(linewidth=0.4)
    error = "" if result.calibration_error is None else f": calibration error {100 * result.calibration_error:.1f} %"
    axes.set_title(fill(f"Reliability of the probabilities{error}", RELIABILITY_TITLE), fontsize=11)


def _draw_points(
    axes: Axes,
    x: Sequence[float],
    y: Sequence[float],
    intervals: Sequence[tuple[float, float] | None],
    color: str,
    mark: str,
    label: str | None,
) -> None:
    """Draw points in percent, with intervals as bars where there are any."""
    ends = np.array([(value, value) if pair is None else [100 * end for end in pair] for value, pair in
                     zip(y, intervals, strict=True)]).reshape(-1, 2)  # fmt: skip
    # Rounding may put an end a little inside.
    bars = np.maximum(np.abs(ends.T - np.asarray(y)), 0.0)
    axes.errorbar(
        x, y, yerr=bars, fmt=mark, color=color, markersize=5, linewidth=1.2, capsize=2, linestyle="", label=label
    )


def speakers_figure(result: Result) -> Figure:
    """Draw the UAR of each test speaker with its interval, sorted, and the pooled UAR as a line.

    Parameters
    ----------
    result : Result

    Returns
    -------
    Figure
    """
    figure, axes = _one(min(max(5.5, 1.8 + 0.32 * len(result.speakers)), WIDEST), speakers_height(result))
    draw_speakers(axes, result)
    return figure


def speakers_height(result: Result) -> float:
    """Return the height in inches of what `draw_speakers` draws: more for long names, which are turned."""
    names = _speakers(result, list(result.speakers))
    return 3.4 + LETTER * max(map(len, names), default=0) * (_turned(names) > 0)


def _speakers(result: Result, speakers: Sequence[str]) -> list[str]:
    return shorts(speaker_names(speakers, result.corpora), LONGEST_SPEAKER)


def draw_speakers(axes: Axes, result: Result) -> None:
    """Draw what `speakers_figure` draws."""
    places = list(corpus_scores(result)) or [""]
    names = sorted(result.speakers, key=lambda name: (result.speakers[name].uar, name))
    _draw_pooled(axes, result)
    for number, place in enumerate(places):
        at = [position for position, name in enumerate(names) if corpus_of(name, places) == place]
        _draw_points(
            axes,
            at,
            [100 * result.speakers[names[position]].uar for position in at],
            [_interval(result, names[position]) for position in at],
            COLORS[number % len(COLORS)],
            MARKS[number % len(MARKS)],
            short(place) or None,
        )
    _name_speakers(axes, _speakers(result, names))
    axes.set(xlim=(-0.8, len(names) - 0.2), ylim=(0, 103), ylabel="UAR, %")
    axes.set_yticks(range(0, 101, 20))
    axes.grid(axis="y", linewidth=0.4)
    bars = "; bars: 95 % by the number of clips" if result.speaker_confusions else ""
    # Above the panel, since a point may be anywhere in it; the title is above the legend.
    entries = axes.legend(
        loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=8, ncols=LEGEND_COLUMNS, frameon=False
    ).get_texts()
    above = LEGEND_ROW * math.ceil(len(entries) / LEGEND_COLUMNS)
    axes.set_title(fill(f"UAR of each test speaker, sorted{bars}", LONGEST_TITLE), fontsize=11, pad=6 + above)


def _draw_pooled(axes: Axes, result: Result) -> None:
    """Draw the pooled UAR, its interval over speakers, and chance."""
    pooled = 100 * result.pooled.uar
    label = f"pooled {pooled:.1f} %"
    if result.intervals is not None:
        low, high = (100 * end for end in result.intervals["uar"])
        axes.axhspan(low, high, color="0.85", linewidth=0)
        label += f" ({low:.1f} to {high:.1f})"
    axes.axhline(pooled, color="black", linewidth=1, linestyle="--", label=label)
    chance = 100 / len(result.classes)
    axes.axhline(chance, color="black", linewidth=1, linestyle=":", label=f"chance {chance:.1f} %")


def _interval(result: Result, speaker: str) -> tuple[float, float] | None:
    """Return the interval of the UAR of a speaker; results of earlier versions do not have the counts."""
    counts = result.speaker_confusions.get(speaker)
    return None if counts is None or not np.any(counts) else uar_interval(np.asarray(counts))


def _turned(names: Sequence[str]) -> int:
    """Return the angle at which the names of speakers have room side by side."""
    return 0 if len(names) <= FEW_NAMES and max(map(len, names), default=0) <= FEW_LETTERS else 90


def _name_speakers(axes: Axes, names: Sequence[str]) -> None:
    """Write the names below the axis: all, those at both ends, or none, as there is room."""
    label = f"test speaker ({len(names)})"
    named = list(range(len(names)))
    if len(names) > MOST_NAMED:
        ends = ENDS if len(names) <= MOST_AT_THE_ENDS else 0
        named = [*named[:ends], *named[len(names) - ends :]]
        label += f"; the {ends} lowest and the {ends} highest are named" if ends else ", from the lowest to the highest"
    size = 10 if len(names) <= FEW_NAMES else 8 if len(names) <= MOST_NAMED else 7
    axes.set_xticks(named, [names[place] for place in named], rotation=_turned(names), fontsize=size)
    axes.set_xlabel(label)
