"""The spectra of clips of one length as tensors: on a GPU, or in a graph that is exported."""

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from fusionser.features.filters import (
    A440_OCTAVES,
    CENTRE_OCTAVE,
    OCTAVE_WIDTH,
    chroma_classes,
    mel_filters,
)
from fusionser.features.spectrum import FrameSettings, cosines, frame_window, moment_weights
from fusionser.features.tuning import QUIETEST, STEPS, tuning_band

__all__ = ["SpectrumTensors", "frame_sums"]

TINY = float(np.finfo(np.float32).tiny)


class SpectrumTensors:
    """Waveforms of one length, and the quantities of their spectra.

    The methods compute what those of `fusionser.features.spectrum.Spectrum` with the same name do, with the clips as
    the first axis.

    Parameters
    ----------
    waveforms : Tensor of shape (n_clips, n_samples)
        Full scale -1 to 1, float32.
    frames : FrameSettings

    Examples
    --------
    >>> tone = torch.sin(2 * torch.pi * 440 / 22050 * torch.arange(22050))[None]
    >>> SpectrumTensors(tone, FrameSettings()).magnitude.shape
    torch.Size([1, 1025, 44])
    """

    def __init__(self, waveforms: Tensor, frames: FrameSettings) -> None:
        self.waveforms = waveforms
        self.frames = frames

    def _tensor(self, values: npt.NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.waveforms.device)

    def emphasised(self) -> Tensor:
        """Return the waveforms after pre-emphasis, if any."""
        share = self.frames.pre_emphasis
        if share == 0:
            return self.waveforms
        first = 3 * self.waveforms[:, :1] - self.waveforms[:, 1:2]
        return torch.cat([first, self.waveforms[:, 1:] - share * self.waveforms[:, :-1]], dim=1)

    @cached_property
    def magnitude(self) -> Tensor:
        """Magnitudes, shape (n_clips, 1 + n_fft / 2, n_frames)."""
        return self._transformed(self.emphasised(), self._tensor(frame_window(self.frames))).float()

    def _transformed(self, waveforms: Tensor, window: Tensor) -> Tensor:
        n_fft, hop = self.frames.n_fft, self.frames.hop_length
        return torch.stft(waveforms, n_fft, hop, window=window, pad_mode="constant", return_complex=True).abs()

    @cached_property
    def power(self) -> Tensor:
        """Squared magnitudes, shape (n_clips, 1 + n_fft / 2, n_frames)."""
        return self.magnitude.square()

    def rms(self) -> Tensor:
        """Return `Spectrum.rms`."""
        half = self.frames.n_fft // 2
        squares = functional.pad(self.waveforms.double().square(), (half, half))
        return (frame_sums(squares, self.frames.n_fft, self.frames.hop_length) / self.frames.n_fft).sqrt()

    def zero_crossing_rate(self) -> Tensor:
        """Return `Spectrum.zero_crossing_rate`."""
        n_fft, half = self.frames.n_fft, self.frames.n_fft // 2
        # The first and last samples are repeated beyond the ends, so no sign changes there.
        negative = self.waveforms < -1e-10
        changes = functional.pad((negative[:, 1:] != negative[:, :-1]).double(), (half, half))
        return frame_sums(changes, n_fft - 1, self.frames.hop_length) / n_fft

    def mel(self, n_mels: int, fmax: float | None, htk: bool) -> Tensor:
        """Return `Spectrum.mel`."""
        return self._tensor(mel_filters(self.frames.sampling_rate, self.frames.n_fft, n_mels, fmax, htk)) @ self.power

    def log_mel(self, n_mels: int, fmax: float | None, htk: bool) -> Tensor:
        """Return `Spectrum.log_mel`."""
        logs = 10.0 * self.mel(n_mels, fmax, htk).clamp(min=1e-10).log10()
        return logs.maximum(logs.amax(dim=(1, 2), keepdim=True) - 80.0)

    def mfcc(self, n_mels: int, fmax: float | None, htk: bool) -> Tensor:
        """Return `Spectrum.mfcc` with all coefficients."""
        return self._tensor(cosines(n_mels)) @ self.log_mel(n_mels, fmax, htk)

    def tuning(self, n_chroma: int) -> Tensor:
        """Return `Spectrum.tuning`, shape (n_clips,)."""
        low, high = tuning_band(self.frames.sampling_rate, self.frames.n_fft)
        pitches, heights, peak = self._peaks(low, high)
        ranked = torch.where(peak, heights, torch.inf).sort(dim=1).values
        count = peak.sum(dim=1, keepdim=True)
        middle = torch.cat([(count - 1).clamp(min=0) // 2, count // 2], dim=1).clamp(max=ranked.shape[1] - 1)
        median = ranked.gather(1, middle).sum(dim=1, keepdim=True) / 2
        # Some devices and runtimes round logarithms otherwise, so this one is rounded from double precision.
        octaves = torch.log2((pitches / A440_OCTAVES).double()).float()
        distance = torch.remainder(n_chroma * octaves, 1.0)
        distance = torch.where(distance >= 0.5, distance - 1.0, distance).double()
        # The product may round across an edge, so each place is compared with the edges beside it.
        edges = self._tensor(np.linspace(-0.5, 0.5, STEPS + 1))
        guess = ((distance + 0.5) * STEPS).long().clamp(0, STEPS - 1)
        place = guess + (distance >= edges[guess + 1]).long() - (distance < edges[guess]).long()
        loud = (peak & (heights >= median)).double()
        counts = torch.zeros_like(loud[:, :STEPS]).scatter_add(1, place.clamp(0, STEPS - 1), loud)
        return torch.where(count[:, 0] == 0, 0.0, edges[counts.argmax(dim=1)])

    def _peaks(self, low: int, high: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return frequency in Hz, height, and whether it is a peak, of each bin and frame: (n_clips, bins x frames)."""
        near, loudest = self.power[:, low - 1 : high + 1], self.power.amax(dim=1, keepdim=True)
        audible = near * (near > QUIETEST * loudest)
        peak = (audible[:, 1:-1] > audible[:, :-2]) & (audible[:, 1:-1] >= audible[:, 2:])
        before, here, after = near[:, :-2], near[:, 1:-1], near[:, 2:]
        curvature, slope = (after + before).double() - 2.0 * here.double(), (after - before).double() / 2.0
        inside = slope.abs() < curvature.abs()
        offset = torch.where(inside, -slope / torch.where(inside, curvature, 1.0), 0.0).float()
        bins = self._tensor(np.arange(low, high, dtype=np.float64))[:, None]
        pitches = ((bins + offset) * self.frames.sampling_rate / self.frames.n_fft).float()
        heights = here + 0.5 * ((after - before) / 2.0) * offset
        return pitches.flatten(1), heights.flatten(1), peak.flatten(1)

    def chroma(self, n_chroma: int) -> Tensor:
        """Return `Spectrum.chroma`."""
        raw = self._chroma_filters(n_chroma) @ self.power
        peaks = raw.amax(dim=1, keepdim=True)
        return raw / torch.where(peaks < TINY, 1.0, peaks)

    def _chroma_filters(self, n_chroma: int) -> Tensor:
        """Return `chroma_filters` of each clip, whose tuning moves the classes of all bins."""
        placed, widths = map(self._tensor, chroma_classes(self.frames.sampling_rate, self.frames.n_fft, n_chroma))
        classes = placed - self.tuning(n_chroma)[:, None]
        half = round(n_chroma / 2)
        numbers = self._tensor(np.arange(n_chroma, dtype=np.float64))
        distance = torch.remainder(classes[..., None] - numbers + (half + 10 * n_chroma), n_chroma) - half
        curves = torch.exp(-0.5 * (2 * distance / widths[:, None]).square())
        curves = curves / curves.square().sum(dim=2, keepdim=True).sqrt()
        octaves = (classes / n_chroma - CENTRE_OCTAVE) / OCTAVE_WIDTH
        curves = curves * torch.exp(-0.5 * octaves.square())[..., None]
        from_c = -3 * (n_chroma // 12) % n_chroma
        rolled = torch.cat([curves[..., -from_c:], curves[..., :-from_c]], dim=2) if from_c else curves
        return rolled.transpose(1, 2).float()

    def moments(self) -> Tensor:
        """Return the sums of magnitude times frequency to the powers 0, 1 and 2."""
        moments = self._tensor(moment_weights(self.frames)) @ self.magnitude.double()
        total = moments[:, :1]
        return torch.cat([torch.where(total < TINY, 1.0, total), moments[:, 1:]], dim=1)

    def centroid(self) -> Tensor:
        """Return `Spectrum.centroid`."""
        moments = self.moments()
        return moments[:, 1] / moments[:, 0]

    def bandwidth(self) -> Tensor:
        """Return `Spectrum.bandwidth`."""
        moments = self.moments()
        return (moments[:, 2] / moments[:, 0] - self.centroid().square()).clamp(min=0.0).sqrt()

    def rolloff(self, share: float) -> Tensor:
        """Return the bins of `Spectrum.rolloff`."""
        cumulative = self.magnitude.cumsum(dim=1, dtype=torch.float64)
        return (cumulative >= share * cumulative[:, -1:]).int().argmax(dim=1)

    def flatness(self) -> Tensor:
        """Return `Spectrum.flatness`."""
        power = self.power.clamp(min=1e-10)
        return power.log().mean(dim=1, dtype=torch.float64).exp() / power.mean(dim=1, dtype=torch.float64)

    def flux(self) -> Tensor:
        """Return `Spectrum.flux`."""
        shapes = self.magnitude / self.magnitude.sum(dim=1, keepdim=True, dtype=torch.float64).clamp(min=TINY).float()
        steps = shapes.diff(dim=2, prepend=shapes[:, :, :1]).double()
        return steps.square().sum(dim=1).sqrt()


def frame_sums(values: Tensor, length: int, hop: int) -> Tensor:
    """Return the sum of each frame of the last axis.

    Examples
    --------
    >>> frame_sums(torch.arange(6.0)[None], 3, 2).tolist()
    [[3.0, 9.0]]
    """
    totals = functional.pad(values.cumsum(dim=1), (1, 0))
    return totals[:, length::hop] - totals[:, : totals.shape[1] - length : hop]
