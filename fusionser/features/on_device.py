"""Spectra of many clips at once, on a GPU; the blocks see each clip's as if it had been computed alone.

What every frame takes part in is computed there for the whole batch, when the first of its clips asks for it. Decoding,
resampling, the peaks of the tuning, pitch and the statistics over frames stay on the processor.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from fusionser.audio import ClipSettings
from fusionser.errors import AudioError
from fusionser.features.clip import Clip, Computation
from fusionser.features.filters import chroma_filters, mel_filters
from fusionser.features.spectrum import FrameSettings, Spectrum, cosines, frame_window, moment_weights
from fusionser.features.tuning import tuning_band, tuning_of_band

__all__ = ["SpectrumBatch", "share_spectra"]

Array = npt.NDArray[Any]

TINY = float(np.finfo(np.float32).tiny)


class SpectrumBatch:
    """Waveforms of one length on a device, and the views of their spectra, each computed once for all.

    Parameters
    ----------
    spectra : sequence of Spectrum
        Of the clips, of one length and the same frames.
    device : torch.device
        A processor, or a GPU that knows double precision.
    """

    def __init__(self, spectra: Sequence[Spectrum], device: torch.device) -> None:
        self.frames = spectra[0].frames
        self.device = device
        self._spectra = spectra
        self._host: dict[tuple[Any, ...], Array] = {}

    def on_host(self, key: tuple[Any, ...], compute: Callable[[], Tensor]) -> Array:
        """Return a view of all clips as an array, computed when it is first asked for."""
        if key not in self._host:
            self._host[key] = compute().cpu().numpy()
        return self._host[key]

    @cached_property
    def waveforms(self) -> Tensor:
        """Samples, shape (n_clips, n_samples)."""
        return torch.from_numpy(np.stack([spectrum.waveform for spectrum in self._spectra])).to(self.device)

    @cached_property
    def magnitude(self) -> Tensor:
        """Magnitudes, shape (n_clips, 1 + n_fft / 2, n_frames)."""
        emphasised = self.waveforms
        if self.frames.pre_emphasis:
            emphasised = torch.from_numpy(np.stack([spectrum.emphasised() for spectrum in self._spectra])).to(
                self.device
            )
        transformed = torch.stft(
            emphasised,
            self.frames.n_fft,
            self.frames.hop_length,
            window=torch.from_numpy(frame_window(self.frames)).to(self.device),
            pad_mode="constant",
            return_complex=True,
        )
        return transformed.abs()

    @cached_property
    def power(self) -> Tensor:
        """Squared magnitudes."""
        return self.magnitude.square()

    def rms(self) -> Tensor:
        """See `Spectrum.rms`."""
        half = self.frames.n_fft // 2
        frames = functional.pad(self.waveforms.double(), (half, half)).unfold(
            1, self.frames.n_fft, self.frames.hop_length
        )
        return frames.square().mean(dim=2).sqrt()

    def zero_crossing_rate(self) -> Tensor:
        """See `Spectrum.zero_crossing_rate`."""
        n_fft, half = self.frames.n_fft, self.frames.n_fft // 2
        negative = functional.pad(self.waveforms[:, None], (half, half), mode="replicate")[:, 0] < -1e-10
        changes = functional.pad((negative[:, 1:] != negative[:, :-1]).cumsum(dim=1), (1, 0))
        starts = torch.arange(0, negative.shape[1] - n_fft + 1, self.frames.hop_length, device=self.device)
        return (changes[:, starts + n_fft - 1] - changes[:, starts]).double() / n_fft

    def mel(self, n_mels: int, fmax: float | None, htk: bool) -> Tensor:
        """See `Spectrum.mel`."""
        filters = mel_filters(self.frames.sampling_rate, self.frames.n_fft, n_mels, fmax, htk)
        return torch.from_numpy(filters).to(self.device) @ self.power

    def log_mel(self, n_mels: int, fmax: float | None, htk: bool) -> Tensor:
        """See `Spectrum.log_mel`."""
        logs = 10.0 * self.mel(n_mels, fmax, htk).clamp(min=1e-10).log10()
        return logs.maximum(logs.amax(dim=(1, 2), keepdim=True) - 80.0)

    def mfcc(self, n_mels: int, fmax: float | None, htk: bool) -> Tensor:
        """Return all coefficients, see `Spectrum.mfcc`."""
        return torch.from_numpy(cosines(n_mels)).to(self.device) @ self.log_mel(n_mels, fmax, htk)

    def chroma(self, n_chroma: int, tunings: Sequence[float]) -> Tensor:
        """See `Spectrum.chroma`; every clip has a tuning of its own."""
        filters = [chroma_filters(self.frames.sampling_rate, self.frames.n_fft, n_chroma, tuning) for tuning in tunings]
        raw = torch.from_numpy(np.stack(filters)).to(self.device) @ self.power
        peaks = raw.amax(dim=1, keepdim=True)
        return raw / torch.where(peaks < TINY, 1.0, peaks)

    def moments(self) -> Tensor:
        """Return sums of magnitude, of it times frequency, and times its square."""
        weights = torch.from_numpy(moment_weights(self.frames)).to(self.device)
        moments = weights @ self.magnitude.double()
        moments[:, 0] = torch.where(moments[:, 0] < TINY, 1.0, moments[:, 0])
        return moments

    def rolloff(self, share: float) -> Tensor:
        """Return the bin under which a share of each frame's magnitude lies."""
        cumulative = self.magnitude.cumsum(dim=1, dtype=torch.float64)
        return (cumulative >= share * cumulative[:, -1:]).int().argmax(dim=1)

    def flatness(self) -> Tensor:
        """See `Spectrum.flatness`."""
        power = self.power.clamp(min=1e-10)
        return power.log().mean(dim=1, dtype=torch.float64).exp() / power.mean(dim=1, dtype=torch.float64)

    def flux(self) -> Tensor:
        """See `Spectrum.flux`."""
        shapes = self.magnitude / self.magnitude.sum(dim=1, keepdim=True, dtype=torch.float64).clamp(min=TINY).float()
        steps = shapes.diff(dim=2, prepend=shapes[:, :, :1]).double()
        return steps.square().sum(dim=1).sqrt()


