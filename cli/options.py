"""The options that several commands share, in groups; a command takes a whole group as one argument."""

import inspect
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from fusionser.errors import SettingsError, unknown_name

__all__ = [
    "COPIED_HELP",
    "JOBS_HELP",
    "PROTOCOL_HELP",
    "SEEDS",
    "FrontEnd",
    "Input",
    "Places",
    "Run",
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
    "How the rows are split: {protocols}. A score of rows that share speakers, audio or words with those trained on is "
    "stamped."
)
CORPUS_HELP = "Corpus of each folder, by comma: {corpora}, or folders for label/clip.wav."
JOBS_HELP = "Processes; -1 is one a core."
PRECISION_HELP = "Of training, {precisions}: bfloat16 trains convolutions faster."
IMBALANCE_HELP = (
    "What is done about scarce classes: {imbalance}. Rows are changed by {row_balancings}, fused columns by "
    "{column_balancings}; see also --drop-classes."
)
TRAINING_DEVICE_HELP = "Where networks are trained: {devices}."
DEVICE_HELP = "Where networks are trained: {devices}; cuda by name computes spectra there too."
WEIGHTS_HELP = "Safetensors file that vgg16 begins with, in torchvision's names; from scratch without."
THREADS_HELP = "Threads that a network is trained with, one a core when not given; other numbers, other last digits."
COPIED_HELP = "Classes that are copied, {copied_classes}: scarce ones up to the size of the largest."
SEEDS: dict[str, Any] = {"min": 0, "max": 2**32 - 1}
BLOCKS_HELP = (
    "Feature blocks by comma, in place of a preset: {blocks}. Networks among them are trained in the fold; acoustic "
    "stands for SER-FusionNet's five, wide for all of that preset."
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


@dataclass(frozen=True)
class Input:
    """Which recordings are used."""

    corpus: Annotated[str | None, option("--corpus", CORPUS_HELP, "Input")] = None
    classes: Annotated[str, option("--classes", "Emotions to keep, by comma; all when empty.", "Input")] = ""
    drop_classes: Annotated[
        str, option("--drop-classes", "Emotions to leave out of training and test, by comma.", "Input")
    ] = ""
    strict: Annotated[
        bool, option("--strict", "Stop at the first recording that cannot be used.", "Input", is_flag=True)
    ] = False

    def pair(self, places: Sequence[Path]) -> list[Any]:
        """Pair each place with its corpus; one corpus serves all places."""
        from fusionser.experiments import Place

        given = names(self.corpus or "")
        if len(given) > 1 and len(given) != len(places):
            raise SettingsError(
                f"got {len(given)} corpora for {len(places)} places; expected one for each, or one for all"
            )
        each = given if len(given) == len(places) else [given[0] if given else None] * len(places)
        return [Place(place, name) for place, name in zip(places, each, strict=True)]


@dataclass(frozen=True)
class FrontEnd:
    """What is extracted from a recording."""

    preset: Annotated[str | None, option("--preset", "Named features, wide when left out: {presets}.", "Features")] = (
        None
    )
    blocks: Annotated[str, option("--blocks", BLOCKS_HELP, "Features")] = ""
    network: Annotated[
        str | None,
        option("--network", "A network that classifies by itself, in place of features: {networks}.", "Features"),
    ] = None
    gender: Annotated[
        str | None,
        option(
            "--gender",
            "Gender as a feature: {gender_features}. When left out, estimated from the voice if the preset has it.",
            "Features",
        ),
    ] = None
    offset: Annotated[float | None, option("--offset", "Seconds to skip.", "Features")] = None
    duration: Annotated[float | None, option("--duration", "Seconds to keep, shorter clips padded.", "Features")] = None
    sampling_rate: Annotated[int | None, option("--sampling-rate", "Rate of the analysis in Hz.", "Features")] = None
    trim: Annotated[bool | None, option("--trim/--no-trim", "Cut silence off both ends.", "Features")] = None
    denoise: Annotated[bool | None, option("--denoise/--no-denoise", "Apply a Wiener filter.", "Features")] = None

    def choose(self, places: Sequence[Any], *, learned: bool = True) -> Any:
        """Return the features that these options ask for; some commands cannot have blocks that learn."""
        from fusionser.experiments import choose_features
        from fusionser.networks import NETWORKS

        if self.network is not None and (self.blocks or self.preset):
            raise SettingsError("got --network with --preset or --blocks; a network reads the recording by itself")
        if self.network is not None and self.gender is not None:
            raise SettingsError("got --network with --gender; a network classifies by itself, and no feature beside it")
        if self.network is not None and self.network not in NETWORKS:
            raise unknown_name("network", self.network, NETWORKS)
        clip = {name: getattr(self, name) for name in ("offset", "duration", "sampling_rate", "trim", "denoise")}
        # What is extracted before any split cannot be learned, so the gender is the labelled one there.
        gender = "given" if self.gender is None and self.preset == "fusionnet" and not learned else self.gender
        features = choose_features(
            places,
            preset_name=self.preset,
            blocks=names(self.blocks) or [one for one in [self.network] if one is not None],
            gender=gender,
            clip={name: value for name, value in clip.items() if value is not None},
        )
        learning = [name for name, block in features.extractor.blocks if hasattr(block, "pack")]
        if learning and not learned:
            raise SettingsError(
                f"{', '.join(learning)} learn from training rows, so they cannot be extracted beforehand; leave them "
                "out here (--gender given or none), and name them in 'fusionser evaluate' or 'fusionser fit'"
            )
        return features


@dataclass(frozen=True)
class Training:
    """What is trained on the features."""

    classifier: Annotated[
        str | None,
        option("--classifier", "Classifier of the features, svm when left out: {classifiers}.", "Classifier"),
    ] = None
    fusion: Annotated[
        str,
        option(
            "--fusion",
            "{fusions}. early: all columns to the classifier; else the probabilities of the classifier and of each "
            "deep block are fused.",
            "Classifier",
        ),
    ] = "early"
    cross_fit: Annotated[
        int,
        option("--cross-fit", "Inner folds by which deep blocks answer for training rows; 0 is none.", "Classifier"),
    ] = 0
    scaling: Annotated[str, option("--scaling", "How columns are scaled: {scalings}.", "Classifier")] = "standard"
    equal_blocks: Annotated[
        bool, option("--equal-blocks", "Give every block of features the same weight.", "Classifier", is_flag=True)
    ] = False
    augment: Annotated[
        str,
        option("--augment", "Changed copies of training clips, by comma: {augmentations}.", "Classifier"),
    ] = ""
    copies: Annotated[
        int, option("--copies", "Copies a training clip, where --augment names any kind.", "Classifier", min=1, max=100)
    ] = 1
    imbalance: Annotated[
        str,
        option("--imbalance", IMBALANCE_HELP, "Classifier"),
    ] = "none"
    impose: Annotated[
        float | None,
        option(
            "--impose-imbalance",
            "Leave out training rows until the largest class is so many times the smallest, in a long tail.",
            "Classifier",
        ),
    ] = None
    augment_classes: Annotated[
        str,
        option("--augment-classes", COPIED_HELP, "Classifier"),
    ] = "all"
    tune: Annotated[
        bool,
        option("--tune", "Choose parameters by inner folds of the training speakers.", "Classifier", is_flag=True),
    ] = False
    device: Annotated[str, option("--device", DEVICE_HELP, "Classifier")] = "auto"
    epochs: Annotated[
        int | None, option("--epochs", "Epochs of every network, in place of its own number.", "Classifier", min=1)
    ] = None
    precision: Annotated[str, option("--precision", PRECISION_HELP, "Classifier")] = "float32"

    weights: Annotated[str | None, option("--weights", WEIGHTS_HELP, "Classifier")] = None

    def plan(self, run: "Run", *, alone: bool, by_speaker: bool = False) -> Any:
        """Return the plan that these options ask for; a network alone needs neither classifier nor fusion."""
        from fusionser.experiments import Networks, Plan
        from fusionser.networks import choose_device

        choose_device(self.device)
        if self.augment_classes not in ("all", "scarce"):
            raise SettingsError(f"--augment-classes is '{self.augment_classes}'; expected all or scarce")
        if alone and (self.classifier is not None or self.fusion != "early" or self.cross_fit):
            raise SettingsError(
                "--network classifies by itself; leave --classifier, --fusion and --cross-fit out, or name the network "
                "among the --blocks"
            )
        return Plan(
            classifier=self.classifier or "svm",
            scaling=self.scaling,
            equal_blocks=self.equal_blocks,
            by_speaker=by_speaker,
            imbalance=self.imbalance,
            imposed=self.impose,
            only_scarce=self.augment_classes == "scarce",
            augment=tuple(names(self.augment)),
            copies=self.copies,
            fusion="average" if alone else self.fusion,
            networks=Networks(
                device=self.device,
                epochs=self.epochs,
                cross_fit=self.cross_fit,
                precision=self.precision,
                weights=self.weights,
            ),
            tune=self.tune,
            seed=run.seed,
            n_jobs=run.jobs,
        )


@dataclass(frozen=True)
class Split:
    """How the rows are split; the name of the protocol is each command's own, for its default."""

    folds: Annotated[int | None, option("--folds", "Number of folds.", "Protocol")] = None
    test_speakers: Annotated[str, option("--test-speakers", "Speakers of a hold-out, by comma.", "Protocol")] = ""
    test_share: Annotated[float | None, option("--test-share", "Share of a hold-out, 0 to 1.", "Protocol")] = None
    stratified: Annotated[
        bool, option("--stratified", "Equal shares of the emotions in random splits.", "Protocol", is_flag=True)
    ] = False
    test_corpora: Annotated[str, option("--test-corpora", "Tested by protocols over several corpora.", "Protocol")] = ""
    train_corpora: Annotated[
        str, option("--train-corpora", "Corpora that cross-corpus trains on; the others when empty.", "Protocol")
    ] = ""

    def settings(self, protocol: str, seed: int) -> dict[str, Any]:
        """Return the settings that were given; one that the protocol does not take is refused by it."""
        given: dict[str, Any] = {
            "folds": self.folds,
            "speakers": tuple(names(self.test_speakers)) or None,
            "share": self.test_share,
            "stratified": self.stratified or None,
            "test": tuple(names(self.test_corpora)) or None,
            "train": tuple(names(self.train_corpora)) or None,
        }
        if protocol in ("random-kfold", "random-holdout", "speaker-holdout"):
            given["seed"] = seed
        return {key: value for key, value in given.items() if value is not None}


@dataclass(frozen=True)
class Run:
    """How the command runs and answers."""

    seed: Annotated[int, option("--seed", "Of everything drawn at random.", "Run", **SEEDS)] = 0
    jobs: Annotated[int, option("--jobs", JOBS_HELP, "Run", callback=check_jobs)] = -1
    threads: Annotated[int | None, option("--threads", THREADS_HELP, "Run", min=1, max=1024, callback=set_threads)] = (
        None
    )
    cache: Annotated[bool, option("--cache/--no-cache", "Keep features between runs.", "Run")] = True
    json: Annotated[bool, option("--json", "Print JSON on standard output.", "Run", is_flag=True)] = False


GROUPS = (Input, FrontEnd, Training, Split, Run)


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take a group of options as one argument: typer sees the options one by one."""
    hints = get_type_hints(command, include_extras=True)
    hints.pop("return", None)
    shown: dict[str, inspect.Parameter] = {}
    for name, parameter in inspect.signature(command).parameters.items():
        kind = hints[name]
        if kind in GROUPS:
            types = get_type_hints(kind, include_extras=True)
            for one in fields(kind):
                shown[one.name] = inspect.Parameter(
                    one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=types[one.name]
                )
        else:
            shown[name] = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=kind)

    @wraps(command)
    def flat(**given: Any) -> None:
        arguments = {
            name: kind(**{one.name: given.pop(one.name) for one in fields(kind)}) if kind in GROUPS else given[name]
            for name, kind in hints.items()
        }
        command(**arguments)

    # typer reads the signature and the annotations of what it is given, not of what that wraps.
    del flat.__wrapped__
    flat.__signature__ = inspect.Signature(list(shown.values()))  # type: ignore[attr-defined]
    flat.__annotations__ = {name: parameter.annotation for name, parameter in shown.items()}
    return flat
