"""Several blocks from one transform of each clip."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import TransformerMixin
from sklearn.utils.metaestimators import _BaseComposition

from fusionser.errors import AudioError, RowsError, SettingsError, unknown_name
from fusionser.features.base import FeatureBlock
from fusionser.features.blocks import BLOCKS
from fusionser.features.cache import FeatureCache, default_cache
from fusionser.features.extraction import Extraction, Progress, compute_clips, rows_of
from fusionser.rows import AUDIO_COLUMN, CARRIED_COLUMNS, EXTRACTED_COLUMN

__all__ = ["FeatureExtractor"]

Array = npt.NDArray[np.float32]


@dataclass(kw_only=True, eq=False, repr=False)
class FeatureExtractor(TransformerMixin, _BaseComposition):
    """Named blocks side by side; those with equal settings share one transform of the clip.

    Parameters
    ----------
    blocks : list of (str, FeatureBlock)
        The name of a block is the prefix of its columns. Parameters of a block are reached as
        ``name__parameter``. The blocks' own `cache` and `n_jobs` are not used here.
    keep_rows : bool, default=False
        Give a table that also holds the columns ``speaker``, ``source`` and ``augmentation``, for the steps
        that need to know whose clip a row is.
    cache : bool, default=True
        Look features of files up in the cache, and keep them there.
    n_jobs : int, optional
        Processes; -1 is one a core.

    Notes
    -----
    A table that already holds the columns, extracted with the very same settings (its column ``extracted``
    says so), is not analysed again.

    Examples
    --------
    >>> from fusionser.features import MFCC, Chroma
    >>> extractor = FeatureExtractor(blocks=[("mfcc", MFCC()), ("chroma", Chroma())])
    >>> extractor.set_params(mfcc__n_mfcc=13).get_feature_names_out().size
    25
    """

    blocks: Sequence[tuple[str, FeatureBlock]]
    keep_rows: bool = False
    cache: bool = True
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
            raise SettingsError(f"block names must differ; got {', '.join(names)}")
        for _, block in self.blocks:
            block.check()

    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the parameters; nothing is learned."""
        self.check()
        return self

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Return the names of the columns, ``block__name``, after those of the rows that are kept."""
        features = [f"{name}__{column}" for name, block in self.blocks for column in block.names()]
        return np.asarray([*(CARRIED_COLUMNS if self.keep_rows else ()), *features], dtype=object)

    def settings(self) -> list[dict[str, Any]]:
        """Return the blocks as plain JSON values; `from_settings` takes them back."""
        return [{"name": name, **block.settings()} for name, block in self.blocks]

    @classmethod
    def from_settings(cls, settings: Sequence[Mapping[str, Any]]) -> Self:
        """Build an extractor from what `settings` returned.

        Raises
        ------
        SettingsError
            When a block or one of its parameters is unknown.
        """
        blocks = []
        for given in settings:
            params = {key: value for key, value in given.items() if key not in ("kind", "name")}
            kind = str(given.get("kind"))
            if kind not in BLOCKS:
                raise unknown_name("feature block", kind, BLOCKS)
            try:
                blocks.append((str(given.get("name", kind)), BLOCKS[kind](**params)))
            except TypeError as error:
                raise SettingsError(f"feature block '{kind}': {error}") from error
        extractor = cls(blocks=blocks)
        extractor.check()
        return extractor

    def digests(self) -> dict[str, str]:
        """Return the digest of each block's settings, by its name."""
        return {name: block.digest() for name, block in self.blocks}

    def stamp(self) -> str:
        """Return what the column ``extracted`` holds for rows with these blocks."""
        return json.dumps(self.digests(), sort_keys=True)

    def extracted(self, X: Any) -> npt.NDArray[np.bool_]:
        """Tell which rows of a table already hold these very features."""
        if not isinstance(X, pd.DataFrame) or EXTRACTED_COLUMN not in X.columns:
            return np.zeros(len(X), dtype=bool)
        wanted = {name: block.digest() for name, block in self.blocks if block.uses_audio}.items()
        stamps = X[EXTRACTED_COLUMN].fillna("").astype(str)
        held = {stamp: wanted <= _digests_of(stamp).items() for stamp in stamps.unique()}
        return stamps.map(held).to_numpy(dtype=bool)

    def run(
        self,
        X: Any,
        *,
        cache: FeatureCache | None = None,
        n_jobs: int | None = None,
        progress: Progress | None = None,
        strict: bool = False,
    ) -> Extraction:
        """Compute the blocks of every clip, keeping what fails apart; see `compute_clips`."""
        self.check()
        blocks = dict(self.blocks)
        return compute_clips(rows_of(X), blocks, cache=cache, n_jobs=n_jobs, progress=progress, strict=strict)

    def table(self, rows: pd.DataFrame, result: Extraction) -> pd.DataFrame:
        """Return the rows that succeeded, with their features, fingerprint and stamp."""
        usable = [position for position in range(len(rows)) if position not in result.failures]
        plain = [name for name in rows.columns if "__" not in str(name)]
        kept = rows[plain].iloc[usable].reset_index(drop=True)
        values = np.concatenate([result.stacked(name) for name, _ in self.blocks], axis=1)
        names = [f"{name}__{column}" for name, block in self.blocks for column in block.names()]
        marks = pd.DataFrame(
            {
                AUDIO_COLUMN: [result.fingerprints[position] for position in usable],
                EXTRACTED_COLUMN: self.stamp(),
            }
        )
        kept = kept.drop(columns=[AUDIO_COLUMN, EXTRACTED_COLUMN], errors="ignore")
        return pd.concat([kept, marks, pd.DataFrame(values, columns=names)], axis=1)

    def transform(self, X: Any) -> Any:
        """Compute the columns of every clip.

        Parameters
        ----------
        X : DataFrame with a column ``file``, sequence of paths, or waveforms

        Returns
        -------
        ndarray of shape (n_clips, n_columns), float32
            A DataFrame with `keep_rows`, or after ``set_output(transform="pandas")``.

        Raises
        ------
        AudioError
            When a clip cannot be used.
        """
        self.check()
        if len(X) == 0:
            raise AudioError("X holds no clips; expected at least one")
        names = [name for name in self.get_feature_names_out() if "__" in name]
        held = self.extracted(X)
        values = np.empty((len(X), len(names)), dtype=np.float32)
        if held.any():
            values[held] = self._taken(X[held])
        if not held.all():
            rest = X[~held] if isinstance(X, pd.DataFrame) else X
            result = self.run(rest, cache=default_cache() if self.cache else None, n_jobs=self.n_jobs, strict=True)
            values[~held] = np.concatenate([result.stacked(name) for name, _ in self.blocks], axis=1)
        if not self.keep_rows:
            return values
        index = X.index if isinstance(X, pd.DataFrame) else pd.RangeIndex(len(X))
        return pd.concat([_carried(X, index), pd.DataFrame(values, columns=names, index=index)], axis=1)

    def _taken(self, rows: pd.DataFrame) -> Array:
        """Take the columns that a table holds; what follows from the rows alone is computed from them anew."""
        parts = []
        for name, block in self.blocks:
            if block.uses_audio:
                parts.append(_numbers(rows, [f"{name}__{column}" for column in block.names()]))
            else:
                parts.append(compute_clips(rows_of(rows), {name: block}, strict=True).stacked(name))
        return np.concatenate(parts, axis=1)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.no_validation = True
        return tags


def _numbers(rows: pd.DataFrame, columns: list[str]) -> Array:
    missing = [column for column in columns if column not in rows.columns]
    if missing:
        raise RowsError(f"the table says that it holds the feature '{missing[0]}', and does not; extract it again")
    try:
        values = rows[columns].to_numpy(dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise RowsError(f"the table's features are not all numbers ({error}); extract them again") from error
    if not np.isfinite(values).all():
        column = columns[int(np.flatnonzero(~np.isfinite(values).all(axis=0))[0])]
        raise RowsError(f"the table's feature '{column}' holds values that are not finite; extract it again")
    return values


def _digests_of(stamp: str) -> dict[str, str]:
    """Read a stamp; one that nobody here wrote holds nothing, so that its row is analysed anew."""
    try:
        read = json.loads(stamp)
    except ValueError:
        return {}
    if not isinstance(read, dict):
        return {}
    return {key: value for key, value in read.items() if isinstance(value, str)}


def _carried(X: Any, index: pd.Index) -> pd.DataFrame:
    given = X if isinstance(X, pd.DataFrame) else pd.DataFrame(index=index)
    return pd.DataFrame(
        {name: given[name].astype(object) if name in given else "" for name in CARRIED_COLUMNS}, index=index
    )
