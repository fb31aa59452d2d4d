"""Protocols: how rows are split into training and test rows.

Every protocol is also a scikit-learn splitter that reads speaker, statement and corpus from the table X, so
``GridSearchCV(..., cv=SpeakerKFold(folds=5)).fit(rows, labels)`` works; `groups` is ignored.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold, StratifiedShuffleSplit

from fusionser.errors import ProtocolError
from fusionser.registry import PROTOCOLS
from fusionser.splits.base import Fold, Positions, Protocol, by_mask, folds_by_speaker, speakers_of

__all__ = [
    "LeaveOneSpeakerOut",
    "LeaveOneStatementOut",
    "Protocol",
    "RandomHoldout",
    "RandomKFold",
    "SpeakerHoldout",
    "SpeakerKFold",
    "protocol",
]


@dataclass(kw_only=True)
class SpeakerHoldout(Protocol):
    """One split: tests on some speakers and trains on all others.

    Parameters
    ----------
    speakers : sequence of str
        Tested speakers, with or without the name of their corpus (``ravdess/01``, ``01``, ``1``). If empty,
        a share of the speakers is drawn.
    share : float, default=0.2
        Share to draw, between 0 and 1; at least one speaker.
    seed : int, default=0
        Seed of the draw.

    Examples
    --------
    >>> rows = pd.DataFrame({"speaker": ["a/1", "a/1", "a/2", "a/3"]})
    >>> [(name, len(train), len(test)) for name, train, test in SpeakerHoldout(speakers=("a/1",)).folds_of(rows)]
    [('a/1', 2, 2)]
    """

    name: ClassVar[str] = "speaker-holdout"
    seeded: ClassVar[bool] = True
    speakers: Sequence[str] = ()
    share: float = 0.2
    seed: int = 0

    def folds_of(self, rows: pd.DataFrame) -> Iterator[Fold]:
        """Yield the only fold."""
        speakers = speakers_of(rows, self.name)
        tested = [match_speaker(wanted, speakers) for wanted in self.speakers] or self._drawn(speakers)
        if len(set(tested)) == len(speakers):
            raise ProtocolError(f"{self.name}: all speakers are test speakers, so none is left to train on")
        yield ", ".join(sorted(set(tested))), *by_mask(rows["speaker"].isin(tested).to_numpy())

    def settings(self) -> dict[str, Any]:
        """Return the speakers, or the parameters that they are drawn by."""
        return {"speakers": list(self.speakers)} if self.speakers else {"share": self.share, "seed": self.seed}

    def _drawn(self, speakers: list[str]) -> list[str]:
        if not 0 < self.share < 1:
            raise ProtocolError(
                f"{self.name}: share is {self.share}; expected more than 0 and less than 1", parameter="share"
            )
        count = min(max(1, round(self.share * len(speakers))), len(speakers) - 1)
        order = np.random.default_rng(self.seed).permutation(len(speakers))
        return [speakers[position] for position in order[:count]]


def match_speaker(wanted: str, speakers: Sequence[str], flag: str = "--test-speakers") -> str:
    """Return the speaker that a name stands for, with or without the name of the corpus.

    Raises
    ------
    ProtocolError
        If it stands for no speaker, or for several. The message names the option.
    """

    def plain(name: str) -> str:
        short = name.split("/")[-1]
        return short.lstrip("0") or short

    if wanted in speakers:
        return wanted
    matches = [name for name in speakers if "/" not in wanted and plain(name) == plain(wanted)]
    if len(matches) != 1:
        found = "several speakers" if matches else "no speaker"
        raise ProtocolError(f"'{wanted}' ({flag}) names {found}; the speakers are {', '.join(speakers)}")
    return matches[0]


@dataclass(kw_only=True)
class SpeakerKFold(Protocol):
    """Each speaker is tested once: the speakers, in order, are divided into folds of equal size.

    Parameters
    ----------
    folds : int, default=6
        Number of folds. With 6, RAVDESS has four actors per fold, as in the SER-FusionNet paper.
    only : sequence of int
        Numbers, from 1, of the folds to use, where all would take too long; all if empty. The result is stamped, and
        its scores are of the speakers of these folds.

    Examples
    --------
    >>> rows = pd.DataFrame({"speaker": ["a/1", "a/2", "a/3", "a/4"]})
    >>> [name for name, _, _ in SpeakerKFold(folds=2).folds_of(rows)]
    ['a/1 to a/2', 'a/3 to a/4']
    """

    name: ClassVar[str] = "speaker-kfold"
    folds: int = 6
    only: Sequence[int] = ()

    def folds_of(self, rows: pd.DataFrame) -> Iterator[Fold]:
        """Yield the folds in speaker order."""
        wanted = set(self.only)
        if any(not 1 <= number <= self.folds for number in wanted):
            raise ProtocolError(f"{self.name}: only is {list(self.only)}; expected numbers from 1 to {self.folds}")
        every = folds_by_speaker(rows, speakers_of(rows, self.name), self.folds, self.name)
        yield from (fold for number, fold in enumerate(every, start=1) if not wanted or number in wanted)

    def folds_of_whole(self) -> int | None:
        """Return `folds` if only some of them are used, else None."""
        return self.folds if 0 < len(set(self.only)) < self.folds else None

    def settings(self) -> dict[str, Any]:
        """Return the parameters as plain values."""
        return {"folds": self.folds, **({"only": list(self.only)} if self.only else {})}


@dataclass(kw_only=True)
class LeaveOneSpeakerOut(Protocol):
    """Each speaker is tested once, alone (LOSO).

    Examples
    --------
    >>> rows = pd.DataFrame({"speaker": ["a/1", "a/1", "a/2", "a/3"]})
    >>> [(name, len(test)) for name, _, test in LeaveOneSpeakerOut().folds_of(rows)]
    [('a/1', 2), ('a/2', 1), ('a/3', 1)]
    """

    name: ClassVar[str] = "leave-one-speaker-out"

    def folds_of(self, rows: pd.DataFrame) -> Iterator[Fold]:
        """Yield one fold per speaker."""
        for speaker in speakers_of(rows, self.name):
            yield speaker, *by_mask((rows["speaker"] == speaker).to_numpy())


@dataclass(kw_only=True)
class LeaveOneStatementOut(Protocol):
    """Each statement is tested once: new words from speakers of the training rows.

    Examples
    --------
    >>> rows = pd.DataFrame({"statement": ["dogs", "kids", "dogs"]})
    >>> [(name, len(test)) for name, _, test in LeaveOneStatementOut().folds_of(rows)]
    [('dogs', 2), ('kids', 1)]
    """

    name: ClassVar[str] = "leave-one-statement-out"
    allows: ClassVar[frozenset[str]] = frozenset({"speakers"})

    def folds_of(self, rows: pd.DataFrame) -> Iterator[Fold]:
        """Yield one fold per statement."""
        statements = sorted(set(rows["statement"]) if "statement" in rows else {""})
        if "" in statements or len(statements) < 2:
            raise ProtocolError(
                f"{self.name}: the column 'statement' must be filled and hold at least two values; got "
                f"{', '.join(map(repr, statements[:5]))}"
            )
        for statement in statements:
            yield statement, *by_mask((rows["statement"] == statement).to_numpy())


def _recordings(rows: pd.DataFrame) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.object_]]:
    """Return the number of each row's recording, and the label of each recording: windows of one stay together."""
    units = pd.factorize(rows["source"])[0] if "source" in rows else np.arange(len(rows))
    _, first = np.unique(units, return_index=True)
    return units, rows["emotion"].to_numpy(dtype=object)[first]


