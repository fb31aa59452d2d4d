"""What a picture of one recording shows: its samples, its frames, and its facts."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from fusionser.audio import ClipSettings
from fusionser.checks import channel_number, check_range
from fusionser.decoding import LATEST_SECONDS, duration_of
from fusionser.errors import AudioError, SettingsError
from fusionser.features import RMS, Chroma, MelSpectrogram
from fusionser.features.clip import Clip
from fusionser.features.pitch import PitchTrack, track_pitch
from fusionser.features.relative import pitch_frames
from fusionser.features.spectrum import FrameSettings, Spectrum, check_cells
from fusionser.isolation import is_isolated
from fusionser.opening import opened
from fusionser.reader import read_row
from fusionser.recordings import as_clips
from fusionser.rows import CHANNEL_COLUMN
from fusionser.samples import END_TOLERANCE, SILENCE_PEAK, Waveform
from fusionser.storage import HEADER, at_hand
from fusionser.timeline.speech import FRAME_SECONDS, speech_frames
from fusionser.waveform import check_own_rate, check_rate, split_pair

__all__ = ["N_MELS", "HeardRecording", "Recording", "hear", "level_of"]

LOWEST_ANALYSED, HIGHEST_ANALYSED = 8000, 16000
"""Range of the rate in Hz at which a recording is analysed; within it, the rate is its own."""

N_MELS = 80
"""Bands of the spectrogram, from 0 Hz to half the rate of the analysis."""

SPEECH_WINDOW = 3.0
"""Seconds in which speech is found together, since it is found relative to what is loud near it."""

FLOOR = 1e-5
"""Least amplitude of a level, -100 dB."""

MOST_SECONDS = 300.0
"""Longest part that a picture shows, in seconds."""

Recording = Any
"""A path, bytes, an open file, an array, or a pair (samples, rate)."""


def level_of(samples: Waveform) -> float:
    """Return the level of samples in dB relative to full scale, at least -100: that of their root mean square.

    Examples
    --------
    >>> round(level_of(np.full(100, 0.1, dtype=np.float32)), 1)
    -20.0
    """
    return _decibels(float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))))


def _decibels(amplitude: float) -> float:
    return 20.0 * float(np.log10(max(amplitude, FLOOR)))


@dataclass(frozen=True, repr=False)
class HeardRecording:
    """A decoded recording, or a part of one, and what is measured of it when it is first asked for.

    Parameters
    ----------
    name : str
    samples : ndarray of shape (n_samples,)
        The mean of all channels, or one of them; full scale is -1 to 1.
    sampling_rate : int
        Rate of the samples in Hz.
    start : float
        Where the samples begin in the recording, in seconds.
    channels : int or None
        Number of channels of the file; None if it is not known.
    """

    name: str
    samples: Waveform
    sampling_rate: int
    start: float = 0.0
    channels: int | None = None

    def __repr__(self) -> str:
        return f"<HeardRecording {self.name}: {self.seconds:.2f} s at {self.sampling_rate} Hz>"

    @property
    def seconds(self) -> float:
        """Duration."""
        return self.samples.size / self.sampling_rate

    @property
    def end(self) -> float:
        """Where the samples end in the recording, in seconds."""
        return self.start + self.seconds

    @property
    def is_silent(self) -> bool:
        """Whether nothing can be measured, because the range of the samples is that of silence."""
        return (float(self.samples.max()) - float(self.samples.min())) / 2 < SILENCE_PEAK

    @property
    def frames(self) -> FrameSettings:
        """Frames of all that is measured: 64 ms long, every 10 ms."""
        return pitch_frames(min(max(self.sampling_rate, LOWEST_ANALYSED), HIGHEST_ANALYSED))

    @cached_property
    def spectrum(self) -> Spectrum:
        """The spectrum of the frames."""
        clip = Clip({"file": self.name, "waveform": self.samples, "sampling_rate": self.sampling_rate})
        waveform = clip.waveform(ClipSettings(sampling_rate=self.frames.sampling_rate))
        check_cells(waveform.size, self.frames, self.name)
        return Spectrum(waveform, self.frames)

    @cached_property
    def times(self) -> npt.NDArray[np.float64]:
        """The middle of each frame in seconds from the beginning of the recording, shape (n_frames,)."""
        count, frames = self.spectrum.rms.size, self.frames
        return self.start + np.arange(count) * frames.hop_length / frames.sampling_rate

    @cached_property
    def log_mel(self) -> npt.NDArray[Any]:
        """Power in mel bands in dB, shape (N_MELS, n_frames)."""
        return MelSpectrogram(n_mels=N_MELS, logarithmic=True).series(self.spectrum)

    @cached_property
    def level(self) -> npt.NDArray[Any]:
        """Level of each frame in dB relative to full scale, shape (n_frames,)."""
        return RMS(logarithmic=True).series(self.spectrum)[0]

    @cached_property
    def chroma(self) -> npt.NDArray[Any]:
        """Power of each pitch class relative to the strongest of the frame, shape (12, n_frames)."""
        return Chroma().series(self.spectrum)

    @cached_property
    def pitch(self) -> PitchTrack:
        """Fundamental frequency of each frame."""
        frames = self.frames
        # A quarter of the transform, up to 4 kHz, has all that makes a pitch, and is analysed in half the time.
        power = self.spectrum.power[: frames.n_fft // 4]
        return track_pitch(power, self.spectrum.rms, frames.sampling_rate, frames.hop_length, n_fft=frames.n_fft)

    @cached_property
    def speech(self) -> npt.NDArray[np.bool_]:
        """Whether there is speech, every 20 ms."""
        size = round(SPEECH_WINDOW * self.sampling_rate)
        # What is left at the end is heard together with the last window, as it may be very short.
        starts = range(0, max(self.samples.size // size, 1) * size, size)
        parts = np.split(self.samples, starts[1:])
        return np.concatenate([speech_frames(part, self.sampling_rate).speech for part in parts])

    def facts(self) -> dict[str, Any]:
        """Return the duration, rate, channels, levels, median pitch in Hz and share of speech, as JSON values."""
        voiced = np.zeros(0) if self.is_silent else self.pitch.frequency[self.pitch.voiced]
        return {
            "seconds": round(self.seconds, 6),
            "sampling_rate": self.sampling_rate,
            "channels": self.channels,
            "silent": self.is_silent,
            "level_dbfs": round(level_of(self.samples), 1),
            # The sum makes 0 of a negative zero.
            "peak_dbfs": round(_decibels(float(np.abs(self.samples).max())), 1) + 0.0,
            "median_pitch_hz": round(float(np.median(voiced)), 1) if voiced.size else None,
            "speech_share": round(float(self.speech.mean()), 3),
        }

    def speech_seconds(self) -> list[tuple[float, float]]:
        """Return the start and the duration of each stretch of speech, in seconds."""
        edges = np.flatnonzero(np.diff(np.concatenate([[False], self.speech, [False]]).astype(int)))
        spans = edges.reshape(-1, 2) * FRAME_SECONDS
        return [(self.start + first, min(last, self.seconds) - first) for first, last in spans.tolist()]


def hear(
    recording: Recording,
    *,
    sampling_rate: int | None = None,
    channel: int | str | None = None,
    start: float = 0.0,
    end: float | None = None,
    accept_truncated: bool = False,
) -> HeardRecording:
    """Decode a recording, or a part of it, for a picture.

    Parameters
    ----------
    recording : str, path, bytes, binary file, array, or pair (samples, rate)
        As for `Model.predict`.
    sampling_rate : int, optional
        Rate of an array in Hz.
    channel : int or {"left", "right", "mean"}, optional
        The channel of a file, from 1. None is the mean of all.
    start, end : float
        The part to show, in seconds from the beginning. None is the end of the recording.
    accept_truncated : bool, default=False
        Show what is there of a file that was cut off.

    Returns
    -------
    HeardRecording

    Raises
    ------
    AudioError
        If the recording cannot be decoded, has no samples, or is longer than a picture shows.
    SettingsError
        If there are several recordings.

    Examples
    --------
    >>> heard = hear((0.1 * np.sin(2 * np.pi * 220 / 16000 * np.arange(32000)), 16000))
    >>> heard
    <HeardRecording the recording: 2.00 s at 16000 Hz>
    >>> heard.facts()["median_pitch_hz"]
    220.0
    """
    check_range("start", start, 0, LATEST_SECONDS)
    if end is not None and not start < end <= LATEST_SECONDS:
        raise SettingsError(
            f"end is {end:g} s; expected more than the start, {start:g} s, and at most {LATEST_SECONDS:g} s",
            parameter="end",
        )
    # An array is one recording, also where its channels come first.
    with as_clips([recording] if isinstance(recording, np.ndarray) else recording) as clips:
        if not isinstance(clips.items, list) or len(clips.items) != 1:
            raise SettingsError(f"a picture shows one recording; got {_kind_of(recording)}", parameter="recording")
        item = clips.items[0]
        try:
            if isinstance(item, str) or hasattr(item, "__fspath__"):
                name, place = clips.shown(str(item)), str(item)
                return _heard_file(place, name, channel_number(channel), start, end, accept_truncated)
            samples, rate = split_pair(item)
            return _heard_array(samples, check_rate(sampling_rate if rate is None else rate), start, end)
        except AudioError as error:
            raise AudioError(clips.shown(str(error))) from error


def _kind_of(given: Any) -> str:
    """Return what is given instead of one recording."""
    several = hasattr(given, "__len__")
    return "several, or a table" if several else f"{given!r}; expected a path, bytes, an open file or (samples, rate)"


def _heard_file(
    path: str, name: str, channel: int | None, start: float, end: float | None, accept_truncated: bool
) -> HeardRecording:
    whole = duration_of(path, accept_truncated=accept_truncated)
    _check_part(start, end, whole, name)
    if accept_truncated:
        # A whole file is not read up to its stated end, which a compressed one only estimates.
        end = whole if end is None else min(end, whole)
    row = {"file": path, "start": start, "end": end, CHANNEL_COLUMN: channel}
    samples, rate = read_row(row)
    check_own_rate(name, rate)
    return HeardRecording(name, samples, rate, start, _channels_of(path))


def _heard_array(samples: Any, rate: int, start: float, end: float | None) -> HeardRecording:
    array = np.asarray(samples)
    row = {"file": "the recording", "waveform": array, "sampling_rate": rate, "start": start, "end": end}
    _check_part(start, end, max(array.shape, default=0) / rate, "the recording")
    heard, rate = read_row(row)
    return HeardRecording("the recording", heard, rate, start, 1 if array.ndim < 2 else min(array.shape))


def _check_part(start: float, end: float | None, whole: float, name: str) -> None:
    """Raise `AudioError` if a part is not in a recording, or is too long for a picture."""
    last = whole if end is None else end
    if whole and (start >= whole or last > whole + END_TOLERANCE):
        part = f"nothing from {start:g} s on" if end is None else f"no part from {start:g} to {end:g} s"
        raise AudioError(f"{name}: {whole:.2f} s long, so it has {part}; choose another --start or --end")
    if last - start > MOST_SECONDS:
        raise AudioError(
            f"{name}: {last - start:.0f} s are too long for a picture; expected at most {MOST_SECONDS:g} s. Choose a "
            "part with --start and --end, or follow the whole with 'fusionser predict --timeline FILE.html'"
        )


def _channels_of(path: str) -> int | None:
    """Return the number of channels of a file; None if it is decoded apart, which tells the samples only."""
    if is_isolated():
        return None
    with at_hand(path, HEADER) as file, opened(file) as sound:
        return int(sound.channels)
