"""The command ``fusionser evaluate``."""

from pathlib import Path
from typing import Any

from fusionser.errors import SettingsError

from .console import print_json, print_table, training_bar, write, write_report_place
from .known_names import check_names
from .option_checks import check_out_folder, refuse_inputs
from .option_groups import option
from .option_texts import IMPORTANCE_HELP, STREAM_HELP
from .options import Experiment, Places, ReportFormats, Tracking, record
from .preparing import prepare_protocol

SHOWN_NOTES = ("parameters-searched", "partial-corpus", "labels-renamed", "windows", "majority-labels")
"""Kinds of notes that are printed beside the stamps."""


PLAYERS = 5
"""Misclassified recordings in a report where no number is given."""


class Asked(Experiment):
    """The options of the command."""

    importance: str | None = option(IMPORTANCE_HELP, panel="Options", callback=check_names("importance"))
    out: Path | None = option(
        "Folder for the report (report.html, report.md), result.json, predictions.csv and pictures.",
        panel="Options",
        callback=check_out_folder,
        main=True,
    )
    players: int | None = option(
        "With --out: number of misclassified recordings in report.html, to listen to, by default 5; 0 for none.",
        panel="Options",
        min=0,
        max=50,
    )
    formats: ReportFormats
    stream: bool = option(STREAM_HELP, False, "--stream", panel="Run")
    tracking: Tracking


def evaluate(places: Places, asked: Asked) -> None:
    """Score a classifier under a protocol: WAR, UAR, macro F1, with intervals over speakers.

    With --targets, a regressor: CCC, Pearson's correlation, MSE.
    """
    from fusionser.jobs import check_importance, evaluate_prepared
    from fusionser.names import DIMENSIONS

    if asked.players is not None and asked.out is None:
        raise SettingsError("--players has no effect without --out FOLDER, where the report is written; give both")
    refuse_inputs(asked.out, places)
    formats, trackers = asked.formats.chosen(asked.out), asked.tracking.opened()
    prepared, split, resources = prepare_protocol(
        asked, places, stream=asked.stream, check_spec=lambda spec: check_importance(spec, asked.importance)
    )
    if prepared.spec.task == DIMENSIONS:
        _evaluate_dimensions(asked, prepared, split, resources, formats, trackers)
        return
    with training_bar("folds") as progress:
        result, evaluation = evaluate_prepared(
            prepared, split, importance=asked.importance, resources=resources, progress=progress
        )
    page = None
    if asked.out is not None:
        from fusionser.reporting.page import write_report

        heard = PLAYERS if asked.players is None else asked.players
        page = write_report(result, evaluation, asked.out, formats, heard=heard)
    if asked.run.json:
        print_json(result.model_dump(mode="json"))
    else:
        _print_result(result)
        if page is not None:
            write_report_place(page, formats)
    if trackers:
        _record(trackers, result, evaluation, asked.out)


def _record(trackers: list[Any], result: Any, evaluation: Any, out: Path | None) -> None:
    """Record the files of the report, or, without one, the result alone."""
    from fusionser.folders import brief_folder
    from fusionser.reporting.page import report_files
    from fusionser.tracking.runs import result_run

    with brief_folder() as folder:
        files = [result.save(folder / "result.json")] if out is None else report_files(out)
        record(trackers, result_run(result, evaluation.curves, files))


def _evaluate_dimensions(
    asked: Asked, prepared: Any, split: Any, resources: Any, formats: Any, trackers: list[Any]
) -> None:
    """Score a regressor, and print the scores."""
    from fusionser.jobs import evaluate_dimensions_prepared

    from .dimensions import print_dimensions

    with training_bar("folds") as progress:
        result, evaluation = evaluate_dimensions_prepared(prepared, split, resources=resources, progress=progress)
    page = None
    if asked.out is not None:
        from fusionser.reporting.dimensions import write_dimension_report

        page = write_dimension_report(result, evaluation, asked.out, formats)
    if asked.run.json:
        print_json(result.model_dump(mode="json"))
    else:
        print_dimensions(result)
        if page is not None:
            write_report_place(page, formats)
    if trackers:
        _record(trackers, result, evaluation, asked.out)


def _percent(*shares: float) -> list[str]:
    return [f"{100 * share:.1f}" for share in shares]


def _print_result(result: Any) -> None:
    from fusionser.dimension_results import method_of
    from fusionser.names import corpus_text
    from fusionser.reporting.page import headline
    from fusionser.reporting.scores import METRIC_NAMES, is_synthetic, relied_columns, score_interval
    from fusionser.reporting.words import calibration, protocol_text, selection_of, stamp_texts

    if is_synthetic(result):
        write("SYNTHETIC RECORDINGS: these scores only show that the tools work, and say nothing about speech.")
    print_table(
        f"{method_of(result)} on {corpus_text(result.corpus)}, {result.features_name} ({result.feature_count} columns)",
        ["score", "%", "95 % interval over speakers"],
        [
            [label, *_percent(getattr(result.pooled, name)), score_interval(result, name)]
            for name, label in METRIC_NAMES.items()
        ]
        + ([] if result.calibration_error is None else [["calibration error", calibration(result), ""]]),
        numbers=["%"],
    )
    print_table(
        "by class",
        ["emotion", "precision", "recall", "F1", "support"],
        [
            [name, *_percent(scores.precision, scores.recall, scores.f1), scores.support]
            for name, scores in result.per_class.items()
        ],
        numbers=["precision", "recall", "F1", "support"],
    )
    _print_corpora(result)
    if result.intervals is None and result.speakers and result.protocol.speakers_known:
        print_table(
            "by speaker (fewer than eight, so each is shown)",
            ["speaker", "WAR", "UAR"],
            [[name, *_percent(scores.war, scores.uar)] for name, scores in result.speakers.items()],
            numbers=["WAR", "UAR"],
        )
    if result.importance:
        print_table(
            "what the classifier relies on: points of UAR that a test speaker loses when columns are shuffled",
            ["columns", "points lost", "95 % interval"],
            [
                [name, *_percent(loss), "-" if ends is None else " to ".join(_percent(*ends))]
                for name, loss, ends in relied_columns(result)
            ],
            numbers=["points lost"],
        )
    protocol = result.protocol
    data = [note for note in result.notes if note.kind in SHOWN_NOTES]
    stamps = "; ".join([protocol.known, selection_of(result), *stamp_texts([*protocol.stamps, *data])])
    write(f"{protocol_text(result)}; {stamps}; seed {result.seed}")
    write(headline(result))


def _print_corpora(result: Any) -> None:
    """Print the scores in each corpus, if several were tested."""
    from fusionser.reporting.by_corpus import corpus_scores
    from fusionser.reporting.words import shares

    if places := corpus_scores(result):
        print_table(
            "by tested corpus",
            ["corpus", "speakers", "WAR", "UAR", "95 % interval of UAR"],
            [
                [
                    name,
                    place.speakers,
                    *_percent(place.scores.war, place.scores.uar),
                    shares((place.intervals or {}).get("uar")),
                ]
                for name, place in places.items()
            ],
            numbers=["speakers", "WAR", "UAR"],
        )
