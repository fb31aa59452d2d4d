"""Waveforms in memory: recognise and validate arrays, and convert them to samples as read from a file."""

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from fusionser.audio import HIGHEST_RATE, LONGEST_SECONDS, LOWEST_RATE
from fusionser.checks import channel_number
from fusionser.errors import AudioError, FusionserError
from fusionser.rows import CHANNEL_COLUMN
from fusionser.samples import Waveform, check_channels, check_part, check_samples, mix_down, one_channel

__all__ = ["MOST_CHANNELS", "Rates", "check_own_rate", "check_rate", "holds_waveform", "samples_of", "split_pair"]

Rates = float | Sequence[float | None] | npt.NDArray[Any] | None
"""Sampling rates in Hz of the items of X that are waveforms without a rate: one for all items, or one per item."""

MOST_CHANNELS = 32
"""Maximum number of channels. Arrays with more are rejected, as spectrograms or batches of clips."""

INTEGERS = ("int8", "int16", "int32", "uint8", "uint16", "uint32")
"""Integer types whose range is taken as full scale. No recording is stored as int64, so its scale is unknown."""


def split_pair(item: Any) -> tuple[Any, Any]:
    """Return samples and rate of a pair (samples, rate). Anything else is returned unchanged, with None as its rate.

    Raises
    ------
    FusionserError
        If the item is a pair (rate, samples).

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
    """Return a sampling rate as an int.

    Raises
    ------
    FusionserError
        If the rate is not a whole number within the accepted range.

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


def check_own_rate(name: str, rate: int) -> None:
    """Raise `AudioError`, with the name of a recording, if it has a sampling rate at which speech is not analysed."""
    try:
        check_rate(rate)
    except FusionserError as error:
        raise AudioError(f"{name}: {error}") from error


def holds_waveform(row: Mapping[str, Any]) -> bool:
    """Tell whether a row has samples in memory instead of a file."""
    # In a table with both kinds of rows, rows with files have NaN here.
    return np.ndim(row.get("waveform", 0.0)) > 0


def samples_of(row: Mapping[str, Any]) -> tuple[Waveform, int]:
    """Return the samples and the rate of a row with a ``waveform``, as `fusionser.decoding.decode` does for a file.

    Integers are divided by their full scale (int16 by 32768, int32 by 2**31). The zero of unsigned integers is the
    middle of their range (uint8 at 128). Channels, the shorter axis of a two-dimensional array, are averaged. ``start``
    and ``end`` select a part, as for a file.

    Raises
    ------
    AudioError
        If the array has an unsupported type or shape, or is empty, too long, not finite, or far beyond full scale.

    Examples
    --------
    >>> samples_of({"waveform": np.array([[16384, -16384], [0, 0], [8192, 0]], dtype=np.int16), "sampling_rate": 8000})
    (array([0.   , 0.   , 0.125], dtype=float32), 8000)
    """
    name = str(row.get("file", "the waveform"))
    given = row.get("sampling_rate")
    if given is None or given != given:
        raise AudioError(
            f"{name}: the waveform has no sampling rate; pass pairs (samples, rate), or sampling_rate= with X"
        )
    rate = check_rate(given)
    start, end = row.get("start") or 0.0, row.get("end")
    end = None if end != end else end
    if np.ma.is_masked(row["waveform"]):
        raise AudioError(
            f"{name}: some samples are masked; expected all of them: cut them out, such as by compressed()"
        )
    channels = _channels(np.asarray(row["waveform"]), name)
    channels = channels[:, int(start * rate) : None if end is None else round(end * rate)]
    check_part(channels.shape[1], rate, start, end, name)
    if channels.shape[1] > LONGEST_SECONDS * rate:
        raise AudioError(
            f"{name}: {channels.shape[1] / rate:.0f} s long; expected at most {LONGEST_SECONDS:g} s. Cut it into "
            "utterances"
        )
    floats = one_channel(_floats(channels, name), channel_number(row.get(CHANNEL_COLUMN)), name)
    mono = mix_down(floats)
    check_channels(floats, mono, name)
    check_samples(mono, name)
    return mono, rate


def _channels(values: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    if values.size == 0:
        raise AudioError(f"{name}: holds no samples")
    if values.ndim == 1:
        return values[None]
    shape = " x ".join(map(str, values.shape))
    if values.ndim != 2 or values.shape[0] == values.shape[1] or min(values.shape) > MOST_CHANNELS:
        raise AudioError(
            f"{name}: got an array of {shape}; expected one of samples, or of samples by channels in either order, "
            f"with more samples than channels and at most {MOST_CHANNELS} channels"
        )
    return values if values.shape[0] < values.shape[1] else values.T


def _floats(values: npt.NDArray[Any], name: str) -> npt.NDArray[np.float32]:
    if values.dtype.kind == "f":
        # Values too large for float32 become infinite, and `check_samples` then rejects them.
        with np.errstate(over="ignore"):
            return values.astype(np.float32)
    if values.dtype.name not in INTEGERS:
        raise AudioError(
            f"{name}: the samples are of type {values.dtype}; expected floats from -1 to 1, or {', '.join(INTEGERS)}. "
            "Convert them to the type of the recording, such as .astype(np.int16)"
        )
    full = 2 ** (8 * values.dtype.itemsize - 1)
    # Centre unsigned integers before the conversion: float32 cannot represent all values of uint32.
    signed = values if values.dtype.kind == "i" else values.astype(np.int64) - full
    return signed.astype(np.float32) / np.float32(full)
