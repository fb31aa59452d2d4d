"""What scikit-learn users pass as X, as rows.

X is a table with a column ``file``, or a sequence whose items are paths, waveforms, or pairs ``(samples, rate)``; a
two-dimensional array of numbers is a batch of waveforms. A waveform is resampled to the rate of each analysis, as a
file is, so its own must be known: it stands in the pair, or is told by ``sampling_rate=`` beside X. Without either,
bare arrays are taken to have the rate of the analysis, where there is but one.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from fusionser.errors import FusionserError
from fusionser.rows import ARRAY_MARK
from fusionser.splits.inner_folds import sources_of
from fusionser.waveform import MOST_CHANNELS, Rates, check_rate, split_pair

__all__ = ["object_column", "rows_of", "table_of"]

EXPECTED = "a table, or a list of paths, waveforms, or pairs (samples, rate)"


def rows_of(X: Any, sampling_rate: Rates = None, computations: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Turn what scikit-learn users pass as X into rows.

    Parameters
    ----------
    X : DataFrame with a column ``file``, or sequence of paths, waveforms, or pairs (samples, rate)
    sampling_rate : int or sequence of int, optional
        Rate of bare waveforms in Hz, one for all or one an item.
    computations : mapping of str to Computation, optional
        What the rows are for. Without `sampling_rate`, bare waveforms have the one rate at which they are analysed.

    Returns
    -------
    list of dict
        With ``file``, or ``waveform`` and ``sampling_rate``.

    Raises
    ------
    FusionserError
        When X is none of these, or the rate of a waveform is not known.

    Examples
    --------
    >>> rows_of([(np.zeros(400), 8000), np.zeros(400)], sampling_rate=16000)[1]["sampling_rate"]
    16000
    """
    if isinstance(X, pd.DataFrame):
        return _rows_of_table(X, sampling_rate)
    items = [_item(item) for item in _items(X)]
    bare = [place for place, (value, rate) in enumerate(items) if rate is None and not isinstance(value, str)]
    rates = _rates(sampling_rate, len(items), bare, computations or {})
    return [
        {"file": value}
        if isinstance(value, str)
        else {
            "file": f"waveform {place}",
            "waveform": value,
            "sampling_rate": rates[place] if rate is None else check_rate(rate),
        }
        for place, (value, rate) in enumerate(items)
    ]


def table_of(X: Any, sampling_rate: Rates = None, computations: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """Return X as a table of rows: itself where it is one, else one that says which items are the same clip.

    Parameters
    ----------
    X, sampling_rate, computations
        See `rows_of`.

    Examples
    --------
    >>> table_of(["a.wav", "b.wav", "a.wav"])["source"].tolist()
    ['a.wav', 'b.wav', 'a.wav']
    """
    if isinstance(X, pd.DataFrame):
        _rows_of_table(X.iloc[:0], sampling_rate)
        return X
    rows = rows_of(X, sampling_rate, computations)
    numbers = isinstance(X, np.ndarray) and X.dtype.kind in "fiu"
    table = pd.DataFrame({"file": [row["file"] for row in rows]})
    table["source"] = sources_of(X if numbers else [row.get("waveform", row["file"]) for row in rows], len(rows))
    if any("waveform" in row for row in rows):
        table["waveform"] = object_column([row.get("waveform") for row in rows])
        table["sampling_rate"] = object_column([row.get("sampling_rate") for row in rows])
    return table


def object_column(values: list[Any]) -> Any:
    """Return values, arrays among them, as the values of a table's column."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def _rows_of_table(X: pd.DataFrame, sampling_rate: Rates) -> list[dict[str, Any]]:
    if "file" not in X.columns:
        raise FusionserError(
            f"the table has no column 'file'; got {', '.join(map(str, X.columns[:8]))}. Give rows, or {EXPECTED[9:]}"
        )
    if sampling_rate is not None:
        raise FusionserError("got sampling_rate beside a table; its files have rates of their own, so leave it out")
    names = list(map(str, X.columns))
    plain = [place for place, name in enumerate(names) if "__" not in name and not name.startswith(ARRAY_MARK)]
    # As `to_dict("records")` does, in a tenth of its time for one row, which a prediction waits for.
    columns = {names[place]: X.iloc[:, place].tolist() for place in plain}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _items(X: Any) -> Any:
    """Return X where its items may be clips; the usual mistakes are told by what they are."""
    if isinstance(X, (str, bytes)) or not hasattr(X, "__len__"):
        raise FusionserError(f"got {type(X).__name__} for X; expected {EXPECTED}")
    if isinstance(X, np.ndarray) and X.dtype.kind in "fiu":
        if X.ndim == 1:
            raise FusionserError("got one waveform for X; expected a list of them: give [X]")
        if X.ndim == 2 and X.shape[1] <= MOST_CHANNELS:
            raise FusionserError(
                f"got an array of {X.shape[0]} waveforms with {X.shape[1]} samples each for X; where it is one "
                "waveform of so many channels, give [X]"
            )
    elif len(X) == 2 and split_pair(X)[1] is not None:
        raise FusionserError("got one pair (samples, rate) for X; expected a list of them: give [X]")
    return X


def _item(item: Any) -> tuple[Any, Any]:
    """Return a path and None, or an array and its rate, None where that is not told."""
    if isinstance(item, np.ndarray) and item.dtype.kind in "OUS" and item.size == 1:
        item = item.ravel()[0]
    if isinstance(item, str) or hasattr(item, "__fspath__"):
        return str(item), None
    samples, rate = split_pair(item)
    try:
        waveform = np.asarray(samples)
    except ValueError:
        # Of arrays of several lengths there is no array.
        waveform = object_column(list(samples))
    if waveform.ndim not in (1, 2) or waveform.dtype.kind not in "fiu":
        raise FusionserError(
            f"got an item of type {type(item).__name__}, {waveform.ndim} dimensions of {waveform.dtype}; expected a "
            "path, an array of samples, or a pair (samples, rate)"
        )
    return waveform, rate


def _rates(given: Rates, count: int, bare: list[int], computations: Mapping[str, Any]) -> dict[int, int | None]:
    """Return the rate of each bare waveform, by its place."""
    if given is None:
        return dict.fromkeys(bare, _own_rate(computations)) if bare else {}
    if not bare:
        raise FusionserError(
            "got sampling_rate, and no waveform without a rate: files and pairs have rates of their own; leave it out"
        )
    rates = np.asarray(given, dtype=object)
    if rates.ndim == 0:
        return dict.fromkeys(bare, check_rate(given))
    if rates.shape != (count,):
        raise FusionserError(f"got {rates.size} sampling rates for {count} clips; expected one number, or one a clip")
    return {place: check_rate(rates[place]) for place in bare}


def _own_rate(computations: Mapping[str, Any]) -> int | None:
    """Return the one rate at which clips are analysed; None where no sample is looked at."""
    rates = {name: getattr(item, "sampling_rate", None) for name, item in computations.items() if item.uses_audio}
    if computations and not rates:
        return None
    if len(set(rates.values())) == 1 and None not in rates.values():
        return check_rate(next(iter(rates.values())))
    listed = ", ".join(f"{name} at {f'{rate} Hz' if rate else 'none that is known'}" for name, rate in rates.items())
    why = f", and not all are analysed at one rate: {listed}" if rates else ""
    raise FusionserError(
        f"got waveforms without a sampling rate{why}; give sampling_rate= beside them, or pairs (samples, rate)"
    )
