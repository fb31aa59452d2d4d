"""Which recording a clip comes from: copies and repetitions of a clip must stay on one side of a split."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xxhash

from fusionser.rows import with_times
from fusionser.waveform import split_pair

__all__ = ["sources_of"]


def sources_of(X: Any, count: int) -> npt.NDArray[Any]:
    """Return an id for each of `count` clips: the source, else the file, else a hash of the samples.

    The copies and repetitions of a clip share its id.

    Examples
    --------
    >>> sources_of(pd.DataFrame({"file": ["a.wav", "a.wav"], "source": ["a", ""]}), 2).tolist()
    ['a', 'a.wav#0.0']
    """
    if isinstance(X, pd.DataFrame):
        sources, files = (X[name].fillna("").astype(str) if name in X else [""] * count for name in ("source", "file"))
        starts = with_times(X)["start"].fillna(0.0) if "start" in X else [0.0] * count
        ids = [
            source or (f"{file}#{start}" if file else f"row {number}")
            for number, (source, file, start) in enumerate(zip(sources, files, starts, strict=True))
        ]
    elif X is None or len(X) != count or (isinstance(X, np.ndarray) and X.dtype.kind in "fiu"):
        # An array of numbers holds features, and different clips may have equal features.
        return np.arange(count).astype(str)
    else:
        ids = [_identified(item) for item in X]
    return np.array(ids, dtype=object).astype(str)


def _identified(item: Any) -> str:
    """Return a path as it is, or a hash of the samples in an array or in a pair of samples and rate."""
    if isinstance(item, str) or hasattr(item, "__fspath__"):
        return str(item)
    return xxhash.xxh3_128_hexdigest(np.ascontiguousarray(split_pair(item)[0]).data)
