"""Which parts a dataset of features has: those that are there and still right, and those to make."""

import json
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import pandas as pd
import pyarrow.parquet

from fusionser.corpora.kept_notes import KEPT_KEY, unpacked_notes
from fusionser.facts import Stamp
from fusionser.feature_dataset import PARTS, is_part, part_place
from fusionser.features import FeatureExtractor
from fusionser.storage import (
    address_of,
    content_mark,
    in_address,
    listed,
    reading,
)

__all__ = ["KEYS", "Plan", "Present", "Report", "entries", "part_names", "planned", "present_parts", "settings_digest"]

ROWS_OF_A_PART = 500

KEYS = b"fusionser-rows"
"""Key of the metadata of a part: the keys of its rows, and of those that were set aside."""

READERS = 16
"""Parts whose metadata are read at the same time."""


@dataclass(frozen=True)
class Report:
    """What a job tells of a part that it wrote."""

    rows: int
    columns: list[str]
    quarantine: list[dict[str, str]]
    notes: list[Stamp]
    computed: int


@dataclass
class Present:
    """A part that is there already."""

    keys: list[str]
    report: Report


@dataclass
class Plan:
    """Which parts a dataset has in the end, by name: those that are there, and the rows of those to make."""

    kept: dict[str, Present] = field(default_factory=dict)
    missing: dict[str, tuple[list[str], pd.DataFrame]] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    gone: int = 0
    """Rows that were there, with these settings, and are no longer wanted."""


def settings_digest(extractor: FeatureExtractor) -> str:
    """Return a hash of the settings of all blocks, with which the names of parts begin."""
    text = json.dumps([extractor.settings(), extractor.digests()], sort_keys=True)
    return blake2b(text.encode(), digest_size=8).hexdigest()


def planned(rows: pd.DataFrame, present: Mapping[str, Present], settings: str) -> Plan:
    """Keep the parts whose rows are all wanted, and divide the other rows into new parts."""
    keys = _row_keys(rows)
    places: dict[str, deque[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, deque()).append(place)
    plan, covered = Plan(), set[int]()
    first: dict[str, int] = {}
    for name, part in present.items():
        counts = Counter(part.keys)
        if counts and all(len(places.get(key, ())) >= count for key, count in counts.items()):
            # Rows may be equal, and each is in one part only.
            used = [places[key].popleft() for key in part.keys]
            plan.kept[name] = part
            covered.update(used)
            first[name] = min(used)
    left = [place for place in range(len(rows)) if place not in covered]
    for start in range(0, len(left), ROWS_OF_A_PART):
        group = left[start : start + ROWS_OF_A_PART]
        own = [keys[place] for place in group]
        name = _part_name(settings, own)
        plan.missing[name] = (own, rows.iloc[group].reset_index(drop=True))
        first[name] = group[0]
    plan.order = sorted(first, key=first.__getitem__)
    plan.gone = sum((Counter(key for part in present.values() for key in part.keys) - Counter(keys)).values())
    return plan


def present_parts(target: str, settings: str) -> dict[str, Present]:
    """Read what the parts of these settings say of themselves. One that is damaged is made anew."""
    names = [name for name in part_names(target) if name[: len(settings)] == settings]
    with ThreadPoolExecutor(READERS) as pool:
        found = zip(names, pool.map(lambda name: _described(part_place(target, name)), names), strict=True)
        return {name: present for name, present in found if present is not None}


def part_names(target: str) -> list[str]:
    """Return the names of the parts that are there, of any settings. Other files are none, whoever put them there."""
    if address_of(target):
        names = list(listed(in_address(target, PARTS)))
    else:
        names = [path.name for path in entries(Path(target) / PARTS) if path.is_file() and not path.is_symlink()]
    return sorted(name for name in names if is_part(f"{PARTS}/{name}"))


def _described(place: str) -> Present | None:
    try:
        with reading(place) as (file, system):
            described = pyarrow.parquet.ParquetFile(file, filesystem=system)
            columns, rows = described.schema_arrow.names, described.metadata.num_rows
            metadata = described.metadata.metadata or {}
        keys = [str(key) for key in json.loads(metadata[KEYS])]
        notes, quarantine = unpacked_notes(metadata[KEPT_KEY], place)
    except (OSError, ValueError, KeyError, TypeError, pyarrow.ArrowException):
        return None
    return Present(keys, Report(rows, columns, quarantine, notes, 0))


def _part_name(settings: str, keys: Sequence[str]) -> str:
    return f"{settings}-{blake2b(' '.join(keys).encode(), digest_size=16).hexdigest()}.parquet"


def _row_keys(rows: pd.DataFrame) -> list[str]:
    """Return a hash of each row, and of what its recording is: its size and time here, or its mark elsewhere."""
    states = {file: _state(file) for file in dict.fromkeys(map(str, rows["file"]))}
    columns = [rows[name].tolist() for name in rows]
    files = map(str, rows["file"])
    return [
        blake2b(repr((states[file], *values)).encode(), digest_size=8).hexdigest()
        for file, values in zip(files, zip(*columns, strict=True), strict=True)
    ]


def _state(file: str) -> str:
    if address := address_of(file):
        return content_mark(address) or ""
    try:
        status = Path(file).stat()
    except (OSError, ValueError):
        return ""
    return f"{status.st_size} {status.st_mtime_ns}"


def entries(folder: Path) -> list[Path]:
    """Return what is in a folder and not hidden; nothing if there is no folder."""
    return [path for path in folder.iterdir() if path.name[0] != "."] if folder.is_dir() else []
