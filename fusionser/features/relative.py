"""A clip relative to its own level, noise floor and channel, so that features carry little of the recording chain.

Levels are in decibels below the loud parts of the same clip, so a gain changes nothing. The mean power of the quietest
frames is subtracted (Boll 1979), and a floor at a fixed distance below the loud parts gives quiet and noisy recordings
the same dynamic range. Only 100 Hz to 3700 Hz are used, which a telephone also transmits.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from fusionser.audio import ClipSettings
from fusionser.features.clip import Clip
from fusionser.features.filters import bin_frequencies, mel_filters
from fusionser.features.percentiles import percentile, percentiles
from fusionser.features.pitch import track_pitch
from fusionser.features.spectrum import FrameSettings

__all__ = ["RelativeBands", "RelativeFrames", "pitch_frames", "power_response", "relative_bands", "relative_frames"]

Array64 = npt.NDArray[np.float64]

HOP, BAND_FRAME, PITCH_FRAME = 0.010, 0.025, 0.064
"""Seconds between frames, and length of the frames of bands and pitch. Pitch needs three periods of 60 Hz."""

LOWEST, HIGHEST = 100.0, 3700.0
"""Range of frequencies in Hz. Hum and rumble lie below it, and the band limits of telephones and codecs above it."""

N_BANDS = 40
LOWEST_BANDS = 3
"""Mel bands from 0 Hz to about 150 Hz, which are left out."""
QUIETEST = 0.1
"""Share of the frames, the quietest ones, from which the noise is estimated."""

LARGEST_NOISE = 0.1
"""Most that the power of the noise may be, relative to the loud frames."""

SUBTRACTED = 2.0
"""Factor of the noise power that is subtracted; more than 1, since single frames scatter about the mean."""

LOUD_FRAMES, LOUD_BANDS = 97, 95
"""Percentiles over the frames that stand for the loud parts of the clip, and of a band."""

EMPTY_BAND = 1e-4
"""Share of the mean over the bands that is added to the loud level of each, so that empty bands stay finite."""

SHORTEST = 20
"""Fewest frames that the ends of a clip are cut down to."""


@dataclass(frozen=True)
class RelativeBands:
    """Level and mel bands of a clip, from the first to the last active frame.

    Parameters
    ----------
    level : ndarray of shape (n_frames,)
        Decibels relative to the loud frames; at least ``-dynamic_range``.
    bands : ndarray of shape (n_frames, n_bands)
        Power of the mel bands in decibels, relative to the mean over the loud parts of all bands. The floor of each
        band is `dynamic_range` below its own loud parts.
    loud : ndarray of shape (n_bands,)
        The loud parts of each band in decibels, with the same reference.
    active : ndarray of shape (n_all_frames,), bool
        Whether the level of each frame of the whole clip is less than `dynamic_range` below the loud frames.
    part : slice
        The frames among those of the whole clip.
    """

    level: Array64
    bands: Array64
    loud: Array64
    active: npt.NDArray[np.bool_]
    part: slice


@dataclass(frozen=True)
class RelativeFrames:
    """Frames of a clip, from the first to the last active one.

    Parameters
    ----------
    first : int
        Number of the first of these frames in the whole clip.
    level, bands
        As in `RelativeBands`.
    active : ndarray of shape (n_frames,), bool
        Whether the level is less than `dynamic_range` below the loud frames.
    frequency : ndarray of shape (n_frames,)
        Fundamental frequency in Hz, 0 in unvoiced frames.
    harmonics_to_noise : ndarray of shape (n_frames,)
        Decibels.
    """

    first: int
    level: Array64
    bands: Array64
    active: npt.NDArray[np.bool_]
    frequency: Array64
    harmonics_to_noise: Array64

    @property
    def voiced(self) -> npt.NDArray[np.bool_]:
        """Active frames with a pitch, shape (n_frames,)."""
        return self.active & (self.frequency > 0)

    @property
    def seconds(self) -> float:
        """Duration."""
        return self.level.size * HOP


def power_response(frequency: Array64) -> Array64:
    """Return the share of the power that is used at each frequency in Hz, an array of the same shape.

    It is that of a Butterworth high-pass of fourth order at `LOWEST`, and 0 above `HIGHEST`.

    Examples
    --------
    >>> power_response(np.array([0.0, 100.0, 1000.0, 4000.0])).round(3).tolist()
    [0.0, 0.5, 1.0, 0.0]
    """
    ratio = (frequency / LOWEST) ** 8
    response: Array64 = np.where(frequency <= HIGHEST, ratio / (ratio + 1.0), 0.0)
    return response


@lru_cache(maxsize=8)
def _weights(frames: FrameSettings) -> Array64:
    """Return the response of the bins up to `HIGHEST`; that of all others is 0."""
    response = power_response(bin_frequencies(frames.sampling_rate, frames.n_fft))
    return response[: np.flatnonzero(response)[-1] + 1]


def _used_power(clip: Clip, settings: ClipSettings, frames: FrameSettings) -> Array64:
    """Return the weighted power of the bins up to `HIGHEST`, shape (n_bins, n_frames)."""
    weights = _weights(frames)
    power: Array64 = clip.spectrum(settings, frames).power[: weights.size] * weights[:, None]
    return power


@lru_cache(maxsize=8)
def _filters(sampling_rate: int, n_fft: int) -> Array64:
    filters = mel_filters(sampling_rate, n_fft, LOWEST_BANDS + N_BANDS, HIGHEST)
    return filters[LOWEST_BANDS:].astype(np.float64)


def _without_noise(power: Array64, least: float) -> Array64:
    """Subtract the mean power of the quietest frames, and leave at least `least` of it."""
    energy = power.sum(axis=0)
    count = min(max(3, int(QUIETEST * energy.size)), energy.size)
    noise = power[:, np.argsort(energy, kind="stable")[:count]].mean(axis=1, keepdims=True)
    # The quietest frames of a clip without pauses are speech, of which little may be subtracted.
    largest, total = LARGEST_NOISE * percentile(energy, LOUD_FRAMES), float(noise.sum())
    if total > largest:
        noise *= largest / total
    rest = power - SUBTRACTED * noise
    return np.maximum(rest, least * noise, out=rest)


def band_frames(sampling_rate: int) -> FrameSettings:
    length = round(BAND_FRAME * sampling_rate)
    n_fft = 1 << (length - 1).bit_length()
    return FrameSettings(sampling_rate=sampling_rate, n_fft=n_fft, hop_length=_hop(sampling_rate), win_length=length)


def pitch_frames(sampling_rate: int) -> FrameSettings:
    """Return the frames that the pitch is found in: `PITCH_FRAME` long, every `HOP` seconds."""
    n_fft = 2 * round(PITCH_FRAME * sampling_rate / 2)
    return FrameSettings(sampling_rate=sampling_rate, n_fft=n_fft, hop_length=_hop(sampling_rate))


def _hop(sampling_rate: int) -> int:
    return round(HOP * sampling_rate)


def relative_bands(clip: Clip, settings: ClipSettings, dynamic_range: float) -> RelativeBands:
    """Analyse level and mel bands of a clip.

    Parameters
    ----------
    clip : Clip
    settings : ClipSettings
    dynamic_range : float
        Distance in decibels from the loud parts to the floor.

    Raises
    ------
    AudioError
        If the clip cannot be read, or is shorter than a frame.
    """
    rate = settings.sampling_rate
    frames = band_frames(rate)
    power = _used_power(clip, settings, frames)
    filters = _filters(rate, frames.n_fft)[:, : len(power)]
    speech = _without_noise(power, 0.0)
    energy = speech.sum(axis=0)
    top = percentile(energy, LOUD_FRAMES) or float(energy.max()) or 1.0
    floor = 10.0 ** (-dynamic_range / 10.0)
    active = energy > floor * top
    part = _active_part(active)
    bands = (filters @ speech[:, part]).T
    loud = percentiles(bands.T, [LOUD_BANDS])[0]
    loud += EMPTY_BAND * loud.mean() or 1.0
    return RelativeBands(
        level=10.0 * np.log10(energy[part] / top + floor),
        bands=10.0 * np.log10((bands + floor * loud) / loud.mean()),
        loud=10.0 * np.log10(loud / loud.mean()),
        active=active,
        part=part,
    )


def relative_frames(clip: Clip, settings: ClipSettings, dynamic_range: float) -> RelativeFrames:
    """Analyse level, mel bands and pitch of a clip; for parameters and errors see `relative_bands`."""
    found = relative_bands(clip, settings, dynamic_range)
    frequency, harmonics = _pitch(clip, settings, found.active.size)
    return RelativeFrames(
        first=found.part.start or 0,
        level=found.level,
        bands=found.bands,
        active=found.active[found.part],
        frequency=frequency[found.part],
        harmonics_to_noise=harmonics[found.part],
    )


def _pitch(clip: Clip, settings: ClipSettings, count: int) -> tuple[Array64, Array64]:
    frames = pitch_frames(settings.sampling_rate)
    used = _used_power(clip, settings, frames)
    least = 1e-14 * used.max()
    power = _without_noise(used, 1e-3)
    power += least
    loudness = np.sqrt(power.sum(axis=0))
    track = track_pitch(
        power.astype(np.float32), loudness, settings.sampling_rate, frames.hop_length, n_fft=frames.n_fft
    )
    # Both framings have the same hop, but longer frames can be one fewer.
    padding = (0, max(count - track.frequency.size, 0))
    harmonics = np.pad(track.harmonics_to_noise, padding, mode="edge")
    return np.pad(track.frequency, padding)[:count], harmonics[:count]


def _active_part(active: npt.NDArray[np.bool_]) -> slice:
    """Return the frames from the first to the last active one, or all if they are too few."""
    places = np.flatnonzero(active)
    if places.size == 0 or places[-1] + 1 - places[0] < SHORTEST:
        return slice(None)
    return slice(int(places[0]), int(places[-1]) + 1)
