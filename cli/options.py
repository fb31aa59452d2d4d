"""Options that several commands share, in groups.

A command takes a group as one argument; typer sees its single options.
"""

import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import Annotated, Any, ClassVar, get_type_hints

import typer

from fusionser.errors import SettingsError

from .console import say


def option(text: str, default: Any = None, flag: str | None = None, panel: str | None = None, **more: Any) -> Any:
    """Return a field of a group: the help, the default, the flag where the field's name does not give it.

    `panel` is the heading in the help; without one, the group's heading is used.
    """
    return typer.Option(default, *([flag] if flag else []), help=text, rich_help_panel=panel, **more)


def check_jobs(jobs: int) -> int:
    """Reject zero processes, and more than this machine can have."""
    from fusionser.checks import check_jobs as check

    check(jobs, "--jobs")
    return jobs


def check_out_folder(out: Path | None) -> Path | None:
    """Reject a folder to write that cannot be made, before the work whose results would go there."""
    if out is not None and out.exists() and not out.is_dir():
        raise SettingsError(f"--out is {out}, which is a file; expected a folder")
    return _check_place(out)


def check_out_file(out: Path | None) -> Path | None:
    """Reject a file to write that cannot be made, before the work whose results would go there."""
    return check_file_to_write(out, "--out")


def check_model_file(out: Path) -> Path:
    """Reject a model file to write that would be taken for another kind of file."""
    if out.suffix.lower() == ".onnx":
        raise SettingsError(
            f"--out is {out}; expected a file ending in .fusionser, of which 'fusionser export' makes an ONNX file"
        )
    check_out_file(out)
    return out


def check_file_to_write(out: Path | None, flag: str) -> Path | None:
    """Reject a file to write that cannot be made, as `check_out_file` does, for any option."""
    if out is not None and out.is_dir():
        raise SettingsError(f"{flag} is {out}, which is a folder; expected a file")
    return _check_place(out, flag)


def refuse_inputs(out: Path | None, inputs: Iterable[Path | str | None], flag: str = "--out") -> None:
    """Raise `SettingsError` if a file to write is one that is read."""
    for given in inputs:
        if out is not None and given is not None and out.exists() and Path(given).is_file() and out.samefile(given):
            raise SettingsError(f"{flag} is {out}, which is read, too; choose another path")


def check_out_table(out: Path | None) -> Path | None:
    """Reject a table to write that cannot be made, or is of an unknown format."""
    if out is not None and out.suffix.lower() not in (".csv", ".parquet"):
        raise SettingsError(f"--out is {out}; expected a file ending in .csv or .parquet")
    return check_out_file(out)


def _check_place(out: Path | None, flag: str = "--out") -> Path | None:
    """Reject a path below a file, or below a folder that nothing can be written to."""
    if out is None:
        return None
    there = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    if there != out and not there.is_dir():
        raise SettingsError(f"{flag} is {out}, but {there} is a file; choose another path")
    if not os.access(there, os.W_OK):
        raise SettingsError(f"{flag} is {out}, but nothing can be written to {there}; choose another path")
    return out


def check_copied_classes(classes: str | None) -> str | None:
    """Reject an unknown value of ``--augment-classes``."""
    if classes not in (None, "all", "scarce"):
        raise SettingsError(f"--augment-classes is '{classes}'; expected all or scarce")
    return classes


EXACT = "exact"


def check_channel(channel: str | None) -> str | None:
    """Refuse a name or number that no channel has."""
    from fusionser.checks import channel_number

    channel_number(channel)
    return channel


def decode_apart(context: typer.Context, isolate: bool) -> bool:
    """Decode recordings in a process of their own until the end of this command, if that is asked for."""
    if isolate:
        from fusionser.isolation import isolated_decoding

        context.with_resource(isolated_decoding())
    return isolate


def allow_downloads(context: typer.Context, download: bool) -> bool:
    """Let pretrained models be fetched until the end of this command, if that is asked for."""
    if download:
        from fusionser.features import downloads_allowed

        context.with_resource(downloads_allowed())
    return download


def check_labels(labels: str | None) -> str | None:
    """Reject an unknown value of ``--labels``."""
    if labels not in (None, "folded", EXACT):
        raise SettingsError(f"--labels is '{labels}'; expected folded or {EXACT}")
    return labels


