"""The search space of a specification: what its classifier and its networks state, or a file says instead."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sklearn.base import clone

from fusionser.block_text import block_of
from fusionser.errors import SettingsError, unknown_name
from fusionser.features import FeatureExtractor
from fusionser.files import parse_toml
from fusionser.names import BAGGING, EARLY, LOGIT_ADJUSTMENT, NETWORK_ALONE
from fusionser.networks import DeepExtractor
from fusionser.pipeline.build import PLACED, decided_by, registry_of
from fusionser.search_space import NumberRange, Searched, Space, searched_of
from fusionser.spec import PipelineSpec

__all__ = [
    "BLOCKS",
    "current_values",
    "grid_of",
    "only_in_trials",
    "read_space",
    "space_of",
    "space_text",
    "with_values",
]

CLASSIFIER, BLOCKS = "classifier", "blocks"
FIXED = {
    *PLACED,
    "random_state",
    "front_end",
    "output",
    "cross_fit",
    "class_weight",
    "balance",
    "soft_labels",
    "n_jobs",
}
"""Parameters that the pipeline decides, so that a search cannot."""


def space_of(spec: PipelineSpec, extractor: FeatureExtractor, given: Space | None = None) -> dict[str, Searched]:
    """Return what is tried, by names such as ``classifier.C`` and ``blocks.conv2d.dropout``.

    Parameters
    ----------
    spec : PipelineSpec
    extractor : FeatureExtractor
        Its features.
    given : mapping, optional
        Replaces what the classes state, parameter by parameter.

    Raises
    ------
    SettingsError
        If a given parameter does not exist, or nothing is left to search.
    """
    parts = _parts(spec, extractor)
    space: dict[str, Searched] = {}
    for place, part in parts.items():
        stated = _used(part, part.space or part.grid) if place == CLASSIFIER else part.space
        space |= {f"{place}.{name}": tried for name, tried in stated.items()}
    if spec.networks.epochs is not None:
        # The number that the user gave.
        space = {name: tried for name, tried in space.items() if not name.endswith(".epochs")}
    for name, tried in (given or {}).items():
        _check_name(name, parts)
        space[name] = tried
    if not any(isinstance(tried, NumberRange) or len(tried) > 1 for tried in space.values()):
        raise SettingsError(
            f"nothing is left to search: {', '.join(parts) or 'the pipeline'} states no space, or each parameter has "
            "one value; give ranges or choices with --space"
        )
    return space


def grid_of(spec: PipelineSpec) -> dict[str, Sequence[Any]]:
    """Return the grid of the classifier of a specification, by parameter."""
    classifier = _classifier_of(spec)
    return _used(classifier, classifier.grid)


def _used(classifier: Any, stated: Mapping[str, Any]) -> dict[str, Any]:
    """Return what has an effect beside the parameters that the user gave."""
    unused = classifier.unused()
    return {name: tried for name, tried in stated.items() if name not in unused}


def _classifier_of(spec: PipelineSpec) -> Any:
    return registry_of(spec)[spec.classifier.name]().set_params(**spec.classifier.parameters)


def _parts(spec: PipelineSpec, extractor: FeatureExtractor) -> dict[str, Any]:
    """Return the estimators whose parameters can be searched, by place."""
    parts: dict[str, Any] = {}
    if decided_by(spec, extractor) != NETWORK_ALONE:
        parts[CLASSIFIER] = _classifier_of(spec)
    return parts | {f"{BLOCKS}.{name}": block for name, block in extractor.blocks if isinstance(block, DeepExtractor)}


def _check_name(name: str, parts: Mapping[str, Any]) -> None:
    place, _, parameter = name.rpartition(".")
    if place not in parts:
        raise unknown_name("part of the search space", place or name, parts)
    valid = sorted(set(parts[place].get_params(deep=False)) - FIXED)
    if parameter not in valid:
        raise unknown_name(f"parameter of {place}", parameter, valid)


def read_space(path: str | Path) -> dict[str, Searched]:
    """Read a search space from a TOML file.

    Raises
    ------
    SettingsError
        If it cannot be read, or a value is neither a range nor a list of choices.
    """
    try:
        values = parse_toml(Path(path).read_text(encoding="utf-8"))
        return dict(_flat(values))
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"{path}: cannot be read as a search space ({error}); expected a TOML file") from error


def _flat(values: Mapping[str, Any], before: str = "") -> list[tuple[str, Searched]]:
    found: list[tuple[str, Searched]] = []
    for name, value in values.items():
        if isinstance(value, Mapping) and not {"low", "high", "log"} & set(value):
            found += _flat(value, f"{before}{name}.")
            continue
        try:
            found.append((f"{before}{name}", searched_of(value)))
        except SettingsError as error:
            raise SettingsError(f"{before}{name}: {error}") from error
    return found


def with_values(spec: PipelineSpec, values: Mapping[str, Any]) -> PipelineSpec:
    """Return a specification with values of searched parameters.

    Examples
    --------
    >>> spec = PipelineSpec(features={"blocks": ["conv2d"]})
    >>> with_values(spec, {"classifier.C": 3.0, "blocks.conv2d.dropout": 0.1}).plain()
    {'features': {'blocks': ['conv2d[dropout=0.1]']}, 'classifier': {'parameters': {'C': 3.0}}}
    """
    by_place: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        place, _, parameter = name.rpartition(".")
        by_place.setdefault(place, {})[parameter] = value
    own = by_place.pop(CLASSIFIER, {})
    if own:
        parameters = {**spec.classifier.parameters, **own}
        spec = spec.changed(classifier=spec.classifier.changed(parameters=parameters, tune=False, trials=None))
    of_blocks = {place.removeprefix(f"{BLOCKS}."): found for place, found in by_place.items()}
    if spec.network is not None:
        parameters = {**spec.networks.parameters, **of_blocks.get(spec.network, {})}
        return spec.changed(networks=spec.networks.changed(parameters=parameters))
    if not of_blocks:
        return spec
    blocks = tuple(_with_parameters(block, of_blocks) for block in spec.features.blocks)
    return spec.changed(features=spec.features.changed(blocks=blocks))


def _with_parameters(block: str | dict[str, Any], of_blocks: Mapping[str, Mapping[str, Any]]) -> str | dict[str, Any]:
    if isinstance(block, dict):
        return {**block, **of_blocks.get(str(block.get("name", block.get("kind"))), {})}
    kind, parameters = block_of(block)
    new = of_blocks.get(str(parameters.get("name", kind)))
    if not new:
        return block
    text = ",".join(f"{name}={json.dumps(value)}" for name, value in {**parameters, **new}.items())
    return f"{kind}[{text}]"


def current_values(spec: PipelineSpec, extractor: FeatureExtractor, space: Space) -> dict[str, Any] | None:
    """Return the values that the specification has now, if all of them are in the space."""
    parts = _parts(spec, extractor)
    for place, part in list(parts.items()):
        if place != CLASSIFIER:
            parts[place] = clone(part).set_params(**spec.networks.parameters)
    values = {name: getattr(parts[name.rpartition(".")[0]], name.rpartition(".")[2]) for name in space}
    return values if all(value in space[name] for name, value in values.items()) else None


def only_in_trials(spec: PipelineSpec, pipeline: Any) -> dict[str, Any]:
    """Return parameters of a pipeline that make trials faster, and do not change their scores."""
    # Where a support vector machine decides, its answers do not depend on the calibration, which takes longer.
    by_probability = spec.rows.imbalance in (BAGGING, LOGIT_ADJUSTMENT)
    decides = spec.resolved_fusion == EARLY and spec.network is None and not by_probability
    calibrated = f"{CLASSIFIER}__probability"
    return {calibrated: False} if decides and calibrated in pipeline.get_params() else {}


def space_text(tried: Searched) -> str:
    """Return what is tried for one parameter, in words.

    Examples
    --------
    >>> space_text(NumberRange(0.1, 100.0, log=True)), space_text(("scale", 0.001))
    ('0.1 to 100, log scale', 'scale, 0.001')
    """
    return str(tried) if isinstance(tried, NumberRange) else ", ".join(map(str, tried))
