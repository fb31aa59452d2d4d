"""The page of an ablation: the answer first, then the table, the contrasts, classes and groups of speakers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fusionser.evaluation.statistics import GroupGap, group_gap
from fusionser.files import write_text
from fusionser.reporting.breakdown import breakdown_figure, by_class, by_speaker, change_by_classifier, rankings
from fusionser.reporting.figures import COLORS, draw_heat, plain, save_figure
from fusionser.reporting.page import relied_columns, render
from fusionser.reporting.settings import block_lines, classifier_lines, column_lines, protocol_lines
from fusionser.reporting.words import design_notes, result_stamps, where_asked
from fusionser.results import Result
from fusionser.studies.contrasts import Design, Effect
from fusionser.studies.factorial import NONE, Factorial

__all__ = ["AblationText", "ends", "p_value", "page_values", "panels", "summary", "write_ablation"]

LEAST_SHOWN = 0.001
SIGNIFICANT = 0.05


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
    """Return how results are laid out: strategies by augmentations for each classifier, or labels by classifier."""
    classifiers = list(dict.fromkeys(result.classifier for result in results))
    if not isinstance(design, Factorial):
        labels = list(dict.fromkeys(design.label(result) for result in results))
        by_cell = {(design.label(result), result.classifier): result for result in results}
        return [Panel("", design.varied, labels, classifiers, by_cell)]
    by_label = {(result.features_name, result.classifier): result for result in results}
    cells = design.labels()
    return [
        Panel(
            classifier,
            "imbalance",
            design.imbalance,
            design.augmentation,
            {cell: by_label[name] for label, cell in cells.items() if (name := (label, classifier)) in by_label},
        )
        for classifier in classifiers
    ]


def summary(design: Design, effects: Sequence[Effect], results: Sequence[Result] = ()) -> list[str]:
    """Say in three sentences what was found, from the numbers and with their uncertainty."""
    if not effects:
        return ["No contrast can be estimated yet: the evaluations that it needs have not been run."]
    spread = _spread(design, effects, results)
    return (
        _factorial_summary(design, effects, spread)
        if isinstance(design, Factorial)
        else _plain_summary(design, effects, results, spread)
    )


def _spread(design: Design, effects: Sequence[Effect], results: Sequence[Result]) -> dict[str, str]:
    """Say from what to what the change of each contrast goes by classifier: a mean may be the doing of one."""
    shown = change_by_classifier(design, effects, results)
    if len(shown.columns) < 2:
        return {}
    return {
        name: f", {round(100 * row.min(), 1) + 0.0:+.1f} to {round(100 * row.max(), 1) + 0.0:+.1f} by classifier"
        for name, row in zip(shown.labels, shown.values, strict=True)
        if np.isfinite(row).all()
    }


def _plain_summary(
    design: Design, effects: Sequence[Effect], results: Sequence[Result], spread: Mapping[str, str]
) -> list[str]:
    by_label: dict[str, list[float]] = {}
    for result in results:
        by_label.setdefault(design.label(result), []).append(result.pooled.uar)
    means = {label: 100 * float(np.mean(values)) for label, values in by_label.items()}
    best, worst = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    sure = [effect for effect in effects if effect.corrected < SIGNIFICANT]
    listed = "; ".join(effect.contrast.text for effect in sure)
    largest = max(effects, key=lambda effect: abs(effect.uar.mean))
    return [
        f"The UAR, averaged over the classifiers, is highest for '{best}' ({means[best]:.1f} %) and lowest for "
        f"'{worst}' ({means[worst]:.1f} %).",
        f"{len(sure)} of {len(effects)} contrasts find a change of the UAR beyond what chance gives"
        + (f": {listed}." if listed else "."),
        f"The largest change is that of {largest.contrast.text}: {points(largest, spread)}.",
    ]


def _factorial_summary(table: Factorial, effects: Sequence[Effect], spread: Mapping[str, str]) -> list[str]:
    """Say what balancing strategies do, what augmentation does, and what both do."""
    cells = table.labels()
    having = {effect.contrast.text: cells[effect.contrast.having] for effect in effects}
    strategies = [effect for effect in effects if having[effect.contrast.text][1] == NONE]
    augmented = [effect for effect in effects if having[effect.contrast.text][0] == NONE]
    both = [effect for effect in effects if NONE not in having[effect.contrast.text]]
    sentences = []
    if strategies:
        largest = max(strategies, key=lambda effect: abs(effect.uar.mean))
        count = sum(effect.corrected < SIGNIFICANT for effect in strategies)
        which = f"{count} of {len(strategies)}" if count else "none of the"
        sentences.append(
            f"Without augmentation, {which} balancing strategies changed the UAR by more than chance gives; the "
            f"largest change is that of {having[largest.contrast.text][0]}, {points(largest, spread)}."
        )
    for effect in augmented[:1]:
        verdict = "changed" if effect.corrected < SIGNIFICANT else "did not change"
        sentences.append(
            f"Without a balancing strategy, augmentation ({having[effect.contrast.text][1]}) {verdict} it by more than "
            f"chance gives: {points(effect, spread)}."
        )
    if both:
        sentences.append(_together(both, cells, having[both[0].contrast.text], spread))
    return sentences


def _together(
    both: Sequence[Effect],
    cells: Mapping[str, tuple[str, str]],
    having: tuple[str, str],
    spread: Mapping[str, str],
) -> str:
    """Say whether a strategy and augmentation together go beyond either alone."""
    groups: dict[str, list[str]] = {"beyond": [], "not beyond": []}
    for effect in both:
        surely = effect.corrected < SIGNIFICANT and effect.uar.mean > 0
        other = _one_alone(*cells[effect.contrast.without])
        groups["beyond" if surely else "not beyond"].append(f"{other}: {points(effect, spread)}")
    described = "; ".join(f"{word} {' and '.join(group)}" for word, group in groups.items() if group)
    strategy, kind = having
    return f"Together {strategy} and augmentation ({kind}) are {described}."


def _one_alone(strategy: str, kind: str) -> str:
    return f"{strategy} alone" if kind == NONE else f"augmentation ({kind}) alone"


def points(effect: Effect, spread: Mapping[str, str]) -> str:
    """Return the change of the UAR in points, its interval, Holm's p, and how far classifiers differ."""
    low_high = effect.uar.interval
    within = "" if low_high is None else f"95 % {100 * low_high[0]:+.1f} to {100 * low_high[1]:+.1f}, "
    p = p_value(effect.corrected)
    p_text = f"corrected p {p.replace('<', '< ') if p[0] == '<' else f'= {p}'}"
    return f"{100 * effect.uar.mean:+.1f} points ({within}{p_text}{spread.get(effect.contrast.text, '')})"


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
    scores = [result.pooled.uar for result in results]
    for axes, panel in zip(figure.subplots(1, len(shown), squeeze=False, sharey=True)[0], shown, strict=True):
        values = np.full((rows, columns), np.nan)
        for (row, column), result in panel.results.items():
            values[list(panel.rows).index(row), list(panel.columns).index(column)] = result.pooled.uar
        draw_heat(axes, values, panel.rows, panel.columns, ends=(min(scores), max(scores)))
        axes.set_title(plain(panel.title), fontsize=10)
    return figure


