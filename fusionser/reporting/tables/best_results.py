"""The best result of each table of a study, by class, gender and speaker."""

from collections.abc import Sequence

import numpy as np

from fusionser.reporting.breakdown import gender_gap
from fusionser.reporting.tables.cells import (
    NOTHING,
    PERCENT,
    count,
    facts_of,
    points,
    protocol_notes,
    share,
    with_interval,
)
from fusionser.reporting.tables.table import Cell, Column, Row, Table
from fusionser.reporting.words import percent, where_measured
from fusionser.results import Result

__all__ = ["best_by_class", "best_by_speaker", "taken_for"]

MOST_TAKEN_FOR = 2
"""Wrong answers that are named for each emotion."""

WHAT = (Column(name="corpus and protocol"), Column(name="features and classifier"))


def _named(result: Result) -> list[Cell | str]:
    setting = "" if result.protocol.known == "inductive" else f", {result.protocol.known}"
    return [
        f"{where_measured(result)}{setting}",
        f"{result.features_name}, {result.classifier}",
    ]


def taken_for(result: Result, emotion: str) -> list[tuple[str, float]]:
    """Return the most frequent wrong answers for an emotion, and their shares of its recordings, 0 to 1."""
    place = list(result.classes).index(emotion)
    counts = np.array(result.confusion[place], dtype=np.float64)
    shares = counts / max(counts.sum(), 1.0)
    shares[place] = 0.0
    order = np.argsort(-shares, kind="stable")[:MOST_TAKEN_FOR]
    return [(result.classes[one], float(shares[one])) for one in order if shares[one] > 0]


def best_by_class(results: Sequence[Result], report: str) -> Table:
    """Return the recall of each emotion, and what its other recordings were taken for.

    Parameters
    ----------
    results : sequence of Result
        The best one of each corpus, protocol and setting.
    report : str
        Name of the study.
    """
    columns = [
        *WHAT,
        Column(name="emotion"),
        Column(name="recordings", measure="support"),
        Column(name="recall", measure="recall"),
        Column(name="precision", measure="precision"),
        Column(name="most often taken for"),
    ]
    rows = [
        Row(
            [
                *_named(result),
                emotion,
                count(scores.support),
                share(scores.recall),
                share(scores.precision),
                ", ".join(f"{name} ({percent(part)})" for name, part in taken_for(result, emotion)) or "-",
            ],
            facts_of(result),
        )
        for result in results
        for emotion, scores in result.per_class.items()
    ]
    return _table("best-by-class", "The best results by class", report, columns, rows, results)


def best_by_speaker(results: Sequence[Result], report: str) -> Table:
    """Return the UAR of both genders, and of the speakers at both ends; results without known speakers are left out.

    Parameters
    ----------
    results, report
        As in `best_by_class`.
    """
    told = [result for result in results if result.speakers]
    columns = [
        *WHAT,
        Column(name="UAR, female", measure="uar_female"),
        Column(name="UAR, male", measure="uar_male"),
        Column(name="difference", measure="uar_gap"),
        Column(name="speakers", measure="speakers"),
        Column(name="lowest UAR", measure="uar_lowest"),
        Column(name="median", measure="uar_median"),
        Column(name="highest", measure="uar_highest"),
    ]
    rows = [Row([*_named(result), *_by_gender(result), *_of_speakers(result)], facts_of(result)) for result in told]
    return _table("best-by-speaker", "The best results by gender and speaker", report, columns, rows, told)


def _by_gender(result: Result) -> list[Cell]:
    gap = gender_gap(result)
    if gap is None or set(gap.uar) != {"female", "male"}:
        return [NOTHING] * 3
    return [share(gap.uar["female"]), share(gap.uar["male"]), with_interval(points(gap.gap, gap.interval))]


def _of_speakers(result: Result) -> list[Cell]:
    values = sorted((scores.uar, name) for name, scores in result.speakers.items())
    (lowest, first), (highest, last) = values[0], values[-1]
    return [
        count(len(values)),
        Cell(f"{percent(lowest)} ({first})", lowest),
        share(float(np.median([value for value, _ in values]))),
        Cell(f"{percent(highest)} ({last})", highest),
    ]


def _table(
    name: str, caption: str, report: str, columns: Sequence[Column], rows: Sequence[Row], results: Sequence[Result]
) -> Table:
    notes = [PERCENT, "Each was chosen by its test score", *protocol_notes(*results)]
    return Table(name=name, report=report, caption=caption, notes=notes, columns=columns, rows=rows)
