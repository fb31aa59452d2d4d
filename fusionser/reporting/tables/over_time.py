"""The tables of judged time lines."""

import numpy as np

from fusionser.evaluation.over_time import MEASURES, measured_intervals, measures
from fusionser.names import corpus_text
from fusionser.reporting.tables.cells import facts_of, protocol_notes, share
from fusionser.reporting.tables.result import report_name
from fusionser.reporting.tables.table import Cell, Column, Row, Table
from fusionser.studies.over_time import OverTimeResult

__all__ = ["over_time_tables"]

COLUMNS = {
    "uar": "frame UAR",
    "error": "EDER",
    "missed": "missed",
    "false_alarms": "false alarms",
    "confused": "confused",
}
"""Headings of the measures."""

WITH_INTERVAL = ("uar", "error")
"""Measures whose intervals are shown."""


def over_time_tables(result: OverTimeResult) -> dict[str, Table]:
    """Return the measures of the time lines, and of each emotion, by name."""
    columns = [Column(name="segments")]
    columns += [
        Column(
            name=COLUMNS[name], measure=name, interval=f"interval of {COLUMNS[name]}" if name in WITH_INTERVAL else None
        )
        for name in MEASURES
    ]
    emotions = [
        Column(name="emotion"),
        Column(name="seconds", measure="seconds"),
        Column(name="right, %", measure="right"),
        Column(name="no answer, %", measure="no_answer"),
    ]
    return {
        "scores": _table(result, "scores", "Emotions over time", columns, _measures(result)),
        "by-emotion": _table(result, "by-emotion", "Emotions over time, by emotion", emotions, _emotions(result)),
    }


def _table(result: OverTimeResult, name: str, caption: str, columns: list[Column], rows: list[Row]) -> Table:
    clips, windows = result.clips, f"windows of {result.windows:g} s, one every {result.hop:g} s"
    return Table(
        name=name,
        report=f"timeline-{report_name(clips)}",
        caption=f"{caption}, {clips.classifier} with {clips.features_name} on {corpus_text(clips.corpus)}",
        notes=[
            f"{windows}; {result.recordings} recordings of up to {result.joined} clips",
            "In percent of the judged time; intervals (95 %) resample speakers",
            *protocol_notes(clips),
        ],
        columns=columns,
        rows=rows,
        facts={"windows": windows, **facts_of(clips)},
    )


def _measures(result: OverTimeResult) -> list[Row]:
    rows = []
    for name, frames in (("time line", result.frames), ("borders known", result.known_borders)):
        counts = {speaker: np.asarray(one) for speaker, one in frames.items()}
        values = measures(np.sum([*counts.values()], axis=0), result.neutral)
        intervals = measured_intervals(counts, result.neutral, seed=result.clips.seed) or {}
        rows.append(Row([name, *(share(float(values[one]), intervals.get(one)) for one in MEASURES)]))
    return rows


def _emotions(result: OverTimeResult) -> list[Row]:
    """Return of each emotion the seconds, and the shares with the right answer and with none."""
    pooled = np.sum([np.asarray(counts) for counts in result.frames.values()], axis=0)
    rows = []
    for place, name in enumerate(result.clips.classes):
        total = int(pooled[place].sum())
        if total:
            right, nothing = pooled[place, place] / total, pooled[place, -1] / total
            seconds = Cell(f"{total / 100:.0f}", total / 100)
            rows.append(Row([name, seconds, share(float(right)), share(float(nothing))]))
    return rows
