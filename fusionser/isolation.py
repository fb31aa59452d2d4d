"""Decode in a process of its own, which has limits, and whose death costs one recording.

The decoder is `fusionser.decoder`. What it answers is plain bytes: a decoder that a hostile file took over can send
wrong samples, and no objects.
"""

import atexit
import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from fusionser.errors import AudioError

__all__ = ["MEMORY", "SECONDS", "ask_decoder", "is_isolated", "isolated_decoding"]

SECONDS = 60.0
"""Time that a recording may take."""

MEMORY = 3 * 2**30
"""Bytes of memory that the decoder may take."""

LONGEST_LINE = 1 << 16
"""Bytes of an answer before its samples."""

KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME", "TMPDIR", "SYSTEMROOT")
"""Environment variables that the decoder gets. Others may hold secrets."""

REMEDY = "convert it to WAV or FLAC, or leave it out"

Answer = tuple[dict[str, Any], npt.NDArray[np.float32]]


class _Decoder:
    """A running decoder."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        variables = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        # -P keeps modules of the working folder, which may be a stranger's, from being imported.
        command = [sys.executable, "-P", "-m", "fusionser.decoder", str(MEMORY)]
        self.process = subprocess.Popen(  # noqa: S603 - no shell, and a fixed command
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # A group of its own, so that ffmpeg is ended with it.
            start_new_session=True,
            env={**variables, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )

    def ask(self, request: dict[str, Any]) -> Answer:
        """Return the answer to a request; raise `EOFError` if the decoder ended, `TimeoutError` if it is late."""
        stdin, deadline = self.process.stdin, time.monotonic() + SECONDS
        assert stdin is not None  # noqa: S101 - it was asked for
        stdin.write(json.dumps(request).encode() + b"\n")
        stdin.flush()
        line = bytearray()
        while not line.endswith(b"\n"):
            line += self._read(1, deadline)
            if len(line) > LONGEST_LINE:
                raise EOFError
        answer = json.loads(line)
        count = int(answer.get("count", 0))
        if not 0 <= count <= MEMORY // 4:
            raise EOFError
        samples = np.frombuffer(self._read(4 * count, deadline), dtype=np.float32)
        return answer, samples

    def _read(self, count: int, deadline: float) -> bytearray:
        """Return that many bytes of the answer."""
        stdout = self.process.stdout
        assert stdout is not None  # noqa: S101 - it was asked for
        read = bytearray(count)
        view, done = memoryview(read), 0
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while done < count:
                if not selector.select(max(deadline - time.monotonic(), 0.0)):
                    raise TimeoutError
                got = os.readv(stdout.fileno(), [view[done:]])
                if got == 0:
                    raise EOFError
                done += got
        return read

    def stop(self) -> int:
        """End the decoder, and return its exit status."""
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        elif self.process.poll() is None:
            self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        return self.process.wait()


_lock = threading.Lock()
_users = 0
_decoder: _Decoder | None = None


def is_isolated() -> bool:
    """Return whether recordings are decoded apart now."""
    return _users > 0


@contextmanager
def isolated_decoding() -> Iterator[None]:
    """Decode recordings in a process of their own, while the context is open.

    libsndfile, libmpg123 and ffmpeg are written in C, and strangers' recordings may make them crash, hang, or fill the
    memory. Here, they run in a decoder with limits: 60 s and 3 GiB for each recording, no new files, no core dumps. If
    it dies, that recording gets an error, and a new decoder goes on with the next one. Processes of ``n_jobs`` have
    decoders of their own. The samples are the same.

    This is no sandbox: the decoder runs as the same user. To keep a taken-over decoder from reading files or the
    network, run fusionser in a container.

    Examples
    --------
    >>> from fusionser import load_model
    >>> with isolated_decoding():
    ...     load_model().predict(["stranger.wav"])["error"][0]  # doctest: +ELLIPSIS
    'stranger.wav: cannot be opened ...'
    """
    global _users
    with _lock:
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1


def ask_decoder(file: str, operation: str, **arguments: Any) -> Answer:
    """Return what the decoder answers on a file.

    Parameters
    ----------
    file : str
    operation : str
        One of `fusionser.decoder.OPERATIONS`.
    **arguments
        Of the operation, as JSON values.

    Returns
    -------
    answer : dict
    samples : ndarray of shape (n_samples,), float32

    Raises
    ------
    AudioError
        If the file cannot be used, or the decoder ends or is late.
    """
    global _decoder
    with _lock:
        # A forked process must not share the pipes of its parent.
        if _decoder is None or _decoder.owner != os.getpid() or _decoder.process.poll() is not None:
            _decoder = _Decoder()
        decoder = _decoder
        try:
            answer, samples = decoder.ask({"operation": operation, "file": file, **arguments})
        except TimeoutError as error:
            decoder.stop()
            raise AudioError(f"{file}: decoding took more than {SECONDS:g} s; {REMEDY}") from error
        except (EOFError, OSError, ValueError, TypeError, AttributeError) as error:
            reason = _reason(decoder.stop())
            raise AudioError(f"{file}: the decoder ended without an answer{reason}; {REMEDY}") from error
        except BaseException:
            # An interrupted answer would be taken for the next one.
            decoder.stop()
            raise
    if "error" in answer:
        raise AudioError(str(answer["error"]))
    return answer, samples


def _reason(status: int) -> str:
    try:
        return f" ({signal.Signals(-status).name})" if status < 0 else ""
    except ValueError:
        return f" (signal {-status})"


@atexit.register
def _stop() -> None:
    """End the decoder, if one runs; the next recording gets a new one."""
    global _decoder
    if _decoder is not None and _decoder.owner == os.getpid():
        _decoder.stop()
    _decoder = None
