"""What every feature block shares: its clip, its frames, and scikit-learn's contract."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import TransformerMixin

from fusionser.audio import ClipSettings
from fusionser.errors import AudioError, SettingsError
from fusionser.features.cache import default_cache
from fusionser.features.clip import Clip, Computation
from fusionser.features.extraction import compute_clips
from fusionser.features.functionals import FUNCTIONALS, delta, summarise
from fusionser.features.inputs import rows_of
from fusionser.features.spectrum import FrameSettings, Spectrum
from fusionser.rows import ARRAY_MARK
from fusionser.waveform import Rates

__all__ = ["ClipComputation", "FeatureBlock", "FrameFeature"]

Array = npt.NDArray[np.float32]


@dataclass(kw_only=True, eq=False, repr=False)
class ClipComputation(TransformerMixin, Computation):
    """A computation with the parameters of the clip and its frames.

    Parameters
    ----------
    sampling_rate : int, default=22050
        Rate of the analysis in Hz; files, and waveforms of another rate, are resampled to it.
    offset : float, default=0.0
        Seconds to skip at the start of a clip.
    duration : float, optional
        Seconds to keep, shorter clips padded with zeros; None keeps all.
    trim : bool, default=False
        Cut off leading and trailing silence (30 dB below the peak).
    denoise : bool, default=False
        Apply a Wiener filter.
    n_fft, hop_length : int, default=2048, 512
        Frame length, and distance between frames, in samples.
    cache : bool, default=True
        Look features of files up in the cache, and keep them there.
    n_jobs : int, optional
        Processes; -1 is one a core.
    """

    sampling_rate: int = 22050
    offset: float = 0.0
    duration: float | None = None
    trim: bool = False
    denoise: bool = False
    n_fft: int = 2048
    hop_length: int = 512
    cache: bool = True
    n_jobs: int | None = None

    def clip_settings(self) -> ClipSettings:
        """Return the checked settings of the clip."""
        return ClipSettings(
            sampling_rate=self.sampling_rate,
            offset=self.offset,
            duration=self.duration,
            trim=self.trim,
            denoise=self.denoise,
        )

    def frame_settings(self) -> FrameSettings:
        """Return the checked settings of the frames."""
        return FrameSettings(sampling_rate=self.sampling_rate, n_fft=self.n_fft, hop_length=self.hop_length)

    def spectrum(self, clip: Clip) -> Spectrum:
        """Return the clip's spectrum under these settings."""
        return clip.spectrum(self.clip_settings(), self.frame_settings())

    def check(self) -> None:
        """Raise `SettingsError` when a parameter is out of its range."""
        self.clip_settings()
        self.frame_settings()

    def array_shape(self) -> tuple[int, ...]:
        """Return the shape of one clip's array, where it is the same for every clip."""
        raise NotImplementedError

    @property
    def column(self) -> str:
        """Name of the column that holds these arrays where a table carries them, see `ARRAY_MARK`."""
        return f"{ARRAY_MARK}{self.digest()}"

    def compute_all(self, X: Any, sampling_rate: Rates = None) -> Array:
        """Compute every clip of X: from the table where it carries the arrays, else from the cache or the audio.

        Parameters
        ----------
        X, sampling_rate
            See `fusionser.features.inputs`.

        Raises
        ------
        AudioError
            For the first clip that cannot be used.
        """
        return np.stack(self._found(X, sampling_rate, strict=True))

    def compute_usable(self, X: Any) -> list[Array | None]:
        """Compute every clip of X, as `compute_all` does; None for a clip that cannot be used."""
        return self._found(X, None, strict=False)

    def _found(self, X: Any, sampling_rate: Rates, *, strict: bool) -> list[Any]:
        self.check()
        if len(X) == 0:
            raise AudioError("X holds no clips; expected at least one")
        held = np.zeros(len(X), dtype=bool)
        found: list[Any] = [None] * len(X)
        if isinstance(X, pd.DataFrame) and self.column in X:
            found = X[self.column].tolist()
            held = np.array([isinstance(value, np.ndarray) for value in found])
        if not held.all():
            rest = X[~held] if isinstance(X, pd.DataFrame) else X
            result = compute_clips(
                rows_of(rest, sampling_rate, {self.kind: self}),
                {self.kind: self},
                cache=default_cache() if self.cache else None,
                n_jobs=self.n_jobs,
                strict=strict,
            )
            for position, value in zip(np.flatnonzero(~held), result.arrays[self.kind], strict=True):
                found[position] = value
        return found

    def fit(self, X: Any, y: Any = None, *, sampling_rate: Rates = None) -> Self:
        """Check the parameters; nothing is learned."""
        self.check()
        return self

    def fit_transform(self, X: Any, y: Any = None, *, sampling_rate: Rates = None) -> Any:
        """Check the parameters, and compute every clip, see `transform`."""
        return self.fit(X, y).transform(X, sampling_rate=sampling_rate)

    def transform(self, X: Any, *, sampling_rate: Rates = None) -> Any:
        """Compute the array of every clip.

        Parameters
        ----------
        X : DataFrame with a column ``file``, or sequence of paths, waveforms, or pairs (samples, rate)
            Waveforms are arrays of floats from -1 to 1, or of integers; two-dimensional ones have channels.
        sampling_rate : int or sequence of int, optional
            Rate in Hz of waveforms that stand without one, one for all or one a clip. They are taken to have that of
            the analysis when None.

        Returns
        -------
        ndarray of shape (n_clips, ...), float32
            For a block of features (n_clips, n_columns); a DataFrame after ``set_output(transform="pandas")``.

        Raises
        ------
        AudioError
            When a clip cannot be used.
        FusionserError
            When X holds what is no clip.
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
class FeatureBlock(ClipComputation):
    """A block of named columns, one vector a clip. Subclasses say which (`names`, `compute`)."""

    def names(self) -> list[str]:
        """Return the names of the columns within the block."""
        raise NotImplementedError

    def get_feature_names_out(self, input_features: Any = None) -> npt.NDArray[np.object_]:
        """Return the names of the columns, ``block__name``."""
        return np.asarray([f"{self.kind}__{name}" for name in self.names()], dtype=object)


@dataclass(kw_only=True, eq=False, repr=False)
class FrameFeature(FeatureBlock):
    """A block made of series over frames, each summarised by statistics.

    Parameters
    ----------
    statistics : sequence of str, default=("mean",)
        What is taken over the frames; keys of `fusionser.features.FUNCTIONALS`.
    deltas : int, default=0
        1 adds the series' first derivatives over time, 2 the second ones too.
    delta_statistics : sequence of str, optional
        Statistics of the derivatives; the same as `statistics` when None.

    Other parameters are those of `ClipComputation`.
    """

    statistics: Sequence[str] = ("mean",)
    deltas: int = 0
    delta_statistics: Sequence[str] | None = None

    def series(self, spectrum: Spectrum) -> npt.NDArray[Any]:
        """Return the series, shape (n_series, n_frames)."""
        raise NotImplementedError

    def series_names(self) -> list[str]:
        """Return the name of each series; empty for a block of one."""
        raise NotImplementedError

    def check(self) -> None:
        """Raise `SettingsError` when a parameter is out of its range."""
        super().check()
        if not 0 <= self.deltas <= 2:
            raise SettingsError(f"deltas is {self.deltas}; expected 0, 1 or 2")
        for given in (self.statistics, self.delta_statistics or ()):
            if len(set(given)) < len(given) and not isinstance(given, str):
                raise SettingsError(f"statistics are named twice: {', '.join(given)}")
        if not len(self.statistics) or isinstance(self.statistics, str):
            raise SettingsError(
                f"statistics is {self.statistics!r}; expected a list of one or more of {', '.join(FUNCTIONALS)}"
            )

    def names(self) -> list[str]:
        """Return the names of the columns within the block."""
        orders = ["", "delta", "delta2"][: self.deltas + 1]
        names = []
        for order in orders:
            for series in self.series_names():
                names += ["_".join(filter(None, (series, order, one))) for one in self._statistics_of(order)]
        return names

    def _statistics_of(self, order: str) -> Sequence[str]:
        return self.delta_statistics or self.statistics if order else self.statistics

    def compute(self, clip: Clip) -> Array:
        """Return the columns for one clip."""
        current = np.asarray(self.series(self.spectrum(clip)), dtype=np.float64)
        columns = summarise(current, self.statistics)
        if self.deltas:
            slopes = [delta(current)]
            if self.deltas == 2:
                slopes.append(delta(slopes[0]))
            columns = np.concatenate([columns, summarise(np.concatenate(slopes), self._statistics_of("delta"))])
        return columns.astype(np.float32)


def gender_of(row: Mapping[str, Any]) -> str:
    """Return the gender that a row gives, or raise `AudioError` when it gives none."""
    gender = row.get("gender")
    if gender in ("male", "female"):
        return str(gender)
    raise AudioError(
        f"{row.get('file', 'the clip')}: the block 'gender' needs 'female' or 'male' in the column 'gender', got "
        f"{'nothing' if gender is None or pd.isna(gender) or gender == '' else repr(gender)}; fill it, or leave "
        "the block out"
    )
