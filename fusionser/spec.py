"""The specification of a pipeline: everything that decides what is fitted, as one frozen record.

The command line builds one, recipes and studies hold them, and results and saved models embed the one that made them.
`fusionser.pipeline.build_pipeline` turns it into estimators. It does not say where work runs: device, processes, cache.
"""

import json
import math
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from fusionser.errors import SettingsError, unknown_name
from fusionser.files import write_text
from fusionser.names import (
    DEFAULT_PRESET,
    EARLY,
    FUSIONS,
    GENDER_FEATURES,
    IMBALANCE,
    INDUCTIVE,
    PRECISIONS,
    SCALINGS,
    SETTINGS,
)
from fusionser.registry import CLASSIFIERS, NETWORKS, PRESETS, PROTOCOLS, Registry

__all__ = [
    "DEFAULT_SPEC",
    "ClassifierSpec",
    "ClipSpec",
    "Config",
    "FeaturesSpec",
    "NetworksSpec",
    "PipelineSpec",
    "ProtocolSpec",
    "RowsSpec",
    "Spec",
    "checked",
    "stored_elsewhere",
]


def _one_of(kind: str, names: tuple[str, ...]) -> AfterValidator:
    def check(name: str) -> str:
        if name not in names:
            raise unknown_name(kind, name, names)
        return name

    return AfterValidator(check)


NETWORK_ALONE_TEXT = (
    "--network classifies by itself; leave --classifier, --scaling, --tune, --fusion and --cross-fit out, or name the "
    "network among the --blocks"
)

_STORED = ContextVar("stored", default=False)


@contextmanager
def stored_elsewhere() -> Iterator[None]:
    """Let records name what is not registered here, so that what was stored with a plugin opens without it."""
    token = _STORED.set(True)
    try:
        yield
    finally:
        _STORED.reset(token)


def _registered(registry: Registry) -> AfterValidator:
    def check(name: str) -> str:
        if name not in registry and not _STORED.get():
            raise unknown_name(registry.kind, name, registry)
        return name

    return AfterValidator(check)


def checked(error: ValidationError, fields: Mapping[str, Any]) -> SettingsError:
    """Return the error of a record's first wrong field: where it is, what is wrong, and the fields that there are."""
    first = error.errors()[0]
    where = "".join(f"{part}: " for part in first["loc"])
    hint = f"; known here: {', '.join(fields)}" if first["type"] == "extra_forbidden" and len(first["loc"]) == 1 else ""
    return SettingsError(f"{where}{first['msg'].removeprefix('Value error, ')}{hint}")


class Spec(BaseModel):
    """A frozen record that knows no other fields; a wrong value raises `SettingsError`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise checked(error, type(self).model_fields) from error

    def plain(self) -> dict[str, Any]:
        """Return what differs from the defaults, as plain values."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def changed(self, **values: Any) -> Self:
        """Return a copy with other values of some fields, checked."""
        return type(self)(**{**dict(self), **values})


class ClipSpec(Spec):
    """What is done to a clip before it is analysed, where that differs from the features' own; see `ClipSettings`."""

    offset: float | None = None
    duration: float | None = None
    sampling_rate: int | None = None
    trim: bool | None = None
    denoise: bool | None = None

    def given(self) -> dict[str, Any]:
        """Return what is set."""
        return {name: value for name, value in self if value is not None}


