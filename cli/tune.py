"""The command ``fusionser tune``."""

from pathlib import Path
from typing import Any

from fusionser.errors import SettingsError

from .console import print_json, print_table, say, training_bar, write, write_report_place
from .option_checks import check_out_folder, refuse_inputs
from .option_groups import names, option
from .options import Experiment, Places, ReportFormats
from .preparing import prepare_experiment

SHOWN = 5
"""Trials in the printed table."""


class Asked(Experiment):
    """The options of the command."""

    out: Path = option(
        "Folder for the journal of trials, best.toml, trials.csv and report.html. With a journal of the same search, "
        "the search goes on.",
        ...,
        panel="Options",
        callback=check_out_folder,
        main=True,
    )
    trials: int = option("Number of trials, with those of earlier runs.", 40, panel="Options", min=1, main=True)
    minutes: float | None = option("Minutes after which no further trial begins.", panel="Options", main=True)
    space: Path | None = option(
        "TOML file with ranges and choices that replace those of the classifier and the networks, such as "
        "'classifier.C = [1, 10]' or 'blocks.conv2d.dropout = [0.1, 0.2]'.",
        panel="Options",
        main=True,
    )
    leave_out_speakers: str | None = option(
        "Speakers that the search does not see, comma-separated; best.toml then has them as the test speakers.",
        panel="Options",
        main=True,
    )
    inner_folds: int = option("Most inner folds; whole speakers are held out.", 4, panel="Options", min=2)
    pruning: bool = option("Stop trials whose mean UAR so far is below the median.", True, panel="Options")
    formats: ReportFormats


def tune(places: Places, asked: Asked) -> None:
    """Search the parameters of a classifier and of networks by the UAR on inner folds of the speakers.

    Run again, it goes on; several processes can work at one search.
    """
    from fusionser.pipeline import analyse_augmented
    from fusionser.pipeline.parameter_space import read_space
    from fusionser.pipeline.speakers import leave_out_speakers
    from fusionser.pipeline.trial_search import optuna_package
    from fusionser.reporting.tuning import write_tuning
    from fusionser.tuning import Search, tune_prepared
    from fusionser.tuning.study import USER

    optuna_package(USER)
    refuse_inputs(asked.out, places)
    formats, config = asked.formats.chosen(asked.out), _config(asked)
    search = Search(
        trials=asked.trials,
        folds=asked.inner_folds,
        space=None if asked.space is None else read_space(asked.space),
        pruning=asked.pruning,
        minutes=asked.minutes,
        workers=asked.run.workers or 1,
    )
    prepared, _, resources = prepare_experiment(asked, places, None, protocol="speaker-kfold")
    prepared, left_out = leave_out_speakers(prepared, names(asked.leave_out_speakers, "--leave-out-speakers"))
    prepared = analyse_augmented(prepared, resources=resources)
    with training_bar("trials") as progress:
        try:
            result = tune_prepared(
                prepared, asked.out, search, left_out=left_out, resources=resources, progress=progress
            )
        except KeyboardInterrupt:
            say(f"the trials so far are in {asked.out}; the same command goes on with them")
            raise
    page = write_tuning(result, config, asked.out, formats)
    if asked.run.json:
        print_json(result.model_dump(mode="json"))
        return
    _print_result(result)
    write(f"best parameters: {asked.out / 'best.toml'}")
    write_report_place(page, formats)


def _config(asked: Asked) -> Any:
    """Return the settings; refuse those that a search has no use for."""
    config = asked.config("speaker-kfold")
    if config.pipeline.classifier.tune:
        raise SettingsError(
            "--tune and --tune-trials search inside each fold of an evaluation, and this command searches by itself; "
            "leave them out"
        )
    return config


def _print_result(result: Any) -> None:
    from fusionser.reporting.tuning import headline, optimism, parameters_text

    print_table(
        f"best of {len(result.trials)} trials: {result.classifier} with {result.features_name}",
        ["trial", "inner UAR", "by inner fold", "parameters"],
        [
            [
                trial.number,
                f"{100 * trial.score:.1f}",
                " ".join(f"{100 * score:.1f}" for score in trial.scores),
                parameters_text(trial),
            ]
            for trial in result.complete[:SHOWN]
        ],
        numbers=["inner UAR"],
    )
    write(headline(result))
    write(optimism(result))
