"""The page of a factorial: the answer first, then the table, the questions, classes and groups of speakers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fusionser.evaluation import Result
from fusionser.evaluation.statistics import GroupGap, group_gap
from fusionser.experiments.ablation import Answer, Factorial, cell_label
from fusionser.files import write_text
from fusionser.reporting.figures import COLORS, plain, save_figure
from fusionser.reporting.page import render

__all__ = ["AblationText", "ends", "summary", "write_ablation"]

SIGNIFICANT = 0.05
DARK_CELL = 0.5


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


def summary(table: Factorial, answers: Sequence[Answer]) -> list[str]:
    """Say in three sentences what was found, from the numbers and with their uncertainty."""
    if not answers:
        return ["No question can be answered yet: the evaluations that it needs have not been run."]
    none, copies, both = _kinds(table, answers)
    cures = [one for one in none if one is not None]
    best = max(cures, key=lambda one: abs(one.uar.mean)) if cures else None
    sentences = []
    if best is not None:
        found = [one for one in cures if one.corrected < SIGNIFICANT]
        changed = f"{len(found)} of {len(cures)} cures of imbalance" if found else "None of the cures of imbalance"
        sentences.append(
            f"{changed} changed the UAR by more than chance gives; the largest change is that of "
            f"{best.question.having[0]}, {points(best)}."
        )
    if copies is not None:
        verdict = "changed" if copies.corrected < SIGNIFICANT else "did not change"
        sentences.append(
            f"Augmented copies ({copies.question.having[1]}) {verdict} it by more than chance gives: {points(copies)}."
        )
    if both:
        sure = [one for one in both if one.corrected < SIGNIFICANT and one.uar.mean > 0]
        sentences.append(
            "Together they are "
            + (
                f"beyond {' and '.join(_other(one) for one in sure)}"
                if sure
                else "not beyond either alone by more than chance gives"
            )
            + f": {'; '.join(f'{points(one)} against {_other(one)}' for one in both)}."
        )
    return sentences


def _kinds(table: Factorial, answers: Sequence[Answer]) -> tuple[list[Answer], Answer | None, list[Answer]]:
    cures = [one for one in answers if one.question.having[1] == "none"]
    copies = [one for one in answers if one.question.having[0] == "none"]
    both = [one for one in answers if "none" not in one.question.having]
    return cures, copies[0] if copies else None, both


def _other(answer: Answer) -> str:
    return f"{next(name for name in answer.question.without if name != 'none')} alone"


def points(answer: Answer) -> str:
    """Return the change of the UAR in points, its interval, and Holm's p."""
    low_high = answer.uar.interval
    within = "" if low_high is None else f"95 % {100 * low_high[0]:+.1f} to {100 * low_high[1]:+.1f}, "
    return f"{100 * answer.uar.mean:+.1f} points ({within}p = {answer.corrected:.3f})"


def factorial_figure(table: Factorial, results: Sequence[Result]) -> Figure:
    """Draw the UAR of every cell, a panel a classifier, cures down and augmentations across."""
    found = {(one.features_name, one.classifier): 100 * one.pooled.uar for one in results}
    classifiers = list(dict.fromkeys(one.classifier for one in results))
    size = (1.4 + 0.9 * len(table.augmentation)) * len(classifiers), 1.4 + 0.5 * len(table.imbalance)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(classifiers), squeeze=False, sharey=True)[0]
    low, high = min(found.values()), max(found.values())
    for axes, classifier in zip(panels, classifiers, strict=True):
        values = np.array(
            [
                [found.get((cell_label(cure, kind), classifier), np.nan) for kind in table.augmentation]
                for cure in table.imbalance
            ]
        )
        axes.imshow(values, cmap="Blues", vmin=low, vmax=max(high, low + 1e-9), aspect="auto")
        axes.set_xticks(range(len(table.augmentation)), table.augmentation, rotation=45, ha="right")
        axes.set_yticks(range(len(table.imbalance)), table.imbalance)
        axes.set_title(plain(classifier), fontsize=10)
        for (row, column), value in np.ndenumerate(values):
            dark = high > low and (value - low) / (high - low) > DARK_CELL
            text = "-" if np.isnan(value) else f"{value:.1f}"
            axes.text(column, row, text, ha="center", va="center", color="white" if dark else "black", fontsize=8)
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
    table: Factorial, answers: Sequence[Answer], results: Sequence[Result], text: AblationText, folder: str | Path
) -> Path:
    """Write ``report.md`` and its pictures; return the page."""
    place = Path(folder)
    save_figure(factorial_figure(table, results), place / "factorial.png")
    if answers:
        save_figure(answers_figure(answers), place / "questions.png")
    page = render(
        "ablation.md.j2",
        table=table,
        text=text,
        sentences=summary(table, answers),
        answers=answers,
        results=results,
        first=results[0],
        gaps=[(one, gap) for one in results if (gap := gender_gap(one)) is not None],
        change=lambda value: f"{100 * value:+.1f}",
        ends=ends,
        commits=sorted({result.provenance["commit"] for result in results}),
    )
    return write_text(place / "report.md", page)


def ends(interval: tuple[float, float] | None) -> str:
    """Return an interval in points, a dash for none."""
    return "-" if interval is None else f"{100 * interval[0]:+.1f} to {100 * interval[1]:+.1f}"


def gender_gap(result: Result) -> GroupGap | None:
    """Return how much better one gender is recognised than the other, None where that is not known."""
    confusions = {name: np.asarray(one) for name, one in result.speaker_confusions.items()}
    return group_gap(confusions, result.genders)
