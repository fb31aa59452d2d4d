"""The rows of augmented copies, and the sampler that adds them to the training rows."""

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

__all__ = ["AugmentRows", "KeepOriginals", "augmented_rows"]


def _parsed_kinds(kinds: Sequence[str]) -> list[tuple[str, float | None]]:
    """Return the name of each kind, and its fixed parameter or None; raise `SettingsError` for invalid kinds."""
    if isinstance(kinds, str) or not len(kinds):
        raise SettingsError(f"kinds is {kinds!r}; expected a list of one or more of {', '.join(AUGMENTATIONS)}")
    parsed: list[tuple[str, float | None]] = []
    for kind in kinds:
        if "(" in kind:
            fixed = parse_augmentation(f"{kind}#0")
            parsed.append((fixed.kind, fixed.value))
        else:
            AUGMENTATIONS.named(kind)
            parsed.append((kind, None))
    if len(set(kinds)) < len(kinds):
        raise SettingsError(f"kinds is {', '.join(kinds)}; expected each augmentation once")
    return parsed


def _drawn(source: str, kinds: Sequence[tuple[str, float | None]], copy: int, seed: int) -> str:
    order = drawing(source, "order", seed).permutation(len(kinds))
    # After each kind has been used once, they repeat, with newly drawn parameters.
    kind, value = kinds[order[(copy - 1) % len(kinds)]]
    if value is None:
        value = AUGMENTATIONS[kind].draw(drawing(source, kind, copy, seed))
    return str(Augmentation(kind, value, copy))


def augmented_rows(rows: pd.DataFrame, kinds: Sequence[str], copies: int, seed: int = 0) -> pd.DataFrame:
    """Return the rows of the augmented copies, without the originals and without features.

    Every random draw depends only on source, kind, copy and seed, so a clip has the same copies in every fold.

    Parameters
    ----------
    rows : DataFrame
        Only rows of originals (without augmentation) are copied.
    kinds : sequence of str
        Keys of `AUGMENTATIONS`, optionally with a fixed parameter, such as ``stretch(1.1)``. Each clip uses them in
        its own random order.
    copies : int
        Number of copies per clip.
    seed : int, default=0

    Returns
    -------
    DataFrame
        All first copies, then all second copies, and so on, with the index of the originals.

    Examples
    --------
    >>> from fusionser.rows import make_rows
    >>> rows = make_rows([{"file": "a.wav", "end": 1.0}])
    >>> [text[:6] for text in augmented_rows(rows, ["pitch"], 2)["augmentation"]]
    ['pitch(', 'pitch(']
    """
    parsed = _parsed_kinds(kinds)
    originals = rows[rows["augmentation"] == ""]
    bare = originals.drop(columns=[EXTRACTED_COLUMN, *feature_columns(rows), *array_columns(rows)], errors="ignore")
    made = [
        bare.assign(augmentation=[_drawn(source, parsed, copy, seed) for source in bare["source"]])
        for copy in range(1, copies + 1)
    ]
    return pd.concat(made) if made else bare.iloc[:0]


@dataclass(kw_only=True, eq=False, repr=False)
class AugmentRows(BaseEstimator):
    """A sampler, in the sense of imbalanced-learn, that adds augmented copies of the training rows.

    It acts only when a pipeline is fitted, never when it predicts, so copies are only used for training.

    Parameters
    ----------
    kinds : sequence of str
        Keys of `AUGMENTATIONS`, optionally with a fixed parameter, such as ``stretch(1.1)``.
    copies : int, default=1
        Number of copies per clip, 0 to 100.
    only_scarce : bool, default=False
        Add copies of randomly chosen clips only until each class is as large as the largest. `copies` is then the
        maximum per clip.
    unusable : sequence of (str, str)
        Source and augmentation of copies to leave out, for example because they are too short to be analysed.
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
        _parsed_kinds(self.kinds)
        if not 0 <= self.copies <= 100:
            raise SettingsError(f"copies is {self.copies}; expected 0 to 100 copies a clip")
        return self

    def fit_resample(self, X: Any, y: Any) -> tuple[pd.DataFrame, npt.NDArray[Any]]:
        """Return the rows followed by their copies, and the labels of all.

        Parameters
        ----------
        X : DataFrame with a column ``file``
        y : sequence of shape (n_rows,)

        Raises
        ------
        RowsError
            When X is not a table of rows.
        """
        self.fit(X, y)
        if not isinstance(X, pd.DataFrame):
            raise RowsError(f"augmentation takes a table of rows, got {type(X).__name__}; make one with `make_rows`")
        wanted = ["file", "source", "augmentation"]
        whole = set(wanted) <= set(X.columns) and X[wanted].notna().all(axis=None) and (X["source"] != "").all()
        rows = X if whole else check_rows(X)
        labels = np.asarray(y)
        rows = rows.set_axis(np.arange(len(rows)))
        copies = augmented_rows(rows, self.kinds, self.copies, self.random_state or 0)
        if self.unusable:
            pairs = pd.MultiIndex.from_frame(copies[["source", "augmentation"]])
            copies = copies[~pairs.isin(list(map(tuple, self.unusable)))]
        if self.only_scarce:
            copies = copies[self._needed(copies, labels)]
        together = pd.concat([rows, copies])
        for name in (EXTRACTED_COLUMN, AUDIO_COLUMN):
            if name in together:
                together[name] = together[name].astype(object).where(together[name].notna(), "")
        return together.reset_index(drop=True), labels[together.index.to_numpy()]

    def _needed(self, copies: pd.DataFrame, labels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Mark the copies that bring each class to the size of the largest, or as close to it as they can."""
        counts = pd.Series(labels).value_counts()
        seed = self.random_state or 0
        table = pd.DataFrame({"label": labels[copies.index]})
        # First copies of all clips come before the second copy of any.
        table["copy"] = [parse_augmentation(text).copy for text in copies["augmentation"]]
        table["drawn"] = [drawing(source, "scarce", seed).random() for source in copies["source"]]
        turn = table.sort_values(["copy", "drawn"]).groupby("label").cumcount().sort_index()
        return turn.to_numpy() < (counts.max() - counts).reindex(table["label"]).to_numpy()


@dataclass(kw_only=True, eq=False, repr=False)
class KeepOriginals(BaseEstimator):
    """A sampler, in the sense of imbalanced-learn, that leaves augmented copies out of the training rows.

    Behind networks and other learned blocks in a pipeline, it leaves the copies to these: the classifier is fitted to
    the columns of the original recordings.

    Examples
    --------
    >>> columns = pd.DataFrame({"augmentation": ["", "noise(10)#1"], "rms__mean": [0.1, 0.2]})
    >>> kept, labels = KeepOriginals().fit_resample(columns, ["sad", "sad"])
    >>> kept["rms__mean"].tolist(), labels.tolist()
    ([0.1], ['sad'])
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Return itself; nothing is learned."""
        return self

    def fit_resample(self, X: Any, y: Any) -> tuple[pd.DataFrame, npt.NDArray[Any]]:
        """Return the rows of original recordings, and their labels.

        Parameters
        ----------
        X : DataFrame with a column ``augmentation``
        y : sequence of shape (n_rows,)

        Raises
        ------
        RowsError
            When X has no such column.
        """
        if not isinstance(X, pd.DataFrame) or "augmentation" not in X:
            raise RowsError(
                "got columns without 'augmentation'; expected the output of a `FeatureExtractor` with keep_rows=True"
            )
        original = (X["augmentation"].fillna("") == "").to_numpy()
        return X[original].reset_index(drop=True), np.asarray(y)[original]
