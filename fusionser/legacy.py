"""Names that files of earlier versions hold, and the names of today: stored results, models and features still open."""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["MODULES", "current_column", "current_settings", "hashed_settings"]

MODULES: Mapping[str, str] = {"fusionser.fusion": "fusionser.scaling"}
PARAMETERS: Mapping[str, str] = {"held_out": "validate_by"}
STATISTICS: Mapping[str, str] = {"deviation": "std"}
LISTS_OF_STATISTICS = ("statistics", "delta_statistics")


def current_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a block under the names of today.

    Examples
    --------
    >>> current_settings({"statistics": ["mean", "deviation"], "held_out": "speakers"})
    {'statistics': ['mean', 'std'], 'validate_by': 'speakers'}
    """
    return _renamed({PARAMETERS.get(name, name): value for name, value in settings.items()}, STATISTICS)


def hashed_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as digests spell them: a name that changed must not make known features unknown."""
    return _renamed(settings, {new: old for old, new in STATISTICS.items()})


def _renamed(settings: Mapping[str, Any], statistics: Mapping[str, str]) -> dict[str, Any]:
    def names(listed: Sequence[Any]) -> list[Any]:
        return [statistics.get(name, name) if isinstance(name, str) else name for name in listed]

    return {
        name: names(value) if name in LISTS_OF_STATISTICS and isinstance(value, list | tuple) else value
        for name, value in settings.items()
    }


def current_column(name: str) -> str:
    """Return the name of today of a feature's column.

    Examples
    --------
    >>> current_column("zcr__deviation"), current_column("deviation")
    ('zcr__std', 'deviation')
    """
    stem, separator, statistic = name.rpartition("_")
    return f"{stem}{separator}{STATISTICS[statistic]}" if "__" in name and statistic in STATISTICS else name
