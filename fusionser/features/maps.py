"""Front ends, the inputs of networks: one array per clip, such as a map of bands by frames, all of the same shape."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from fusionser.checks import check_range
from fusionser.errors import SettingsError
from fusionser.facts import Stamp
from fusionser.features.base import ClipTransformer
from fusionser.features.clip import Array, Clip
from fusionser.features.framing import FrameParameters
from fusionser.features.spectrum import FrameSettings, check_mel
from fusionser.registry import BLOCKS, FRONT_ENDS

__all__ = ["BlockVector", "FrontEnd", "LogMelMap", "MFCCMap", "RawWaveform", "front_end"]

LARGEST_MAP = 1 << 24


@dataclass(kw_only=True, eq=False, repr=False)
class FrontEnd(ClipTransformer):
    """A transformer of each clip into an array that a network reads, all of the shape `array_shape`."""

    def array_shape(self) -> tuple[int, ...]:
        """Return the shape of the array of every clip."""
        raise NotImplementedError

    def array_bytes(self) -> int:
        """Return the size of the array of a clip in memory."""
        return 4 * math.prod(self.array_shape())


@dataclass(kw_only=True, eq=False, repr=False)
class ClipMap(FrameParameters, FrontEnd):
    """A map of bands by frames. Clips are padded or cut to `duration`.

    Parameters
    ----------
    duration : float, default=3.0
        Seconds that every clip is padded or cut to.
    n_mels : int, default=128
        Number of mel bands from 0 Hz to `fmax`.
    fmax : float, optional
        Upper limit of the bands in Hz; None is half the sampling rate.
    htk : bool, default=False
        Use the mel scale of HTK instead of Slaney's.
    win_length : int, optional
        Length of the window at the centre of each frame, in samples; None is the whole frame.
    window : {"hann", "hamming"}, default="hann"
        Window that each frame is multiplied by.
    pre_emphasis : float, default=0.0
        Share of the previous sample that is subtracted from each sample, 0 to less than 1.
    """

    duration: float | None = 3.0
    n_mels: int = 128
    fmax: float | None = None
    htk: bool = False
    win_length: int | None = None
    window: str = "hann"
    pre_emphasis: float = 0.0

    def frame_settings(self) -> FrameSettings:
        """Return the checked settings of the frames."""
        return FrameSettings(**{field.name: getattr(self, field.name) for field in fields(FrameSettings)})

    def check(self) -> None:
        """Raise `SettingsError` if a parameter is out of range."""
        super().check()
        check_mel(self.n_mels, self.fmax, self.sampling_rate)
        if self.n_mels * self.n_frames > LARGEST_MAP:
            raise SettingsError(
                f"a map of {self.n_mels} bands by {self.n_frames} frames is larger than {LARGEST_MAP} values; reduce "
                "duration or sampling_rate, or increase hop_length"
            )

    @property
    def n_bands(self) -> int:
        """Number of bands of every map."""
        return self.n_mels

    def array_shape(self) -> tuple[int, ...]:
        """Return the numbers of bands and frames."""
        return (self.n_bands, self.n_frames)

    @property
    def n_frames(self) -> int:
        """Number of frames of every map."""
        return 1 + _samples_of(self) // self.hop_length


@dataclass(kw_only=True, eq=False, repr=False)
class LogMelMap(ClipMap):
    """Log-mel spectrogram in decibels re 1, at most 80 below the clip's peak.

    Examples
    --------
    >>> LogMelMap(n_mels=64, duration=2.0).transform([np.random.default_rng(0).normal(size=9000)]).shape
    (1, 64, 87)
    """

    kind: ClassVar[str] = "log-mel-map"

    def compute(self, clip: Clip) -> Array:
        """Return the map of one clip, shape (n_mels, n_frames)."""
        return self.spectrum(clip).log_mel(self.n_mels, self.fmax, self.htk)


@dataclass(kw_only=True, eq=False, repr=False)
class MFCCMap(ClipMap):
    """Mel-frequency cepstral coefficients, MFCC, of every frame.

    Parameters
    ----------
    n_mfcc : int, default=20
        Number of coefficients, from the zeroth, at most `n_mels`.

    Examples
    --------
    >>> MFCCMap(n_mfcc=13).transform([np.random.default_rng(0).normal(size=9000)]).shape
    (1, 13, 130)
    """

    kind: ClassVar[str] = "mfcc-map"
    n_mfcc: int = 20

    @property
    def n_bands(self) -> int:
        """Number of coefficients of every map."""
        return self.n_mfcc

    def check(self) -> None:
        """Raise `SettingsError` if a parameter is out of range."""
        super().check()
        if not 1 <= self.n_mfcc <= self.n_mels:
            raise SettingsError(f"n_mfcc is {self.n_mfcc}; expected 1 to n_mels = {self.n_mels}")

    def compute(self, clip: Clip) -> Array:
        """Return the map of one clip, shape (n_mfcc, n_frames)."""
        return self.spectrum(clip).mfcc(self.n_mfcc, self.n_mels, self.fmax, self.htk)


@dataclass(kw_only=True, eq=False, repr=False)
class RawWaveform(FrameParameters, FrontEnd):
    """The samples of the waveform themselves.

    Parameters
    ----------
    duration : float, default=3.5
        Seconds that every clip is padded or cut to.

    Examples
    --------
    >>> RawWaveform(sampling_rate=16000).transform([np.random.default_rng(0).normal(size=9000)]).shape
    (1, 56000)
    """

    kind: ClassVar[str] = "raw-waveform"
    duration: float | None = 3.5

    def check(self) -> None:
        """Raise `SettingsError` if a parameter is out of range."""
        super().check()
        check_range("the number of samples", self.array_shape()[0], 1, LARGEST_MAP)

    def framing(self) -> None:
        """Return None, since no spectrum is used."""

    def array_shape(self) -> tuple[int, ...]:
        """Return the number of samples."""
        return (_samples_of(self),)

    def compute(self, clip: Clip) -> Array:
        """Return the samples of one clip, shape (n_samples,)."""
        return clip.waveform(self.clip_settings())


@dataclass(kw_only=True, eq=False, repr=False)
class BlockVector(FrameParameters, FrontEnd):
    """Several handcrafted blocks, end to end in one vector.

    The blocks use their default parameters and share one spectrum of the clip.

    Parameters
    ----------
    blocks : sequence of str, default=("zcr", "chroma", "mfcc", "rms", "mel")
        Keys of `BLOCKS`. The default is the acoustic vector of SER-FusionNet, 162 numbers.
    duration : float, default=2.5
        Seconds that every clip is padded or cut to. None keeps the length of each clip.

    Examples
    --------
    >>> BlockVector().transform([np.random.default_rng(0).normal(size=9000)]).shape
    (1, 162)
    """

    kind: ClassVar[str] = "block-vector"
    duration: float | None = 2.5
    blocks: Sequence[str] = ("zcr", "chroma", "mfcc", "rms", "mel")

    def check(self) -> None:
        """Raise `SettingsError` if a parameter is out of range."""
        super().check()
        if isinstance(self.blocks, str) or not len(self.blocks):
            raise SettingsError(f"blocks is {self.blocks!r}; expected a list of one or more of {', '.join(BLOCKS)}")
        for block in self._blocks():
            block.check()

    def array_shape(self) -> tuple[int, ...]:
        """Return the length of the vector."""
        return (sum(len(block.names()) for block in self._blocks()),)

    def origin(self) -> str:
        """Return the packages that the code comes from, including those of the blocks."""
        return " ".join(filter(None, [super().origin(), *(block.origin() for block in self._blocks())]))

    def made_with(self) -> dict[str, Any]:
        """Return what else decides the numbers of the blocks."""
        made = {block.kind: block.made_with() for block in self._blocks()}
        return {kind: with_what for kind, with_what in made.items() if with_what}

    def stamps(self) -> list[Stamp]:
        """Return what results must say of the blocks."""
        return [stamp for block in self._blocks() for stamp in block.stamps()]

    def _blocks(self) -> list[Any]:
        shared = {name: getattr(self, name) for name in self._parameters() if name != "blocks"}
        kinds = [BLOCKS.named(name) for name in self.blocks]
        return [kind(**{name: shared[name] for name in kind._parameters() if name in shared}) for kind in kinds]

    def compute(self, clip: Clip) -> Array:
        """Return the vector of one clip."""
        return np.concatenate([block.compute(clip) for block in self._blocks()])


def _samples_of(computation: FrameParameters) -> int:
    samples = computation.clip_settings().samples
    if samples is None:
        raise SettingsError("duration is None; expected a number of seconds, so that all arrays have the same size")
    return samples


def front_end(settings: Mapping[str, Any]) -> FrontEnd:
    """Build a front end from the settings that `Computation.settings` returned.

    Raises
    ------
    SettingsError
        If the settings are no mapping, the kind or a parameter is unknown, or a parameter is out of range.

    Examples
    --------
    >>> front_end({"kind": "log-mel-map", "n_mels": 40}).n_mels
    40
    """
    if not isinstance(settings, Mapping):
        raise SettingsError(f"front_end is {settings!r}; expected a table with its kind and parameters")
    parameters = dict(settings)
    kind = str(parameters.pop("kind", None))
    try:
        built: FrontEnd = FRONT_ENDS.named(kind)(**parameters)
    except TypeError as error:
        raise SettingsError(f"front end '{kind}': {error}") from error
    built.check()
    return built
