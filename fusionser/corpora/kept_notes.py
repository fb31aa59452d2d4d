"""What a features file keeps on the recordings that it was made from: facts, and which ones were set aside."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from fusionser.errors import RowsError
from fusionser.facts import Stamp
from fusionser.feature_dataset import FeatureDataset, is_feature_dataset
from fusionser.files import parse_json

__all__ = ["KEPT_KEY", "kept_notes", "pack_notes", "unpacked_notes"]

KEPT_KEY = b"fusionser-recordings"
"""Key of the file's metadata."""

KINDS: Mapping[str, Any] = {
    "partial-corpus": {"corpus": str, "found": int, "expected": int},
    "lossy-copies": {"corpus": str, "recordings": int, "formats": dict},
    "part-missing": {"corpus": str, "address": str},
    "labels-left-out": {"corpus": str, "labels": dict},
    "cut-off": int,
    "windows": {"length": float, "hop": float},
    "doubled": int,
    "ignored": int,
    "layout": str,
    "no-speaker-folders": type(None),
    "text": str,
}
"""Facts that are kept, with the types of their values. Others concern a table, and are found again in it."""


def pack_notes(notes: Sequence[Stamp], quarantine: Sequence[Mapping[str, str]]) -> bytes:
    """Return facts and quarantine entries as the value of `KEPT_KEY`."""
    kept = [{"kind": note.kind, "value": note.value} for note in notes if note.kind in KINDS]
    return json.dumps({"notes": kept, "quarantine": [dict(entry) for entry in quarantine]}).encode()


def kept_notes(path: Path) -> tuple[list[Stamp], list[dict[str, str]]]:
    """Return the facts and the quarantine entries that a table keeps; none of any other table.

    Raises
    ------
    RowsError
        If they are damaged.
    """
    if is_feature_dataset(path):
        manifest = FeatureDataset.open(path).manifest
        content: bytes | None = json.dumps({"notes": manifest.notes, "quarantine": manifest.quarantine}).encode()
    elif path.suffix.lower() == ".parquet":
        content = (pyarrow.parquet.read_metadata(path).metadata or {}).get(KEPT_KEY)
    else:
        return [], []
    return ([], []) if content is None else unpacked_notes(content, path)


def unpacked_notes(content: bytes, path: str | Path) -> tuple[list[Stamp], list[dict[str, str]]]:
    """Return the facts and the quarantine entries that `pack_notes` packed.

    Raises
    ------
    RowsError
        If they are damaged; `path` is where they come from.
    """
    try:
        kept = parse_json(content)
        notes = [Stamp.model_validate(note) for note in kept["notes"]]
        quarantine = [{"file": entry["file"], "reason": entry["reason"]} for entry in kept["quarantine"]]
    except (ValueError, KeyError, TypeError) as error:
        raise RowsError(f"{path}: what it says of its recordings is damaged; extract the features again") from error
    texts = all(isinstance(text, str) for entry in quarantine for text in entry.values())
    if not texts or not all(_is_known(note) for note in notes):
        raise RowsError(f"{path}: what it says of its recordings is damaged; extract the features again")
    return notes, quarantine


def _is_known(note: Stamp) -> bool:
    kind = KINDS.get(note.kind)
    if isinstance(kind, dict):
        value = note.value
        return isinstance(value, dict) and {name: type(one) for name, one in value.items()} == kind
    return kind is not None and type(note.value) is kind
