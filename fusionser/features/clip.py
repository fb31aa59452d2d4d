"""A clip in memory, and what every transformer of clips has in common."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from fusionser.audio import ClipSettings, Waveform, fingerprint, prepare
from fusionser.docstrings import DocumentedParameters
from fusionser.features.spectrum import FrameSettings, Spectrum
from fusionser.legacy import hashed_settings
from fusionser.reader import read_row
from fusionser.registry import code_origin
from fusionser.waveform import holds_waveform

__all__ = ["Clip", "Computation", "plain_value"]


class Clip:
    """One row while it is analysed: decoded once, prepared once per settings, transformed once per framing.

    Parameters
    ----------
    row : mapping
        The row; its ``file``, or its ``waveform``, is read when samples are first asked for.

    Examples
    --------
    >>> clip = Clip({"waveform": np.sin(np.arange(8000.0)), "sampling_rate": 8000})
    >>> clip.waveform(ClipSettings(sampling_rate=16000)).shape
    (16000,)
    """

    def __init__(self, row: Mapping[str, Any]) -> None:
        self.row = row
        self._decoded: dict[int | None, tuple[Waveform, int]] = {}
        self._prepared: dict[tuple[ClipSettings, int], Waveform] = {}
        self._spectra: dict[tuple[ClipSettings, FrameSettings], Spectrum] = {}

    @property
    def name(self) -> str:
        """What errors call the clip."""
        return str(self.row.get("file", "the clip"))

    @property
    def in_memory(self) -> bool:
        """Whether the row has samples in place of a file."""
        return holds_waveform(self.row)

    @property
    def _augmented(self) -> bool:
        text = self.row.get("augmentation")
        return isinstance(text, str) and text != ""

    def samples(self, sampling_rate: int | None = None) -> tuple[Waveform, int]:
        """Return the samples of an original, and their own rate; a copy is made, and given, at the rate asked for."""
        key = sampling_rate if self._augmented else None
        if key not in self._decoded:
            self._decoded[key] = read_row(self.row, sampling_rate)
        return self._decoded[key]

    @property
    def fingerprint(self) -> str:
        """Hash of the decoded recording; an augmented copy has its original's."""
        if self._augmented:
            return fingerprint(*read_row({**self.row, "augmentation": ""}))
        return fingerprint(*self.samples())

    def waveform(self, settings: ClipSettings, shortest: int = 1) -> Waveform:
        """Return the waveform to analyse, see `fusionser.audio.prepare`."""
        key = (settings, shortest)
        if key not in self._prepared:
            samples, rate = self.samples(settings.sampling_rate)
            self._prepared[key] = prepare(samples, rate, settings, shortest=shortest, name=self.name)
        return self._prepared[key]

    def spectrum(self, settings: ClipSettings, frames: FrameSettings) -> Spectrum:
        """Return the spectrum of that waveform, shared by every feature with the same settings."""
        key = (settings, frames)
        if key not in self._spectra:
            self._spectra[key] = Spectrum(self.waveform(settings, frames.n_fft), frames)
        return self._spectra[key]

    def take_spectrum(self, settings: ClipSettings, spectrum: Spectrum) -> None:
        """Use a spectrum that was made elsewhere, of the waveform under these settings."""
        self._spectra[settings, spectrum.frames] = spectrum


def plain_value(value: Any) -> Any:
    """Turn what NumPy puts into a grid of parameters into what JSON knows."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be a parameter of a feature")


class Computation(DocumentedParameters, BaseEstimator):
    """What turns a clip into an array of numbers, by parameters alone: nothing is learned.

    Subclasses are keyword-only dataclasses, so that their constructors store and do no more. They set
    `kind`, their name in the registry, and raise `revision` whenever the same parameters give other numbers.
    """

    kind: ClassVar[str]
    revision: ClassVar[int] = 4
    uses_audio: ClassVar[bool] = True

    def compute(self, clip: Clip) -> npt.NDArray[np.float32]:
        """Return the numbers for one clip."""
        raise NotImplementedError

    def compute_batch(self, clips: Sequence[Clip], device: str) -> Sequence[npt.NDArray[np.float32]]:
        """Return the numbers for each of several clips; to be overridden by what computes many at once faster.

        Parameters
        ----------
        clips : sequence of Clip
        device : str
            Where to compute, as torch names it.

        Raises
        ------
        AudioError
            When any of the clips cannot be used; each is then computed alone.
        """
        return [self.compute(clip) for clip in clips]

    def framing(self) -> tuple[ClipSettings, FrameSettings] | None:
        """Return the settings of the clip and of the frames whose spectrum this is computed from; None without one."""
        return None

    def check(self) -> None:
        """Raise `SettingsError` when a parameter is out of its range."""

    def settings(self) -> dict[str, Any]:
        """Return the parameters that decide the numbers, as plain JSON values."""
        params = {name: getattr(self, name) for name in self._parameters() if name not in ("cache", "n_jobs")}
        plain: dict[str, Any] = json.loads(json.dumps({"kind": self.kind, **params}, default=plain_value))
        return plain

    def origin(self) -> str:
        """Return which package the code comes from, and its version; "" for fusionser itself."""
        return self._origin()

    @classmethod
    @lru_cache
    def _parameters(cls) -> list[str]:
        """Return the parameters' names, read once; `get_params` reads the signature anew for every clip."""
        names: list[str] = cls._get_param_names()
        return names

    @classmethod
    @lru_cache
    def _origin(cls) -> str:
        """Look the origin up once: packages are listed slowly, and digests are asked for often."""
        return code_origin(cls)

    def digest(self) -> str:
        """Return a short hash of the settings, and of the revision and the origin of the code."""
        origin = self.origin()
        code = {"revision": self.revision, **({"origin": origin} if origin else {})}
        text = json.dumps({**hashed_settings(self.settings()), **code}, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
