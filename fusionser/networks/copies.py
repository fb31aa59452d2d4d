"""Which training rows are versions of the same clip."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from fusionser.features.learned import columns_of
from fusionser.sources import sources_of

__all__ = ["versions_of"]


def versions_of(rows: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Return the group of each row: a clip and its augmented copies, of which an epoch shows one (see `Batches`).

    A row that oversampling repeats is shown once per repetition.

    Parameters
    ----------
    rows : DataFrame
        With the columns ``source`` and ``augmentation``, if it has copies.

    Examples
    --------
    >>> versions_of(pd.DataFrame({"source": list("abab"), "augmentation": ["", "", "pitch(+2)#1", ""]})).tolist()
    [0, 1, 0, 2]
    """
    shown = columns_of(rows, {"augmentation": ""}).rename(columns={"augmentation": "copy"})
    shown["source"] = sources_of(rows, len(rows))
    shown["turn"] = shown.groupby(["source", "copy"]).cumcount()
    return np.asarray(shown.groupby(["source", "turn"], sort=False).ngroup(), dtype=np.int64)
