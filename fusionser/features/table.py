"""Tables of clips and their features: features that a table already has are reused, the others are computed."""

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fusionser.errors import RowsError
from fusionser.features.base import ClipTransformer, FeatureBlock
from fusionser.features.clip import Computation
from fusionser.features.extraction import Extraction, compute_clips, compute_parts
from fusionser.features.inputs import object_column, rows_of
from fusionser.features.maps import FrontEnd
from fusionser.memory import exceeds_memory
from fusionser.rows import AUDIO_COLUMN, EXTRACTED_COLUMN, array_columns, feature_columns

__all__ = ["FeatureTable", "computed_tables"]

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

LARGEST_VALUE = 1e15
"""Largest absolute value of a feature; the squares of many larger ones overflow."""


class FeatureTable:
    """Rows, and the features that an extractor computes for them or finds in them.

    The column ``extracted`` of a table that was written (`filled`) names the blocks of its columns, with a digest of
    the settings of each. So columns made with other settings are never reused.

    Parameters
    ----------
    rows : DataFrame
    blocks : mapping of str to FeatureBlock
        Handcrafted blocks by name. The name is the prefix of the block's columns.
    front_ends : iterable of ClipTransformer
        The inputs of networks. A table in memory holds them too, one array per row.

    Examples
    --------
    >>> from fusionser.features import RMS
    >>> from fusionser.features.inputs import table_of
    >>> table = FeatureTable(table_of([np.sin(np.arange(9000.0))], 8000), {"rms": RMS()}, [])
    >>> filled = table.filled(table.compute())
    >>> table.held().tolist(), FeatureTable(filled, {"rms": RMS()}, []).held().tolist()
    ([False], [True])
    """

    def __init__(
        self, rows: pd.DataFrame, blocks: Mapping[str, FeatureBlock], front_ends: Iterable[ClipTransformer]
    ) -> None:
        self.rows = rows
        self.blocks = dict(blocks)
        self.front_ends = {front_end.column: front_end for front_end in front_ends}

    @property
    def names(self) -> list[str]:
        """Names of the columns of the handcrafted blocks, ``block__name``."""
        return [f"{name}__{column}" for name, block in self.blocks.items() for column in block.names()]

    def stamp(self) -> str:
        """Return the value of the column ``extracted`` for rows with these blocks."""
        return json.dumps({name: block.digest() for name, block in self.blocks.items()}, sort_keys=True)

    def held(self) -> Mask:
        """Tell which rows have everything that must be computed from audio."""
        return np.logical_and.reduce([self._stamped(), *map(self._carried, self.front_ends)])

    def held_values(self) -> Array:
        """Return the columns of rows that have everything that must be computed from audio, shape (n_rows, n_columns).

        This is much faster than `compute`, which also looks for what is missing.

        Raises
        ------
        RowsError
            If the columns do not match ``extracted``.
        AudioError
            If the table has no usable value for a block that reads it.
        """
        every = np.arange(len(self.rows))
        parts = {
            name: _numbers(self.rows, every, [f"{name}__{column}" for column in block.names()])
            if block.uses_audio
            else block.of_table(self.rows)
            for name, block in self.blocks.items()
        }
        return np.concatenate([parts[name] for name in self.blocks], axis=1)

    def compute(
        self,
        also: Mapping[str, Computation] = MappingProxyType({}),
        *,
        memory_limit: int | str | None = None,
        **options: Any,
    ) -> Extraction:
        """Take the values that the rows have, and compute the others.

        Parameters
        ----------
        also : mapping of str to Computation
            Other computations of the same clips, by name.
        memory_limit : int or str, optional
            Largest size of the inputs of networks that are kept in memory, see `exceeds_memory`; larger ones are on
            disk.
        **options
            Passed to `compute_clips`: `cache`, `n_jobs`, `device`, `progress` and `strict`.

        Raises
        ------
        RowsError
            If the columns do not match ``extracted``.
        AudioError
            With `strict`, for the first clip that cannot be used.
        """
        computations = {**self.blocks, **self.front_ends, **also}
        rows = rows_of(self.rows, None, computations)
        on_disk = self.too_large(memory_limit, len(rows))
        return compute_clips(rows, computations, held=self._held_values(), on_disk=on_disk, **options)

    def too_large(self, memory_limit: int | str | None, count: int) -> list[str]:
        """Return the names of the inputs of networks that are not kept in memory for a number of rows."""
        inputs = {name: item for name, item in self.front_ends.items() if isinstance(item, FrontEnd)}
        size = count * sum(item.array_bytes() for item in inputs.values())
        return [*inputs] if exceeds_memory(memory_limit, size) else []

    def filled(self, result: Extraction) -> pd.DataFrame:
        """Return the rows that succeeded, with their features, fingerprint, stamp and inputs of networks."""
        fed = self.fed(result).reset_index(drop=True).drop(columns=[AUDIO_COLUMN, EXTRACTED_COLUMN], errors="ignore")
        known = self.rows.get(AUDIO_COLUMN, pd.Series("", index=self.rows.index))
        marks = {
            AUDIO_COLUMN: [result.fingerprints[place] or known.iloc[place] for place in result.usable],
            EXTRACTED_COLUMN: self.stamp(),
        }
        arrays = [*self.front_ends]
        parts = [fed.drop(columns=arrays), pd.DataFrame(marks), fed[arrays]]
        if self.blocks:
            values = np.concatenate([result.stacked(name) for name in self.blocks], axis=1)
            parts.append(pd.DataFrame(values, columns=self.names))
        return pd.concat(parts, axis=1)

    def fed(self, result: Extraction) -> pd.DataFrame:
        """Return the rows that succeeded, without features but with the inputs of networks."""
        usable = result.usable
        read = {name for block in self.blocks.values() for name in block.row_columns()}
        unused = [name for name in feature_columns(self.rows) if name not in read]
        rows = self.rows.drop(columns=[*unused, *array_columns(self.rows)])
        arrays = {
            column: object_column([result.arrays[column][place] for place in usable]) for column in self.front_ends
        }
        return (rows.iloc[usable] if result.failures else rows).assign(**arrays)

    def _stamped(self) -> Mask:
        """Tell which rows have the columns of the blocks."""
        if EXTRACTED_COLUMN not in self.rows.columns:
            return np.zeros(len(self.rows), dtype=bool)
        wanted = {name: block.digest() for name, block in self.blocks.items() if block.uses_audio}.items()
        stamps = self.rows[EXTRACTED_COLUMN].fillna("").astype(str)
        held = {stamp: wanted <= _digests_of(stamp).items() for stamp in stamps.unique()}
        return stamps.map(held).to_numpy(dtype=bool)

    def _carried(self, column: str) -> Mask:
        """Tell which rows have an array in a column."""
        values = self.rows.get(column, [None] * len(self.rows))
        return np.array([isinstance(value, np.ndarray) for value in values], dtype=bool)

    def _held_values(self) -> list[dict[str, Array]]:
        """Return the values of each row, by block and front end. Blocks that use no audio are computed again."""
        values: list[dict[str, Array]] = [{} for _ in range(len(self.rows))]
        stamped = np.flatnonzero(self._stamped())
        for name, block in self.blocks.items():
            if block.uses_audio and len(stamped):
                columns = _numbers(self.rows, stamped, [f"{name}__{column}" for column in block.names()])
                for place, vector in zip(stamped, columns, strict=True):
                    values[place][name] = vector
        for column in self.front_ends:
            for place in np.flatnonzero(self._carried(column)):
                values[place][column] = self.rows[column].iloc[place]
        return values


