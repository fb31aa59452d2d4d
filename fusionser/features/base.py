"""Base classes of all feature blocks and front ends, as scikit-learn transformers of clips."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from fusionser.cache import Cache, CacheChoice
from fusionser.errors import AudioError, SettingsError
from fusionser.features.clip import Array, Computation
from fusionser.features.extraction import Extraction, compute_clips
from fusionser.features.inputs import rows_of
from fusionser.rows import ARRAY_MARK
from fusionser.scikit_learn import TransformerMixin
from fusionser.waveform import Rates

__all__ = ["ClipTransformer", "FeatureBlock"]


@dataclass(kw_only=True, eq=False, repr=False)
class ClipTransformer(TransformerMixin, Computation):
    """A computation as a scikit-learn transformer of tables, paths and waveforms, with a cache.

    Parameters
    ----------
    cache : Cache or bool, default=True
        Cache of the features of files. True is the default cache, False is none.
    n_jobs : int, optional
        Number of processes; -1 is one per core.
    """

    cache: CacheChoice = True
    n_jobs: int | None = None

    @property
    def column(self) -> str:
        """Name of the column that holds these arrays in a table: `ARRAY_MARK` and the digest."""
        return f"{ARRAY_MARK}{self.digest()}"

    def compute_all(self, X: Any, sampling_rate: Rates = None) -> Array:
        """Return the array of every clip of X as `transform` does, but never as a DataFrame."""
        return self._extraction(X, sampling_rate, strict=True).stacked(self.kind)

    def compute_on_disk(self, X: Any) -> list[Array]:
        """Return the array of every clip of X; those that X does not hold are read from disk where they are used."""
        arrays = self._extraction(X, None, strict=True, on_disk=True).arrays[self.kind]
        return [np.asarray(array) for array in arrays]

    def compute_usable(self, X: Any, *, on_disk: bool = False) -> list[Array | None]:
        """Return the array of every clip of X, in memory or on disk, and None for a clip that cannot be used."""
        return self._extraction(X, None, strict=False, on_disk=on_disk).arrays[self.kind]

    def _extraction(self, X: Any, sampling_rate: Rates, *, strict: bool, on_disk: bool = False) -> Extraction:
        self.check()
        wanted = {self.kind: self}
        rows = rows_of(X, sampling_rate, wanted)
        if not rows:
            raise AudioError("X holds no clips; expected at least one")
        held = None
        if isinstance(X, pd.DataFrame) and self.column in X:
            held = [{self.kind: value} if isinstance(value, np.ndarray) else {} for value in X[self.column]]
        return compute_clips(
            rows,
            wanted,
            held=held,
            cache=Cache.of(self.cache),
            n_jobs=self.n_jobs,
            strict=strict,
            on_disk=wanted if on_disk else (),
        )

    def fit(self, X: Any, y: Any = None, *, sampling_rate: Rates = None) -> Self:
        """Check the parameters. Nothing is learned."""
        self.check()
        return self

    def fit_transform(self, X: Any, y: Any = None, *, sampling_rate: Rates = None) -> Any:
        """Check the parameters and compute the array of every clip, as `transform` does."""
        return self.fit(X, y).transform(X, sampling_rate=sampling_rate)

    def transform(self, X: Any, *, sampling_rate: Rates = None) -> Any:
        """Compute the array of every clip, or take it from the table or the cache.

        Parameters
        ----------
        X : DataFrame with a column ``file``, or sequence of paths, waveforms, or pairs (samples, rate)
            Waveforms are arrays of floats from -1 to 1, or of integers. Two-dimensional arrays have channels.
        sampling_rate : int or sequence of int, optional
            Rate in Hz of waveforms that are passed without one: one for all, or one per clip. None is the rate of the
            analysis.

        Returns
        -------
        ndarray of shape (n_clips, ...), float32
            Shape (n_clips, n_columns) for a block. A DataFrame after ``set_output(transform="pandas")``.

        Raises
        ------
        AudioError
            If a clip cannot be used.
        FusionserError
            If an item of X is not a clip.
        """
        return self.compute_all(X, sampling_rate)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.no_validation = True
        return tags


@dataclass(kw_only=True, eq=False, repr=False)
class FeatureBlock(ClipTransformer):
    """A block of named columns, one vector per clip.

    Subclasses set `kind` and implement `names` and `compute`. A block with its own parameters is a keyword-only
    dataclass. A parameter `sampling_rate` is the rate of the analysis, and of waveforms passed without a rate. Base
    classes for blocks that use a spectrum are in `fusionser.features.framing`.

    Examples
    --------
    >>> class Peak(FeatureBlock):
    ...     kind = "peak"
    ...     def names(self):
    ...         return ["absolute"]
    ...     def compute(self, clip):
    ...         samples, rate = clip.samples()
    ...         return np.abs(samples).max(keepdims=True)
    >>> Peak().transform([(np.array([0.25, -0.75, 0.5]), 16000)]).tolist()
    [[0.75]]
    """

    def names(self) -> list[str]:
        """Return the names of the columns within the block."""
        raise NotImplementedError

    def compute_all(self, X: Any, sampling_rate: Rates = None) -> Array:
        """Return the columns of every clip of X, as `ClipTransformer.compute_all` does."""
        return self.checked(super().compute_all(X, sampling_rate))

    def of_table(self, rows: pd.DataFrame) -> Array:
        """Return the columns of rows whose table has all that the block reads, as `transform` does."""
        return self.compute_all(rows)

    def checked(self, values: Array) -> Array:
        """Return the columns unchanged. Raise `SettingsError` if their number differs from that of the names."""
        expected = len(self.names())
        if values.shape[1:] != (expected,):
            raise SettingsError(
                f"compute of the block '{self.kind}' returned arrays of shape {values.shape[1:]}; expected "
                f"({expected},), one number for each name"
            )
        return values

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Return the names of the columns, ``block__name``."""
        return np.asarray([f"{self.kind}__{name}" for name in self.names()], dtype=object)
