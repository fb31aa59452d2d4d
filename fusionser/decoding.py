"""Decode audio files, whole or in part, and average their channels block by block."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from fusionser.audio import (
    END_TOLERANCE,
    LONGEST_SECONDS,
    Waveform,
    check_channels,
    check_part,
    check_samples,
    mix_down,
    one_channel,
)
from fusionser.containers import is_chained, missing_part, streamed_wave
from fusionser.errors import AudioError
from fusionser.files import wrong_name
from fusionser.foreign import damage, decoded_by_ffmpeg, is_foreign
from fusionser.isolation import ask_decoder, is_isolated
from fusionser.mpeg import with_length
from fusionser.quiet import quiet

__all__ = ["Sequential", "check_length", "check_whole", "decode", "duration_of", "is_cut_off", "open_sound", "reason"]

LATEST_SECONDS = 24 * 3600.0
"""Latest start and end of a part, in seconds."""

BLOCK = 4096
"""Frames that are decoded at once where only their number is wanted. Those of a block that is damaged are lost."""

MIXED = 1 << 16
"""Frames that are decoded and averaged at once."""

MOST_SAMPLES = 1 << 30
"""Most samples, of all channels together, that are decoded for one clip."""

TRUNCATED_REMEDY = "get a whole copy, or use what is there with --accept-truncated"


class Sequential(soundfile.SoundFile):
    """A file that is read block by block.

    soundfile goes to the next frame after each reading of a file that is seekable, which MP3 does not survive.
    """

    def seekable(self) -> bool:
        """Return False."""
        return False

    @property
    def can_seek(self) -> bool:
        """Whether reading can begin at any frame with the right samples."""
        return bool(super().seekable()) and self.format != "MP3"


@contextmanager
def _opened(file: str | Path) -> Iterator[Sequential]:
    """Open a file, and keep from the terminal what libmpg123 says of damaged ones."""
    with quiet(), open_sound(file) as sound:
        yield sound


def _descriptor(path: Path) -> int | Path:
    """Return an open file without its name, where the system has such.

    By its name, libsndfile would also read the file "._NAME" beside it, which macOS writes on other systems' disks, and
    then take the recording for another format.
    """
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC) if os.name == "posix" else path


def reason(error: Exception) -> str:
    """Return what libsndfile says of a file; its "internal error" is one in the file."""
    text = str(getattr(error, "error_string", error)).rstrip(".")
    return text.replace("Unspecified internal error", "it is damaged")


def open_sound(file: str | Path) -> Sequential:
    """Open a recording; raise `AudioError` if that is not possible."""
    path = Path(file)
    if wrong := wrong_name(path):
        raise AudioError(wrong["reason"])
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise AudioError(f"{file}: not a regular file; expected a recording such as a .wav or .flac")
        if path.stat().st_size == 0:
            raise AudioError(f"{file}: the file is empty (0 bytes)")
        sound = Sequential(decoded_by_ffmpeg(path) if is_foreign(path) else _descriptor(path), closefd=True)
        stating = None
        if sound.frames == 0:
            stating = streamed_wave(path)
        elif sound.format == "MP3":
            stating = with_length(path)
        if stating is not None:
            sound.close()
            sound = Sequential(stating)
    except OSError as error:
        backslashes = ", which has backslashes, as on Windows: write /" if "\\" in str(file) and os.sep == "/" else ""
        raise AudioError(
            f"{file}: cannot be opened ({error.strerror or error}); check the path{backslashes}"
        ) from error
    except (RuntimeError, TypeError, ValueError) as error:
        # soundfile takes the suffix .raw for headerless audio, and raises TypeError because no rate is given.
        why = reason(error)
        raise AudioError(f"{file}: not readable as audio ({why}); convert it to WAV or FLAC") from error
    return sound


def duration_of(file: str | Path, *, accept_truncated: bool = False) -> float:
    """Return the duration of a recording in seconds, as its header states it.

    Parameters
    ----------
    file : str or Path
    accept_truncated : bool, default=False
        Return the duration of what is there if the file was cut off.

    Raises
    ------
    AudioError
        If the file is missing, empty, not audio, or cut off.
    """
    if is_isolated():
        answer, _ = ask_decoder(str(file), "duration", accept_truncated=accept_truncated)
        return _stated(answer, "seconds", str(file))
    with _opened(file) as sound:
        rate, frames = int(sound.samplerate), int(sound.frames)
    if accept_truncated:
        frames = _decodable(file)
    else:
        check_whole(file)
    if frames <= 0:
        raise AudioError(f"{file}: holds no samples")
    return frames / rate


def check_length(seconds: float, name: str) -> None:
    """Raise `AudioError`, with the name of the clip, if it is longer than `LONGEST_SECONDS`."""
    if seconds > LONGEST_SECONDS:
        raise AudioError(
            f"{name}: {seconds:.0f} s long, or endless; expected at most {LONGEST_SECONDS:g} s. Cut it into "
            "windows with --windows, or select parts of it by `start` and `end` in a table"
        )


def is_cut_off(file: str | Path, seconds: float) -> bool:
    """Return whether a file that holds `seconds` of audio was longer once."""
    try:
        return duration_of(file) - seconds > END_TOLERANCE
    except AudioError:
        return True


def check_whole(file: str | Path) -> None:
    """Raise `AudioError` if a file, which was just opened, has more audio than is read, or less than it promises."""
    if is_chained(file):
        raise AudioError(
            f"{file}: a chain of Ogg streams, of which only the first is read; convert it to WAV or FLAC, or use "
            "the first stream with --accept-truncated"
        )
    if lacking := missing_part(file):
        raise AudioError(f"{file}: cut off: {lacking}; {TRUNCATED_REMEDY}")
    if is_foreign(file) and (said := damage(str(file))):
        raise AudioError(f"{file}: cut off or damaged (ffmpeg: {said}); {TRUNCATED_REMEDY}")


def _decodable(file: str | Path) -> int:
    """Return the number of frames that can be decoded from the beginning of a file."""
    count = 0
    with _opened(file) as sound, suppress(RuntimeError):
        while (read := len(sound.read(BLOCK, dtype="float32", always_2d=True))) > 0:
            count += read
    return count


def decode(
    file: str | Path, start: float = 0.0, end: float | None = None, channel: int | None = None
) -> tuple[Waveform, int]:
    """Decode a recording, or a part of it, and average its channels.

    Parameters
    ----------
    file : str or Path
        Any format that libsndfile reads, such as WAV, FLAC, OGG, MP3 and AIFF, at any rate and sample format.
    start, end : float
        Part to decode, in seconds from the beginning of the file. None is the end of the file.
    channel : int, optional
        The channel to use, from 1. None is the mean of all.

    Returns
    -------
    samples : ndarray of shape (n_samples,), float32
        Full scale is -1 to 1.
    sampling_rate : int
        Rate of the file in Hz.

    Raises
    ------
    AudioError
        If the file cannot be read, the part has no samples, or `check_samples` rejects the samples. A file that was cut
        off can only be read up to an `end`.
    """
    _check_times(start, end, str(file))
    if is_isolated():
        return _decoded_apart(str(file), start, end, channel)
    with _opened(file) as sound:
        rate, frames = int(sound.samplerate), max(int(sound.frames), 0)
        first = int(start * rate)
        if end is None:
            check_whole(file)
        count = frames - first if end is None else round(end * rate) - first
        check_length(count / rate, str(file))
        count = min(count, max(frames - first, 0))
        try:
            mono = _mixed(sound, min(first, frames), count, channel, str(file))
        except RuntimeError as error:
            why = reason(error)
            raise AudioError(f"{file}: decoding failed ({why}); {TRUNCATED_REMEDY}") from error
    check_part(mono.size, rate, start, end, str(file))
    if end is None and frames - first - mono.size > END_TOLERANCE * rate:
        raise AudioError(
            f"{file}: cut off: its header promises {frames / rate:.2f} s, and {(first + mono.size) / rate:.2f} s "
            f"can be decoded; {TRUNCATED_REMEDY}"
        )
    check_samples(mono, str(file))
    return mono, rate


def _decoded_apart(file: str, start: float, end: float | None, channel: int | None) -> tuple[Waveform, int]:
    """Return what the decoder of `fusionser.isolation` gives, which a hostile file may have taken over."""
    answer, samples = ask_decoder(file, "decode", start=start, end=end, channel=channel)
    rate = int(_stated(answer, "rate", file))
    check_part(samples.size, rate, start, end, file)
    check_length(samples.size / rate, file)
    check_samples(samples, file)
    return samples, rate


def _stated(answer: dict[str, Any], name: str, file: str) -> float:
    """Return a number that the decoder must state."""
    number = answer.get(name)
    if not isinstance(number, int | float) or not 0 < number < float("inf"):
        raise AudioError(f"{file}: the decoder gave no {name}; leave the file out")
    return number


def _mixed(sound: Sequential, first: int, count: int, channel: int | None, name: str) -> Waveform:
    """Return one channel of a file that was just opened, or the mean over all: `count` frames, or those that there are.

    Some codecs cannot go to a frame, and MP3 needs what comes before a frame to decode it: these are read from the
    beginning.
    """
    skipped = 0 if sound.can_seek else first
    samples = (skipped + count) * int(sound.channels)
    if samples > MOST_SAMPLES:
        raise AudioError(
            f"{name}: {count / sound.samplerate:.0f} s of {sound.channels} channels at {sound.samplerate} Hz are "
            f"{samples:.2g} samples; expected {MOST_SAMPLES:.2g} at most. Cut it into utterances, or reduce its rate "
            "or its channels"
        )
    if first and not skipped:
        sound.seek(first)
    for _ in _blocks(sound, skipped):
        pass
    mono, done = np.empty(count, dtype=np.float32), 0
    used = sound.channels if channel is None else 1
    low, high = (np.full(used, limit, dtype=np.float32) for limit in (np.inf, -np.inf))
    for block in _blocks(sound, count):
        channels = one_channel(block, channel, name)
        mono[done : done + channels.shape[1]] = mix_down(channels)
        if used > 1:
            low, high = np.minimum(low, channels.min(axis=1)), np.maximum(high, channels.max(axis=1))
        done += channels.shape[1]
    if used > 1:
        # The range of each channel is all that the check needs.
        check_channels(np.stack([low, high], axis=1), mono[:done], name)
    return mono[:done]


def _blocks(sound: Sequential, count: int) -> Iterator[npt.NDArray[np.float32]]:
    """Yield the next `count` frames, or those that there are, as arrays of shape (n_channels, n_frames)."""
    while count > 0:
        block = sound.read(min(MIXED, count), dtype="float32", always_2d=True).T
        if block.shape[1] == 0:
            return
        yield block
        count -= block.shape[1]


def _check_times(start: float, end: float | None, name: str) -> None:
    for what, seconds in (("start", start), ("end", end)):
        if seconds is not None and not 0 <= seconds <= LATEST_SECONDS:
            raise AudioError(f"{name}: {what} is {seconds:g} s; expected 0 to {LATEST_SECONDS:g} s")
    if end is not None and end <= start:
        raise AudioError(f"{name}: the part from {start:g} to {end:g} s is empty; expected an end after the start")
