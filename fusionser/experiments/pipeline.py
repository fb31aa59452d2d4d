"""One flat pipeline from rows to labels, refitted whole in every fold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from imblearn.pipeline import Pipeline
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from fusionser.augmentation.rows import AugmentRows
from fusionser.balancing import BALANCINGS, COLUMN_BALANCINGS, BalanceRows, ImposeImbalance
from fusionser.classifiers import BAGGING, BalancedBagging, LateFusion, MemberClassifier, classifier
from fusionser.errors import SettingsError, unknown_name
from fusionser.features.extractor import FeatureExtractor
from fusionser.model import CLASSIFIER, FEATURES, SCALE
from fusionser.names import FUSIONS
from fusionser.networks import NETWORKS, DeepExtractor, NetworkTraining
from fusionser.registry import CLASSIFIERS
from fusionser.scaling import BlockScaler
from fusionser.splits.inner_folds import InnerFolds

__all__ = ["FUSIONS", "IMBALANCE", "Networks", "build_pipeline", "configured", "search_parameters"]

IMBALANCE: Mapping[str, str | None] = MappingProxyType(
    {"none": None, "weights": "balanced", **dict.fromkeys((*BALANCINGS, *COLUMN_BALANCINGS, BAGGING))}
)
"""What is done about scarce classes, and the weights of the classes that go with it.

