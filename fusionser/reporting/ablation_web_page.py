"""The page of an ablation as one HTML file that works offline, on phones, in dark mode, and in black and white."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from markupsafe import Markup

from fusionser.files import write_text
from fusionser.reporting.ablation import AblationText, page_values
from fusionser.reporting.breakdown import Breakdown, by_class, by_speaker, panels
from fusionser.reporting.jinja import environment
from fusionser.reporting.learning_curves import LOSSES
from fusionser.reporting.settings import block_lines
from fusionser.reporting.tables.text_formats import HTML
from fusionser.reporting.web_page import MINUS, web_page
from fusionser.reporting.words import percent, speakers_text
from fusionser.results import Result
from fusionser.studies.contrasts import Design, Effect
from fusionser.studies.factorial import Factorial

__all__ = ["write_ablation_html"]

LETTER, MARGIN = 6.6, 20
"""Width of a letter and of the right margin of the contrasts' plot, in units of the SVG."""

PLOT, ROW = 420, 44

DARKEST = 50
"""Largest share of the colour of a shaded cell, in percent."""

CURVE = 300, 160


def write_ablation_html(
    design: Design,
    effects: Sequence[Effect],
    results: Sequence[Result],
    text: AblationText,
    path: str | Path,
    curves: Sequence[pd.DataFrame | None] = (),
) -> Path:
    """Write the page of an ablation as one HTML file.

    Parameters
    ----------
    design : Design
    effects : sequence of Effect
    results : sequence of Result
    text : AblationText
    path : str or Path
        File to write.
    curves : sequence of DataFrame or None
        Learning curves of each result; None for a result without any.

    Returns
    -------
    Path
        The page.
    """
    scores = [result.pooled.uar for result in results]
    classes, speakers, genders = by_class(design, results), by_speaker(design, results), results[0].genders
    speaker_names = [f"{name} {genders[name]}" if genders.get(name) else name for name in speakers.columns]
    made = environment(autoescape=True, trim_blocks=True)
    made.filters["html"] = lambda table: Markup(HTML.text(table))  # noqa: S704
    page = made.get_template("ablation.html.j2")
    values = page_values(design, effects, results, text)
    return write_text(
        path,
        web_page(
            f"{values['design'].title}: {values['corpus']}",
            page.render(
                **values,
                heat=[_shaded(shown, scores) for shown in panels(design, results)],
                corner="imbalance" if isinstance(design, Factorial) else design.varied,
                forest=_forest(effects) if effects else None,
                curves=[
                    (result, _curves(table))
                    for result, table in zip(results, curves, strict=False)
                    if table is not None
                ],
                confusions=[(result, _confusion(result)) for result in results],
                breakdowns=[
                    ("Classes", "Recall of each class", _shaded(classes, classes.values)),
                    (
                        "Speakers",
                        "UAR of each test speaker",
                        _shaded(speakers, speakers.values) | {"columns": speaker_names},
                    ),
                ],
                percent=percent,
                speakers_text=speakers_text,
                blocks=block_lines(results),
                settings=sorted({key for result in results for key in result.classifier_settings}),
            ),
        ),
    )


def _shade(value: float, low: float, high: float) -> int:
    """Return how dark a cell is: at most 50 %, which keeps a contrast of 4.5 to 1 in light and dark mode."""
    return round(DARKEST * (value - low) / (high - low)) if high > low else 0


def _shaded(shown: Breakdown, scale: npt.ArrayLike) -> dict[str, Any]:
    """Return a table with the shade of each cell between the extremes of the scale; cells without a value are None."""
    low, high = float(np.nanmin(scale)), float(np.nanmax(scale))

    def cell(value: float) -> tuple[float, int] | None:
        return None if np.isnan(value) else (value, _shade(value, low, high))

    rows = [(label, map(cell, values)) for label, values in zip(shown.labels, shown.values, strict=True)]
    return {"title": shown.title, "columns": shown.columns, "rows": rows}


def _confusion(result: Result) -> list[tuple[str, list[tuple[int, int]]]]:
    """Return the counts of each true class, with the shade of their share."""
    return [
        (name, [(count, _shade(count / max(sum(counts), 1), 0, 1)) for count in counts])
        for name, counts in zip(result.classes, result.confusion, strict=True)
    ]


def _forest(effects: Sequence[Effect]) -> dict[str, Any]:
    """Return the coordinates of the plot of changes and their intervals."""
    tests = [test for effect in effects for test in (effect.uar, effect.war)]
    reach = max(abs(end) for test in tests for end in (test.mean, *(test.interval or ()))) * 1.1 or 0.01
    names = round(LETTER * max(len(effect.contrast.text) for effect in effects)) + MARGIN

    def across(value: float) -> float:
        return round(names + PLOT * (value + reach) / (2 * reach), 1)

    step = next(size for size in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if reach / size < 5 or size == 0.5)
    ticks = [step * number for number in range(-5, 6) if abs(step * number) <= reach]

    def marks(effect: Effect, y: int) -> list[dict[str, Any]]:
        return [
            {"kind": kind, "y": y + shift, "x": across(test.mean), "ends": [across(end) for end in test.interval or ()]}
            for kind, shift, test in (("uar", -7, effect.uar), ("war", 7, effect.war))
        ]

    heights = range(20, 20 + ROW * len(effects), ROW)
    return {
        "rows": [
            {"text": effect.contrast.text, "y": y, "marks": marks(effect, y)}
            for effect, y in zip(effects, heights, strict=True)
        ],
        "zero": across(0.0),
        "ticks": [(across(tick), f"{100 * tick:+.0f}".replace("-", MINUS) if tick else "0") for tick in ticks],
        "width": names + PLOT + MARGIN,
        "height": 20 + ROW * len(effects),
    }


def _curves(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the lines of each network's losses, one per fold for training rows and one for validation rows."""
    losses = [name for name in LOSSES if name in table]
    shown = []
    for network, part in table.groupby("network", sort=False):
        most = float(np.nanmax(part[losses].to_numpy()))
        last = max(float(part["epoch"].max()), 2.0)
        lines = []
        for (_, fold), name in product(part.groupby("fold", sort=False), losses):
            trained = fold.dropna(subset=[name])
            points = [
                f"{CURVE[0] * (epoch - 1) / (last - 1):.1f},{CURVE[1] * (1 - loss / most):.1f}"
                for epoch, loss in zip(trained["epoch"], trained[name], strict=True)
            ]
            lines.append({"kind": name, "points": " ".join(points)})
        shown.append({"network": network, "lines": lines, "most": most, "last": int(last)})
    return shown
