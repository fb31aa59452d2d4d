"""The options that several commands share, in groups; a command takes a whole group as one argument."""

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from fusionser.errors import SettingsError

__all__ = [
    "AUGMENTATION_LEVELS_HELP",
    "AUGMENT_CLASSES_HELP",
    "BLOCKS_HELP",
    "DEVICE_HELP",
    "IMBALANCE_LEVELS_HELP",
    "IMPORTANCE_HELP",
    "JOBS_HELP",
    "KINDS",
    "PLACE_HELP",
    "PRECISION_HELP",
    "PROTOCOL_HELP",
    "SEEDS",
    "SETTING_HELP",
    "STRATEGIES",
    "STUDIES_HELP",
    "THREADS_HELP",
    "TRAINING_DEVICE_HELP",
    "WEIGHTS_HELP",
    "FrontEnd",
    "Input",
    "Places",
    "Run",
    "Settings",
    "Split",
    "Training",
    "check_jobs",
    "names",
    "option",
    "set_threads",
    "with_groups",
]


def option(flag: str, text: str, panel: str | None = None, **more: Any) -> Any:
    """Describe an option: its flag, its help, and the panel that it is listed in."""
    return typer.Option(flag, help=text, rich_help_panel=panel, **more)


PROTOCOL_HELP = (
    "How rows are split: {protocols}. A score is stamped when training and test rows share speakers, audio or "
    "sentences."
)
SETTING_HELP = "{settings}. The second standardises each speaker by their own unlabelled clips."
CORPUS_HELP = "Corpus of each folder, comma-separated: {corpora}, or folders for label/clip.wav."
PLACE_HELP = "Folder of a corpus that is not under $FUSIONSER_DATA, as corpus=DIR."
JOBS_HELP = "Number of processes; -1 uses one per core."
PRECISION_HELP = "Precision of training: {precisions}. bfloat16 trains convolutions faster."
IMBALANCE_HELP = (
    "Balancing strategy: {imbalance}. {row_balancings} act on rows, {column_balancings} on fused columns. See also "
    "--drop-classes."
)
TRAINING_DEVICE_HELP = "Where networks are trained: {devices}."
DEVICE_HELP = "Where networks are trained: {devices}. If cuda is named, spectra are computed there too."
WEIGHTS_HELP = "Safetensors file with the initial weights of vgg16, under torchvision's names."
THREADS_HELP = "Threads for training a network, by default one per core. The last digits of a score depend on it."
IMPORTANCE_HELP = "Measure what the classifier relies on, on held-out speakers: {importance}. features includes blocks."
AUGMENT_CLASSES_HELP = "Classes to augment: {copied_classes}. scarce adds copies up to the size of the largest class."
STRATEGIES = "none,weights,oversample,smote,undersample"
KINDS = "none,noise,pitch,stretch,lowpass,all"
IMBALANCE_LEVELS_HELP = (
    f"Balancing strategies, comma-separated, with none among them; by default {STRATEGIES}. Valid: {{imbalance}}. The "
    "first is also tested together with augmentation."
)
AUGMENTATION_LEVELS_HELP = (
    f"Kinds of augmentation, comma-separated, with none among them; by default {KINDS}. Valid: {{augmentations}}, "
    "several joined as noise+pitch, and all for SER-FusionNet's four."
)
STUDIES_HELP = "A study to run instead of balancing against augmentation: {studies}."
SEEDS: dict[str, Any] = {"min": 0, "max": 2**32 - 1}
BLOCKS_HELP = (
    "Feature blocks, comma-separated, instead of a preset: {blocks}. Networks are trained inside each fold. acoustic "
    "stands for the five blocks of SER-FusionNet, wide for all blocks of that preset."
)

Places = Annotated[
    list[Path], typer.Argument(help="Folders of recordings, rows tables (.csv, .parquet), or features files.")
]


def check_jobs(jobs: int) -> int:
    """Refuse a number of processes that means nothing."""
    if jobs == 0:
        raise SettingsError("--jobs is 0; expected the number of processes, or -1 for one a core")
    return jobs


