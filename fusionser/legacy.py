"""Current names for those in files of earlier versions, so that stored results, models and features can be read."""

from collections.abc import Mapping
from typing import Any

__all__ = ["MODULES", "current_column", "current_settings", "hashed_settings"]

MODULES: Mapping[str, str] = {"fusionser.fusion": "fusionser.scaling"}
PARAMETERS: Mapping[str, str] = {"held_out": "validate_by"}
STATISTICS: Mapping[str, str] = {"deviation": "std"}
LISTS_OF_STATISTICS = ("statistics", "delta_statistics")


def current_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a block under their current names.

    Examples
    --------
    >>> current_settings({"statistics": ["mean", "deviation"], "held_out": "speakers"})
    {'statistics': ['mean', 'std'], 'validate_by': 'speakers'}
    """
    return _renamed({PARAMETERS.get(name, name): value for name, value in settings.items()}, STATISTICS)


def hashed_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings under the names used in digests, so that a renaming does not invalidate computed features."""
    return _renamed(settings, {new: old for old, new in STATISTICS.items()})


def _renamed(settings: Mapping[str, Any], statistics: Mapping[str, str]) -> dict[str, Any]:
    renamed = dict(settings)
    for name in LISTS_OF_STATISTICS:
        if isinstance(listed := settings.get(name), list | tuple):
            renamed[name] = [statistics.get(one, one) if isinstance(one, str) else one for one in listed]
    return renamed


def current_column(name: str) -> str:
    """Return the current name of a feature column.

    Examples
    --------
    >>> current_column("zcr__deviation"), current_column("deviation")
    ('zcr__std', 'deviation')
    """
    stem, separator, statistic = name.rpartition("_")
    return f"{stem}{separator}{STATISTICS[statistic]}" if "__" in name and statistic in STATISTICS else name
