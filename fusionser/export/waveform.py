"""What a model computes from a waveform, as tensors: the prepared clip, feature blocks, and inputs of networks."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from fusionser.audio import TRIM_DECIBELS, TRIM_FRAME, TRIM_HOP, ClipSettings
from fusionser.export.functionals import delta, summarise
from fusionser.export.resampling import at_speed
from fusionser.features.clip import Computation
from fusionser.features.clip_blocks import SignalStatistics
from fusionser.features.frame_blocks import (
    MFCC,
    RMS,
    Chroma,
    MelSpectrogram,
    SpectralShape,
    ZeroCrossingRate,
)
from fusionser.features.framing import FrameFeature
from fusionser.features.maps import BlockVector, LogMelMap, MFCCMap, RawWaveform
from fusionser.features.spectrum_tensors import SpectrumTensors, frame_sums

__all__ = ["WaveformTensors", "obstacle"]


class PreciseSpectrum(SpectrumTensors):
    """Spectra that are transformed in double precision: ONNX Runtime's transform is less exact in single precision."""

    def _transformed(self, waveforms: Tensor, window: Tensor) -> Tensor:
        return super()._transformed(waveforms.double(), window.double())


class WaveformTensors:
    """Waveforms of one length, and what is computed from them. Computations with the same settings share a spectrum.

    Parameters
    ----------
    waveforms : Tensor of shape (n_clips, n_samples)
        At the sampling rate of all computations, full scale -1 to 1, float32.
    """

    def __init__(self, waveforms: Tensor) -> None:
        self.waveforms = waveforms
        self._prepared: dict[ClipSettings, Tensor] = {}
        self._spectra: dict[Any, SpectrumTensors] = {}
        self._changed: dict[float, WaveformTensors] = {}

    def at_speed(self, speed: float, sampling_rate: int) -> "WaveformTensors":
        """Return the clips at another speed; 1.0 is their own."""
        if speed == 1.0:
            return self
        if speed not in self._changed:
            self._changed[speed] = WaveformTensors(at_speed(self.waveforms, sampling_rate, speed))
        return self._changed[speed]

    def prepared(self, settings: ClipSettings) -> Tensor:
        """Return what `fusionser.audio.prepare` returns for each clip."""
        if settings not in self._prepared:
            self._prepared[settings] = _prepare(self.waveforms, settings)
        return self._prepared[settings]

    def spectrum(self, computation: Any) -> SpectrumTensors:
        """Return the spectrum that a computation uses."""
        key = computation.framing()
        if key not in self._spectra:
            clip, frames = key
            self._spectra[key] = PreciseSpectrum(self.prepared(clip), frames)
        return self._spectra[key]

    def compute(self, computation: Computation) -> Tensor:
        """Return what a computation returns for each clip, float32."""
        return COMPUTATIONS[type(computation)](self, computation).float()


def obstacle(computation: Computation) -> str:
    """Return why a computation cannot be part of a graph; empty if it can.

    Examples
    --------
    >>> from fusionser.features import Pitch
    >>> obstacle(MFCC()), obstacle(Pitch())
    ('', "'pitch' cannot be computed in a graph")
    """
    # Spectral contrast is left out: it takes decibels of the weakest bins, which are rounding errors of the transform.
    if type(computation) not in COMPUTATIONS:
        return f"'{computation.kind}' cannot be computed in a graph"
    if isinstance(computation, BlockVector):
        return next(filter(None, map(obstacle, computation._blocks())), "")
    settings: ClipSettings = computation.clip_settings()
    if settings.trim and settings.samples is None:
        return f"'{computation.kind}' trims silence, which leaves clips of different lengths"
    return ""


def _prepare(waveforms: Tensor, settings: ClipSettings) -> Tensor:
    rate, length = settings.sampling_rate, settings.samples
    kept = waveforms[:, int(settings.offset * rate) :]
    if settings.trim:
        trimmed, inside = _trimmed(kept, int(length or 0))
        return _denoised(trimmed, inside) if settings.denoise else trimmed
    if length is not None:
        inside = functional.pad(torch.ones_like(kept), (0, length))[:, :length] > 0
        kept = functional.pad(kept, (0, length))[:, :length]
    else:
        inside = torch.ones_like(kept) > 0
    return _denoised(kept, inside) if settings.denoise else kept


def _denoised(waveforms: Tensor, inside: Tensor) -> Tensor:
    """Return what `scipy.signal.wiener` returns for the samples of each clip that are inside it; the others are 0."""
    samples = waveforms.double()
    # ONNX Runtime has no average pooling in double precision.
    mean, squares = (_mean_of_three(values) for values in (samples, samples.square()))
    variance = squares - mean.square()
    noise = torch.where(inside, variance, 0.0).sum(dim=1, keepdim=True) / inside.double().sum(dim=1, keepdim=True)
    quiet = variance < noise
    filtered = (samples - mean) * (1.0 - noise / torch.where(quiet, 1.0, variance)) + mean
    return torch.where(inside, torch.where(quiet, mean, filtered), 0.0).float()


