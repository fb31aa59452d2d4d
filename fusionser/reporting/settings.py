"""What results were made with, in words: features, networks, classifiers and folds."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fusionser.names import NETWORK_ALONE
from fusionser.reporting.words import selection_text
from fusionser.results import Result

__all__ = ["block_lines", "classifier_lines", "column_lines", "protocol_lines", "settings_text"]

UNUSED = ("cache", "n_jobs", "name", "kind", "front_end", "device")
OF_THE_PLAN = ("scaling", "imbalance", "imposed", "augment", "copies", "only_scarce", "fusion", "cross_fit")
"""Settings that are not the classifier's own, and so are those of a network that classifies by itself."""


def settings_text(values: Mapping[str, Any]) -> str:
    """Return settings in brackets, but for those that are empty.

    Examples
    --------
    >>> settings_text({"C": 1.0, "hidden": (12, 10), "balance": None})
    ' (C = 1.0; hidden = 12, 10)'
    """
    shown = []
    for key, value in values.items():
        if value in (None, (), [], ""):
            continue
        text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
        shown.append(f"{key} = {text}")
    return f" ({'; '.join(shown)})" if shown else ""


def classifier_lines(results: Sequence[Result]) -> list[str]:
    """Return each classifier with its parameters, once."""
    lines = []
    for result in results:
        settings = result.classifier_settings
        if result.classifier == NETWORK_ALONE:
            settings = {key: value for key, value in settings.items() if key in OF_THE_PLAN}
        lines.append(f"{result.classifier}{settings_text(settings)}; {selection_text(result.protocol.selection)}")
    return list(dict.fromkeys(lines))


def column_lines(results: Sequence[Result], label: Callable[[Result], str]) -> list[str]:
    """Return how many columns of which blocks results are of, by label where that differs."""
    by_columns: dict[str, list[str]] = {}
    for result in results:
        blocks = ", ".join(str(block["name"]) for block in result.features)
        by_columns.setdefault(f"{result.feature_count} columns of {blocks}", []).append(label(result))
    if len(by_columns) == 1:
        return list(by_columns)
    return [
        ", ".join(f"'{name}'" for name in dict.fromkeys(labels)) + f": {text}" for text, labels in by_columns.items()
    ]


def block_lines(results: Sequence[Result]) -> list[str]:
    """Return each block of features with its parameters, and what a network in it is fed, once."""
    lines = []
    for result in results:
        for block in result.features:
            settings = {key: value for key, value in block.items() if key not in UNUSED}
            fed = block.get("front_end")
            front = {key: value for key, value in fed.items() if key not in UNUSED} if fed else {}
            front_end = f", fed {fed['kind']}{settings_text(front)}" if fed else ""
            lines.append(f"{block['name']}{settings_text(settings)}{front_end}")
    return list(dict.fromkeys(lines))


def protocol_lines(results: Sequence[Result]) -> list[str]:
    """Return the protocols that results are of, with the number of folds and of rows that a fold learns from."""
    by_protocol: dict[tuple[str, int, str], list[int]] = {}
    for result in results:
        key = (result.protocol.name, len(result.folds), result.protocol.setting)
        by_protocol.setdefault(key, []).extend(fold.train_rows for fold in result.folds)
    lines = []
    for (name, folds, setting), rows in by_protocol.items():
        least, most = min(rows), max(rows)
        counted = f"{least}" if least == most else f"{least} to {most}"
        lines.append(f"{name}, {folds} fold{'s' if folds > 1 else ''} of {counted} training rows, {setting}")
    return lines
