"""Rows of clips and their features: what a table holds already is taken from it, the rest is computed."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fusionser.cache import Cache
from fusionser.errors import RowsError
from fusionser.features.base import ClipTransformer, FeatureBlock
from fusionser.features.extraction import Extraction, Progress, compute_clips
from fusionser.features.inputs import object_column, rows_of
from fusionser.rows import ARRAY_MARK, AUDIO_COLUMN, EXTRACTED_COLUMN

__all__ = ["FeatureTable"]

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


class FeatureTable:
    """Rows, as an extractor sees them: which of its features they hold, and what they are with the others.

    A table that was written (`filled`) says in its column ``extracted`` which blocks its columns are of, by a digest of
    the settings of each, so that columns of other settings are never taken.

    Parameters
    ----------
    rows : DataFrame
    blocks : mapping of str to FeatureBlock
        Handcrafted blocks; the name is the prefix of the block's columns.
    front_ends : iterable of ClipTransformer
        What networks are fed; a table in memory carries it too, one array a row.

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
        """Return what the column ``extracted`` holds for rows with these blocks."""
        return json.dumps({name: block.digest() for name, block in self.blocks.items()}, sort_keys=True)

    def held(self) -> Mask:
        """Tell which rows hold everything that must be computed from audio."""
        held = self._stamped()
        for column in self.front_ends:
            held = held & self._carried(column)
        return held

    def compute(
        self,
        *,
        cache: Cache | None = None,
        n_jobs: int | None = None,
        device: str = "cpu",
        progress: Progress | None = None,
        strict: bool = False,
    ) -> Extraction:
        """Take what the rows hold, and compute the rest, keeping what fails apart; see `compute_clips`.

        Raises
        ------
        RowsError
            When the columns are not what ``extracted`` says.
        AudioError
            With `strict`, for the first clip that cannot be used.
        """
        computations: dict[str, ClipTransformer] = {**self.blocks, **self.front_ends}
        return compute_clips(
            rows_of(self.rows),
            computations,
            held=self._held_values(),
            cache=cache,
            n_jobs=n_jobs,
            device=device,
            progress=progress,
            strict=strict,
        )

    def filled(self, result: Extraction) -> pd.DataFrame:
        """Return the rows that succeeded, with their features, fingerprint and stamp, and what networks are fed."""
        kept = self.fed(result).reset_index(drop=True).drop(columns=[AUDIO_COLUMN, EXTRACTED_COLUMN], errors="ignore")
        plain, arrays = kept.drop(columns=[*self.front_ends]), kept[[*self.front_ends]]
        before = self.rows[AUDIO_COLUMN] if AUDIO_COLUMN in self.rows else pd.Series("", index=self.rows.index)
        marks = {
            AUDIO_COLUMN: [result.fingerprints[place] or before.iloc[place] for place in result.usable],
            EXTRACTED_COLUMN: self.stamp(),
        }
        parts = [plain, pd.DataFrame(marks), arrays]
        if self.blocks:
            values = np.concatenate([result.stacked(name) for name in self.blocks], axis=1)
            parts.append(pd.DataFrame(values, columns=self.names))
        return pd.concat(parts, axis=1)

    def fed(self, result: Extraction) -> pd.DataFrame:
        """Return the rows that succeeded without features, but with what networks are fed."""
        usable = result.usable
        features = [name for name in map(str, self.rows.columns) if "__" in name or name.startswith(ARRAY_MARK)]
        rows = self.rows.drop(columns=features) if features else self.rows
        arrays = {
            column: object_column([result.arrays[column][place] for place in usable]) for column in self.front_ends
        }
        return (rows.iloc[usable] if result.failures else rows).assign(**arrays)

    def _stamped(self) -> Mask:
        """Tell which rows hold the columns of the blocks."""
        if EXTRACTED_COLUMN not in self.rows.columns:
            return np.zeros(len(self.rows), dtype=bool)
        wanted = {name: block.digest() for name, block in self.blocks.items() if block.uses_audio}.items()
        stamps = self.rows[EXTRACTED_COLUMN].fillna("").astype(str)
        held = {stamp: wanted <= _digests_of(stamp).items() for stamp in stamps.unique()}
        return stamps.map(held).to_numpy(dtype=bool)

    def _carried(self, column: str) -> Mask:
        """Tell which rows carry an array."""
        if column not in self.rows.columns:
            return np.zeros(len(self.rows), dtype=bool)
        return np.array([isinstance(value, np.ndarray) for value in self.rows[column]], dtype=bool)

    def _held_values(self) -> list[dict[str, Array]]:
        """Return what each row holds, by block and front end; what follows from rows alone is computed anew."""
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


def _numbers(rows: pd.DataFrame, places: npt.NDArray[np.intp], columns: list[str]) -> Array:
    missing = [column for column in columns if column not in rows.columns]
    if missing:
        raise RowsError(f"the table says that it holds the feature '{missing[0]}', and does not; extract it again")
    try:
        values = rows[columns].iloc[places].to_numpy(dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise RowsError(f"the table's features are not all numbers ({error}); extract them again") from error
    if not np.isfinite(values).all():
        column = columns[int(np.flatnonzero(~np.isfinite(values).all(axis=0))[0])]
        raise RowsError(f"the table's feature '{column}' holds values that are not finite; extract it again")
    return values


def _digests_of(stamp: str) -> dict[str, str]:
    """Read a stamp; one that nobody here wrote holds nothing, so that its row is analysed anew."""
    try:
        read: Any = json.loads(stamp)
    except ValueError:
        return {}
    if not isinstance(read, dict):
        return {}
    return {key: value for key, value in read.items() if isinstance(value, str)}