def _rows_of(chosen: Positions, units: npt.NDArray[np.intp]) -> Positions:
    """Return the positions of the rows of chosen recordings, in the order of the recordings."""
    places = pd.Series(np.arange(len(units))).groupby(units).indices
    return np.concatenate([places[unit] for unit in chosen])


@dataclass(kw_only=True)
class RandomKFold(Protocol):
    """Random folds of the clips, as in many papers: the same speakers are in training and test.

    Windows and other rows of one source stay together.

    Results carry a stamp that says so, and are never a headline.

    Parameters
    ----------
    folds : int, default=5
    stratified : bool, default=False
        Keep the class proportions equal in all folds.
    seed : int, default=0

    Examples
    --------
    >>> rows = pd.DataFrame({"source": ["a/1", "a/2", "a/3", "a/4"], "emotion": ["sad", "happy", "sad", "happy"]})
    >>> [(name, len(train), len(test)) for name, train, test in RandomKFold(folds=2).folds_of(rows)]
    [('fold 1', 2, 2), ('fold 2', 2, 2)]
    """

    name: ClassVar[str] = "random-kfold"
    random: ClassVar[bool] = True
    seeded: ClassVar[bool] = True
    allows: ClassVar[frozenset[str]] = frozenset({"speakers", "sources", "audio"})
    folds: int = 5
    stratified: bool = False
    seed: int = 0

    def folds_of(self, rows: pd.DataFrame) -> Iterator[Fold]:
        """Yield the folds."""
        units, labels = _recordings(rows)
        smallest = int(pd.Series(labels).value_counts().min()) if self.stratified else len(labels)
        if not 2 <= self.folds <= smallest:
            raise ProtocolError(
                f"{self.name}: folds is {self.folds}; expected 2 to {smallest} with these rows", parameter="folds"
            )
        kind = StratifiedKFold if self.stratified else KFold
        splitter = kind(self.folds, shuffle=True, random_state=self.seed)
        for number, (train, test) in enumerate(splitter.split(labels, labels), start=1):
            yield f"fold {number}", _rows_of(train, units), _rows_of(test, units)