def _set_threads(threads: int | None) -> int | None:
    """Set the number of threads of this process and of the processes it starts."""
    if threads is not None:
        # Libraries read these variables once, when they are loaded; those already loaded are set by the calls below.
        os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads)))
        import torch
        from threadpoolctl import threadpool_limits

        torch.set_num_threads(threads)
        threadpool_limits(threads)
    return threads


PROTOCOL_HELP = (
    "How rows are split: {protocols}. A score is stamped when training and test rows share speakers, audio or "
    "sentences."
)
PLACE_HELP = "Folder of a corpus that is not under $FUSIONSER_DATA, as corpus=DIR."
JOBS_HELP = "Number of processes; -1 uses one per core."
PRECISION_HELP = "Precision of training: {precisions}. bfloat16 trains convolutions faster."
TRAINING_DEVICE_HELP = "Where networks are trained: {devices}."
WEIGHTS_HELP = "Safetensors file with the initial weights of vgg16, under torchvision's names."
IMPORTANCE_HELP = "Measure what the classifier relies on, on held-out speakers: {importance}. features includes blocks."
AUGMENT_CLASSES_HELP = "Classes to augment: {copied_classes}. scarce adds copies up to the size of the largest class."
BLOCKS_HELP = (
    "Feature blocks, comma-separated, instead of a preset: {blocks}. Networks are trained inside each fold. acoustic "
    "stands for the five blocks of SER-FusionNet, robust and wide for all blocks of that preset. Parameters are "
    "given in brackets: 'opensmile[feature_set=emobase]'."
)
SETTING_HELP = (
    "What is known of the clips to predict: {settings}. speaker-normalised standardises each speaker, and adapted each "
    "tested corpus, by unlabelled clips of their own."
)
ADAPTATION_HELP = (
    "How --setting adapted aligns columns: {adaptations}. The first aligns mean and standard deviation, the second "
    "correlations too."
)
SCALING_HELP = (
    "How columns are scaled: {scalings}. By default that of the features: bounded for the preset robust and for blocks "
    "of it, standard for all others."
)
LAYOUT_HELP = (
    "What folders and file names are, with --corpus folders: '{{speaker}}/{{emotion}}/*'. * is anything, ** any "
    "folders; gender, statement and intensity are fields too. By default found from the names of the folders."
)
TRUNCATED_HELP = "Use what is there of recordings that were cut off, instead of setting them aside."
ISOLATE_HELP = (
    "For strangers' recordings: decode in a process of its own, with limits of time and memory. A recording that makes "
    "it crash or hang is set aside with the reason, and the others are used."
)
CHANNEL_HELP = "Channel of the recordings to use: left, right, a number from 1, or mean. By default mean."
MAP_HELP = "Names of columns in a table or dataset, by the names that fusionser has for them: file=path,emotion=label."
PARTS_HELP = (
    "Parts of a dataset to read, comma-separated: tables of an audformat database, splits of a Hugging Face dataset. "
    "By default all with labels."
)
DOWNLOAD_HELP = (
    "Get datasets (hf:owner/name, audb:name==version) and pretrained models that are not on this machine. Without it, "
    "nothing is downloaded."
)
LABELS_HELP = (
    "folded gives labels that differ only in case, blanks or Unicode form the same spelling, and says so; exact keeps "
    "them apart, but for blanks at their ends. By default folded."
)
TARGETS_HELP = (
    "Predict numbers instead of emotions: columns of the tables of rows, such as arousal,valence. Rows without a "
    "number are set aside. --classifier then names a regressor: {regressors}."
)
RENAME_HELP = (
    "New names of emotions, given before others are kept or left out, comma-separated: boredom=neutral, or "
    "emodb.boredom=neutral for one corpus. A features file keeps the old names."
)
RATERS_HELP = (
    "Columns of the table with the labels of one rater each, comma-separated, or patterns such as 'rater_*'. The label "
    "with more votes than any other is the emotion; rows without one are set aside."
)
SOFT_LABELS_HELP = (
    "Train networks against the shares of the votes of --raters for each emotion, instead of the emotion with most "
    "votes. Scores go by the latter."
)
SEED_HELP = "Seed of everything drawn at random, by default 0."
SEEDS: dict[str, Any] = {"min": 0, "max": 2**32 - 1}

