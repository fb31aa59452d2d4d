"""Features that are read part by part, because memory does not hold all of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import pandas as pd
import pyarrow
import pyarrow.parquet

from fusionser.errors import RowsError
from fusionser.legacy import current_column

__all__ = ["FeatureDataset", "FeatureFiles"]

PART = 2000
"""Number of rows that are read at once."""

BUFFER = 2**16
"""Bytes of a column that are read at once."""


@runtime_checkable
class FeatureDataset(Protocol):
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
    """Features files that ``fusionser extract`` wrote, as one `FeatureDataset`.

    Parameters
    ----------
    paths : path, or sequence of paths
        Parquet files with the same features. Of the other columns, a file may lack some.

    Raises
    ------
    RowsError
        If a file cannot be read.

    Examples
    --------
    >>> files = FeatureFiles("features.parquet")  # doctest: +SKIP
    >>> files.rows, len(next(files.parts(["file", "speaker"])))  # doctest: +SKIP
    (1440, 1440)
    """

    def __init__(self, paths: str | Path | Sequence[str | Path]) -> None:
        self.paths = [Path(path) for path in ([paths] if isinstance(paths, str | Path) else paths)]
        opened = [_opened(path) for path in self.paths]
        self.rows: int = sum(file.metadata.num_rows for file in opened)
        named = [current_column(name) for file in opened for name in file.schema_arrow.names]
        self.columns: list[str] = list(dict.fromkeys(named))

    def parts(self, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """Yield all rows in parts of at most 2000, file by file; of these columns only, if any are given."""
        for path in self.paths:
            file = _opened(path)
            stored = {current_column(name): name for name in file.schema_arrow.names}
            wanted = list(stored) if columns is None else [name for name in columns if name in stored]
            read = [stored[name] for name in wanted]
            try:
                for batch in file.iter_batches(PART, columns=read, use_pandas_metadata=False):
                    yield batch.to_pandas()[read].set_axis(wanted, axis="columns")
            except (OSError, pyarrow.ArrowException) as error:
                raise RowsError(f"{path}: cannot be read as Parquet ({error})") from error


def _opened(path: Path) -> pyarrow.parquet.ParquetFile:
    try:
        # By default, all of a file's columns are read ahead.
        return pyarrow.parquet.ParquetFile(path, pre_buffer=False, buffer_size=BUFFER)
    except (OSError, pyarrow.ArrowException) as error:
        raise RowsError(f"{path}: cannot be read as Parquet ({error}); expected a features file") from error
