"""Scores and p values as pages and tables show them."""

from collections.abc import Mapping

from fusionser.corpora import CORPORA
from fusionser.dimension_results import AnyResult, DimensionResult
from fusionser.reporting.words import shares
from fusionser.results import Result

__all__ = [
    "AGREEMENT_NAMES",
    "METRIC_NAMES",
    "agreement_interval",
    "agreement_text",
    "is_synthetic",
    "p_value",
    "relied_columns",
    "score_interval",
]

LEAST_SHOWN = 0.001
"""p values below it are shown as an upper bound, other scores below its half with an exponent."""

MOST_FEATURES = 15
"""Number of single columns that a page lists, since there may be hundreds."""

METRIC_NAMES: Mapping[str, str] = {"war": "WAR (accuracy)", "uar": "UAR", "macro_f1": "macro F1"}

AGREEMENT_NAMES: Mapping[str, str] = {"ccc": "CCC", "pearson": "Pearson", "mse": "MSE"}


def agreement_text(value: float | None) -> str:
    """Return a score of numbers with three digits after the point, or of its size; a dash if there is none.

    Examples
    --------
    >>> agreement_text(0.51234), agreement_text(12345.678), agreement_text(0.000021), agreement_text(None)
    ('0.512', '12346', '2.1e-05', '-')
    """
    if value is None:
        return "-"
    if 0 < abs(value) < LEAST_SHOWN / 2:
        return f"{value:.1e}"
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.0f}"


def agreement_interval(result: DimensionResult, target: str, name: str) -> str:
    """Return the interval of a score of numbers, or a dash."""
    if result.intervals is None or getattr(result.pooled[target], name) is None:
        return "-"
    return " to ".join(map(agreement_text, result.intervals[target][name]))


def score_interval(result: Result, name: str) -> str:
    """Return the interval of a score in percent, or why there is none."""
    if result.intervals is None:
        return "see by speaker" if result.speakers and result.protocol.speakers_known else "none: speakers unknown"
    return shares(result.intervals[name])


def relied_columns(result: Result) -> list[tuple[str, float, tuple[float, float] | None]]:
    """Return the importance of every block and of the most important features, with intervals."""
    losses = [(name, *loss) for name, loss in result.importance.items()]
    features = [loss for loss in losses if "__" in loss[0]]
    return [loss for loss in losses if "__" not in loss[0]] + features[:MOST_FEATURES]


def is_synthetic(result: AnyResult) -> bool:
    """Return whether any of the recordings are synthetic."""
    return any(CORPORA[name].card.synthetic for name in result.corpora if name in CORPORA)


def p_value(p: float) -> str:
    """Return a p value with three decimals; small ones as an upper bound.

    Examples
    --------
    >>> p_value(0.0312), p_value(0.00002)
    ('0.031', '<0.001')
    """
    return f"<{LEAST_SHOWN}" if p < LEAST_SHOWN else f"{p:.3f}"
