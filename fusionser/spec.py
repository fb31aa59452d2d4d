"""The specification of a pipeline: everything that determines what is fitted, as one frozen record.

The command line builds a specification, recipes and studies contain them, and results and saved models store the one
that they were made with. `fusionser.pipeline.build_pipeline` turns a specification into estimators. Where the work runs
(device, processes, cache) is not part of it.
"""

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from fusionser.block_text import block_of
from fusionser.errors import SettingsError, UnknownNameError, unknown_name
from fusionser.files import parse_json, parse_toml, public_path, public_text, write_text
from fusionser.legacy import current_spec
from fusionser.names import (
    ADAPTATIONS,
    DEFAULT_CLASSIFIER,
    DEFAULT_PRESET,
    DEFAULT_SCALING,
    DIMENSIONS,
    EARLY,
    FUSIONS,
    GENDER_FEATURES,
    IMBALANCE,
    INDUCTIVE,
    PRECISIONS,
    ROBUST_BLOCKS,
    ROW_BALANCINGS,
    SCALINGS,
    SETTINGS,
    STANDARDISE,
)
from fusionser.registry import CLASSIFIERS, NETWORKS, PRESETS, PROTOCOLS, REGRESSORS, Registry

__all__ = [
    "DEFAULT_SPEC",
    "ClassifierSpec",
    "ClipSpec",
    "Config",
    "FeaturesSpec",
    "Labels",
    "NetworksSpec",
    "PipelineSpec",
    "ProtocolSpec",
    "RowsSpec",
    "Spec",
    "stored_elsewhere",
]

NETWORK_ALONE_TEXT = (
    "--network answers by itself; leave out --classifier, --scaling, --tune, --tune-trials, --fusion and "
    "--cross-fit, or name the network in --blocks"
)

MOST_SHOWN = 60
"""Letters of a wrong value in an error."""

_STORED = ContextVar("stored", default=False)


@contextmanager
def stored_elsewhere() -> Iterator[None]:
    """Accept unregistered names in records, so that a file stored with a plugin can be read without it."""
    token = _STORED.set(True)
    try:
        yield
    finally:
        _STORED.reset(token)


def one_of(kind: str, names: Collection[str]) -> AfterValidator:
    """Return a validator that refuses all names but these."""

    def check(name: str) -> str:
        if name not in names and not (isinstance(names, Registry) and _STORED.get()):
            raise unknown_name(kind, name, names)
        return name

    return AfterValidator(check)


def _not_finite(value: Any, name: str) -> str | None:
    """Return where a value contains a number that is not finite, such as ``"parameters: C: got inf"``, or None."""
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{name}: got {value}"
    if isinstance(value, Mapping):
        found = (_not_finite(part, str(key)) for key, part in value.items())
    elif isinstance(value, (list, tuple)):
        found = (_not_finite(part, str(number)) for number, part in enumerate(value, start=1))
    else:
        return None
    inside = next((place for place in found if place), None)
    return inside and f"{name}: {inside}"


def _said(error: Mapping[str, Any]) -> str:
    """Return what pydantic says of an invalid value, with the value."""
    told = str(error["msg"]).removeprefix("Value error, ")
    told = re.sub(r"a valid dictionary or instance of \w+", "a table of settings", told)
    if not told.startswith("Input should"):
        return told
    got = repr(error["input"])
    return f"{told}; got {got if len(got) <= MOST_SHOWN else f'{got[: MOST_SHOWN - 1]}…'}"


