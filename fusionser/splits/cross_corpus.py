"""Protocols over several corpora."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pandas as pd

from fusionser.errors import ProtocolError
from fusionser.splits.base import Fold, Protocol, folds_by_speaker, speakers_of

__all__ = ["AddedCorpora", "CrossCorpus"]


@dataclass(kw_only=True)
class CrossCorpus(Protocol):
    """Some corpora are trained on, others are tested.

    Parameters
    ----------
    test : sequence of str
        Names in the column ``corpus`` that are tested.
    train : sequence of str
        Names that are trained on; all others when empty.
    """

    name: ClassVar[str] = "cross-corpus"
    test: Sequence[str] = field(default_factory=tuple)
    train: Sequence[str] = field(default_factory=tuple)

    def folds_of(self, rows: pd.DataFrame) -> Iterator[Fold]:
        """Yield the one fold."""
        corpora = _known(rows, self.name, [*self.test, *self.train])
        if not self.test:
            raise ProtocolError(f"{self.name}: name the corpora to test, out of {', '.join(corpora)}")
        if set(self.test) & set(self.train):
            raise ProtocolError(f"{self.name}: {', '.join(self.test)} is on both sides")
        tested = rows["corpus"].isin(self.test).to_numpy()
        trained = rows["corpus"].isin(self.train).to_numpy() if self.train else ~tested
        yield ", ".join(self.test), np.flatnonzero(trained), np.flatnonzero(tested)


@dataclass(kw_only=True)
class AddedCorpora(Protocol):
    """Folds by speaker of some corpora; the rows of all others are trained on in every fold.

    What it scores stands beside `SpeakerKFold` on the tested corpora alone, speaker by speaker. Where a tested speaker
    is in another corpus too, as RAVDESS's actors sing, those rows are neither learned from nor tested in that fold.

    Parameters
    ----------
    test : sequence of str
        Names in the column ``corpus`` whose speakers are tested.
    folds : int, default=6
    """

    name: ClassVar[str] = "speaker-kfold-added-corpora"
    test: Sequence[str] = field(default_factory=tuple)
    folds: int = 6

    def folds_of(self, rows: pd.DataFrame) -> Iterator[Fold]:
        """Yield the folds in the order of the speakers."""
        corpora = _known(rows, self.name, self.test)
        if not self.test or not set(corpora) - set(self.test):
            raise ProtocolError(
                f"{self.name}: name the corpora to test, out of {', '.join(corpora)}, and leave one to learn from"
            )
        speakers = speakers_of(rows[rows["corpus"].isin(self.test)], self.name)
        tested = rows["corpus"].isin(self.test).to_numpy()
        for label, train, test in folds_by_speaker(rows, speakers, self.folds, self.name):
            yield label, train, test[tested[test]]


def _known(rows: pd.DataFrame, name: str, wanted: Sequence[str]) -> list[str]:
    corpora = sorted(set(rows["corpus"]))
    for corpus in wanted:
        if corpus not in corpora:
            raise ProtocolError(f"{name}: no rows of the corpus '{corpus}'; the table has {', '.join(corpora)}")
    return corpora
