"""Pictures of a result."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fusionser.evaluation.results import Result
from fusionser.files import write_whole

__all__ = ["confusion_figure", "save_figure", "speakers_figure"]

DARK_CELL = 0.5
DOTS_PER_INCH = 120


def confusion_figure(result: Result) -> Figure:
    """Draw the confusion matrix: counts, shaded by the share of each true class."""
    counts = np.asarray(result.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 1.8 + 0.72 * len(result.classes)
    figure = Figure(figsize=(size + 1.0, size), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    positions = range(len(result.classes))
    axes.set_xticks(positions, result.classes, rotation=45, ha="right")
    axes.set_yticks(positions, result.classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    for row in positions:
        for column in positions:
            color = "white" if shares[row, column] > DARK_CELL else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=color, fontsize=9)
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    axes.set_title(f"{result.classifier}, {result.features_name}: UAR {100 * result.pooled.uar:.1f} %", fontsize=11)
    return figure


def speakers_figure(result: Result) -> Figure:
    """Draw each speaker's UAR beside the pooled one."""
    names = sorted(result.speakers)
    values = [100 * result.speakers[name].uar for name in names]
    figure = Figure(figsize=(max(4.5, 1.6 + 0.32 * len(names)), 3.4), layout="constrained")
    axes = figure.add_subplot()
    axes.bar(range(len(names)), values, color="#4878a8")
    pooled = 100 * result.pooled.uar
    axes.axhline(pooled, color="black", linewidth=1, linestyle="--", label=f"pooled {pooled:.1f} %")
    axes.set_xticks(range(len(names)), [name.split("/")[-1] for name in names], rotation=90, fontsize=8)
    axes.set_ylim(0, 100)
    axes.set_xlabel("test speaker")
    axes.set_ylabel("UAR, %")
    axes.legend(loc="upper right", fontsize=8)
    return figure


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write a figure as PNG, whole or not at all."""
    FigureCanvasAgg(figure)
    # Without the software's name in it, the same figure gives the same bytes.
    return write_whole(
        path, lambda temporary: figure.savefig(temporary, dpi=DOTS_PER_INCH, metadata={"Software": None})
    )