class Spec(BaseModel):
    """A frozen record without extra fields; an invalid value raises `SettingsError`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            first = error.errors()[0]
            cause = first.get("ctx", {}).get("error")
            # An unknown name's message says what it stands for, which the name of its field would repeat.
            said = ("name", *cause.kind.split()) if isinstance(cause, UnknownNameError) else ()
            where = "".join(f"{part}: " for part in first["loc"] if part not in said)
            unknown = first["type"] == "extra_forbidden" and len(first["loc"]) == 1
            hint = f"; known here: {', '.join(type(self).model_fields)}" if unknown else ""
            message = f"{where}{_said(first)}{hint}"
            if isinstance(cause, UnknownNameError):
                raise UnknownNameError(message, cause.kind) from error
            raise SettingsError(message) from error

    @model_validator(mode="before")
    @classmethod
    def _finite(cls, values: Any) -> Any:
        # Pydantic checks declared numbers. This one checks those in settings of any type, which JSON could not store.
        for name, value in values.items() if isinstance(values, Mapping) else ():
            if (place := _not_finite(value, name)) is not None:
                raise ValueError(f"{place}; expected a finite number")
        return values

    def plain(self) -> dict[str, Any]:
        """Return the values that differ from the defaults, as plain values."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def changed(self, **values: Any) -> Self:
        """Return a validated copy with new values of some fields; what was left to the defaults still is."""
        return type(self)(**{**{name: value for name, value in self if name in self.model_fields_set}, **values})


class ClipSpec(Spec):
    """Settings of the clip that replace those of the features, with the meaning of `ClipSettings`."""

    offset: float | None = None
    duration: float | None = None
    sampling_rate: int | None = None
    trim: bool | None = None
    denoise: bool | None = None

    def given(self) -> dict[str, Any]:
        """Return the settings that are not None."""
        return self.model_dump(exclude_none=True)


class FeaturesSpec(Spec):
    """The features: a preset, or blocks by name or with all their settings.

    Parameters
    ----------
    name : str
        Name of the features in results. If empty, it is made from the preset or the blocks.
    preset : str, optional
        A key of `PRESETS`; ``robust`` if neither a preset nor blocks are given.
    blocks : tuple of str or dict
        Names of blocks, networks and groups of blocks, also with parameters as in ``opensmile[feature_set=emobase]``,
        or the settings of a block (`FeatureExtractor.settings`).
        Networks of the same kind, under names of their own, start from different seeds.
    columns : tuple of str
        Columns of the tables of rows to use as the block `GivenColumns`, beside a preset or blocks, or alone: names, or
        patterns that `fusionser.pipeline.resolve` replaces by names.
    keep : tuple of str
        Names of the blocks to use; all if empty.
    gender : {"given", "estimated", "none"}, optional
        Whether the gender is a feature, and where it comes from. If None, it is estimated if the features include it.
    clip : ClipSpec
    corpus_offset : float, optional
        Seconds that SER-FusionNet's blocks skip; taken from the corpus's card if None.
    """

    name: str = ""
    preset: Annotated[str, one_of(PRESETS.kind, PRESETS)] | None = None
    blocks: tuple[str | dict[str, Any], ...] = ()
    columns: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    gender: Annotated[str, one_of("kind of gender", GENDER_FEATURES)] | None = None
    clip: ClipSpec = ClipSpec()
    corpus_offset: float | None = Field(None, ge=0, allow_inf_nan=False)

    @property
    def named(self) -> bool:
        """Whether any features are named, so that the default preset is not used."""
        return bool(self.preset or self.blocks or self.columns)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.blocks and self.preset:
            raise ValueError("got both a preset and blocks (--preset, --blocks); expected one of them")
        again = [block for place, block in enumerate(self.blocks) if block in self.blocks[:place]]
        if again and not _STORED.get():
            named = again[0] if isinstance(again[0], str) else again[0].get("name", again[0].get("kind"))
            raise ValueError(f"got the block '{named}' twice (--blocks); expected each once")
        if self.gender == "none" and "gender" in self.blocks:
            raise ValueError("got the block 'gender' and --gender none; leave one of them out")
        settled = [block.get("kind") for block in self.blocks if not isinstance(block, str)]
        if (settled and self.clip.given()) or (self.gender is not None and {"gender", "estimated-gender"} & {*settled}):
            raise ValueError(
                "got blocks with all their settings, such as from a features file, and other settings of the clip or "
                "the gender; to change these, name the features with --preset or --blocks as well"
            )
        return self


