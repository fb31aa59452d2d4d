"""Figures of the learning curves of networks: losses and scores over the epochs of every training."""

from typing import Any

import pandas as pd

from fusionser.reporting.drawing import Axes, Figure, MaxNLocator, SubFigure
from fusionser.reporting.figures import COLORS, plain

__all__ = ["LOSSES", "curves_figure", "draw_curves"]

LOSSES = {"training_loss": ("-", "training rows"), "validation_loss": ("--", "validation rows")}
"""Line style and label of the losses of a learning curve."""

SCORES = {"validation_uar": "validation UAR, %", "validation_ccc": "validation CCC"}
"""Labels of the scores of a learning curve."""

FEW_EPOCHS = 3
"""Epochs up to which they are marked, since a line of one point is invisible."""


def curves_figure(curves: pd.DataFrame) -> Figure:
    """Draw the learning curves of every training, one column of panels per network.

    Parameters
    ----------
    curves : DataFrame
        One row per epoch: ``fold``, ``network``, ``epoch``, and losses and scores.

    Returns
    -------
    Figure
    """
    networks, scores = len(set(curves["network"])), _scores_of(curves)
    figure = Figure(figsize=(max(4.6 * networks, 5.5), 3.0 + 2.4 * len(scores)), layout="constrained")
    draw_curves(figure, curves)
    return figure


def draw_curves(figure: Figure | SubFigure, curves: pd.DataFrame) -> None:
    """Draw what `curves_figure` draws."""
    networks, scores = list(dict.fromkeys(curves["network"])), _scores_of(curves)
    panels = figure.subplots(1 + len(scores), len(networks), squeeze=False, sharex="col")
    for column, network in enumerate(networks):
        part = curves[curves["network"] == network]
        panels[0][column].set_title(plain(str(network)), fontsize=11)
        _draw_folds(panels[0][column], part, LOSSES)
        panels[0][column].set_ylabel("loss")
        panels[0][column].legend(fontsize=8, title="one colour for each fold", title_fontsize=8)
        for row, name in enumerate(scores, start=1):
            _draw_folds(panels[row][column], part, {name: ("--", "")})
            panels[row][column].set_ylabel(SCORES[name])
        panels[-1][column].set_xlabel("epoch")
        panels[-1][column].xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))


def _scores_of(curves: pd.DataFrame) -> list[str]:
    return [name for name in SCORES if name in curves and curves[name].notna().any()]


def _draw_folds(axes: Axes, curves: pd.DataFrame, lines: dict[str, tuple[str, str]]) -> None:
    """Draw columns of the learning curves of a network, each fold in a colour of its own."""
    mark = "." if curves["epoch"].nunique() <= FEW_EPOCHS else None
    for name, (style, label) in lines.items():
        if name not in curves:
            continue
        factor = 100 if name == "validation_uar" else 1
        for number, (_, curve) in enumerate(curves.groupby("fold", sort=False)):
            shown: Any = curve.dropna(subset=[name])
            axes.plot(
                shown["epoch"].astype(int),
                factor * shown[name],
                style,
                marker=mark,
                color=COLORS[number % len(COLORS)],
                linewidth=1.2,
                label=label if number == 0 and len(shown) else None,
            )
    axes.grid(linewidth=0.4)
