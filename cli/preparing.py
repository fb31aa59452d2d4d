"""What commands that need features do first."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from fusionser.errors import SettingsError

from .console import progress_bar, say, step_bar, warn_quarantine
from .options import Experiment, Input, NetworkWork, Work

ChooseSplit = Callable[[Any, Any, int], Any]


def make_resources(device: str, work: Work, networks: NetworkWork | None = None) -> Any:
    """Return where the command's work runs; spectra are computed on a GPU only if it is named."""
    from fusionser.cache import Cache
    from fusionser.folders import temporary_folder
    from fusionser.pipeline import Resources

    where = "cpu"
    if device not in ("auto", "cpu"):
        where = _feature_device(device)
    # A temporary cache, so that nothing is computed twice within a run.
    cache = Cache.default() if work.cache else Cache(temporary_folder())
    trained = {} if networks is None else vars(networks)
    return Resources(device=device, feature_device=where, n_jobs=work.jobs, cache=cache, **trained)


def _feature_device(name: str) -> str:
    """Return where spectra are computed; raise `SettingsError` if there is no such device where the work runs."""
    from fusionser.execution import Processes, current_executor
    from fusionser.networks import feature_device

    executor = current_executor() or Processes(1)
    found = set(executor.on_each(partial(feature_device, name), gpu=True).values())
    # One name is sent to all workers.
    return found.pop() if len(found) == 1 else name


def _check_device_here(name: str) -> None:
    """Raise `SettingsError` if this machine lacks a device: a model that is kept is fitted here, not on a cluster."""
    if name not in ("auto", "cpu"):
        from fusionser.networks import choose_device

        choose_device(name)


def say_slow_precision(precision: str | None, device: str, work: Work) -> None:
    """Say that training in bfloat16 takes longer than in float32, if it does on this machine."""
    # On a cluster, other machines train.
    if precision == "bfloat16" and work.cluster is None:
        from fusionser.networks import computes_bfloat16

        if not computes_bfloat16(device):
            say(
                "note: the processor of this machine does not support bfloat16, so networks train more slowly in it "
                "than in float32"
            )


def corpus_places(corpora: Iterable[str], named: list[str] | None) -> dict[str, Path]:
    """Return the folders of corpora: those under $FUSIONSER_DATA, and those given as ``corpus=folder``."""
    from fusionser.corpora.data_folder import data_folder, find_corpora
    from fusionser.corpora.places import named_places

    return {**find_corpora(corpora, data_folder()), **named_places(named or [])}


def prepare_places(
    job: Callable[..., Any], places: list[Any], config: Any, given: Input, resources: Any, **more: Any
) -> Any:
    """Call `prepare` with a progress bar, and report the recordings that were set aside."""
    from fusionser.reporting.words import stamp_texts

    with progress_bar("features") as progress:
        prepared = job(
            places,
            config.pipeline,
            classes=config.classes,
            dropped=config.drop_classes,
            labels=config.labels,
            exact_labels=config.exact_labels,
            raters=config.raters,
            resources=resources,
            progress=progress,
            strict=given.strict,
            **more,
        )
    warn_quarantine(prepared.quarantine, stamp_texts(prepared.notes))
    return prepared


def extract_places(
    job: Callable[..., Any], places: list[Any], config: Any, given: Input, resources: Any, out: Path, windows: Any
) -> Any:
    """Call `extract_file` or `extract_dataset`, as `prepare_places` calls `prepare`."""
    from fusionser.pipeline import Wishes
    from fusionser.reporting.words import stamp_texts

    wishes = Wishes(config.classes, config.drop_classes, config.labels, config.exact_labels, config.raters, windows)
    with progress_bar("features") as progress:
        extracted = job(
            places, config.pipeline, out, wishes, resources=resources, progress=progress, strict=given.strict
        )
    warn_quarantine(extracted.quarantine, stamp_texts(extracted.notes))
    return extracted


def prepare_experiment(
    asked: Experiment,
    places: list[Path],
    choose_split: ChooseSplit | None,
    *,
    protocol: str,
    all_rows: bool = False,
    stream: bool | None = None,
    check_spec: Callable[[Any], None] | None = None,
) -> tuple[Any, Any, Any]:
    """Prepare rows with features for training; return them, their protocol, and where the work runs.

    `choose_split` makes the protocol from its specification, the rows and the seed; None, if there is none. `protocol`
    is the default name. `all_rows` is whether all rows are trained on, and not only the training rows of the protocol.
    `stream` is whether the features are read part by part; None, if the command cannot. `check_spec` raises an error
    for specifications that the command refuses.
    """
    from fusionser.pipeline import analyse_augmented, build_estimator, build_features, prepare, resolve, searched_stamps
    from fusionser.pipeline.estimator import untried_values
    from fusionser.pipeline.trial_search import USER, optuna_package

    config = asked.config(protocol)
    if check_spec is not None:
        check_spec(config.pipeline)
    paired = asked.given.pair(places)
    asked.settings.say_default(config, paired)
    asked.settings.save(config, paired)
    if all_rows:
        _check_device_here(asked.training.device)
    resources = make_resources(asked.training.device, asked.run, asked.networks)
    if stream:
        prepared = _streamed(paired, config, asked.given)
        _check_network_options(prepared.spec, prepared.extractor, resources)
        split = _split(asked, config, prepared, choose_split)
        prepared.notes.extend(searched_stamps(config.searched, prepared.table, split))
        return prepared, split, resources
    if stream is not None:
        _note_many_rows(paired)
    # Wrong settings should fail here, before a long extraction.
    extractor = build_features(resolve(config.pipeline, paired))
    build_estimator(config.pipeline, extractor=extractor)
    if config.pipeline.classifier.trials is not None:
        optuna_package(USER)
    for name, tried in untried_values(config.pipeline, extractor).items():
        value = config.pipeline.classifier.parameters[name]
        say(f"note: {name} = {value} of the settings file is not tried: the search chooses {name} from {tried}")
    _check_network_options(config.pipeline, extractor, resources)
    say_slow_precision(config.pipeline.networks.precision, asked.training.device, asked.run)
    prepared = prepare_places(
        prepare, paired, config, asked.given, resources, check_rows=_split_check(asked, config, choose_split)
    )
    split = _split(asked, config, prepared, choose_split)
    prepared.notes.extend(searched_stamps(config.searched, prepared.table, split))
    if prepared.spec.rows.augment:
        with progress_bar("augmented copies") as progress:
            prepared = analyse_augmented(prepared, None if all_rows else split, resources=resources, progress=progress)
    return prepared, split, resources


