"""How unlike the recordings that a model was trained on a clip is."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from fusionser.cache import Cache, CacheChoice
from fusionser.docstrings import DocumentedParameters
from fusionser.errors import ModelFileError, ProtocolError, SettingsError
from fusionser.facts import Record, read_json, what_differs
from fusionser.features.extraction import Progress, compute_clips
from fusionser.features.inputs import rows_of
from fusionser.features.recording import Recording
from fusionser.scikit_learn import BaseEstimator

__all__ = ["SAMPLED", "Unlike", "Unlikeness", "fit_unlikeness", "pack_unlikeness", "unpack_unlikeness"]

Array = npt.NDArray[np.float64]

QUARTILES = 1.349
"""Distance of the quartiles of a normal distribution, in standard deviations."""

LEAST_SPREAD = 0.01
"""Least scale of a column, relative to its median, so that a column that hardly varies does not decide alone."""

LEAST_VARIANCE = 0.25
"""Least variance of a standardised column, so that one that is the same in almost all training rows does not decide."""

RANGE = (1, 99)
"""Percentiles of the training rows that `Unlike` gives as their range."""

LEAST_SCALE = 1e-12
"""Least scale of a column in a file."""

SAMPLED = 10_000
"""Rows whose recordings are compared where the rows are too many for memory."""

LARGEST = 1e12
"""Largest number that a model file may contain."""


class Unlike(Record):
    """The description of a clip that differs most from the training recordings.

    Parameters
    ----------
    name : str
        Column of the block `Recording`.
    direction : {"below", "above", "within"}
        Where the value lies, relative to the range. If it is within, only the combination of all columns is unusual.
    value, lowest, highest : float
        Value of the clip, and 1st and 99th percentile of the training recordings.
    """

    name: str
    direction: Literal["below", "above", "within"]
    value: float
    lowest: float
    highest: float


@dataclass(kw_only=True, eq=False, repr=False)
class Unlikeness(DocumentedParameters, BaseEstimator):
    """How unlike the training rows a row is, from 0 to 1: the share of rows of unseen speakers that are less unlike.

    The columns are standardised by median and quartiles, and limited. The distance is that of Mahalanobis, with the
    shrunk covariance of Ledoit and Wolf (2004, "A well-conditioned estimator for large-dimensional covariance
    matrices"), in which each column has a variance of at least 0.25. It is compared with the distances of training rows
    from folds that lack their speaker. Rows that are further away than all of these approach 1 by the inverse of their
    distance.

    Parameters
    ----------
    folds : int, default=10
        Most folds by speaker, at least 2. Without speakers, or with a single one, the folds are by clip.
    limit : float, default=8.0
        Standard deviations that a column approaches, so that a single one does not decide alone.
    random_state : int, default=0
        Seed of the folds.

    Attributes
    ----------
    center_, scale_ : ndarray of shape (n_columns,)
        Median, and standard deviation estimated from the quartiles.
    location_ : ndarray of shape (n_columns,)
        Mean of the standardised and limited columns.
    precision_ : ndarray of shape (n_columns, n_columns)
        Inverse of their covariance.
    lowest_, highest_ : ndarray of shape (n_columns,)
        1st and 99th percentile.
    distances_ : ndarray of shape (n_rows,)
        Distances of the training rows from the folds that lack their speaker, in ascending order.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(200, 2))
    >>> Unlikeness().fit(rows).score_samples([[0.0, 0.0], [9.0, -9.0]]).round(1).tolist()
    [0.0, 1.0]
    """

    folds: int = 10
    limit: float = 8.0
    random_state: int = 0

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn what the training rows are like.

        Parameters
        ----------
        X : DataFrame or array of shape (n_rows, n_columns)
            The carried columns of a table, such as ``speaker``, decide on the folds.
        y : None
            Ignored.

        Raises
        ------
        SettingsError
            If a parameter is out of range.
        ProtocolError
            If there are fewer than two recordings.
        """
        if self.folds < 2 or not self.limit > 0:
            raise SettingsError(
                f"folds is {self.folds} and limit is {self.limit}; expected 2 folds or more, and a limit above 0"
            )
        # Reading a fitted one, as predictions do, needs no scikit-learn.
        from sklearn.utils.validation import validate_data

        from fusionser.scaling import split_carried
        from fusionser.splits import InnerFolds

        carried, features = split_carried(X)
        values = validate_data(self, features, dtype=np.float64, ensure_min_samples=2)
        rows = values if carried is None else carried
        splits = InnerFolds(folds=self.folds, seed=self.random_state).split(rows, np.zeros(len(values)))
        distances = [self._learn(values[train])._distances(values[test]) for train, test in splits]
        self.distances_ = np.sort(np.concatenate(distances))
        return self._learn(values)

    def _learn(self, values: Array) -> Self:
        from sklearn.covariance import LedoitWolf

        low, high = np.percentile(values, [25, 75], axis=0)
        self.center_ = np.median(values, axis=0)
        least = np.maximum(0.5 * values.std(axis=0), LEAST_SPREAD * np.abs(self.center_))
        scale = np.maximum((high - low) / QUARTILES, least)
        self.scale_ = np.where(scale > 0, scale, 1.0)
        shrunk = LedoitWolf().fit(self._standardised(values))
        # A column that is the same in almost all training rows must not decide alone where it is not.
        lacking = np.maximum(LEAST_VARIANCE - np.diag(shrunk.covariance_), 0.0)
        self.location_, self.precision_ = shrunk.location_, np.linalg.inv(shrunk.covariance_ + np.diag(lacking))
        self.lowest_, self.highest_ = np.percentile(values, RANGE, axis=0)
        return self

    def _standardised(self, values: Array) -> Array:
        limited: Array = self.limit * np.tanh((values - self.center_) / self.scale_ / self.limit)
        return limited

    def _distances(self, values: Array) -> Array:
        about = self._standardised(values) - self.location_
        squares: Array = np.einsum("ij,jk,ik->i", about, self.precision_, about)
        return np.sqrt(np.maximum(squares, 0.0))

    def _values(self, X: Any) -> Array:
        from sklearn.utils.validation import check_is_fitted, validate_data

        from fusionser.scaling import split_carried

        check_is_fitted(self)
        values: Array = validate_data(self, split_carried(X)[1], dtype=np.float64, reset=False)
        return values

    def score_samples(self, X: Any) -> Array:
        """Return how unlike the training rows each row is, from 0 (like them) to 1 (unlike), shape (n_rows,)."""
        return self.scores(self._values(X))

    def scores(self, values: Array) -> Array:
        """Do what `score_samples` does, for an array of the columns that needs no checks."""
        distances = self._distances(values)
        count, furthest = len(self.distances_), self.distances_[-1]
        inside = np.searchsorted(self.distances_, distances) / (count + 1)
        beyond = 1.0 - furthest / np.maximum(distances, np.finfo(float).tiny) / (count + 1)
        return np.where(distances > furthest, beyond, inside)

    def reasons(self, X: Any) -> list[Unlike]:
        """Return the description of each row that differs most from the training rows, `Unlike`."""
        return self.reasons_of(self._values(X))

    def reasons_of(self, values: Array) -> list[Unlike]:
        """Do what `reasons` does, for an array of the columns that needs no checks."""
        outside = np.maximum(self.lowest_ - values, values - self.highest_) / self.scale_
        about = np.abs(values - self.center_) / self.scale_
        worst = np.where((outside > 0).any(axis=1), outside.argmax(axis=1), about.argmax(axis=1))
        return [self._reason(place, float(row[place])) for row, place in zip(values, worst.tolist(), strict=True)]

    def _reason(self, place: int, value: float) -> Unlike:
        lowest, highest = float(self.lowest_[place]), float(self.highest_[place])
        direction: Any = "below" if value < lowest else "above" if value > highest else "within"
        name = str(getattr(self, "feature_names_in_", range(self.n_features_in_))[place])
        return Unlike(name=name, direction=direction, value=value, lowest=lowest, highest=highest)