def set_threads(threads: int | None) -> int | None:
    """Let everything that computes in parallel, here and in processes that are started, use so many threads."""
    if threads is not None:
        # Before the libraries are loaded, which read them once; those that are loaded already are told by themselves.
        os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads)))
        import torch
        from threadpoolctl import threadpool_limits

        torch.set_num_threads(threads)
        threadpool_limits(threads)
    return threads


def names(text: str) -> list[str]:
    """Split a list given by commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were given."""
    return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class Settings:
    """A file of settings to begin with, and one to write."""

    config: Annotated[
        Path | None,
        option("--config", "Read settings from a .toml file or a result.json; options override them.", "Settings"),
    ] = None
    save_config: Annotated[
        Path | None, option("--save-config", "Write the settings to this TOML file.", "Settings")
    ] = None

    def load(self) -> Any:
        """Return the settings of the file, or the defaults."""
        from fusionser.spec import Config

        return Config() if self.config is None else Config.load(self.config)

    def save(self, config: Any, places: list[Any]) -> None:
        """Write the settings where that is wanted, with those of the features file that they begin with."""
        from fusionser.pipeline import resolve

        if self.save_config is not None:
            if self.save_config.suffix != ".toml":
                raise SettingsError(f"--save-config is {self.save_config}; expected a file ending in .toml")
            resolved = resolve(config.pipeline, places)
            if resolved.features.blocks and not config.pipeline.features.blocks:
                config = config.changed(pipeline=resolved)
            config.save(self.save_config)


@dataclass(frozen=True)
class Input:
    """Which recordings are used."""

    corpus: Annotated[
        str | None,
        option("--corpus", CORPUS_HELP, "Input"),
    ] = None
    classes: Annotated[
        str | None, option("--classes", "Emotions to keep, comma-separated; by default all.", "Input")
    ] = None
    drop_classes: Annotated[
        str | None, option("--drop-classes", "Emotions to leave out of training and test, comma-separated.", "Input")
    ] = None
    strict: Annotated[
        bool, option("--strict", "Stop at the first recording that cannot be used.", "Input", is_flag=True)
    ] = False

    def pair(self, places: Sequence[Path]) -> list[Any]:
        """Pair each place with its corpus; one corpus serves all places."""
        from fusionser.pipeline import Place

        given = names(self.corpus or "")
        if len(given) > 1 and len(given) != len(places):
            raise SettingsError(
                f"got {len(given)} corpora for {len(places)} places; expected one for each, or one for all"
            )
        each = given if len(given) == len(places) else [given[0] if given else None] * len(places)
        return [Place(place, name) for place, name in zip(places, each, strict=True)]

    def over(self, config: Any) -> Any:
        """Return settings with the classes that were given."""
        given = {
            "classes": None if self.classes is None else tuple(names(self.classes)),
            "drop_classes": None if self.drop_classes is None else tuple(names(self.drop_classes)),
        }
        return config.changed(**_given(given))


@dataclass(frozen=True)
class FrontEnd:
    """What is extracted from a recording."""

    preset: Annotated[
        str | None, option("--preset", "Named set of features, by default wide: {presets}.", "Features")
    ] = None
    blocks: Annotated[str | None, option("--blocks", BLOCKS_HELP, "Features")] = None
    network: Annotated[
        str | None,
        option("--network", "Network that classifies by itself, without features: {networks}.", "Features"),
    ] = None
    gender: Annotated[
        str | None,
        option(
            "--gender",
            "Gender as a feature: {gender_features}. given reads the labels, estimated (the default where a preset has "
            "it) the voice.",
            "Features",
        ),
    ] = None
    offset: Annotated[float | None, option("--offset", "Seconds to skip.", "Features")] = None
    duration: Annotated[
        float | None, option("--duration", "Seconds to keep; shorter clips are padded.", "Features")
    ] = None
    sampling_rate: Annotated[int | None, option("--sampling-rate", "Rate of the analysis in Hz.", "Features")] = None
    trim: Annotated[bool | None, option("--trim/--no-trim", "Cut silence off both ends.", "Features")] = None
    denoise: Annotated[bool | None, option("--denoise/--no-denoise", "Apply a Wiener filter.", "Features")] = None

    def over(self, spec: Any) -> Any:
        """Return a specification with the features that were given; other features take the place of a file's."""
        named = _given({"preset": self.preset, "blocks": tuple(names(self.blocks)) if self.blocks else None})
        if not named and self.network is None:
            features = spec.features
        else:
            if self.network is None and spec.network is not None:
                spec = spec.changed(network=None)
            gender = spec.features.gender if self.network is None else None
            features = spec.features.changed(name="", preset=None, blocks=(), keep=(), gender=gender)
        clip = {name: getattr(self, name) for name in ("offset", "duration", "sampling_rate", "trim", "denoise")}
        features = features.changed(
            **named, **_given({"gender": self.gender}), clip=features.clip.changed(**_given(clip))
        )
        return spec.changed(features=features, **_given({"network": self.network}))