class FeaturesSpec(Spec):
    """The features: a preset, or blocks by name or with all their settings.

    Parameters
    ----------
    name : str
        What results call them; made of the preset or the blocks where it is empty.
    preset : str, optional
        A key of `PRESETS`; ``wide`` where neither it nor blocks are named.
    blocks : tuple of str or dict
        Names of blocks, networks and groups of blocks, or the settings of a block (`FeatureExtractor.settings`).
    keep : tuple of str
        Names of the blocks that are used; all when empty.
    gender : {"given", "estimated", "none"}, optional
        Whether the gender is a feature, and where it comes from; when None, estimated where the features have it.
    clip : ClipSpec
    corpus_offset : float, optional
        Seconds that SER-FusionNet's blocks skip; from the corpus's card when None.
    """

    name: str = ""
    preset: Annotated[str, _registered(PRESETS)] | None = None
    blocks: tuple[str | dict[str, Any], ...] = ()
    keep: tuple[str, ...] = ()
    gender: Annotated[str, _one_of("kind of gender", GENDER_FEATURES)] | None = None
    clip: ClipSpec = ClipSpec()
    corpus_offset: float | None = Field(None, ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.blocks and self.preset:
            raise ValueError("got both a preset and blocks (--preset, --blocks); expected one of them")
        if self.gender == "none" and "gender" in self.blocks:
            raise ValueError("got the block 'gender' and --gender none; leave one of them out")
        settled = [block.get("kind") for block in self.blocks if not isinstance(block, str)]
        if (settled and self.clip.given()) or (self.gender is not None and {"gender", "estimated-gender"} & {*settled}):
            raise ValueError(
                "got blocks with all their settings, as a features file has, and other settings of the clip or the "
                "gender; to change them, name the features with --preset or --blocks as well"
            )
        return self


class RowsSpec(Spec):
    """What is done to the training rows before anything is learned from them.

    Parameters
    ----------
    impose_imbalance : float, optional
        Ratio of an imbalance that is imposed first, see `ImposeImbalance`.
    augment : tuple of str
        Kinds of augmentation, see `AugmentRows`.
    copies : int, default=1
        Augmented copies a training clip, where `augment` names any kind.
    augment_classes : {"all", "scarce"}, default="all"
        "scarce" makes no more copies than bring each class to the size of the largest.
    imbalance : str, default="none"
        A balancing strategy, one of `IMBALANCE`.
    """

    impose_imbalance: float | None = None
    augment: tuple[str, ...] = ()
    copies: int = 1
    augment_classes: Literal["all", "scarce"] = "all"
    imbalance: Annotated[str, _one_of("imbalance strategy", IMBALANCE)] = "none"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.augment_classes == "scarce" and not self.augment:
            raise ValueError("--augment-classes scarce copies nothing without --augment; name a kind of augmentation")
        return self


class NetworksSpec(Spec):
    """What all networks of a pipeline share.

    Parameters
    ----------
    epochs : int, optional
        In place of each network's own number.
    cross_fit : int, default=0
        Inner folds by which deep extractors answer for the training rows, see `DeepExtractor`.
    precision : {"float32", "bfloat16"}, default="float32"
    weights : str, optional
        File of weights that the extractors which can do so begin with, see `VGG16Extractor`.
    parameters : dict
        Further parameters of the deep extractors, by name, as ``{"optimiser": "sgd"}``.
    """

    epochs: int | None = Field(None, ge=1)
    cross_fit: int = 0
    precision: Annotated[str, _one_of("precision", PRECISIONS)] = "float32"
    weights: str | None = None
    parameters: dict[str, Any] = {}


class ClassifierSpec(Spec):
    """The classifier of the columns.

    Parameters
    ----------
    name : str, default="svm"
    parameters : dict
        Parameters of the classifier that differ from its defaults.
    scaling : str, default="standard"
    equal_blocks : bool, default=False
        See `BlockScaler`.
    tune : bool, default=False
        Choose parameters by inner folds of the training speakers.
    """

    name: Annotated[str, _registered(CLASSIFIERS)] = "svm"
    parameters: dict[str, Any] = {}
    scaling: Annotated[str, _one_of("scaling", SCALINGS)] = "standard"
    equal_blocks: bool = False
    tune: bool = False


class PipelineSpec(Spec):
    """Everything that decides what is fitted.

    Parameters
    ----------
    features : FeaturesSpec
    network : str, optional
        A network that classifies by itself, in place of features, fusion and classifier.
    rows : RowsSpec
    networks : NetworksSpec
    fusion : str, default="early"
        One of `FUSIONS`; see `LateFusion`.
    classifier : ClassifierSpec
    setting : {"inductive", "speaker-normalised"}, default="inductive"
    task : {"classes"}, default="classes"
        What is predicted.
    seed : int, default=0

    Examples
    --------
    >>> spec = PipelineSpec(classifier={"name": "xgboost"}, rows={"imbalance": "weights"})
    >>> spec.plain()
    {'rows': {'imbalance': 'weights'}, 'classifier': {'name': 'xgboost'}}
    >>> PipelineSpec(**spec.plain()) == spec
    True
    """

    features: FeaturesSpec = FeaturesSpec()
    network: Annotated[str, _registered(NETWORKS)] | None = None
    rows: RowsSpec = RowsSpec()
    networks: NetworksSpec = NetworksSpec()
    fusion: Annotated[str, _one_of("fusion", FUSIONS)] = EARLY
    classifier: ClassifierSpec = ClassifierSpec()
    setting: Annotated[str, _one_of("setting", SETTINGS)] = INDUCTIVE
    task: Literal["classes"] = "classes"
    seed: int = Field(0, ge=0, lt=2**32)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.network is None:
            return self
        if self.features.blocks or self.features.preset:
            raise ValueError("got --network with --preset or --blocks; a network reads the recording by itself")
        if self.features.gender is not None:
            raise ValueError("got --network with --gender; a network classifies by itself, and no feature beside it")
        if self.fusion != EARLY or self.networks.cross_fit or self.classifier != ClassifierSpec():
            raise ValueError(NETWORK_ALONE_TEXT)
        return self

    @property
    def features_name(self) -> str:
        """What results call the features."""
        blocks = [
            block if isinstance(block, str) else str(block.get("name", block.get("kind")))
            for block in self.features.blocks
        ]
        return self.features.name or self.network or self.features.preset or "+".join(blocks) or DEFAULT_PRESET


DEFAULT_SPEC = PipelineSpec()
"""The wide set of features and a support vector machine."""


class ProtocolSpec(Spec):
    """A protocol and its settings; what is left out follows the corpus's card."""

    name: Annotated[str, _registered(PROTOCOLS)]
    settings: dict[str, Any] = {}


class Config(Spec):
    """A file of settings: a pipeline, the protocol it is evaluated under, and the classes of its rows."""

    pipeline: PipelineSpec = PipelineSpec()
    protocol: ProtocolSpec | None = None
    classes: tuple[str, ...] = ()
    drop_classes: tuple[str, ...] = ()

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a TOML file of settings, or a stored result, whose own settings are taken.

        Raises
        ------
        SettingsError
            When the file cannot be read, or a setting is wrong.
        """
        source = Path(path)
        try:
            text = source.read_text(encoding="utf-8")
            values = json.loads(text) if source.suffix == ".json" else tomllib.loads(text)
        except (OSError, ValueError, RecursionError) as error:
            raise SettingsError(
                f"{path}: cannot be read as settings ({error}); expected .toml, or a result.json"
            ) from error
        try:
            if not isinstance(values, dict):
                raise SettingsError(f"got {type(values).__name__}; expected settings by name, or a result.json")
            return cls(**(_of_result(values) if "format" in values else _replaced(values, _is_nan, None)))
        except SettingsError as error:
            raise SettingsError(f"{path}: {error}") from error

    def save(self, path: str | Path) -> Path:
        """Write the settings that differ from the defaults as TOML, whole or not at all; ``nan`` stands for None."""
        import tomli_w

        # TOML has no null, and a block's parameter of None is not one that is left out.
        return write_text(path, tomli_w.dumps(_replaced(self.plain(), lambda value: value is None, math.nan)))


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _replaced(value: Any, condition: Callable[[Any], bool], other: Any) -> Any:
    """Return plain values with another in place of each that meets a condition, at every depth."""
    if isinstance(value, dict):
        return {name: _replaced(part, condition, other) for name, part in value.items()}
    if isinstance(value, list):
        return [_replaced(part, condition, other) for part in value]
    return other if condition(value) else value


def _of_result(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that a stored result holds."""
    if values.get("spec") is None:
        raise SettingsError("a result of an earlier version, which does not hold its settings; give a .toml file")
    try:
        protocol = {name: values["protocol"][name] for name in ("name", "settings")}
        return {"pipeline": values["spec"], "protocol": protocol, "classes": values["classes"]}
    except (KeyError, TypeError) as error:
        raise SettingsError(f"not a whole result ({error!r}); evaluate again") from error
