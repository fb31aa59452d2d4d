"""Several blocks from one transform of each clip."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import TransformerMixin, clone
from sklearn.utils.metaestimators import _BaseComposition
from sklearn.utils.validation import check_is_fitted

from fusionser.cache import Cache, CacheChoice
from fusionser.errors import AudioError, SettingsError, unknown_name
from fusionser.features.base import ClipTransformer, FeatureBlock
from fusionser.features.extraction import Extraction, Progress, compute_clips
from fusionser.features.held import digests_of, taken
from fusionser.features.inputs import rows_of, table_of
from fusionser.features.learned import LearnedBlock
from fusionser.legacy import current_settings
from fusionser.registry import BLOCKS, NETWORKS
from fusionser.rows import ARRAY_MARK, AUDIO_COLUMN, CARRIED_COLUMNS, EXTRACTED_COLUMN
from fusionser.waveform import Rates

__all__ = ["FeatureExtractor"]

Array = npt.NDArray[np.float32]


@dataclass(kw_only=True, eq=False, repr=False)
class FeatureExtractor(TransformerMixin, _BaseComposition):
    """Named blocks side by side (early fusion); those with equal settings share one transform of the clip.

    Parameters
    ----------
    blocks : list of (str, FeatureBlock or LearnedBlock)
        The name of a block is the prefix of its columns. Parameters of a block are reached as
        ``name__parameter``. The blocks' own `cache` and `n_jobs` are not used here. Blocks that learn (deep
        extractors, the estimated gender) are cloned and fitted to the rows that `fit` is given.
    keep_rows : bool, default=False
        Give a table that also holds the columns ``speaker``, ``source`` and ``augmentation``, for the steps
        that need to know whose clip a row is.
    cache : Cache or bool, default=True
        Where features of files, and the networks of blocks that learn, are looked up and kept; True is the default
        cache, False none.
    n_jobs : int, optional
        Processes; -1 is one a core.

    Attributes
    ----------
    learned_ : dict of str to LearnedBlock
        The fitted blocks that learn.

    Notes
    -----
    `fit_transform` and `fit` with `transform` differ for a block that is cross-fitted: the first gives the
    training rows what was learned without them.

    A table that already holds the columns, extracted with the very same settings (its column ``extracted``
    says so), is not analysed again.

    Examples
    --------
    >>> from fusionser.features import MFCC, Chroma
    >>> extractor = FeatureExtractor(blocks=[("mfcc", MFCC()), ("chroma", Chroma())])
    >>> extractor.set_params(mfcc__n_mfcc=13).get_feature_names_out().size
    25
    """

    blocks: Sequence[tuple[str, FeatureBlock | LearnedBlock]]
    keep_rows: bool = False
    cache: CacheChoice = True
    n_jobs: int | None = None

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, those of the blocks included."""
        params: dict[str, Any] = self._get_params("blocks", deep=deep)
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters, those of the blocks as ``name__parameter``."""
        self._set_params("blocks", **params)
        return self

    def check(self) -> None:
        """Raise `SettingsError` when there is no block, a name stands twice, or a parameter is off."""
        names = [name for name, _ in self.blocks]
        if not names:
            raise SettingsError(f"the extractor has no blocks; choose from {', '.join(BLOCKS)}")
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise SettingsError(f"block names must differ, and '{twice}' stands twice; got {', '.join(names)}")
        for _, block in self.blocks:
            block.check()

    def rows(self, X: Any, sampling_rate: Rates = None) -> pd.DataFrame:
        """Return X as a table of rows, each waveform with its rate, see `fusionser.features.inputs`."""
        front_ends = {front.kind: front for front in self._front_ends().values()}
        return table_of(X, sampling_rate, {**dict(self._handcrafted()), **front_ends})

    def fit(self, X: Any, y: Any = None, *, sampling_rate: Rates = None) -> Self:
        """Check the parameters, and fit the blocks that learn, where there are any, to the rows and labels."""
        self.check()
        learning = self._learning()
        rows = self.rows(X, sampling_rate) if learning else None
        self.learned_ = {name: self._own(block).fit(rows, y) for name, block in learning}
        return self

    def fit_transform(self, X: Any, y: Any = None, *, sampling_rate: Rates = None) -> Any:
        """Fit, and compute the columns of the training rows; a cross-fitted block answers for them out of fold."""
        self.check()
        rows = self.rows(X, sampling_rate)
        self.learned_ = {}
        given = {}
        for name, block in self._learning():
            self.learned_[name] = self._own(block)
            given[name] = np.asarray(self.learned_[name].fit_transform(rows, y), dtype=np.float32)
        return self._joined(X, rows, given)

    def _own(self, block: LearnedBlock) -> LearnedBlock:
        """Return a clone that looks for what it is fed, and what it has learned, where this extractor does."""
        cache = Cache.of(self.cache)
        front_end = clone(block.resolved_front_end()).set_params(cache=cache, n_jobs=self.n_jobs)
        kept = {"cache": cache} if "cache" in block.get_params(deep=False) else {}
        own: LearnedBlock = clone(block).set_params(front_end=front_end, **kept)
        return own

    def _handcrafted(self) -> list[tuple[str, FeatureBlock]]:
        return [(name, block) for name, block in self.blocks if isinstance(block, FeatureBlock)]

    def _learning(self) -> list[tuple[str, LearnedBlock]]:
        return [(name, block) for name, block in self.blocks if isinstance(block, LearnedBlock)]

    def _front_ends(self) -> dict[str, ClipTransformer]:
        """Return what the learned blocks are fed, each kind once, by the column that holds it."""
        front_ends = [block.resolved_front_end() for _, block in self._learning()]
        return {one.column: one for one in front_ends}

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Return the names of the columns, ``block__name``, after those of the rows that are kept."""
        fitted = getattr(self, "learned_", {})
        features = [f"{name}__{column}" for name, block in self.blocks for column in fitted.get(name, block).names()]
        return np.asarray([*(CARRIED_COLUMNS if self.keep_rows else ()), *features], dtype=object)

    def column_count(self, n_classes: int) -> int:
        """Return the number of feature columns, for so many classes."""
        return sum(
            block.column_count(n_classes) if isinstance(block, LearnedBlock) else len(block.names())
            for _, block in self.blocks
        )

    def settings(self) -> list[dict[str, Any]]:
        """Return the blocks as plain JSON values; `from_settings` takes them back."""
        return [{"name": name, **block.settings()} for name, block in self.blocks]

    @classmethod
    def from_settings(cls, settings: Sequence[Mapping[str, Any]]) -> Self:
        """Build an extractor from what `settings` returned.

        Parameters
        ----------
        settings : sequence of mapping

        Raises
        ------
        SettingsError
            When a block or one of its parameters is unknown.
        """
        blocks: list[tuple[str, FeatureBlock | LearnedBlock]] = []
        for given in map(current_settings, settings):
            params = {key: value for key, value in given.items() if key not in ("kind", "name")}
            kind = str(given.get("kind"))
            if kind not in BLOCKS and kind not in NETWORKS:
                raise unknown_name("feature block", kind, [*BLOCKS, *NETWORKS])
            block = BLOCKS[kind] if kind in BLOCKS else NETWORKS[kind]
            try:
                built = block.from_settings(params) if issubclass(block, LearnedBlock) else block(**params)
                blocks.append((str(given.get("name", kind)), built))
            except TypeError as error:
                raise SettingsError(f"feature block '{kind}': {error}") from error
        extractor = cls(blocks=blocks)
        extractor.check()
        return extractor

    def digests(self) -> dict[str, str]:
        """Return the digest of the settings of each handcrafted block, by its name."""
        return {name: block.digest() for name, block in self._handcrafted()}

    def stamp(self) -> str:
        """Return what the column ``extracted`` holds for rows with these blocks."""
        return json.dumps(self.digests(), sort_keys=True)

    def extracted(self, X: Any) -> npt.NDArray[np.bool_]:
        """Tell which rows of a table already hold these very features, and what the learned blocks are fed."""
        held = self._held(X)
        for column in self._front_ends():
            if not isinstance(X, pd.DataFrame) or column not in X:
                return np.zeros(len(X), dtype=bool)
            held &= np.array([isinstance(value, np.ndarray) for value in X[column]])
        return held

    def _held(self, X: Any) -> npt.NDArray[np.bool_]:
        """Tell which rows of a table hold the handcrafted columns."""
        if not isinstance(X, pd.DataFrame) or EXTRACTED_COLUMN not in X.columns:
            return np.zeros(len(X), dtype=bool)
        wanted = {name: block.digest() for name, block in self._handcrafted() if block.uses_audio}.items()
        stamps = X[EXTRACTED_COLUMN].fillna("").astype(str)
        held = {stamp: wanted <= digests_of(stamp).items() for stamp in stamps.unique()}
        return stamps.map(held).to_numpy(dtype=bool)

    def run(
        self,
        X: Any,
        *,
        cache: Cache | None = None,
        n_jobs: int | None = None,
        device: str = "cpu",
        progress: Progress | None = None,
        strict: bool = False,
    ) -> Extraction:
        """Compute what needs no training for every clip, keeping what fails apart; see `compute_clips`."""
        self.check()
        wanted = {**dict(self._handcrafted()), **self._front_ends()}
        return compute_clips(
            rows_of(self.rows(X)), wanted, cache=cache, n_jobs=n_jobs, device=device, progress=progress, strict=strict
        )

    def table(self, rows: pd.DataFrame, result: Extraction) -> pd.DataFrame:
        """Return the rows that succeeded, with their features, fingerprint and stamp, and what networks are fed."""
        usable = [position for position in range(len(rows)) if position not in result.failures]
        plain = [name for name in rows.columns if "__" not in str(name) and not str(name).startswith(ARRAY_MARK)]
        kept = rows[plain].iloc[usable].reset_index(drop=True)
        marks = pd.DataFrame(
            {
                AUDIO_COLUMN: [result.fingerprints[position] for position in usable],
                EXTRACTED_COLUMN: self.stamp(),
            }
        )
        for column in self._front_ends():
            marks[column] = _objects(result, column, usable)
        kept = kept.drop(columns=[AUDIO_COLUMN, EXTRACTED_COLUMN], errors="ignore")
        names = [f"{name}__{column}" for name, block in self._handcrafted() for column in block.names()]
        if not names:
            return pd.concat([kept, marks], axis=1)
        values = np.concatenate([result.stacked(name) for name, _ in self._handcrafted()], axis=1)
        return pd.concat([kept, marks, pd.DataFrame(values, columns=names)], axis=1)

    def columns(self, rows: pd.DataFrame, result: Extraction) -> Array:
        """Return the columns of the rows that succeeded, as `transform` does of their `table`."""
        usable = [position for position in range(len(rows)) if position not in result.failures]
        fed = rows.iloc[usable].reset_index(drop=True) if result.failures else rows
        fed = fed.assign(**{column: _objects(result, column, usable) for column in self._front_ends()})
        parts = {name: result.stacked(name) for name, _ in self._handcrafted()}
        parts.update({name: np.asarray(block.transform(fed), np.float32) for name, block in self.learned_.items()})
        return np.concatenate([parts[name] for name, _ in self.blocks], axis=1)

    def transform(self, X: Any, *, sampling_rate: Rates = None) -> Any:
        """Compute the columns of every clip.

        Parameters
        ----------
        X : DataFrame with a column ``file``, or sequence of paths, waveforms, or pairs (samples, rate)
            Waveforms are arrays of floats from -1 to 1, or of integers; two-dimensional ones have channels.
        sampling_rate : int or sequence of int, optional
            Rate in Hz of waveforms that stand without one, one for all or one a clip. When None they are taken to have
            that of the analysis, where all blocks, and what networks are fed, have the same; else they are refused.

        Returns
        -------
        ndarray of shape (n_clips, n_columns), float32
            A DataFrame with `keep_rows`, or after ``set_output(transform="pandas")``.

        Raises
        ------
        AudioError
            When a clip cannot be used.
        FusionserError
            When X holds what is no clip, or a waveform whose rate is not known.
        """
        self.check()
        if self._learning():
            check_is_fitted(self, "learned_")
        rows = self.rows(X, sampling_rate)
        learned = {
            name: np.asarray(block.transform(rows), dtype=np.float32)
            for name, block in getattr(self, "learned_", {}).items()
        }
        return self._joined(X, rows, learned)

    def _joined(self, X: Any, rows: pd.DataFrame, learned: Mapping[str, Array]) -> Any:
        if len(rows) == 0:
            raise AudioError("X holds no clips; expected at least one")
        parts = {**self._handcrafted_parts(rows), **learned}
        values = np.concatenate([parts[name] for name, _ in self.blocks], axis=1)
        if not self.keep_rows:
            return values
        index = rows.index
        names = [name for name in self.get_feature_names_out() if "__" in name]
        return pd.concat([_carried(X, index), pd.DataFrame(values, columns=names, index=index)], axis=1)

    def _handcrafted_parts(self, X: Any) -> dict[str, Array]:
        blocks = dict(self._handcrafted())
        if not blocks:
            return {}
        held = self._held(X)
        parts = {name: np.empty((len(X), len(block.names())), dtype=np.float32) for name, block in blocks.items()}
        if held.any():
            for name, block in blocks.items():
                parts[name][held] = taken(X[held], name, block)
        if not held.all():
            rest = X[~held]
            result = compute_clips(rows_of(rest), blocks, cache=Cache.of(self.cache), n_jobs=self.n_jobs, strict=True)
            for name in blocks:
                parts[name][~held] = result.stacked(name)
        return parts

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = bool(self._learning())
        tags.target_tags.required = bool(self._learning())
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.no_validation = True
        return tags


def _objects(result: Extraction, name: str, positions: Sequence[int]) -> npt.NDArray[np.object_]:
    """Return the arrays of some clips as the values of a table's column."""
    arrays = np.empty(len(positions), dtype=object)
    arrays[:] = [result.arrays[name][position] for position in positions]
    return arrays


def _carried(X: Any, index: pd.Index) -> pd.DataFrame:
    given = X if isinstance(X, pd.DataFrame) else pd.DataFrame(index=index)
    return pd.DataFrame(
        {
            name: given[name].astype(object).where(given[name].notna(), "") if name in given else ""
            for name in CARRIED_COLUMNS
        },
        index=index,
    )
