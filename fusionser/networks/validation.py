"""The validation rows of a training: originals of training speakers that it does not learn from."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fusionser.errors import ProtocolError, SettingsError, unknown_name
from fusionser.features.learned import columns_of
from fusionser.splits.inner_folds import InnerFolds, sources_of

__all__ = ["VALIDATE_BY", "hold_out"]

Positions = npt.NDArray[np.intp]

VALIDATE_BY = ("speakers", "sources")


def hold_out(
    X: Any, labels: npt.NDArray[Any], share: float, seed: int, by: str = "speakers"
) -> tuple[Positions, Positions]:
    """Split training rows into those to learn from and validation rows.

    Whole speakers are held out (else sources, else clips, see `InnerFolds`). Of their rows only
    the originals are used for validation, each once; their copies and repetitions take no part at all.

    Parameters
    ----------
    X : table with the carried columns, or anything of n_rows
    labels : ndarray of shape (n_rows,)
    share : float
        Of the speakers to hold out, 0 to 0.5; nobody is held out for 0, nor where the rows are too few.
    seed : int
    by : {"speakers", "sources"}, default="speakers"
        "sources" holds out single clips with all their copies, whoever speaks: as a random split does.

    Returns
    -------
    training, validation : ndarray of int
        Positions of rows.

    Examples
    --------
    >>> table = pd.DataFrame({"speaker": list("aabbaabb"), "source": list("12341234"), "augmentation": [""] * 8})
    >>> train, validation = hold_out(table, np.array(list("xyxyxyxy")), 0.5, seed=0)
    >>> sorted(set(table["speaker"].iloc[train]) & set(table["speaker"].iloc[validation])), len(validation)
    ([], 2)
    """
    everyone = np.arange(len(labels))
    if not 0 <= share <= 0.5:
        raise SettingsError(f"validation is {share}; expected the share of training speakers held out, 0 to 0.5")
    if by not in VALIDATE_BY:
        raise unknown_name("unit of validation", by, VALIDATE_BY)
    if share == 0:
        return everyone, everyone[:0]
    sources = sources_of(X, len(labels))
    carried = columns_of(X, {"speaker": "", "augmentation": ""})
    originals = np.flatnonzero((carried["augmentation"] == "").to_numpy())
    if len(originals) == 0:
        return everyone, everyone[:0]
    _, first = np.unique(sources[originals], return_index=True)
    once = originals[np.sort(first)]
    speakers = carried["speaker"].to_numpy(dtype=str) if by == "speakers" else np.full(len(labels), "")
    known = pd.DataFrame({"speaker": speakers[once], "source": sources[once]})
    try:
        folds = InnerFolds(folds=max(2, round(1 / share)), seed=seed)
        _, chosen = next(iter(folds.split(known, labels[once])))
    except ProtocolError:
        # Too few clips of a class to hold any out: all are learned from, and there are no validation rows.
        return everyone, everyone[:0]
    validation = once[chosen]
    out = np.isin(sources, sources[validation])
    if not _shared(speakers, once, validation):
        out |= np.isin(speakers, speakers[validation]) & (speakers != "")
    return everyone[~out], validation


def _shared(speakers: npt.NDArray[Any], once: Positions, validation: Positions) -> bool:
    """Tell whether the folds had to part the clips of one speaker."""
    rest = np.setdiff1d(once, validation)
    return bool(set(speakers[rest]) & set(speakers[validation]))
