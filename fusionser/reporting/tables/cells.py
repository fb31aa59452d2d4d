"""Cells of common kinds: shares in percent, differences in points, counts, and what a number rests on."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from fusionser.dimension_results import AnyResult, DimensionFold
from fusionser.reporting.scores import is_synthetic, score_interval
from fusionser.reporting.settings import settings_text
from fusionser.reporting.tables.table import Cell, Column
from fusionser.reporting.words import (
    change,
    ends,
    note_lines,
    percent,
    selection_of,
    shares,
    stamp_texts,
    stamps_and_notes,
)
from fusionser.results import FoldResult, Result, Scores

__all__ = [
    "NOTHING",
    "PERCENT",
    "chosen",
    "count",
    "facts_of",
    "number",
    "points",
    "protocol_notes",
    "score",
    "score_columns",
    "scored",
    "share",
    "synthetic_notes",
    "value_text",
    "values_text",
    "with_interval",
]

Interval = tuple[float, float]

NOTHING = Cell("-", None)
"""A cell without a value."""

PERCENT = "Scores in percent"

SYNTHETIC = "SYNTHETIC RECORDINGS: these scores only show that the tools work, and say nothing about speech"


def values_text(parameters: Mapping[str, Any]) -> str:
    """Return parameters and their values in one line."""
    return ", ".join(f"{name} = {value_text(value)}" for name, value in parameters.items())


def value_text(value: Any) -> str:
    """Return the value of a parameter, numbers with four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def chosen(fold: FoldResult | DimensionFold) -> str:
    """Return the parameters that the inner folds of a fold chose, by the names of their parts."""
    return values_text({".".join(name.split("__")[-2:]): value for name, value in fold.parameters.items()})


def share(value: float | None, interval: Interval | None = None, why: str | None = None, unit: str = "") -> Cell:
    """Return a share, 0 to 1, in percent.

    Parameters
    ----------
    value : float or None
        NaN counts as None.
    interval : (float, float), optional
    why : str, optional
        Why there is no interval.
    unit : str, default=""
        Text behind the number.

    Examples
    --------
    >>> share(0.567, (0.519, 0.617)).interval_text, share(float("nan")).text
    ('51.9 to 61.7', '-')
    """
    if value is None or math.isnan(value):
        return NOTHING
    return Cell(percent(value) + unit, value, interval, shares(interval) if why is None else why)


def points(value: float | None, interval: Interval | None = None) -> Cell:
    """Return a difference of shares, shown in points with its sign; NaN counts as None.

    Examples
    --------
    >>> points(0.012, (-0.01, 0.03)).text, points(0.012, (-0.01, 0.03)).interval_text
    ('+1.2', '-1.0 to +3.0')
    """
    if value is None or math.isnan(value):
        return NOTHING
    return Cell(change(value), value, interval, ends(interval))


def with_interval(cell: Cell) -> Cell:
    """Return a cell that shows its interval behind the number."""
    if cell.interval is None:
        return cell
    return Cell(f"{cell.text} ({cell.interval_text})", cell.exact, cell.interval)


def count(value: int) -> Cell:
    """Return a count."""
    return Cell(str(value), value)


def number(value: float | None, form: str) -> Cell:
    """Return a number in a form of `format`; NaN counts as None.

    Examples
    --------
    >>> number(12.34, ".1f").text
    '12.3'
    """
    return NOTHING if value is None or math.isnan(value) else Cell(format(value, form), value)


def score(result: Result, name: str) -> Cell:
    """Return a pooled score, with its interval over speakers or why there is none."""
    interval = None if result.intervals is None else result.intervals[name]
    return share(getattr(result.pooled, name), interval, score_interval(result, name))


def scored(scores: Scores) -> list[Cell]:
    """Return WAR, UAR and macro F1."""
    return [share(scores.war), share(scores.uar), share(scores.macro_f1)]


def score_columns(interval: str | None = None) -> list[Column]:
    """Return the columns of WAR, UAR and macro F1, with the heading of the intervals of UAR, if they are shown."""
    return [
        Column(name="WAR", measure="war"),
        Column(name="UAR", measure="uar", interval=interval),
        Column(name="macro F1", measure="macro_f1"),
    ]


def synthetic_notes(results: Sequence[AnyResult]) -> list[str]:
    """Return the warning of synthetic recordings, if any result has them."""
    return [SYNTHETIC] if any(map(is_synthetic, results)) else []


def _facts(result: AnyResult) -> dict[str, str]:
    protocol = result.protocol
    return {
        "corpora": result.corpus,
        "protocol": protocol.name + settings_text(protocol.settings),
        "folds": str(len(result.folds)),
        "setting": protocol.known,
        "selection": selection_of(result),
        "speaker_independent": "yes" if protocol.speaker_independent else "no",
        "stamps": "; ".join(stamp_texts(protocol.stamps)),
        "notes": "; ".join([*note_lines(result), *(["synthetic recordings"] if is_synthetic(result) else [])]),
        "seed": str(result.seed),
        "commit": result.provenance["commit"],
        "fusionser": result.provenance["versions"].get("fusionser", ""),
    }


def facts_of(*results: AnyResult) -> dict[str, str]:
    """Return what numbers rest on: protocol, setting, stamps, seed and version, with a bar where results differ."""
    each = [_facts(result) for result in results]
    return {name: " | ".join(dict.fromkeys(facts[name] for facts in each)) for name in (each[0] if each else {})}


def protocol_notes(*results: AnyResult) -> list[str]:
    """Return how results were measured, as parts of sentences: protocol, folds, setting and stamps."""
    protocols = dict.fromkeys(
        f"{facts['protocol']}, {facts['folds']} fold{'' if facts['folds'] == '1' else 's'}; {facts['setting']}"
        for facts in map(_facts, results)
    )
    stamps, notes = stamps_and_notes(results)
    return [
        *synthetic_notes(results),
        *(["Protocol: " + "; ".join(protocols)] if protocols else []),
        *(["Stamps: " + "; ".join(stamps)] if stamps else []),
        *(["Notes: " + "; ".join(notes)] if notes else []),
        *(["Speakers are in both training and test: not an estimate for new speakers"] if _leaky(results) else []),
    ]


def _leaky(results: Sequence[AnyResult]) -> bool:
    return any(not result.protocol.speaker_independent for result in results)