class SharedSpectrum(Spectrum):
    """The spectrum of one clip of a batch."""

    def __init__(self, spectrum: Spectrum, batch: SpectrumBatch, place: int) -> None:
        super().__init__(spectrum.waveform, spectrum.frames)
        self._batch = batch
        self._place = place

    def _view(self, compute: Callable[..., Tensor], *arguments: Any) -> Array:
        key = (compute.__name__, *arguments)
        return self._batch.on_host(key, lambda: compute(*arguments))[self._place]

    # The magnitudes themselves stay the processor's own: the contrast takes decibels of the weakest bins, which are
    # nothing but the last digits of a transform.

    @cached_property
    def power(self) -> Array:
        return self._batch.power[self._place].cpu().numpy()

    @cached_property
    def rms(self) -> Array:
        return self._view(self._batch.rms)

    @cached_property
    def zero_crossing_rate(self) -> Array:
        return self._view(self._batch.zero_crossing_rate)

    def mel(self, n_mels: int = 128, fmax: float | None = None, htk: bool = False) -> Array:
        return self._view(self._batch.mel, n_mels, fmax, htk)

    def log_mel(self, n_mels: int = 128, fmax: float | None = None, htk: bool = False) -> Array:
        return self._view(self._batch.log_mel, n_mels, fmax, htk)

    def mfcc(self, n_mfcc: int = 20, n_mels: int = 128, fmax: float | None = None, htk: bool = False) -> Array:
        return self._view(self._batch.mfcc, n_mels, fmax, htk)[:n_mfcc]

    def tuning(self, n_chroma: int = 12) -> float:
        return self._tunings_of_all(n_chroma)[self._place]

    def _tunings_of_all(self, n_chroma: int) -> list[float]:
        batch, frames = self._batch, self.frames
        low, high = tuning_band(frames.sampling_rate, frames.n_fft)

        def tune() -> Tensor:
            bands = batch.power[:, low - 1 : high + 1].cpu().numpy()
            loudest = batch.power.amax(dim=1).cpu().numpy()
            tunings = [
                tuning_of_band(band, most, low, frames.sampling_rate, frames.n_fft, n_chroma)
                for band, most in zip(bands, loudest, strict=True)
            ]
            return torch.tensor(tunings, dtype=torch.float64)

        tunings: list[float] = batch.on_host(("tuning", n_chroma), tune).tolist()
        return tunings

    def chroma(self, n_chroma: int = 12) -> Array:
        return self._view(self._batch.chroma, n_chroma, tuple(self._tunings_of_all(n_chroma)))

    @cached_property
    def _moments(self) -> Array:
        return self._view(self._batch.moments)

    def rolloff(self, share: float = 0.85) -> Array:
        return self.frequencies[self._view(self._batch.rolloff, share)]

    @cached_property
    def flatness(self) -> Array:
        return self._view(self._batch.flatness)

    @cached_property
    def flux(self) -> Array:
        return self._view(self._batch.flux)


def share_spectra(
    clips: Sequence[Clip], computations: Mapping[str, Computation], device: str, n_jobs: int | None = None
) -> None:
    """Decode clips in threads, and let those of one length and the same settings share the work on their spectra.

    A clip that cannot be used is left as it is, and says so when it is analysed.

    Parameters
    ----------
    clips : sequence of Clip
    computations : mapping of str to Computation
        What will be asked of the clips.
    device : str
        As torch names it.
    n_jobs : int, optional
        Threads; -1 is one a core.
    """
    framings = {computation.framing() for computation in computations.values() if computation.uses_audio}
    where = torch.device(device)
    for settings, frames in filter(None, framings):

        def load(clip: Clip, settings: ClipSettings = settings, frames: FrameSettings = frames) -> Spectrum | None:
            try:
                return clip.spectrum(settings, frames)
            except AudioError:
                return None

        with ThreadPoolExecutor(joblib.effective_n_jobs(n_jobs)) as pool:
            loaded = list(pool.map(load, clips))
        groups: dict[int, list[tuple[Clip, Spectrum]]] = {}
        for clip, spectrum in zip(clips, loaded, strict=True):
            if spectrum is not None:
                groups.setdefault(spectrum.waveform.size, []).append((clip, spectrum))
        for group in groups.values():
            batch = SpectrumBatch([spectrum for _, spectrum in group], where)
            for place, (clip, spectrum) in enumerate(group):
                clip.take_spectrum(settings, SharedSpectrum(spectrum, batch, place))
