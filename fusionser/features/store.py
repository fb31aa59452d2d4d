"""The features file: rows, features and their settings in one Parquet table."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
import pyarrow.parquet

from fusionser.errors import FusionserError, RowsError
from fusionser.feature_dataset import FeatureDataset, is_feature_dataset
from fusionser.features.extractor import FeatureExtractor
from fusionser.files import parse_json, write_whole
from fusionser.rows import array_columns
from fusionser.storage import address_of, output_file

__all__ = ["FeatureSettings", "description", "read_settings", "write_features"]

KEY = b"fusionser"


@dataclass(frozen=True)
class FeatureSettings:
    """The settings stored in a features file."""

    name: str
    extractor: FeatureExtractor


def write_features(
    tables: pd.DataFrame | Iterable[pd.DataFrame],
    extractor: FeatureExtractor,
    name: str,
    path: str | Path,
    provenance: dict[str, Any],
    metadata: Callable[[], Mapping[bytes, bytes]] | None = None,
    *,
    checked: bool = False,
) -> Path:
    """Write rows and features as Parquet, with their settings in its metadata. The file appears only when complete.

    Parameters
    ----------
    tables : DataFrame, or iterable of DataFrame
        Parts with the same columns. Each is written as it comes, so only one is in memory.
    extractor : FeatureExtractor
    name : str
    path : str or Path
    provenance : dict
    metadata : callable, optional
        Returns more metadata when all parts are written, such as what the file keeps on its recordings
        (`fusionser.corpora.kept_notes.pack_notes`).

    checked : bool, default=False
        Write checksums, so that a reader can tell damage.

    Raises
    ------
    FusionserError
        If the file is not named ``.parquet``, or cannot be written.
    """
    target = output_file(path)
    if target.suffix.lower() != ".parquet":
        raise FusionserError(f"{path}: a features file holds its settings, so it must be .parquet")
    described = description(extractor, name, provenance)
    parts = map(_stored, [tables] if isinstance(tables, pd.DataFrame) else tables)

    def write(temporary: Path) -> None:
        first = next(parts)
        schema = _schema(first, described)
        with pyarrow.parquet.ParquetWriter(temporary, schema, write_page_checksum=checked) as writer:
            for part in chain([first], parts):
                writer.write_table(pyarrow.Table.from_pandas(part, schema=schema, preserve_index=False))
            if metadata is not None:
                writer.add_key_value_metadata(dict(metadata()))

    return write_whole(target, write)


def description(extractor: FeatureExtractor, name: str, provenance: dict[str, Any]) -> dict[str, Any]:
    """Return what a features file or dataset says of itself."""
    return {"name": name, "features": extractor.settings(), "provenance": provenance}


def _stored(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table without arrays, with absolute paths: readers take relative ones from the table's folder."""
    plain = table.drop(columns=array_columns(table))
    return plain.assign(file=[address_of(file) or str(Path(file).absolute()) for file in plain["file"]])


def _schema(table: pd.DataFrame, described: dict[str, Any]) -> pyarrow.Schema:
    """Return the types of the columns. A column that is empty in the first part may hold text in a later one."""
    inferred = pyarrow.Schema.from_pandas(table, preserve_index=False)
    fields = [field.with_type(pyarrow.string()) if pyarrow.types.is_null(field.type) else field for field in inferred]
    return pyarrow.schema(fields, metadata={**(inferred.metadata or {}), KEY: json.dumps(described).encode()})


def read_settings(path: str | Path) -> FeatureSettings | None:
    """Return the settings of a features file or of a dataset of features, or None for any other table.

    Raises
    ------
    RowsError
        If the file cannot be read, or its settings are invalid.
    """
    if is_feature_dataset(path):
        return _settings(FeatureDataset.open(path).manifest.described, path)
    if Path(path).suffix.lower() != ".parquet" or not Path(path).is_file():
        return None
    try:
        metadata = pyarrow.parquet.read_schema(path).metadata or {}
    except (OSError, pyarrow.ArrowException) as error:
        raise RowsError(f"{path}: cannot be read as Parquet ({error})") from error
    if KEY not in metadata:
        return None
    try:
        described = parse_json(metadata[KEY])
    except ValueError as error:
        raise RowsError(f"{path}: its settings are invalid ({error}); extract the features again") from error
    return _settings(described, path)


def _settings(described: Any, path: str | Path) -> FeatureSettings:
    try:
        return FeatureSettings(described["name"], FeatureExtractor.from_settings(described["features"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RowsError(f"{path}: its settings are invalid ({error}); extract the features again") from error
