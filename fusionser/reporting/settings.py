"""Descriptions of the features, networks, classifiers and folds of results."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fusionser.dimension_results import AnyResult
from fusionser.facts import left_out_speakers
from fusionser.model import CLASSIFIER, ModelCard
from fusionser.names import NETWORK_ALONE, TRIALS
from fusionser.reporting.words import (
    classes_text,
    corpora_text,
    counted,
    few_names,
    protocol_name,
    protocol_text,
    selection_of,
    where_tested,
)
from fusionser.results import Result
from fusionser.splits import CrossCorpus

__all__ = [
    "block_lines",
    "classifier_line",
    "classifier_lines",
    "classifier_lines_by_features",
    "column_lines",
    "left_out_text",
    "protocol_lines",
    "settings_text",
    "where_measured",
]

UNUSED = ("cache", "n_jobs", "name", "kind", "front_end", "device")
OF_THE_PLAN = (
    "scaling", "imbalance", "imposed", "augment", "copies", "augmentation_revision", "only_scarce", "augment_for",
    "fusion", "cross_fit", "adaptation", TRIALS,
)  # fmt: skip
"""Settings of the pipeline, not of the classifier: the only ones that apply to a network that answers by itself."""

IDLE = {("schedule", "one-cycle"): "plateau", ("validation", 0): "validate_by", ("kernel", "linear"): "gamma"}
"""Parameters that have no effect, by the parameter and its value that leave them without one."""

GIVEN_GENDER = "gender"
"""Kind of the block that takes the gender from the rows, so that parameters of the clip do not matter to it."""


def settings_text(values: Mapping[str, Any]) -> str:
    """Return settings in brackets, without those that are empty or have no effect.

    Examples
    --------
    >>> settings_text({"C": 1.0, "hidden": (12, 10), "balance": None})
    ' (C = 1.0; hidden = 12, 10)'
    >>> settings_text({"schedule": "one-cycle", "plateau": 6})
    ' (schedule = one-cycle)'
    """
    idle = {name for (key, value), name in IDLE.items() if values.get(key) == value}
    shown = [
        f"{key} = {', '.join(map(str, value)) if isinstance(value, (list, tuple)) else value}"
        for key, value in values.items()
        if value not in (None, (), [], "") and key not in idle
    ]
    return f" ({'; '.join(shown)})" if shown else ""


def where_measured(result: AnyResult) -> str:
    """Return the corpora and the protocol of a result with its numbers; under `CrossCorpus`, what it was tested on."""
    if result.protocol.name == CrossCorpus.name:
        return where_tested(result)
    settings = result.protocol.settings
    numbers = {name: value for name, value in settings.items() if type(value) in (int, float) and name != "seed"}
    return f"{corpora_text(result.corpora)}, {protocol_name(result)}{settings_text(numbers)}{left_out_text(result)}"


def left_out_text(result: AnyResult) -> str:
    """Return which speakers are in neither training nor test, behind what else is said of a result."""
    left_out = left_out_speakers(result.notes)
    return f", without {', '.join(left_out)}" if left_out else ""


def classifier_lines(results: Sequence[AnyResult]) -> list[str]:
    """Return each classifier or regressor with its parameters, without duplicates."""
    return list(dict.fromkeys(map(classifier_line, results)))


def classifier_lines_by_features(results: Sequence[Result]) -> list[str]:
    """Return each classifier with its parameters, and where they differ, the names of the features that it follows."""
    classifiers: dict[str, list[tuple[str, str, str]]] = {}
    for result in results:
        entry = (classifier_line(result), result.features_name, _together(result))
        classifiers.setdefault(result.classifier, []).append(entry)
    return _with_labels(classifiers)


def classifier_line(result: AnyResult) -> str:
    """Return the classifier or regressor with its parameters, and how they were chosen."""
    settings = result.classifier_settings
    if result.classifier == NETWORK_ALONE:
        settings = {key: value for key, value in settings.items() if key in OF_THE_PLAN}
    fixed = settings_text(_fixed(result, settings))
    return f"{result.classifier}{fixed}; {selection_of(result)}"


def _fixed(result: AnyResult, settings: Mapping[str, Any], part: str = CLASSIFIER) -> dict[str, Any]:
    """Return settings of the classifier, or of a block, without those that each fold chose for itself."""
    chosen = [name.split("__") for fold in result.folds for name in fold.parameters]
    # The classifier may be inside another one, such as late fusion.
    searched = {names[-1] for names in chosen if part in names[:1] + names[-2:-1]}
    return {name: value for name, value in settings.items() if name not in (*searched, TRIALS)}


def column_lines(results: Sequence[Result], label: Callable[[Result], str]) -> list[str]:
    """Return the number of columns and the blocks of results, with their labels if results differ."""
    entries: list[tuple[str, str, str]] = []
    widths: dict[tuple[str, str], set[int]] = {}
    for result in results:
        widths.setdefault((label(result), _together(result)), set()).add(result.feature_count)
    for result in results:
        blocks = ", ".join(str(block["name"]) for block in result.features)
        columns = f"{counted(result.feature_count, 'column')} of {blocks}"
        # Columns of class scores depend on the number of classes.
        several = len(widths[label(result), _together(result)]) > 1
        where = f"{_together(result)}, {classes_text(result)}" if several else _together(result)
        entries.append((columns, label(result), where))
    return [f"{', '.join(names)}: {text}" if names else text for text, names in _labels(entries).items()]


def block_lines(described: Sequence[Result | ModelCard]) -> list[str]:
    """Return each feature block with its parameters and the input of its network, without duplicates.

    Where a block has other parameters in other results, each line ends with the names of the features that have it.
    """
    blocks: dict[str, list[tuple[str, str, str]]] = {}
    for one in described:
        where = ("", "") if isinstance(one, ModelCard) else (one.features_name, _together(one))
        for block in one.features:
            name = str(block["name"])
            fixed = block if isinstance(one, ModelCard) else _fixed(one, block, name)
            blocks.setdefault(name, []).append((_block_line(fixed), *where))
    return _with_labels(blocks)


def _with_labels(entries: Mapping[str, Sequence[tuple[str, str, str]]]) -> list[str]:
    """Return the texts of each block or classifier, which end with their labels where there are several."""
    return [
        f"{text}; in {few_names(names)}" if names else text
        for some in entries.values()
        for text, names in _labels(some).items()
    ]


def _labels(entries: Sequence[tuple[str, str, str]]) -> dict[str, list[str]]:
    """Return the labels of each text, of entries of text, label and corpora; none where there is one text.

    A label that has several texts stands with the corpora.
    """
    texts = list(dict.fromkeys(text for text, _, _ in entries))
    if len(texts) == 1:
        return {texts[0]: []}
    having = {label: {text for text, other, _ in entries if other == label} for _, label, _ in entries}
    return {
        text: list(
            dict.fromkeys(
                f"'{label}'" if len(having[label]) == 1 else f"'{label}' on {corpora}"
                for one, label, corpora in entries
                if one == text
            )
        )
        for text in texts
    }


def _together(result: Result) -> str:
    return " + ".join(corpora_text([name]) for name in result.corpora)


def _block_line(block: Mapping[str, Any]) -> str:
    if block.get("kind") == GIVEN_GENDER:
        return f"{block['name']} (as labelled)"
    fed = block.get("front_end")
    own, front = ({key: value for key, value in (part or {}).items() if key not in UNUSED} for part in (block, fed))
    return f"{block['name']}{settings_text(own)}" + (f"; input: {fed['kind']}{settings_text(front)}" if fed else "")


def protocol_lines(results: Sequence[Result]) -> list[str]:
    """Return the protocols of results, with their number of folds and of training rows per fold."""
    sizes: dict[tuple[str, str], set[int]] = {}
    for result in results:
        key = (protocol_text(result), result.protocol.known)
        sizes.setdefault(key, set()).update(fold.train_rows for fold in result.folds)
    return [
        f"{name} of {' to '.join(map(str, sorted({min(rows), max(rows)})))} training rows, {setting}"
        for (name, setting), rows in sizes.items()
    ]
