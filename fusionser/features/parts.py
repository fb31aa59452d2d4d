"""Features that are read part by part, because memory does not hold all of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import pandas as pd
import pyarrow
import pyarrow.parquet

from fusionser.errors import RowsError
from fusionser.feature_dataset import FeatureDataset, is_feature_dataset
from fusionser.legacy import current_column
from fusionser.storage import called, input_place

__all__ = ["FeatureFiles", "FeatureParts"]

PART = 2000
"""Number of rows that are read at once."""

BUFFER = 2**16
"""Bytes of a column that are read at once."""


@runtime_checkable
class FeatureParts(Protocol):
    """A table of rows and features that is read in parts.

    Attributes
    ----------
    rows : int
        Number of rows.
    columns : list of str
        Names of all columns: those of rows, and those of features, ``block__name``.
    """

    rows: int
    columns: list[str]

    def parts(self, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """Yield all rows in parts of bounded size, always in the same order; only these columns, if any are given."""
        ...


class FeatureFiles:
    """Features files and datasets that ``fusionser extract`` wrote, as one `FeatureParts`.

    Parameters
    ----------
    paths : path, or sequence of paths
        Parquet files with the same features, or folders with datasets of them, here or at addresses. Of the other
        columns, a file may lack some.

    Raises
    ------
    RowsError
        If a file cannot be read, or is given twice.

    Examples
    --------
    >>> files = FeatureFiles("features.parquet")  # doctest: +SKIP
    >>> files.rows, len(next(files.parts(["file", "speaker"])))  # doctest: +SKIP
    (1440, 1440)
    """

    def __init__(self, paths: str | Path | Sequence[str | Path]) -> None:
        self.paths = [input_place(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
        for place, path in enumerate(self.paths):
            if any(path.absolute() == earlier.absolute() for earlier in self.paths[:place]):
                raise RowsError(f"{called(path)}: given twice, so that each of its rows would be; give it once")
        sizes = [_size_and_columns(path) for path in self.paths]
        self.rows: int = sum(rows for rows, _ in sizes)
        self.columns: list[str] = list(dict.fromkeys(current_column(name) for _, names in sizes for name in names))

    def parts(self, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """Yield all rows in parts of bounded size, file by file; of these columns only, if any are given."""
        for path in self.paths:
            stored = {current_column(name): name for name in _size_and_columns(path)[1]}
            wanted = list(stored) if columns is None else [name for name in columns if name in stored]
            read = [stored[name] for name in wanted]
            for table in _tables(path, read):
                yield table[read].set_axis(wanted, axis="columns")


def _size_and_columns(path: Path) -> tuple[int, list[str]]:
    """Return the number of rows and the names of the columns of a features file, or of a dataset of features."""
    if is_feature_dataset(path):
        dataset = FeatureDataset.open(path)
        return dataset.rows, dataset.columns
    file = _opened(path)
    return file.metadata.num_rows, list(file.schema_arrow.names)


def _tables(path: Path, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    if is_feature_dataset(path):
        yield from FeatureDataset.open(path).parts(columns)
        return
    try:
        for batch in _opened(path).iter_batches(PART, columns=list(columns), use_pandas_metadata=False):
            yield batch.to_pandas()
    except (OSError, pyarrow.ArrowException) as error:
        raise RowsError(f"{path}: cannot be read as Parquet ({error})") from error


def _opened(path: Path) -> pyarrow.parquet.ParquetFile:
    try:
        # By default, all of a file's columns are read ahead.
        return pyarrow.parquet.ParquetFile(path, pre_buffer=False, buffer_size=BUFFER)
    except (OSError, pyarrow.ArrowException) as error:
        raise RowsError(f"{path}: cannot be read as Parquet ({error}); expected a features file") from error
