"""Features in many Parquet parts with a manifest: read lazily, from a folder or from an address."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow
import pyarrow.dataset
import pyarrow.fs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fusionser.errors import RowsError
from fusionser.storage import called, elsewhere, in_address, reading, redacted

__all__ = ["MANIFEST", "PARTS", "FeatureDataset", "Manifest", "Part", "is_feature_dataset", "part_place"]

MANIFEST = "manifest.json"
"""File of a dataset that lists its parts."""

PARTS = "parts"
"""Folder of a dataset with its parts."""

REMEDY = "remove it if it is there, and run the same 'fusionser extract' again, which makes the parts that are missing"

CHECKED = pyarrow.dataset.ParquetFileFormat(
    default_fragment_scan_options=pyarrow.dataset.ParquetFragmentScanOptions(page_checksum_verification=True)
)
"""The format of parts, whose pages have checksums."""

BATCH_ROWS = 4096
"""Most rows that are in memory while a dataset is read lazily."""

Filters = Sequence[tuple[str, Literal["in", "not in"], Sequence[Any]]]


PART_NAME = r"[0-9a-f]{16}-[0-9a-f]{32}\.parquet"


def is_part(name: str) -> bool:
    """Return whether a name in the folder of a dataset is one that only a part of it has.

    Examples
    --------
    >>> is_part("parts/mine.wav"), is_part(f"parts/{16 * '0'}-{32 * '0'}.parquet")
    (False, True)
    """
    return re.fullmatch(rf"{PARTS}/{PART_NAME}", name) is not None


class Part(BaseModel):
    """A part of a dataset: the name of its file, which says what is in it, and how many rows it has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=f"^{PART_NAME}$")
    rows: int = Field(ge=0)


class Manifest(BaseModel):
    """What a dataset is: the parts that belong to it, their columns, and how they were made.

    Parameters
    ----------
    kind : str
        Tells it from other files of this name.
    described : dict
        Name and settings of the features, and provenance, as in the metadata of a features file.
    columns : list of str
    parts : list of Part
        In the order of their rows.
    notes, quarantine : list of dict
        Facts about the recordings, and those that were set aside.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["fusionser features 1"] = "fusionser features 1"
    described: dict[str, Any]
    columns: list[str]
    parts: list[Part]
    notes: list[dict[str, Any]] = Field(default_factory=list)
    quarantine: list[dict[str, str]] = Field(default_factory=list)


def is_feature_dataset(place: str | Path) -> bool:
    """Return whether a folder holds a dataset of features.

    Examples
    --------
    >>> is_feature_dataset(".")
    False
    """
    path = Path(place) / MANIFEST
    try:
        with path.open("rb") as file:
            return re.search(rb'"kind"\s*:\s*"fusionser features', file.read(4096)) is not None
    except OSError:
        return False


def part_place(place: str, name: str) -> str:
    """Return the path or address of a part of the dataset at a path or address."""
    return in_address(place, f"{PARTS}/{name}") if elsewhere(place) else str(Path(place) / PARTS / name)


@dataclass(frozen=True)
class FeatureDataset:
    """A dataset of features.

    Parameters
    ----------
    place : str
        The path or the address of its folder.
    manifest : Manifest

    Examples
    --------
    >>> empty = FeatureDataset("features", Manifest(described={}, columns=["file"], parts=[]))
    >>> empty.rows, list(empty.parts())
    (0, [])
    """

    place: str
    manifest: Manifest

    @classmethod
    def open(cls, place: str | Path) -> "FeatureDataset":
        """Open the dataset in a folder.

        Parameters
        ----------
        place : str or Path
            A folder, perhaps one that stands for an address (`fusionser.storage.input_place`).

        Raises
        ------
        RowsError
            If its manifest cannot be read.
        """
        path = Path(place) / MANIFEST
        try:
            return cls(called(place), Manifest.model_validate_json(path.read_bytes()))
        except OSError as error:
            raise RowsError(f"{path}: cannot be read ({error.strerror or error})") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "it"
            raise RowsError(
                f"{path}: this manifest is damaged ({where}: {first['msg']}); run the same 'fusionser extract' again, "
                "which keeps the parts that are there"
            ) from error

    @property
    def rows(self) -> int:
        """The number of rows in all parts."""
        return sum(part.rows for part in self.manifest.parts)

    @property
    def columns(self) -> list[str]:
        """The names of all columns."""
        return list(self.manifest.columns)

    def parts(self, columns: Sequence[str] | None = None, filters: Filters = ()) -> Iterator[pd.DataFrame]:
        """Yield the rows in their order, in tables of a bounded size.

        Parameters
        ----------
        columns : sequence of str, optional
            The columns to read; by default all. Others are not fetched.
        filters : sequence of (str, {"in", "not in"}, values)
            Conditions on columns that all rows have to fulfil. Groups of rows that cannot are not fetched.

        Raises
        ------
        RowsError
            If a part is not there, or is damaged.
        """
        condition = _condition(filters)
        for part in self.manifest.parts:
            place = part_place(self.place, part.name)
            try:
                with reading(place) as (file, system):
                    opened = pyarrow.dataset.dataset(file, format=CHECKED, filesystem=system)
                    self._compare(place, part, opened)
                    for batch in opened.to_batches(
                        columns=None if columns is None else list(columns), filter=condition, batch_size=BATCH_ROWS
                    ):
                        if len(batch):
                            yield batch.to_pandas()
            except (OSError, pyarrow.ArrowException) as error:
                raise RowsError(f"{redacted(place)}: this part {_reason(error)}; {REMEDY}") from error

    def _compare(self, place: str, part: Part, opened: pyarrow.dataset.Dataset) -> None:
        """Raise `RowsError` if a part is not what the manifest says."""
        rows = opened.count_rows()
        if rows != part.rows or sorted(opened.schema.names) != sorted(self.manifest.columns):
            raise RowsError(
                f"{redacted(place)}: this part has {rows} rows and {len(opened.schema.names)} columns, and the "
                f"manifest has {part.rows} and {len(self.manifest.columns)} of other names or number; {REMEDY}"
            )

    def read(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return all rows in their order, as `parts` yields them."""
        tables = list(self.parts(columns))
        if not tables:
            return pd.DataFrame(columns=self.columns if columns is None else list(columns))
        return pd.concat(tables, ignore_index=True)


def _reason(error: Exception) -> str:
    """Return what is wrong with a part, without the words of the library that read it."""
    if isinstance(error, FileNotFoundError):
        return "is not there"
    reason = getattr(error, "strerror", None)
    return f"cannot be read ({reason})" if reason else "is damaged"


def _condition(filters: Filters) -> Any:
    condition = None
    for name, how, values in filters:
        one = pyarrow.dataset.field(name).isin(list(values))
        one = ~one if how == "not in" else one
        condition = one if condition is None else condition & one
    return condition
