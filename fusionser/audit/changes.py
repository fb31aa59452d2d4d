"""How a copy differs from the other recording: level, length, bandwidth, noise, tempo and pitch."""

from typing import Any

import numpy as np
import numpy.typing as npt
import soxr

from fusionser.audit.coherence import Match
from fusionser.facts import Record
from fusionser.samples import Waveform

__all__ = ["Change", "changes_between"]

FRAME = 0.02
"""Seconds of a frame in which the level is measured."""

SHORTEST = 0.05
"""Seconds by which beginnings or ends must differ."""

LOUDER, NOISIER, NARROWER = 0.5, 6.0, 0.8
"""Decibels of level, decibels of the pauses below the speech, and share of the bandwidth, that count as a change."""

HEARD = 60.0
"""Decibels below the strongest frequency up to which a frequency is part of the bandwidth."""

SAME_SAMPLES = 40.0
"""Decibels of the signal to the difference, from which the samples are the same but for rounding."""

SAME_SPEED = 0.75
"""Semitones by which tempo and pitch may disagree, where both come from another speed."""

Signal = npt.NDArray[np.float64]


class Change(Record):
    """One difference of a copy.

    ``kind`` is ``level`` (decibels), ``begins-later`` or ``ends-earlier`` (seconds; negative if something was added),
    ``bandwidth`` (Hz of the copy), ``noise`` (decibels by which the pauses are louder), ``tempo`` (times), ``pitch``
    (semitones), ``speed`` (times), or ``samples`` (decibels of the signal to the difference where nothing else
    explains it, such as after a codec or a filter).
    """

    kind: str
    value: float


def changes_between(first: tuple[Waveform, int], second: tuple[Waveform, int], match: Match) -> tuple[Change, ...]:
    """Return how the second recording differs from the first one.

    Parameters
    ----------
    first, second : tuple of ndarray and int
        Samples of one channel, and their rate in Hz.
    match : Match
        How the second one fits the first one.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=16000).astype(np.float32) / 8
    >>> found = changes_between((noise, 8000), (noise[4096:] / 2, 8000), Match(1.0, 1.0, 0.0, 0.512))
    >>> [(change.kind, round(change.value, 2)) for change in found]
    [('begins-later', 0.51), ('level', -6.02)]
    """
    rate = min(first[1], second[1])
    one, other = (_at_rate(*sound, rate) for sound in (first, second))
    found: dict[str, float] = _of_time(match)
    later = match.start
    earlier = one.size / rate - (match.start + other.size / rate * match.tempo)
    if match.as_recorded:
        found |= {kind: seconds for kind, seconds in (("begins-later", later), ("ends-earlier", earlier))
                  if abs(seconds) > SHORTEST}  # fmt: skip
        found |= _of_level(one, other, rate, match)
    widths = [_bandwidth(*sound) for sound in (first, second)]
    if min(widths) < NARROWER * max(widths):
        found["bandwidth"] = widths[1]
    louder = _pauses(other, rate) - _pauses(one, rate)
    if abs(louder) > NOISIER and not {"begins-later", "ends-earlier"} & found.keys():
        found["noise"] = louder
    if set(found) - {"samples"}:
        found.pop("samples", None)
    return tuple(Change(kind=kind, value=round(value, 3)) for kind, value in found.items())


def _of_time(match: Match) -> dict[str, float]:
    """Return the change of tempo and pitch, together if another speed explains both."""
    if match.as_recorded:
        return {}
    pitch_of_tempo = 12 * np.log2(match.tempo)
    if match.semitones and abs(pitch_of_tempo - match.semitones) < SAME_SPEED and abs(match.tempo - 1) > 0.0125:
        return {"speed": match.tempo}
    found: dict[str, float] = {}
    if abs(match.tempo - 1) > 0.0125:
        found["tempo"] = match.tempo
    if match.semitones:
        found["pitch"] = match.semitones
    return found


def _at_rate(samples: Waveform, own: int, rate: int) -> Signal:
    resampled: Any = samples if own == rate else soxr.resample(samples, own, rate, quality="HQ")
    return np.asarray(resampled, dtype=np.float64)


def _of_level(one: Signal, other: Signal, rate: int, match: Match) -> dict[str, float]:
    """Return the change of level where both overlap, and how much else differs in the samples."""
    from scipy.signal import correlate

    products = correlate(one, other, method="fft")
    lag = int(np.argmax(np.abs(products))) - (other.size - 1)
    if abs(lag / rate - match.start) > SHORTEST:
        lag = round(match.start * rate)
    begin, end = max(0, lag), min(one.size, other.size + lag)
    if end - begin < FRAME * rate:
        return {}
    there, here = one[begin:end], other[begin - lag : end - lag]
    energy = float(there @ there)
    if energy <= 0 or not here.any():
        return {}
    gain = float(there @ here) / energy
    difference = float(np.square(here - gain * there).sum())
    decibels = 10 * np.log10(max(gain**2 * energy, 1e-20) / max(difference, 1e-20))
    level = 10 * np.log10(float(here @ here) / energy)
    found = {"level": level} if abs(level) > LOUDER else {}
    return found if decibels > SAME_SAMPLES else {**found, "samples": float(decibels)}


def _bandwidth(samples: Waveform, rate: int) -> float:
    """Return the highest frequency in Hz that is heard, from the mean spectrum."""
    from scipy.signal import welch

    frequencies, power = welch(samples.astype(np.float64), rate, nperseg=min(512, samples.size))
    heard = np.flatnonzero(power > power.max() * 10 ** (-HEARD / 10))
    return float(frequencies[heard[-1]]) if heard.size else 0.0


def _pauses(samples: Signal, rate: int) -> float:
    """Return the level of the quietest tenth of the frames in decibels, relative to the loudest."""
    size = max(round(FRAME * rate), 1)
    frames = samples[: max(samples.size // size, 1) * size].reshape(-1, size) if samples.size >= size else samples[None]
    power = np.mean(np.square(frames), axis=1) + 1e-9
    return float(10 * np.log10(np.percentile(power, 10) / np.percentile(power, 95)))
