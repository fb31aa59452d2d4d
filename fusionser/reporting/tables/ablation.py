"""The tables of an ablation."""

from collections.abc import Callable, Mapping, Sequence

from fusionser.evaluation.statistics import GroupGap, Ranking
from fusionser.reporting.breakdown import Breakdown, by_class, by_speaker, change_by_classifier
from fusionser.reporting.scores import p_value
from fusionser.reporting.tables.cells import (
    PERCENT,
    facts_of,
    number,
    points,
    protocol_notes,
    score,
    share,
)
from fusionser.reporting.tables.result import importance_table
from fusionser.reporting.tables.table import Cell, Column, Row, Table
from fusionser.results import Result
from fusionser.studies.contrasts import Design, Effect
from fusionser.studies.recipe import file_name

__all__ = ["ablation_tables", "importance_tables"]

POINTS = "In points; intervals (95 %) are over speakers"


def ablation_tables(
    design: Design,
    effects: Sequence[Effect],
    results: Sequence[Result],
    rankings: Sequence[tuple[str, Ranking]],
    gaps: Sequence[tuple[Result, GroupGap]],
) -> dict[str, Table]:
    """Return the tables of an ablation, by name; those that would be empty are left out.

    Parameters
    ----------
    design : Design
    effects : sequence of Effect
    results : sequence of Result
    rankings : sequence of (str, Ranking)
        Ranks of each kind of method.
    gaps : sequence of (Result, GroupGap)
        Results with the gap between genders.

    Returns
    -------
    dict of str to Table
    """
    make = _maker(design, results)
    classifiers = change_by_classifier(design, effects, results)
    tables = [
        _scores(make, design, results),
        _contrasts(make, effects),
        *([_by_classifier(make, classifiers)] if len(classifiers.columns) > 1 else []),
        _recall_changes(make, effects, results),
        _breakdown(make, "by-class", "Recall of each class", "recall of", by_class(design, results), design),
        _breakdown(make, "by-speaker", "UAR of each test speaker", "uar of", by_speaker(design, results), design),
        _ranks(make, rankings),
        *([_genders(make, design, gaps)] if gaps else []),
    ]
    return {table.name: table for table in tables if table.rows}


Maker = Callable[[str, str, str, Sequence[Column], Sequence[Row]], Table]
"""Makes a table of its name, caption, unit, columns and rows."""


def _maker(design: Design, results: Sequence[Result]) -> Maker:
    report = file_name(f"{design.title}-{design.corpus}").lower()
    notes, facts = protocol_notes(*results), facts_of(*results)

    def make(name: str, caption: str, unit: str, columns: Sequence[Column], rows: Sequence[Row]) -> Table:
        return Table(
            name=name, report=report, caption=caption, notes=[unit, *notes], columns=columns, rows=rows, facts=facts
        )

    return make


def _scores(make: Maker, design: Design, results: Sequence[Result]) -> Table:
    calibrated = any(result.calibration_error is not None for result in results)
    columns = [
        Column(name="classifier"),
        Column(name=design.varied),
        Column(name="UAR", measure="uar", interval="interval of UAR"),
        Column(name="WAR", measure="war"),
        Column(name="macro F1", measure="macro_f1"),
        *([Column(name="calibration error", measure="calibration_error")] if calibrated else []),
        Column(name="seconds", measure="seconds"),
    ]
    rows = [
        Row(
            [
                result.classifier,
                design.label(result),
                *(score(result, metric) for metric in ("uar", "war", "macro_f1")),
                *([share(result.calibration_error)] if calibrated else []),
                number(result.seconds["evaluation"], ".0f"),
            ],
            facts_of(result),
        )
        for result in results
    ]
    return make("scores", "Every evaluation", f"{PERCENT}; intervals (95 %) are over speakers", columns, rows)


