"""The page of a factorial: the answer first, then the table, the questions, classes and groups of speakers."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fusionser.evaluation import Result
from fusionser.evaluation.statistics import GroupGap, group_gap
from fusionser.experiments.factorial import Factorial, cell_label
from fusionser.experiments.questions import Answer, Design
from fusionser.files import write_text
from fusionser.reporting.breakdown import breakdown_figure, by_class, by_speaker, change_by_classifier, rankings
from fusionser.reporting.figures import COLORS, draw_heat, plain, save_figure
from fusionser.reporting.page import relied_columns, render
from fusionser.reporting.settings import block_lines, classifier_lines, column_lines, protocol_lines

__all__ = ["AblationText", "ends", "p_value", "page_values", "panels", "summary", "write_ablation"]

NONE = "none"
LEAST_SHOWN = 0.001
SIGNIFICANT = 0.05
RIGHTLY = re.compile(r"(?<=rightly for )([\d.]+) %")


@dataclass(frozen=True)
class AblationText:
    """What the page says beside its numbers.

    Parameters
    ----------
    command : str
        How to run it again.
    missing : sequence of str
        Evaluations that were not run.
    failures : mapping of str to str
        What went wrong in those that failed.
    """

    command: str
    missing: Sequence[str] = ()
    failures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Panel:
    """A table of results: by row and column."""

    title: str
    corner: str
    rows: Sequence[str]
    columns: Sequence[str]
    results: Mapping[tuple[str, str], Result]


def panels(design: Design, results: Sequence[Result]) -> list[Panel]:
    """Return how results are laid out: cures by augmentations for each classifier, else all labels by classifier."""
    classifiers = list(dict.fromkeys(one.classifier for one in results))
    if not isinstance(design, Factorial):
        labels = list(dict.fromkeys(design.label(one) for one in results))
        found = {(design.label(one), one.classifier): one for one in results}
        return [Panel("", design.varied, labels, classifiers, found)]
    by_label = {(one.features_name, one.classifier): one for one in results}
    cells = [(cure, kind) for cure in design.imbalance for kind in design.augmentation]
    return [
        Panel(
            classifier,
            "imbalance",
            design.imbalance,
            design.augmentation,
            {cell: by_label[name] for cell in cells if (name := (cell_label(*cell), classifier)) in by_label},
        )
        for classifier in classifiers
    ]


def summary(design: Design, answers: Sequence[Answer], results: Sequence[Result] = ()) -> list[str]:
    """Say in three sentences what was found, from the numbers and with their uncertainty."""
    if not answers:
        return ["No question can be answered yet: the evaluations that it needs have not been run."]
    spread = _spread(design, answers, results)
    return (
        _factorial_summary(design, answers, spread)
        if isinstance(design, Factorial)
        else _plain_summary(design, answers, results, spread)
    )


def _spread(design: Design, answers: Sequence[Answer], results: Sequence[Result]) -> dict[str, str]:
    """Say from what to what the change of each question goes by classifier: a mean may be the doing of one."""
    shown = change_by_classifier(design, answers, results)
    if len(shown.columns) < 2:
        return {}
    return {
        name: f", {round(100 * row.min(), 1) + 0.0:+.1f} to {round(100 * row.max(), 1) + 0.0:+.1f} by classifier"
        for name, row in zip(shown.labels, shown.values, strict=True)
        if np.isfinite(row).all()
    }


def _plain_summary(
    design: Design, answers: Sequence[Answer], results: Sequence[Result], spread: Mapping[str, str]
) -> list[str]:
    by_label: dict[str, list[float]] = {}
    for one in results:
        by_label.setdefault(design.label(one), []).append(one.pooled.uar)
    means = {label: 100 * float(np.mean(values)) for label, values in by_label.items()}
    best, worst = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    sure = [one for one in answers if one.corrected < SIGNIFICANT]
    told = "; ".join(one.question.text for one in sure)
    largest = max(answers, key=lambda one: abs(one.uar.mean))
    return [
        f"The UAR, averaged over the classifiers, is highest for '{best}' ({means[best]:.1f} %) and lowest for "
        f"'{worst}' ({means[worst]:.1f} %).",
        f"{len(sure)} of {len(answers)} questions find a change of the UAR beyond what chance gives"
        + (f": {told}." if told else "."),
        f"The largest change is that of {largest.question.text}: {points(largest, spread)}.",
    ]


def _factorial_summary(table: Factorial, answers: Sequence[Answer], spread: Mapping[str, str]) -> list[str]:
    """Answer what cures do, what copies do, and what both do."""
    cells = {cell_label(cure, kind): (cure, kind) for cure in table.imbalance for kind in table.augmentation}
    having = {one.question.text: cells[one.question.having] for one in answers}
    cures = [one for one in answers if having[one.question.text][1] == NONE]
    copies = [one for one in answers if having[one.question.text][0] == NONE]
    both = [one for one in answers if NONE not in having[one.question.text]]
    sentences = []
    if cures:
        best = max(cures, key=lambda one: abs(one.uar.mean))
        found = [one for one in cures if one.corrected < SIGNIFICANT]
        which = f"{len(found)} of {len(cures)}" if found else "none of the"
        changed = f"Without copies, {which} cures of imbalance"
        sentences.append(
            f"{changed} changed the UAR by more than chance gives; the largest change is that of "
            f"{having[best.question.text][0]}, {points(best, spread)}."
        )
    for one in copies[:1]:
        verdict = "changed" if one.corrected < SIGNIFICANT else "did not change"
        sentences.append(
            f"Without a cure, augmented copies ({having[one.question.text][1]}) {verdict} it by more than chance "
            f"gives: {points(one, spread)}."
        )
    if both:
        groups: dict[str, list[str]] = {"beyond": [], "not beyond": []}
        for one in both:
            surely = one.corrected < SIGNIFICANT and one.uar.mean > 0
            other = _one_alone(*cells[one.question.without])
            groups["beyond" if surely else "not beyond"].append(f"{other}: {points(one, spread)}")
        told = "; ".join(f"{word} {' and '.join(group)}" for word, group in groups.items() if group)
        cure, kind = having[both[0].question.text]
        sentences.append(f"Together {cure} and copies ({kind}) are {told}.")
    return sentences


def _one_alone(cure: str, kind: str) -> str:
    return f"{cure} alone" if kind == NONE else f"copies ({kind}) alone"


def points(answer: Answer, spread: Mapping[str, str]) -> str:
    """Return the change of the UAR in points, its interval, Holm's p, and how far classifiers differ."""
    low_high = answer.uar.interval
    within = "" if low_high is None else f"95 % {100 * low_high[0]:+.1f} to {100 * low_high[1]:+.1f}, "
    p = p_value(answer.corrected)
    told = f"corrected p {p.replace('<', '< ') if p[0] == '<' else f'= {p}'}"
    return f"{100 * answer.uar.mean:+.1f} points ({within}{told}{spread.get(answer.question.text, '')})"


