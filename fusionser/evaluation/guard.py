"""The leakage guard: it finds what training and test rows share, and refuses what they must not share.

It compares the rows themselves, however they were made: speakers, sources (shared by all copies of one original) and
decoded audio (the same recording under two names). It also refuses pipelines with parts fitted before the split,
tables scaled as a whole, augmented copies as test rows, labels where a pipeline is adapted to its test rows, and
features that are the number to predict.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator

from fusionser.checks import channel_number
from fusionser.decoding import decode
from fusionser.errors import LeakageError
from fusionser.features.clip import Computation
from fusionser.features.learned import LearnedBlock
from fusionser.rows import AUDIO_COLUMN, CHANNEL_COLUMN, VOTES_COLUMN, feature_columns
from fusionser.samples import fingerprint

__all__ = [
    "SCALED",
    "ColumnSummary",
    "Overlap",
    "check_columns_not_scaled",
    "check_learns_in_fold",
    "check_not_scaled",
    "check_not_target",
    "check_split",
    "check_unlabelled",
    "compare",
    "how_scaled",
    "with_fingerprints",
    "without_labels",
]

Array = npt.NDArray[np.float64]

COLUMNS = {"speakers": "speaker", "sources": "source", "audio": AUDIO_COLUMN, "statements": "statement"}
FEWEST_ALIKE = 10
"""Rows from which on a column that goes with the target is not so by chance."""

ALIKE = 1 - 1e-9
"""Correlation above which a column of features is the target itself."""

REMEDIES = {
    "speakers": "split by speaker, or use a random protocol, which gets a stamp",
    "sources": "keep all copies of a clip on the same side as their original",
    "audio": "remove the duplicate recordings, or keep them on one side",
}

SCALED = {"standard": "mean 0 and standard deviation 1", "range": "the range 0 to 1"}
"""What `how_scaled` finds, in words."""


@dataclass(frozen=True)
class Overlap:
    """Values that two sets of rows share, sorted."""

    speakers: tuple[str, ...]
    sources: tuple[str, ...]
    audio: tuple[str, ...]
    statements: tuple[str, ...]


def with_fingerprints(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with a fingerprint of their decoded audio; missing fingerprints are computed."""
    fingerprints = rows[AUDIO_COLUMN] if AUDIO_COLUMN in rows else pd.Series("", index=rows.index)
    missing = fingerprints.isna() | (fingerprints == "")
    if not missing.any():
        return rows
    marked = rows.assign(**{AUDIO_COLUMN: fingerprints.astype(object)})
    channels = rows.get(CHANNEL_COLUMN, pd.Series("", index=rows.index)).map(channel_number)
    places = zip(rows["file"], rows["start"], rows["end"], channels, missing, strict=True)
    marked.loc[missing, AUDIO_COLUMN] = [fingerprint(*decode(*place)) for *place, wanted in places if wanted]
    return marked


def compare(train: pd.DataFrame, test: pd.DataFrame) -> Overlap:
    """Return what two sets of rows share; empty values do not count.

    Examples
    --------
    >>> one = pd.DataFrame({"speaker": ["a", "b"], "source": ["1", "2"], "audio": ["x", "y"], "statement": ["", ""]})
    >>> compare(one.iloc[:1], one.iloc[1:]).speakers, compare(one, one.iloc[1:]).speakers
    ((), ('b',))
    """
    shared = {kind: tuple(sorted((set(train[column]) & set(test[column])) - {""})) for kind, column in COLUMNS.items()}
    return Overlap(**shared)


def check_split(train: pd.DataFrame, test: pd.DataFrame, allowed: frozenset[str], fold: str) -> Overlap:
    """Refuse a split if training and test rows share what they must not.

    Parameters
    ----------
    train, test : DataFrame
        Rows with fingerprints.
    allowed : frozenset of str
        What may be shared: any of ``speakers``, ``sources`` and ``audio``.
    fold : str
        Name of the split, for the error message.

    Returns
    -------
    Overlap
        What is shared.

    Raises
    ------
    LeakageError
        When the sides share anything else, a test row is an augmented copy, or a recording is tested twice.
    """
    copies = test["augmentation"] != ""
    if copies.any():
        file, made = test.loc[copies, ["file", "augmentation"]].iloc[0]
        raise LeakageError(
            f"fold '{fold}': {int(copies.sum())} test rows are augmented copies (first: {file}, {made}); test only "
            "original recordings"
        )
    named = test[test["file"] != ""]
    again = named.duplicated(["file", "start", "end"])
    if again.any():
        raise LeakageError(
            f"fold '{fold}': {int(again.sum())} test rows are repeated (first: {named.loc[again, 'file'].iloc[0]}): "
            "the rows were sampled before the split. Give each recording once; --imbalance samples inside the fold"
        )
    shared = compare(train, test)
    for kind, remedy in REMEDIES.items():
        values = getattr(shared, kind)
        if values and kind not in allowed:
            column = COLUMNS[kind]
            left, right = (side.loc[side[column] == values[0], "file"].iloc[0] for side in (train, test))
            raise LeakageError(
                f"fold '{fold}': training and test rows share {len(values)} {kind} (first: {left} in training, "
                f"{right} in the test); {remedy}"
            )
    return shared


