"""The tables of a study."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fusionser.evaluation.differences import Difference
from fusionser.reporting.across import Across
from fusionser.reporting.by_corpus import corpus_scores
from fusionser.reporting.tables.cells import (
    NOTHING,
    PERCENT,
    count,
    facts_of,
    number,
    points,
    protocol_notes,
    score,
    share,
    synthetic_notes,
    with_interval,
)
from fusionser.reporting.tables.table import Cell, Column, Row, Table
from fusionser.reporting.words import change, corpora_text, percent, protocol_name
from fusionser.results import Result
from fusionser.studies.recipe import ContrastRow, PaperRow, file_name

__all__ = ["TRAINED", "StudyTables", "across_table", "differences_table", "gaps_table", "group_tables", "paper_table"]

PIPELINE = (Column(name="setting"), Column(name="features"), Column(name="classifier"))
TWO = (Column(name="features"), Column(name="classifier"))
TRAINED = (
    "Seconds are those of the run that wrote the row; training is the time of all networks, including those that an "
    "earlier run trained. A dash: there is no network, or the result is of an earlier version, which did not store it"
)
"""What the columns of times mean."""


@dataclass(frozen=True)
class StudyTables:
    """The tables of a study.

    Parameters
    ----------
    groups : list of dict of str to Table
        Those of each corpus and protocol, as `group_tables` returns them.
    across, paper, differences, best_by_class, best_by_speaker, listeners, gaps : Table
        Without rows where the study has none.
    """

    groups: list[dict[str, Table]]
    across: Table
    paper: Table
    differences: Table
    best_by_class: Table
    best_by_speaker: Table
    listeners: Table
    gaps: Table

    def by_name(self) -> dict[str, Table]:
        """Return all tables with rows, by name."""
        several = [table for group in self.groups for table in group.values()]
        best = [self.best_by_class, self.best_by_speaker, self.listeners]
        found = [*several, self.across, self.paper, self.differences, *best, self.gaps]
        return {table.name: table for table in found if table.rows}


def group_tables(
    groups: Mapping[tuple[str, str], Sequence[Result]], report: str, *, calibrated: bool
) -> list[dict[str, Table]]:
    """Return the tables of each corpus and protocol.

    Parameters
    ----------
    groups : mapping of (str, str) to sequence of Result
        The results of each corpus and protocol, under the names of both.
    report : str
        Name of the study.
    calibrated : bool
        Whether calibration errors are shown.

    Returns
    -------
    list of dict of str to Table
        For each group its ``scores``, and ``by_corpus`` or ``by_speaker`` where there are any.
    """
    made = []
    for place, ((corpus, label), group) in enumerate(groups.items(), start=1):
        # The number keeps groups apart whose names become the same.
        name = f"{place:02d}-{file_name(f'{corpus}-{label}').strip('-').lower()}"
        tables = {"scores": _scores(group, name, report, f"{corpus}, {label}", calibrated)}
        if corpus_scores(group[0]):
            tables["by_corpus"] = _by_corpus(group, f"{name}-by-corpus", report, f"{corpus}, {label}")
        if group[0].intervals is None and group[0].protocol.speakers_known:
            tables["by_speaker"] = _by_speaker(group, f"{name}-by-speaker", report, f"{corpus}, {label}")
        made.append(tables)
    return made


def _scores(group: Sequence[Result], name: str, report: str, what: str, calibrated: bool) -> Table:
    trained = any("training" in result.seconds for result in group)
    columns = [
        *PIPELINE,
        Column(name="WAR", measure="war"),
        Column(name="UAR", measure="uar", interval="interval of UAR"),
        Column(name="macro F1", measure="macro_f1"),
        *([Column(name="calibration error", measure="calibration_error")] if calibrated else []),
        Column(name="seconds", measure="seconds"),
        *([Column(name="training", measure="training_seconds")] if trained else []),
    ]
    rows = [
        Row(
            [
                result.protocol.known,
                Cell(
                    f"{result.features_name}{'*' if result.protocol.gender_given else ''} ({result.feature_count})",
                    result.features_name,
                ),
                result.classifier,
                *(score(result, metric) for metric in ("war", "uar", "macro_f1")),
                *([share(result.calibration_error)] if calibrated else []),
                number(result.seconds["evaluation"], ".0f"),
                *([number(result.seconds.get("training"), ".0f")] if trained else []),
            ],
            facts_of(result),
        )
        for result in group
    ]
    given = any(result.protocol.gender_given for result in group)
    starred = ["Features marked * hold the gender of the test speakers as labelled"] if given else []
    if trained:
        starred.append(TRAINED)
    return _group_table(group, name, report, f"Scores on {what}", columns, rows, starred)


def _group_table(
    group: Sequence[Result],
    name: str,
    report: str,
    caption: str,
    columns: Sequence[Column],
    rows: Sequence[Row],
    notes: Sequence[str] = (),
) -> Table:
    intervals = "intervals (95 %) resample speakers"
    described = [f"{PERCENT}; {intervals}", *notes, *protocol_notes(*group)]
    return Table(name=name, report=report, caption=caption, notes=described, columns=columns, rows=rows)


def _named(result: Result) -> list[Cell | str]:
    return [result.protocol.known, result.features_name, result.classifier]


def _by_corpus(group: Sequence[Result], name: str, report: str, what: str) -> Table:
    columns = [
        Column(name=f"{corpus} ({place.speakers} speakers)", measure=f"uar on {corpus}")
        for corpus, place in corpus_scores(group[0]).items()
    ]
    rows = [
        Row(
            [
                *_named(result),
                *(
                    with_interval(share(place.scores.uar, place.intervals["uar"] if place.intervals else None))
                    for place in corpus_scores(result).values()
                ),
            ],
            facts_of(result),
        )
        for result in group
    ]
    return _group_table(group, name, report, f"UAR in each corpus, {what}", [*PIPELINE, *columns], rows)


def _by_speaker(group: Sequence[Result], name: str, report: str, what: str) -> Table:
    columns = [Column(name=speaker, measure=f"uar of {speaker}") for speaker in group[0].speakers]
    rows = [
        Row([*_named(result), *(share(scores.uar) for scores in result.speakers.values())], facts_of(result))
        for result in group
    ]
    return _group_table(group, name, report, f"UAR of each test speaker, {what}", [*PIPELINE, *columns], rows)


def across_table(across: Sequence[Across], tables: int, results: Sequence[Result], report: str) -> Table:
    """Return each pipeline over several tables."""
    columns = [
        *TWO,
        Column(name="mean UAR, inductive", measure="uar_inductive"),
        Column(name="best in, inductive", measure="best_inductive"),
        Column(name="mean UAR, adapted", measure="uar_adapted"),
        Column(name="best in, adapted", measure="best_adapted"),
        Column(name="adapted higher in", measure="adapted_higher"),
        Column(name="change by adaptation", measure="change"),
    ]
    rows = [
        Row(
            [
                one.features_name,
                one.classifier,
                share(one.inductive),
                count(one.best_inductive),
                share(one.adapted),
                count(one.best_adapted),
                Cell(f"{one.higher} of {tables}", one.higher),
                _range(one),
            ]
        )
        for one in across
    ]
    notes = [
        f"{PERCENT}, changes in points, from the lowest to the highest",
        f"Means over {tables} tables",
        *synthetic_notes(results),
    ]
    return Table(
        name="over-all-tables",
        report=report,
        caption="Pipelines over all tables",
        notes=notes,
        columns=columns,
        rows=rows,
        facts=facts_of(*results),
    )


def _range(one: Across) -> Cell:
    text = f"{100 * one.lowest_change:+.1f} to {100 * one.highest_change:+.1f}"
    return Cell(text, None, (one.lowest_change, one.highest_change))


def paper_table(paper: Sequence[tuple[PaperRow, Sequence[Result]]], report: str) -> Table:
    """Return the figures of a paper, each with our best results under its protocol."""
    columns = [
        Column(name="what"),
        Column(name="classes"),
        *TWO,
        Column(name="WAR", measure="war"),
        Column(name="UAR", measure="uar"),
    ]
    rows = []
    for row, beside in paper:
        figure = _figure(row.accuracy)
        rows.append(Row([f"{row.label} (the paper's figure)", NOTHING, NOTHING, NOTHING, figure, NOTHING]))
        rows += [
            Row(
                [
                    f"ours, {result.protocol.name}",
                    str(len(result.classes)),
                    result.features_name,
                    result.classifier,
                    Cell(
                        f"{percent(result.pooled.war)} ({_interval_or_none(result)})",
                        result.pooled.war,
                        score(result, "war").interval,
                    ),
                    share(result.pooled.uar),
                ],
                facts_of(result),
            )
            for result in beside
        ]
    results = [result for _, beside in paper for result in beside]
    notes = [
        "In percent; intervals (95 %) resample speakers",
        "The classifier was chosen by its test score, so that score is optimistic",
        *protocol_notes(*results),
    ]
    caption = "Figures of the paper, and our results"
    return Table(name="paper", report=report, caption=caption, notes=notes, columns=columns, rows=rows)


def _interval_or_none(result: Result) -> str:
    """Return the interval of the WAR; a table of the paper has no table by speaker to refer to."""
    war = score(result, "war")
    return "no interval" if war.interval is None else war.interval_text


def _figure(accuracy: str) -> Cell:
    """Return the figure that a paper prints, in percent, as its text."""
    try:
        return Cell(accuracy, float(accuracy.rstrip(" %")) / 100)
    except ValueError:
        # Such as a range.
        return Cell(accuracy, accuracy)


def differences_table(differences: Sequence[tuple[ContrastRow, Result, Result, Difference]], report: str) -> Table:
    """Return what each part of a pipeline adds, averaged over speakers."""
    columns = [
        Column(name="question"),
        Column(name="from"),
        Column(name="to"),
        Column(name="WAR", measure="war_change"),
        Column(name="UAR", measure="uar_change"),
        Column(name="speakers that gain WAR", measure="speakers_better"),
    ]
    asked = Counter(contrast.question for contrast, *_ in differences)
    rows = [
        Row(
            [
                # A recipe may ask the same of several corpora.
                contrast.question
                if asked[contrast.question] == 1
                else f"{contrast.question} ({corpora_text(having.corpora)})",
                f"{contrast.without}: WAR {percent(without.pooled.war)}",
                f"{contrast.with_}: WAR {percent(having.pooled.war)}",
                with_interval(points(difference.war, difference.war_interval)),
                with_interval(points(difference.uar, difference.uar_interval)),
                Cell(f"{difference.better} of {difference.speakers}", difference.better),
            ],
            facts_of(without, having),
        )
        for contrast, without, having, difference in differences
    ]
    notes = [
        "Mean over test speakers of the difference in points, with the 95 % interval of a paired bootstrap",
        *protocol_notes(*(result for _, without, having, _ in differences for result in (without, having))),
    ]
    caption = "What each part adds"
    return Table(name="parts", report=report, caption=caption, notes=notes, columns=columns, rows=rows)


def gaps_table(gaps: Sequence[tuple[Result, Result]], report: str) -> Table:
    """Return what the same pipelines reach by speaker and under a random split."""
    columns = [
        Column(name="corpus"),
        *TWO,
        Column(name="UAR by speaker", measure="uar_by_speaker"),
        Column(name="UAR, random split", measure="uar_random_split"),
        Column(name="difference", measure="difference"),
    ]
    rows = [
        Row(
            [
                honest.corpus,
                honest.features_name,
                honest.classifier,
                Cell(f"{percent(honest.pooled.uar)} ({protocol_name(honest)})", honest.pooled.uar),
                share(leaky.pooled.uar),
                Cell(change(leaky.pooled.uar - honest.pooled.uar), leaky.pooled.uar - honest.pooled.uar),
            ],
            facts_of(honest, leaky),
        )
        for honest, leaky in gaps
    ]
    notes = ["In percent, the difference in points", *protocol_notes(*(result for pair in gaps for result in pair))]
    caption = "What the random split adds"
    return Table(name="random-split", report=report, caption=caption, notes=notes, columns=columns, rows=rows)
