"""Two-dimensional maps for networks: one array of bands by frames a clip, all of one size."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.base import TransformerMixin

from fusionser.errors import SettingsError
from fusionser.features.base import ClipComputation
from fusionser.features.checks import check_mel
from fusionser.features.clip import Clip

__all__ = ["LogMelMap", "MFCCMap"]

Array = npt.NDArray[np.float32]


@dataclass(kw_only=True, eq=False, repr=False)
class ClipMap(TransformerMixin, ClipComputation, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """A map of bands by frames; clips are padded or cut to `duration`."""

    duration: float | None = 3.0
    n_mels: int = 128
    fmax: float | None = None

    def check(self) -> None:
        """Raise `SettingsError` when a parameter is out of its range."""
        super().check()
        check_mel(self.n_mels, self.fmax, self.sampling_rate)
        if self.duration is None:
            raise SettingsError("duration is None; a map needs a number of seconds, so that all have one size")

    @property
    def n_frames(self) -> int:
        """Number of frames of every map."""
        samples = self.clip_settings().samples
        assert samples is not None  # noqa: S101
        return 1 + samples // self.hop_length

    def transform(self, X: Any) -> Array:
        """Compute the map of every clip.

        Parameters
        ----------
        X : DataFrame with a column ``file``, sequence of paths, or waveforms

        Returns
        -------
        ndarray of shape (n_clips, n_bands, n_frames), float32

        Raises
        ------
        AudioError
            When a clip cannot be used.
        """
        return self.compute_all(X)


@dataclass(kw_only=True, eq=False, repr=False)
class LogMelMap(ClipMap):
    """Log-mel spectrogram in decibels re 1, at most 80 below the clip's peak.

    Parameters
    ----------
    n_mels : int, default=128
        Number of bands, from 0 Hz to `fmax`.
    fmax : float, optional
        Upper end in Hz; half the sampling rate when None.
    duration : float, default=3.0
        Seconds that every clip is padded or cut to.

    Examples
    --------
    >>> LogMelMap(n_mels=64, duration=2.0).transform([np.random.default_rng(0).normal(size=9000)]).shape
    (1, 64, 87)
    """

    kind: ClassVar[str] = "log-mel-map"

    def compute(self, clip: Clip) -> Array:
        """Return the map of one clip, shape (n_mels, n_frames)."""
        return self.spectrum(clip).log_mel(self.n_mels, self.fmax)


@dataclass(kw_only=True, eq=False, repr=False)
class MFCCMap(ClipMap):
    """Mel-frequency cepstral coefficients of every frame.

    Parameters
    ----------
    n_mfcc : int, default=20
        Number of coefficients, from the zeroth.
    n_mels, fmax, duration
        As in `LogMelMap`.

    Examples
    --------
    >>> MFCCMap(n_mfcc=13).transform([np.random.default_rng(0).normal(size=9000)]).shape
    (1, 13, 130)
    """

    kind: ClassVar[str] = "mfcc-map"
    n_mfcc: int = 20

    def check(self) -> None:
        """Raise `SettingsError` when a parameter is out of its range."""
        super().check()
        if not 1 <= self.n_mfcc <= self.n_mels:
            raise SettingsError(f"n_mfcc is {self.n_mfcc}; expected 1 to n_mels = {self.n_mels}")

    def compute(self, clip: Clip) -> Array:
        """Return the map of one clip, shape (n_mfcc, n_frames)."""
        return self.spectrum(clip).mfcc(self.n_mfcc, self.n_mels, self.fmax)
