"""The tables of one evaluation of numbers."""

from fusionser.dimension_results import MEAN, Agreement, DimensionResult, method_of
from fusionser.names import corpus_text
from fusionser.reporting.scores import AGREEMENT_NAMES, agreement_interval, agreement_text
from fusionser.reporting.tables.cells import NOTHING, chosen, count, facts_of, number, protocol_notes
from fusionser.reporting.tables.result import report_name
from fusionser.reporting.tables.table import Cell, Column, Row, Table

__all__ = ["dimension_tables"]

Cells = list[Cell | str]

SPEAKERS = "95 % interval over speakers"


def dimension_tables(result: DimensionResult) -> dict[str, Table]:
    """Return the tables of an evaluation of numbers, by name; those that would be empty are left out."""
    made = [_scores(result), _by_fold(result), _by_speaker(result), _set_aside(result)]
    return {table.name: table for table in made if table.rows}


def _table(result: DimensionResult, name: str, caption: str, columns: list[Column], rows: list[Cells]) -> Table:
    return Table(
        name=name,
        report=report_name(result),
        caption=f"{caption} of {method_of(result)} with {result.features_name} on {corpus_text(result.corpus)}",
        notes=["CCC: concordance correlation coefficient", *protocol_notes(result)],
        columns=columns,
        rows=[Row(cells) for cells in rows],
        facts={"features_name": result.features_name, "decided_by": method_of(result), **facts_of(result)},
    )


def _agreement_columns(interval: str | None = None) -> list[Column]:
    return [Column(name=label, measure=name, interval=interval) for name, label in AGREEMENT_NAMES.items()]


def _agreed(scores: Agreement) -> Cells:
    return [_cell(getattr(scores, name)) for name in AGREEMENT_NAMES]


def _cell(value: float | None, interval: tuple[float, float] | None = None, shown: str = "-") -> Cell:
    return NOTHING if value is None else Cell(agreement_text(value), value, interval, shown)


def _scores(result: DimensionResult) -> Table:
    rows: list[Cells] = []
    for target in [*result.targets, MEAN] if len(result.targets) > 1 else result.targets:
        ends = None if result.intervals is None else result.intervals[target]
        rows.append(
            [
                target,
                *(
                    _cell(
                        getattr(result.pooled[target], name),
                        None if ends is None else ends[name],
                        agreement_interval(result, target, name),
                    )
                    for name in AGREEMENT_NAMES
                ),
            ]
        )
    heading = SPEAKERS if result.intervals else "interval"
    return _table(result, "scores", "Scores", [Column(name="target"), *_agreement_columns(heading)], rows)


def _by_fold(result: DimensionResult) -> Table:
    known, searched = result.protocol.speakers_known, any(fold.parameters for fold in result.folds)
    columns = [
        Column(name="fold"),
        Column(name="target"),
        *(Column(name=name, measure=name) for name in ("training rows", "test rows")),
        *([Column(name="test speakers", measure="test speakers")] if known else []),
        *_agreement_columns(),
        Column(name="fit, s", measure="fit_seconds"),
        *([Column(name="chosen parameters")] if searched else []),
    ]
    rows: list[Cells] = [
        [
            fold.name,
            target,
            count(fold.train_rows),
            count(fold.test_rows),
            *([count(fold.test_speakers)] if known else []),
            *_agreed(fold.scores[target]),
            number(fold.fit_seconds, ".1f"),
            *([chosen(fold)] if searched else []),
        ]
        for fold in result.folds
        for target in result.targets
    ]
    return _table(result, "by-fold", "Scores by fold", columns, rows)


def _by_speaker(result: DimensionResult) -> Table:
    rows: list[Cells] = [
        [speaker, target, *_agreed(scores[target])]
        for speaker, scores in result.speakers.items()
        for target in result.targets
    ]
    columns = [Column(name="speaker"), Column(name="target"), *_agreement_columns()]
    return _table(result, "by-speaker", "Scores by speaker", columns, rows)


def _set_aside(result: DimensionResult) -> Table:
    rows: list[Cells] = [[entry["file"], entry["reason"]] for entry in result.quarantine]
    columns = [Column(name="file"), Column(name="reason")]
    return _table(result, "set-aside", "Recordings set aside in the evaluation", columns, rows)
