"""Answers of a model as JSON values."""

from collections.abc import Iterable, Mapping, Sequence
from json import loads
from math import isnan, nan
from typing import Any

import pandas as pd

from fusionser.facts import json_value
from fusionser.likeness import Unlike
from fusionser.model import MOST_UNLIKE
from fusionser.reporting.unlike import plain_unlike, unlike_note, unlike_text

__all__ = [
    *("answer_json", "clip_name", "in_words", "is_known", "number_json", "own_columns"),
    *("unlike_note_of", "unlike_of", "unusable_text"),
]


def answer_json(record: Mapping[str, Any], classes: tuple[str, ...]) -> dict[str, Any]:
    """Return the answer for one recording as JSON values."""
    answer: dict[str, Any] = {
        "file": record["file"],
        **{name: json_value(record[name]) for name in ("start", "end") if name in record},
        "emotion": record["emotion"] or None,
        "probabilities": None if record["error"] else {name: record[f"probability_{name}"] for name in classes},
    }
    answer |= _unlikeness(record)
    if "unsure_because" in record:
        answer["unsure_because"] = record["unsure_because"] or None
    return {**answer, **_ending(record)}


def number_json(record: Mapping[str, Any], targets: Sequence[str]) -> dict[str, Any]:
    """Return the numbers for one recording as JSON values."""
    return {
        "file": record["file"],
        **{name: json_value(record[name]) for name in ("start", "end") if name in record},
        "numbers": None if record["error"] else {name: record[name] for name in targets},
        **_unlikeness(record),
        **_ending(record),
    }


def _unlikeness(record: Mapping[str, Any]) -> dict[str, Any]:
    if "unlikeness" not in record:
        return {}
    return {
        "unlikeness": record["unlikeness"] if is_known(record) else None,
        "unlike": unlike_of(record),
        "unlike_because": loads(record["unlike_because"]) if is_known(record) else None,
    }


def _ending(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the error, and the columns of the list, which come last."""
    given = {str(name): json_value(value) for name, value in list(record.items())[own_columns(record) :]}
    return {"error": record["error"] or None, **({"given": given} if given else {})}


def own_columns(names: Iterable[Any]) -> int:
    """Return how many columns of answers are not of the list that was given; these come first."""
    listed = list(names)
    return listed.index("unsure_because" if "unsure_because" in listed else "error") + 1


def is_known(record: Mapping[str, Any]) -> bool:
    """Return whether the unlikeness of a recording is known."""
    return bool(record.get("unlike_because"))


def unlike_of(record: Mapping[str, Any]) -> str | None:
    """Return in which way a recording is unlike the training recordings, if it is."""
    return unlike_text(_reason(record)) if _is_unlike(record) else None


def _is_unlike(record: Mapping[str, Any]) -> bool:
    return is_known(record) and record["unlikeness"] > MOST_UNLIKE


def _reason(record: Mapping[str, Any]) -> Unlike:
    return Unlike.model_validate_json(record["unlike_because"])


def unlike_note_of(answers: pd.DataFrame) -> str | None:
    """Return what to say, once, of recordings that are unlike the training recordings; None if there are none."""
    usable: list[Any] = answers[answers["error"] == ""].to_dict("records")
    reasons = [_reason(record) for record in usable if _is_unlike(record)]
    return unlike_note(reasons, len(usable)) if reasons else None


def in_words(answers: pd.DataFrame) -> pd.DataFrame:
    """Return answers for a table that people read: ``unlike_because`` has plain words, where a recording is unlike."""
    if "unlike_because" not in answers:
        return answers
    records: list[Any] = answers.to_dict("records")
    reasons = [plain_unlike(_reason(record)) if _is_unlike(record) or _is_refused(record) else "" for record in records]
    return answers.assign(unlike_because=reasons)


def _is_refused(record: Mapping[str, Any]) -> bool:
    """Return whether a recording is answered with "unsure" because it is unlike the training recordings."""
    return record.get("unsure_because") in ("unlikeness", "both")


def clip_name(record: Mapping[str, Any]) -> str:
    """Return the file of a recording, and which part of it was heard."""
    start, end = record.get("start", nan), record.get("end", nan)
    if isnan(start) or (start == 0 and isnan(end)):
        return str(record["file"])
    return f"{record['file']}, {start:g} s to {'the end' if isnan(end) else f'{end:g} s'}"


def unusable_text(record: Mapping[str, Any]) -> str:
    """Return why a recording has no answer, without its name, which stands beside it.

    Examples
    --------
    >>> unusable_text({"file": "a.wav", "error": "a.wav: empty"})
    'cannot be used: empty'
    """
    return f"cannot be used: {record['error'].removeprefix(record['file'] + ': ')}"
