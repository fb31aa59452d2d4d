"""Scaling of feature columns, block by block."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, QuantileTransformer, RobustScaler, StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from fusionser.alignment import LEAST_CLIPS, Moments, check_clips, covariance, moments, recolour
from fusionser.errors import SettingsError, unknown_name
from fusionser.names import ADAPTATIONS, CORAL
from fusionser.rows import CARRIED_COLUMNS, VOTES_COLUMN
from fusionser.splits.validation_rows import given_validation

__all__ = ["BATCH_SCALINGS", "SCALERS", "BlockScaler", "BoundedScaler", "split_carried"]

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

BATCH_SCALINGS = ("standard", "bounded", "minmax", "none")
"""Scalings that can be fitted to rows that come in batches."""


def split_carried(X: Any) -> tuple[pd.DataFrame | None, Any]:
    """Split a table into its carried columns, None if there are none, and its feature columns."""
    if not isinstance(X, pd.DataFrame):
        return None, X
    carried = [name for name in (*CARRIED_COLUMNS, VOTES_COLUMN) if name in X.columns]
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
        are standardised by the rows that are passed. Scores are then speaker-normalised, not inductive. A block that
        `scaling` names, with "none", is left as it is.
    adaptation : {"standardise", "coral"}, optional
        Fit for rows that `adapted` adapts to: first align the rows of each training corpus (column ``corpus``) with the
        mean and standard deviation of all training rows. With "coral", `adapted` aligns correlations too. Scores are
        then adapted, not inductive.

    Attributes
    ----------
    scalers_ : dict of str to transformer
        The fitted scaler of each block.
    mean_, std_ : ndarray of shape (n_features,)
        Mean and standard deviation of the original training clips.
    speakers_ : dict of str to (ndarray, ndarray)
        Mean and standard deviation of each training speaker; empty without `by_speaker`.
    corpora_ : dict of str to (ndarray, ndarray)
        Mean and standard deviation of each training corpus; empty without `adaptation`.
    covariance_ : ndarray of shape (n_adapted, n_adapted)
        Regularised covariance of the standard scores, for the adaptation "coral" only.
    alignment_ : dict of str to ndarray
        ``centre``, ``factors`` and ``mean``, which align columns; only after `adapted`.
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
    adaptation: str | None = None

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit a scaler for each block.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            The columns ``speaker``, ``source``, ``augmentation`` and ``corpus`` of a table pass through.
        y : ignored
        """
        self._check_groups()
        if (validation := given_validation()) is not None:
            validation.passes(self.transform)
        carried, given = split_carried(X)
        values = validate_data(self, given, dtype=np.float64)
        self.carried_ = [] if carried is None else list(carried.columns)
        originals = _originals(carried, len(values))
        self.mean_, self.std_ = values[originals].mean(axis=0), values[originals].std(axis=0)
        self.speakers_: dict[str, Moments] = {}
        self.corpora_: dict[str, Moments] = {}
        if self.by_speaker:
            self.speakers_ = _group_moments(values, self._speakers_of(carried), originals)
            values = self._by_speaker(values, carried)
        if self.adaptation:
            self.corpora_ = _group_moments(values, _corpora_of(carried, len(values)), originals)
            values = self._by_corpus(values, carried)
        self.scalers_: dict[str, Any] = {}
        for block, columns in self._blocks().items():
            scaler = self._scaler_for(block)
            if isinstance(scaler, QuantileTransformer):
                scaler.set_params(n_quantiles=min(len(values), QUANTILES))
            self.scalers_[block] = scaler.fit(values[:, columns])
        if self.adaptation == CORAL:
            adapted = values[np.ix_(originals, self._adaptable())]
            self.covariance_ = covariance(_scores(adapted, moments(adapted)))
        return self

    def fit_batches(self, batches: Iterable[Any]) -> Self:
        """Fit a scaler for each block to rows that come in batches, in one pass, as `fit` does to a whole table.

        Parameters
        ----------
        batches : iterable of DataFrame or array-like of shape (n_rows, n_columns)

        Raises
        ------
        SettingsError
            If there are no rows, or a scaling or setting needs all rows at once: "robust", "quantile", `by_speaker`,
            `adaptation`.

        Examples
        --------
        >>> parts = [pd.DataFrame({"a__x": [0.0, 2.0]}), pd.DataFrame({"a__x": [4.0]})]
        >>> BlockScaler(scaling="minmax").fit_batches(parts).transform(parts[1]).iloc[0, 0]
        np.float64(1.0)
        """
        self._check_groups()
        if self.by_speaker or self.adaptation:
            raise SettingsError(
                "by_speaker and adaptation need all rows at once, and these come in batches; use neither"
            )
        self.scalers_ = {}
        every, originals = StandardScaler(), StandardScaler()
        for X in batches:
            carried, given = split_carried(X)
            values = validate_data(self, given, dtype=np.float64, reset=not self.scalers_)
            if not self.scalers_:
                self.carried_ = [] if carried is None else list(carried.columns)
                self.scalers_ = {block: self._scaler_of_batches(block) for block in self._blocks()}
            for block, columns in self._blocks().items():
                scaler = self.scalers_[block]
                # Nothing is learned without scaling.
                (scaler.fit if isinstance(scaler, FunctionTransformer) else scaler.partial_fit)(values[:, columns])
            every.partial_fit(values)
            if (kept := _unchanged(carried, len(values))).any():
                originals.partial_fit(values[kept])
        if not self.scalers_:
            raise SettingsError("got no rows; expected batches with one row or more")
        known = originals if hasattr(originals, "mean_") else every
        self.mean_, self.std_ = known.mean_, np.sqrt(known.var_)
        self.speakers_, self.corpora_ = {}, {}
        return self

    def transform(self, X: Any) -> Any:
        """Scale the rows; a table returns a table, with the carried columns first."""
        check_is_fitted(self)
        carried, given = split_carried(X)
        values = validate_data(self, given, dtype=np.float64, reset=False)
        if self.by_speaker:
            values = self._by_speaker(values, carried)
        if self.adaptation and not self._alignment:
            scaled = self._scaled(self._by_corpus(values, carried))
        else:
            scaled = self.scaled(values)
        if not isinstance(X, pd.DataFrame):
            return scaled
        table = pd.DataFrame(scaled, columns=given.columns, index=X.index)
        return table if carried is None else pd.concat([carried, table], axis=1)

    def adapted(self, X: Any) -> Self:
        """Return a copy that aligns rows with the training rows, by the statistics of unlabelled rows like them.

        Each column gets the mean and standard deviation that it has in training. With the adaptation "coral", the
        columns also get the correlations that they have in training (Sun, Feng and Saenko 2016; there, the training
        rows get those of the target). Blocks with the scaling "none" are left as they are.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_rows, n_columns)
            Rows of the target: of one corpus, session or speaker. Ten at least; 50 or more are advisable. They should
            have several emotions: what all of them share is removed.

        Raises
        ------
        SettingsError
            If there are fewer than ten rows, or the scaler standardises by speaker.
        """
        check_is_fitted(self)
        if self.by_speaker:
            raise SettingsError("a speaker-normalised pipeline cannot be adapted: it standardises each speaker already")
        values = validate_data(self, split_carried(X)[1], dtype=np.float64, reset=False)
        check_clips(len(values))
        copied = copy(self)
        copied.alignment_ = self._aligning(values)
        return copied

    @property
    def adapts(self) -> bool:
        """Whether `adapted` changes any block: all but those with the scaling "none"."""
        return bool(self._adaptable().any())

    def scaled(self, values: Array) -> Array:
        """Scale validated float64 columns in training order, aligned if adapted, without standardising speakers.

        Raises
        ------
        SettingsError
            If the scaler was fitted to be adapted, and is not.
        """
        aligning = self._alignment
        if aligning:
            centred, factors = values - aligning["centre"], aligning["factors"]
            values = (centred * factors if factors.ndim == 1 else centred @ factors) + aligning["mean"]
        elif self.adaptation:
            raise SettingsError(
                "the pipeline was fitted to be adapted to the clips that it predicts; adapt it first, with "
                f"'fusionser predict --adapt' or Model.adapt, to {LEAST_CLIPS} clips or more"
            )
        return self._scaled(values)

    def _scaled(self, values: Array) -> Array:
        scaled = np.empty_like(values)
        for block, columns in self._blocks().items():
            weight = np.sqrt(len(columns)) if self.equal_blocks else 1.0
            scaled[:, columns] = self.scalers_[block].transform(values[:, columns]) / weight
        return scaled

    @property
    def _alignment(self) -> dict[str, Array]:
        # Models of earlier versions lack it.
        return getattr(self, "alignment_", {})

    def _adaptable(self) -> npt.NDArray[np.bool_]:
        adaptable = np.zeros(self.n_features_in_, dtype=bool)
        for block, columns in self._blocks().items():
            adaptable[columns] = self._scaling_of(block) != "none"
        return adaptable

    def _aligning(self, values: Array) -> dict[str, Array]:
        used = self._adaptable()
        training, spread = (part[used] for part in self._training_moments())
        target = moments(values[:, used])
        centre, mean = np.zeros(len(used)), np.zeros(len(used))
        centre[used], mean[used] = target[0], training
        factors: Array = np.ones(len(used))
        factors[used] = spread / target[1]
        if self.adaptation == CORAL:
            factors = np.eye(len(used))
            turned = recolour(covariance(_scores(values[:, used], target)), self.covariance_)
            factors[np.ix_(used, used)] = turned / target[1][:, None] * spread
        return {"centre": centre, "factors": factors, "mean": mean}

    def _training_moments(self) -> Moments:
        """Return mean and standard deviation of the training columns; a model of an earlier version has them in part.

        Raises
        ------
        SettingsError
            If they are not known.
        """
        if hasattr(self, "mean_"):
            return self.mean_, self.std_
        mean, std = np.zeros(self.n_features_in_), np.ones(self.n_features_in_)
        for block, columns in self._blocks().items():
            scaler = self.scalers_[block]
            if isinstance(scaler, StandardScaler):
                mean[columns], std[columns] = scaler.mean_, np.sqrt(scaler.var_)
            elif not isinstance(scaler, FunctionTransformer):
                raise SettingsError(
                    "this model was fitted by an earlier version, whose scaling does not contain the mean and standard "
                    "deviation of the training clips; fit it again, or use a model with the scaling standard or bounded"
                )
        return mean, std

    def check_loaded(self) -> None:
        """Raise `ValueError` if a loaded file contains anything but scalers."""
        kinds = {type(build()) for build in SCALERS.values()}
        strange = [type(scaler).__name__ for scaler in self.scalers_.values() if type(scaler) not in kinds]
        if strange:
            raise ValueError(f"a {strange[0]} where a scaler is expected")
        if self.adaptation not in (None, *ADAPTATIONS):
            raise ValueError("a scaler with an unknown adaptation")
        size = (self.n_features_in_,)
        shapes: dict[str, tuple[tuple[int, ...], ...]] = {
            "centre": (size,),
            "factors": (size, size * 2),
            "mean": (size,),
        }
        if self._alignment:
            _check_arrays(self._alignment, shapes)
        if hasattr(self, "mean_"):
            _check_arrays({"mean": self.mean_, "std": self.std_}, {"mean": (size,), "std": (size,)})
        if self.adaptation == CORAL:
            adapted = (int(self._adaptable().sum()),)
            _check_arrays({"covariance": self.covariance_}, {"covariance": (adapted * 2,)})
            if adapted[0] and np.linalg.eigvalsh(self.covariance_).min() <= 0:
                raise ValueError("the covariance of a scaler is not positive definite")

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
        name = self._scaling_of(block)
        if name not in SCALERS:
            raise unknown_name("scaling", name, SCALERS)
        return SCALERS[name]()

    def _scaler_of_batches(self, block: str) -> Any:
        """Return the unfitted scaler of a block; raise `SettingsError` if it needs all rows at once."""
        if (name := self._scaling_of(block)) in SCALERS and name not in BATCH_SCALINGS:
            raise SettingsError(
                f"the scaling '{name}' needs all rows at once, but they come in batches; expected one of "
                f"{', '.join(BATCH_SCALINGS)} (--scaling)"
            )
        return self._scaler_for(block)

    def _scaling_of(self, block: str) -> str:
        scalings = {"": self.scaling} if isinstance(self.scaling, str) else self.scaling
        unknown = sorted(set(scalings) - set(self._blocks()) - {""})
        if unknown:
            raise unknown_name("feature block", unknown[0], sorted(self._blocks()))
        return scalings.get(block, scalings.get("", "standard"))

    def _check_groups(self) -> None:
        if self.adaptation not in (None, *ADAPTATIONS):
            raise unknown_name("adaptation", str(self.adaptation), ADAPTATIONS)
        if self.adaptation and self.by_speaker:
            raise SettingsError("got both by_speaker and adaptation; expected one of them")

    def _speakers_of(self, carried: pd.DataFrame | None) -> npt.NDArray[Any]:
        if carried is None or "speaker" not in carried or (carried["speaker"] == "").any():
            raise SettingsError(
                "by_speaker needs the speaker of every row; expected a table with the column 'speaker' filled"
            )
        return carried["speaker"].to_numpy(dtype=object)

    def _by_speaker(self, values: Array, carried: pd.DataFrame | None) -> Array:
        normalised, used = values.copy(), self._by_speakers()
        for rows, known in _groups(self._speakers_of(carried), self.speakers_):
            scores = _scores(values[rows], known or moments(values[rows]))
            normalised[np.ix_(rows, used)] = scores[:, used]
        return normalised

    def _by_speakers(self) -> npt.NDArray[np.bool_]:
        """Return which columns are standardised by speaker: all but those of blocks that are left out by name."""
        used = np.ones(self.n_features_in_, dtype=bool)
        named = {} if isinstance(self.scaling, str) else self.scaling
        for block, columns in self._blocks().items():
            used[columns] = not block or named.get(block) != "none"
        return used

    def _by_corpus(self, values: Array, carried: pd.DataFrame | None) -> Array:
        """Give the rows of each corpus the mean and standard deviation of all training rows.

        A corpus that is not in training goes by the rows that are passed, as where inner folds hold out a whole corpus.
        """
        aligned = values.copy()
        used = self._adaptable()
        for rows, known in _groups(_corpora_of(carried, len(values)), self.corpora_):
            scores = _scores(values[rows], known or moments(values[rows]))
            aligned[np.ix_(rows, used)] = (scores * self.std_ + self.mean_)[:, used]
        return aligned


