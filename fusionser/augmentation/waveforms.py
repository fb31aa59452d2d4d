"""Augmentation of waveforms.

An augmented copy is a separate row, with an ``augmentation`` such as ``pitch(+1.62)#1`` and the ``source`` of its
original. This text fully determines the samples, so a copy can be cached, and reproduced anywhere.
"""

import hashlib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr

from fusionser.errors import SettingsError
from fusionser.registry import AUGMENTATIONS, code_origin
from fusionser.samples import Waveform

__all__ = ["AUGMENTATIONS", "Augmentation", "Kind", "augment", "drawing", "identity", "made_by", "parse_augmentation"]

Generator = np.random.Generator
WRITTEN = re.compile(r"([a-z0-9-]+)\(([-+]?\d+(?:\.\d+)?)\)#(\d+)")
LOWPASS_ORDER = 4
REVISION = 2
"""Increased whenever an augmentation gives different samples than before."""


@dataclass(frozen=True)
class Kind:
    """A kind of augmentation with one parameter.

    Parameters
    ----------
    summary : str
        One-line description.
    apply : callable
        Function of the samples, their rate in Hz, the parameter, and a function that returns a random generator. The
        latter hashes the samples, so only kinds that need random numbers should call it.
    draw : callable
        Function that draws the parameter from a generator.
    lowest, highest : float
        Valid range of the parameter.
    unit : str
        Unit of the parameter.
    form : str
        Format specification of the parameter, such as ``.1f``.

    Examples
    --------
    >>> half = Kind("Half as loud.", lambda samples, *_: samples / 2, lambda rng: 0.5, 0.1, 1.0, "", ".1f")
    >>> half.apply(np.ones(2, dtype=np.float32), 16000, 0.5, np.random.default_rng).tolist()
    [0.5, 0.5]
    """

    summary: str
    apply: Callable[[Waveform, int, float, Callable[[], Generator]], npt.NDArray[Any]]
    draw: Callable[[Generator], float]
    lowest: float
    highest: float
    unit: str
    form: str


@dataclass(frozen=True)
class Augmentation:
    """The augmentation of one copy, as written in the column ``augmentation``.

    Examples
    --------
    >>> str(Augmentation("stretch", 0.9, 2))
    'stretch(0.900)#2'
    """

    kind: str
    value: float
    copy: int

    def __str__(self) -> str:
        return f"{self.kind}({self.value:{AUGMENTATIONS[self.kind].form}})#{self.copy}"


def _noise(samples: Waveform, rate: int, decibels: float, drawn: Callable[[], Generator]) -> npt.NDArray[Any]:
    power = float(np.mean(samples.astype(np.float64) ** 2))
    std = math.sqrt(power / 10.0 ** (decibels / 10.0))
    return samples + drawn().normal(0.0, std, samples.size)


def _stretch(samples: Waveform, rate: int, tempo: float, drawn: Callable[[], Generator]) -> npt.NDArray[Any]:
    from fusionser.augmentation.phase_vocoder import change_tempo

    return change_tempo(samples, tempo)


def _pitch(samples: Waveform, rate: int, semitones: float, drawn: Callable[[], Generator]) -> npt.NDArray[Any]:
    from fusionser.augmentation.phase_vocoder import change_pitch

    return change_pitch(samples, semitones)


def _lowpass(samples: Waveform, rate: int, cutoff: float, drawn: Callable[[], Generator]) -> npt.NDArray[Any]:
    if cutoff >= rate / 2:
        return samples
    from scipy.signal import butter, sosfilt

    return sosfilt(butter(LOWPASS_ORDER, cutoff, fs=rate, output="sos"), samples.astype(np.float64))


def _speed(samples: Waveform, rate: int, factor: float, drawn: Callable[[], Generator]) -> npt.NDArray[Any]:
    return soxr.resample(samples, rate * factor, rate, quality="HQ")


def _either_way(low: float, high: float) -> Callable[[Generator], float]:
    """Return a function that draws a magnitude between two numbers, with a random sign."""
    return lambda rng: float(rng.uniform(low, high) * (1 if rng.random() < 0.5 else -1))


