"""One HTML file that opens from the disk: no network, no library, light and dark, on a phone and in black and white."""

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd

from fusionser.evaluation.metrics import FEWEST_SPEAKERS
from fusionser.files import write_text
from fusionser.reporting.ablation import AblationText, page_values, panels
from fusionser.reporting.breakdown import Breakdown, by_class, by_speaker
from fusionser.reporting.settings import block_lines
from fusionser.results import Result
from fusionser.studies.contrasts import Design, Effect

__all__ = ["write_ablation_html"]

LETTER, MARGIN = 6.6, 20
"""Widths beside a picture, in its own units: of a letter of the names, and to the right."""

PLOT, ROW = 420, 44
CURVE = 300, 160


def write_ablation_html(
    design: Design,
    effects: Sequence[Effect],
    results: Sequence[Result],
    text: AblationText,
    path: str | Path,
    curves: Sequence[pd.DataFrame | None] = (),
) -> Path:
    """Write the page of an ablation as one file.

    Parameters
    ----------
    design : Design
    effects : sequence of Effect
    results : sequence of Result
    text : AblationText
    path : str or Path
    curves : sequence of DataFrame or None
        Learning curves of each result, where there are any.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = (resources.files("fusionser.reporting") / "templates" / "ablation.html.j2").read_text(encoding="utf-8")
    page = environment.from_string(template).render(
        **page_values(design, effects, results, text),
        heat=_heat(design, results),
        forest=_forest(effects),
        curves=[
            {"result": result, "panels": _curves(table)}
            for result, table in zip(results, curves, strict=False)
            if table is not None
        ],
        confusions=[_confusion(result) for result in results],
        breakdowns=[
            _broken_down("Classes", "Recall of each class", by_class(design, results), {}),
            _broken_down("Speakers", "UAR of each test speaker", by_speaker(design, results), results[0].genders),
        ],
        percent=lambda value: f"{100 * value:.1f}",
        blocks=block_lines(results),
        settings=sorted({key for result in results for key in result.classifier_settings}),
        fewest=FEWEST_SPEAKERS,
    )
    return write_text(path, page)


def _shade(value: float, low: float, high: float) -> int:
    """Return how dark a cell is, 0 to 60: text stays legible on any of them, in light and dark."""
    return round(60 * (value - low) / (high - low)) if high > low else 0


def _cell(value: float, low: float, high: float) -> dict[str, Any] | None:
    return None if np.isnan(value) else {"value": value, "shade": _shade(value, low, high)}


def _broken_down(title: str, caption: str, shown: Breakdown, genders: Mapping[str, str]) -> dict[str, Any]:
    """Return a table of classes or speakers, with how dark each cell is; a speaker's gender stands beside the name."""
    low, high = float(np.nanmin(shown.values)), float(np.nanmax(shown.values))
    return {
        "title": title,
        "caption": caption,
        "columns": [f"{name} {genders[name]}" if genders.get(name) else name for name in shown.columns],
        "rows": [
            {"name": label, "cells": [_cell(float(value), low, high) for value in values]}
            for label, values in zip(shown.labels, shown.values, strict=True)
        ],
    }


def _heat(design: Design, results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return a table of UAR for each panel, with how dark each cell is."""
    scores = [result.pooled.uar for result in results]
    low, high = min(scores), max(scores)

    def cell(result: Result | None) -> dict[str, Any] | None:
        return None if result is None else _cell(result.pooled.uar, low, high)

    return [
        {
            "title": panel.title,
            "corner": panel.corner,
            "columns": panel.columns,
            "rows": [
                {"name": row, "cells": [cell(panel.results.get((row, column))) for column in panel.columns]}
                for row in panel.rows
            ],
        }
        for panel in panels(design, results)
    ]


def _forest(effects: Sequence[Effect]) -> dict[str, Any]:
    """Return where each change and its interval lie in the picture."""
    tests = [test for effect in effects for test in (effect.uar, effect.war)]
    reach = max([abs(end) for test in tests for end in (test.mean, *(test.interval or ()))] or [0.01]) * 1.1 or 0.01

    names = round(LETTER * max([len(effect.contrast.text) for effect in effects] or [0])) + MARGIN

    def across(value: float) -> float:
        return round(names + PLOT * (value + reach) / (2 * reach), 1)

    step = next(size for size in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if reach / size < 5 or size == 0.5)
    ticks = [step * number for number in range(-5, 6) if abs(step * number) <= reach]
    rows = []
    for place, effect in enumerate(effects):
        middle = 20 + ROW * place
        marks = [
            {
                "kind": kind,
                "y": middle + shift,
                "x": across(test.mean),
                "ends": None if test.interval is None else [across(end) for end in test.interval],
            }
            for kind, shift, test in (("uar", -7, effect.uar), ("war", 7, effect.war))
        ]
        rows.append({"text": effect.contrast.text, "y": middle, "marks": marks})
    return {
        "rows": rows,
        "zero": across(0.0),
        "ticks": [(across(tick), f"{100 * tick:+.0f}" if tick else "0") for tick in ticks],
        "width": names + PLOT + MARGIN,
        "height": 20 + ROW * len(effects),
    }


def _curves(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the lines of each network's losses, a fold at a time: of training rows, and of validation rows."""
    losses = [name for name in ("training_loss", "validation_loss") if name in table]
    shown = []
    for network, part in table.groupby("network", sort=False):
        most = float(np.nanmax(part[losses].to_numpy()))
        last = max(float(part["epoch"].max()), 2.0)
        lines = []
        for _, fold in part.groupby("fold", sort=False):
            for name in losses:
                trained = fold.dropna(subset=[name])
                points = [
                    f"{CURVE[0] * (epoch - 1) / (last - 1):.1f},{CURVE[1] * (1 - loss / most):.1f}"
                    for epoch, loss in zip(trained["epoch"], trained[name], strict=True)
                ]
                lines.append({"kind": name, "points": " ".join(points)})
        shown.append({"network": network, "lines": lines, "most": most, "last": int(last)})
    return shown


def _confusion(result: Result) -> dict[str, Any]:
    counts = np.asarray(result.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return {
        "result": result,
        "rows": [
            {
                "name": name,
                "cells": [
                    {"count": int(count), "shade": _shade(float(share), 0.0, 1.0)}
                    for count, share in zip(counts[place], shares[place], strict=True)
                ],
            }
            for place, name in enumerate(result.classes)
        ],
    }
