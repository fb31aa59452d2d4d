"""Columns of the user's table as a block."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import ClassVar

import numpy as np
import pandas as pd

from fusionser.errors import AudioError, SettingsError, unknown_name
from fusionser.facts import Stamp
from fusionser.features.base import FeatureBlock
from fusionser.features.clip import Array, Clip

__all__ = ["GivenColumns", "matching_columns"]

LARGEST = 1e15
"""Largest absolute value; the squares of many larger ones overflow."""


@dataclass(kw_only=True, eq=False, repr=False)
class GivenColumns(FeatureBlock):
    """Numeric columns of the table of rows, such as those that another program computed.

    They are used as they are. So they must not have been made with the labels, nor from all rows together, as by
    scaling; results say that this is not known. X, and what a model with this block predicts, must be a table with
    these columns. Augmented copies have no values in them. Like all features they are kept in single precision, which
    has seven digits: subtract what is large and the same in all rows, such as the date of a time.

    Parameters
    ----------
    columns : sequence of str, default=()
        Names of the columns, one or more. `matching_columns` finds them by patterns.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"file": ["a.wav", "b.wav"], "smile__loudness": [0.5, 0.25]})
    >>> block = GivenColumns(columns=["smile__loudness"])
    >>> block.transform(table).tolist(), block.get_feature_names_out().tolist()
    ([[0.5], [0.25]], ['columns__smile__loudness'])
    """

    kind: ClassVar[str] = "columns"
    uses_audio: ClassVar[bool] = False
    columns: Sequence[str] = ()

    def check(self) -> None:
        """Raise `SettingsError` unless the columns have names, each once."""
        super().check()
        if isinstance(self.columns, str) or not len(self.columns):
            raise SettingsError(
                f"columns is {self.columns!r}; expected a list of one or more columns of the table "
                "(--columns at the command line, instead of the block's name)"
            )
        names = [str(name) for name in self.columns]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise SettingsError(f"columns names '{twice}' twice; expected each column once")

    def stamps(self) -> list[Stamp]:
        """Return how many columns are used as given."""
        return [Stamp(kind="columns-given", value=len(self.columns))]

    def row_columns(self) -> list[str]:
        """Return the columns of the table that are read."""
        return [str(name) for name in self.columns]

    def names(self) -> list[str]:
        """Return the names of the columns within the block."""
        return self.row_columns()

    def compute(self, clip: Clip) -> Array:
        """Return the values of one row."""
        if clip.augmented:
            raise SettingsError(
                "the block 'columns' has values of the original recordings only, and none of augmented copies; leave "
                "out --augment, or the columns"
            )
        return np.array([self._value(clip, name) for name in self.row_columns()], dtype=np.float32)

    def of_table(self, rows: pd.DataFrame) -> Array:
        """Return the values of all rows at once; where one cannot be used, its error comes from `compute`."""
        names = self.row_columns()
        if set(names) <= set(rows.columns) and all(rows[name].dtype.kind in "fiu" for name in names):
            values = rows[names].to_numpy(dtype=np.float64)
            copies = "augmentation" in rows and (rows["augmentation"] != "").any()
            if (np.abs(values) <= LARGEST).all() and not copies:
                return values.astype(np.float32)
        return super().of_table(rows)

    def _value(self, clip: Clip, name: str) -> float:
        if name not in clip.row:
            raise SettingsError(
                f"the table has no column '{name}', which the block 'columns' needs; give a table of recordings with "
                "that column"
            )
        given = clip.row[name]
        try:
            value = math.nan if isinstance(given, (bool, np.bool_)) else float(given)
        except (TypeError, ValueError):
            value = math.nan
        if not abs(value) <= LARGEST:
            raise AudioError(
                f"{clip.name}: its column '{name}' holds {given!r}; expected a number of at most {LARGEST:g}"
            )
        return value


def matching_columns(names: Iterable[str], patterns: Sequence[str]) -> list[str]:
    """Return the columns that patterns name, in the order of the table.

    Parameters
    ----------
    names : iterable of str
        Columns of the table.
    patterns : sequence of str
        Names, or patterns with ``*`` and ``?``, in which case matters.

    Raises
    ------
    SettingsError
        If a pattern matches no column.

    Examples
    --------
    >>> matching_columns(["file", "smile__a", "smile__b", "age"], ["smile__*", "age"])
    ['smile__a', 'smile__b', 'age']
    """
    listed = list(names)
    for pattern in patterns:
        if not any(_matches(name, pattern) for name in listed):
            raise unknown_name("column", pattern, listed)
    return [name for name in listed if any(_matches(name, pattern) for pattern in patterns)]


def _matches(name: str, pattern: str) -> bool:
    # A column may have a name with a bracket, which patterns would read otherwise.
    return name == pattern or fnmatchcase(name, pattern.replace("[", "[[]"))
