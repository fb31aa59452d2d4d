"""The base class of protocols, and the splits that several of them share."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from fusionser.errors import ProtocolError
from fusionser.rows import check_rows, ordered_speakers
from fusionser.sources import sources_of

__all__ = ["Fold", "Positions", "Protocol", "by_mask", "folds_by_speaker", "speakers_of"]

Positions = npt.NDArray[np.intp]
Fold = tuple[str, Positions, Positions]
"""The name of a fold, and the positions of its training and test rows."""


@dataclass(kw_only=True)
class Protocol:
    """A named way to split rows.

    Subclasses set:

    - `allows`: what training and test rows may share, out of ``speakers``, ``sources`` and ``audio``; the leakage guard
      refuses the rest
    - `random`: whether clips are assigned at random
    - `seeded`: whether the split depends on a seed
    """

    name: ClassVar[str]
    allows: ClassVar[frozenset[str]] = frozenset()
    random: ClassVar[bool] = False
    seeded: ClassVar[bool] = False

    def folds_of(self, rows: pd.DataFrame) -> Iterator[Fold]:
        """Yield a name, the training positions and the test positions of each fold."""
        raise NotImplementedError

    def named_folds(self, rows: pd.DataFrame) -> list[Fold]:
        """Return every fold; each has training rows and test rows.

        Raises
        ------
        ProtocolError
            If the rows do not allow this split.
        """
        if not isinstance(rows, pd.DataFrame):
            raise ProtocolError(
                f"got {type(rows).__name__} for X; expected the table of rows, with the column 'speaker'"
            )
        folds = list(self.folds_of(rows))
        for label, train, test in folds:
            for side, positions in (("training", train), ("test", test)):
                if positions.size == 0:
                    raise ProtocolError(
                        f"{self.name}: fold '{label}' has no {side} rows among these {len(rows)}; give all recordings "
                        "that the protocol needs, or choose another --protocol"
                    )
        return folds

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Positions, Positions]]:
        """Yield training and test positions, like a scikit-learn splitter.

        Parameters
        ----------
        X : DataFrame, or sequence of clips
            Rows with a column ``speaker``, or anything of the same length as `groups`.
        y : array-like, optional
            Labels, where X is no table.
        groups : array-like, optional
            The speaker of each clip, where X does not have them.
        """
        for _, train, test in self.named_folds(_rows_of(X, y, groups)):
            yield train, test

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds."""
        return len(self.named_folds(_rows_of(X, y, groups)))

    def classes_left_out(self, rows: pd.DataFrame) -> dict[str, list[str]]:
        """Return the classes that the split leaves out, by corpus; most protocols leave out none."""
        return {}

    def validation_of(self, rows: pd.DataFrame, fold: str) -> Positions:
        """Return the positions of the rows by which networks stop early; none, unless the protocol names some."""
        return np.empty(0, dtype=np.intp)

    def folds_of_whole(self) -> int | None:
        """Return the number of folds of the whole protocol if only some of them are used, else None."""
        return None

    def settings(self) -> dict[str, Any]:
        """Return the parameters as plain values."""
        return asdict(self)


def by_mask(mask: npt.NDArray[np.bool_]) -> tuple[Positions, Positions]:
    """Return training positions (outside the mask) and test positions (inside it)."""
    return np.flatnonzero(~mask), np.flatnonzero(mask)


def speakers_of(rows: pd.DataFrame, name: str) -> list[str]:
    """Return the speakers in order; raise `ProtocolError` if there are fewer than two."""
    if "speaker" not in rows:
        raise ProtocolError(f"{name}: the table has no column 'speaker'; expected the table of rows")
    speakers = ordered_speakers(rows)
    if len(speakers) < 2:
        raise ProtocolError(
            f"{name}: all {len(rows)} rows are of one speaker ({speakers[0]}); a split by speaker needs at least two"
        )
    return speakers


def folds_by_speaker(rows: pd.DataFrame, speakers: list[str], folds: int, name: str) -> Iterator[Fold]:
    """Divide the speakers, in order, into folds of equal size for the protocol `name`; train on all other rows."""
    if not 2 <= folds <= len(speakers):
        raise ProtocolError(
            f"{name}: folds is {folds}; expected 2 to {len(speakers)}, the number of speakers", parameter="folds"
        )
    for tested in np.array_split(np.asarray(speakers, dtype=object), folds):
        label = tested[0] if len(tested) == 1 else f"{tested[0]} to {tested[-1]}"
        yield label, *by_mask(rows["speaker"].isin(tested).to_numpy())


def _rows_of(X: Any, y: Any, groups: Any) -> Any:
    """Return X if it is a table with speakers, else a table of the groups as speakers, if there are any."""
    if groups is None or (isinstance(X, pd.DataFrame) and "speaker" in X):
        return X
    count = len(groups)
    if len(X) != count:
        raise ProtocolError(f"groups has {count} entries, and X has {len(X)}; expected the speaker of each clip")
    labels = [""] * count if y is None else [str(label) for label in y]
    speakers = [str(speaker) for speaker in groups]
    sources = sources_of(X, count)
    return check_rows(
        pd.DataFrame({"file": [f"clip {place}" for place in range(count)], "speaker": speakers, "emotion": labels})
    ).assign(source=sources)
