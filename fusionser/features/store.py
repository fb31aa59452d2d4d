"""The features file: rows, features, and the settings that made them, in one Parquet table."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
import pyarrow.parquet

from fusionser.errors import FusionserError, RowsError
from fusionser.features.extractor import FeatureExtractor
from fusionser.files import write_whole
from fusionser.rows import array_columns

__all__ = ["FeatureSettings", "read_settings", "write_features"]

KEY = b"fusionser"


@dataclass(frozen=True)
class FeatureSettings:
    """What a features file says of how it was made."""

    name: str
    extractor: FeatureExtractor


def write_features(
    table: pd.DataFrame, extractor: FeatureExtractor, name: str, path: str | Path, provenance: dict[str, Any]
) -> Path:
    """Write rows and features as Parquet with their settings in its metadata, whole or not at all.

    Raises
    ------
    FusionserError
        When the file is not named ``.parquet``, or cannot be written.
    """
    target = Path(path)
    if target.suffix != ".parquet":
        raise FusionserError(f"{path}: a features file holds its settings, so it must be .parquet")
    # A relative path would be taken from the table's folder when it is read, not from here.
    plain = table.drop(columns=array_columns(table))
    placed = plain.assign(file=[str(Path(file).absolute()) for file in plain["file"]])
    arrow = pyarrow.Table.from_pandas(placed, preserve_index=False)
    described = {"name": name, "features": extractor.settings(), "provenance": provenance}
    metadata = {**(arrow.schema.metadata or {}), KEY: json.dumps(described).encode()}
    content = arrow.replace_schema_metadata(metadata)
    return write_whole(target, lambda temporary: pyarrow.parquet.write_table(content, temporary))


def read_settings(path: str | Path) -> FeatureSettings | None:
    """Return the settings of a features file; None for any other table.

    Raises
    ------
    RowsError
        When the settings are there and cannot be understood.
    """
    if Path(path).suffix != ".parquet" or not Path(path).is_file():
        return None
    try:
        metadata = pyarrow.parquet.read_schema(path).metadata or {}
    except (OSError, pyarrow.ArrowException) as error:
        raise RowsError(f"{path}: cannot be read as Parquet ({error})") from error
    if KEY not in metadata:
        return None
    try:
        described = json.loads(metadata[KEY])
        return FeatureSettings(described["name"], FeatureExtractor.from_settings(described["features"]))
    except (ValueError, KeyError, TypeError) as error:
        raise RowsError(f"{path}: its settings cannot be understood ({error}); extract the features again") from error
