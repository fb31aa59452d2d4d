"""A waveform in memory: what is taken for one, and how it becomes samples as those of a file are."""

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from fusionser.audio import HIGHEST_RATE, LONGEST_SECONDS, LOWEST_RATE, Waveform, check_part, check_samples, mix_down
from fusionser.errors import AudioError, FusionserError

__all__ = ["MOST_CHANNELS", "Rates", "check_rate", "holds_waveform", "samples_of", "split_pair"]

Rates = float | Sequence[float | None] | npt.NDArray[Any] | None
"""Sampling rates in Hz of the waveforms of X that stand without one: one for all, or one an item."""

MOST_CHANNELS = 32
"""Two-dimensional arrays of more channels are refused: they are spectrograms, or many clips."""

INTEGERS = ("int8", "int16", "int32", "uint8", "uint16", "uint32")
"""Types whose range is full scale; int64 is none that recordings have, so nothing tells its scale."""


def split_pair(item: Any) -> tuple[Any, Any]:
    """Return the samples of a pair (samples, rate) and its rate; for anything else itself and None.

    Raises
    ------
    FusionserError
        When a pair is the wrong way round.

    Examples
    --------
    >>> split_pair((np.zeros(3), 16000))[1], split_pair(np.zeros(3))[1]
    (16000, None)
    """
    pair = isinstance(item, (tuple, list)) or (isinstance(item, np.ndarray) and item.dtype == object)
    if not pair or len(item) != 2:
        return item, None
    first, second = item
    if isinstance(first, Real) and _is_array(second):
        raise FusionserError("got a pair (rate, samples); expected it the other way round, (samples, rate)")
    return (first, second) if _is_array(first) and isinstance(second, Real) else (item, None)


def _is_array(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, str)


def check_rate(rate: Any) -> int:
    """Return a sampling rate as a whole number.

    Raises
    ------
    FusionserError
        When it is none.

    Examples
    --------
    >>> check_rate(44100.0)
    44100
    """
    number = float(rate) if isinstance(rate, Real) and not isinstance(rate, bool) else float("nan")
    if not (LOWEST_RATE <= number <= HIGHEST_RATE and number.is_integer()):
        raise FusionserError(
            f"got the sampling rate {rate!r}; expected a whole number of Hz from {LOWEST_RATE} to {HIGHEST_RATE}"
        )
    return int(number)


def holds_waveform(row: Mapping[str, Any]) -> bool:
    """Tell whether a row has samples in memory, in place of a file."""
    # Where a table has rows of both kinds, the files' have NaN there.
    return np.ndim(row.get("waveform", 0.0)) > 0


def samples_of(row: Mapping[str, Any]) -> tuple[Waveform, int]:
    """Return the samples and the rate of a row with a ``waveform``, as `decode` returns a file's.

    Integers are divided by their full scale (int16 by 32768, int32 by 2**31); unsigned ones have their zero in the
    middle (uint8 at 128). Channels are averaged; of a two-dimensional array the shorter axis is the channels. ``start``
    and ``end`` cut as they do of a file.

    Raises
    ------
    AudioError
        When the array is no recording: of another type or shape, empty, too long, not finite, or far out of scale.

    Examples
    --------
    >>> samples_of({"waveform": np.array([[16384, -16384], [0, 0], [8192, 0]], dtype=np.int16), "sampling_rate": 8000})
    (array([0.   , 0.   , 0.125], dtype=float32), 8000)
    """
    name = str(row.get("file", "the waveform"))
    given = row.get("sampling_rate")
    if given is None or given != given:
        raise AudioError(
            f"{name}: the waveform has no sampling rate; give pairs (samples, rate), or sampling_rate= beside the "
            "waveforms"
        )
    rate = check_rate(given)
    start, end = row.get("start") or 0.0, row.get("end")
    end = None if end != end else end
    channels = _channels(np.asarray(row["waveform"]), name)
    channels = channels[:, int(start * rate) : None if end is None else round(end * rate)]
    check_part(channels.shape[1], rate, start, end, name)
    if channels.shape[1] > LONGEST_SECONDS * rate:
        raise AudioError(
            f"{name}: {channels.shape[1] / rate:.0f} s long; expected at most {LONGEST_SECONDS:g} s. Cut it into "
            "utterances"
        )
    mono = mix_down(_floats(channels, name))
    check_samples(mono, name)
    return mono, rate


def _channels(values: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    """Return an array with one row a channel."""
    if values.size == 0:
        raise AudioError(f"{name}: holds no samples")
    if values.ndim == 1:
        return values[None]
    shape = " x ".join(map(str, values.shape))
    if values.ndim != 2 or values.shape[0] == values.shape[1] or min(values.shape) > MOST_CHANNELS:
        raise AudioError(
            f"{name}: got an array of {shape}; expected one of samples, or of samples by channels either way round, "
            f"with more samples than channels and at most {MOST_CHANNELS} channels"
        )
    return values if values.shape[0] < values.shape[1] else values.T


def _floats(values: npt.NDArray[Any], name: str) -> npt.NDArray[np.float32]:
    if values.dtype.kind == "f":
        # What is too large for single precision becomes infinite, which is refused by its name.
        with np.errstate(over="ignore"):
            return values.astype(np.float32)
    if values.dtype.name not in INTEGERS:
        raise AudioError(
            f"{name}: the samples are of type {values.dtype}; expected floats from -1 to 1, or {', '.join(INTEGERS)}. "
            "Convert them to the type that the recording had, such as .astype(np.int16)"
        )
    full = 2 ** (8 * values.dtype.itemsize - 1)
    # The middle of the unsigned first, in a type that holds it, since half of their range is no float32.
    signed = values if values.dtype.kind == "i" else values.astype(np.int64) - full
    return signed.astype(np.float32) / np.float32(full)
