"""A clip in memory, and the base class of everything that is computed from a clip."""

import hashlib
import json
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from typing import Any, ClassVar, TypeVar, get_type_hints

import numpy as np
import numpy.typing as npt

from fusionser.audio import ClipSettings, finish, resample
from fusionser.checks import check_finite, check_truth, check_whole
from fusionser.docstrings import DocumentedParameters
from fusionser.facts import Stamp
from fusionser.features.spectrum import FrameSettings, Spectrum, check_cells
from fusionser.isolation import is_isolated
from fusionser.legacy import hashed_settings
from fusionser.levels import Levels, measure_levels
from fusionser.reader import read_row, row_blocks, row_seconds
from fusionser.registry import code_origin
from fusionser.samples import Fingerprint, Waveform, fingerprint
from fusionser.scikit_learn import BaseEstimator
from fusionser.waveform import holds_waveform

__all__ = ["Array", "Clip", "Computation", "plain_value"]

Array = npt.NDArray[np.float32]

KEPT_SECONDS = 120.0
"""Length of a file up to which its samples are kept at their own rate."""

T = TypeVar("T")


class Clip:
    """One row during its analysis: decoded once, prepared once per settings, transformed once per framing.

    The samples of a file of more than `KEPT_SECONDS` are not kept: it is decoded anew for each rate of analysis.

    Parameters
    ----------
    row : mapping
        The row. Its ``file`` or ``waveform`` is read when samples are first requested.

    Examples
    --------
    >>> clip = Clip({"waveform": np.sin(np.arange(8000.0)), "sampling_rate": 8000})
    >>> clip.waveform(ClipSettings(sampling_rate=16000)).shape
    (16000,)
    """

    def __init__(self, row: Mapping[str, Any]) -> None:
        self.row = row
        self._decoded: dict[int | None, tuple[Waveform, int]] = {}
        self._resampled: dict[ClipSettings, Waveform] = {}
        self._prepared: dict[tuple[ClipSettings, int], Waveform] = {}
        self._spectra: dict[tuple[ClipSettings, FrameSettings], Spectrum] = {}
        self._shared: dict[Hashable, Any] = {}
        self._hash = ""

    @property
    def name(self) -> str:
        """Name of the clip in error messages."""
        return str(self.row.get("file", "the clip"))

    @property
    def in_memory(self) -> bool:
        """Whether the row has samples instead of a file."""
        return holds_waveform(self.row)

    @property
    def augmented(self) -> bool:
        """Whether the clip is an augmented copy."""
        text = self.row.get("augmentation")
        return isinstance(text, str) and text != ""

    def samples(self, sampling_rate: int | None = None) -> tuple[Waveform, int]:
        """Return samples and rate: an original at its own rate, an augmented copy at the rate requested."""
        key = sampling_rate if self.augmented else None
        if key not in self._decoded:
            self._decoded[key] = read_row(self.row, sampling_rate)
        return self._decoded[key]

    @cached_property
    def _is_long(self) -> bool:
        """Whether the samples at their own rate are too many to keep: they are decoded again for each use."""
        if self.in_memory or self.augmented or is_isolated():
            return False
        return row_seconds(self.row) > KEPT_SECONDS

    @contextmanager
    def blocks(self, sampling_rate: int | None = None) -> Iterator[tuple[int, Iterator[Waveform]]]:
        """Yield the rate, and the samples that `samples` returns block by block; of a long file, only one at a time."""
        if self._decoded or not self._is_long:
            samples, rate = self.samples(sampling_rate)
            yield rate, self._hashed(rate, iter([samples]))
            return
        with row_blocks(self.row) as (rate, blocks):
            yield rate, self._hashed(rate, blocks)

    def _hashed(self, rate: int, blocks: Iterator[Waveform]) -> Iterator[Waveform]:
        """Pass blocks on, and keep their hash, so that a file need not be decoded once more for it."""
        if self._hash or self.augmented or self.in_memory:
            yield from blocks
            return
        made = Fingerprint(rate)
        for block in blocks:
            made.add(block)
            yield block
        self._hash = made.text()

    @property
    def fingerprint(self) -> str:
        """Hash of the decoded recording. An augmented copy has the hash of its original."""
        if self.augmented:
            return fingerprint(*read_row({**self.row, "augmentation": ""}))
        if self.in_memory:
            return fingerprint(*self.samples())
        if not self._hash:
            with self.blocks() as (_, blocks):
                for _ in blocks:
                    pass
        return self._hash

    def levels(self, sampling_rate: int | None = None) -> Levels:
        """Return the range of the samples, and how many are clipped or zero."""
        return measure_levels(lambda: self.blocks(sampling_rate))

    def waveform(self, settings: ClipSettings, shortest: int = 1) -> Waveform:
        """Return the samples as prepared by `fusionser.audio.prepare`."""
        key = (settings, shortest)
        if key not in self._prepared:
            if settings not in self._resampled:
                with self.blocks(settings.sampling_rate) as (rate, blocks):
                    self._resampled[settings] = resample(blocks, rate, settings, name=self.name)
            self._prepared[key] = finish(self._resampled[settings], settings, shortest=shortest, name=self.name)
        return self._prepared[key]

    def spectrum(self, settings: ClipSettings, frames: FrameSettings) -> Spectrum:
        """Return the spectrum of the prepared waveform, shared by all features with the same settings."""
        key = (settings, frames)
        found = self._spectra.get(key)
        if found is None:
            waveform = self.waveform(settings, frames.n_fft)
            check_cells(waveform.size, frames, self.name)
            found = self._spectra[key] = Spectrum(waveform, frames)
        return found

    def shared(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` returns, which is called once per key."""
        if key not in self._shared:
            self._shared[key] = make()
        made: T = self._shared[key]
        return made

    def take_spectrum(self, settings: ClipSettings, spectrum: Spectrum) -> None:
        """Use a spectrum of the waveform with these settings that was computed elsewhere."""
        self._spectra[settings, spectrum.frames] = spectrum


def plain_value(value: Any) -> Any:
    """Convert a NumPy value, as parameter grids contain, to a JSON value."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be a parameter of a feature")


CHECKS: Mapping[Any, Callable[[str, Any], None]] = {int: check_whole, float: check_finite, bool: check_truth}
"""Checks of a parameter by its type; other types are checked where they are used."""


def _kinds(described: type) -> dict[str, Any]:
    """Return the types of the parameters of a class, by name; none if they cannot be found."""
    try:
        return get_type_hints(described)
    except NameError:
        # A plugin may import a type only for type checkers.
        return {}


class Computation(DocumentedParameters, BaseEstimator):
    """A computation of an array of numbers from a clip, defined by its parameters. Nothing is learned.

    Subclasses are keyword-only dataclasses, so that constructors only store parameters. They set `kind`, their name in
    the registry, and increase `revision` when the same parameters give different numbers.
    """

    kind: ClassVar[str]
    revision: ClassVar[int] = 4
    uses_audio: ClassVar[bool] = True
    unhashed: ClassVar[tuple[str, ...]] = ()
    """Settings that say where something is, and do not decide the numbers."""

    def compute(self, clip: Clip) -> Array:
        """Return the numbers for one clip."""
        raise NotImplementedError

    def compute_batch(self, clips: Sequence[Clip], device: str) -> Sequence[Array]:
        """Return the numbers for each of several clips. Override it where a batch is faster than single clips.

        Parameters
        ----------
        clips : sequence of Clip
        device : str
            Name of the torch device to compute on.

        Raises
        ------
        AudioError
            If any of the clips cannot be used. The caller then computes each clip alone.
        """
        return [self.compute(clip) for clip in clips]

    def framing(self) -> tuple[ClipSettings, FrameSettings] | None:
        """Return the settings of the clip and frames of the spectrum that is used. None if no spectrum is used."""
        return None

    def check(self) -> None:
        """Raise `SettingsError` if a parameter is out of range, or not the kind of number that it must be."""
        for name, kind in _kinds(type(self)).items():
            if kind in CHECKS and name in self._parameters():
                CHECKS[kind](name, getattr(self, name))

    def settings(self) -> dict[str, Any]:
        """Return the parameters that affect the numbers, as JSON values."""
        params = {name: getattr(self, name) for name in self._parameters() if name not in ("cache", "n_jobs")}
        return json.loads(json.dumps({"kind": self.kind, **params}, default=plain_value))

    def origin(self) -> str:
        """Return the package that the code comes from, with its version. Empty for fusionser itself."""
        return code_origin(type(self))

    def made_with(self) -> dict[str, Any]:
        """Return what else decides the numbers, as JSON values: versions of other programs, hashes of weights."""
        return {}

    def row_columns(self) -> list[str]:
        """Return the columns of a table that are read besides those that every row has. None by default."""
        return []

    def stamps(self) -> list[Stamp]:
        """Return what every result with these numbers must say, such as a licence. Empty by default."""
        return []

    @classmethod
    @lru_cache
    def _parameters(cls) -> list[str]:
        # `get_params` reads the signature on every call, which is too slow for every clip.
        return cls._get_param_names()

    def digest(self) -> str:
        """Return a short hash of the settings, and of the revision and origin of the code."""
        code: dict[str, Any] = {"revision": self.revision, **self.made_with()}
        if origin := self.origin():
            code["origin"] = origin
        hashed = {name: value for name, value in hashed_settings(self.settings()).items() if name not in self.unhashed}
        text = json.dumps({**hashed, **code}, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