def effects_figure(effects: Sequence[Effect]) -> Figure:
    """Draw the change of UAR and WAR that each contrast is about, with their intervals."""
    figure = Figure(figsize=(7.5, 1.2 + 0.42 * len(effects)), layout="constrained")
    axes = figure.add_subplot()
    for place, effect in enumerate(effects):
        for shift, test, mark, color in ((-0.12, effect.uar, "o", COLORS[0]), (0.12, effect.war, "s", COLORS[2])):
            if test.interval is not None:
                axes.plot([100 * end for end in test.interval], [place + shift] * 2, color=color, linewidth=1.5)
            axes.plot([100 * test.mean], [place + shift], mark, color=color)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(effects)), [plain(effect.contrast.text) for effect in effects], fontsize=8)
    axes.set_ylim(len(effects) - 0.5, -0.5)
    axes.set_xlabel("change in points, with 95 % intervals over speakers")
    marks = [
        Line2D([], [], marker=mark, color=color, linestyle="", label=label)
        for mark, color, label in (("o", COLORS[0], "UAR"), ("s", COLORS[2], "WAR"))
    ]
    figure.legend(handles=marks, loc="outside lower center", ncols=2, fontsize=8)
    axes.grid(axis="x", linewidth=0.4)
    return figure


def write_ablation(
    design: Design, effects: Sequence[Effect], results: Sequence[Result], text: AblationText, folder: str | Path
) -> Path:
    """Write ``report.md`` and its pictures; return the page."""
    place = Path(folder)
    save_figure(panels_figure(design, results), place / "table.png")
    save_figure(breakdown_figure(by_class(design, results)), place / "classes.png")
    save_figure(breakdown_figure(by_speaker(design, results)), place / "speakers.png")
    if effects:
        save_figure(effects_figure(effects), place / "contrasts.png")
    lines = [*block_lines(results), *classifier_lines(results)]
    page = render("ablation.md.j2", **page_values(design, effects, results, text), lines=lines)
    return write_text(place / "report.md", page)


def page_values(
    design: Design, effects: Sequence[Effect], results: Sequence[Result], text: AblationText
) -> dict[str, Any]:
    """Return what the page shows, whether as Markdown or as HTML."""
    return {
        "design": design,
        "text": text,
        "sentences": summary(design, effects, results),
        "effects": effects,
        "results": results,
        "first": smallest(results),
        "protocols": protocol_lines(results),
        "columns": column_lines(results, design.label),
        "stamps": result_stamps(results),
        "design_notes": design_notes(design),
        "where_asked": where_asked(design),
        "relied": relied_on(results),
        "by_classifier": change_by_classifier(design, effects, results),
        "rankings": rankings(design, results),
        "gaps": [(result, gap) for result in results if (gap := gender_gap(result)) is not None],
        "change": lambda value: f"{100 * value:+.1f}",
        "ends": ends,
        "p_value": p_value,
        "commits": sorted({result.provenance["commit"] for result in results}),
    }


def relied_on(results: Sequence[Result]) -> list[dict[str, object]]:
    """Return what is lost by blocks and features, of results that tell it."""
    return [{"result": result, "rows": relied_columns(result)} for result in results if result.importance]


def smallest(results: Sequence[Result]) -> Result:
    """Return the result of the fewest rows: of the one corpus that all are scored on."""
    return min(results, key=lambda result: result.rows)


def ends(interval: tuple[float, float] | None) -> str:
    """Return an interval in points, a dash for none."""
    return "-" if interval is None else f"{100 * interval[0]:+.1f} to {100 * interval[1]:+.1f}"


def gender_gap(result: Result) -> GroupGap | None:
    """Return how much better one gender is recognised than the other, None where that is not known."""
    confusions = {name: np.asarray(matrix) for name, matrix in result.speaker_confusions.items()}
    return group_gap(confusions, result.genders)
