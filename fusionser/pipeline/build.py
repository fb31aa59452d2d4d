"""Build the pipeline from rows to labels. It is flat, and refitted as a whole in every fold."""

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from imblearn.pipeline import Pipeline
from sklearn.base import BaseEstimator, clone

from fusionser.archive import is_model_file
from fusionser.augmentation import REVISION, AugmentRows, KeepOriginals
from fusionser.balancing import BalanceRows, ImposeImbalance
from fusionser.block_text import block_of
from fusionser.cache import Cache
from fusionser.classifiers import (
    BalancedBagging,
    LateFusion,
    LogitAdjustment,
    MemberEstimator,
    TableEstimator,
    classifier,
)
from fusionser.errors import SettingsError, unknown_name
from fusionser.features.extractor import FeatureExtractor
from fusionser.features.fisher_vectors import FisherVectors
from fusionser.features.learned import LearnedBlock
from fusionser.files import is_file
from fusionser.model import CLASSIFIER, FEATURES, SCALE
from fusionser.names import (
    ADAPTED,
    BAGGING,
    COLUMN_BALANCINGS,
    DIMENSIONS,
    EARLY,
    LOGIT_ADJUSTMENT,
    NETWORK_ALONE,
    ROW_BALANCINGS,
    SPEAKER_NORMALISED,
    TRIALS,
)
from fusionser.networks import DeepExtractor, NetworkTraining
from fusionser.pipeline.features import build_features
from fusionser.pipeline.resources import LOCAL, Resources
from fusionser.pipeline.soft_labels import train_by_votes
from fusionser.registry import CLASSIFIERS, NETWORKS, REGRESSORS, Registry
from fusionser.regressors import LateFusion as LateFusionOfNumbers
from fusionser.regressors import regressor
from fusionser.scaling import BlockScaler
from fusionser.spec import NetworksSpec, PipelineSpec, RowsSpec

__all__ = [
    "HIDDEN",
    "build_pipeline",
    "classifier_settings",
    "configured_features",
    "registry_of",
    "unused_network_options",
]

UnusableRows = Sequence[tuple[str, str]]
"""Source and augmentation of augmented rows that cannot be analysed."""

PLACED = ("device", "cache", "processes", "memory_limit")
"""Parameters of networks that say where they are trained, which `Resources` decide."""

HIDDEN = ("n_jobs", "device", "cache", "most_rows")
"""Parameters of classifiers that do not affect results."""

DECIDED_BY: Mapping[str, str] = MappingProxyType(
    {
        "class_weight": "imbalance under rows",
        "cross_fit": "cross_fit under networks",
        "output": "the fusion",
        "precision": "precision under networks",
        "soft_labels": "soft_labels under pipeline",
        "by_speaker": "setting under pipeline",
    }
)
"""Where a pipeline sets what it decides for all of its networks."""

LATE = "average"
"""How networks are fused that answer without a classifier or regressor. A single network is unaffected."""


def registry_of(spec: PipelineSpec) -> Registry:
    """Return where the last step of a specification is found by its name: classifiers or regressors."""
    return REGRESSORS if spec.task == DIMENSIONS else CLASSIFIERS


def _fusion(spec: PipelineSpec) -> str:
    return LATE if spec.network else spec.resolved_fusion


def _deep(extractor: FeatureExtractor) -> list[str]:
    return [name for name, block in extractor.blocks if isinstance(block, DeepExtractor)]