Nothing, weights by the inverse of their share, rows repeated or left out, rows made between those of a class, or a bag
of classifiers on balanced parts.
"""


@dataclass(frozen=True, kw_only=True)
class Networks:
    """What all networks of a pipeline share.

    Parameters
    ----------
    device : str, default="auto"
    epochs : int, optional
        In place of each network's own number.
    cross_fit : int, default=0
        Inner folds by which deep extractors answer for the training rows, see `DeepExtractor`.
    precision : str, default="float32"
        Of the deep extractors, see `NetworkTraining`.
    weights : str, optional
        File of weights that the extractors which can do so begin with, see `VGG16Extractor`.
    training : mapping, optional
        Further parameters of the deep extractors, by name, as ``{"optimiser": "sgd"}``.
    """

    device: str = "auto"
    epochs: int | None = None
    cross_fit: int = 0
    precision: str = "float32"
    weights: str | None = None
    training: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        NetworkTraining(
            device=self.device, epochs=1 if self.epochs is None else self.epochs, precision=self.precision
        ).check_training()


def configured(
    extractor: FeatureExtractor,
    *,
    fusion: str = "early",
    networks: Networks = Networks(),
    class_weight: str | None = None,
    seed: int = 0,
) -> FeatureExtractor:
    """Return a clone whose deep extractors give what the fusion needs, under one seed and device."""
    built = clone(extractor).set_params(keep_rows=True)
    for _, block in built.blocks:
        if isinstance(block, DeepExtractor):
            block.set_params(
                random_state=seed,
                device=networks.device,
                class_weight=class_weight,
                cross_fit=networks.cross_fit,
                output="scores" if networks.cross_fit or fusion != "early" else "units",
                precision=networks.precision,
            )
            _set(block, networks.training)
            if networks.weights is not None and "weights" in block.get_params(deep=False):
                block.set_params(weights=networks.weights)
            _limit(block, networks)
    return built


def _check_weights(extractor: FeatureExtractor, networks: Networks) -> None:
    """Refuse weights that nothing takes."""
    if networks.weights is None:
        return
    taking = [name for name in NETWORKS.loadable() if "weights" in NETWORKS[name]().get_params(deep=False)]
    if not any(name in taking for name, _ in extractor.blocks):
        raise SettingsError(f"got --weights, and no network that takes any; those that do: {', '.join(taking)}")


def _check_fusion(extractor: FeatureExtractor, fusion: str, networks: Networks, equal_blocks: bool) -> None:
    """Refuse what cannot work, or would do nothing, before hours of training."""
    deep = [name for name, block in extractor.blocks if isinstance(block, DeepExtractor)]
    if networks.cross_fit and not deep:
        raise SettingsError("cross_fit is for deep blocks, and there are none; leave --cross-fit out")
    if fusion == "early":
        return
    if fusion != "average" and deep and not networks.cross_fit:
        raise SettingsError(
            f"the class scores of {', '.join(deep)} are in-fold, too good to learn weights from; set --cross-fit to a "
            "number of inner folds, or --fusion average"
        )
    if len(extractor.blocks) < 2 and not deep:
        raise SettingsError(f"late fusion of one block, '{extractor.blocks[0][0]}', fuses nothing; set --fusion early")
    if equal_blocks:
        raise SettingsError("--equal-blocks weighs columns that are classified together; late fusion has no use for it")


def _set(block: DeepExtractor, settings: Mapping[str, Any]) -> None:
    known = sorted(set(block.get_params(deep=False)) - {"front_end", "random_state", "device", "output", "cross_fit"})
    for name in settings:
        if name not in known:
            raise unknown_name(f"parameter of {block.kind}", name, known)
    for name, value in settings.items():
        default = getattr(block, name)
        number = isinstance(default, int | float) and not isinstance(default, bool)
        if number and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise SettingsError(f"{name} of {block.kind} is {value!r}; expected a number, as {default}")
        if isinstance(default, str) and not isinstance(value, str):
            raise SettingsError(f"{name} of {block.kind} is {value!r}; expected text, as '{default}'")
    block.set_params(**settings)


def _limit(part: NetworkTraining, networks: Networks) -> None:
    if networks.epochs is not None:
        part.set_params(epochs=networks.epochs)


def _row_steps(
    imposed: float | None,
    augment: Sequence[str],
    copies: int,
    only_scarce: bool,
    unusable_copies: Sequence[tuple[str, str]],
    imbalance: str,
    seed: int,
) -> list[tuple[str, Any]]:
    """Return what is done to the training rows before anything is computed of them, in its order."""
    steps: list[tuple[str, Any]] = []
    if imposed is not None:
        steps.append(("impose", ImposeImbalance(ratio=imposed, random_state=seed).fit(None)))
    if only_scarce and not augment:
        raise SettingsError("--augment-classes scarce copies nothing without --augment; name a kind of copy")
    if augment:
        sampler = AugmentRows(
            kinds=tuple(augment),
            copies=copies,
            only_scarce=only_scarce,
            unusable=unusable_copies,
            random_state=seed,
        )
        steps.append(("augment", sampler.fit(None)))
    if imbalance in BALANCINGS:
        steps.append(("balance", BalanceRows(strategy=imbalance, random_state=seed)))
    return steps


def build_pipeline(
    extractor: FeatureExtractor,
    classifier_name: str,
    *,
    scaling: str | Mapping[str, str] = "standard",
    equal_blocks: bool = False,
    by_speaker: bool = False,
    imbalance: str = "none",
    augment: Sequence[str] = (),
    copies: int = 1,
    only_scarce: bool = False,
    imposed: float | None = None,
    unusable_copies: Sequence[tuple[str, str]] = (),
    fusion: str = "early",
    networks: Networks = Networks(),
    seed: int = 0,
    n_jobs: int | None = None,
) -> Pipeline:
    """Build the pipeline: copies and balance of rows where wanted, features, scaling by block, classifier.

    Parameters
    ----------
    extractor : FeatureExtractor
        Cloned, and made to carry the speaker, source and augmentation of each row.
    classifier_name : str
        A key of `CLASSIFIERS`.
    scaling, equal_blocks, by_speaker
        See `BlockScaler`.
    imbalance : str, default="none"
        A key of `IMBALANCE`.
    augment : sequence of str
        Keys of `AUGMENTATIONS`; training rows are copied so.
    copies : int, default=1
        Copies a training clip, where `augment` names any kind.
    only_scarce : bool, default=False
        Copy the scarce classes alone, see `AugmentRows`.
    imposed : float, optional
        Ratio of an imbalance that is imposed on the training rows first, see `ImposeImbalance`.
    unusable_copies : sequence of (str, str)
        Copies to leave out, see `AugmentRows`.
    fusion : str, default="early"
        One of `FUSIONS`. Late fusion of deep blocks and others classifies the others together; without deep blocks
        every block has a classifier of its own.
    networks : Networks
    seed : int, default=0
    n_jobs : int, optional
        Threads of the classifier.

    Returns
    -------
    imblearn.pipeline.Pipeline

    Examples
    --------
    >>> from fusionser.features import fusionnet
    >>> [name for name, _ in build_pipeline(fusionnet(), "svm", augment=["noise"]).steps]
    ['augment', 'features', 'scale', 'classifier']
    """
    if imbalance not in IMBALANCE:
        raise unknown_name("imbalance strategy", imbalance, IMBALANCE)
    if fusion not in FUSIONS:
        raise unknown_name("fusion", fusion, FUSIONS)
    weight = IMBALANCE[imbalance]
    _check_fusion(extractor, fusion, networks, equal_blocks)
    _check_weights(extractor, networks)
    features = configured(extractor, fusion=fusion, networks=networks, class_weight=weight, seed=seed)
    features.check()
    steps = _row_steps(imposed, augment, copies, only_scarce, unusable_copies, imbalance, seed)
    last = classifier(
        classifier_name,
        seed=seed,
        class_weight=weight,
        balance=imbalance if imbalance in COLUMN_BALANCINGS else None,
        n_jobs=n_jobs,
        device=networks.device,
    )
    if isinstance(last, NetworkTraining):
        _limit(last, networks)
    if imbalance == BAGGING:
        last = BalancedBagging(classifier=last, random_state=seed)
    if fusion != "early":
        scored = [name for name, block in features.blocks if isinstance(block, DeepExtractor)]
        if by_speaker and scored:
            raise SettingsError(
                "late fusion takes class scores as they are, which speaker normalisation would standardise away; use "
                "--fusion early, or --setting inductive"
            )
        scaling = {**({"": scaling} if isinstance(scaling, str) else scaling), **dict.fromkeys(scored, "none")}
        last = LateFusion(classifier=last, method=fusion, by_block=not scored, random_state=seed)
    scaler = BlockScaler(scaling=scaling, equal_blocks=equal_blocks, by_speaker=by_speaker)
    return Pipeline([*steps, (FEATURES, features), (SCALE, scaler), (CLASSIFIER, last)])


def search_parameters(pipeline: Pipeline, classifier_name: str, *, seed: int = 0) -> GridSearchCV:
    """Wrap a pipeline in a search over its classifier's grid, by inner folds of the training speakers."""
    prefix, last = CLASSIFIER, pipeline[CLASSIFIER]
    while isinstance(last, MemberClassifier):
        prefix, last = f"{prefix}__{CLASSIFIER}", last.classifier
    grid: dict[str, Any] = {
        f"{prefix}__{name}": list(values) for name, values in CLASSIFIERS[classifier_name].grid.items()
    }
    return GridSearchCV(pipeline, grid, cv=InnerFolds(seed=seed), scoring="balanced_accuracy", error_score="raise")