def p_value(p: float) -> str:
    """Return a p value, which is never nothing.

    Examples
    --------
    >>> p_value(0.0312), p_value(0.00002)
    ('0.031', '<0.001')
    """
    return f"<{LEAST_SHOWN}" if p < LEAST_SHOWN else f"{p:.3f}"


def panels_figure(design: Design, results: Sequence[Result]) -> Figure:
    """Draw the UAR of every result, panel by panel."""
    shown = panels(design, results)
    rows, columns = len(shown[0].rows), len(shown[0].columns)
    size = (2.2 + 0.9 * columns) * len(shown), 1.4 + 0.5 * rows
    figure = Figure(figsize=size, layout="constrained")
    scores = [one.pooled.uar for one in results]
    for axes, panel in zip(figure.subplots(1, len(shown), squeeze=False, sharey=True)[0], shown, strict=True):
        values = np.full((rows, columns), np.nan)
        for (row, column), one in panel.results.items():
            values[list(panel.rows).index(row), list(panel.columns).index(column)] = one.pooled.uar
        draw_heat(axes, values, panel.rows, panel.columns, ends=(min(scores), max(scores)))
        axes.set_title(plain(panel.title), fontsize=10)
    return figure


def answers_figure(answers: Sequence[Answer]) -> Figure:
    """Draw the change of UAR and WAR that each question is about, with their intervals."""
    figure = Figure(figsize=(7.5, 1.2 + 0.42 * len(answers)), layout="constrained")
    axes = figure.add_subplot()
    for place, answer in enumerate(answers):
        for shift, test, mark, color in ((-0.12, answer.uar, "o", COLORS[0]), (0.12, answer.war, "s", COLORS[2])):
            if test.interval is not None:
                axes.plot([100 * end for end in test.interval], [place + shift] * 2, color=color, linewidth=1.5)
            axes.plot([100 * test.mean], [place + shift], mark, color=color)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(answers)), [plain(one.question.text) for one in answers], fontsize=8)
    axes.set_ylim(len(answers) - 0.5, -0.5)
    axes.set_xlabel("change in points, with 95 % intervals over speakers")
    marks = [
        Line2D([], [], marker=mark, color=color, linestyle="", label=label)
        for mark, color, label in (("o", COLORS[0], "UAR"), ("s", COLORS[2], "WAR"))
    ]
    figure.legend(handles=marks, loc="outside lower center", ncols=2, fontsize=8)
    axes.grid(axis="x", linewidth=0.4)
    return figure


