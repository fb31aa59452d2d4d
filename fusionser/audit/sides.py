"""What is on one side of a split: its classes, and the speakers of whom it has one class only."""

import numpy as np
import pandas as pd
from scipy.stats import hypergeom

from fusionser.audit.result import OneClass, Side

__all__ = ["one_class_speakers", "side_facts"]

FEWEST = 2
"""Recordings of a speaker from which on it says something that all have one class."""


def side_facts(rows: pd.DataFrame, fold: str, side: str) -> Side:
    """Return what is on a side of a fold.

    Parameters
    ----------
    rows : DataFrame
        The rows of the side, with ``speaker`` and ``emotion``, which are empty where they are unknown.
    fold, side : str

    Examples
    --------
    >>> rows = pd.DataFrame({"speaker": ["a", "a", "b", "b"], "emotion": ["sad", "sad", "sad", "calm"]})
    >>> found = side_facts(rows, "split", "train")
    >>> found.classes, found.one_class[0].speaker, found.expected
    ({'calm': 1, 'sad': 3}, 'a', 1.0)
    """
    emotions = rows.loc[rows["emotion"] != "", "emotion"].value_counts().sort_index()
    speakers = one_class_speakers(rows)
    expected, chance = _by_chance(rows, len(speakers))
    return Side(
        fold=fold,
        side=side,
        recordings=len(rows),
        speakers=int(rows.loc[rows["speaker"] != "", "speaker"].nunique()),
        classes={str(name): int(count) for name, count in emotions.items()},
        one_class=speakers,
        expected=expected,
        chance=chance,
    )


def one_class_speakers(rows: pd.DataFrame) -> tuple[OneClass, ...]:
    """Return the speakers all of whose recordings, two or more, have one class, if there are several classes.

    Parameters
    ----------
    rows : DataFrame
        With ``speaker`` and ``emotion``, which are empty where they are unknown.
    """
    known = _known(rows)
    if known["emotion"].nunique() < 2:
        return ()
    found = known.groupby("speaker")["emotion"].agg(["nunique", "first", "size"])
    alone = found[(found["nunique"] == 1) & (found["size"] >= FEWEST)]
    return tuple(
        OneClass(speaker=str(speaker), emotion=str(one["first"]), recordings=int(one["size"]))
        for speaker, one in alone.iterrows()
    )


def _known(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.loc[(rows["speaker"] != "") & (rows["emotion"] != ""), ["speaker", "emotion"]]


def _by_chance(rows: pd.DataFrame, count: int) -> tuple[float, float]:
    """Return how many speakers have one class only, and how probable it is that at least `count` have, by chance.

    By chance means that the classes are dealt out to the recordings. That all recordings of a speaker get one class is
    hypergeometric; the speakers are taken for independent, which is close if there are many more recordings than one
    speaker has.
    """
    known = _known(rows)
    each = known["speaker"].value_counts()
    sizes = each[each >= FEWEST]
    classes = known["emotion"].value_counts().to_numpy()
    if len(classes) < 2 or sizes.empty:
        return 0.0, 1.0
    alone = {
        size: float(hypergeom.pmf(size, len(known), classes, size).sum()) for size in set(sizes.to_numpy().tolist())
    }
    chances = np.array([alone[size] for size in sizes.to_numpy().tolist()])
    counts = np.ones(1)
    for one in chances:
        counts = np.convolve(counts, [1 - one, one])
    return float(chances.sum()), float(min(max(counts[count:].sum(), 0.0), 1.0))
