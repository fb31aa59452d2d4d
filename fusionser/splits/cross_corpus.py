"""Protocols over several corpora."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from fusionser.errors import ProtocolError
from fusionser.splits.base import Fold, Protocol, folds_by_speaker, speakers_of
from fusionser.splits.published import listed_folds

Mask = npt.NDArray[np.bool_]

__all__ = ["AddedCorpora", "CrossCorpus", "LeaveOneCorpusOut"]


@dataclass(kw_only=True)
class CrossCorpus(Protocol):
    """Trains on some corpora and tests on others.

    Classes that only one of the two sides has cannot be tested, and are left out.

    Parameters
    ----------
    test : sequence of str
        Names of the test corpora, as in the column ``corpus``.
    train : sequence of str
        Names of the training corpora; all others if empty.

    Examples
    --------
    >>> rows = pd.DataFrame(
    ...     {
    ...         "corpus": ["a", "a", "b", "b"],
    ...         "speaker": ["a/1", "a/2", "b/1", "b/2"],
    ...         "emotion": ["sad", "happy", "sad", "happy"],
    ...     }
    ... )
    >>> [(name, len(train), len(test)) for name, train, test in CrossCorpus(test=("b",)).folds_of(rows)]
    [('b', 2, 2)]
    """

    name: ClassVar[str] = "cross-corpus"
    test: Sequence[str] = ()
    train: Sequence[str] = ()

    def folds_of(self, rows: pd.DataFrame) -> Iterator[Fold]:
        """Yield the only fold."""
        corpora = _known(rows, self.name, [*self.test, *self.train])
        if not self.test:
            raise ProtocolError(
                f"{self.name}: name the corpora to test on (--test-corpora); the table has {_named(corpora)}"
            )
        if both := sorted(set(self.test) & set(self.train)):
            raise ProtocolError(f"{self.name}: got {', '.join(both)} both to train on and to test on")
        trained, tested = self._sides(rows)
        shared = rows["emotion"].isin(self._shared(rows)).to_numpy()
        if not shared.any() and trained.any():
            raise ProtocolError(
                f"{self.name}: the corpora to train on have {_listed(rows[trained])}, and those to test on "
                f"{_listed(rows[tested])}: no class in common; rename some with --rename"
            )
        yield ", ".join(self.test), np.flatnonzero(trained & shared), np.flatnonzero(tested & shared)

    def classes_left_out(self, rows: pd.DataFrame) -> dict[str, list[str]]:
        """Return the classes that only one side has, by corpus."""
        trained, tested = self._sides(rows)
        return _by_corpus(rows[(trained | tested) & ~rows["emotion"].isin(self._shared(rows)).to_numpy()])

    def _sides(self, rows: pd.DataFrame) -> tuple[Mask, Mask]:
        """Return which rows are of corpora to train on, and which of corpora to test on."""
        tested = rows["corpus"].isin(self.test).to_numpy()
        return rows["corpus"].isin(self.train).to_numpy() if self.train else ~tested, tested

    def _shared(self, rows: pd.DataFrame) -> set[str]:
        trained, tested = self._sides(rows)
        return set(rows.loc[trained, "emotion"]) & set(rows.loc[tested, "emotion"])


@dataclass(kw_only=True)
class LeaveOneCorpusOut(Protocol):
    """Each corpus is tested once; all others are trained on.

    Classes that only one corpus has cannot be tested, and are left out of both sides. Rows of a tested speaker in
    another corpus (RAVDESS actors also sing) are left out of the training.

    Examples
    --------
    >>> rows = pd.DataFrame(
    ...     {
    ...         "corpus": ["a", "a", "b", "b"],
    ...         "speaker": ["a/1", "a/2", "b/1", "b/2"],
    ...         "emotion": ["sad", "happy", "sad", "happy"],
    ...     }
    ... )
    >>> [(name, len(train), len(test)) for name, train, test in LeaveOneCorpusOut().folds_of(rows)]
    [('a', 2, 2), ('b', 2, 2)]
    """

    name: ClassVar[str] = "leave-one-corpus-out"

    def folds_of(self, rows: pd.DataFrame) -> Iterator[Fold]:
        """Yield one fold per corpus."""
        corpora = _known(rows, self.name, ())
        if "" in corpora:
            unnamed = int((rows["corpus"] == "").sum())
            raise ProtocolError(
                f"{self.name}: {unnamed} of {len(rows)} rows do not say their corpus; fill in the column 'corpus', or "
                "choose a protocol within one corpus (--protocol speaker-kfold)"
            )
        if len(corpora) < 2:
            raise ProtocolError(f"{self.name}: all {len(rows)} rows are of {corpora[0]}; expected two corpora or more")
        shared = rows["emotion"].isin(_shared_classes(rows)).to_numpy()
        for corpus in corpora:
            inside = (rows["corpus"] == corpus).to_numpy()
            known = set(rows.loc[inside, "speaker"]) - {""} if "speaker" in rows else set()
            same_speaker = rows["speaker"].isin(known).to_numpy() if known else inside
            yield corpus, np.flatnonzero(shared & ~inside & ~same_speaker), np.flatnonzero(shared & inside)

    def classes_left_out(self, rows: pd.DataFrame) -> dict[str, list[str]]:
        """Return the classes that only one corpus has, by corpus."""
        return _by_corpus(rows[~rows["emotion"].isin(_shared_classes(rows))])


@dataclass(kw_only=True)
class AddedCorpora(Protocol):
    """Folds by speaker of some corpora; every fold also trains on all other corpora.

    Its scores can be compared, speaker by speaker, with `SpeakerKFold` on the tested corpora alone, or with
    `PublishedFolds` if the folds are listed. If a tested speaker also occurs in another corpus (RAVDESS actors also
    sing), that fold uses those rows neither to train nor to test.

    Parameters
    ----------
    test : sequence of str
        Names of the corpora whose speakers are tested, as in the column ``corpus``.
    folds : int, default=6
        Number of folds of equal size, in the order of the speakers; not used if folds are listed.
    split_name : str
        Name of the list of folds, kept with the result. `fusionser.evaluate` and the command line (``--split``) read
        the list of that name from the card of the tested corpus.
    fold_speakers : sequence of sequences of str
        The speakers of each fold, as in `PublishedFolds`.

    Examples
    --------
    >>> rows = pd.DataFrame(
    ...     {
    ...         "corpus": ["a", "a", "b", "b"],
    ...         "speaker": ["a/1", "a/2", "b/1", "b/2"],
    ...         "emotion": ["sad", "happy", "sad", "happy"],
    ...     }
    ... )
    >>> protocol = AddedCorpora(test=("b",), folds=2)
    >>> [(name, len(train), len(test)) for name, train, test in protocol.folds_of(rows)]
    [('b/1', 3, 1), ('b/2', 3, 1)]
    """

    name: ClassVar[str] = "speaker-kfold-added-corpora"
    test: Sequence[str] = ()
    folds: int = 6
    split_name: str = ""
    fold_speakers: Sequence[Sequence[str]] = ()

    def folds_of(self, rows: pd.DataFrame) -> Iterator[Fold]:
        """Yield the folds in the order of the speakers, or of the list."""
        corpora = _known(rows, self.name, self.test)
        if not self.test or not set(corpora) - set(self.test):
            raise ProtocolError(
                f"{self.name}: name the corpora to test on (--test-corpora), and leave one to train on; the table has "
                f"{_named(corpora)}"
            )
        tested = rows["corpus"].isin(self.test).to_numpy()
        speakers = speakers_of(rows[tested], self.name)
        folds = (
            listed_folds(rows, speakers, self.fold_speakers, self.name)
            if self.fold_speakers or self.split_name
            else folds_by_speaker(rows, speakers, self.folds, self.name)
        )
        for label, train, test in folds:
            yield label, train, test[tested[test]]

    def settings(self) -> dict[str, Any]:
        """Return the tested corpora, and the number of folds, the name of the split, or the speakers of each fold."""
        if self.split_name:
            return {"test": self.test, "split_name": self.split_name}
        if self.fold_speakers:
            return {"test": self.test, "fold_speakers": [list(fold) for fold in self.fold_speakers]}
        return {"test": self.test, "folds": self.folds}


def _by_corpus(rows: pd.DataFrame) -> dict[str, list[str]]:
    """Return the classes of rows by corpus."""
    return {str(corpus): sorted(set(part)) for corpus, part in rows.groupby("corpus")["emotion"]}


def _listed(rows: pd.DataFrame) -> str:
    return ", ".join(sorted(set(rows["emotion"])))


def _shared_classes(rows: pd.DataFrame) -> list[str]:
    """Return the classes of at least two corpora."""
    counts = rows.groupby("emotion")["corpus"].nunique()
    return [str(name) for name in counts.index[counts > 1]]


def _known(rows: pd.DataFrame, name: str, wanted: Sequence[str]) -> list[str]:
    corpora = sorted(set(rows["corpus"]))
    for corpus in wanted:
        if corpus not in corpora:
            raise ProtocolError(
                f"{name}: no rows of the corpus '{corpus}' (--test-corpora); the table has {_named(corpora)}"
            )
    return corpora


def _named(corpora: Sequence[str]) -> str:
    return ", ".join(filter(None, corpora)) or "no names of corpora"
