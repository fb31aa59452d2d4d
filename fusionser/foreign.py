"""Formats that libsndfile cannot read, such as M4A and WebM, decoded by ffmpeg if it is installed.

ffmpeg runs on strangers' bytes. It is found on the PATH, never run through a shell, limited in time, memory and output,
and may open only the file itself, with the demuxers of these formats.
"""

import io
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from fusionser.errors import AudioError

__all__ = ["FOREIGN_SUFFIXES", "begins_foreign", "decoded_by_ffmpeg", "is_foreign"]

FOREIGN_SUFFIXES = (
    ".m4a", ".aac", ".wma", ".amr", ".3gp", ".webm", ".mp4", ".m4b", ".mov", ".mkv", ".mka", ".ac3",
)  # fmt: skip
DEMUXERS = "mov,mp4,m4a,3gp,matroska,webm,asf,aac,amr,ac3"
BEGINNINGS = {
    b"ftyp": 4,
    b"\x1a\x45\xdf\xa3": 0,
    b"\x30\x26\xb2\x75": 0,
    b"#!AMR": 0,
    b"\xff\xf1": 0,
    b"\xff\xf9": 0,
    b"\x0b\x77": 0,
}
"""Bytes of these formats, and where they are in the file."""

SECONDS = 120.0
"""Time that ffmpeg may take for one file."""

MEMORY = 2 * 2**30
"""Bytes of memory that ffmpeg may take."""

LARGEST = 2**30
"""Bytes of decoded audio that are accepted."""

REMEDY = "install ffmpeg (https://ffmpeg.org), or convert it to WAV or FLAC"


def is_foreign(file: str | Path) -> bool:
    """Return whether a file begins as one of the formats that ffmpeg decodes here.

    Examples
    --------
    >>> is_foreign(__file__)
    False
    """
    with Path(file).open("rb") as stream:
        return begins_foreign(stream.read(16))


def begins_foreign(head: bytes) -> bool:
    """Return whether bytes are the beginning of one of these formats."""
    return any(head[place:].startswith(mark) for mark, place in BEGINNINGS.items())


def decoded_by_ffmpeg(file: str | Path) -> io.BytesIO:
    """Return the first audio track of a file as WAV, at its own rate and with its own channels.

    Raises
    ------
    AudioError
        If ffmpeg is not installed, cannot decode the file, or exceeds a limit.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        raise AudioError(f"{file}: libsndfile does not read this format; {REMEDY}")
    command = [
        program, "-v", "error", "-nostdin", "-protocol_whitelist", "file,pipe", "-format_whitelist", DEMUXERS,
        # The name of a file is never taken for an option, or for another protocol.
        "-i", f"file:{Path(file).absolute()}", "-map", "0:a:0", "-threads", "1",
        "-fs", str(LARGEST), "-c:a", "pcm_s16le", "-f", "wav", "pipe:1",
    ]  # fmt: skip
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and a fixed command
            command, capture_output=True, timeout=SECONDS, check=False, preexec_fn=_limits(), env=_environment()
        )
    except subprocess.TimeoutExpired as error:
        raise AudioError(f"{file}: ffmpeg took more than {SECONDS:g} s; convert it to WAV or FLAC") from error
    except OSError as error:
        raise AudioError(f"{file}: ffmpeg cannot be run ({error.strerror or error}); {REMEDY}") from error
    if done.returncode != 0 or len(done.stdout) <= 44:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        reason = lines[-1].split("] ")[-1].replace(f"file:{Path(file).absolute()}: ", "") if lines else "no audio in it"
        raise AudioError(f"{file}: ffmpeg cannot decode it ({reason[:200]}); convert it to WAV or FLAC")
    return io.BytesIO(done.stdout)


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT") if name in os.environ}


def _limits() -> Callable[[], None] | None:
    """Return what limits a child process before it begins; None where there are no such limits."""
    try:
        import resource
    except ImportError:
        return None

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (int(SECONDS), int(SECONDS)))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    return limit