def fit_unlikeness(
    rows: pd.DataFrame,
    *,
    most: int | None = None,
    cache: CacheChoice = True,
    n_jobs: int | None = None,
    progress: Progress | None = None,
) -> Unlikeness | None:
    """Learn from the recordings of training rows what they are like.

    Parameters
    ----------
    rows : DataFrame
        Rows with a column ``file``, or with waveforms.
    most : int, optional
        Number of rows to learn from, where there are more: a random sample. None is all of them.
    cache : Cache or bool, default=True
    n_jobs : int, optional
    progress : callable, optional

    Returns
    -------
    Unlikeness or None
        None if fewer than two recordings can be read, as when a features file was moved without its recordings, or too
        few for the covariance of their columns.
    """
    block = Recording()
    wanted = {block.kind: block}
    if most is not None and len(rows) > most:
        drawn = np.random.default_rng(0).choice(len(rows), most, replace=False)
        rows = rows.iloc[np.sort(drawn)].reset_index(drop=True)
    result = compute_clips(rows_of(rows, None, wanted), wanted, cache=Cache.of(cache), n_jobs=n_jobs, progress=progress)
    if len(result.usable) < 2:
        return None
    values = pd.DataFrame(result.stacked(block.kind), columns=block.names())
    carried = rows[["speaker", "source"]].iloc[result.usable].reset_index(drop=True)
    try:
        return Unlikeness().fit(pd.concat([carried, values], axis=1))
    except (ProtocolError, np.linalg.LinAlgError):
        # With a few recordings, what varies together cannot be told.
        return None


