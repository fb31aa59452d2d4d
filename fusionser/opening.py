"""Open recordings of any format, to be read block by block."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import soundfile

from fusionser.containers import streamed_wave
from fusionser.errors import AudioError
from fusionser.files import wrong_name
from fusionser.foreign import decoded_by_ffmpeg, is_foreign
from fusionser.interrupts import held_interrupts
from fusionser.mpeg import with_length
from fusionser.plain_wave import PlainWave, plain_wave
from fusionser.quiet import quiet

__all__ = ["Sound", "open_sound", "opened", "reason"]


class Sequential(soundfile.SoundFile):
    """A file that is read block by block.

    soundfile goes to the next frame after each reading of a file that is seekable, which MP3 does not survive.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        with held_interrupts():
            super().__init__(*arguments, **options)

    def read(self, *arguments: Any, **options: Any) -> Any:
        """Read as soundfile does, which calls Python where the file is an object of it."""
        with held_interrupts():
            return super().read(*arguments, **options)

    def seek(self, *arguments: Any, **options: Any) -> int:
        """Seek as soundfile does, which may read."""
        with held_interrupts():
            return int(super().seek(*arguments, **options))

    def seekable(self) -> bool:
        """Return False."""
        return False

    @property
    def can_seek(self) -> bool:
        """Whether reading can begin at any frame with the right samples."""
        return bool(super().seekable()) and self.format != "MP3"


Sound = Sequential | PlainWave
"""An open recording."""


@contextmanager
def opened(file: str | Path) -> Iterator[Sound]:
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


def open_sound(file: str | Path) -> Sound:
    """Open a recording; raise `AudioError` if that is not possible."""
    path = Path(file)
    if wrong := wrong_name(path):
        raise AudioError(wrong["reason"])
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise AudioError(f"{file}: not a regular file; expected a recording such as a .wav or .flac")
        if path.stat().st_size == 0:
            raise AudioError(f"{file}: the file is empty (0 bytes)")
        if (plain := plain_wave(path)) is not None:
            return plain
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
        absent = isinstance(error, FileNotFoundError)
        why = "no such file or folder" if absent else error.strerror or error
        raise AudioError(f"{file}: cannot be opened ({why}); check the path{backslashes}") from error
    except (RuntimeError, TypeError, ValueError) as error:
        # soundfile takes the suffix .raw for headerless audio, and raises TypeError because no rate is given.
        why = reason(error)
        raise AudioError(f"{file}: not readable as audio ({why}); convert it to WAV or FLAC") from error
    return sound