def write_ablation(
    design: Design, answers: Sequence[Answer], results: Sequence[Result], text: AblationText, folder: str | Path
) -> Path:
    """Write ``report.md`` and its pictures; return the page."""
    place = Path(folder)
    save_figure(panels_figure(design, results), place / "table.png")
    save_figure(breakdown_figure(by_class(design, results)), place / "classes.png")
    save_figure(breakdown_figure(by_speaker(design, results)), place / "speakers.png")
    if answers:
        save_figure(answers_figure(answers), place / "questions.png")
    lines = [*block_lines(results), *classifier_lines(results)]
    page = render("ablation.md.j2", **page_values(design, answers, results, text), lines=lines)
    return write_text(place / "report.md", page)


def page_values(
    design: Design, answers: Sequence[Answer], results: Sequence[Result], text: AblationText
) -> dict[str, Any]:
    """Return what the page shows, whether as Markdown or as HTML."""
    return {
        "design": design,
        "text": text,
        "sentences": summary(design, answers, results),
        "answers": answers,
        "results": results,
        "first": smallest(results),
        "protocols": protocol_lines(results),
        "columns": column_lines(results, design.label),
        "stamps": stamps_of(results),
        "relied": relied_on(results),
        "by_classifier": change_by_classifier(design, answers, results),
        "rankings": rankings(design, results),
        "gaps": [(one, gap) for one in results if (gap := gender_gap(one)) is not None],
        "change": lambda value: f"{100 * value:+.1f}",
        "ends": ends,
        "p_value": p_value,
        "commits": sorted({result.provenance["commit"] for result in results}),
    }


def relied_on(results: Sequence[Result]) -> list[dict[str, object]]:
    """Return what is lost by blocks and features, of results that tell it."""
    return [{"result": one, "rows": relied_columns(one)} for one in results if one.importance]


def smallest(results: Sequence[Result]) -> Result:
    """Return the result of the fewest rows: of the one corpus that all are scored on."""
    return min(results, key=lambda one: one.rows)


def stamps_of(results: Sequence[Result]) -> list[str]:
    """Return what must be known of any of the results, and of which where it is not of all.

    How often the gender was estimated rightly is told once, as the range over the results.
    """
    found: dict[str, list[str]] = {}
    rightly: dict[str, list[float]] = {}
    for one in results:
        for stamp in (*one.protocol.stamps, *one.notes):
            share = RIGHTLY.search(stamp)
            kind = RIGHTLY.sub("{} %", stamp) if share else stamp
            found.setdefault(kind, []).append(one.protocol.name)
            if share:
                rightly.setdefault(kind, []).append(float(share[1]))
    every = len(results)
    return [
        _with_range(kind, rightly) + ("" if len(names) == every else f" ({', '.join(dict.fromkeys(names))})")
        for kind, names in found.items()
    ] or ["none"]


def _with_range(kind: str, rightly: Mapping[str, Sequence[float]]) -> str:
    if kind not in rightly:
        return kind
    low, high = min(rightly[kind]), max(rightly[kind])
    return kind.replace("{}", f"{low:.1f}" if low == high else f"{low:.1f} to {high:.1f}", 1)


def ends(interval: tuple[float, float] | None) -> str:
    """Return an interval in points, a dash for none."""
    return "-" if interval is None else f"{100 * interval[0]:+.1f} to {100 * interval[1]:+.1f}"


def gender_gap(result: Result) -> GroupGap | None:
    """Return how much better one gender is recognised than the other, None where that is not known."""
    confusions = {name: np.asarray(one) for name, one in result.speaker_confusions.items()}
    return group_gap(confusions, result.genders)
