"""The tables of a stress test."""

from collections.abc import Callable, Mapping

from fusionser.evaluation.stress import CLEAN, ConditionScores, StressResult
from fusionser.names import corpus_text
from fusionser.registry import CONDITIONS
from fusionser.reporting.tables.cells import NOTHING, count, points, share
from fusionser.reporting.tables.table import Cell, Column, Row, Table
from fusionser.reporting.words import percent, stamp_texts
from fusionser.studies.recipe import file_name

__all__ = ["answers_table", "stress_tables"]

MEASURED: Mapping[str, Callable[[float], str]] = {
    "kbps": "{:.1f} kbit/s with headers".format,
    "clipped": lambda share: f"{percent(share)} % of the samples clipped",
}
"""Functions that turn a measured value into text, by its name; others are shown with their name."""


def stress_tables(result: StressResult) -> dict[str, Table]:
    """Return the tables of a stress test, by name; those that would be empty are left out."""
    tables = [answers_table(result), _conditions(result), _set_aside(result)]
    return {table.name: table for table in tables if table.rows}


def _table(result: StressResult, name: str, caption: str, columns: list[Column], rows: list[Row]) -> Table:
    model = f"{result.classifier} with {result.features_name}"
    stamps = stamp_texts(result.notes)
    return Table(
        name=name,
        report=file_name(f"stress-{result.classifier}-{result.features_name}"),
        caption=f"{caption} of {model}, trained on {corpus_text(result.trained_on)}",
        notes=[
            f"{result.clips} clips{' of ' + ', '.join(result.corpora) if result.corpora else ''}",
            "In percent or points; intervals are of 95 %",
            *stamps,
        ],
        columns=columns,
        rows=rows,
        facts={
            "model": model,
            "trained_on": result.trained_on,
            "corpora": ", ".join(result.corpora),
            "stamps": "; ".join(stamps),
            "seed": str(result.seed),
            "commit": result.provenance["commit"],
            "fusionser": result.provenance["versions"].get("fusionser", ""),
        },
    )


def answers_table(result: StressResult) -> Table:
    """Return the answers of a model under each condition, the clean clips first."""
    columns = [
        Column(name="condition"),
        Column(name="clips", measure="clips"),
        Column(name="changed", measure="changed", interval="95 %"),
        Column(name="probability", measure="probability_change"),
        Column(name="most frequent answer", measure="most_frequent_share"),
        Column(name="UAR", measure="uar", interval="UAR, 95 %"),
        Column(name="calibration error", measure="calibration_error"),
    ]
    rows = [Row(_answers(scores)) for scores in (result.clean, *result.conditions)]
    return _table(result, "answers", "Answers under each condition", columns, rows)


def _answers(scores: ConditionScores) -> list[Cell | str]:
    compared = scores.name != CLEAN
    frequent = f"{scores.most_frequent} ({percent(scores.most_frequent_share)})"
    return [
        scores.name,
        count(scores.clips),
        share(scores.changed, scores.changed_interval) if compared else NOTHING,
        points(scores.probability_change, scores.probability_change_interval) if compared else NOTHING,
        Cell(frequent, scores.most_frequent_share),
        share(scores.uar, scores.uar_interval),
        share(scores.calibration_error),
    ]


def _conditions(result: StressResult) -> Table:
    names = ("condition", "what it does", "parameters", "measured, mean over the clips")
    rows = [
        Row(
            [
                scores.name,
                _summary(scores.name),
                ", ".join(f"{name} = {value}" for name, value in scores.parameters.items()) or "-",
                _measured_text(scores) or "-",
            ]
        )
        for scores in result.conditions
    ]
    return _table(result, "conditions", "Conditions of the test", [Column(name=name) for name in names], rows)


def _measured_text(scores: ConditionScores) -> str:
    """Return what was measured while a condition was made, as text."""
    return ", ".join(
        MEASURED[name](value) if name in MEASURED else f"{name} {value:g}" for name, value in scores.measured.items()
    )


def _summary(name: str) -> str:
    """Return the summary of a condition, or that it is not registered here."""
    return CONDITIONS.summary(name) if name in CONDITIONS else "A condition of a package that is not installed here."


def _set_aside(result: StressResult) -> Table:
    columns = [Column(name="file"), Column(name="condition"), Column(name="reason")]
    rows = [Row([entry["file"], entry.get("condition") or "any", entry["reason"]]) for entry in result.quarantine]
    return _table(result, "set-aside", "Recordings set aside in the test", columns, rows)
