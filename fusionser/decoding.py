"""Decode audio files, whole or in part, and average their channels block by block."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fusionser.audio import LONGEST_SECONDS
from fusionser.containers import is_chained, missing_part
from fusionser.errors import AudioError
from fusionser.foreign import damage, is_foreign
from fusionser.isolation import ask_decoder, is_isolated
from fusionser.opening import Sound, opened, reason
from fusionser.plain_wave import PlainWave
from fusionser.samples import (
    END_TOLERANCE,
    SampleRange,
    Waveform,
    check_channels,
    check_part,
    check_samples,
    mix_down,
    one_channel,
)
from fusionser.storage import HEADER, at_hand

__all__ = ["check_length", "check_whole", "decode", "decoded_blocks", "duration_of", "is_cut_off", "span_of"]

LATEST_SECONDS = 24 * 3600.0
"""Latest start and end of a part, in seconds."""

BLOCK = 4096
"""Frames that are decoded at once where only their number is wanted. Those of a block that is damaged are lost."""

MIXED = 1 << 16
"""Frames that are decoded and averaged at once."""

MOST_SAMPLES = 1 << 30
"""Most samples, of all channels together, that are decoded for one clip."""

TRUNCATED_REMEDY = "get a whole copy, or use what is there with --accept-truncated"


def duration_of(file: str | Path, *, accept_truncated: bool = False) -> float:
    """Return the duration of a recording in seconds, as its header states it.

    Parameters
    ----------
    file : str or Path
        A path, or an address such as ``s3://bucket/a.wav``.
    accept_truncated : bool, default=False
        Return the duration of what is there if the file was cut off.

    Raises
    ------
    AudioError
        If the file is missing, empty, not audio, or cut off.
    """
    with at_hand(file, None if accept_truncated else HEADER) as path:
        if is_isolated():
            answer, _ = ask_decoder(str(path), "duration", accept_truncated=accept_truncated)
            return _stated(answer, "seconds", str(path))
        with opened(path) as sound:
            rate, frames = int(sound.samplerate), int(sound.frames)
        if accept_truncated:
            frames = _decodable(path)
        else:
            check_whole(path, sound)
        if frames <= 0:
            raise AudioError(f"{path}: holds no samples")
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


def check_whole(file: str | Path, sound: Sound) -> None:
    """Raise `AudioError` if a file, which was just opened, has more audio than is read, or less than it promises."""
    if isinstance(sound, PlainWave):
        return
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
    with opened(file) as sound, suppress(RuntimeError):
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
        A path or an address. Any format that libsndfile reads, such as WAV, FLAC, OGG, MP3 and AIFF, at any rate and
        sample format.
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
    with at_hand(file, span_of(start, end)) as path:
        return _decoded(path, start, end, channel)


def _decoded(file: str | Path, start: float, end: float | None, channel: int | None) -> tuple[Waveform, int]:
    """Decode a recording on this machine, as `decode` does."""
    if is_isolated():
        _check_times(start, end, str(file))
        return _decoded_apart(str(file), start, end, channel)
    with _reading(file, start, end, channel) as part:
        mono, done = np.empty(part.count, dtype=np.float32), 0
        for block in part.blocks():
            mono[done : done + block.size] = block
            done += block.size
        return mono[:done], part.rate


@contextmanager
def decoded_blocks(
    file: str | Path, start: float = 0.0, end: float | None = None, channel: int | None = None
) -> Iterator[tuple[int, Iterator[Waveform]]]:
    """Yield the rate of a recording, and the samples that `decode` returns, block by block.

    Parameters
    ----------
    file, start, end, channel
        As for `decode`.

    Raises
    ------
    AudioError
        As by `decode`; some faults are known only after the last block.
    """
    if is_isolated():
        # The other process has sent all of them.
        samples, rate = decode(file, start, end, channel)
        yield rate, iter([samples])
        return
    with at_hand(file, span_of(start, end)) as path, _reading(path, start, end, channel) as part:
        yield part.rate, part.blocks()


def span_of(start: float, end: float | None) -> tuple[float, float] | None:
    """Return a part of a recording that need not be fetched as a whole."""
    return (start, end) if end is not None and 0 <= start < end <= LATEST_SECONDS else None


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


@contextmanager
def _reading(file: str | Path, start: float, end: float | None, channel: int | None) -> Iterator["_Part"]:
    """Open the part of a recording from `start` to `end`."""
    _check_times(start, end, str(file))
    with opened(file) as sound:
        rate, frames = int(sound.samplerate), max(int(sound.frames), 0)
        first = int(start * rate)
        if end is None:
            check_whole(file, sound)
        count = max(frames - first, 0) if end is None else round(end * rate) - first
        check_length(count / rate, str(file))
        yield _Part(sound, str(file), start, end, channel, min(count, max(frames - first, 0)))


@dataclass
class _Part:
    """A part of an open recording, `count` frames long or what there is of them."""

    sound: Sound
    name: str
    start: float
    end: float | None
    channel: int | None
    count: int

    @property
    def rate(self) -> int:
        return int(self.sound.samplerate)

    def blocks(self) -> Iterator[Waveform]:
        """Yield one channel, or the mean over all. After the last block, raise `AudioError` if anything was wrong."""
        seen, used = SampleRange(), self.sound.channels if self.channel is None else 1
        low, high = (np.full(used, limit, dtype=np.float32) for limit in (np.inf, -np.inf))
        done = 0
        try:
            self._go_to_start()
            for block in _blocks(self.sound, self.count):
                channels = one_channel(block, self.channel, self.name)
                mono = mix_down(channels)
                seen.add(mono)
                if used > 1:
                    low, high = np.minimum(low, channels.min(axis=1)), np.maximum(high, channels.max(axis=1))
                done += mono.size
                yield mono
        except RuntimeError as error:
            raise AudioError(f"{self.name}: decoding failed ({reason(error)}); {TRUNCATED_REMEDY}") from error
        if done:
            # The range of each channel is all that the check needs.
            check_channels(np.stack([low, high], axis=1), np.array([seen.low, seen.high]), self.name)
        self._check_length(done)
        seen.check(self.name)

    def _go_to_start(self) -> None:
        """Skip what comes before. Some codecs cannot, and MP3 needs it to decode a frame: these are read from there."""
        first = min(int(self.start * self.rate), max(int(self.sound.frames), 0))
        skipped = 0 if self.sound.can_seek else first
        samples = (skipped + self.count) * int(self.sound.channels)
        if samples > MOST_SAMPLES:
            raise AudioError(
                f"{self.name}: {self.count / self.rate:.0f} s of {self.sound.channels} channels at {self.rate} Hz are "
                f"{samples:.2g} samples; expected {MOST_SAMPLES:.2g} at most. Cut it into utterances, or reduce its "
                "rate or its channels"
            )
        if first and not skipped:
            self.sound.seek(first)
        for _ in _blocks(self.sound, skipped):
            pass

    def _check_length(self, done: int) -> None:
        check_part(done, self.rate, self.start, self.end, self.name)
        first, frames = int(self.start * self.rate), max(int(self.sound.frames), 0)
        if self.end is None and frames - first - done > END_TOLERANCE * self.rate:
            raise AudioError(
                f"{self.name}: cut off: its header promises {frames / self.rate:.2f} s, and "
                f"{(first + done) / self.rate:.2f} s can be decoded; {TRUNCATED_REMEDY}"
            )


def _blocks(sound: Sound, count: int) -> Iterator[npt.NDArray[np.float32]]:
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
