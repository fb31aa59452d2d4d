"""Convert X, as scikit-learn users pass it, to rows.

X is a table with a column ``file``, or a sequence of paths, waveforms, or pairs ``(samples, rate)``. A two-dimensional
array of numbers is a batch of waveforms. Like files, waveforms are resampled to the rate of each analysis, so their own
rate must be known: from the pair, or from ``sampling_rate=``. Without either, the rate of the analysis is assumed if
there is only one.
"""

from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd

from fusionser.errors import AudioError, FusionserError, names_text
from fusionser.rows import ARRAY_MARK, check_columns, with_times
from fusionser.sources import sources_of
from fusionser.waveform import MOST_CHANNELS, Rates, check_rate, split_pair

__all__ = ["object_column", "rows_of", "table_of"]

EXPECTED = "a table, or a list of paths, waveforms, or pairs (samples, rate)"


def rows_of(X: Any, sampling_rate: Rates = None, computations: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Convert X to rows.

    Parameters
    ----------
    X : DataFrame with a column ``file``, or sequence of paths, waveforms, or pairs (samples, rate)
    sampling_rate : int or sequence of int, optional
        Rate in Hz of waveforms without one: a single number, or one per item.
    computations : mapping of str to Computation, optional
        The computations that will use the rows. Without `sampling_rate`, waveforms are assumed to have their rate. Of
        the features in a table, rows have only those that a computation reads.

    Returns
    -------
    list of dict
        With ``file``, or ``waveform`` and ``sampling_rate``.

    Raises
    ------
    FusionserError
        If X is none of these, or the rate of a waveform is unknown.

    Examples
    --------
    >>> rows_of([(np.zeros(400), 8000), np.zeros(400)], sampling_rate=16000)[1]["sampling_rate"]
    16000
    """
    if isinstance(X, pd.DataFrame):
        return _rows_of_table(X, sampling_rate, computations or {})
    items = [_item(item) for item in _items(X)]
    bare = [place for place, (value, rate) in enumerate(items) if rate is None and not isinstance(value, str)]
    rates = _rates(sampling_rate, len(items), bare, computations or {})
    rates |= {place: check_rate(rate) for place, (_, rate) in enumerate(items) if rate is not None}
    return [
        {"file": value}
        if isinstance(value, str)
        else {"file": f"waveform {place}", "waveform": value, "sampling_rate": rates[place]}
        for place, (value, _) in enumerate(items)
    ]


def table_of(X: Any, sampling_rate: Rates = None, computations: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """Return X if it is a table, else a table of its rows whose column ``source`` identifies equal clips.

    Parameters
    ----------
    X, sampling_rate, computations
        As in `rows_of`.

    Examples
    --------
    >>> table_of(["a.wav", "b.wav", "a.wav"])["source"].tolist()
    ['a.wav', 'b.wav', 'a.wav']
    """
    if isinstance(X, pd.DataFrame):
        _rows_of_table(X.iloc[:0], sampling_rate, {})
        _check_files(X)
        return with_times(X)
    rows = rows_of(X, sampling_rate, computations)
    numbers = isinstance(X, np.ndarray) and X.dtype.kind in "fiu"
    # Text columns of pandas hold no names that are not UTF-8, which get their errors when they are read.
    files = pd.Series([row["file"] for row in rows], dtype=object)
    sources = sources_of(X if numbers else [row.get("waveform", row["file"]) for row in rows], len(rows))
    table = pd.DataFrame({"file": files, "source": pd.Series(sources, dtype=object)})
    for name in ("waveform", "sampling_rate"):
        if any(name in row for row in rows):
            table[name] = object_column([row.get(name) for row in rows])
    return table


def object_column(values: list[Any]) -> Any:
    """Return values, which may be arrays, as the values of a column."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _rows_of_table(X: pd.DataFrame, sampling_rate: Rates, computations: Mapping[str, Any]) -> list[dict[str, Any]]:
    if "file" not in X.columns:
        raise FusionserError(f"the table has no column 'file'; got {names_text(X.columns)}. Give rows, {EXPECTED[9:]}")
    if sampling_rate is not None:
        raise FusionserError("got sampling_rate with a table; its files have their own rates, so leave it out")
    _check_files(X)
    X = with_times(X)
    read = {name for one in computations.values() for name in one.row_columns()}
    # `to_dict("records")` gives the same, but is slow for a single row.
    columns = {
        name: X.iloc[:, place].tolist()
        for place, name in enumerate(map(str, X.columns))
        if name in read or ("__" not in name and not name.startswith(ARRAY_MARK))
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _check_files(X: pd.DataFrame) -> None:
    """Raise `FusionserError` if a file of a table is not a path. Those of waveforms are only names."""
    check_columns(X)
    files = X["file"].tolist()
    for place, file in enumerate([] if "waveform" in X.columns else files):
        if not isinstance(file, (str, PathLike)):
            raise FusionserError(
                f"row {place} of the table has {file!r} ({type(file).__name__}) in the column 'file'; expected a path"
            )


def _items(X: Any) -> Any:
    """Return X if its items may be clips. Common mistakes get specific errors."""
    if isinstance(X, (str, bytes, Mapping)) or not hasattr(X, "__len__") or getattr(X, "ndim", 1) == 0:
        raise FusionserError(f"got {type(X).__name__} for X; expected {EXPECTED}")
    if len(X) == 0:
        raise AudioError("X holds no clips; expected at least one")
    if isinstance(X, np.ndarray) and X.dtype.kind in "fiu":
        if X.ndim == 1:
            raise FusionserError("got one waveform for X; expected a list of them: give [X]")
        if X.ndim == 2 and X.shape[1] <= MOST_CHANNELS:
            raise FusionserError(
                f"got an array of {X.shape[0]} waveforms with {X.shape[1]} samples each for X; if it is one waveform "
                f"with {X.shape[1]} channels, give [X]"
            )
    elif len(X) == 2 and split_pair(X)[1] is not None:
        raise FusionserError("got one pair (samples, rate) for X; expected a list of them: give [X]")
    return X


def _item(item: Any) -> tuple[Any, Any]:
    """Return a path and None, or an array and its rate, which is None if it is not given."""
    if isinstance(item, np.ndarray) and item.dtype.kind in "OUS" and item.size == 1:
        item = item.ravel()[0]
    if isinstance(item, str) or hasattr(item, "__fspath__"):
        return str(item), None
    samples, rate = split_pair(item)
    if np.ma.is_masked(samples):
        raise FusionserError("some samples of an item are masked; expected all: cut them out, such as by compressed()")
    if hasattr(samples, "detach"):
        # A tensor, which NumPy takes only from the CPU and without gradients.
        samples = samples.detach().cpu()
    try:
        waveform = np.asarray(samples)
    except ValueError:
        # Arrays of different lengths do not form an array; the check below reports the item.
        waveform = object_column(list(samples))
    if waveform.ndim not in (1, 2) or waveform.dtype.kind not in "fiu":
        raise FusionserError(
            f"got an item of type {type(item).__name__}, {waveform.ndim} dimensions of {waveform.dtype}; expected a "
            "path, an array of samples, or a pair (samples, rate)"
        )
    return waveform, rate


def _rates(given: Rates, count: int, bare: list[int], computations: Mapping[str, Any]) -> dict[int, int | None]:
    """Return the rate of each waveform without one, by its position."""
    if given is None:
        return dict.fromkeys(bare, _own_rate(computations)) if bare else {}
    if not bare:
        raise FusionserError(
            "got sampling_rate, but no waveform without a rate: files and pairs have their own rates; leave it out"
        )
    rates = np.asarray(given, dtype=object)
    if rates.ndim == 0:
        return dict.fromkeys(bare, check_rate(given))
    if rates.shape != (count,):
        raise FusionserError(f"got {rates.size} sampling rates for {count} clips; expected one number, or one per clip")
    return {place: check_rate(rates[place]) for place in bare}


def _own_rate(computations: Mapping[str, Any]) -> int | None:
    """Return the single rate of the analysis, or None if no computation uses samples."""
    rates = {name: getattr(item, "sampling_rate", None) for name, item in computations.items() if item.uses_audio}
    if computations and not rates:
        return None
    if len(set(rates.values())) == 1 and None not in rates.values():
        return check_rate(next(iter(rates.values())))
    listed = ", ".join(f"{name} at {f'{rate} Hz' if rate else 'an unknown rate'}" for name, rate in rates.items())
    why = f", and not all are analysed at one rate: {listed}" if rates else ""
    raise FusionserError(f"got waveforms without a sampling rate{why}; give sampling_rate=, or pairs (samples, rate)")