@dataclass(kw_only=True)
class RandomHoldout(Protocol):
    """One random split of the clips, as in many papers: the same speakers are in training and test.

    Windows and other rows of one source stay together.

    Results carry a stamp that says so, and are never a headline.

    Parameters
    ----------
    share : float, default=0.2
        Share of the rows to test, between 0 and 1.
    stratified : bool, default=False
        Keep the class proportions equal on both sides.
    seed : int, default=0

    Examples
    --------
    >>> rows = pd.DataFrame({"source": ["a/1", "a/2", "a/3", "a/4"], "emotion": ["sad", "happy", "sad", "happy"]})
    >>> [(name, len(train), len(test)) for name, train, test in RandomHoldout(share=0.25).folds_of(rows)]
    [('held out', 3, 1)]
    """

    name: ClassVar[str] = "random-holdout"
    random: ClassVar[bool] = True
    seeded: ClassVar[bool] = True
    allows: ClassVar[frozenset[str]] = frozenset({"speakers", "sources", "audio"})
    share: float = 0.2
    stratified: bool = False
    seed: int = 0

    def folds_of(self, rows: pd.DataFrame) -> Iterator[Fold]:
        """Yield the only fold."""
        if not 0 < self.share < 1:
            raise ProtocolError(
                f"{self.name}: share is {self.share}; expected more than 0 and less than 1", parameter="share"
            )
        kind = StratifiedShuffleSplit if self.stratified else ShuffleSplit
        units, labels = _recordings(rows)
        try:
            ((train, test),) = kind(1, test_size=self.share, random_state=self.seed).split(labels, labels)
        except ValueError as error:
            raise ProtocolError(f"{self.name}: {len(rows)} rows cannot be split ({error})") from error
        yield "held out", _rows_of(train, units), _rows_of(test, units)


OPTIONS = {
    "split_name": "--split",
    "speakers": "--test-speakers",
    "share": "--test-share",
    "test": "--test-corpora",
    "train": "--train-corpora",
}
"""Options of the command line that are not named as the setting."""


def _with_option(key: str) -> str:
    """Return the name of a setting, and that of its option if it is another one."""
    return f"{key} ({OPTIONS[key]})" if key in OPTIONS else key


def protocol(name: str, **settings: Any) -> Protocol:
    """Build a protocol by name.

    Raises
    ------
    SettingsError
        If no protocol has that name.
    ProtocolError
        If the protocol does not take one of the settings, or not that value.

    Examples
    --------
    >>> protocol("speaker-kfold", folds=4)
    SpeakerKFold(folds=4, only=())
    """
    kind = PROTOCOLS.named(name)
    valid = signature(kind).parameters
    for key, value in settings.items():
        if key not in valid:
            raise ProtocolError(
                f"the protocol '{name}' does not take {_with_option(key)}; it takes "
                f"{', '.join(map(_with_option, valid)) or 'nothing'}"
            )
        number = (int, float) if key == "share" else int
        if key in ("folds", "seed", "share") and (not isinstance(value, number) or isinstance(value, bool)):
            raise ProtocolError(f"{name}: {key} is {value!r}; expected a {'' if key == 'share' else 'whole '}number")
        _check_list(name, key, value, wanted=valid[key].default == ())
        if isinstance(valid[key].default, str) and not isinstance(value, str):
            raise ProtocolError(f"{name}: {key} is {value!r}; expected a name")
        if isinstance(valid[key].default, bool) and not isinstance(value, bool):
            raise ProtocolError(f"{name}: {key} is {value!r}; expected true or false")
    return kind(**settings)


def _check_list(name: str, key: str, value: Any, *, wanted: bool) -> None:
    """Raise `ProtocolError` if a list is wanted, and the value is none, or one of other things."""
    parts = {"only": "whole numbers", "fold_speakers": "lists of names"}.get(key, "names")
    if wanted and not (isinstance(value, list | tuple) and all(_is_part(parts, one) for one in value)):
        raise ProtocolError(f"{name}: {key} is {value!r}; expected a list of {parts}")


def _is_part(parts: str, value: Any) -> bool:
    if parts == "lists of names":
        return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
    return isinstance(value, int if parts == "whole numbers" else str)
