"""Spectra of many clips at once, on a GPU. Each block sees the spectrum of its clip as if it were computed alone.

Quantities of all frames are computed for the whole batch when the first clip needs them. Decoding, resampling, tuning
peaks, pitch and the statistics over frames stay on the CPU.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import repeat
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fusionser.audio import ClipSettings
from fusionser.errors import AudioError
from fusionser.features.clip import Clip, Computation
from fusionser.features.spectrum import FrameSettings, Spectrum
from fusionser.features.spectrum_tensors import SpectrumTensors
from fusionser.features.tuning import tuning_band, tuning_of_band

__all__ = ["SpectrumBatch", "share_spectra"]

Array = npt.NDArray[Any]


class SpectrumBatch(SpectrumTensors):
    """Waveforms of one length on a device, whose quantities are each computed once for all clips.

    Parameters
    ----------
    spectra : sequence of Spectrum
        Spectra of the clips, with the same number of samples and the same frames.
    device : torch.device
        CPU, or a GPU with double precision.
    """

    def __init__(self, spectra: Sequence[Spectrum], device: torch.device) -> None:
        waveforms = torch.from_numpy(np.stack([spectrum.waveform for spectrum in spectra]))
        super().__init__(waveforms.to(device), spectra[0].frames)
        self._host: dict[tuple[Any, ...], Array] = {}

    def on_host(self, view: Callable[..., Tensor], *arguments: Any) -> Array:
        """Return the result of a method for all clips as an array, computed on first use."""
        key = (view.__name__, *arguments)
        if key not in self._host:
            self._host[key] = view(self, *arguments).cpu().numpy()
        return self._host[key]

    def tuning(self, n_chroma: int) -> Tensor:
        """Return `Spectrum.tuning`, computed on the CPU, where the few peaks are faster."""
        rate, n_fft = self.frames.sampling_rate, self.frames.n_fft
        low, high = tuning_band(rate, n_fft)
        bands = self.power[:, low - 1 : high + 1].cpu().numpy()
        loudest = self.power.amax(dim=1).cpu().numpy()
        pairs = zip(bands, loudest, strict=True)
        tunings = [tuning_of_band(band, most, low, rate, n_fft, n_chroma) for band, most in pairs]
        return torch.tensor(tunings, dtype=torch.float64, device=self.waveforms.device)


def _shared(view: Callable[[SpectrumBatch], Tensor]) -> Any:
    return cached_property(lambda spectrum: spectrum._view(view))


class SharedSpectrum(Spectrum):
    """The spectrum of one clip of a batch.

    Magnitudes are computed on the CPU: spectral contrast takes decibels of the weakest bins, whose values are rounding
    errors of the transform.
    """

    def __init__(self, spectrum: Spectrum, batch: SpectrumBatch, place: int) -> None:
        super().__init__(spectrum.waveform, spectrum.frames)
        self._batch = batch
        self._place = place

    def _view(self, view: Callable[..., Tensor], *arguments: Any) -> Array:
        return self._batch.on_host(view, *arguments)[self._place]

    rms = _shared(SpectrumBatch.rms)
    zero_crossing_rate = _shared(SpectrumBatch.zero_crossing_rate)
    _moments = _shared(SpectrumBatch.moments)
    flatness = _shared(SpectrumBatch.flatness)
    flux = _shared(SpectrumBatch.flux)

    @cached_property
    def power(self) -> Array:
        return self._batch.power[self._place].cpu().numpy()

    def mel(self, n_mels: int = 128, fmax: float | None = None, htk: bool = False) -> Array:
        return self._view(SpectrumBatch.mel, n_mels, fmax, htk)

    def log_mel(self, n_mels: int = 128, fmax: float | None = None, htk: bool = False) -> Array:
        return self._view(SpectrumBatch.log_mel, n_mels, fmax, htk)

    def mfcc(self, n_mfcc: int = 20, n_mels: int = 128, fmax: float | None = None, htk: bool = False) -> Array:
        return self._view(SpectrumBatch.mfcc, n_mels, fmax, htk)[:n_mfcc]

    def tuning(self, n_chroma: int = 12) -> float:
        return float(self._view(SpectrumBatch.tuning, n_chroma))

    def chroma(self, n_chroma: int = 12) -> Array:
        return self._view(SpectrumBatch.chroma, n_chroma)

    def rolloff(self, share: float = 0.85) -> Array:
        return self.frequencies[self._view(SpectrumBatch.rolloff, share)]


def _spectrum_of(clip: Clip, settings: ClipSettings, frames: FrameSettings) -> Spectrum | None:
    try:
        return clip.spectrum(settings, frames)
    except (AudioError, MemoryError):
        return None


def share_spectra(
    clips: Sequence[Clip], computations: Mapping[str, Computation], device: str, n_jobs: int | None = None
) -> None:
    """Decode clips in threads, and compute the spectra of clips of the same length and settings together.

    A clip that cannot be used is left unchanged, so that its own analysis raises the error.

    Parameters
    ----------
    clips : sequence of Clip
    computations : mapping of str to Computation
        The computations that will be run on the clips.
    device : str
        Name of the torch device.
    n_jobs : int, optional
        Number of threads; -1 is one per core.
    """
    framings = {computation.framing() for computation in computations.values() if computation.uses_audio}
    for settings, frames in filter(None, framings):
        with ThreadPoolExecutor(joblib.effective_n_jobs(n_jobs)) as pool:
            spectra = list(pool.map(_spectrum_of, clips, repeat(settings), repeat(frames)))
        groups: dict[int, list[tuple[Clip, Spectrum]]] = defaultdict(list)
        for clip, spectrum in zip(clips, spectra, strict=True):
            if spectrum is not None:
                groups[spectrum.waveform.size].append((clip, spectrum))
        for group in groups.values():
            batch = SpectrumBatch([spectrum for _, spectrum in group], torch.device(device))
            for place, (clip, spectrum) in enumerate(group):
                clip.take_spectrum(settings, SharedSpectrum(spectrum, batch, place))