def _contrasts(make: Maker, effects: Sequence[Effect]) -> Table:
    columns = [
        Column(name="contrast"),
        Column(name="UAR, points", measure="uar_change", interval="interval"),
        Column(name="p", measure="p"),
        Column(name="p, corrected", measure="p_corrected"),
        Column(name="effect", measure="effect"),
        Column(name="speakers better", measure="speakers_better"),
        Column(name="WAR, points", measure="war_change", interval="interval"),
    ]
    rows = [
        Row(
            [
                effect.contrast.text,
                points(effect.uar.mean, effect.uar.interval),
                Cell(p_value(effect.uar.p), effect.uar.p),
                Cell(p_value(effect.corrected), effect.corrected),
                number(effect.uar.effect, "z.2f"),
                Cell(f"{effect.uar.better} of {effect.uar.speakers}", effect.uar.better),
                points(effect.war.mean, effect.war.interval),
            ]
        )
        for effect in effects
    ]
    test = "paired permutation tests over speakers, p corrected by Holm's method"
    return make("contrasts", "Contrasts", f"{POINTS}; {test}", columns, rows)


def _by_classifier(make: Maker, shown: Breakdown) -> Table:
    columns = [Column(name="contrast"), *(Column(name=name, measure=f"uar_change of {name}") for name in shown.columns)]
    rows = [
        Row([label, *map(points, map(float, values))]) for label, values in zip(shown.labels, shown.values, strict=True)
    ]
    caption = "Change of UAR by classifier, points"
    return make("contrasts-by-classifier", caption, "Averaged over the speakers", columns, rows)


def _recall_changes(make: Maker, effects: Sequence[Effect], results: Sequence[Result]) -> Table:
    # With several corpora the result with the fewest rows is of the corpus that all are tested on.
    classes = min(results, key=lambda result: result.rows).classes
    columns = [Column(name="contrast"), *(Column(name=name, measure=f"recall_change of {name}") for name in classes)]
    rows = [Row([effect.contrast.text, *(points(effect.recall[name]) for name in classes)]) for effect in effects]
    unit = "Pooled over speakers and averaged over the classifiers"
    return make("contrasts-by-class", "Change of recall by class, points", unit, columns, rows)


def _breakdown(make: Maker, name: str, caption: str, measure: str, shown: Breakdown, design: Design) -> Table:
    columns = [Column(name=design.varied), *(Column(name=one, measure=f"{measure} {one}") for one in shown.columns)]
    rows = [
        Row([label, *map(share, map(float, values))]) for label, values in zip(shown.labels, shown.values, strict=True)
    ]
    return make(name, caption, "In percent, averaged over the classifiers", columns, rows)


def _ranks(make: Maker, rankings: Sequence[tuple[str, Ranking]]) -> Table:
    columns = [
        Column(name="what"),
        Column(name="which"),
        Column(name="mean rank", measure="mean_rank"),
        Column(name="p (Friedman)", measure="p"),
        Column(name="critical difference", measure="critical_difference"),
    ]
    rows = [
        Row(
            [
                kind,
                name,
                number(rank, ".2f"),
                Cell(p_value(ranking.p), ranking.p),
                number(ranking.critical_difference, ".2f"),
            ]
        )
        for kind, ranking in rankings
        for name, rank in sorted(ranking.ranks.items(), key=lambda item: item[1])
    ]
    return make("ranks", "Mean ranks over the speakers by UAR", "1 is the best rank", columns, rows)


def _genders(make: Maker, design: Design, gaps: Sequence[tuple[Result, GroupGap]]) -> Table:
    columns = [
        Column(name="classifier"),
        Column(name=design.varied),
        *(Column(name=name, measure=f"uar of {name}") for name in gaps[0][1].uar),
        Column(name="gap, points", measure="gap", interval="interval"),
    ]
    rows = [
        Row(
            [result.classifier, design.label(result), *map(share, gap.uar.values()), points(gap.gap, gap.interval)],
            facts_of(result),
        )
        for result, gap in gaps
    ]
    return make(
        "by-gender",
        "UAR by gender in percent, and the gap in points",
        "Intervals (95 %) are over speakers",
        columns,
        rows,
    )


def importance_tables(design: Design, results: Sequence[Result]) -> Mapping[str, tuple[Result, Table]]:
    """Return what the classifiers of the results rely on, for those that say it."""
    named = {
        f"importance-{file_name(f'{result.classifier}-{design.label(result)}')}": result
        for result in results
        if result.importance
    }
    return {name: (result, importance_table(result, name, interval="interval")) for name, result in named.items()}