@dataclass(frozen=True)
class Training:
    """What is trained on the features."""

    classifier: Annotated[
        str | None,
        option("--classifier", "Classifier of the features, by default svm: {classifiers}.", "Classifier"),
    ] = None
    fusion: Annotated[
        str | None,
        option(
            "--fusion",
            "{fusions}. early gives all columns to the classifier; the others fuse the probabilities of the classifier "
            "and of each network.",
            "Classifier",
        ),
    ] = None
    cross_fit: Annotated[
        int | None,
        option(
            "--cross-fit",
            "Number of inner folds from which training rows get their class scores; 0 is none.",
            "Classifier",
        ),
    ] = None
    scaling: Annotated[str | None, option("--scaling", "How columns are scaled: {scalings}.", "Classifier")] = None
    equal_blocks: Annotated[
        bool | None,
        option("--equal-blocks/--unequal-blocks", "Give every block of features the same weight.", "Classifier"),
    ] = None
    augment: Annotated[
        str | None,
        option(
            "--augment",
            "Kinds of augmented copies of the training clips, comma-separated: {augmentations}.",
            "Classifier",
        ),
    ] = None
    copies: Annotated[
        int | None,
        option("--copies", "Copies per training clip, where --augment names any kind.", "Classifier", min=1, max=100),
    ] = None
    imbalance: Annotated[
        str | None,
        option("--imbalance", IMBALANCE_HELP, "Classifier"),
    ] = None
    impose: Annotated[
        float | None,
        option(
            "--impose-imbalance",
            "Leave out training rows until the largest class is this many times the smallest, in a long tail.",
            "Classifier",
        ),
    ] = None
    augment_classes: Annotated[
        str | None,
        option("--augment-classes", AUGMENT_CLASSES_HELP, "Classifier"),
    ] = None
    tune: Annotated[
        bool | None,
        option("--tune/--fixed", "Choose parameters by inner folds of the training speakers.", "Classifier"),
    ] = None
    epochs: Annotated[
        int | None, option("--epochs", "Epochs of every network, instead of its own number.", "Classifier", min=1)
    ] = None
    precision: Annotated[str | None, option("--precision", PRECISION_HELP, "Classifier")] = None
    weights: Annotated[str | None, option("--weights", WEIGHTS_HELP, "Classifier")] = None
    device: Annotated[str, option("--device", DEVICE_HELP, "Classifier")] = "auto"

    def over(self, spec: Any, seed: int | None, setting: str | None = None) -> Any:
        """Return a specification with what was given."""
        if self.augment_classes not in (None, "all", "scarce"):
            raise SettingsError(f"--augment-classes is '{self.augment_classes}'; expected all or scarce")
        augment = None if self.augment is None else tuple(names(self.augment))
        rows = {
            "augment": augment,
            "copies": self.copies,
            "imbalance": self.imbalance,
            "impose_imbalance": self.impose,
            "augment_classes": self.augment_classes,
        }
        networks = {
            "epochs": self.epochs,
            "cross_fit": self.cross_fit,
            "precision": self.precision,
            "weights": self.weights,
        }
        classifier = {
            "name": self.classifier,
            "scaling": self.scaling,
            "equal_blocks": self.equal_blocks,
            "tune": self.tune,
        }
        if spec.network is not None and self.classifier is not None:
            from fusionser.spec import NETWORK_ALONE_TEXT

            # The specification cannot tell it where it is the default.
            raise SettingsError(NETWORK_ALONE_TEXT)
        return spec.changed(
            rows=spec.rows.changed(**_given(rows)),
            networks=spec.networks.changed(**_given(networks)),
            classifier=spec.classifier.changed(**_given(classifier)),
            **_given({"fusion": self.fusion, "seed": seed, "setting": setting}),
        )


