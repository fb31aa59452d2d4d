"""Augmentations that record a clip otherwise: another level, microphone, room, noise, codec or vocal tract.

A network or classifier that is trained on such copies learns what does not depend on the recording.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from fusionser.augmentation.recording_chain import (
    CODECS,
    add_noise,
    change_gain,
    encode,
    equalise,
    filter_lowpass,
    reverberate,
    shift_pitch,
)
from fusionser.augmentation.waveforms import Kind
from fusionser.samples import Waveform

__all__ = ["EQUALISER", "LEVEL", "MP3", "OPUS", "PINK_NOISE", "RECORDING", "ROOM", "VOCAL_TRACT"]

Generator = np.random.Generator
Drawn = Callable[[], Generator]

EQUALISED, ROOMS, NOISY, LIMITED, CODED = 0.8, 0.35, 0.5, 0.3, 0.15
"""Shares of the copies by `RECORDING` that have another frequency response, room, noise, bandwidth and codec."""

STRONGEST_CURVE = 6.0
"""Standard deviation in dB of the frequency responses of `RECORDING` at a strength of 1."""


def _seed(rng: Generator) -> int:
    return int(rng.integers(1 << 32))


def _logarithmic(low: float, high: float) -> Callable[[Generator], float]:
    """Return a function that draws a number whose logarithm is uniform."""
    return lambda rng: math.exp(rng.uniform(math.log(low), math.log(high)))


def _level(samples: Waveform, rate: int, decibels: float, drawn: Drawn) -> npt.NDArray[Any]:
    return change_gain(samples, rate, 0, decibels=decibels, clipped=True).samples


def _equaliser(samples: Waveform, rate: int, decibels: float, drawn: Drawn) -> npt.NDArray[Any]:
    return equalise(samples, rate, _seed(drawn()), decibels=decibels).samples


def _room(samples: Waveform, rate: int, seconds: float, drawn: Drawn) -> npt.NDArray[Any]:
    rng = drawn()
    ratio = float(rng.uniform(-3.0, 12.0))
    return reverberate(samples, rate, _seed(rng), reverberation_time=seconds, direct_ratio=ratio).samples


def _pink_noise(samples: Waveform, rate: int, ratio: float, drawn: Drawn) -> npt.NDArray[Any]:
    return add_noise(samples, rate, _seed(drawn()), color="pink", ratio=ratio).samples


def _coded(codec: str) -> Callable[[Waveform, int, float, Drawn], npt.NDArray[Any]]:
    def apply(samples: Waveform, rate: int, kbps: float, drawn: Drawn) -> npt.NDArray[Any]:
        return encode(samples, rate, 0, codec=codec, kbps=kbps).samples

    return apply


def _vocal_tract(samples: Waveform, rate: int, factor: float, drawn: Drawn) -> npt.NDArray[Any]:
    return shift_pitch(samples, rate, 0, semitones=12.0 * math.log2(factor)).samples


def _recording(samples: Waveform, rate: int, strength: float, drawn: Drawn) -> npt.NDArray[Any]:
    """Apply the parts of a recording chain in their natural order: room, noise, microphone, bandwidth, codec."""
    rng = drawn()
    rooms, noisy, equalised, limited, coded = rng.random(5) < (ROOMS, NOISY, EQUALISED, LIMITED, CODED)
    if rooms:
        samples = _room(samples, rate, 0.15 + rng.uniform(0.0, 0.65) * strength, lambda: rng)
    if noisy:
        color = "pink" if rng.random() < 0.5 else "white"
        ratio = 35.0 - rng.uniform(0.0, 27.0) * strength
        samples = add_noise(samples, rate, _seed(rng), color=color, ratio=ratio).samples
    if equalised:
        samples = equalise(samples, rate, _seed(rng), decibels=STRONGEST_CURVE * strength).samples
    if limited:
        samples = filter_lowpass(samples, rate, 0, cutoff=_logarithmic(3000.0, 7500.0)(rng)).samples
    if coded and CODECS["opus"].available:
        samples = encode(samples, rate, 0, codec="opus", kbps=_logarithmic(12.0, 48.0)(rng)).samples
    return samples


LEVEL = Kind(
    "Another level, up to 12 dB lower or higher, clipped at full scale.",
    _level,
    lambda rng: float(rng.uniform(-12.0, 12.0)),
    -60.0,
    60.0,
    "dB",
    "+.1f",
)
EQUALISER = Kind(
    "Another microphone: a smooth random frequency response with a standard deviation of 2 to 6 dB.",
    _equaliser,
    lambda rng: float(rng.uniform(2.0, 6.0)),
    0.0,
    20.0,
    "dB",
    ".2f",
)
ROOM = Kind(
    "A synthetic room with a reverberation time of 0.15 to 0.8 s.",
    _room,
    _logarithmic(0.15, 0.8),
    0.05,
    5.0,
    "s",
    ".3f",
)
PINK_NOISE = Kind(
    "Pink noise, 8 to 35 dB below the active speech.",
    _pink_noise,
    lambda rng: float(rng.uniform(8.0, 35.0)),
    -20.0,
    100.0,
    "dB of signal to noise",
    ".1f",
)
MP3 = Kind("Encoded as MP3 and decoded, at 24 to 96 kbit/s.", _coded("mp3"), _logarithmic(24.0, 96.0), 8.0, 320.0,
           "kbit/s", ".1f")  # fmt: skip
OPUS = Kind("Encoded as Opus and decoded, at 12 to 48 kbit/s.", _coded("opus"), _logarithmic(12.0, 48.0), 6.0, 256.0,
            "kbit/s", ".1f")  # fmt: skip
VOCAL_TRACT = Kind(
    "A shorter or longer vocal tract: pitch and formants move together, at the same tempo.",
    _vocal_tract,
    lambda rng: math.exp(rng.uniform(math.log(0.88), math.log(1.14))),
    0.25,
    4.0,
    "times the frequency",
    ".3f",
)
RECORDING = Kind(
    "Another recording: a room, noise, microphone, bandwidth and codec, each in a part of the copies.",
    _recording,
    lambda rng: float(rng.uniform(0.3, 1.0)),
    0.0,
    1.0,
    "of the strongest change",
    ".2f",
)