def configured_features(
    spec: PipelineSpec, extractor: FeatureExtractor | None = None, resources: Resources = LOCAL
) -> FeatureExtractor:
    """Return the features of a specification, with networks configured for the fusion.

    Parameters
    ----------
    spec : PipelineSpec
    extractor : FeatureExtractor, optional
        The blocks, if they are already built. It is cloned.
    resources : Resources
    """
    built = build_features(spec) if extractor is None else clone(extractor)
    built.set_params(keep_rows=True, memory_limit=resources.memory_limit)
    networks, seen = spec.networks, Counter[str]()
    for name, block in built.blocks:
        if isinstance(block, DeepExtractor):
            own = _own_settings(name, spec)
            decided = {
                "random_state": _seed_of(block, own, spec, seen),
                "class_weight": _class_weight(spec),
                "cross_fit": networks.cross_fit,
                "output": "scores" if networks.cross_fit or _fusion(spec) != EARLY else "units",
                "precision": networks.precision,
                "soft_labels": spec.soft_labels,
                # In early fusion, the hidden units are standardised like all other columns.
                "by_speaker": spec.setting == SPEAKER_NORMALISED and _fusion(spec) != EARLY,
            }
            _refuse_own(name, own, decided)
            block.set_params(device=resources.device, processes=resources.processes, **decided)
            _set_parameters(block, networks.parameters)
            weights = networks.weights
            if weights is not None and block.weights is None and block.weights_format == _format(weights):
                block.set_params(weights=weights)
            _limit_epochs(block, networks)
        elif isinstance(block, FisherVectors):
            block.set_params(random_state=_seed_of(block, _own_settings(name, spec), spec, seen))
    _refuse_twins(built)
    return built


def _refuse_twins(built: FeatureExtractor) -> None:
    """Refuse two learned blocks that would be the same, since the second adds nothing."""
    first: dict[str, str] = {}
    for name, block in built.blocks:
        if isinstance(block, DeepExtractor | FisherVectors):
            other = first.setdefault(str(block.settings()), name)
            if other != name:
                raise SettingsError(
                    f"the blocks '{other}' and '{name}' are the same, with the seed {block.random_state}; give one of "
                    f"them another random_state, or leave it out"
                )


def _own_settings(name: str, spec: PipelineSpec) -> Mapping[str, Any]:
    """Return what the specification sets of a block itself, in brackets or in a table."""
    for given in spec.features.blocks:
        kind, parameters = block_of(given) if isinstance(given, str) else (given.get("kind"), given)
        # In brackets, a name such as 2 is a number.
        if str(parameters.get("name", kind)) == name:
            return {setting: value for setting, value in parameters.items() if setting not in ("kind", "name")}
    return {}


def _seed_of(block: LearnedBlock, own: Mapping[str, Any], spec: PipelineSpec, seen: Counter[str]) -> int:
    """Return a block's own seed, or else that of the pipeline, plus one for each block of its kind before it.

    Two networks of the same kind would otherwise be the same network.
    """
    if "random_state" in own:
        seed = own["random_state"]
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
            raise SettingsError(f"random_state of {block.kind} is {seed!r}; expected a whole number from 0 to 2^32 - 1")
        return seed
    seen[block.kind] += 1
    return (spec.seed + seen[block.kind] - 1) % 2**32


def _refuse_own(name: str, own: Mapping[str, Any], decided: Mapping[str, Any]) -> None:
    """Refuse settings of a block that the pipeline decides otherwise."""
    for setting, value in decided.items():
        if setting in own and own[setting] != value:
            raise SettingsError(
                f"{setting} of the block '{name}' is {own[setting]!r}, but the pipeline decides it, and uses "
                f"{value!r}; leave it out of the block, and set {DECIDED_BY[setting]}"
            )


def _class_weight(spec: PipelineSpec) -> str | None:
    return "balanced" if spec.rows.imbalance == "weights" else None


def _limit_epochs(part: NetworkTraining, networks: NetworksSpec) -> None:
    if networks.epochs is not None:
        part.set_params(epochs=networks.epochs)


def _set_parameters(block: DeepExtractor, parameters: Mapping[str, Any]) -> None:
    valid = sorted(set(block.get_params(deep=False)) - {*PLACED, "front_end", "random_state", "weights", *DECIDED_BY})
    for name, value in parameters.items():
        if name not in valid:
            raise unknown_name(f"parameter of {block.kind}", name, valid)
        default = getattr(block, name)
        number = isinstance(default, int | float) and not isinstance(default, bool)
        if number and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise SettingsError(f"{name} of {block.kind} is {value!r}; expected a number, as {default}")
        if isinstance(default, str) and not isinstance(value, str):
            raise SettingsError(f"{name} of {block.kind} is {value!r}; expected text, as '{default}'")
    block.set_params(**parameters)