def _ratio(low: float, high: float) -> Callable[[Generator], float]:
    change = _either_way(math.log(low), math.log(high))
    return lambda rng: math.exp(change(rng))


NOISE = Kind(
    "White Gaussian noise, 10 to 30 dB below the speech.",
    _noise,
    lambda rng: float(rng.uniform(10.0, 30.0)),
    -20.0,
    100.0,
    "dB of signal to noise",
    ".1f",
)
PITCH = Kind(
    "Another pitch at the same tempo, by a phase vocoder equal to librosa's effect.",
    _pitch,
    _either_way(0.5, 2.5),
    -24.0,
    24.0,
    "semitones",
    "+.2f",
)
STRETCH = Kind(
    "Another tempo at the same pitch, by a phase vocoder equal to librosa's effect.",
    _stretch,
    _ratio(1.05, 1.25),
    0.25,
    4.0,
    "times the tempo",
    ".3f",
)
LOWPASS = Kind(
    "Butterworth low-pass filter of fourth order, at 1.5 to 4 kHz.",
    _lowpass,
    lambda rng: float(np.exp(rng.uniform(math.log(1500), math.log(4000)))),
    50.0,
    2e5,
    "Hz",
    ".0f",
)
SPEED = Kind("Another tempo and pitch, by resampling.", _speed, _ratio(1.05, 1.15), 0.25, 4.0, "times the speed", ".3f")


def parse_augmentation(text: str) -> Augmentation:
    """Parse the text of the column ``augmentation``.

    Raises
    ------
    SettingsError
        When the text is invalid, or the parameter is out of range.

    Examples
    --------
    >>> parse_augmentation("noise(12.5)#1")
    Augmentation(kind='noise', value=12.5, copy=1)
    """
    match = WRITTEN.fullmatch(text)
    if match is None:
        raise SettingsError(
            f"the augmentation {text!r} cannot be read; expected kind(number)#copy, as in noise(12.5)#1"
        )
    name, value, copy = match[1], float(match[2]), int(match[3])
    kind = AUGMENTATIONS.named(name)
    if not kind.lowest <= value <= kind.highest:
        raise SettingsError(f"the augmentation {text!r}: expected {kind.lowest:g} to {kind.highest:g} {kind.unit}")
    return Augmentation(name, value, copy)


def augment(samples: Waveform, sampling_rate: int, wanted: Augmentation) -> Waveform:
    """Apply an augmentation to a waveform.

    Parameters
    ----------
    samples : ndarray of shape (n_samples,)
        One channel, full scale -1 to 1.
    sampling_rate : int
        In Hz.
    wanted : Augmentation

    Returns
    -------
    ndarray of shape (n_changed,), float32
        Random numbers are seeded by the samples and the augmentation, so the result is reproducible.

    Examples
    --------
    >>> augment(np.zeros(16000, dtype=np.float32), 16000, Augmentation("speed", 2.0, 1)).size
    8000
    """
    if samples.size == 0:
        return samples

    def drawn() -> Generator:
        return drawing(identity(samples, sampling_rate), wanted)

    changed = AUGMENTATIONS[wanted.kind].apply(samples, sampling_rate, wanted.value, drawn)
    return np.ascontiguousarray(changed, dtype=np.float32)


def made_by(text: str = "") -> str:
    """Return the part of a cache key that the text of an augmentation does not cover: revision and code origin."""
    kind = AUGMENTATIONS.get(text.partition("(")[0])
    origin = "" if kind is None else code_origin(kind.apply)
    return " ".join(filter(None, (f"augmentation {REVISION}", origin)))


def identity(samples: Waveform, sampling_rate: int) -> str:
    """Return a hash of samples that seeds what is drawn for them."""
    # Not the fingerprint, which may come to use another hash: the copies behind a result must be reproducible.
    digest = hashlib.blake2b(str(sampling_rate).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(samples, dtype=np.float32).data)
    return digest.hexdigest()


def drawing(*parts: object) -> Generator:
    """Return a random generator that is seeded by the text of all parts."""
    digest = hashlib.blake2b("|".join(map(str, parts)).encode(), digest_size=8).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))
