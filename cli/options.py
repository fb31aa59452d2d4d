"""The options that several commands share, in groups."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from fusionser.errors import SettingsError

from .console import say
from .known_names import check_names
from .option_checks import (
    EXACT,
    allow_downloads,
    check_channel,
    check_jobs,
    check_labels,
    check_saved_settings,
    decode_apart,
    set_threads,
    use_cluster,
    use_workers,
)
from .option_groups import Group, names, option
from .option_texts import (
    ADAPTATION_HELP,
    AUGMENT_CLASSES_HELP,
    AUGMENT_FOR_HELP,
    BLOCKS_HELP,
    CHANNEL_HELP,
    CLUSTER_HELP,
    DOWNLOAD_HELP,
    ISOLATE_HELP,
    JOBS_HELP,
    LABELS_HELP,
    LAYOUT_HELP,
    MAP_HELP,
    MEMORY_LIMIT_HELP,
    PARTS_HELP,
    PRECISION_HELP,
    PROCESSES_HELP,
    PROTOCOL_HELP,
    RATERS_HELP,
    RENAME_HELP,
    SCALING_HELP,
    SEED_HELP,
    SETTING_HELP,
    SOFT_LABELS_HELP,
    TARGETS_HELP,
    TRAINING_DEVICE_HELP,
    TRUNCATED_HELP,
    WEIGHTS_HELP,
    WORKERS_HELP,
)

SEEDS: dict[str, Any] = {"min": 0, "max": 2**32 - 1}
Places = Annotated[
    list[Path],
    typer.Argument(help="Folders of recordings, rows tables (.csv, .parquet), features files, or datasets."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


def _given(group: "Group", *members: str, **more: Any) -> dict[str, Any]:
    """Return some options of a group and further values, without those that are None."""
    values = {name: getattr(group, name) for name in members} | more
    return {name: value for name, value in values.items() if value is not None}


class Settings(Group):
    """A settings file to read, and one to write."""

    panel = "Settings"
    config: Path | None = option("Read settings from a .toml file or a result.json; options override them.")
    save_config: Path | None = option("Write the settings to this TOML file.", callback=check_saved_settings)

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
            resolved = resolve(config.pipeline, places)
            of_a_file = resolved.features.blocks and not config.pipeline.features.blocks
            config = config.changed(pipeline=resolved if of_a_file else config.pipeline.explicit())
            config.save(self.save_config)


class Input(Group):
    """The recordings to use."""

    panel = "Input"
    corpus: str | None = option(
        "Corpus of each folder, comma-separated: {corpora}, or folders for others, where folders or files are named by "
        "emotion. By default recognised, as datasets are ({dataset_formats}).",
        main=True,
        callback=check_names("corpora", several=True),
    )
    layout: str | None = option(LAYOUT_HELP)
    classes: str | None = option("Emotions to keep, comma-separated; by default all.", main=True)
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
        if layout is not None and not {None, FOLDERS} & set(each):
            raise SettingsError(f"--layout is '{layout}'; it is for folders of no known corpus, --corpus folders")
        columns = named_columns(self.columns)
        each = [_recognised(place, layout) if name is None else name for place, name in zip(places, each, strict=True)]
        return [
            Place(
                place,
                name,
                layout if name in (None, FOLDERS) else None,
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


def _recognised(place: Path, layout: str | None) -> str | None:
    """Return the corpus of a folder by the names of its recordings, and say which one it is."""
    from fusionser.corpora import CORPORA, corpus_of_folder
    from fusionser.storage import called

    name = corpus_of_folder(place, layout)
    if name is not None:
        title = CORPORA[name].card.title
        say(f"{called(place)}: read as --corpus {name}, since its recordings are named like those of {title}")
    return name


class FrontEnd(Group):
    """The features to extract from a recording."""

    panel = "Features"
    preset: str | None = option(
        "Named set of features, by default robust: {presets}. best is more accurate than robust on RAVDESS, and "
        "trains two networks.",
        main=True,
        callback=check_names("presets"),
    )
    blocks: str | None = option(BLOCKS_HELP, main=True, callback=check_names("blocks", several=True))
    own_columns: str | None = option(
        "Numeric columns of the tables to use as a block, beside a preset or blocks, or alone, comma-separated: "
        "names, or patterns such as 'smile__*'.",
        flag="--columns",
    )
    network: str | None = option(
        "Network that answers by itself, without features: {networks}.", callback=check_names("networks")
    )
    gender: str | None = option(
        "Gender as a feature: {gender_features}. given reads the labels, estimated (the default where a preset has it) "
        "the voice.",
        callback=check_names("gender_features"),
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
        # A network that classifies by itself also replaces the classifier and the fusion of a settings file.
        parts = {"classifier": type(spec.classifier)(), "fusion": None, "networks": spec.networks.changed(cross_fit=0)}
        unused = {
            "classifier": spec.network is None and bool(spec.classifier.model_fields_set),
            "fusion": spec.fusion is not None,
            "networks.cross_fit": spec.networks.cross_fit > 0,
        }
        if left := [name for name, given in unused.items() if given]:
            say(f"note: --network answers by itself, so these settings of the file are not used: {', '.join(left)}")
        return spec.changed(features=features, network=network, **parts)


class Training(Group):
    """What is trained on the features."""

    panel = "Classifier"
    classifier: str | None = option(
        "Classifier of the features, by default svm, or kernel-ridge for the preset best: {classifiers}.",
        main=True,
        callback=check_names("classifiers"),
    )
    fusion: str | None = option(
        "{fusions}. early, the default of most features, gives all columns to the classifier; the others fuse the "
        "probabilities (with --targets, the predicted numbers) of the classifier, of each network and of one more "
        "classifier per block of Fisher vectors; if there are neither, of one per block. The "
        "default of the preset best is average.",
        callback=check_names("fusions"),
    )
    cross_fit: int | None = option(
        "Number of inner folds from which training rows get their class scores or predicted numbers; 0 is none."
    )
    scaling: str | None = option(SCALING_HELP, callback=check_names("scalings"))
    equal_blocks: bool | None = option(
        "Give every block of features the same weight.", flag="--equal-blocks/--unequal-blocks"
    )
    augment: str | None = option(
        "Kinds of augmented copies of the training clips, comma-separated: {augmentations}.",
        callback=check_names("augmentations", several=True),
    )
    copies: int | None = option("Copies per training clip, where --augment names any kind.", min=1, max=100)
    imbalance: str | None = option(
        "Balancing strategy: {imbalance}. {row_balancings} act on rows, {column_balancings} on fused columns. See also "
        "--drop-classes.",
        callback=check_names("imbalance"),
    )
    impose_imbalance: float | None = option(
        "Leave out training rows until the largest class is this many times the smallest, in a long tail."
    )
    augment_classes: str | None = option(AUGMENT_CLASSES_HELP, callback=check_names("copied_classes"))
    augment_for: str | None = option(AUGMENT_FOR_HELP, callback=check_names("copies_for"))
    soft_labels: bool | None = option(SOFT_LABELS_HELP, flag="--soft-labels/--hard-labels")
    tune: bool | None = option(
        "Choose parameters of the classifier from its grid, by inner folds of the training speakers.",
        flag="--tune/--fixed",
    )
    tune_trials: int | None = option(
        "Choose parameters of the classifier and of networks by so many trials of a search, instead of the grid of "
        "--tune.",
        min=1,
    )
    epochs: int | None = option("Epochs of every network, instead of its own number.", min=1, main=True)
    precision: str | None = option(PRECISION_HELP, callback=check_names("precisions"))
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
        rows = _given(
            self, "copies", "imbalance", "impose_imbalance", "augment_classes", "augment_for", augment=augment
        )
        if self.augment == "":
            # So do the settings that are only for copies.
            rows = {"augment_classes": "all", "augment_for": "all", **rows}
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
        given = _given(self, "scaling", "equal_blocks", "tune", name=self.classifier)
        if self.tune_trials is not None:
            if self.tune is False:
                raise SettingsError("--fixed asks for no search, but --tune-trials for one; leave one of them out")
            given = {"tune": True, **given, "trials": self.tune_trials}
        elif self.tune is not None:
            # --tune asks for the grid, and --fixed for no search, whatever the settings file has.
            given["trials"] = None
        return spec.changed(**given)


class Split(Group):
    """How the rows are split, apart from the name of the protocol."""

    panel = "Protocol"
    folds: int | None = option("Number of folds.", main=True)
    split: str | None = option("Folds that papers on the corpus use, such as five-folds of RAVDESS.")
    test_speakers: str | None = option("Speakers of a hold-out, comma-separated.")
    test_share: float | None = option("Share of a hold-out, 0 to 1.")
    stratified: bool = option("Equal shares of the emotions in random splits.", False, "--stratified")
    test_corpora: str | None = option("Corpora to test on, for protocols over several corpora.")
    train_corpora: str | None = option("Corpora to train on, for cross-corpus; by default all others.")

    def over(self, config: Any, name: str | None, default: str, seed: int | None) -> Any:
        """Return the settings with the given protocol."""
        from fusionser.spec import ProtocolSpec

        stored = config.protocol
        # Published folds are a protocol of their own, or those of one to which other corpora are added.
        takes_splits = stored is not None and stored.name in ("published-folds", "speaker-kfold-added-corpora")
        chosen = name or ("published-folds" if self.split and not takes_splits else stored.name if stored else default)
        settings = dict(stored.settings) if stored and stored.name == chosen else {}
        if seed is not None:
            settings.pop("seed", None)
        for given_value, replaced in ((self.test_share, "speakers"), (self.split, "folds"), (self.folds, "split_name")):
            if given_value is not None:
                settings.pop(replaced, None)
        given = _given(
            self,
            "folds",
            split_name=self.split,
            speakers=names(self.test_speakers, "--test-speakers") or None,
            share=self.test_share,
            stratified=self.stratified or None,
            test=names(self.test_corpora, "--test-corpora") or None,
            train=names(self.train_corpora, "--train-corpora") or None,
        )
        return config.changed(protocol=ProtocolSpec(name=chosen, settings=settings | given))


class Work(Group):
    """How a command runs, and whether it prints JSON."""

    jobs: int = option(JOBS_HELP, -1, callback=check_jobs, main=True)
    threads: int | None = option(
        "Threads for training a network, by default one per core. The last digits of a score depend on it.",
        min=1,
        max=1024,
        callback=set_threads,
    )
    workers: int | None = option(WORKERS_HELP, callback=use_workers)
    cluster: str | None = option(CLUSTER_HELP, callback=use_cluster)
    cache: bool = option("Keep features between runs.", True, "--cache/--no-cache")
    json: bool = option("Print JSON on standard output.", False, "--json", main=True)


class NetworkWork(Group):
    """How networks are trained on this machine."""

    panel = "Run"
    processes: int = option(PROCESSES_HELP, 1, min=1, max=1024)
    memory_limit: str | None = option(MEMORY_LIMIT_HELP)


class ReportFormats(Group):
    """Formats of a report besides its page."""

    panel = "Report"
    tables: str | None = option(
        "Also write each table to a file in the folder tables/ of the report, comma-separated: {table_formats}.",
        callback=check_names("table_formats", several=True),
    )
    figures: str | None = option(
        "Also write each figure beside its PNG, comma-separated: {figure_formats}.",
        callback=check_names("figure_formats", several=True),
    )

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
    networks: NetworkWork
    protocol: str | None = option(PROTOCOL_HELP, main=True, callback=check_names("protocols"))
    setting: str | None = option(SETTING_HELP, callback=check_names("settings"))
    adaptation: str | None = option(ADAPTATION_HELP, callback=check_names("adaptations"))
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