class RowsSpec(Spec):
    """Changes to the training rows before anything is learned from them.

    Parameters
    ----------
    impose_imbalance : float, optional
        Ratio of the class imbalance that `ImposeImbalance` creates first.
    augment : tuple of str
        Kinds of augmentation for `AugmentRows`.
    copies : int, default=1
        Augmented copies per training clip, if `augment` names any kind.
    augment_classes : {"all", "scarce"}, default="all"
        "scarce" copies only until each class is as large as the largest.
    augment_for : {"all", "networks"}, default="all"
        "networks" fits networks and other learned blocks to the copies, too, and the classifier to the original
        recordings only.
    imbalance : str, default="none"
        Balancing strategy, one of `IMBALANCE`.
    """

    impose_imbalance: float | None = None
    augment: tuple[str, ...] = ()
    copies: int = 1
    augment_classes: Literal["all", "scarce"] = "all"
    augment_for: Literal["all", "networks"] = "all"
    imbalance: Annotated[str, one_of("imbalance strategy", IMBALANCE)] = "none"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.augment_classes == "scarce" and not self.augment:
            raise ValueError("--augment-classes scarce needs --augment; name a kind of augmentation")
        if self.augment_for == "networks" and not self.augment:
            raise ValueError("--augment-for networks needs --augment; name a kind of augmentation")
        if self.augment_for == "networks":
            self._balances_with_copies()
        return self

    def _balances_with_copies(self) -> None:
        """Refuse to balance the classifier's rows with copies that it does not get."""
        scarce = self.augment_classes == "scarce"
        if scarce or self.imbalance in ROW_BALANCINGS:
            balanced = "--augment-classes scarce" if scarce else f"--imbalance {self.imbalance}"
            raise ValueError(
                f"got {balanced} with --augment-for networks, but the classifier would lose the copies that balance "
                "its rows; leave one of them out"
            )


def _public(value: Any) -> Any:
    """Return plain values whose texts have no absolute paths."""
    if isinstance(value, str):
        return public_text(value)
    if isinstance(value, Mapping):
        return {name: _public(one) for name, one in value.items()}
    return type(value)(map(_public, value)) if isinstance(value, list | tuple) else value


class NetworksSpec(Spec):
    """Settings that all networks of a pipeline share.

    Parameters
    ----------
    epochs : int, optional
        Replaces each network's own number of epochs.
    cross_fit : int, default=0
        Inner folds for the cross-fitted class scores, or numbers, of the training rows, as in `DeepExtractor`.
    precision : {"float32", "bfloat16"}, default="float32"
    weights : str, optional
        File of initial weights: a model, whose networks those of the same kind start from, or a safetensors file for
        `VGG16Extractor`.
    parameters : dict
        Further parameters of the deep extractors, by name, for example ``{"optimiser": "sgd"}``.
    """

    epochs: int | None = Field(None, ge=1)
    cross_fit: int = 0
    precision: Annotated[str, one_of("precision", PRECISIONS)] = "float32"
    weights: str | None = None
    parameters: dict[str, Any] = {}


def _estimator_name(name: str) -> str:
    """Refuse names of neither a classifier nor a regressor; the specification of the pipeline knows which is meant."""
    if name not in CLASSIFIERS and name not in REGRESSORS and not _STORED.get():
        raise unknown_name(CLASSIFIERS.kind, name, CLASSIFIERS)
    return name


class ClassifierSpec(Spec):
    """The classifier of the feature columns, and their scaling.

    Parameters
    ----------
    name : str, optional
        A key of `CLASSIFIERS`; of `REGRESSORS` for the task "dimensions". If not given, that of the features: what the
        preset declares (``kernel-ridge`` for ``best``), or ``svm``.
    parameters : dict
        Parameters of the classifier that differ from its defaults.
    scaling : str, optional
        One of `SCALINGS`. If None, that of the features: what the preset declares, ``bounded`` for blocks of the preset
        ``robust`` by name, also beside networks in late fusion, ``standard`` for other blocks.
    equal_blocks : bool, default=False
        Give all blocks equal weight, as in `BlockScaler`.
    tune : bool, default=False
        Choose parameters by inner folds of the training speakers.
    trials : int, optional
        With `tune`: number of trials of a search over what the classifier and the networks state as their search
        spaces, instead of the grid of the classifier.
    """

    name: Annotated[str, AfterValidator(_estimator_name)] = DEFAULT_CLASSIFIER
    parameters: dict[str, Any] = {}
    scaling: Annotated[str, one_of("scaling", SCALINGS)] | None = None
    equal_blocks: bool = False
    tune: bool = False
    trials: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _tuned(self) -> Self:
        if self.trials is not None and not self.tune:
            raise ValueError(
                "trials has no effect without tune; set tune = true as well (--tune-trials does), or leave trials out"
            )
        return self


