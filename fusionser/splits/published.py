"""Folds by speaker that are listed, such as those that the papers on a corpus use."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from fusionser.errors import ProtocolError
from fusionser.splits.base import Fold, Protocol, by_mask, speakers_of

__all__ = ["PublishedFolds", "listed_folds"]


@dataclass(kw_only=True)
class PublishedFolds(Protocol):
    """Each speaker is tested once, in folds that are listed, such as those that the papers on a corpus use.

    Parameters
    ----------
    split_name : str
        Name of the list, kept with the result. `fusionser.evaluate` and the command line (``--split``) read the list of
        that name from the card of the corpus.
    fold_speakers : sequence of sequences of str
        The speakers of each fold, with the name of their corpus, as in the rows. Each speaker of the rows is in one.

    Examples
    --------
    >>> rows = pd.DataFrame({"speaker": ["a/1", "a/2", "a/3", "a/3"]})
    >>> protocol = PublishedFolds(fold_speakers=[["a/1", "a/3"], ["a/2"]])
    >>> [(name, len(train), len(test)) for name, train, test in protocol.folds_of(rows)]
    [('fold 1', 1, 3), ('fold 2', 3, 1)]
    """

    name: ClassVar[str] = "published-folds"
    split_name: str = ""
    fold_speakers: Sequence[Sequence[str]] = ()

    def folds_of(self, rows: pd.DataFrame) -> Iterator[Fold]:
        """Yield the folds in the order of the list."""
        yield from listed_folds(rows, speakers_of(rows, self.name), self.fold_speakers, self.name)

    def settings(self) -> dict[str, Any]:
        """Return the name of the split, or the speakers of each fold if it has none."""
        return (
            {"split_name": self.split_name}
            if self.split_name
            else {"fold_speakers": [list(fold) for fold in self.fold_speakers]}
        )


def listed_folds(
    rows: pd.DataFrame, speakers: Sequence[str], fold_speakers: Sequence[Sequence[str]], name: str
) -> Iterator[Fold]:
    """Yield the listed folds for the protocol `name`. Each of `speakers` is in one; all other rows are trained on."""
    listed = [speaker for fold in fold_speakers for speaker in fold]
    if len(fold_speakers) < 2:
        raise ProtocolError(
            f"{name}: got {len(fold_speakers)} lists of speakers; expected at least two, "
            "one for each fold. The card of a corpus has the lists of its published folds (--split)"
        )
    if twice := sorted({speaker for speaker in listed if listed.count(speaker) > 1}):
        raise ProtocolError(f"{name}: {', '.join(twice)} is in more than one fold; expected each in one")
    if missing := [speaker for speaker in speakers if speaker not in set(listed)]:
        raise ProtocolError(
            f"{name}: {_some(missing)} {'is' if len(missing) == 1 else 'are'} in no fold; the folds list "
            f"{_some(listed)}"
        )
    for number, tested in enumerate(fold_speakers, start=1):
        yield f"fold {number}", *by_mask(rows["speaker"].isin(list(tested)).to_numpy())


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