def _originals(carried: pd.DataFrame | None, n_rows: int) -> npt.NDArray[np.bool_]:
    """Return which rows are original recordings; all, if none is."""
    originals = _unchanged(carried, n_rows)
    return originals if originals.any() else ~originals


def _unchanged(carried: pd.DataFrame | None, n_rows: int) -> npt.NDArray[np.bool_]:
    """Return which rows are original recordings, and no copies."""
    if carried is None or "augmentation" not in carried:
        return np.ones(n_rows, dtype=bool)
    return (carried["augmentation"] == "").to_numpy(dtype=bool)


def _corpora_of(carried: pd.DataFrame | None, n_rows: int) -> npt.NDArray[Any]:
    """Return the corpus of each row; rows without one are of the corpus ""."""
    if carried is None or "corpus" not in carried:
        return np.full(n_rows, "", dtype=object)
    return carried["corpus"].to_numpy(dtype=object)


def _groups(
    names: npt.NDArray[Any], known: Mapping[str, Moments]
) -> Iterator[tuple[npt.NDArray[np.intp], Moments | None]]:
    """Yield the rows of each group, and its known statistics."""
    for name in dict.fromkeys(names):
        yield np.flatnonzero(names == name), known.get(name)


def _group_moments(values: Array, names: npt.NDArray[Any], originals: npt.NDArray[np.bool_]) -> dict[str, Moments]:
    """Return the statistics of the original rows of each group; of all its rows, if none is original."""
    found = {}
    for name in dict.fromkeys(names):
        of_group = names == name
        chosen = of_group & originals
        found[str(name)] = moments(values[chosen if chosen.any() else of_group])
    return found


def _scores(values: Array, given: Moments) -> Array:
    mean, std = given
    scores: Array = (values - mean) / std
    return scores


def _check_arrays(arrays: Mapping[str, Any], shapes: Mapping[str, tuple[tuple[int, ...], ...]]) -> None:
    """Raise `ValueError` unless these are finite float64 arrays, each of one of its shapes."""
    if not isinstance(arrays, dict) or set(arrays) != set(shapes):
        raise ValueError("the statistics of a scaler are incomplete")
    for name, array in arrays.items():
        right = isinstance(array, np.ndarray) and array.dtype == np.float64 and array.shape in shapes[name]
        if not right or not np.isfinite(array).all():
            raise ValueError(f"the {name} of a scaler does not fit its columns")