Places = Annotated[
    list[Path],
    typer.Argument(help="Folders of recordings, rows tables (.csv, .parquet), features files, or datasets."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


def names(text: str | None, flag: str) -> list[str]:
    """Split the comma-separated list that an option gives, if it is given; raise `SettingsError` if it is empty."""
    if text is None:
        return []
    from fusionser.block_text import split_blocks

    found = split_blocks(text) if flag == "--blocks" else [part.strip() for part in text.split(",") if part.strip()]
    if not found:
        raise SettingsError(f"{flag} is '{text}'; expected names, separated by commas, or leave the option out")
    return found


def _given(group: "Group", *members: str, **more: Any) -> dict[str, Any]:
    """Return some options of a group and further values, without those that are None."""
    values = {name: getattr(group, name) for name in members} | more
    return {name: value for name, value in values.items() if value is not None}


class Group:
    """Options of a command: each annotated attribute is an option, or another group.

    `panel` is the heading of the options in the help.
    """

    panel: ClassVar[str | None] = None

    def __init__(self, **given: Any) -> None:
        vars(self).update(given)

    @classmethod
    def members(cls) -> dict[str, Any]:
        """Return the types of the options and groups, by name."""
        return {name: kind for name, kind in get_type_hints(cls).items() if name != "panel"}


class Settings(Group):
    """A settings file to read, and one to write."""

    panel = "Settings"
    config: Path | None = option("Read settings from a .toml file or a result.json; options override them.")
    save_config: Path | None = option("Write the settings to this TOML file.")

    def load(self) -> Any:
        """Return the settings of the file, or the defaults."""
        from fusionser.spec import Config

        return Config() if self.config is None else Config.load(self.config)

    def say_default(self, config: Any, places: list[Any]) -> None:
        """Say which preset is used if neither the file, the options nor the places name any features."""
        from fusionser.pipeline import resolve

        resolved, given = resolve(config.pipeline, places), config.pipeline.features
        if self.config is not None and resolved.features.preset is not None and given.preset is None:
            say(
                f"{self.config} names no features; the default is used, {resolved.features.preset}, which was 'wide' "
                "in earlier versions. To choose, set preset under [pipeline.features], or use --preset"
            )

    def save(self, config: Any, places: list[Any]) -> None:
        """Write the settings if asked to, including the features of a features file among the places."""
        from fusionser.pipeline import resolve

        if self.save_config is not None:
            if self.save_config.suffix.lower() != ".toml":
                raise SettingsError(f"--save-config is {self.save_config}; expected a file ending in .toml")
            resolved = resolve(config.pipeline, places)
            of_a_file = resolved.features.blocks and not config.pipeline.features.blocks
            config = config.changed(pipeline=resolved if of_a_file else config.pipeline.explicit())
            config.save(self.save_config)


class Input(Group):
    """The recordings to use."""

    panel = "Input"
    corpus: str | None = option(
        "Corpus of each folder, comma-separated: {corpora}, or folders for any others. Datasets are recognised, or "
        "named: {dataset_formats}."
    )
    layout: str | None = option(LAYOUT_HELP)
    classes: str | None = option("Emotions to keep, comma-separated; by default all.")
    columns: str | None = option(MAP_HELP, flag="--map")
    parts: str | None = option(PARTS_HELP)
    download: bool = option(DOWNLOAD_HELP, False, "--download", callback=allow_downloads)
    labels: str | None = option(LABELS_HELP, callback=check_labels)
    rename: str | None = option(RENAME_HELP)
    raters: str | None = option(RATERS_HELP)
    drop_classes: str | None = option("Emotions to leave out of training and test, comma-separated.")
    accept_truncated: bool = option(TRUNCATED_HELP, False, "--accept-truncated")
    channel: str | None = option(CHANNEL_HELP, callback=check_channel)
    isolate: bool = option(ISOLATE_HELP, False, "--isolate", callback=decode_apart)
    strict: bool = option("Stop at the first recording that cannot be used.", False, "--strict")

    def pair(self, places: Sequence[Path]) -> list[Any]:
        """Pair each place with its corpus; a single corpus applies to all places."""
        from fusionser.corpora import FOLDERS
        from fusionser.pipeline import Place
        from fusionser.tables import named_columns

        given: list[Any] = names(self.corpus, "--corpus") or [None]
        if len(given) not in (1, len(places)):
            raise SettingsError(
                f"got {len(given)} corpora for {len(places)} places; expected one for each, or one for all"
            )
        each = given * len(places) if len(given) == 1 else given
        layout = self.layout
        if layout is not None and FOLDERS not in each:
            raise SettingsError(f"--layout is '{layout}'; it needs --corpus folders")
        columns = named_columns(self.columns)
        return [
            Place(
                place,
                name,
                layout if name == FOLDERS else None,
                self.accept_truncated,
                columns,
                self.channel,
                names(self.parts, "--parts"),
                self.download,
            )
            for place, name in zip(places, each, strict=True)
        ]

    def over(self, config: Any) -> Any:
        """Return the settings, with the given classes."""
        from fusionser.corpora.labels import named_labels

        given: dict[str, Any] = {
            name: names(text, f"--{name.replace('_', '-')}")
            for name, text in _given(self, "classes", "drop_classes", "raters").items()
        }
        if self.rename is not None:
            given["labels"] = named_labels(names(self.rename, "--rename"))
        if self.labels is not None:
            given["exact_labels"] = self.labels == EXACT
        return config.changed(**given)


class FrontEnd(Group):
    """The features to extract from a recording."""

    panel = "Features"
    preset: str | None = option("Named set of features, by default robust: {presets}.")
    blocks: str | None = option(BLOCKS_HELP)
    own_columns: str | None = option(
        "Numeric columns of the tables to use as a block, beside a preset or blocks, or alone, comma-separated: "
        "names, or patterns such as 'smile__*'.",
        flag="--columns",
    )
    network: str | None = option("Network that answers by itself, without features: {networks}.")
    gender: str | None = option(
        "Gender as a feature: {gender_features}. given reads the labels, estimated (the default where a preset has it) "
        "the voice."
    )
    offset: float | None = option("Seconds to skip.")
    duration: float | None = option("Seconds to keep; shorter clips are padded.")
    sampling_rate: int | None = option("Rate of the analysis in Hz.")
    trim: bool | None = option("Cut silence off both ends.")
    denoise: bool | None = option("Apply a Wiener filter.")

    def over(self, spec: Any) -> Any:
        """Return the specification with the given features, which replace those of a settings file."""
        features, network = spec.features, spec.network
        named = _given(
            self,
            "preset",
            blocks=names(self.blocks, "--blocks") or None,
            columns=names(self.own_columns, "--columns") or None,
        )
        if named or self.network is not None:
            network = self.network
            gender = features.gender if network is None else None
            features = features.changed(name="", preset=None, blocks=(), columns=(), keep=(), gender=gender)
        clip = features.clip.changed(**_given(self, "offset", "duration", "sampling_rate", "trim", "denoise"))
        features = features.changed(**named, **_given(self, "gender"), clip=clip)
        if self.network is None:
            return spec.with_features(features, network)
        from fusionser.names import EARLY

        # A network that classifies by itself also replaces the classifier and the fusion of a settings file.
        parts = {"classifier": type(spec.classifier)(), "fusion": EARLY, "networks": spec.networks.changed(cross_fit=0)}
        return spec.changed(features=features, network=network, **parts)


class Training(Group):
    """What is trained on the features."""

    panel = "Classifier"
    classifier: str | None = option("Classifier of the features, by default svm: {classifiers}.")
    fusion: str | None = option(
        "{fusions}. early gives all columns to the classifier; the others fuse the probabilities (with --targets, the "
        "predicted numbers) of the classifier and of each network, or, without networks, of one classifier per block."
    )
    cross_fit: int | None = option(
        "Number of inner folds from which training rows get their class scores or predicted numbers; 0 is none."
    )
    scaling: str | None = option(SCALING_HELP)
    equal_blocks: bool | None = option(
        "Give every block of features the same weight.", flag="--equal-blocks/--unequal-blocks"
    )
    augment: str | None = option("Kinds of augmented copies of the training clips, comma-separated: {augmentations}.")
    copies: int | None = option("Copies per training clip, where --augment names any kind.", min=1, max=100)
    imbalance: str | None = option(
        "Balancing strategy: {imbalance}. {row_balancings} act on rows, {column_balancings} on fused columns. See also "
        "--drop-classes."
    )
    impose_imbalance: float | None = option(
        "Leave out training rows until the largest class is this many times the smallest, in a long tail."
    )
    augment_classes: str | None = option(AUGMENT_CLASSES_HELP, callback=check_copied_classes)
    soft_labels: bool | None = option(SOFT_LABELS_HELP, flag="--soft-labels/--hard-labels")
    tune: bool | None = option("Choose parameters by inner folds of the training speakers.", flag="--tune/--fixed")
    epochs: int | None = option("Epochs of every network, instead of its own number.", min=1)
    precision: str | None = option(PRECISION_HELP)
    weights: str | None = option(WEIGHTS_HELP)
    device: str = option(f"{TRAINING_DEVICE_HELP} If cuda is named, spectra are computed there too.", "auto")

    def over(self, spec: Any, seed: int | None) -> Any:
        """Return the specification with the given options."""
        if spec.network is not None and self.classifier is not None:
            from fusionser.spec import NETWORK_ALONE_TEXT

            # The specification cannot refuse --classifier svm, which is its default.
            raise SettingsError(NETWORK_ALONE_TEXT)
        # An empty list leaves out the augmentation of a settings file.
        augment = None if self.augment is None else names(self.augment or None, "--augment")
        rows = _given(self, "copies", "imbalance", "impose_imbalance", "augment_classes", augment=augment)
        changed = spec.rows.changed(**rows)
        if self.copies is not None and not changed.augment:
            raise SettingsError("--copies needs --augment; name a kind of augmentation")
        return spec.changed(
            rows=changed,
            networks=spec.networks.changed(**_given(self, "epochs", "cross_fit", "precision", "weights")),
            classifier=self._classifier(spec.classifier),
            **_given(self, "fusion", "soft_labels", seed=seed),
        )

    def _classifier(self, spec: Any) -> Any:
        """Return the specification of the classifier; another one does not take over the parameters of the file."""
        if self.classifier not in (None, spec.name):
            if spec.parameters:
                say(
                    f"note: the parameters {', '.join(spec.parameters)} of the settings file are for {spec.name}, and "
                    f"--classifier is {self.classifier}, so they are not used"
                )
            spec = spec.changed(parameters={})
        return spec.changed(**_given(self, "scaling", "equal_blocks", "tune", name=self.classifier))


class Split(Group):
    """How the rows are split, apart from the name of the protocol."""

    panel = "Protocol"
    folds: int | None = option("Number of folds.")
    test_speakers: str | None = option("Speakers of a hold-out, comma-separated.")
    test_share: float | None = option("Share of a hold-out, 0 to 1.")
    stratified: bool = option("Equal shares of the emotions in random splits.", False, "--stratified")
    test_corpora: str | None = option("Corpora to test on, for protocols over several corpora.")
    train_corpora: str | None = option("Corpora to train on, for cross-corpus; by default all others.")

    def over(self, config: Any, name: str | None, default: str, seed: int | None) -> Any:
        """Return the settings with the given protocol."""
        from fusionser.spec import ProtocolSpec

        stored = config.protocol
        chosen = name or (stored.name if stored else default)
        settings = dict(stored.settings) if stored and stored.name == chosen else {}
        if seed is not None:
            settings.pop("seed", None)
        if self.test_share is not None:
            settings.pop("speakers", None)
        given = _given(
            self,
            "folds",
            speakers=names(self.test_speakers, "--test-speakers") or None,
            share=self.test_share,
            stratified=self.stratified or None,
            test=names(self.test_corpora, "--test-corpora") or None,
            train=names(self.train_corpora, "--train-corpora") or None,
        )
        return config.changed(protocol=ProtocolSpec(name=chosen, settings=settings | given))


class Work(Group):
    """How a command runs, and whether it prints JSON."""

    jobs: int = option(JOBS_HELP, -1, callback=check_jobs)
    threads: int | None = option(
        "Threads for training a network, by default one per core. The last digits of a score depend on it.",
        min=1,
        max=1024,
        callback=_set_threads,
    )
    cache: bool = option("Keep features between runs.", True, "--cache/--no-cache")
    json: bool = option("Print JSON on standard output.", False, "--json")


class ReportFormats(Group):
    """Formats of a report besides its page."""

    panel = "Report"
    tables: str | None = option(
        "Also write each table to a file in the folder tables/ of the report, comma-separated: {table_formats}."
    )
    figures: str | None = option("Also write each figure beside its PNG, comma-separated: {figure_formats}.")

    def chosen(self, out: Path | None) -> Any:
        """Return the formats; `out` is the folder of the report, if there is one."""
        from fusionser.reporting.formats import Formats

        given = {name: names(getattr(self, name), f"--{name}") for name in ("tables", "figures")}
        chosen = Formats(**given)
        for name, formats in given.items():
            if formats and out is None:
                raise SettingsError(f"--{name} is '{', '.join(formats)}'; it needs --out, the folder of the report")
        return chosen


class Tracking(Group):
    """Where the run is recorded."""

    panel = "Report"
    track: list[str] | None = option(
        "Also record parameters, scores, curves and files, once the result is there: mlflow or mlflow:URI, "
        "tensorboard:DIR; may be repeated. Valid: {trackers}."
    )

    def opened(self) -> list[Any]:
        """Return the trackers, before the work whose result they record."""
        from fusionser.tracking import open_tracker

        return [open_tracker(text) for text in self.track or []]


def record(trackers: Sequence[Any], run: Any) -> None:
    """Record a run whose result is stored or printed already, and say where.

    Raises
    ------
    TrackingError
        If a tracker has nothing of it. What was recorded in part is a note.
    """
    from fusionser.tracking import TrackingError, record_run

    errors = record_run(trackers, run)
    if recorded := [str(tracker) for tracker in trackers if tracker.complete]:
        say(f"recorded: {', '.join(recorded)}")
    for error in errors:
        if error.begun:
            say(f"note: {error}")
    if nothing := [str(error) for error in errors if not error.begun]:
        raise TrackingError("; ".join(nothing))


class Run(Work):
    """The options of `Work` under a heading of their own."""

    panel = "Run"


class Experiment(Group):
    """Everything that `evaluate` and `fit` share."""

    panel = "Protocol"
    settings: Settings
    given: Input
    front_end: FrontEnd
    training: Training
    split: Split
    seed: int | None = option(SEED_HELP, panel="Run", **SEEDS)
    run: Run
    protocol: str | None = option(PROTOCOL_HELP)
    setting: str | None = option(SETTING_HELP)
    adaptation: str | None = option(ADAPTATION_HELP)
    targets: str | None = option(TARGETS_HELP, panel="Input")

    def config(self, protocol: str) -> Any:
        """Return the settings of the file with the given options; `protocol` is the default one."""
        from fusionser.names import ADAPTED

        config = self.split.over(self.given.over(self.settings.load()), self.protocol, protocol, self.seed)
        trained = self.training.over(self.front_end.over(self._of_task(config.pipeline)), self.seed)
        spec = trained.changed(**_given(self, "setting", "adaptation"))
        if self.adaptation is not None and spec.setting != ADAPTED:
            raise SettingsError(
                f"--adaptation is for --setting adapted, but the setting is {spec.setting}; leave it out"
            )
        return config.changed(pipeline=spec)

    def _of_task(self, spec: Any) -> Any:
        """Return the specification with the given targets, which make numbers its task."""
        if self.targets is None:
            return spec
        from fusionser.names import DIMENSIONS

        return spec.changed(task=DIMENSIONS, targets=tuple(names(self.targets, "--targets")))


def _is_group(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Group)


def _parameters(group: type[Group]) -> Iterator[inspect.Parameter]:
    """Yield the options of a group, and of the groups in it, as parameters for typer."""
    for name, kind in group.members().items():
        if _is_group(kind):
            yield from _parameters(kind)
        else:
            shown = copy(getattr(group, name))
            shown.rich_help_panel = shown.rich_help_panel or group.panel
            yield inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=shown, annotation=kind)


def _arguments(kinds: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a command or group by name, with its groups built from their options."""
    return {
        name: kind(**_arguments(kind.members(), given)) if _is_group(kind) else given[name]
        for name, kind in kinds.items()
    }


ALIASES = {"speakers": "test_speakers", "share": "test_share", "test": "test_corpora"}
"""Options by the names of a protocol's settings, where these differ."""


def with_option(error: Exception, arguments: Sequence[str]) -> str:
    """Return the message of an error, with the option that gave the value of a parameter, if one did.

    Examples
    --------
    >>> with_option(SettingsError("folds is 99; expected 2 to 10", parameter="folds"), ["evaluate", "--folds=99"])
    'folds is 99; expected 2 to 10 (--folds)'
    """
    parameter = getattr(error, "parameter", None)
    if parameter is None:
        return str(error)
    flag = "--" + ALIASES.get(parameter, parameter).replace("_", "-")
    given = any(argument.split("=")[0] == flag for argument in arguments)
    return f"{error} ({flag})" if given and flag not in str(error) else str(error)


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take groups of options as arguments."""
    hints = get_type_hints(command, include_extras=True)
    hints.pop("return")
    shown: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if _is_group(hints[name]):
            shown += _parameters(hints[name])
        else:
            shown.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[name]))

    def flat(**given: Any) -> None:
        command(**_arguments(hints, given))

    flat.__name__, flat.__doc__ = command.__name__, command.__doc__
    flat.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
    flat.__annotations__ = {parameter.name: parameter.annotation for parameter in shown}
    return flat