FITTED = ("center_", "scale_", "location_", "precision_", "lowest_", "highest_", "distances_")


class _Stored(Record):
    """An `Unlikeness` as it is stored: the digest of the block that its columns come from, and its numbers."""

    recording: str
    limit: float
    columns: list[str]
    center: list[float]
    scale: list[float]
    location: list[float]
    precision: list[list[float]]
    lowest: list[float]
    highest: list[float]
    distances: list[float]


def pack_unlikeness(unlikeness: Unlikeness) -> bytes:
    """Return a fitted `Unlikeness` of the columns of `Recording` as JSON."""
    stored = _Stored(
        recording=Recording().digest(),
        limit=unlikeness.limit,
        columns=list(unlikeness.feature_names_in_),
        **{name.removesuffix("_"): getattr(unlikeness, name).tolist() for name in FITTED},
    )
    return json.dumps(stored.model_dump()).encode()


def unpack_unlikeness(content: bytes) -> Unlikeness | None:
    """Read an `Unlikeness` from an untrusted JSON text.

    Returns
    -------
    Unlikeness or None
        None if another version of fusionser computes other columns for a recording.

    Raises
    ------
    ModelFileError
        If anything in it cannot be part of a fitted `Unlikeness`.
    """
    try:
        stored = read_json(_Stored, content)
    except ValueError as error:
        raise ModelFileError(f"its unlikeness is refused: {what_differs(error)}") from error
    if stored.recording != Recording().digest():
        return None
    arrays = {f"{name}_": value for name, value in stored.model_dump().items() if f"{name}_" in FITTED}
    try:
        return _restored(stored, {name: np.asarray(value, dtype=np.float64) for name, value in arrays.items()})
    except ValueError as error:
        raise ModelFileError(f"its unlikeness is refused: {error}") from error


def _restored(stored: _Stored, arrays: Mapping[str, Array]) -> Unlikeness:
    """Return a fitted `Unlikeness`. Raise `ValueError` if its parts do not fit together."""
    if stored.columns != Recording().names():
        raise ValueError("it has other columns than the block 'recording'")
    count = len(stored.columns)
    for name, values in arrays.items():
        shape = {"precision_": (count, count), "distances_": (max(len(stored.distances), 1),)}.get(name, (count,))
        if values.shape != shape:
            raise ValueError(f"{name} has the shape {values.shape}; expected {shape}")
        if not (np.abs(values) <= LARGEST).all():
            raise ValueError(f"{name} has numbers that are not finite, or above {LARGEST:g}")
    distances, precision = arrays["distances_"], arrays["precision_"]
    ordered = distances[0] >= 0 and (np.diff(distances) >= 0).all() and (arrays["lowest_"] <= arrays["highest_"]).all()
    sensible = (arrays["scale_"] >= LEAST_SCALE).all() and np.allclose(precision, precision.T)
    if not ordered or not sensible or np.linalg.eigvalsh(precision)[0] <= 0:
        raise ValueError("its scales, ranges, distances or precision are not those of a fitted one")
    if not (math.isfinite(stored.limit) and 1 <= stored.limit <= LARGEST):
        raise ValueError(f"its limit is {stored.limit}")
    restored = Unlikeness(limit=stored.limit)
    for name, values in arrays.items():
        setattr(restored, name, values)
    restored.feature_names_in_ = np.asarray(stored.columns, dtype=object)
    restored.n_features_in_ = count
    return restored
