"""Samples of a microphone as they come, through the package sounddevice (extra ``microphone``)."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from fusionser.audio import HIGHEST_RATE, LOWEST_RATE
from fusionser.errors import FusionserError
from fusionser.samples import Waveform

__all__ = ["Microphone", "open_microphone"]

BLOCK_SECONDS = 0.1
"""Length of the pieces in seconds."""

SILENT_SECONDS = 5.0
"""After so many seconds without a sample, the microphone counts as gone."""

REMEDY = "install it with: pip install 'fusionser[microphone]'"


@dataclass(frozen=True)
class Microphone:
    """An open microphone.

    Parameters
    ----------
    name : str
    sampling_rate : int
        Rate of the samples in Hz, the microphone's own.
    pieces : iterator of ndarray of shape (n_samples,)
        The samples, without end.
    """

    name: str
    sampling_rate: int
    pieces: Iterator[Waveform]


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError as error:
        raise FusionserError(f"listening needs the package sounddevice; {REMEDY}") from error
    except OSError as error:
        # The package is there, and the library that it calls is not.
        raise FusionserError(
            f"sounddevice does not find PortAudio ({error}); install it, on Debian and Ubuntu with: apt install "
            "libportaudio2"
        ) from error
    except Exception as error:
        raise FusionserError(f"the package sounddevice cannot be used ({error}); {REMEDY}") from error
    return sounddevice


def _described(library: Any, device: str | int | None) -> dict[str, Any]:
    """Return the description of an input device; raise `FusionserError` with the names of all if there is none."""
    try:
        return dict(library.query_devices(device, "input"))
    except Exception as error:
        # PortAudio's own error is no subclass of what Python code raises.
        inputs: list[str] = []
        with suppress(Exception):
            inputs = [
                " ".join(str(one["name"]).split()) for one in library.query_devices() if one["max_input_channels"] > 0
            ]
        there = f"there are: {', '.join(inputs)}" if inputs else "this machine has none"
        wanted = "no microphone" if device is None else f"no microphone '{device}'"
        raise FusionserError(f"{wanted} ({error}); {there}") from error


@contextmanager
def open_microphone(device: str | int | None = None) -> Iterator[Microphone]:
    """Open a microphone, and yield it; it is closed at the end.

    Parameters
    ----------
    device : str or int, optional
        Part of its name, or its number. By default the one that the system prefers.

    Raises
    ------
    FusionserError
        If sounddevice or PortAudio is not installed, or there is no such microphone, or it gives no samples.
    """
    library = _sounddevice()
    found = _described(library, device)
    name = " ".join(str(found.get("name", "microphone")).split())
    stated = found.get("default_samplerate")
    if not isinstance(stated, int | float) or not LOWEST_RATE <= stated <= HIGHEST_RATE:
        raise FusionserError(f"the microphone '{name}' states a rate of {stated} Hz; choose another with --microphone")
    rate = round(stated)
    heard: SimpleQueue[Waveform] = SimpleQueue()

    def take(samples: Any, *_: Any) -> None:
        # The array is used again by PortAudio.
        heard.put(np.array(samples[:, 0], dtype=np.float32))

    try:
        stream = library.InputStream(
            samplerate=rate, blocksize=round(BLOCK_SECONDS * rate), device=device, channels=1, callback=take
        )
        stream.__enter__()
    except Exception as error:
        raise FusionserError(f"the microphone '{name}' cannot be opened ({error})") from error
    try:
        yield Microphone(name, rate, _pieces(heard, name))
    finally:
        # A microphone that was pulled out cannot be closed either.
        with suppress(Exception):
            stream.__exit__(None, None, None)


def _pieces(heard: "SimpleQueue[Waveform]", name: str) -> Iterator[Waveform]:
    """Yield what has come since the last piece, as one."""
    last = time.monotonic()
    while True:
        pieces = []
        with suppress(Empty):
            pieces.append(heard.get(timeout=SILENT_SECONDS))
        while not heard.empty():
            pieces.append(heard.get())
        if any(piece.size for piece in pieces):
            last = time.monotonic()
            yield np.concatenate(pieces)
        elif time.monotonic() - last >= SILENT_SECONDS:
            raise FusionserError(
                f"the microphone '{name}' gives no samples; is it plugged in, and may programs use it?"
            )
