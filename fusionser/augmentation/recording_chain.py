"""What a recording chain does to speech: level, clipping, bandwidth, codecs, noise and rooms.

Each function takes the samples of one channel, their rate in Hz and a seed, and returns a `Changed` clip. Functions
that draw nothing ignore the seed, so that all of them are called alike.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from fusionser.audio import TRIM_DECIBELS
from fusionser.augmentation.overlap_add import change_pitch, change_tempo
from fusionser.augmentation.waveforms import LOWPASS, drawing, identity
from fusionser.errors import AudioError
from fusionser.interrupts import held_interrupts
from fusionser.samples import Waveform

__all__ = [
    "CODECS",
    "Changed",
    "Codec",
    "active_power",
    "add_noise",
    "change_gain",
    "change_rate",
    "clip_share",
    "encode",
    "equalise",
    "filter_lowpass",
    "frequency_response",
    "impulse_response",
    "reverberate",
    "shift_pitch",
    "stretch",
]

ACTIVE_FRAME = 0.02
"""Seconds of a frame when the active speech is looked for."""

LONGEST_DELAY = 0.1
"""Seconds by which a codec may delay a clip."""

LOWEST_PINK = 20.0
"""Frequency in Hz below which pink noise is white, because its power would be infinite at 0 Hz."""

HIGHEST_LEVEL = 0.999
"""Compression level just below 1, which libsndfile refuses."""

CURVES = 4
"""Cosines that a frequency response is made of: the first has half a period over the frequencies, the last two."""

LOWEST_CURVED = 50.0
"""Frequency in Hz up to which a frequency response is constant."""

DECAYS = 1.5
"""Length of an impulse response in reverberation times; it then ends 90 dB below its beginning."""


@dataclass(frozen=True)
class Changed:
    """A clip after a change.

    Parameters
    ----------
    samples : ndarray of shape (n_samples,), float32
    sampling_rate : int
        In Hz; it may differ from that of the original.
    measured : mapping of str to float
        What was measured during the change: ``kbps``, the bit rate of the encoded file, or ``clipped``, the share of
        clipped samples.
    """

    samples: Waveform
    sampling_rate: int
    measured: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Codec:
    """A lossy codec of libsndfile.

    Parameters
    ----------
    format, subtype : str
        Names in libsndfile.
    rates : tuple of int
        Sampling rates in Hz that it accepts, in ascending order.
    bit_rates : mapping of int to (float, float)
        From each sampling rate on, the kbit/s that libsndfile's compression levels 0 and 1 stand for. Levels between
        are linear in the bit rate (``mpeg_l3_encode.c`` and ``ogg_opus.c`` of libsndfile 1.2).
    mode : str or None
        Mode of the bit rate; Opus has only a variable one.
    """

    format: str
    subtype: str
    rates: tuple[int, ...]
    bit_rates: Mapping[int, tuple[float, float]]
    mode: str | None = None

    @property
    def available(self) -> bool:
        """Whether this libsndfile has the codec."""
        formats = soundfile.available_formats()
        return self.format in formats and self.subtype in soundfile.available_subtypes(self.format)

    def rate_for(self, kbps: float, sampling_rate: int) -> int:
        """Return the sampling rate to encode at: not below the given one, unless its bit rates are all higher.

        Examples
        --------
        >>> CODECS["mp3"].rate_for(64.0, 16001), CODECS["mp3"].rate_for(24.0, 48000)
        (22050, 24000)
        """
        reached = [rate for rate in self.rates if self._limits(rate)[1] < kbps] or [self.rates[0]]
        return next((rate for rate in reached if rate >= sampling_rate), reached[-1])

    def _limits(self, sampling_rate: int) -> tuple[float, float]:
        """Return the highest and lowest bit rate at a sampling rate."""
        return self.bit_rates[max(first for first in self.bit_rates if first <= sampling_rate)]

    def level(self, kbps: float, sampling_rate: int) -> float:
        """Return the compression level for a bit rate in kbit/s.

        Examples
        --------
        >>> CODECS["opus"].level(131.0, 48000)
        0.5
        """
        most, least = self._limits(sampling_rate)
        return float(np.clip((most - kbps) / (most - least), 0.0, HIGHEST_LEVEL))


CODECS: Mapping[str, Codec] = MappingProxyType(
    {
        "mp3": Codec(
            format="MP3",
            subtype="MPEG_LAYER_III",
            rates=(16000, 22050, 24000, 32000, 44100, 48000),
            bit_rates=MappingProxyType({0: (160.0, 8.0), 32000: (320.0, 32.0)}),
            mode="CONSTANT",
        ),
        "opus": Codec(
            format="OGG",
            subtype="OPUS",
            rates=(8000, 12000, 16000, 24000, 48000),
            bit_rates=MappingProxyType({0: (256.0, 6.0)}),
        ),
    }
)


def _changed(samples: npt.ArrayLike, rate: int, **measured: float) -> Changed:
    return Changed(np.ascontiguousarray(samples, dtype=np.float32), rate, measured)


def _resampled(samples: Waveform, rate: int, wanted: int) -> npt.NDArray[Any]:
    return samples if rate == wanted else soxr.resample(samples, rate, wanted, quality="HQ")


def _of_length(samples: npt.NDArray[Any], length: int) -> npt.NDArray[Any]:
    """Cut samples, or pad them with zeros, to a length."""
    return np.pad(samples[:length], (0, max(length - samples.size, 0)))


def change_gain(samples: Waveform, rate: int, seed: int, *, decibels: float, clipped: bool) -> Changed:
    """Change the level; `clipped` limits the result to full scale, as an integer format does.

    Examples
    --------
    >>> change_gain(np.array([0.25, -0.5], dtype=np.float32), 8000, 0, decibels=20, clipped=True).samples
    array([ 1., -1.], dtype=float32)
    """
    louder = samples.astype(np.float64) * 10.0 ** (decibels / 20.0)
    if not clipped:
        return _changed(louder, rate)
    return _changed(np.clip(louder, -1.0, 1.0), rate, clipped=float(np.mean(np.abs(louder) > 1.0)))


def clip_share(samples: Waveform, rate: int, seed: int, *, share: float) -> Changed:
    """Clip the loudest samples; `share` is that of all samples of the clip, 0 to 1. The level is not changed.

    Examples
    --------
    >>> clip_share(np.array([1, 2, 3, 4], dtype=np.float32), 8000, 0, share=0.25).samples
    array([1., 2., 3., 3.], dtype=float32)
    """
    ordered = np.sort(np.abs(samples))
    limit = ordered[-1 - min(round(share * samples.size), samples.size - 1)]
    return _changed(np.clip(samples, -limit, limit), rate, clipped=float(np.mean(np.abs(samples) > limit)))


def change_rate(samples: Waveform, rate: int, seed: int, *, sampling_rate: int) -> Changed:
    """Resample to a lower rate; a clip that has a lower rate already is not changed."""
    return _changed(_resampled(samples, rate, min(rate, sampling_rate)), min(rate, sampling_rate))


def filter_lowpass(samples: Waveform, rate: int, seed: int, *, cutoff: float) -> Changed:
    """Apply the low-pass filter of the augmentation ``lowpass``, with its cutoff in Hz."""
    return _changed(LOWPASS.apply(samples, rate, cutoff, lambda: np.random.default_rng(seed)), rate)


TELEPHONE_RATE = 8000
MU = 255.0
"""Of the mu-law (ITU-T G.711)."""


def telephone(samples: Waveform, rate: int, seed: int, *, lowest: float, highest: float) -> Changed:
    """Transmit a clip by telephone: a band in Hz, 8 kHz, and 8 bits for each sample.

    A clip whose rate is so low that the band exceeds it keeps what it has.
    """
    # Imported here, since it takes half a second.
    from scipy import signal

    given, ends = samples.astype(np.float64), [lowest, min(highest, 0.49 * rate)]
    band = signal.sosfilt(signal.butter(4, ends, "bandpass", fs=rate, output="sos"), given)
    heard = _resampled(band.astype(np.float32), rate, min(rate, TELEPHONE_RATE)).astype(np.float64).clip(-1.0, 1.0)
    steps = np.round(np.log1p(MU * np.abs(heard)) / np.log1p(MU) * (MU // 2)) / (MU // 2)
    return _changed(np.sign(heard) * np.expm1(steps * np.log1p(MU)) / MU, min(rate, TELEPHONE_RATE))


def frequency_response(frequencies: npt.NDArray[np.float64], seed: int, decibels: float) -> npt.NDArray[np.float64]:
    """Return a smooth random response in dB at some frequencies, as another microphone has it.

    It is a sum of cosines over the logarithm of the frequency with normally distributed weights, so that its standard
    deviation over seeds and frequencies is about `decibels`.
    """
    octaves = np.log(np.maximum(frequencies, LOWEST_CURVED) / LOWEST_CURVED)
    place = np.pi * octaves / (octaves.max() or 1.0)
    weights = np.random.default_rng(seed).normal(0.0, decibels * np.sqrt(2.0 / CURVES), CURVES)
    return weights @ np.cos(np.outer(np.arange(1, CURVES + 1), place))


def equalise(samples: Waveform, rate: int, seed: int, *, decibels: float) -> Changed:
    """Apply a random frequency response without delay; `decibels` is its standard deviation."""
    spectrum = np.fft.rfft(samples.astype(np.float64))
    response = frequency_response(np.linspace(0.0, rate / 2, spectrum.size), seed, decibels)
    return _changed(np.fft.irfft(spectrum * 10.0 ** (response / 20.0), n=samples.size), rate)


def stretch(samples: Waveform, rate: int, seed: int, *, tempo: float) -> Changed:
    """Change the tempo at the same pitch; values above 1 are faster."""
    return _changed(change_tempo(samples, rate, tempo), rate)


def shift_pitch(samples: Waveform, rate: int, seed: int, *, semitones: float) -> Changed:
    """Change the pitch at the same tempo."""
    return _changed(change_pitch(samples, rate, semitones), rate)


def active_power(samples: Waveform, rate: int) -> float:
    """Return the mean power of the active speech: of all frames of 20 ms within 30 dB of the loudest one.

    Examples
    --------
    >>> active_power(np.r_[np.zeros(800), np.full(800, 0.5)].astype(np.float32), 8000)
    0.25
    """
    size = min(max(round(ACTIVE_FRAME * rate), 1), samples.size)
    frames = samples[: samples.size // size * size].astype(np.float64).reshape(-1, size)
    power = np.mean(np.square(frames), axis=1)
    return float(power[power >= power.max() * 10.0 ** (-TRIM_DECIBELS / 10.0)].mean())


def _pink(noise: npt.NDArray[np.float64], rate: int) -> npt.NDArray[np.float64]:
    """Filter white noise so that its power falls by 3 dB per octave."""
    spectrum = np.fft.rfft(noise)
    return np.fft.irfft(
        spectrum / np.sqrt(np.maximum(np.fft.rfftfreq(noise.size, 1 / rate), LOWEST_PINK)), n=noise.size
    )


def add_noise(samples: Waveform, rate: int, seed: int, *, color: str, ratio: float) -> Changed:
    """Add noise; `ratio` is that of the power of the active speech to the power of the noise, in dB.

    The noise depends on the seed and the samples, and not on the ratio: only its level differs between ratios.

    Parameters
    ----------
    samples, rate, seed
        See the module.
    color : {"white", "pink"}
    ratio : float
        In dB.
    """
    noise = drawing(seed, identity(samples, rate), color).normal(size=samples.size)
    if color == "pink":
        noise = _pink(noise, rate)
    wanted = active_power(samples, rate) / 10.0 ** (ratio / 10.0)
    return _changed(samples + noise * np.sqrt(wanted / np.mean(noise**2)), rate)


def impulse_response(
    rate: int, seed: int, *, reverberation_time: float, direct_ratio: float
) -> npt.NDArray[np.float64]:
    """Return a synthetic impulse response of a room: a direct path, then noise that decays exponentially.

    Parameters
    ----------
    rate : int
        In Hz.
    seed : int
        Of the noise.
    reverberation_time : float
        RT60: seconds in which the energy of the tail falls by 60 dB (Polack 1988).
    direct_ratio : float
        Energy of the direct path, which is 1, over that of the tail, in dB.

    Returns
    -------
    ndarray of shape (1 + 1.5 * reverberation_time * rate,)
    """
    times = np.arange(1, round(DECAYS * reverberation_time * rate) + 1) / rate
    tail = drawing(seed, "room", reverberation_time, rate).normal(size=times.size)
    tail *= 10.0 ** (-3.0 * times / reverberation_time)
    tail *= np.sqrt(10.0 ** (-direct_ratio / 10.0) / np.sum(tail**2))
    return np.concatenate([[1.0], tail])


def reverberate(samples: Waveform, rate: int, seed: int, *, reverberation_time: float, direct_ratio: float) -> Changed:
    """Play a clip in a synthetic room, the same for all clips; it ends where the original ends."""
    from scipy.signal import fftconvolve

    response = impulse_response(rate, seed, reverberation_time=reverberation_time, direct_ratio=direct_ratio)
    return _changed(fftconvolve(samples.astype(np.float64), response)[: samples.size], rate)


def encode(samples: Waveform, rate: int, seed: int, *, codec: str, kbps: float) -> Changed:
    """Encode a clip in memory and decode it again, without the codec's delay.

    A rate that the codec does not accept, or not with this bit rate, is resampled to another one, and back.

    Parameters
    ----------
    samples, rate, seed
        See the module.
    codec : {"mp3", "opus"}
    kbps : float
        Nominal bit rate in kbit/s. The bit rate of the whole file, with its headers, is returned as ``kbps``.

    Raises
    ------
    AudioError
        If libsndfile cannot encode the clip.
    """
    form = CODECS[codec]
    coded_rate = form.rate_for(kbps, rate)
    # An encoder of integer samples does not see what exceeds full scale.
    given = np.clip(_resampled(samples, rate, coded_rate), -1.0, 1.0).astype(np.float32)
    file = io.BytesIO()
    try:
        with held_interrupts():
            with soundfile.SoundFile(
                file,
                "w",
                coded_rate,
                1,
                format=form.format,
                subtype=form.subtype,
                compression_level=form.level(kbps, coded_rate),
                bitrate_mode=form.mode,
            ) as sound:
                sound.write(given)
            size = len(file.getvalue())
            file.seek(0)
            decoded, _ = soundfile.read(file, dtype="float32")
    except RuntimeError as error:
        raise AudioError(f"{codec} cannot encode the clip ({error})") from error
    again = _resampled(_aligned(decoded, given, round(LONGEST_DELAY * coded_rate)), coded_rate, rate)
    return _changed(_of_length(again, samples.size), rate, kbps=8e-3 * size * coded_rate / given.size)


def _aligned(decoded: Waveform, given: Waveform, longest: int) -> npt.NDArray[Any]:
    """Undo the delay of a codec: move its output to where it correlates most with its input."""
    from scipy.signal import correlate

    products = correlate(decoded.astype(np.float64), given.astype(np.float64), method="fft")
    # The product at this index is that of no delay.
    center = given.size - 1
    first = max(center - longest, 0)
    delay = int(np.argmax(products[first : center + longest + 1])) + first - center
    moved = decoded[delay:] if delay >= 0 else np.pad(decoded, (-delay, 0))
    return _of_length(moved, given.size)
