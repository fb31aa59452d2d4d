"""Pictures of the page."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from fusionser.reporting.drawing import Axes, Figure
from fusionser.reporting.figures import COLORS, save_figure
from fusionser.reporting.planning import grouped

__all__ = ["Lines", "bars", "lines"]

MARKS = ("o-", "s--", "^:", "d-.", "v-", "x--", "P:", "*-.")

Lines = Mapping[str, Sequence[tuple[float, float]]]
"""Points of lines, by their names."""


def bars(labels: Sequence[str], parts: Mapping[str, Sequence[float]], axis: str, path: Path) -> None:
    """Draw bars of parts that add up."""
    picture = Figure(figsize=(8.0, 1.2 + 0.38 * len(labels)), layout="constrained")
    axes = picture.subplots()
    start = [0.0] * len(labels)
    for color, (name, values) in zip(COLORS, parts.items(), strict=False):
        axes.barh(labels, values, left=start, label=name, color=color)
        start = [one + value for one, value in zip(start, values, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel(axis)
    axes.grid(axis="x", alpha=0.3)
    _save(picture, axes, path)


def lines(pairs: Sequence[tuple[str, Lines]], along: str, path: Path, *, logarithmic: bool = False) -> None:
    """Draw one picture for each pair of the vertical axis and its lines, side by side; the size is a logarithm."""
    picture = Figure(figsize=(8.0, 3.4 if len(pairs) > 1 else 4.4), layout="constrained")
    every = picture.subplots(1, len(pairs), squeeze=False)[0]
    for axes, (axis, drawn) in zip(every, pairs, strict=True):
        _draw(axes, axis, drawn, along, logarithmic=logarithmic)
    _save(picture, every[0], path)


def _draw(axes: Axes, axis: str, drawn: Lines, along: str, *, logarithmic: bool) -> None:
    for place, (name, points) in enumerate(drawn.items()):
        axes.plot(*zip(*points, strict=True), MARKS[place % len(MARKS)], color=COLORS[place % len(COLORS)], label=name)
    axes.set_xscale("log")
    if logarithmic:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    sizes = sorted({size for points in drawn.values() for size, _ in points})
    axes.set_xticks(sizes, [grouped(int(size)) for size in sizes])
    axes.set_xticks([], minor=True)
    axes.set_xlabel(along)
    axes.set_ylabel(axis)
    axes.grid(alpha=0.3)


def _save(picture: Figure, axes: Axes, path: Path) -> None:
    """Save a picture with the legend of one of its axes below all of them."""
    picture.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize="small")
    save_figure(picture, path)
