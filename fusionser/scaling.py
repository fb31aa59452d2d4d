"""Scaling of feature columns, block by block."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, QuantileTransformer, RobustScaler, StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from fusionser.errors import SettingsError, unknown_name
from fusionser.rows import CARRIED_COLUMNS

__all__ = ["SCALERS", "BlockScaler", "BoundedScaler", "split_carried"]

Array = npt.NDArray[np.float64]

QUANTILES = 100
LIMIT = 3.0
"""Standard deviations."""


class BoundedScaler(StandardScaler):
    """Standardise columns, and limit each to `LIMIT` standard deviations, as they are in training.

    A clip that is recorded otherwise has columns far outside their training range, which would decide alone.

    Examples
    --------
    >>> BoundedScaler().fit([[-1.0], [1.0]]).transform([[2.0], [50.0]]).tolist()
    [[2.0], [3.0]]
    """

    def transform(self, X: Any, copy: bool | None = None) -> Array:
        """Return the limited standard scores, shape (n_rows, n_columns)."""
        limited: Array = np.clip(super().transform(X, copy=copy), -LIMIT, LIMIT)
        return limited


SCALERS: Mapping[str, Callable[[], Any]] = MappingProxyType(
    {
        "standard": StandardScaler,
        "bounded": BoundedScaler,
        "robust": RobustScaler,
        "minmax": MinMaxScaler,
        "quantile": lambda: QuantileTransformer(output_distribution="normal", random_state=0),
        "none": lambda: FunctionTransformer(feature_names_out="one-to-one"),
    }
)
"""Name to transformer: mean and standard deviation, the same with a limit, median and quartiles, range, ranks, none."""


def split_carried(X: Any) -> tuple[pd.DataFrame | None, Any]:
    """Split a table into its carried columns, None if there are none, and its feature columns."""
    if not isinstance(X, pd.DataFrame):
        return None, X
    carried = [name for name in CARRIED_COLUMNS if name in X.columns]
    return (X[carried] if carried else None), X.drop(columns=carried)


@dataclass(kw_only=True, eq=False, repr=False)
class BlockScaler(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Scale each block of columns; a column's block is the part of its name before ``__``.

    Parameters
    ----------
    scaling : str or dict of str to str, default="standard"
        A key of `SCALERS` for all blocks, or one per block (``""`` for blocks that are not named).
    equal_blocks : bool, default=False
        Divide each block by the square root of its number of columns, so that kernels weight all blocks equally.
    by_speaker : bool, default=False
        First standardise each speaker's rows by the speaker's mean and standard deviation, without labels. Needs the
        column ``speaker``. Speakers seen in training keep the statistics of their original training clips; new speakers
        are standardised by the rows that are passed. Scores are then speaker-normalised, not inductive.

    Attributes
    ----------
    scalers_ : dict of str to transformer
        The fitted scaler of each block.
    speakers_ : dict of str to (ndarray, ndarray)
        Mean and standard deviation of each training speaker; empty without `by_speaker`.
    carried_ : list of str
        Row columns that pass through unchanged.
    n_features_in_ : int
        Number of feature columns.

    Examples
    --------
    >>> X = pd.DataFrame({"a__x": [0.0, 2.0], "b__x": [0.0, 4.0]})
    >>> BlockScaler(scaling={"a": "minmax", "": "standard"}).fit_transform(X).to_numpy().tolist()
    [[0.0, -1.0], [1.0, 1.0]]
    """

    scaling: str | Mapping[str, str] = "standard"
    equal_blocks: bool = False
    by_speaker: bool = False

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit a scaler for each block.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            The columns ``speaker``, ``source`` and ``augmentation`` of a table pass through.
        y : ignored
        """
        carried, given = split_carried(X)
        values = validate_data(self, given, dtype=np.float64)
        self.carried_ = [] if carried is None else list(carried.columns)
        self.speakers_: dict[str, tuple[Array, Array]] = {}
        if self.by_speaker:
            values = self._fit_speakers(values, carried)
        self.scalers_: dict[str, Any] = {}
        for block, columns in self._blocks().items():
            scaler = self._scaler_for(block)
            if isinstance(scaler, QuantileTransformer):
                scaler.set_params(n_quantiles=min(len(values), QUANTILES))
            self.scalers_[block] = scaler.fit(values[:, columns])
        return self

    def transform(self, X: Any) -> Any:
        """Scale the rows; a table returns a table, with the carried columns first."""
        check_is_fitted(self)
        carried, given = split_carried(X)
        values = validate_data(self, given, dtype=np.float64, reset=False)
        if self.by_speaker:
            values = self._by_speaker(values, self._speakers_of(carried))
        scaled = self.scaled(values)
        if not isinstance(X, pd.DataFrame):
            return scaled
        table = pd.DataFrame(scaled, columns=given.columns, index=X.index)
        return table if carried is None else pd.concat([carried, table], axis=1)

    def scaled(self, values: Array) -> Array:
        """Scale validated float64 columns in training order, without standardising speakers."""
        scaled = np.empty_like(values)
        for block, columns in self._blocks().items():
            weight = np.sqrt(len(columns)) if self.equal_blocks else 1.0
            scaled[:, columns] = self.scalers_[block].transform(values[:, columns]) / weight
        return scaled

    def check_loaded(self) -> None:
        """Raise `ValueError` if a loaded file contains anything but scalers."""
        kinds = {type(build()) for build in SCALERS.values()}
        strange = [type(scaler).__name__ for scaler in self.scalers_.values() if type(scaler) not in kinds]
        if strange:
            raise ValueError(f"a {strange[0]} where a scaler is expected")

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Return the names of the columns, the carried ones first."""
        check_is_fitted(self)
        given = [] if input_features is None else input_features
        features = [name for name in given if name not in self.carried_]
        named = super().get_feature_names_out(features or None)
        return np.asarray([*self.carried_, *named], dtype=object)

    def _blocks(self) -> dict[str, list[int]]:
        names = getattr(self, "feature_names_in_", [""] * self.n_features_in_)
        blocks: dict[str, list[int]] = {}
        for position, name in enumerate(names):
            block, separator, _ = name.partition("__")
            blocks.setdefault(block if separator else "", []).append(position)
        return blocks

    def _scaler_for(self, block: str) -> Any:
        scalings = {"": self.scaling} if isinstance(self.scaling, str) else self.scaling
        unknown = sorted(set(scalings) - set(self._blocks()) - {""})
        if unknown:
            raise unknown_name("feature block", unknown[0], sorted(self._blocks()))
        name = scalings.get(block, scalings.get("", "standard"))
        if name not in SCALERS:
            raise unknown_name("scaling", name, SCALERS)
        return SCALERS[name]()

    def _speakers_of(self, carried: pd.DataFrame | None) -> npt.NDArray[Any]:
        if carried is None or "speaker" not in carried or (carried["speaker"] == "").any():
            raise SettingsError(
                "by_speaker needs the speaker of every row; expected a table with the column 'speaker' filled"
            )
        return carried["speaker"].to_numpy(dtype=object)

    def _fit_speakers(self, values: Array, carried: Any) -> Array:
        speakers = self._speakers_of(carried)
        originals = np.ones(len(values), dtype=bool)
        if "augmentation" in carried:
            originals = (carried["augmentation"] == "").to_numpy()
        for speaker in dict.fromkeys(speakers):
            of_speaker = speakers == speaker
            chosen = of_speaker & originals
            self.speakers_[speaker] = _moments(values[chosen if chosen.any() else of_speaker])
        return self._by_speaker(values, speakers)

    def _by_speaker(self, values: Array, speakers: npt.NDArray[Any]) -> Array:
        normalised = np.empty_like(values)
        for speaker in dict.fromkeys(speakers):
            of_speaker = speakers == speaker
            mean, std = self.speakers_.get(speaker) or _moments(values[of_speaker])
            normalised[of_speaker] = (values[of_speaker] - mean) / std
        return normalised


def _moments(values: Array) -> tuple[Array, Array]:
    std = values.std(axis=0)
    # A column that is constant except for rounding must not be amplified.
    still = std <= 1e-7 * np.maximum(np.abs(values).max(axis=0), 1e-30)
    return values.mean(axis=0), np.where(still, 1.0, std)