def _check_learned(spec: PipelineSpec, extractor: FeatureExtractor) -> None:
    """Reject blocks that only learn from emotions where numbers are predicted."""
    of_classes = [
        name for name, block in extractor.blocks if isinstance(block, LearnedBlock) and not block.takes_numbers
    ]
    if spec.task == DIMENSIONS and of_classes:
        raise SettingsError(
            f"the block{'s' if len(of_classes) > 1 else ''} {', '.join(of_classes)} can only learn emotions, but "
            "--targets asks for numbers; choose other --blocks"
        )


def _check_copies(spec: PipelineSpec, extractor: FeatureExtractor) -> None:
    """Reject augmented copies for networks only where there is no network, or nothing else."""
    if spec.rows.augment_for == "networks" and (decided_by(spec, extractor) == NETWORK_ALONE or not _deep(extractor)):
        missing = "classifier beside the networks" if _deep(extractor) else "network among the blocks"
        raise SettingsError(
            f"--augment-for networks needs a network and a classifier beside it, but there is no {missing}; leave it "
            "out"
        )


def _format(weights: str) -> str:
    return "model" if is_model_file(weights) else "safetensors"


def _check_weights(weights: str, extractor: FeatureExtractor) -> None:
    """Reject a file of initial weights that no network takes."""
    found = _format(weights)
    if any(isinstance(block, DeepExtractor) and block.weights_format == found for _, block in extractor.blocks):
        return
    if not is_file(weights):
        raise SettingsError(f"--weights: {weights or 'an empty name'}: no such file; expected a model file")
    of_file = {name: NETWORKS[name].weights_format for name in NETWORKS.loadable()}
    taking = ", ".join(name for name, one in of_file.items() if one == found)
    what = "a model" if found == "model" else "not a model that 'fusionser fit' wrote"
    raise SettingsError(
        f"--weights {weights} is {what}, and there is no network that takes it; those that do: {taking}"
    )


def _check(spec: PipelineSpec, extractor: FeatureExtractor) -> None:
    """Reject settings that cannot work or would have no effect, before hours of training."""
    _check_learned(spec, extractor)
    _check_copies(spec, extractor)
    deep, networks, fusion = _deep(extractor), spec.networks, _fusion(spec)
    if networks.weights is not None:
        _check_weights(networks.weights, extractor)
    if (networks.cross_fit or networks.parameters) and not deep:
        option = "--cross-fit" if networks.cross_fit else "networks.parameters"
        raise SettingsError(f"{option} is for networks, but there are none among the blocks; leave it out")
    alone = decided_by(spec, extractor) == NETWORK_ALONE
    if spec.classifier.tune and spec.classifier.trials is None and alone:
        raise SettingsError(
            "--tune searches the classifier's parameters, but here networks classify without it; --tune-trials also "
            "searches those of networks"
        )
    if fusion == EARLY:
        return
    answers = "predicted numbers" if spec.task == DIMENSIONS else "class scores"
    if fusion != LATE and deep and not networks.cross_fit:
        raise SettingsError(
            f"the {answers} of {', '.join(deep)} are in-fold, so they are too optimistic to learn weights from; set "
            "--cross-fit to a number of inner folds, or --fusion average"
        )
    if len(extractor.blocks) < 2 and not deep:
        raise SettingsError(
            f"late fusion needs two or more blocks; got only '{extractor.blocks[0][0]}'. Set --fusion early"
        )
    if spec.classifier.equal_blocks:
        raise SettingsError("--equal-blocks weights columns for early fusion; leave it out with late fusion")


def _check_adaptable(spec: PipelineSpec, extractor: FeatureExtractor) -> None:
    """Reject the settings "adapted" and "speaker-normalised" if there is nothing that they change."""
    scaled = spec.classifier.scaling != "none" and decided_by(spec, extractor) != NETWORK_ALONE
    if spec.setting == ADAPTED and not scaled and not extractor.adapts:
        raise SettingsError(
            "--setting adapted adapts scaled columns, and networks with batch normalisation; here there are neither. "
            "Choose another --scaling or another network, or --setting inductive"
        )
    if spec.setting == SPEAKER_NORMALISED and decided_by(spec, extractor) == NETWORK_ALONE and not extractor.adapts:
        raise SettingsError(
            "--setting speaker-normalised adapts networks with batch normalisation to each speaker; here there are "
            "none. Choose another network, or --setting inductive"
        )


