"""From a row of the table to its samples."""

from collections.abc import Mapping
from typing import Any

from fusionser.audio import Waveform, decode
from fusionser.errors import SettingsError

__all__ = ["read_row"]


def read_row(row: Mapping[str, Any]) -> tuple[Waveform, int]:
    """Decode the clip that a row names.

    Parameters
    ----------
    row : mapping
        Holds ``file``, and optionally ``start`` and ``end`` in seconds.

    Returns
    -------
    samples : ndarray of shape (n_samples,), float32
    sampling_rate : int

    Raises
    ------
    AudioError
        When the recording cannot be used.
    SettingsError
        When the row asks for an augmentation: this version reads original recordings only.
    """
    augmentation = row.get("augmentation") or ""
    if augmentation:
        raise SettingsError(
            f"{row['file']}: the row asks for the augmentation {augmentation!r}, and this version reads originals "
            "only; leave the column 'augmentation' empty"
        )
    end = row.get("end")
    return decode(row["file"], float(row.get("start") or 0.0), None if end is None or end != end else float(end))
