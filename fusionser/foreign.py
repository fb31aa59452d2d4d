"""Formats that libsndfile cannot read, such as M4A and WebM, decoded by ffmpeg if it is installed.

ffmpeg runs on strangers' bytes. It is found on the PATH, never run through a shell, limited in time, memory and output,
and may open only the file itself, with the demuxers of these formats.
"""

import io
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Thread, Timer, local
from typing import IO

from fusionser.errors import AudioError
from fusionser.limits import limit_process

__all__ = ["begins_foreign", "damage", "decoded_by_ffmpeg", "is_foreign"]

DEMUXERS = "mov,mp4,m4a,3gp,matroska,webm,asf,aac,amr,ac3,avi"
BEGINNINGS = {
    b"ftyp": 4,
    b"\x1a\x45\xdf\xa3": 0,
    b"\x30\x26\xb2\x75": 0,
    b"#!AMR": 0,
    b"\xff\xf1": 0,
    b"\xff\xf9": 0,
    b"\x0b\x77": 0,
    b"AVI ": 8,
}
"""Bytes of these formats, and where they are in the file."""

SECONDS = 120.0
"""Time that ffmpeg may take for one file."""

MEMORY = 2 * 2**30
"""Bytes of memory that ffmpeg may take."""

LARGEST = 2**30
"""Bytes of decoded audio that are accepted."""

HEADER = 44
"""Bytes of a WAV file without samples."""

BLOCK = 1 << 16
"""Bytes that are copied at once."""

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


def decoded_by_ffmpeg(file: str | Path) -> int | io.BytesIO:
    """Return the first audio track of a file as WAV, at its own rate and with its own channels.

    Returns
    -------
    int or BytesIO
        The descriptor of a file without a name, which is gone when it is closed. The decoder of `fusionser.isolation`
        may not write files, and gets the content in memory.

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
        "-c:a", "pcm_s16le", "-f", "wav", "pipe:1",
    ]  # fmt: skip
    if not _writes_files():
        content = io.BytesIO()
        _decode_to(content, command, str(file))
        return content
    with tempfile.TemporaryFile() as decoded:
        _decode_to(decoded, command, str(file))
        return os.dup(decoded.fileno())


def _writes_files() -> bool:
    """Return whether this process may write files at all."""
    try:
        import resource
    except ImportError:
        return False
    return resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 0


_last = local()
"""In each thread, the name of the file that was decoded last, and what ffmpeg said of it."""


def damage(file: str | Path) -> str:
    """Return what ffmpeg said of a file that was just decoded; it ends without an error after half of one.

    Decodes nothing, so `decoded_by_ffmpeg` must have come before.
    """
    name, said = getattr(_last, "complaint", ("", ""))
    return said if name == str(file) else ""


def _decode_to(output: IO[bytes], command: list[str], name: str) -> None:
    """Run ffmpeg, write what it decodes to a file, and go to its beginning; raise `AudioError` if it fails."""
    try:
        code, said = _run(command, output, name)
    except OSError as error:
        raise AudioError(f"{name}: ffmpeg cannot be run ({error.strerror or error}); {REMEDY}") from error
    lines = said.decode(errors="replace").strip().splitlines()
    reason = lines[-1].split("] ")[-1].replace(f"file:{Path(name).absolute()}: ", "")[:200] if lines else ""
    if any("matches no streams" in line for line in lines):
        raise AudioError(f"{name}: has no audio track; leave it out")
    if any("moov atom not found" in line for line in lines):
        raise AudioError(
            f"{name}: ffmpeg cannot decode it (its index is missing, as where the end was cut off); get a whole copy"
        )
    if code != 0 or output.tell() <= HEADER:
        raise AudioError(f"{name}: ffmpeg cannot decode it ({reason or 'no audio in it'}); convert it to WAV or FLAC")
    _last.complaint = (name, reason)
    output.seek(0)


def _run(command: list[str], output: IO[bytes], name: str) -> tuple[int, bytes]:
    """Run ffmpeg, write what it decodes to a file, and return its exit status and the end of its messages.

    ffmpeg itself may not write files. What it writes to the pipe goes to the file block by block.
    """
    pipe = subprocess.PIPE
    with subprocess.Popen(  # noqa: S603 - no shell, and a fixed command
        command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, preexec_fn=_limits(), env=_environment()
    ) as program:
        try:
            return _copied(program, output, name)
        finally:
            program.kill()


def _copied(program: "subprocess.Popen[bytes]", output: IO[bytes], name: str) -> tuple[int, bytes]:
    """Copy what a program writes, within the limits, and return its exit status and the end of its messages."""
    said = [b""]

    def listen() -> None:
        while block := program.stderr.read1(BLOCK):  # type: ignore[union-attr]
            said[0] = (said[0] + block)[-BLOCK:]

    listener = Thread(target=listen, daemon=True)
    listener.start()
    late = Timer(SECONDS, program.kill)
    late.start()
    try:
        while block := program.stdout.read1(BLOCK):  # type: ignore[union-attr]
            output.write(block)
            if output.tell() > LARGEST:
                raise AudioError(
                    f"{name}: more than {LARGEST / 2**30:g} GiB when it is decoded; cut it, or convert it to FLAC"
                )
        code = program.wait()
        listener.join()
    finally:
        running = late.is_alive()
        late.cancel()
    if not running and code != 0:
        raise AudioError(f"{name}: ffmpeg took more than {SECONDS:g} s; convert it to WAV or FLAC")
    return code, said[0]


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT") if name in os.environ}


def _limits() -> Callable[[], None] | None:
    """Return what limits a child process before it begins; None where there are no such limits."""
    if os.name != "posix":
        return None
    return lambda: limit_process(AS=MEMORY, CPU=int(SECONDS), FSIZE=0)
