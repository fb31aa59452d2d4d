"""Base classes for computations with parameters of the clip and its frames, and for series over frames."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from fusionser.audio import ClipSettings
from fusionser.errors import SettingsError, unknown_name
from fusionser.features.base import FeatureBlock
from fusionser.features.clip import Array, Clip, Computation
from fusionser.features.functionals import FUNCTIONALS, delta, summarise
from fusionser.features.spectrum import FrameSettings, Spectrum

__all__ = ["ClipParameters", "FrameFeature", "FrameParameters", "PartParameters", "accepted", "build_block"]


PART = tuple(field.name for field in fields(ClipSettings))


# Each block asks for its settings at each clip.
@lru_cache(maxsize=64)
def _clip_settings(*values: Any) -> ClipSettings:
    return ClipSettings(**dict(zip(PART, values, strict=True)))


@lru_cache(maxsize=64)
def _frame_settings(sampling_rate: int, n_fft: int, hop_length: int) -> FrameSettings:
    return FrameSettings(sampling_rate=sampling_rate, n_fft=n_fft, hop_length=hop_length)


@dataclass(kw_only=True, eq=False, repr=False)
class PartParameters(Computation):
    """A computation with parameters that choose and prepare a part of the recording.

    A subclass has the rate of the analysis in Hz as its attribute `sampling_rate`.

    Parameters
    ----------
    offset : float, default=0.0
        Seconds to skip at the start of a clip.
    duration : float, optional
        Seconds to keep. Shorter clips are padded with zeros. None keeps the whole clip.
    trim : bool, default=False
        Remove leading and trailing silence (30 dB below the peak).
    denoise : bool, default=False
        Apply a Wiener filter.
    """

    offset: float = 0.0
    duration: float | None = None
    trim: bool = False
    denoise: bool = False

    def clip_settings(self) -> ClipSettings:
        """Return the checked settings of the clip."""
        return _clip_settings(*(getattr(self, name) for name in PART))

    def check(self) -> None:
        """Raise `SettingsError` if a parameter is out of range."""
        super().check()
        self.clip_settings()


@dataclass(kw_only=True, eq=False, repr=False)
class ClipParameters(PartParameters):
    """A computation with the parameters of the clip.

    Parameters
    ----------
    sampling_rate : int, default=22050
        Rate of the analysis in Hz. Files and waveforms with another rate are resampled to it.
    """

    sampling_rate: int = 22050


@dataclass(kw_only=True, eq=False, repr=False)
class FrameParameters(ClipParameters):
    """A computation from the frames of the clip. Computations with the same parameters share one spectrum.

    Parameters
    ----------
    n_fft : int, default=2048
        Length of a frame in samples.
    hop_length : int, default=512
        Distance between frames in samples.
    """

    n_fft: int = 2048
    hop_length: int = 512

    def frame_settings(self) -> FrameSettings:
        """Return the checked settings of the frames."""
        return _frame_settings(self.sampling_rate, self.n_fft, self.hop_length)

    def spectrum(self, clip: Clip) -> Spectrum:
        """Return the spectrum of the clip with these settings."""
        return clip.spectrum(self.clip_settings(), self.frame_settings())

    def framing(self) -> tuple[ClipSettings, FrameSettings] | None:
        """Return the settings of the clip and its frames."""
        return self.clip_settings(), self.frame_settings()

    def check(self) -> None:
        """Raise `SettingsError` if a parameter is out of range."""
        super().check()
        self.frame_settings()


@dataclass(kw_only=True, eq=False, repr=False)
class FrameFeature(FrameParameters, FeatureBlock):
    """A block of series over frames, each summarised by statistics.

    Parameters
    ----------
    statistics : sequence of str, default=("mean",)
        Statistics over the frames, keys of `fusionser.features.FUNCTIONALS`.
    deltas : int, default=0
        1 adds the first derivatives over time, 2 the first and second.
    delta_statistics : sequence of str, optional
        Statistics of the derivatives; None is the same as `statistics`.
    """

    statistics: Sequence[str] = ("mean",)
    deltas: int = 0
    delta_statistics: Sequence[str] | None = None

    def series(self, spectrum: Spectrum) -> npt.NDArray[Any]:
        """Return the series, shape (n_series, n_frames)."""
        raise NotImplementedError

    def series_names(self) -> list[str]:
        """Return the name of each series. A block of one series uses the empty name."""
        return [""]

    def check(self) -> None:
        """Raise `SettingsError` if a parameter is out of range."""
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
        return [
            "_".join(filter(None, (series, order, statistic)))
            for order in ("", "delta", "delta2")[: self.deltas + 1]
            for series in self.series_names()
            for statistic in self._statistics_of(order)
        ]

    def _statistics_of(self, order: str) -> Sequence[str]:
        return self.delta_statistics or self.statistics if order else self.statistics

    def compute(self, clip: Clip) -> Array:
        """Return the columns of one clip."""
        current = np.asarray(self.series(self.spectrum(clip)), dtype=np.float64)
        columns = summarise(current, self.statistics)
        if self.deltas:
            first = delta(current)
            slopes = np.concatenate([first, delta(first)]) if self.deltas == 2 else first
            columns = np.concatenate([columns, summarise(slopes, self._statistics_of("delta"))])
        return columns.astype(np.float32)


def accepted(kind: type[Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that are parameters of a block. Parameters of clips and frames that it lacks are dropped.

    Raises
    ------
    SettingsError
        If a setting is a parameter neither of the block nor of clips and frames.
    """
    # The extractor sets the cache and the number of processes for all its blocks.
    names = [name for name in kind._get_param_names() if name not in ("cache", "n_jobs")]
    if unknown := sorted(set(settings) - {*names, *FrameParameters._get_param_names()}):
        raise unknown_name("clip parameter", unknown[0], names)
    return {name: value for name, value in settings.items() if name in names}


def build_block(kind: type[Any], settings: Mapping[str, Any]) -> Any:
    """Build a block with the settings that it takes, as `accepted` selects them.

    Examples
    --------
    >>> from fusionser.features import MFCC
    >>> build_block(MFCC, {"duration": 2.5}).duration
    2.5
    """
    return kind(**accepted(kind, settings))
