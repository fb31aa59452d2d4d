"""Selection of validation rows: originals of training speakers that the network is not trained on."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fusionser.errors import ProtocolError, SettingsError, unknown_name
from fusionser.features.learned import columns_of
from fusionser.sources import sources_of
from fusionser.splits.inner_folds import InnerFolds

__all__ = ["VALIDATE_BY", "hold_out"]

Positions = npt.NDArray[np.intp]

VALIDATE_BY = ("speakers", "sources")


def hold_out(
    X: Any, labels: npt.NDArray[Any], share: float, seed: int, by: str = "speakers"
) -> tuple[Positions, Positions]:
    """Split training rows into rows to train on and validation rows.

    Whole speakers are held out; where that is impossible, sources or clips (see `InnerFolds`). Only their original
    recordings are validation rows, each once. Their augmented copies and repetitions are not used at all.

    Parameters
    ----------
    X : table with the carried columns, or anything of n_rows
    labels : ndarray of shape (n_rows,)
    share : float
        Share of the speakers to hold out, 0 to 0.5. None are held out for 0, or if there are too few rows.
    seed : int
    by : {"speakers", "sources"}, default="speakers"
        "sources" holds out single clips with all their copies, regardless of the speaker, as a random split does.

    Returns
    -------
    training, validation : ndarray of int
        Positions of rows.

    Raises
    ------
    SettingsError
        If `share` or `by` is invalid.

    Examples
    --------
    >>> table = pd.DataFrame({"speaker": list("aabbaabb"), "source": list("12341234"), "augmentation": [""] * 8})
    >>> train, validation = hold_out(table, np.array(list("xyxyxyxy")), 0.5, seed=0)
    >>> sorted(set(table["speaker"].iloc[train]) & set(table["speaker"].iloc[validation])), len(validation)
    ([], 2)
    """
    everyone = np.arange(len(labels))
    nobody = everyone[:0]
    if not 0 <= share <= 0.5:
        raise SettingsError(f"validation is {share}; expected the share of training speakers held out, 0 to 0.5")
    if by not in VALIDATE_BY:
        raise unknown_name("unit of validation", by, VALIDATE_BY)
    if share == 0:
        return everyone, nobody
    sources = sources_of(X, len(labels))
    carried = columns_of(X, {"speaker": "", "augmentation": ""})
    originals = np.flatnonzero((carried["augmentation"] == "").to_numpy())
    if len(originals) == 0:
        return everyone, nobody
    _, first = np.unique(sources[originals], return_index=True)
    once = originals[np.sort(first)]
    speakers = carried["speaker"].to_numpy(dtype=str) if by == "speakers" else np.full(len(labels), "")
    known = pd.DataFrame({"speaker": speakers[once], "source": sources[once]})
    try:
        _, chosen = next(InnerFolds(folds=max(2, round(1 / share)), seed=seed).split(known, labels[once]))
    except ProtocolError:
        # A class has too few clips to hold any out.
        return everyone, nobody
    validation = once[chosen]
    out = np.isin(sources, sources[validation])
    rest = np.setdiff1d(once, validation)
    if not np.isin(speakers[rest], speakers[validation]).any():
        # Whole speakers are held out, so their clips without an original here are not trained on either.
        out |= np.isin(speakers, speakers[validation]) & (speakers != "")
    return everyone[~out], validation