def _split_check(asked: Experiment, config: Any, choose: ChooseSplit | None) -> Callable[[Any], object] | None:
    """Return a check that the protocol that was asked for can split listed rows; None if none was.

    Some rows may turn out to be unusable, so it only refuses tables in which no speaker is known at all.
    """
    if choose is None or not _names_protocol(asked):
        return None

    def check(rows: Any) -> None:
        if (rows["speaker"] == "").all():
            protocol = choose(config.protocol, rows, config.pipeline.seed)
            if not protocol.random:
                protocol.named_folds(rows)

    return check


def _names_protocol(asked: Experiment) -> bool:
    return asked.protocol is not None or asked.settings.load().protocol is not None


def _split(asked: Experiment, config: Any, prepared: Any, choose: ChooseSplit | None) -> Any:
    """Return the split of the rows; None if none is wanted."""
    if choose is None:
        return None
    return choose(_protocol(asked, config, prepared), prepared.table, config.pipeline.seed)


def _protocol(asked: Experiment, config: Any, prepared: Any) -> Any:
    """Return the protocol: where none was named, and the speakers are unknown, a random one, with what that costs."""
    from fusionser.evaluation.evaluate import check_labels
    from fusionser.names import CLASSES
    from fusionser.pipeline.protocol import protocol_without_speakers, random_split_text

    if _names_protocol(asked):
        return config.protocol
    rows, by_class = prepared.table, prepared.spec.task == CLASSES
    if by_class:
        check_labels(rows)
    chosen = protocol_without_speakers(config.protocol, rows, stratified=by_class)
    if chosen.name != config.protocol.name:
        say(f"note: {random_split_text(chosen, rows)}")
    return chosen


def _streamed(places: list[Any], config: Any, given: Input) -> Any:
    """Prepare rows whose features stay in their files."""
    from fusionser.features.parts import FeatureFiles
    from fusionser.features.store import read_settings
    from fusionser.pipeline.streamed import prepare_streamed
    from fusionser.reporting.words import stamp_texts

    for place in places:
        if not place.path.exists():
            raise SettingsError(f"{place.path}: no such file; --stream reads features files")
        if read_settings(place.path) is None:
            raise SettingsError(
                f"--stream reads features files, but {place.path} is none; write one with 'fusionser extract'"
            )
    refused = {
        "--corpus": given.corpus,
        "--map": given.columns,
        "--parts": given.parts,
        "--channel": given.channel,
        "--accept-truncated": given.accept_truncated,
    }
    for option in (name for name, value in refused.items() if value):
        raise SettingsError(f"{option} has no effect with --stream, which reads features files alone; leave it out")
    with step_bar("rows"):
        prepared = prepare_streamed(
            FeatureFiles([place.path for place in places]),
            config.pipeline,
            classes=config.classes,
            dropped=config.drop_classes,
            labels=config.labels,
            exact_labels=config.exact_labels,
            raters=config.raters,
            strict=given.strict,
        )
    warn_quarantine(prepared.quarantine, stamp_texts(prepared.notes))
    return prepared


MANY_ROWS = 100_000
"""Rows of features files above which a note tells of --stream; they take about a gigabyte of memory."""


def _note_many_rows(places: list[Any]) -> None:
    """Say that features files with many rows can be read part by part."""
    from fusionser.features.parts import FeatureFiles
    from fusionser.features.store import read_settings

    files = [place.path for place in places if read_settings(place.path) is not None]
    rows = FeatureFiles(files).rows if files else 0
    if rows > MANY_ROWS:
        say(
            f"note: {rows} rows are read into memory; --stream reads them part by part, for --classifier "
            "linear-svm and xgboost"
        )


def prepare_protocol(
    asked: Experiment,
    places: list[Path],
    *,
    stream: bool | None = None,
    check_spec: Callable[[Any], None] | None = None,
) -> tuple[Any, Any, Any]:
    """Prepare rows as `prepare_experiment` does, for a protocol by its name; by default `speaker-kfold`."""
    from fusionser.pipeline import choose_protocol

    return prepare_experiment(
        asked,
        places,
        lambda wanted, rows, seed: choose_protocol(wanted.name, rows, wanted.settings, seed=seed),
        protocol="speaker-kfold",
        stream=stream,
        check_spec=check_spec,
    )


def _check_network_options(spec: Any, extractor: Any, resources: Any) -> None:
    """Raise `SettingsError` if an option for networks has no effect."""
    from fusionser.pipeline.build import unused_network_options

    for name in unused_network_options(spec, extractor, resources):
        raise SettingsError(
            f"--{name.replace('_', '-')} has no effect, because there is no network that takes it; leave it out, or "
            "choose one with --network or --blocks ('fusionser list networks')"
        )
