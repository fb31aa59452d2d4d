"""The tables of one evaluation."""

from collections.abc import Sequence

from fusionser.dimension_results import AnyResult, method_of
from fusionser.names import corpus_text
from fusionser.reporting.by_corpus import corpus_scores
from fusionser.reporting.scores import METRIC_NAMES, relied_columns
from fusionser.reporting.tables.cells import (
    PERCENT,
    chosen,
    count,
    facts_of,
    number,
    protocol_notes,
    score,
    score_columns,
    scored,
    share,
)
from fusionser.reporting.tables.table import Cell, Column, Row, Table
from fusionser.results import Result
from fusionser.studies.recipe import file_name

__all__ = ["importance_table", "report_name", "result_tables"]

SPEAKERS = "95 % interval over speakers"


def report_name(result: AnyResult) -> str:
    """Return the name of an evaluation, for labels of its tables."""
    return file_name("-".join([method_of(result), result.features_name, *result.corpora, result.protocol.name]))


def result_tables(result: Result) -> dict[str, Table]:
    """Return the tables of an evaluation, by name; those that would be empty are left out."""
    made = [
        _scores(result),
        _by_class(result),
        _confusion(result),
        _by_fold(result),
        _by_corpus(result),
        _by_speaker(result),
        importance_table(result),
        _set_aside(result),
    ]
    return {table.name: table for table in made if table.rows}


def _table(
    result: Result,
    name: str,
    caption: str,
    columns: list[Column],
    rows: list[list[Cell | str]],
    unit: Sequence[str] = (PERCENT,),
) -> Table:
    described = f"{caption} of {method_of(result)} with {result.features_name} on {corpus_text(result.corpus)}"
    return Table(
        name=name,
        report=report_name(result),
        caption=described,
        notes=[*unit, *protocol_notes(result)],
        columns=columns,
        rows=[Row(cells) for cells in rows],
        facts={"features_name": result.features_name, "decided_by": method_of(result), **facts_of(result)},
    )


def _scores(result: Result) -> Table:
    rows: list[list[Cell | str]] = []
    for name, label in METRIC_NAMES.items():
        cell = score(result, name)
        rows.append([label, Cell(f"{cell.text} %", cell.exact, cell.interval, cell.interval_text)])
    if result.calibration_error is not None:
        rows.append(["calibration error", share(result.calibration_error, why="", unit=" %")])
    heading = SPEAKERS if result.intervals else "interval"
    columns = [Column(name=""), Column(name="pooled", measure="pooled", interval=heading)]
    return _table(result, "scores", "Scores", columns, rows)


def _by_class(result: Result) -> Table:
    columns = [
        Column(name="emotion"),
        *(Column(name=name, measure=name) for name in ("precision", "recall", "F1", "support")),
    ]
    rows: list[list[Cell | str]] = [
        [name, share(one.precision), share(one.recall), share(one.f1), count(one.support)]
        for name, one in result.per_class.items()
    ]
    return _table(result, "by-class", "Scores by class", columns, rows)


def _confusion(result: Result) -> Table:
    columns = [Column(name="true"), *(Column(name=name, measure=f"predicted {name}") for name in result.classes)]
    rows: list[list[Cell | str]] = [
        [name, *map(count, counts)] for name, counts in zip(result.classes, result.confusion, strict=True)
    ]
    return _table(result, "confusion", "Confusion matrix (counts, true classes by row)", columns, rows, unit=())


def _by_fold(result: Result) -> Table:
    known, searched = result.protocol.speakers_known, any(fold.parameters for fold in result.folds)
    columns = [
        Column(name="fold"),
        *(Column(name=name, measure=name) for name in ("training rows", "test rows")),
        *([Column(name="test speakers", measure="test speakers")] if known else []),
        *score_columns(),
        Column(name="fit, s", measure="fit_seconds"),
        *([Column(name="chosen parameters")] if searched else []),
    ]
    rows: list[list[Cell | str]] = [
        [
            fold.name,
            count(fold.train_rows),
            count(fold.test_rows),
            *([count(fold.test_speakers)] if known else []),
            *scored(fold.scores),
            number(fold.fit_seconds, ".1f"),
            *([chosen(fold)] if searched else []),
        ]
        for fold in result.folds
    ]
    return _table(result, "by-fold", "Scores by fold", columns, rows)


def _by_corpus(result: Result) -> Table:
    columns = [
        Column(name="corpus"),
        Column(name="speakers", measure="speakers"),
        *score_columns("interval of UAR"),
    ]
    rows: list[list[Cell | str]] = [
        [
            name,
            count(place.speakers),
            share(place.scores.war),
            share(place.scores.uar, place.intervals["uar"] if place.intervals else None),
            share(place.scores.macro_f1),
        ]
        for name, place in corpus_scores(result).items()
    ]
    return _table(result, "by-corpus", "Scores by corpus", columns, rows)


def _by_speaker(result: Result) -> Table:
    rows: list[list[Cell | str]] = [[name, *scored(scores)] for name, scores in result.speakers.items()]
    return _table(result, "by-speaker", "Scores by speaker", [Column(name="speaker"), *score_columns()], rows)


def importance_table(result: Result, name: str = "importance", interval: str = "95 % interval") -> Table:
    """Return the UAR that is lost when columns are shuffled, in points."""
    rows: list[list[Cell | str]] = [[columns, share(loss, ends)] for columns, loss, ends in relied_columns(result)]
    columns = [Column(name="columns"), Column(name="points lost", measure="uar_lost", interval=interval)]
    return _table(result, name, "Points of UAR lost when columns are shuffled,", columns, rows)


def _set_aside(result: Result) -> Table:
    rows: list[list[Cell | str]] = [[entry["file"], entry["reason"]] for entry in result.quarantine]
    return _table(
        result,
        "set-aside",
        "Recordings set aside in the evaluation",
        [Column(name="file"), Column(name="reason")],
        rows,
    )
