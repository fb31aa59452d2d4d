"""The best result of each table of a study, by class, gender and speaker."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from fusionser.evaluation.metrics import unweighted_average_recall
from fusionser.reporting.breakdown import gender_gap
from fusionser.reporting.settings import where_measured
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
from fusionser.reporting.words import classes_text, counted, percent
from fusionser.results import Result

__all__ = ["best_by_class", "best_by_speaker", "taken_for", "wrong_answers", "wrong_answers_text"]

MOST_TAKEN_FOR = 2
"""Wrong answers that are named for each emotion."""

WHAT = (Column(name="corpus and protocol"), Column(name="features and classifier"))


def _named(result: Result) -> list[Cell | str]:
    sides = "" if result.protocol.speaker_independent else ", speakers on both sides"
    setting = "" if result.protocol.known == "inductive" else f", {result.protocol.known}"
    return [
        f"{where_measured(result)}, {classes_text(result)}{setting}{sides}",
        f"{result.features_name} / {result.classifier}",
    ]


def taken_for(result: Result, emotion: str) -> list[tuple[str, float]]:
    """Return the most frequent wrong answers for an emotion, and their shares of its recordings, 0 to 1."""
    place = list(result.classes).index(emotion)
    return wrong_answers(np.array(result.confusion[place], dtype=np.float64), place, result.classes)


def wrong_answers(counts: npt.NDArray[np.float64], place: int, answers: Sequence[str]) -> list[tuple[str, float]]:
    """Return the most frequent answers but the one at `place`, and their shares of all answers, 0 to 1."""
    shares = counts / max(counts.sum(), 1.0)
    shares[place] = 0.0
    order = np.argsort(-shares, kind="stable")[:MOST_TAKEN_FOR]
    return [(answers[one], float(shares[one])) for one in order if shares[one] > 0]


def wrong_answers_text(wrong: Sequence[tuple[str, float]]) -> str | Cell:
    """Return wrong answers with their shares in percent, or a cell without a value if there are none."""
    return ", ".join(f"{name} ({percent(part)})" for name, part in wrong) or NOTHING


CHOICE = "Where a table has several results in a setting, the one with the highest test UAR is shown"


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
                # Without a test recording there is nothing to recognise.
                share(scores.recall) if scores.support else NOTHING,
                share(scores.precision) if scores.support else NOTHING,
                wrong_answers_text(taken_for(result, emotion)),
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
        Column(name="speaker with the lowest"),
        Column(name="median", measure="uar_median"),
        Column(name="highest UAR", measure="uar_highest"),
        Column(name="speaker with the highest"),
    ]
    rows = [Row([*_named(result), *_by_gender(result), *_of_speakers(result)], facts_of(result)) for result in told]
    return _table("best-by-speaker", "The best results by gender and speaker", report, columns, rows, told)


def _by_gender(result: Result) -> list[Cell]:
    sums: dict[str, npt.NDArray[np.int64]] = {}
    for speaker, counts in result.speaker_confusions.items():
        gender = result.genders.get(speaker, "")
        sums[gender] = sums.get(gender, 0) + np.asarray(counts)
    uar = {gender: float(unweighted_average_recall(counts)) for gender, counts in sums.items()}
    gap = gender_gap(result) if {"female", "male"} <= uar.keys() else None
    between = NOTHING if gap is None else with_interval(points(uar["female"] - uar["male"], gap.interval))
    return [share(uar.get("female")), share(uar.get("male")), between]


def _of_speakers(result: Result) -> list[Cell | str]:
    values = {name: scores.uar for name, scores in result.speakers.items()}
    lowest, highest = min(values.values()), max(values.values())
    return [
        count(len(values)),
        share(lowest),
        _those_at(values, lowest),
        share(float(np.median([*values.values()]))),
        share(highest),
        _those_at(values, highest),
    ]


def _those_at(values: Mapping[str, float], score: float) -> str:
    """Return the speakers with a score: the first one, and how many others."""
    first, *others = [name for name, value in values.items() if value == score]
    return f"{first} and {counted(len(others), 'other')}" if others else first


def _table(
    name: str, caption: str, report: str, columns: Sequence[Column], rows: Sequence[Row], results: Sequence[Result]
) -> Table:
    notes = [
        PERCENT,
        CHOICE,
        *protocol_notes(*results),
    ]
    return Table(name=name, report=report, caption=caption, notes=notes, columns=columns, rows=rows)
