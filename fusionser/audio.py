"""Prepare waveforms: mix channels, cut, resample, trim, denoise, pad or cut to a length."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import soxr

from fusionser.errors import AudioError, SettingsError
from fusionser.samples import SILENCE_PEAK, SampleRange, Waveform

__all__ = [
    "HIGHEST_RATE",
    "LONGEST_SECONDS",
    "LOWEST_RATE",
    "ClipSettings",
    "finish",
    "prepare",
    "resample",
]

LOWEST_RATE, HIGHEST_RATE = 1000, 384000
"""Range of sampling rates in Hz, for the analysis and for arrays."""

LONGEST_SECONDS = 15 * 60.0
"""Longest recording that is accepted, in seconds. The limit also stops the reading of endless files."""

MOST_SAMPLES = 2**26
"""Most samples that settings may ask of every clip: more than 11 minutes at 96 kHz."""

TRIM_DECIBELS = 30.0
TRIM_FRAME, TRIM_HOP = 2048, 512


@dataclass(frozen=True, kw_only=True)
class ClipSettings:
    """How a recording is prepared for the analysis.

    Parameters
    ----------
    sampling_rate : int, default=22050
        Rate of the analysis in Hz, 1000 to 384000. Recordings are resampled to it.
    offset : float, default=0.0
        Seconds to skip at the start of the clip.
    duration : float, optional
        Seconds to keep. Shorter clips are padded with zeros at the end. None keeps the whole clip.
    trim : bool, default=False
        Remove leading and trailing parts that are more than 30 dB below the loudest frame.
    denoise : bool, default=False
        Apply a Wiener filter to the samples (Wiener 1949; `scipy.signal.wiener`).

    Examples
    --------
    >>> ClipSettings(sampling_rate=16000, duration=3.0).samples
    48000
    """

    sampling_rate: int = 22050
    offset: float = 0.0
    duration: float | None = None
    trim: bool = False
    denoise: bool = False

    def __post_init__(self) -> None:
        if not LOWEST_RATE <= self.sampling_rate <= HIGHEST_RATE:
            raise SettingsError(
                f"sampling_rate is {self.sampling_rate}; expected {LOWEST_RATE} to {HIGHEST_RATE} Hz, such as 16000 or "
                "22050",
                parameter="sampling_rate",
            )
        if not 0 <= self.offset <= LONGEST_SECONDS:
            raise SettingsError(
                f"offset is {self.offset}; expected 0 to {LONGEST_SECONDS:g} seconds", parameter="offset"
            )
        seconds = self.duration
        if seconds is not None and not (seconds * self.sampling_rate >= 1 and seconds <= LONGEST_SECONDS):
            raise SettingsError(
                f"duration is {seconds}; expected more than 0 and at most {LONGEST_SECONDS:g} seconds, or None for the "
                "whole clip",
                parameter="duration",
            )
        if seconds is not None and seconds * self.sampling_rate > MOST_SAMPLES:
            raise SettingsError(
                f"duration is {seconds} and sampling_rate {self.sampling_rate}, which makes "
                f"{round(seconds * self.sampling_rate)} samples of every clip; expected at most {MOST_SAMPLES}",
                parameter="duration",
            )

    @property
    def samples(self) -> int | None:
        """Number of samples of every prepared clip. None if clips keep their own length."""
        return None if self.duration is None else round(self.duration * self.sampling_rate)


def _trim(samples: Waveform) -> Waveform:
    padded = np.zeros(samples.size + TRIM_FRAME, dtype=np.float32)
    padded[TRIM_FRAME // 2 : TRIM_FRAME // 2 + samples.size] = samples
    # A frame is four parts, which overlapping frames share.
    parts = np.square(padded[: padded.size // TRIM_HOP * TRIM_HOP].reshape(-1, TRIM_HOP)).sum(axis=1)
    halves = parts[:-1] + parts[1:]
    power = np.square(np.sqrt((halves[:-2] + halves[2:]) / TRIM_FRAME))
    audible = np.maximum(power, np.float32(1e-10))
    loud = np.flatnonzero(10.0 * np.log10(audible) - 10.0 * np.log10(audible.max()) > -TRIM_DECIBELS)
    return samples[loud[0] * TRIM_HOP : (loud[-1] + 1) * TRIM_HOP]


def _denoise(samples: Waveform) -> Waveform:
    from scipy.signal import wiener

    # In constant parts the filter divides by a local variance of zero, and then returns the local mean.
    with np.errstate(divide="ignore", invalid="ignore"):
        filtered = wiener(samples.astype(np.float64))
    return np.nan_to_num(filtered).astype(np.float32)


def prepare(
    samples: Waveform, sampling_rate: int, settings: ClipSettings, *, shortest: int = 1, name: str = "the clip"
) -> Waveform:
    """Prepare decoded samples for the analysis.

    The steps are: skip `offset`, cut to `duration`, resample (soxr, high quality), trim silence, denoise, and pad to
    `duration`. With `trim`, the clip is cut to `duration` only after trimming, so that silence does not count.

    Parameters
    ----------
    samples : ndarray of shape (n_samples,)
        One channel, full scale -1 to 1.
    sampling_rate : int
        Rate of `samples` in Hz.
    settings : ClipSettings
        The steps to apply.
    shortest : int, default=1
        Minimum number of samples before padding, the length of a frame.
    name : str
        Name of the clip in error messages.

    Returns
    -------
    ndarray of shape (n_prepared,), float32

    Raises
    ------
    AudioError
        If nothing, only silence, or fewer than `shortest` samples are left.

    Examples
    --------
    >>> tone = np.sin(np.arange(8000) * 0.3).astype(np.float32)
    >>> prepare(tone, 8000, ClipSettings(sampling_rate=16000, duration=2.0)).shape
    (32000,)
    """
    return finish(resample([samples], sampling_rate, settings, name=name), settings, shortest=shortest, name=name)


def resample(
    blocks: Iterable[Waveform], sampling_rate: int, settings: ClipSettings, *, name: str = "the clip"
) -> Waveform:
    """Cut samples that come block by block, and resample them: the first steps of `prepare`.

    The samples at their own rate need not be in memory together. The result does not depend on the blocks.

    Parameters
    ----------
    blocks : iterable of ndarray of shape (n_samples,)
        The samples of one channel, one after the other.
    sampling_rate, settings, name
        As for `prepare`.

    Returns
    -------
    ndarray of shape (n_resampled,), float32

    Raises
    ------
    AudioError
        If nothing, or only silence, is left.

    Examples
    --------
    >>> tone = np.sin(np.arange(8000) * 0.3).astype(np.float32)
    >>> parts = resample(np.split(tone, 4), 8000, ClipSettings(sampling_rate=16000))
    >>> bool((parts == resample([tone], 8000, ClipSettings(sampling_rate=16000))).all())
    True
    """
    first = int(settings.offset * sampling_rate)
    stop = None if settings.duration is None or settings.trim else first + int(settings.duration * sampling_rate)
    same = sampling_rate == settings.sampling_rate
    stream = None if same else soxr.ResampleStream(sampling_rate, settings.sampling_rate, 1, "float32", quality="HQ")
    parts: list[Waveform] = []
    seen, count = SampleRange(), 0
    for block in blocks:
        part = block[max(first - count, 0) : None if stop is None else max(stop - count, 0)]
        kept = np.ascontiguousarray(part, dtype=np.float32)
        count += block.size
        if kept.size:
            seen.add(kept)
            parts.append(kept if stream is None else stream.resample_chunk(kept))
    if not parts:
        raise AudioError(
            f"{name}: nothing is left after an offset of {settings.offset:g} s; the clip is "
            f"{count / sampling_rate:.3f} s long"
        )
    if seen.half < SILENCE_PEAK:
        raise AudioError(f"{name}: {seen.silence()}")
    if stream is not None:
        parts.append(stream.resample_chunk(np.zeros(0, dtype=np.float32), last=True))
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def finish(resampled: Waveform, settings: ClipSettings, *, shortest: int = 1, name: str = "the clip") -> Waveform:
    """Trim, denoise and pad a waveform: the steps of `prepare` that follow `resample`.

    Parameters
    ----------
    resampled : ndarray of shape (n_samples,), float32
    settings, shortest, name
        As for `prepare`.

    Returns
    -------
    ndarray of shape (n_prepared,), float32

    Raises
    ------
    AudioError
        If fewer than `shortest` samples are left.
    """
    kept = _trim(resampled) if settings.trim else resampled
    if kept.size < shortest:
        raise AudioError(
            f"{name}: {kept.size} samples at {settings.sampling_rate} Hz, shorter than one frame of {shortest}"
        )
    if settings.denoise:
        kept = _denoise(kept)
    if kept.size >= (settings.samples or 0):
        return kept[: settings.samples]
    padded = np.zeros(settings.samples or 0, dtype=np.float32)
    padded[: kept.size] = kept
    return padded
