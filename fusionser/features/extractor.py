"""Several blocks from one transform of each clip."""

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
from fusionser.features.base import FeatureBlock
from fusionser.features.extraction import Extraction
from fusionser.features.inputs import table_of
from fusionser.features.learned import LearnedBlock
from fusionser.features.table import FeatureTable
from fusionser.legacy import current_settings
from fusionser.registry import BLOCKS, NETWORKS
from fusionser.rows import CARRIED_COLUMNS
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

    def table(self, X: Any, sampling_rate: Rates = None) -> FeatureTable:
        """Return X as rows of which this extractor knows what they hold, see `fusionser.features.inputs` for X."""
        blocks = {name: block for name, block in self.blocks if isinstance(block, FeatureBlock)}
        front_ends = {name: block.resolved_front_end() for name, block in self._learning()}
        return FeatureTable(table_of(X, sampling_rate, {**blocks, **front_ends}), blocks, front_ends.values())

    def run(self, X: Any, **options: Any) -> Extraction:
        """Compute what needs no training for every clip, keeping what fails apart; see `FeatureTable.compute`."""
        self.check()
        return self.table(X).compute(**options)

    def fit(self, X: Any, y: Any = None, *, sampling_rate: Rates = None) -> Self:
        """Check the parameters, and fit the blocks that learn, where there are any, to the rows and labels."""
        self.check()
        learning = self._learning()
        rows = self.table(X, sampling_rate).rows if learning else None
        self.learned_ = {name: self._own(block).fit(rows, y) for name, block in learning}
        return self

    def fit_transform(self, X: Any, y: Any = None, *, sampling_rate: Rates = None) -> Any:
        """Fit, and compute the columns of the training rows; a cross-fitted block answers for them out of fold."""
        table, result = self._computed(X, sampling_rate)
        self.learned_ = {name: self._own(block) for name, block in self._learning()}
        fed = table.fed(result)
        learned = {name: block.fit_transform(fed, y) for name, block in self.learned_.items()}
        return self._output(X, table, self._joined(table, result, learned))

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
        if self._learning():
            check_is_fitted(self, "learned_")
        table, result = self._computed(X, sampling_rate)
        return self._output(X, table, self.columns(table, result))

    def columns(self, table: FeatureTable, result: Extraction) -> Array:
        """Return the columns of the rows that succeeded, as `transform` does when all have."""
        fitted: dict[str, LearnedBlock] = getattr(self, "learned_", {})
        fed = table.fed(result) if fitted else table.rows
        return self._joined(table, result, {name: block.transform(fed) for name, block in fitted.items()})

    def _computed(self, X: Any, sampling_rate: Rates) -> tuple[FeatureTable, Extraction]:
        """Return the rows, and all of them that needs no training."""
        self.check()
        table = self.table(X, sampling_rate)
        if len(table.rows) == 0:
            raise AudioError("X holds no clips; expected at least one")
        return table, table.compute(cache=Cache.of(self.cache), n_jobs=self.n_jobs, strict=True)

    def _joined(self, table: FeatureTable, result: Extraction, learned: Mapping[str, Any]) -> Array:
        parts = {name: block.checked(result.stacked(name)) for name, block in table.blocks.items()}
        parts.update({name: np.asarray(values, dtype=np.float32) for name, values in learned.items()})
        return np.concatenate([parts[name] for name, _ in self.blocks], axis=1)

    def _output(self, X: Any, table: FeatureTable, values: Array) -> Any:
        if not self.keep_rows:
            return values
        index = table.rows.index
        names = [name for name in self.get_feature_names_out() if "__" in name]
        return pd.concat([_carried(X, index), pd.DataFrame(values, columns=names, index=index)], axis=1)

    def _own(self, block: LearnedBlock) -> LearnedBlock:
        """Return a clone that looks for what it is fed, and what it has learned, where this extractor does."""
        cache = Cache.of(self.cache)
        front_end = clone(block.resolved_front_end()).set_params(cache=cache, n_jobs=self.n_jobs)
        kept = {"cache": cache} if "cache" in block.get_params(deep=False) else {}
        fitting: LearnedBlock = clone(block).set_params(front_end=front_end, **kept)
        return fitting

    def _learning(self) -> list[tuple[str, LearnedBlock]]:
        return [(name, block) for name, block in self.blocks if isinstance(block, LearnedBlock)]

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
        return {name: block.digest() for name, block in self.blocks if isinstance(block, FeatureBlock)}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = bool(self._learning())
        tags.target_tags.required = bool(self._learning())
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.no_validation = True
        return tags


def _carried(X: Any, index: pd.Index) -> pd.DataFrame:
    given = X if isinstance(X, pd.DataFrame) else pd.DataFrame(index=index)
    return pd.DataFrame(
        {
            name: given[name].astype(object).where(given[name].notna(), "") if name in given else ""
            for name in CARRIED_COLUMNS
        },
        index=index,
    )
