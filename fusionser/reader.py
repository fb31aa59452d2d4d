"""Read the samples of a row."""

from collections.abc import Mapping
from typing import Any

import soxr

from fusionser.audio import Waveform
from fusionser.augmentation.waveforms import augment, parse_augmentation
from fusionser.checks import channel_number
from fusionser.decoding import decode
from fusionser.rows import CHANNEL_COLUMN
from fusionser.waveform import holds_waveform, samples_of

__all__ = ["read_row"]


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
        end = row.get("end")
        stop = None if end is None or end != end else float(end)
        channel = channel_number(row.get(CHANNEL_COLUMN))
        samples, rate = decode(row["file"], float(row.get("start") or 0.0), stop, channel)
    text = row.get("augmentation")
    if not isinstance(text, str) or not text:
        return samples, rate
    wanted = parse_augmentation(text)
    if sampling_rate is not None and sampling_rate != rate:
        samples, rate = soxr.resample(samples, rate, sampling_rate, quality="HQ"), sampling_rate
    return augment(samples, rate, wanted), rate