def decided_by(spec: PipelineSpec, extractor: FeatureExtractor) -> str:
    """Return the name of the classifier, or `NETWORK_ALONE` if only networks are fused."""
    alone = _fusion(spec) != EARLY and len(_deep(extractor)) == len(extractor.blocks)
    return NETWORK_ALONE if alone else spec.classifier.name


def unused_network_options(spec: PipelineSpec, extractor: FeatureExtractor, resources: Resources = LOCAL) -> list[str]:
    """Return which settings of networks are given but change nothing, because no network takes them.

    Examples
    --------
    >>> spec = PipelineSpec(networks={"epochs": 5, "precision": "bfloat16"}, classifier={"name": "mlp"})
    >>> unused_network_options(spec, build_features(spec))
    ['precision']
    """
    deep, given = bool(_deep(extractor)), spec.networks.model_dump(exclude_defaults=True)
    trained = deep or isinstance(registry_of(spec)[spec.classifier.name](), NetworkTraining)
    unused = [name for name, taken in (("epochs", trained), ("precision", deep)) if name in given and not taken]
    placed = ("processes", "memory_limit") if not deep else ()
    return unused + [name for name in placed if getattr(resources, name) != getattr(LOCAL, name)]


def _row_steps(rows: RowsSpec, unusable: UnusableRows, seed: int) -> list[tuple[str, Any]]:
    """Return the samplers of training rows, in order."""
    steps: list[tuple[str, Any]] = []
    if rows.impose_imbalance is not None:
        steps.append(("impose", ImposeImbalance(ratio=rows.impose_imbalance, random_state=seed).fit(None)))
    if rows.augment:
        sampler = AugmentRows(
            kinds=rows.augment,
            copies=rows.copies,
            only_scarce=rows.augment_classes == "scarce",
            unusable=unusable,
            random_state=seed,
        )
        steps.append(("augment", sampler.fit(None)))
    if rows.imbalance in ROW_BALANCINGS:
        steps.append(("balance", BalanceRows(strategy=rows.imbalance, random_state=seed)))
    return steps


def _single(spec: PipelineSpec, resources: Resources) -> TableEstimator:
    """Return the classifier or the regressor by its name, with the seed and the balancing of the specification."""
    given: dict[str, Any] = {"seed": spec.seed, "n_jobs": resources.n_jobs, "device": resources.device}
    if spec.task == DIMENSIONS:
        return regressor(spec.classifier.name, **given)
    imbalance = spec.rows.imbalance
    balance = imbalance if imbalance in COLUMN_BALANCINGS else None
    return classifier(spec.classifier.name, class_weight=_class_weight(spec), balance=balance, **given)


def _last(spec: PipelineSpec, extractor: FeatureExtractor, resources: Resources) -> TableEstimator:
    """Return the last step: classifier or regressor, inside bagging, late fusion or adjustment as specified."""
    deep = _deep(extractor)
    last: Any = _single(spec, resources)
    for name in spec.classifier.parameters:
        if name not in last.get_params():
            raise unknown_name(f"parameter of {spec.classifier.name}", name, sorted(last.get_params()))
    last.set_params(**spec.classifier.parameters)
    if spec.soft_labels:
        train_by_votes(spec, last, deep)
    if isinstance(last, NetworkTraining):
        _limit_epochs(last, spec.networks)
    if spec.rows.imbalance == BAGGING:
        last = BalancedBagging(classifier=last, random_state=spec.seed)
    fused = last if _fusion(spec) == EARLY else _fused(spec, last, extractor)
    if spec.rows.imbalance == LOGIT_ADJUSTMENT:
        return LogitAdjustment(classifier=fused, random_state=spec.seed)
    return fused


def _fused(spec: PipelineSpec, last: TableEstimator, extractor: FeatureExtractor) -> TableEstimator:
    """Return the late fusion of class scores and of a classifier or regressor."""
    deep = _deep(extractor)
    apart = [name for name, block in extractor.blocks if isinstance(block, LearnedBlock) and block.classified_apart]
    fusion: dict[str, Any] = {
        "method": _fusion(spec),
        "by_block": not deep and not apart,
        "apart": tuple(apart),
        "random_state": spec.seed,
    }
    if spec.task == DIMENSIONS:
        return LateFusionOfNumbers(regressor=last, **fusion)
    return LateFusion(classifier=last, **fusion)