@dataclass(frozen=True)
class Split:
    """How the rows are split; the name of the protocol is each command's own, for its default."""

    folds: Annotated[int | None, option("--folds", "Number of folds.", "Protocol")] = None
    test_speakers: Annotated[str, option("--test-speakers", "Speakers of a hold-out, comma-separated.", "Protocol")] = (
        ""
    )
    test_share: Annotated[float | None, option("--test-share", "Share of a hold-out, 0 to 1.", "Protocol")] = None
    stratified: Annotated[
        bool, option("--stratified", "Equal shares of the emotions in random splits.", "Protocol", is_flag=True)
    ] = False
    test_corpora: Annotated[
        str, option("--test-corpora", "Corpora to test, for protocols over several corpora.", "Protocol")
    ] = ""
    train_corpora: Annotated[
        str, option("--train-corpora", "Corpora that cross-corpus trains on; by default the others.", "Protocol")
    ] = ""

    def over(self, config: Any, name: str | None, default: str, seed: int | None) -> Any:
        """Return settings with the protocol that was given; one that does not take a setting refuses it."""
        from fusionser.spec import ProtocolSpec

        given = {
            "folds": self.folds,
            "speakers": names(self.test_speakers) or None,
            "share": self.test_share,
            "stratified": self.stratified or None,
            "test": names(self.test_corpora) or None,
            "train": names(self.train_corpora) or None,
        }
        stored = config.protocol
        chosen = name or (stored.name if stored else default)
        settings = dict(stored.settings) if stored and stored.name == chosen else {}
        if seed is not None:
            settings.pop("seed", None)
        if self.test_share is not None:
            settings.pop("speakers", None)
        return config.changed(protocol=ProtocolSpec(name=chosen, settings={**settings, **_given(given)}))


@dataclass(frozen=True)
class Run:
    """How the command runs and answers."""

    seed: Annotated[
        int | None, option("--seed", "Seed of everything drawn at random, by default 0.", "Run", **SEEDS)
    ] = None
    jobs: Annotated[int, option("--jobs", JOBS_HELP, "Run", callback=check_jobs)] = -1
    threads: Annotated[int | None, option("--threads", THREADS_HELP, "Run", min=1, max=1024, callback=set_threads)] = (
        None
    )
    cache: Annotated[bool, option("--cache/--no-cache", "Keep features between runs.", "Run")] = True
    json: Annotated[bool, option("--json", "Print JSON on standard output.", "Run", is_flag=True)] = False


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take a group of options, a dataclass, as one argument: typer sees the options one by one."""
    hints = get_type_hints(command, include_extras=True)
    hints.pop("return", None)
    shown: dict[str, inspect.Parameter] = {}
    for name, parameter in inspect.signature(command).parameters.items():
        kind = hints[name]
        if is_dataclass(kind):
            types = get_type_hints(kind, include_extras=True)
            for member in fields(kind):
                shown[member.name] = inspect.Parameter(
                    member.name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=inspect.Parameter.empty if member.default is MISSING else member.default,
                    annotation=types[member.name],
                )
        else:
            shown[name] = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=kind)

    @wraps(command)
    def flat(**given: Any) -> None:
        arguments = {}
        for name, kind in hints.items():
            members = [member.name for member in fields(kind)] if is_dataclass(kind) else []
            arguments[name] = kind(**{member: given.pop(member) for member in members}) if members else given[name]
        command(**arguments)

    # typer reads the signature and the annotations of what it is given, not of what that wraps.
    del flat.__wrapped__
    flat.__signature__ = inspect.Signature(list(shown.values()))  # type: ignore[attr-defined]
    flat.__annotations__ = {name: parameter.annotation for name, parameter in shown.items()}
    return flat
