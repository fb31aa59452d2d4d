"""Ranges that several blocks share."""

from fusionser.errors import SettingsError

__all__ = ["check_count", "check_mel"]


def check_count(name: str, value: int, least: int, most: int) -> None:
    """Raise `SettingsError` when a number is not from `least` to `most`."""
    if not least <= value <= most:
        raise SettingsError(f"{name} is {value}; expected {least} to {most}")


def check_mel(n_mels: int, fmax: float | None, sampling_rate: int) -> None:
    """Raise `SettingsError` when mel bands cannot be made."""
    check_count("n_mels", n_mels, 1, 512)
    if fmax is not None and not 0 < fmax <= sampling_rate / 2:
        raise SettingsError(f"fmax is {fmax} Hz; expected more than 0, at most {sampling_rate / 2:g}")