def build_pipeline(
    spec: PipelineSpec,
    *,
    extractor: FeatureExtractor | None = None,
    unusable: UnusableRows = (),
    resources: Resources = LOCAL,
) -> Pipeline:
    """Build the pipeline of a specification: row samplers, if any, features, scaling by block, classifier.

    Parameters
    ----------
    spec : PipelineSpec
    extractor : FeatureExtractor, optional
        The blocks, if they are already built.
    unusable : sequence of (str, str)
        Source and augmentation of augmented rows to leave out.
    resources : Resources

    Returns
    -------
    imblearn.pipeline.Pipeline

    Raises
    ------
    SettingsError
        If parts of the specification contradict each other.

    Examples
    --------
    >>> pipeline = build_pipeline(PipelineSpec(classifier={"name": "xgboost", "parameters": {"max_depth": 3}}))
    >>> pipeline["classifier"].max_depth
    3
    """
    features = configured_features(spec, extractor, resources)
    _check(spec, features)
    _check_adaptable(spec, features)
    features.check()
    deep, scaling = _deep(features), spec.scaling
    scaler = BlockScaler(
        scaling=scaling if _fusion(spec) == EARLY else {"": scaling, **dict.fromkeys(deep, "none")},
        equal_blocks=spec.classifier.equal_blocks,
        by_speaker=spec.setting == SPEAKER_NORMALISED,
        adaptation=spec.adaptation if spec.setting == ADAPTED else None,
    )
    last = _last(spec, features, resources)
    originals = [("originals", KeepOriginals())] if spec.rows.augment_for == "networks" else []
    changed = _row_steps(spec.rows, unusable, spec.seed)
    steps = [*changed, (FEATURES, features), *originals, (SCALE, scaler), (CLASSIFIER, last)]
    pipeline, cache = Pipeline(steps), Cache.of(resources.cache)
    return pipeline.set_params(**{name: cache for name in pipeline.get_params() if name.endswith("__cache")})


def _innermost(spec: PipelineSpec, estimator: Any) -> Any:
    """Return the classifier or regressor of a pipeline or of a search, which may be inside another one."""
    pipeline = getattr(estimator, "best_estimator_", estimator.estimator) if spec.classifier.tune else estimator
    last: Any = pipeline[CLASSIFIER]
    while isinstance(last, MemberEstimator):
        last = getattr(last, last.MEMBER)
    return last


def classifier_settings(spec: PipelineSpec, estimator: BaseEstimator) -> dict[str, Any]:
    """Return the classifier's parameters and the other settings that do not belong to a block, as plain values.

    Results and models store them. Unused settings are left out. Of a fitted search, they are the best ones.
    """
    params = _innermost(spec, estimator).get_params().items()
    rows = spec.rows
    settings: dict[str, Any] = {
        **{name: list(value) if isinstance(value, tuple) else value for name, value in params if name not in HIDDEN},
        "scaling": spec.scaling,
        "equal_blocks": spec.classifier.equal_blocks,
        **({} if spec.task == DIMENSIONS else {"imbalance": rows.imbalance}),
    }
    if rows.augment:
        settings.update(augment=list(rows.augment), copies=rows.copies, augmentation_revision=REVISION)
    if rows.augment_classes == "scarce":
        settings["only_scarce"] = True
    if rows.augment_for == "networks":
        settings["augment_for"] = rows.augment_for
    if rows.impose_imbalance is not None:
        settings["imposed"] = rows.impose_imbalance
    if _fusion(spec) != EARLY:
        settings["fusion"] = _fusion(spec)
    if spec.networks.cross_fit:
        settings["cross_fit"] = spec.networks.cross_fit
    if spec.classifier.trials is not None:
        settings[TRIALS] = spec.classifier.trials
    if spec.setting == ADAPTED:
        settings["adaptation"] = spec.adaptation
    return settings
