"""The rows of changed copies, and the sampler that adds them to the training rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator

from fusionser.augmentation.waveforms import Augmentation, drawing, parse_augmentation
from fusionser.errors import RowsError, SettingsError
from fusionser.registry import AUGMENTATIONS
from fusionser.rows import AUDIO_COLUMN, EXTRACTED_COLUMN, array_columns, check_rows, feature_columns

__all__ = ["AugmentRows", "augmented_rows"]


def _check_kinds(kinds: Sequence[str]) -> None:
    """Raise `SettingsError` when a kind is not known, none is named, or one is named twice."""
    if isinstance(kinds, str) or not len(kinds):
        raise SettingsError(f"kinds is {kinds!r}; expected a list of one or more of {', '.join(AUGMENTATIONS)}")
    for kind in kinds:
        _fixed(kind)
    if len(set(kinds)) < len(kinds):
        raise SettingsError(f"augmentations are named twice: {', '.join(kinds)}")


def _fixed(kind: str) -> tuple[str, float | None]:
    """Take a kind apart into its name and the parameter that it fixes, None where that is drawn."""
    if "(" in kind:
        fixed = parse_augmentation(f"{kind}#0")
        return fixed.kind, fixed.value
    AUGMENTATIONS.named(kind)
    return kind, None


def _drawn(source: str, kinds: Sequence[str], copy: int, seed: int) -> str:
    order = drawing(source, "order", seed).permutation(len(kinds))
    # Once all kinds had their turn they begin anew, with parameters drawn anew.
    kind, value = _fixed(kinds[order[(copy - 1) % len(kinds)]])
    if value is None:
        value = AUGMENTATIONS[kind].draw(drawing(source, kind, copy, seed))
    return str(Augmentation(kind, value, copy))


def augmented_rows(rows: pd.DataFrame, kinds: Sequence[str], copies: int, seed: int = 0) -> pd.DataFrame:
    """Return the rows of the copies alone, without features.

    Every draw follows from (source, kind, copy, seed): a clip has the same copies in every fold.

    Parameters
    ----------
    rows : DataFrame
        Only its originals (no augmentation) are copied.
    kinds : sequence of str
        Keys of `AUGMENTATIONS`, or one with a fixed parameter, as ``stretch(1.1)``; each clip goes through them in an
        order of its own.
    copies : int
        Number of copies a clip.
    seed : int, default=0

    Returns
    -------
    DataFrame
        Copy by copy, with the index of the originals.

    Examples
    --------
    >>> from fusionser.rows import make_rows
    >>> rows = make_rows([{"file": "a.wav", "end": 1.0}])
    >>> [text[:6] for text in augmented_rows(rows, ["pitch"], 2)["augmentation"]]
    ['pitch(', 'pitch(']
    """
    _check_kinds(kinds)
    originals = rows[rows["augmentation"] == ""]
    bare = originals.drop(columns=[EXTRACTED_COLUMN, *feature_columns(rows), *array_columns(rows)], errors="ignore")
    made = [
        bare.assign(augmentation=[_drawn(source, kinds, copy, seed) for source in bare["source"]])
        for copy in range(1, copies + 1)
    ]
    return pd.concat(made) if made else bare.iloc[:0]


@dataclass(kw_only=True, eq=False, repr=False)
class AugmentRows(BaseEstimator):
    """Add changed copies of the training rows; a sampler in the sense of imbalanced-learn.

    It acts when a pipeline is fitted and never when it predicts, so copies are only ever trained on.

    Parameters
    ----------
    kinds : sequence of str
        Keys of `AUGMENTATIONS`, or one with a fixed parameter, as ``stretch(1.1)``.
    copies : int, default=1
        Number of copies a clip, zero or more.
    only_scarce : bool, default=False
        Copy no more clips of a class than bring it to the size of the largest, which clips being drawn; `copies` is the
        most a clip.
    unusable : sequence of (str, str)
        Source and augmentation of copies to leave out, such as those that are too short to be analysed.
    random_state : int, default=0

    Examples
    --------
    >>> rows = pd.DataFrame({"file": ["a.wav", "b.wav"], "source": ["a", "b"], "augmentation": ["", ""]})
    >>> more, labels = AugmentRows(kinds=["noise", "lowpass"], copies=2).fit_resample(rows, ["sad", "calm"])
    >>> more["source"].tolist(), labels.tolist()
    (['a', 'b', 'a', 'b', 'a', 'b'], ['sad', 'calm', 'sad', 'calm', 'sad', 'calm'])
    """

    kinds: Sequence[str] = ("noise", "pitch", "stretch", "lowpass")
    copies: int = 1
    only_scarce: bool = False
    unusable: Sequence[tuple[str, str]] = ()
    random_state: int | None = 0

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the parameters; nothing is learned."""
        _check_kinds(self.kinds)
        if not 0 <= self.copies <= 100:
            raise SettingsError(f"copies is {self.copies}; expected 0 to 100 copies a clip")
        return self

    def fit_resample(self, X: Any, y: Any) -> tuple[pd.DataFrame, npt.NDArray[Any]]:
        """Return the rows with their copies after them, and the labels of all.

        Parameters
        ----------
        X : DataFrame with a column ``file``
        y : sequence of shape (n_rows,)

        Raises
        ------
        RowsError
            When X is not a table of rows: a copy is a row that says how its file is changed.
        """
        self.fit(X, y)
        if not isinstance(X, pd.DataFrame):
            raise RowsError(f"augmentation takes a table of rows, got {type(X).__name__}; see `make_rows`")
        wanted = ["file", "source", "augmentation"]
        whole = set(wanted) <= set(X.columns) and X[wanted].notna().all(axis=None) and (X["source"] != "").all()
        rows = X if whole else check_rows(X)
        labels = np.asarray(y)
        positions = pd.Series(range(len(rows)), index=rows.index)
        rows = rows.set_axis(positions.to_numpy())
        copies = augmented_rows(rows, self.kinds, self.copies, self.random_state or 0)
        if self.unusable:
            out = set(map(tuple, self.unusable))
            pairs = zip(copies["source"], copies["augmentation"], strict=True)
            copies = copies[[pair not in out for pair in pairs]]
        if self.only_scarce:
            copies = copies.iloc[self._needed(copies, labels)]
        together = pd.concat([rows, copies])
        for name in (EXTRACTED_COLUMN, AUDIO_COLUMN):
            if name in together:
                together[name] = together[name].astype(object).where(together[name].notna(), "")
        return together.reset_index(drop=True), labels[together.index.to_numpy()]

    def _needed(self, copies: pd.DataFrame, labels: npt.NDArray[Any]) -> list[int]:
        """Return the places of the copies that bring each class to the size of the largest, or as far as they go."""
        classes, counts = np.unique(labels, return_counts=True)
        lacking = dict(zip(classes.tolist(), (counts.max() - counts).tolist(), strict=True))
        parsed = [parse_augmentation(text).copy for text in copies["augmentation"]]
        # A second copy of a clip comes after the first of every other.
        order = [
            (copy, drawing(source, "scarce", self.random_state or 0).random())
            for copy, source in zip(parsed, copies["source"], strict=True)
        ]
        kept = []
        for place in sorted(range(len(copies)), key=order.__getitem__):
            label = labels[copies.index[place]]
            if lacking[label] > 0:
                lacking[label] -= 1
                kept.append(place)
        return sorted(kept)