def _mean_of_three(values: Tensor) -> Tensor:
    around = functional.pad(values, (1, 1))
    return (around[:, :-2] + values + around[:, 2:]) / 3


def _trimmed(waveforms: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Cut silence off both ends, and pad or cut what is left to a length; return which samples are inside, too."""
    squares = functional.pad(waveforms.double().square(), (TRIM_FRAME // 2, TRIM_FRAME // 2))
    power = (frame_sums(squares, TRIM_FRAME, TRIM_HOP) / TRIM_FRAME).clamp(min=1e-10)
    loud = (10.0 * (power / power.amax(dim=1, keepdim=True)).log10() > -TRIM_DECIBELS).int()
    first = loud.argmax(dim=1, keepdim=True)
    after = torch.ones_like(loud).sum(dim=1, keepdim=True) - loud.flip(1).argmax(dim=1, keepdim=True)
    places = first * TRIM_HOP + torch.arange(length)
    padded = functional.pad(waveforms, (0, 1))
    end = torch.ones_like(waveforms, dtype=torch.int64).sum(dim=1, keepdim=True)
    inside = (places < after * TRIM_HOP) & (places < end)
    return torch.where(inside, padded.gather(1, torch.minimum(places, end)), 0.0), inside


def _shape(spectrum: SpectrumTensors, block: Any) -> Tensor:
    bins = block.sampling_rate / block.n_fft
    rolloffs = [bins * spectrum.rolloff(share).double() for share in block.ROLLOFF_SHARES]
    return torch.stack(
        [spectrum.centroid(), spectrum.bandwidth(), *rolloffs, spectrum.flatness(), spectrum.flux()], dim=1
    )


def _rms(spectrum: SpectrumTensors, block: Any) -> Tensor:
    level = spectrum.rms()[:, None]
    return 20.0 * level.clamp(min=1e-5).log10() if block.logarithmic else level


def _mel(spectrum: SpectrumTensors, block: Any) -> Tensor:
    view = spectrum.log_mel if block.logarithmic else spectrum.mel
    return view(block.n_mels, block.fmax, False)


SERIES: Mapping[type[Any], Callable[[SpectrumTensors, Any], Tensor]] = MappingProxyType(
    {
        ZeroCrossingRate: lambda spectrum, block: spectrum.zero_crossing_rate()[:, None],
        RMS: _rms,
        Chroma: lambda spectrum, block: spectrum.chroma(block.n_chroma),
        MelSpectrogram: _mel,
        MFCC: lambda spectrum, block: spectrum.mfcc(block.n_mels, block.fmax, False)[:, : block.n_mfcc],
        SpectralShape: _shape,
    }
)


def _summarised(clips: WaveformTensors, block: FrameFeature) -> Tensor:
    current = SERIES[type(block)](clips.spectrum(block), block).double()
    columns = summarise(current, block.statistics)
    if block.deltas:
        first = delta(current)
        slopes = torch.cat([first, delta(first)], dim=1) if block.deltas == 2 else first
        columns = torch.cat([columns, summarise(slopes, block.delta_statistics or block.statistics)], dim=1)
    return columns


def _statistics(clips: WaveformTensors, block: SignalStatistics) -> Tensor:
    spectrum = clips.spectrum(block)
    samples = spectrum.waveforms.double()
    mean = samples.mean(dim=1, keepdim=True)
    centred = samples - mean
    squares = centred.square()
    variance = squares.mean(dim=1)
    skewness = (squares * centred).mean(dim=1) / variance**1.5
    kurtosis = squares.square().mean(dim=1) / variance.square() - 3.0
    means = [spectrum.centroid().mean(dim=1), spectrum.bandwidth().mean(dim=1)]
    return torch.stack([mean[:, 0], variance, skewness, kurtosis, *means], dim=1)


def _log_mel_map(clips: WaveformTensors, front_end: LogMelMap) -> Tensor:
    return clips.spectrum(front_end).log_mel(front_end.n_mels, front_end.fmax, front_end.htk)


def _mfcc_map(clips: WaveformTensors, front_end: MFCCMap) -> Tensor:
    cepstra = clips.spectrum(front_end).mfcc(front_end.n_mels, front_end.fmax, front_end.htk)
    return cepstra[:, : front_end.n_mfcc]


def _vector(clips: WaveformTensors, front_end: BlockVector) -> Tensor:
    return torch.cat([clips.compute(block) for block in front_end._blocks()], dim=1)


COMPUTATIONS: Mapping[type[Any], Callable[[WaveformTensors, Any], Tensor]] = MappingProxyType(
    {
        **dict.fromkeys(SERIES, _summarised),
        SignalStatistics: _statistics,
        LogMelMap: _log_mel_map,
        MFCCMap: _mfcc_map,
        RawWaveform: lambda clips, front_end: clips.prepared(front_end.clip_settings()),
        BlockVector: _vector,
    }
)
