"""Read the samples of a row."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import soxr

from fusionser.augmentation.waveforms import augment, parse_augmentation
from fusionser.checks import channel_number
from fusionser.decoding import decode, decoded_blocks, duration_of, span_of
from fusionser.errors import AudioError
from fusionser.rows import CHANNEL_COLUMN
from fusionser.samples import Waveform
from fusionser.waveform import holds_waveform, samples_of

__all__ = ["fetched_of", "read_row", "row_blocks", "row_seconds"]


def read_row(row: Mapping[str, Any], sampling_rate: int | None = None) -> tuple[Waveform, int]:
    """Decode the clip of a row, or take its samples from memory, and apply the row's augmentation.

    Parameters
    ----------
    row : mapping
        Holds ``file``, or ``waveform`` and ``sampling_rate``; optionally ``start`` and ``end`` in seconds,
        ``audio_channel`` (as for `channel_number`), and ``augmentation``.
    sampling_rate : int, optional
        Rate in Hz at which an augmentation is applied; by default that of the file. Recordings without an
        augmentation are not resampled.

    Returns
    -------
    samples : ndarray of shape (n_samples,), float32
    sampling_rate : int

    Raises
    ------
    AudioError
        When the recording cannot be used.
    SettingsError
        When the augmentation is unknown.
    """
    if holds_waveform(row):
        samples, rate = samples_of(row)
    else:
        samples, rate = decode(*_place(row))
    text = row.get("augmentation")
    if not isinstance(text, str) or not text:
        return samples, rate
    wanted = parse_augmentation(text)
    if sampling_rate is not None and sampling_rate != rate:
        samples, rate = soxr.resample(samples, rate, sampling_rate, quality="HQ"), sampling_rate
    return augment(samples, rate, wanted), rate


@contextmanager
def row_blocks(row: Mapping[str, Any]) -> Iterator[tuple[int, Iterator[Waveform]]]:
    """Yield the rate of the file of a row, and its samples as `read_row` returns them without augmentation, in blocks.

    Raises
    ------
    AudioError
        When the recording cannot be used, at the latest after the last block.
    """
    with decoded_blocks(*_place(row)) as found:
        yield found


def fetched_of(row: Mapping[str, Any]) -> tuple[str, tuple[float, float] | None]:
    """Return the file of a row, and the part of it that is fetched if it is elsewhere; None is all of it."""
    file, start, end, _ = _place(row)
    return file, span_of(start, end)


def row_seconds(row: Mapping[str, Any]) -> float:
    """Return how long the part of a file that a row names is, and 0 if that is not known before it is decoded."""
    file, start, end, _ = _place(row)
    try:
        return (duration_of(file) if end is None else end) - start
    except AudioError:
        # Decoding it says what is wrong.
        return 0.0


def _place(row: Mapping[str, Any]) -> tuple[Any, float, float | None, int | None]:
    """Return file, start, end and channel of a row, as `decode` takes them."""
    end = row.get("end")
    stop = None if end is None or end != end else float(end)
    return row["file"], float(row.get("start") or 0.0), stop, channel_number(row.get(CHANNEL_COLUMN))