def computed_tables(
    tables: Iterable[FeatureTable], *, count: int, memory_limit: int | str | None = None, **options: Any
) -> Iterator[tuple[FeatureTable, Extraction]]:
    """Yield tables with what `FeatureTable.compute` returns for each. The next ones are begun meanwhile.

    Parameters
    ----------
    tables : iterable of FeatureTable
        Of the same blocks and front ends. They are read when there is a place to compute them.
    count : int
        The number of rows of all tables.
    memory_limit : int or str, optional
        As in `FeatureTable.compute`, for the rows of all tables.
    **options
        Passed to `compute_parts`: `cache`, `n_jobs`, `device`, `progress` and `strict`.

    Raises
    ------
    RowsError, AudioError
        As by `compute`.
    """
    begun, rest = deque[FeatureTable](), iter(tables)
    first = next(rest, None)
    if first is None:
        return
    computations = {**first.blocks, **first.front_ends}

    def parts() -> Iterator[tuple[list[dict[str, Any]], list[dict[str, Array]]]]:
        for table in chain([first], rest):
            begun.append(table)
            yield rows_of(table.rows, None, computations), table._held_values()

    on_disk = first.too_large(memory_limit, count)
    for result in compute_parts(parts(), computations, count=count, on_disk=on_disk, **options):
        yield begun.popleft(), result


def _numbers(rows: pd.DataFrame, places: npt.NDArray[np.intp], columns: list[str]) -> Array:
    missing = [column for column in columns if column not in rows.columns]
    if missing:
        raise RowsError(f"the table should have the feature '{missing[0]}', but does not; extract it again")
    for name, dtype in rows[columns].dtypes.items():
        # pandas converts these too, which are no features. Tables of text hold numbers as text.
        if dtype.kind in "bMmc":
            raise RowsError(f"the table's feature '{name}' holds {dtype}; expected numbers: extract the features again")
    try:
        values = rows[columns].iloc[places].to_numpy(dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise RowsError(f"the table's features are not all numbers ({error}); extract them again") from error
    if not np.isfinite(values).all():
        column = columns[int(np.flatnonzero(~np.isfinite(values).all(axis=0))[0])]
        raise RowsError(f"the table's feature '{column}' has values that are not finite; extract it again")
    large = np.abs(values) > LARGEST_VALUE
    if large.any():
        place, number = (int(found[0]) for found in np.nonzero(large))
        raise RowsError(
            f"the table's feature '{columns[number]}' is {values[place, number]:g} in the row of "
            f"{rows['file'].iloc[places[place]]}; expected at most {LARGEST_VALUE:g}: extract it again"
        )
    return values


def _digests_of(stamp: str) -> dict[str, str]:
    """Read a stamp. An invalid one gives no digests, so its row is analysed again."""
    try:
        read: Any = json.loads(stamp)
    except ValueError:
        return {}
    return {key: value for key, value in read.items() if isinstance(value, str)} if isinstance(read, dict) else {}
