"""Tables of rows that repeat real clips under distinct names."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fusionser.corpora import list_rows
from fusionser.features.extraction import BATCH
from fusionser.rows import write_table

__all__ = ["batches", "repeated", "write_rows"]


def repeated(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return so many rows: those given, again and again, each time of other sources."""
    turns = -(-count // len(rows))
    return pd.concat([rows.assign(source=rows["source"] + f"-{turn}") for turn in range(turns)]).iloc[:count]


def write_rows(folder: Path, corpus: str, count: int, path: Path, *, durations: bool) -> Path:
    """Write a table of so many rows of a corpus, with or without the durations of the clips."""
    rows = repeated(list_rows(folder, corpus).rows, count)
    return write_table(rows if durations else rows.drop(columns=["end"]), path)


def batches(rows: Sequence[dict[str, Any]], count: int) -> Iterator[list[dict[str, Any]]]:
    """Yield the batches of an extraction of so many rows that repeat those given, without a table of all of them."""
    for first in range(0, count, BATCH):
        places = range(first, min(first + BATCH, count))
        yield [{**rows[place % len(rows)], "source": f"ravdess/{place}"} for place in places]
