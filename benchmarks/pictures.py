"""Pictures of what grows: time and memory against size."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure as Picture

from benchmarks.growth import CLASSIFIERS
from fusionser.reporting.figures import COLORS, save_figure

CROOKED = {
    "classifiers": f"Not a straight line: each step adds one of {', '.join(CLASSIFIERS)}, in this order, and each "
    "takes a time of its own, the forest and the two LSTMs the longest."
}
"""Why what grows is no straight line."""


def draw_growth(figures: Sequence[dict[str, Any]], folder: Path) -> list[str]:
    """Draw one picture for each quantity that grows; return the lines that show them."""
    lines = []
    for along in dict.fromkeys(one["along"] for one in figures if one.get("along")):
        points = {
            unit: [(one["at"], one["value"]) for one in figures if one["along"] == along and one["unit"] == unit]
            for unit in ("s", "MiB")
        }
        name = f"growth-{along.replace(' ', '-')}.png"
        save_figure(_picture(along, points), folder / name)
        (first, least), (last, most) = points["s"][0], points["s"][-1]
        told = f"time and memory against {along}: from {least:g} s for {first:g} to {most:g} s for {last:g}"
        lines.append(f"![{told}]({name})")
        if along in CROOKED:
            lines.append(CROOKED[along])
    return lines


def _picture(along: str, points: dict[str, list[tuple[float, float]]]) -> Picture:
    picture = Picture(figsize=(8.0, 2.8), layout="constrained")
    for axes, (unit, label), color, mark in zip(
        picture.subplots(1, 2), (("s", "time in s"), ("MiB", "peak memory in MiB")), COLORS, ("o-", "s--"), strict=False
    ):
        sizes, values = zip(*points[unit], strict=True)
        axes.plot(sizes, values, mark, color=color)
        axes.set_xlim(left=0)
        axes.set_ylim(0, 1.1 * max(values))
        axes.set_xlabel(along)
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
    return picture
