"""Several feature blocks, computed from one transform of each clip."""

from collections.abc import Mapping, Sequence
from copy import copy
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
from fusionser.facts import Stamp
from fusionser.features.base import FeatureBlock
from fusionser.features.extraction import Extraction
from fusionser.features.inputs import table_of
from fusionser.features.learned import LearnedBlock, columns_of
from fusionser.features.table import FeatureTable
from fusionser.legacy import current_settings
from fusionser.memory import check_memory_limit
from fusionser.registry import BLOCKS, NETWORKS
from fusionser.rows import CARRIED_COLUMNS, VOTES_COLUMN
from fusionser.splits.validation_rows import given_validation
from fusionser.waveform import Rates

__all__ = ["FeatureExtractor"]

Array = npt.NDArray[np.float32]


@dataclass(kw_only=True, eq=False, repr=False)
class FeatureExtractor(TransformerMixin, _BaseComposition):
    """Named blocks side by side (early fusion). Blocks with equal settings share one transform of the clip.

    Parameters
    ----------
    blocks : list of (str, FeatureBlock or LearnedBlock)
        A block's name is the prefix of its columns. Its parameters can be set as ``name__parameter``. The blocks' own
        `cache` and `n_jobs` are ignored. Learned blocks (deep extractors, the estimated gender) are cloned and fitted
        to the rows passed to `fit`.
    keep_rows : bool, default=False
        Return a table that also has the columns ``speaker``, ``source``, ``augmentation`` and ``corpus``, for steps
        that need to know where a row comes from, and the votes of raters if it was fitted to any.
    cache : Cache or bool, default=True
        Where features of files and the networks of learned blocks are cached. True is the default cache, False none.
    n_jobs : int, optional
        Number of processes; -1 means one per core.
    memory_limit : int or str, optional
        Largest size of the inputs of networks that are kept in memory, as a number of bytes or as text such as "4GiB".
        Larger ones are on disk, in the folder of the cache, and are read where they are used; results do not change.
        When None, an eighth of the memory that is free. The blocks' own limits are ignored.

    Attributes
    ----------
    learned_ : dict of str to LearnedBlock
        The fitted learned blocks.
    carried_ : tuple of str
        The row columns that `keep_rows` adds.

    Notes
    -----
    For a cross-fitted block, `fit_transform` differs from `fit` followed by `transform`: it returns out-of-fold values
    for the training rows.

    Rows of a table that already has the columns, extracted with exactly the same settings according to its column
    ``extracted``, are not analysed again.

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
    memory_limit: int | str | None = None

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, including those of the blocks."""
        return self._get_params("blocks", deep=deep)

    def set_params(self, **params: Any) -> Self:
        """Set parameters. Those of blocks are named ``name__parameter``."""
        self._set_params("blocks", **params)
        return self

    def check(self) -> None:
        """Raise `SettingsError` if there is no block, a name is used twice, or a parameter is invalid."""
        check_memory_limit(self.memory_limit)
        names = [name for name, _ in self._named_blocks()]
        if not names:
            raise SettingsError(f"the extractor has no blocks; choose from {', '.join(BLOCKS)}")
        for name in names:
            if not name or not name.isprintable() or "__" in name:
                raise SettingsError(f"a block's name is {name!r}; expected printable characters, without '__'")
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise SettingsError(f"block names must differ, but '{twice[0]}' is used twice; got {', '.join(names)}")
        for _, block in self.blocks:
            block.check()

    def _named_blocks(self) -> Sequence[tuple[str, FeatureBlock | LearnedBlock]]:
        """Return the blocks; raise `SettingsError` if they are not pairs of a name and a block."""
        for entry in self.blocks if isinstance(self.blocks, list | tuple) else [self.blocks]:
            pair = isinstance(entry, tuple | list) and len(entry) == 2 and isinstance(entry[0], str)
            if not pair or not isinstance(entry[1], FeatureBlock | LearnedBlock):
                raise SettingsError(
                    f"an entry of blocks is {entry!r}; expected pairs of a name and a block, such as ('mfcc', MFCC()). "
                    "A preset is a function, such as fusionser.robust()"
                )
        return self.blocks

    def table(self, X: Any, sampling_rate: Rates = None) -> FeatureTable:
        """Return X as a table of this extractor's features. `fusionser.features.inputs` describes X."""
        blocks = {name: block for name, block in self.blocks if isinstance(block, FeatureBlock)}
        front_ends = {name: block.resolved_front_end() for name, block in self._learning()}
        return FeatureTable(table_of(X, sampling_rate, {**blocks, **front_ends}), blocks, front_ends.values())

    def run(self, X: Any, **options: Any) -> Extraction:
        """Compute everything that needs no training, and record failed clips. Options are those of the table."""
        self.check()
        return self.table(X).compute(**options)

    def fit(self, X: Any, y: Any = None, *, sampling_rate: Rates = None) -> Self:
        """Check the parameters, and fit the learned blocks, if any, to the rows and labels."""
        self.check()
        self.carried_ = _carried(X)
        rows = self.table(X, sampling_rate).rows if self._learning() else None
        self.learned_ = {name: self._own(block).fit(rows, y) for name, block in self._learning()}
        return self

    def fit_transform(self, X: Any, y: Any = None, *, sampling_rate: Rates = None) -> Any:
        """Fit, and compute the columns of the training rows; those of a cross-fitted block are out of fold."""
        table, result = self._computed(X, sampling_rate)
        self.carried_ = _carried(X)
        self.learned_ = {name: self._own(block) for name, block in self._learning()}
        if (given := given_validation()) is not None:
            given.passes(self.transform, first=True)
        fed = table.fed(result)
        learned = {name: block.fit_transform(fed, y) for name, block in self.learned_.items()}
        return self._output(X, table, self._joined(table, result, learned))

    def transform(self, X: Any, *, sampling_rate: Rates = None) -> Any:
        """Compute the columns of every clip.

        Parameters
        ----------
        X : DataFrame with a column ``file``, or sequence of paths, waveforms, or pairs (samples, rate)
            Waveforms are arrays of floats from -1 to 1, or of integers. Two-dimensional ones have channels.
        sampling_rate : int or sequence of int, optional
            Rate in Hz of waveforms without one: a single number, or one per clip. If None, the rate of the analysis
            is assumed, which all blocks and front ends must then share.

        Returns
        -------
        ndarray of shape (n_clips, n_columns), float32
            A DataFrame with `keep_rows`, or after ``set_output(transform="pandas")``.

        Raises
        ------
        AudioError
            If a clip cannot be used.
        FusionserError
            If an item of X is not a clip, or the rate of a waveform is unknown.
        """
        if self._learning():
            check_is_fitted(self, "learned_")
        table, result = self._computed(X, sampling_rate)
        return self._output(X, table, self.columns(table, result))

    def held_columns(self, X: pd.DataFrame) -> Any:
        """Return what `transform` does for rows that have all columns already, much faster.

        Parameters
        ----------
        X : DataFrame
            Rows whose column ``extracted`` was checked before: it is not read.

        Raises
        ------
        AudioError, RowsError
            If a value of a row cannot be used.
        """
        table = self.table(X)
        return self._output(X, table, table.held_values())

    @property
    def adapts(self) -> bool:
        """Whether any block can be adapted."""
        return any(block.adapts for _, block in self._learning())

    def adapted(self, X: Any) -> Self:
        """Return a copy whose networks are adapted to unlabelled clips, see `DeepExtractor.adapted`.

        Parameters
        ----------
        X : DataFrame with a column ``file``, or sequence of paths, waveforms, or pairs (samples, rate)

        Raises
        ------
        AudioError
            If a clip cannot be used.
        """
        if not self._learning():
            return self
        check_is_fitted(self, "learned_")
        table, result = self._computed(X, None)
        fed, copied = table.fed(result), copy(self)
        copied.learned_ = {name: block.adapted(fed) for name, block in self.learned_.items()}
        return copied

    def columns(self, table: FeatureTable, result: Extraction) -> Array:
        """Return the columns of the rows that succeeded, as `transform` does when none fails."""
        fitted: dict[str, LearnedBlock] = getattr(self, "learned_", {})
        fed = table.fed(result) if fitted else table.rows
        return self._joined(table, result, {name: block.transform(fed) for name, block in fitted.items()})

    def _computed(self, X: Any, sampling_rate: Rates) -> tuple[FeatureTable, Extraction]:
        """Return the table of X, and everything that needs no training."""
        self.check()
        table = self.table(X, sampling_rate)
        if len(table.rows) == 0:
            raise AudioError("X holds no clips; expected at least one")
        options: dict[str, Any] = {"memory_limit": self.memory_limit, "n_jobs": self.n_jobs, "strict": True}
        return table, table.compute(cache=Cache.of(self.cache), **options)

    def _joined(self, table: FeatureTable, result: Extraction, learned: Mapping[str, Any]) -> Array:
        parts = {**{name: block.checked(result.stacked(name)) for name, block in table.blocks.items()}, **learned}
        return np.concatenate([np.asarray(parts[name], dtype=np.float32) for name, _ in self.blocks], axis=1)

    def _output(self, X: Any, table: FeatureTable, values: Array) -> Any:
        if not self.keep_rows:
            return values
        carried = self._carried_names()
        names = self.get_feature_names_out()[len(carried) :]
        features = pd.DataFrame(values, columns=names, index=table.rows.index)
        return pd.concat([columns_of(X, dict.fromkeys(carried, "")), features], axis=1)

    def _carried_names(self) -> tuple[str, ...]:
        # Without learned blocks, an extractor needs no fit.
        return getattr(self, "carried_", CARRIED_COLUMNS)

    def _own(self, block: LearnedBlock) -> LearnedBlock:
        """Return a clone that uses this extractor's cache, processes and limit of memory."""
        cache = Cache.of(self.cache)
        front_end = clone(block.resolved_front_end()).set_params(cache=cache, n_jobs=self.n_jobs)
        shared = {"cache": cache, "memory_limit": self.memory_limit}
        taken = block.get_params(deep=False).keys() & shared
        return clone(block).set_params(front_end=front_end, **{name: shared[name] for name in taken})

    def _learning(self) -> list[tuple[str, LearnedBlock]]:
        return [(name, block) for name, block in self.blocks if isinstance(block, LearnedBlock)]

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Return the names of the columns, ``block__name``, after those that `keep_rows` adds."""
        fitted = getattr(self, "learned_", {})
        features = [
            f"{name}__{column}" for name, block in self._named_blocks() for column in fitted.get(name, block).names()
        ]
        return np.asarray([*(self._carried_names() if self.keep_rows else ()), *features], dtype=object)

    def column_count(self, n_classes: int) -> int:
        """Return the number of feature columns for a number of classes."""
        return sum(
            block.column_count(n_classes) if isinstance(block, LearnedBlock) else len(block.names())
            for _, block in self.blocks
        )

    def settings(self) -> list[dict[str, Any]]:
        """Return the blocks as plain JSON values, for `from_settings`."""
        return [{"name": name, **block.settings()} for name, block in self.blocks]

    @classmethod
    def from_settings(cls, settings: Sequence[Mapping[str, Any]]) -> Self:
        """Build an extractor from the value of `settings`.

        Parameters
        ----------
        settings : sequence of mapping

        Raises
        ------
        SettingsError
            If a block or one of its parameters is unknown.
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

    def stamps(self) -> list[Stamp]:
        """Return what every result and model with these blocks must say, such as licences; each once."""
        stamps: list[Stamp] = []
        for stamp in (stamp for _, block in self.blocks for stamp in block.stamps()):
            if stamp not in stamps:
                stamps.append(stamp)
        return stamps

    def digests(self) -> dict[str, str]:
        """Return the digest of the settings of each handcrafted block, by name."""
        return {name: block.digest() for name, block in self.blocks if isinstance(block, FeatureBlock)}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = bool(self._learning())
        tags.target_tags.required = bool(self._learning())
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.no_validation = True
        return tags


def _carried(X: Any) -> tuple[str, ...]:
    """Return the row columns that pass through a pipeline fitted to X: the votes of raters only if there are any."""
    voted = isinstance(X, pd.DataFrame) and VOTES_COLUMN in X
    return (*CARRIED_COLUMNS, *((VOTES_COLUMN,) if voted else ()))
