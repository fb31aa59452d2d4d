"""Prepare waveforms: mix channels, cut, resample, trim, denoise, pad or cut to a length."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soxr
import xxhash

from fusionser.errors import AudioError, SettingsError

__all__ = [
    "HIGHEST_RATE",
    "LARGEST_PEAK",
    "LONGEST_SECONDS",
    "LOWEST_RATE",
    "SILENCE_PEAK",
    "ClipSettings",
    "check_channels",
    "check_part",
    "check_samples",
    "fingerprint",
    "mix_down",
    "one_channel",
    "prepare",
]

LOWEST_RATE, HIGHEST_RATE = 1000, 384000
"""Range of sampling rates in Hz, for the analysis and for arrays."""

LONGEST_SECONDS = 15 * 60.0
"""Longest recording that is accepted, in seconds. The limit also stops the reading of endless files."""

MOST_SAMPLES = 2**26
"""Most samples that settings may ask of every clip: more than 11 minutes at 96 kHz."""

SILENCE_PEAK = 1e-4
"""A clip is silent when half its peak-to-peak range is below this value (-80 dB full scale)."""

LARGEST_PEAK = 8.0
"""Largest absolute sample that is accepted, 18 dB above full scale. Mixing and resampling exceed full scale by a few
decibels at most, integers that were converted to floats without scaling by far more."""

TRIM_DECIBELS = 30.0
TRIM_FRAME, TRIM_HOP = 2048, 512

END_TOLERANCE = 0.1
"""Seconds by which the end of a row may exceed the end of its file. Compressed formats only estimate their length."""

Waveform = npt.NDArray[np.float32]


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


def check_part(count: int, rate: int, start: float, end: float | None, name: str) -> None:
    """Raise `AudioError` if the part from `start` to `end`, in seconds, has no samples or fewer than it should have."""
    first = int(start * rate)
    lacking = 0.0 if end is None else (round(end * rate) - first - count) / rate
    if count and lacking > END_TOLERANCE:
        raise AudioError(f"{name}: the row ends at {end:g} s, {lacking:.2f} s past the end of the file or array")
    if count == 0:
        raise AudioError(f"{name}: holds no samples{f' after {start:g} s' if first else ''}")


def one_channel(channels: npt.NDArray[np.float32], number: int | None, name: str) -> npt.NDArray[np.float32]:
    """Return an array of shape (1, n_samples) with one of the channels, or all of them if `number` is None.

    Raises
    ------
    AudioError
        If there are fewer channels; with the name of the clip.
    """
    if number is None:
        return channels
    if number > len(channels):
        has = "one channel" if len(channels) == 1 else f"{len(channels)} channels"
        raise AudioError(f"{name}: has {has}, and no channel {number}; choose another with --channel, or 'mean'")
    return channels[number - 1 : number]


def mix_down(channels: npt.NDArray[np.float32]) -> Waveform:
    """Return the mean over the channels of an array of shape (n_channels, n_samples).

    Examples
    --------
    >>> mix_down(np.array([[0.5, 1.0], [0.0, -1.0]], dtype=np.float32))
    array([0.25, 0.  ], dtype=float32)
    """
    # A sum over contiguous rows is faster than one over interleaved channels.
    rows = np.ascontiguousarray(channels)
    # Infinite samples, and those that overflow, are rejected later, with the name of the clip.
    with np.errstate(invalid="ignore", over="ignore"):
        return rows[0] if len(rows) == 1 else rows.mean(axis=0)


def check_channels(channels: npt.NDArray[np.float32], mean: Waveform, name: str) -> None:
    """Raise `AudioError`, with the name of the clip, if the mean of channels is silent, and the channels are not.

    Parameters
    ----------
    channels : ndarray of shape (n_channels, n_samples)
    mean : ndarray of shape (n_samples,)
    name : str
    """
    if len(channels) < 2 or _half_range(mean) >= SILENCE_PEAK:
        return
    if max(map(_half_range, channels)) >= SILENCE_PEAK:
        raise AudioError(
            f"{name}: its {len(channels)} channels cancel each other out when they are averaged; use one "
            "of them with --channel, such as --channel left"
        )


def _half_range(samples: Waveform) -> float:
    return (float(samples.max()) - float(samples.min())) / 2 if samples.size else 0.0


def check_samples(samples: Waveform, name: str) -> None:
    """Raise `AudioError`, with the name of the clip, if a sample is not finite or exceeds `LARGEST_PEAK`."""
    finite = np.isfinite(samples)
    if not finite.all():
        raise AudioError(f"{name}: {int((~finite).sum())} samples are NaN or infinite")
    peak = max(float(samples.max()), -float(samples.min()))
    if peak > LARGEST_PEAK:
        raise AudioError(
            f"{name}: the samples reach {peak:g}; expected -1 to 1, and at most {LARGEST_PEAK:g}. Divide them by the "
            "full scale of the original integers, such as 32768 for 16 bits"
        )


def fingerprint(samples: Waveform, sampling_rate: int) -> str:
    """Return a hash of decoded audio, the same for copies of a clip under any name and in any lossless format."""
    # The hash finds copies, not forgeries, so it need not be cryptographic.
    digest = xxhash.xxh3_128(str(sampling_rate).encode())
    digest.update(np.ascontiguousarray(samples, dtype=np.float32).data)
    return digest.hexdigest()


def _trim(samples: Waveform) -> Waveform:
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(samples, TRIM_FRAME // 2), TRIM_FRAME)[::TRIM_HOP]
    power = np.square(np.sqrt(np.square(frames).mean(axis=1)))
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
    first = int(settings.offset * sampling_rate)
    stop = None if settings.duration is None or settings.trim else first + int(settings.duration * sampling_rate)
    kept = np.asarray(samples[first:stop], dtype=np.float32)
    if kept.size == 0:
        raise AudioError(
            f"{name}: nothing is left after an offset of {settings.offset:g} s; the clip is "
            f"{samples.size / sampling_rate:.3f} s long"
        )
    half_range = _half_range(kept)
    if half_range < SILENCE_PEAK:
        raise AudioError(f"{name}: silent (peak {half_range:.1e}, expected at least {SILENCE_PEAK:g})")
    if sampling_rate != settings.sampling_rate:
        kept = soxr.resample(kept, sampling_rate, settings.sampling_rate, quality="HQ")
    if settings.trim:
        kept = _trim(kept)
    if kept.size < shortest:
        raise AudioError(
            f"{name}: {kept.size} samples at {settings.sampling_rate} Hz, shorter than one frame of {shortest}"
        )
    if settings.denoise:
        kept = _denoise(kept)
    lacking = (settings.samples or 0) - kept.size
    return np.pad(kept, (0, lacking)) if lacking > 0 else kept[: settings.samples]