ANSWER_COLUMNS = ("fold", "truth", "predicted", "mean", "unlikeness", "unlike_because", "error")
"""Columns of predictions and of tables of scores, which no target may replace."""


def _target_name(name: str) -> str:
    """Refuse names of targets that are columns of all rows, of features, or of answers."""
    # Commands that read no table need not wait for pandas.
    from fusionser.rows import ARRAY_MARK, COLUMNS

    taken = name in COLUMNS or name in ANSWER_COLUMNS or name.startswith(("predicted_", "probability_"))
    if taken or not name.strip() or "__" in name or name.startswith(ARRAY_MARK):
        raise ValueError(
            f"'{name}' cannot be a target (--targets); expected a column of numbers of the table of rows, such as "
            f"arousal. Answers have columns {', '.join(ANSWER_COLUMNS)} and predicted_... themselves. --map gives a "
            "column another name"
        )
    return name


Target = Annotated[str, AfterValidator(_target_name)]


class PipelineSpec(Spec):
    """Everything that determines what is fitted.

    Parameters
    ----------
    features : FeaturesSpec
    network : str, optional
        A key of `NETWORKS`: predict with this network alone, without features, fusion or classifier.
    rows : RowsSpec
    networks : NetworksSpec
    fusion : str, optional
        One of `FUSIONS`. `LateFusion` describes the late ones. If None, that of the features: what the preset declares,
        or "early".
    classifier : ClassifierSpec
    setting : {"inductive", "speaker-normalised", "adapted"}, default="inductive"
    adaptation : {"standardise", "coral"}, default="standardise"
        How the setting "adapted" aligns columns, see `BlockScaler`; other settings ignore it.
    task : {"classes", "dimensions"}, default="classes"
        What is predicted: the emotion, or numbers such as arousal and valence. Targets tell that it is numbers.
    targets : tuple of str
        For "dimensions": the columns of the table of rows with the numbers.
    soft_labels : bool, default=False
        Train networks against the shares of the votes of raters (`soft_labels` of `NetworkTraining`).
    seed : int, default=0
        0 to 2**32 - 1.

    Examples
    --------
    >>> spec = PipelineSpec(classifier={"name": "xgboost"}, rows={"imbalance": "weights"})
    >>> spec.plain()
    {'rows': {'imbalance': 'weights'}, 'classifier': {'name': 'xgboost'}}
    >>> PipelineSpec(**spec.plain()) == spec
    True
    """

    features: FeaturesSpec = FeaturesSpec()
    network: Annotated[str, one_of(NETWORKS.kind, NETWORKS)] | None = None
    rows: RowsSpec = RowsSpec()
    networks: NetworksSpec = NetworksSpec()
    fusion: Annotated[str, one_of("fusion", FUSIONS)] | None = None
    classifier: ClassifierSpec = ClassifierSpec()
    setting: Annotated[str, one_of("setting", SETTINGS)] = INDUCTIVE
    adaptation: Annotated[str, one_of("adaptation", ADAPTATIONS)] = STANDARDISE
    task: Literal["classes", "dimensions"] = "classes"
    # Left out where it is empty, so that specifications of classes are stored as before.
    targets: tuple[Target, ...] = Field(default=(), exclude_if=lambda targets: not targets)
    soft_labels: bool = Field(default=False, exclude_if=lambda soft: not soft)
    seed: int = Field(0, ge=0, lt=2**32)

    @model_validator(mode="before")
    @classmethod
    def _targets_tell_the_task(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and given.get("targets") and "task" not in given:
            return {**given, "task": DIMENSIONS}
        return given

    @model_validator(mode="after")
    def _classifier_of_the_features(self) -> Self:
        if "name" in self.classifier.model_fields_set:
            return self
        # Records of earlier versions leave out svm, whatever the features. There it counts as named. Nor is a preset
        # looked up for a record: an ONNX file is read without scikit-learn, which presets import.
        stored = _STORED.get()
        own = DEFAULT_CLASSIFIER if stored else self._features_classifier()
        if stored or own != self.classifier.name:
            named = self.classifier.model_copy(update={"name": own})
            if not stored:
                named.model_fields_set.discard("name")
            object.__setattr__(self, "classifier", named)
            self.model_fields_set.add("classifier")
        return self

    @model_validator(mode="after")
    def _fusion_as_stored(self) -> Self:
        # The same pipeline has one form, so that results of both are the same.
        if self.fusion is not None and self.fusion == self._features_fusion() == EARLY:
            object.__setattr__(self, "fusion", None)
        return self

    @model_validator(mode="after")
    def _of_the_task(self) -> Self:
        numbers = self.task == DIMENSIONS
        if numbers != bool(self.targets):
            raise ValueError(
                "the task 'dimensions' needs targets, the columns with the numbers to predict (--targets arousal)"
                if numbers
                else "got targets with the task 'classes'; set task to 'dimensions', or leave them out"
            )
        known = REGRESSORS if numbers else CLASSIFIERS
        if self.network is None and self.classifier.name not in known and not _STORED.get():
            raise unknown_name(known.kind, self.classifier.name, known)
        if numbers:
            self._check_dimensions()
        return self

    def _check_dimensions(self) -> None:
        """Raise `ValueError` for settings that need classes."""
        if len(set(self.targets)) < len(self.targets):
            raise ValueError(f"got a target twice: {', '.join(self.targets)} (--targets)")
        if again := sorted(set(self.targets) & set(self.features.columns)):
            raise ValueError(
                f"'{again[0]}' is a target and a feature (--targets, --columns), so the answer would be given; leave "
                "it out of one of them"
            )
        rows, default = self.rows, RowsSpec()
        needs_classes = {
            "--soft-labels": self.soft_labels,
            f"--imbalance {rows.imbalance}": rows.imbalance != default.imbalance,
            "--impose-imbalance": rows.impose_imbalance is not None,
            f"--augment-classes {rows.augment_classes}": rows.augment_classes != default.augment_classes,
        }
        if wrong := [option for option, given in needs_classes.items() if given]:
            raise ValueError(f"{wrong[0]} needs classes, but --targets asks for numbers; leave one of them out")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.network is None:
            return self
        if self.features.named:
            raise ValueError("got --network with --preset, --blocks or --columns; a network reads the recording itself")
        if self.features.gender is not None:
            raise ValueError("got --network with --gender; a network that answers by itself uses no other feature")
        # Results store a scaling, although the answers of a network are not scaled.
        own = self.classifier.model_copy(update={"scaling": None})
        scaled = self.classifier.scaling not in (None, DEFAULT_SCALING)
        if self.resolved_fusion != EARLY or self.networks.cross_fit or own != ClassifierSpec() or scaled:
            raise ValueError(NETWORK_ALONE_TEXT)
        return self

    @property
    def resolved_fusion(self) -> str:
        """The fusion: the given one, or that of the features."""
        return self.fusion or self._features_fusion()

    def _features_fusion(self) -> str:
        """Return the fusion that the features are made for."""
        # Presets declare it as an attribute, see `fusionser.features.presets`.
        return str(getattr(PRESETS.get(self.features.preset or ""), "fusion", EARLY))

    @property
    def scaling(self) -> str:
        """The scaling of the columns: the given one, or that of the features."""
        return self.classifier.scaling or self._features_scaling()

    def _features_scaling(self) -> str:
        """Return the scaling that the features are made for."""
        if self.network is not None:
            return DEFAULT_SCALING
        if self.features.blocks or (self.features.columns and not self.features.preset):
            kinds = {
                block_of(block)[0] if isinstance(block, str) else str(block.get("kind"))
                for block in self.features.blocks
            }
            # Late fusion does not scale the class scores of networks.
            others = {
                "gender",
                "estimated-gender",
                "fisher-vectors",
                *(NETWORKS if self.resolved_fusion != EARLY else ()),
            }
            voice = kinds - others
            preset = "robust" if voice and voice <= {"robust", *ROBUST_BLOCKS} else ""
        else:
            preset = self.features.preset or DEFAULT_PRESET
        # Presets declare it as an attribute, see `fusionser.features.presets`.
        return str(getattr(PRESETS.get(preset), "scaling", DEFAULT_SCALING))

    def _features_classifier(self) -> str:
        """Return the name of the classifier that the features are made for."""
        # The default specification is made on import, when plugins, which may add presets, cannot be looked for.
        if not self.features.preset:
            return DEFAULT_CLASSIFIER
        # Presets declare it as an attribute, see `fusionser.features.presets`.
        return str(getattr(PRESETS.get(self.features.preset), "classifier", DEFAULT_CLASSIFIER))

    @model_serializer(mode="wrap")
    def _with_classifier(self, dump: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        values: dict[str, Any] = dump(self)
        if info.exclude_defaults and self._features_classifier() != DEFAULT_CLASSIFIER:
            # Without its name, svm would come back as the classifier of the features.
            values["classifier"] = {"name": self.classifier.name, **values.get("classifier", {})}
        return values

    def explicit(self) -> Self:
        """Return the specification with the preset, scaling and fusion that it leaves to the defaults.

        What is stored names them, so that it keeps its meaning when a default changes. Early fusion, which is that of
        most features, is left out.

        Examples
        --------
        >>> PipelineSpec().explicit().plain()
        {'features': {'preset': 'robust'}, 'classifier': {'scaling': 'bounded'}}
        """
        if self.network is not None:
            return self
        # Copies, which are not validated, so that names of plugins that are missing here are kept.
        classifier = self.classifier.model_copy(update={"scaling": self.scaling})
        features = self.features
        if not (features.blocks or features.columns):
            features = features.model_copy(update={"preset": features.preset or DEFAULT_PRESET})
        fusion = self.fusion or (None if (its := self._features_fusion()) == EARLY else its)
        return self.model_copy(update={"features": features, "classifier": classifier, "fusion": fusion})

    def with_features(self, features: FeaturesSpec, network: str | None = None) -> Self:
        """Return the specification with other features. What was made for the former ones is not kept.

        That is the scaling, the fusion, and a classifier that was not named, unless parameters of it are given.

        Examples
        --------
        >>> best = PipelineSpec().with_features(FeaturesSpec(preset="best"))
        >>> best.classifier.name, best.with_features(FeaturesSpec(preset="wide")).classifier.name
        ('kernel-ridge', 'svm')
        """
        kept = self.classifier
        if kept.scaling == self._features_scaling():
            kept = kept.changed(scaling=None)
        if kept.parameters:
            kept = kept.changed(name=self.classifier.name)
        fusion = self.fusion if self.fusion != self._features_fusion() else None
        return self.changed(features=features, network=network, classifier=kept, fusion=fusion)

    @property
    def features_name(self) -> str:
        """Name of the features in results."""
        blocks = (
            block if isinstance(block, str) else str(block.get("name", block.get("kind")))
            for block in self.features.blocks
        )
        if self.features.name or self.network:
            return self.features.name or str(self.network)
        named = [self.features.preset] if self.features.preset else list(blocks)
        name = "+".join([*named, *(["columns"] if self.features.columns else [])]) or DEFAULT_PRESET
        return public_text(name)

    def public(self) -> Self:
        """Return the specification as results and models have it: without absolute paths.

        Examples
        --------
        >>> PipelineSpec(networks={"weights": "/home/somebody/a.fusionser"}).public().networks.weights
        '.../a.fusionser'
        """
        # Copies, which are not validated, so that names of plugins that are missing here are kept.
        features = self.features.model_copy(update={"blocks": _public(self.features.blocks)})
        weights = None if self.networks.weights is None else public_path(self.networks.weights)
        given = {"weights": weights, "parameters": _public(self.networks.parameters)}
        networks = self.networks.model_copy(update=given)
        return self.model_copy(update={"features": features, "networks": networks})


DEFAULT_SPEC = PipelineSpec()
"""The preset ``robust`` and a support vector machine."""


class ProtocolSpec(Spec):
    """A protocol and its settings; settings that are not given come from the corpus's card."""

    name: Annotated[str, one_of(PROTOCOLS.kind, PROTOCOLS)]
    settings: dict[str, Any] = {}


Label = Annotated[str, Field(min_length=1)]
Labels = dict[Label, Label | dict[Label, Label]]
"""New name by emotion, and, by corpus, such a map for that corpus alone."""


class ParameterSearch(Spec):
    """How the parameters of a pipeline were chosen: the number of trials, and the speakers whose scores chose them."""

    trials: int
    speakers: tuple[str, ...]


class Config(Spec):
    """The content of a settings file: a pipeline, the evaluation protocol, the classes to rename, use or drop.

    ``searched`` is what a search that wrote the file looked at.
    """

    pipeline: PipelineSpec = PipelineSpec()
    protocol: ProtocolSpec | None = None
    classes: tuple[str, ...] = ()
    drop_classes: tuple[str, ...] = ()
    labels: Labels = {}
    exact_labels: bool = False
    raters: tuple[str, ...] = ()
    searched: ParameterSearch | None = None

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a TOML settings file, or the settings in a stored result.

        Raises
        ------
        SettingsError
            If the file cannot be read, or a setting is invalid.
        """
        source = Path(path)
        try:
            text = source.read_text(encoding="utf-8")
            values = parse_json(text) if source.suffix.lower() == ".json" else parse_toml(text)
        except (OSError, ValueError, RecursionError) as error:
            raise SettingsError(
                f"{path}: cannot be read as settings ({error}); expected .toml, or a result.json"
            ) from error
        try:
            if not isinstance(values, dict):
                raise SettingsError(f"got {type(values).__name__}; expected settings by name, or a result.json")
            # In TOML, nan stands for None. No other value differs from itself.
            return cls(**(_of_result(values) if "format" in values else _replaced(values, lambda x: x != x, None)))
        except SettingsError as error:
            raise SettingsError(f"{path}: {error}") from error

    def save(self, path: str | Path) -> Path:
        """Write the settings that differ from the defaults as TOML, atomically; ``nan`` stands for None."""
        import tomli_w

        # TOML has no null, and a parameter of a block that is None differs from one that is missing.
        return write_text(path, tomli_w.dumps(_replaced(self.plain(), lambda value: value is None, math.nan)))


def _replaced(value: Any, find: Callable[[Any], bool], new: Any) -> Any:
    """Replace, at every depth of plain values, each value for which `find` is true."""
    if isinstance(value, dict):
        return {name: _replaced(part, find, new) for name, part in value.items()}
    if isinstance(value, list):
        return [_replaced(part, find, new) for part in value]
    return new if find(value) else value


def _of_result(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings in a stored result."""
    if values.get("spec") is None:
        raise SettingsError("a result of an earlier version, which does not contain its settings; give a .toml file")
    try:
        protocol = {name: values["protocol"][name] for name in ("name", "settings")}
        renamed = [note["value"] for note in values.get("notes", ()) if note["kind"] == "labels-renamed"]
        exact = any(note["kind"] == "labels-exact" for note in values.get("notes", ()))
        voted = [note["value"] for note in values.get("notes", ()) if note["kind"] == "raters"]
        raters = voted[0]["columns"] if voted else []
        renamed += [vote["labels"] for vote in voted if not renamed]
        labels = {"labels": renamed[0] if renamed else {}, "exact_labels": exact, "raters": raters}
        # A result of numbers has no classes.
        classes = () if values.get("task") == DIMENSIONS else values["classes"]
        return {"pipeline": current_spec(values["spec"]), "protocol": protocol, "classes": classes, **labels}
    except (KeyError, TypeError) as error:
        raise SettingsError(f"an incomplete result ({error!r}); evaluate again") from error
