"""Decoded samples: one channel of several, what no recording has, and a hash."""

import math

import numpy as np
import numpy.typing as npt
import xxhash

from fusionser.errors import AudioError

__all__ = [
    "END_TOLERANCE",
    "LARGEST_PEAK",
    "SILENCE_PEAK",
    "Fingerprint",
    "SampleRange",
    "Waveform",
    "check_channels",
    "check_part",
    "check_samples",
    "fingerprint",
    "mix_down",
    "one_channel",
]

SILENCE_PEAK = 1e-4
"""A clip is silent when half its peak-to-peak range is below this value (-80 dB full scale)."""

LARGEST_PEAK = 8.0
"""Largest absolute sample that is accepted, 18 dB above full scale. Mixing and resampling exceed full scale by a few
decibels at most, integers that were converted to floats without scaling by far more."""

END_TOLERANCE = 0.1
"""Seconds by which the end of a row may exceed the end of its file. Compressed formats only estimate their length."""

Waveform = npt.NDArray[np.float32]


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


class SampleRange:
    """The range of samples that come block by block, and how many of them are not finite."""

    def __init__(self) -> None:
        self.low, self.high = np.float32(np.inf), np.float32(-np.inf)
        self.not_finite = 0

    def add(self, samples: Waveform) -> None:
        """Count one more block."""
        if not samples.size:
            return
        low, high = samples.min(), samples.max()
        # Samples that are not finite show in their range: NaN is both the lowest and the highest.
        if not (math.isfinite(low) and math.isfinite(high)):
            self.not_finite += int((~np.isfinite(samples)).sum())
        self.low, self.high = min(self.low, low), max(self.high, high)

    @property
    def half(self) -> float:
        """Half of the distance from the lowest to the highest sample."""
        return (float(self.high) - float(self.low)) / 2

    def silence(self) -> str:
        """Return why there is no sound: the samples are near zero, or all of about the same other value."""
        if max(abs(float(self.low)), abs(float(self.high))) < SILENCE_PEAK:
            return f"silent (peak {self.half:.1e}, expected at least {SILENCE_PEAK:g})"
        return (
            f"silent (all samples are about {(float(self.low) + float(self.high)) / 2:.2g}; a sound would change them)"
        )

    def check(self, name: str) -> None:
        """Raise `AudioError` as `check_samples` does."""
        if self.not_finite:
            raise AudioError(f"{name}: {self.not_finite} samples are NaN or infinite")
        peak = max(float(self.high), -float(self.low))
        if peak > LARGEST_PEAK:
            raise AudioError(
                f"{name}: the samples reach {peak:g}; expected -1 to 1, and at most {LARGEST_PEAK:g}. Divide them by "
                "the full scale of the original integers, such as 32768 for 16 bits"
            )


def check_samples(samples: Waveform, name: str) -> None:
    """Raise `AudioError`, with the name of the clip, if a sample is not finite or exceeds `LARGEST_PEAK`."""
    seen = SampleRange()
    seen.add(samples)
    seen.check(name)


class Fingerprint:
    """A hash of decoded audio, the same for copies of a clip under any name and in any lossless format.

    Parameters
    ----------
    sampling_rate : int
        Hz.
    """

    def __init__(self, sampling_rate: int) -> None:
        # The hash finds copies, not forgeries, so it need not be cryptographic.
        self._digest = xxhash.xxh3_128(str(sampling_rate).encode())

    def add(self, samples: Waveform) -> None:
        """Add the next samples."""
        self._digest.update(np.ascontiguousarray(samples, dtype=np.float32).data)

    def text(self) -> str:
        """Return the hash of all samples until now."""
        return self._digest.hexdigest()


def fingerprint(samples: Waveform, sampling_rate: int) -> str:
    """Return the `Fingerprint` of all samples of a clip."""
    made = Fingerprint(sampling_rate)
    made.add(samples)
    return made.text()
