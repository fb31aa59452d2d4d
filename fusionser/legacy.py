"""Current names and defaults for those in files of earlier versions: stored results, models, features and studies."""

from collections.abc import Mapping
from typing import Any

__all__ = ["MODULES", "current_column", "current_design", "current_settings", "current_spec", "hashed_settings"]

MODULES: Mapping[str, str] = {"fusionser.fusion": "fusionser.scaling"}
PARAMETERS: Mapping[str, str] = {"held_out": "validate_by"}
STATISTICS: Mapping[str, str] = {"deviation": "std"}
LISTS_OF_STATISTICS = ("statistics", "delta_statistics")

PRESET, SCALING = "wide", "standard"
"""The defaults of earlier versions, which they did not store."""


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


def current_spec(spec: Any) -> Any:
    """Return a stored specification that names its features and its scaling.

    Earlier versions did not store the names of their defaults. This version always does.

    Examples
    --------
    >>> current_spec({"classifier": {"name": "svm"}})
    {'classifier': {'scaling': 'standard', 'name': 'svm'}, 'features': {'preset': 'wide'}}
    >>> current_spec({"network": "crnn"})
    {'network': 'crnn'}
    """
    if not isinstance(spec, Mapping) or spec.get("network") is not None:
        return spec
    features, classifier = spec.get("features", {}), spec.get("classifier", {})
    current = dict(spec)
    if isinstance(classifier, Mapping):
        current["classifier"] = {"scaling": SCALING, **classifier}
    if isinstance(features, Mapping) and not (features.get("preset") or features.get("blocks")):
        current["features"] = {**features, "preset": PRESET}
    return current


def current_design(design: Any) -> Any:
    """Return a stored ablation that names its features.

    Examples
    --------
    >>> current_design({"study": "normalisation", "preset": None, "blocks": []})["blocks"]
    ['wide']
    """
    if not isinstance(design, Mapping) or design.get("preset") or design.get("blocks") or design.get("study") == "deep":
        return design
    # As a block, because the name of a preset is part of the names of the stored evaluations.
    return {**design, "blocks": [PRESET]}
