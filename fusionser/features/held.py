"""Features that a table already holds."""

import json

import numpy as np
import numpy.typing as npt
import pandas as pd

from fusionser.errors import RowsError
from fusionser.features.base import FeatureBlock
from fusionser.features.extraction import compute_clips
from fusionser.features.inputs import rows_of

__all__ = ["digests_of", "taken"]

Array = npt.NDArray[np.float32]


def taken(rows: pd.DataFrame, name: str, block: FeatureBlock) -> Array:
    """Take the columns that a table holds; what follows from the rows alone is computed from them anew."""
    if block.uses_audio:
        return _numbers(rows, [f"{name}__{column}" for column in block.names()])
    return compute_clips(rows_of(rows), {name: block}, strict=True).stacked(name)


def _numbers(rows: pd.DataFrame, columns: list[str]) -> Array:
    missing = [column for column in columns if column not in rows.columns]
    if missing:
        raise RowsError(f"the table says that it holds the feature '{missing[0]}', and does not; extract it again")
    try:
        values = rows[columns].to_numpy(dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise RowsError(f"the table's features are not all numbers ({error}); extract them again") from error
    if not np.isfinite(values).all():
        column = columns[int(np.flatnonzero(~np.isfinite(values).all(axis=0))[0])]
        raise RowsError(f"the table's feature '{column}' holds values that are not finite; extract it again")
    return values


def digests_of(stamp: str) -> dict[str, str]:
    """Read a stamp; one that nobody here wrote holds nothing, so that its row is analysed anew."""
    try:
        read = json.loads(stamp)
    except ValueError:
        return {}
    if not isinstance(read, dict):
        return {}
    return {key: value for key, value in read.items() if isinstance(value, str)}
