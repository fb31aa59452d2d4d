"""Opus that arrives piece by piece, as browsers record it, decoded by ffmpeg."""

import asyncio
import shutil
from contextlib import suppress
from functools import partial
from typing import Self

import numpy as np
import numpy.typing as npt

from fusionser.errors import AudioError
from fusionser.limits import limit_process

__all__ = ["OPUS_RATE", "OpusDecoder"]

OPUS_RATE = 16000
"""Sampling rate in Hz of what is decoded."""

MEMORY, CPU_SECONDS = 2**30, 3600
BLOCK = 1 << 16
FLOAT_BYTES = 4
END_SECONDS = 10.0
MOST_HELD = OPUS_RATE * FLOAT_BYTES * 60
"""Bytes of decoded samples that wait, of a minute: a small stream can hold hours."""

TOO_MUCH = "more than a minute of the stream waits to be heard; send it about as fast as it is spoken"
NOT_DECODED = "the stream cannot be decoded; expected WebM or Ogg with Opus"


class OpusDecoder:
    """A running ffmpeg that decodes one stream of WebM or Ogg with Opus to samples.

    `feed` returns what is decoded so far, which lags behind what was given.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._decoded, self.count = bytearray(), 0
        self._too_much = False
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls) -> Self:
        """Start ffmpeg; raise `AudioError` if it is not installed."""
        program = shutil.which("ffmpeg")
        if program is None:
            raise AudioError("Opus needs ffmpeg, which is not installed on the server; send PCM (f32 or s16)")
        process = await asyncio.create_subprocess_exec(
            program, "-v", "quiet", "-nostdin", "-protocol_whitelist", "pipe", "-format_whitelist", "matroska,webm,ogg",
            "-probesize", "4096", "-analyzeduration", "0", "-fflags", "nobuffer", "-i", "pipe:0", "-map", "0:a:0",
            "-threads", "1", "-ac", "1", "-ar", str(OPUS_RATE), "-f", "f32le", "-flush_packets", "1", "pipe:1",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            preexec_fn=partial(limit_process, AS=MEMORY, CPU=CPU_SECONDS, FSIZE=0, CORE=0),
        )  # fmt: skip
        return cls(process)

    async def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        while block := await self._process.stdout.read(BLOCK):
            self._decoded += block
            if len(self._decoded) > MOST_HELD:
                self._too_much = True
                self._process.kill()
                return

    async def feed(self, piece: bytes) -> npt.NDArray[np.float32]:
        """Give more bytes, and return the samples that are decoded; raise `AudioError` if ffmpeg ended."""
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        try:
            self._process.stdin.write(piece)
            await self._process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise AudioError(TOO_MUCH if self._too_much else NOT_DECODED) from error
        await asyncio.sleep(0)
        return self._taken()

    async def finish(self) -> npt.NDArray[np.float32]:
        """Return the rest of the samples; raise `AudioError` if there never were any."""
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        self._process.stdin.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._reader), END_SECONDS)
        if self._too_much:
            raise AudioError(TOO_MUCH)
        samples = self._taken()
        if self.count == 0:
            raise AudioError(NOT_DECODED)
        return samples

    def _taken(self) -> npt.NDArray[np.float32]:
        whole = len(self._decoded) // FLOAT_BYTES * FLOAT_BYTES
        samples = np.frombuffer(bytes(self._decoded[:whole]), dtype=np.float32)
        del self._decoded[:whole]
        self.count += samples.size
        return samples

    async def stop(self) -> None:
        """End ffmpeg."""
        with suppress(ProcessLookupError):
            self._process.kill()
        self._reader.cancel()
        await self._process.wait()