def check_learns_in_fold(estimator: BaseEstimator) -> None:
    """Refuse an estimator with a part that was fitted outside the fold.

    Raises
    ------
    LeakageError
        When a part is frozen or prefit.
    """
    for name, part in {"the estimator": estimator, **estimator.get_params(deep=True)}.items():
        prefit = name.split("__")[-1] == "cv" and isinstance(part, str) and part == "prefit"
        if prefit or isinstance(part, FrozenEstimator):
            raise LeakageError(
                f"the step '{name}' was fitted before the split ({type(part).__name__}); everything that learns must "
                "be fitted inside the training fold"
            )


def without_labels(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows as clips to predict: their emotion is empty, and nobody has voted on them."""
    return rows.drop(columns=VOTES_COLUMN, errors="ignore").assign(emotion="")


def check_unlabelled(rows: pd.DataFrame) -> None:
    """Refuse to adapt a pipeline to test rows with labels.

    Raises
    ------
    LeakageError
        When a row has an emotion, or votes for one.
    """
    for name, what in (("emotion", "labels"), (VOTES_COLUMN, "votes")):
        labelled = int((rows[name] != "").sum()) if name in rows else 0
        if labelled:
            raise LeakageError(
                f"{labelled} of {len(rows)} test rows have their {what} where a pipeline is adapted to them; leave the "
                f"column '{name}' empty"
            )


def check_not_target(table: pd.DataFrame, estimator: BaseEstimator, targets: Sequence[str]) -> None:
    """Refuse features that are a target of a regression, under its name or another.

    Raises
    ------
    LeakageError
        When a block reads a target from the table, or a column of features is a target but for its unit and its zero.
    """
    parts = [part for part in estimator.get_params(deep=True).values() if isinstance(part, Computation | LearnedBlock)]
    for name in targets:
        if any(name in part.row_columns() for part in parts):
            raise LeakageError(f"the features read the column '{name}', which is a target; leave it out of --columns")
    given = [name for name in feature_columns(table) if table[name].dtype.kind in "fiu"]
    if len(table) < FEWEST_ALIKE or not given:
        return
    columns = _standard(table[given].to_numpy(dtype=np.float64))
    for name in targets:
        alike = np.abs(columns.T @ _standard(table[[name]].to_numpy(dtype=np.float64))[:, 0]) / len(table)
        if alike.max() > ALIKE:
            raise LeakageError(
                f"the feature column '{given[int(alike.argmax())]}' is the target '{name}', but for its unit; leave "
                "it out of the features"
            )


def _standard(values: Array) -> Array:
    """Return columns with mean 0 and standard deviation 1; those that do not vary, or lack numbers, are 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        scores = (values - values.mean(axis=0)) / values.std(axis=0)
    return np.asarray(np.where(np.isfinite(scores).all(axis=0), scores, 0.0))


@dataclass(frozen=True)
class ColumnSummary:
    """What can be seen of columns that were scaled as a whole: mean, standard deviation, least and greatest value."""

    rows: int
    mean: Array
    std: Array
    low: Array
    high: Array

    @classmethod
    def of(cls, values: Array) -> "ColumnSummary":
        """Return the summary of columns, shape (n_rows, n_columns)."""
        return cls(len(values), values.mean(axis=0), values.std(axis=0), values.min(axis=0), values.max(axis=0))

    @property
    def standardised(self) -> npt.NDArray[np.bool_]:
        """Which columns have a mean of 0 and a standard deviation of 1, over the rows or over one less."""
        deviations = [self.std, self.std * np.sqrt(self.rows / max(self.rows - 1, 1))]
        return (np.abs(self.mean) < 1e-4) & (np.min(np.abs(np.subtract(deviations, 1)), axis=0) < 1e-4)

    def how_scaled(self) -> str | None:
        """Return how the columns were scaled, as the function `how_scaled` does."""
        varying = self.std > 0
        if self.rows < 3 or varying.sum() < 2:
            return None
        if self.standardised.sum() > 1:
            return "standard"
        ranged = np.abs(self.low[varying]).max() < 1e-6 and np.abs(self.high[varying] - 1).max() < 1e-6
        return "range" if ranged else None


def check_not_scaled(table: pd.DataFrame) -> None:
    """Refuse a table of features that was scaled as a whole.

    Raises
    ------
    LeakageError
        When two columns or more have mean 0 and standard deviation 1 over all rows, or all have a range of 0 to 1.
    """
    # A column of the user may have such a name, and texts.
    names = [name for name in feature_columns(table) if table[name].dtype.kind in "fiu"]
    if len(names) and len(table):
        check_columns_not_scaled(ColumnSummary.of(table[names].to_numpy(dtype=np.float64)))


def check_columns_not_scaled(columns: ColumnSummary) -> None:
    """Refuse columns of features that were scaled as a whole, as `check_not_scaled` does."""
    how = columns.how_scaled()
    if how is not None:
        count = int((columns.standardised if how == "standard" else columns.std > 0).sum())
        raise LeakageError(
            f"{count} of {len(columns.mean)} feature columns have {SCALED[how]} over all {columns.rows} rows: the "
            "table was scaled before the split, with the test rows included. Give the features as they were extracted"
        )


def how_scaled(values: Array) -> str | None:
    """Return how a table of numbers was scaled as a whole, a key of `SCALED`, or None.

    Two columns with a mean of 0 and a standard deviation of 1 are no accident. A range of 0 to 1 is that of many
    columns, such as shares, so all columns must have it.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)

    Examples
    --------
    >>> how_scaled(np.array([[0.0, 1.0], [0.5, 0.0], [1.0, 0.25]])), how_scaled(np.eye(3) * 2)
    ('range', None)
    """
    return ColumnSummary.of(values).how_scaled() if values.ndim == 2 and values.size else None
