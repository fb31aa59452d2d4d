"""The page of an ablation: first the answer, then the table, the contrasts, classes and groups of speakers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fusionser.corpora import FOLDERS
from fusionser.files import write_text
from fusionser.reporting.breakdown import (
    breakdown_figure,
    by_class,
    by_speaker,
    change_by_classifier,
    gender_gap,
    panels,
    rankings,
)
from fusionser.reporting.drawing import Figure, Line2D
from fusionser.reporting.figures import COLORS, draw_heat, plain, save_figure
from fusionser.reporting.formats import PAGE_ONLY, Formats, write_tables
from fusionser.reporting.page import PageText, render
from fusionser.reporting.scores import p_value
from fusionser.reporting.settings import block_lines, classifier_lines, column_lines, protocol_lines
from fusionser.reporting.tables.ablation import ablation_tables, importance_tables
from fusionser.reporting.words import (
    MOST_ANSWERS,
    change,
    corpora_text,
    design_notes,
    ends,
    fitted_text,
    one_sided,
    result_stamps,
    where_asked,
)
from fusionser.results import Result
from fusionser.splits import AddedCorpora
from fusionser.studies.contrasts import Contrast, Design, Effect
from fusionser.studies.factorial import NONE, Factorial

__all__ = ["AblationText", "answer", "corpus_names", "page_values", "summary", "write_ablation"]

SIGNIFICANT = 0.05
MARKS = {"UAR": ("o", COLORS[0]), "WAR": ("s", COLORS[2])}


class AblationText(PageText):
    """Content of an ablation's page in addition to the results."""


def summary(design: Design, effects: Sequence[Effect], results: Sequence[Result] = ()) -> list[str]:
    """Return the findings in up to three sentences, with their uncertainty."""
    if not effects:
        return ["No contrast can be estimated yet: the evaluations that it needs have not been run."]
    spread = _spread(design, effects, results)
    if isinstance(design, Factorial):
        return _factorial_summary(design, effects, spread)
    return _plain_summary(design, effects, results, spread)


def answer(design: Design, effects: Sequence[Effect]) -> list[str]:
    """Return in plain sentences what changed the UAR, and what did not.

    Changes that are not significant count as none.
    """
    if not effects:
        return ["No contrast can be estimated yet: the evaluations that it needs have not been run."]
    named = _alone(design, effects)
    sure = sorted((one for one in named if one[0].corrected < SIGNIFICANT), key=lambda one: -one[0].uar.mean)
    told = [_change_text(contrast, effect.uar.mean) for effect, contrast in sure]
    if rest := [contrast.text for effect, contrast in named if effect.corrected >= SIGNIFICANT]:
        told.append(f"The UAR does not change significantly with: {'; '.join(rest)}.")
    return told


STRATEGY_WORDS: Mapping[str, str] = {
    "weights": "class weights",
    "oversample": "over-sampling",
    "undersample": "under-sampling",
    "smote": "SMOTE",
    "borderline-smote": "borderline SMOTE",
    "adasyn": "ADASYN",
    "smote-tomek": "SMOTE with Tomek links",
    "smote-enn": "SMOTE with edited nearest neighbours",
    "balanced-bagging": "balanced bagging",
    "logit-adjustment": "logit adjustment",
}
"""Balancing strategies in words."""


def _alone(design: Design, effects: Sequence[Effect]) -> list[tuple[Effect, Contrast]]:
    """Return what each effect is of; of an ablation, those of one thing alone, compared with nothing."""
    if not isinstance(design, Factorial):
        return [(effect, effect.contrast) for effect in effects]
    cells, named = design.labels(), []
    for effect in effects:
        strategy, kind = cells[effect.contrast.having]
        if cells[effect.contrast.without] == (NONE, NONE):
            text = f"augmented copies ({kind})" if strategy == NONE else STRATEGY_WORDS.get(strategy, strategy)
            named.append((effect, replace(effect.contrast, treatment=text, reference="")))
    return named


def _change_text(contrast: Contrast, difference: float) -> str:
    """Return in a sentence by how much a contrast changes the UAR.

    Examples
    --------
    >>> contrast = Contrast("random folds", "folds by speaker", "speaker-kfold", "random-kfold")
    >>> _change_text(contrast, 0.113)
    'With random folds, the UAR is 11.3 points higher than with folds by speaker.'
    >>> _change_text(replace(contrast, reference=""), -0.021)
    'With random folds, the UAR is 2.1 points lower.'
    """
    direction = "higher" if difference > 0 else "lower"
    than = f" than with {contrast.reference}" if contrast.reference else ""
    return f"With {contrast.treatment}, the UAR is {abs(100 * difference):.1f} points {direction}{than}."


def _spread(design: Design, effects: Sequence[Effect], results: Sequence[Result]) -> dict[str, str]:
    """Return the range of each contrast's change over the classifiers, since one of them may dominate the mean."""
    shown = change_by_classifier(design, effects, results)
    if len(shown.columns) < 2:
        return {}
    return {
        name: f", {change(row.min())} to {change(row.max())} by classifier"
        for name, row in zip(shown.labels, shown.values, strict=True)
        if np.isfinite(row).all()
    }


MUCH_MORE = 1.25
"""Ratio of training rows from which a difference may be due to them."""


def _largest(effects: Sequence[Effect]) -> Effect:
    return max(effects, key=lambda effect: abs(effect.uar.mean))


def _plain_summary(
    design: Design, effects: Sequence[Effect], results: Sequence[Result], spread: Mapping[str, str]
) -> list[str]:
    by_label: dict[str, list[float]] = {}
    for result in results:
        by_label.setdefault(design.label(result), []).append(result.pooled.uar)
    means = {label: 100 * float(np.mean(values)) for label, values in by_label.items()}
    best, worst = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    sure = [effect.contrast.text for effect in effects if effect.corrected < SIGNIFICANT]
    largest = _largest(effects)
    averaged = ", averaged over the classifiers," if largest.classifiers > 1 else ""
    extremes = (
        f"The UAR{averaged} is highest for '{best}' ({means[best]:.1f} %) and lowest for '{worst}' "
        f"({means[worst]:.1f} %)."
    )
    if len(effects) == 1:
        significant = "significant" if sure else "not significant"
        only = f"The only contrast, {largest.contrast.text}, is {significant}: {points(largest, spread)}."
        return [extremes, only, *_sizes(design, results)]
    return [
        extremes,
        f"{len(sure)} of {len(effects)} contrasts {'finds' if len(sure) == 1 else 'find'} a significant change of UAR"
        + (f": {'; '.join(sure)}." if sure else "."),
        f"The largest change is that of {largest.contrast.text}: {points(largest, spread)}.",
        *_sizes(design, results),
    ]


def _sizes(design: Design, results: Sequence[Result]) -> list[str]:
    """Return a sentence if results are trained on numbers of rows that differ by more than a quarter."""
    rows = {design.label(one): float(np.median([fold.train_rows for fold in one.folds])) for one in results}
    fewest, most = min(rows, key=rows.__getitem__), max(rows, key=rows.__getitem__)
    # Where corpora are added, more rows are what is compared.
    added = any(one.protocol.name == AddedCorpora.name for one in results)
    if added or rows[most] <= MUCH_MORE * rows[fewest]:
        return []
    return [
        f"The folds have different numbers of training rows, from {rows[fewest]:.0f} ('{fewest}') to {rows[most]:.0f} "
        f"('{most}'), so a part of the differences may be due to these."
    ]


def _factorial_summary(table: Factorial, effects: Sequence[Effect], spread: Mapping[str, str]) -> list[str]:
    """Return the effect of balancing strategies, of augmentation, and of both together."""
    cells = table.labels()
    strategies = [effect for effect in effects if cells[effect.contrast.having][1] == NONE]
    augmented = [effect for effect in effects if cells[effect.contrast.having][0] == NONE]
    both = [effect for effect in effects if NONE not in cells[effect.contrast.having]]
    sentences = []
    if strategies:
        sentences.append(f"Without augmentation, {_strategies(strategies, cells, spread)}.")
    for effect in augmented[:1]:
        kind = cells[effect.contrast.having][1]
        sentences.append(
            f"Without a balancing strategy, augmentation ({kind}) {_verdict(effect)}: {points(effect, spread)}."
        )
    if both:
        strategy, kind = cells[both[0].contrast.having]
        compared = _beyond(both, cells, spread)
        sentences.append(f"Combined, {strategy} and augmentation ({kind}) are {compared}.")
    return sentences


def _verdict(effect: Effect) -> str:
    if effect.corrected < SIGNIFICANT:
        return "changed the UAR significantly"
    return "did not change the UAR significantly"


def _strategies(effects: Sequence[Effect], cells: Mapping[str, tuple[str, str]], spread: Mapping[str, str]) -> str:
    """Return how many balancing strategies changed the UAR, and the largest change."""
    largest = _largest(effects)
    name = cells[largest.contrast.having][0]
    if len(effects) == 1:
        return f"{name} {_verdict(largest)}: {points(largest, spread)}"
    count = sum(effect.corrected < SIGNIFICANT for effect in effects)
    which = f"{count} of {len(effects)}" if count else f"none of the {len(effects)}"
    return (
        f"{which} balancing strategies changed the UAR significantly; the largest change is that of {name}: "
        f"{points(largest, spread)}"
    )


def _beyond(effects: Sequence[Effect], cells: Mapping[str, tuple[str, str]], spread: Mapping[str, str]) -> str:
    """Return whether a strategy and augmentation together are better than either alone."""
    better, other = "significantly better than", "not significantly better than"
    groups: dict[str, list[str]] = {better: [], other: []}
    for effect in effects:
        surely = effect.corrected < SIGNIFICANT and effect.uar.mean > 0
        strategy, kind = cells[effect.contrast.without]
        alone = strategy if kind == NONE else f"augmentation ({kind})"
        groups[better if surely else other].append(f"{alone} alone, {points(effect, spread)}")
    joined = {better: " and ", other: " or "}
    return "; ".join(f"{word} {joined[word].join(group)}" for word, group in groups.items() if group)


def points(effect: Effect, spread: Mapping[str, str]) -> str:
    """Return the change of UAR in points, its interval, the corrected p, and the range over the classifiers."""
    within = "" if effect.uar.interval is None else f"95 % {ends(effect.uar.interval)}, "
    p = p_value(effect.corrected)
    p_text = f"corrected p {p.replace('<', '< ') if p[0] == '<' else f'= {p}'}"
    return f"{change(effect.uar.mean)} points ({within}{p_text}{spread.get(effect.contrast.text, '')})"


def panels_figure(design: Design, results: Sequence[Result]) -> Figure:
    """Draw the UAR of every result, panel by panel."""
    shown = panels(design, results)
    rows, columns = shown[0].values.shape
    figure = Figure(figsize=((2.2 + 0.9 * columns) * len(shown), 1.4 + 0.5 * rows), layout="constrained")
    scores = [result.pooled.uar for result in results]
    for axes, panel in zip(figure.subplots(1, len(shown), squeeze=False, sharey=True)[0], shown, strict=True):
        draw_heat(axes, panel.values, panel.labels, panel.columns, ends=(min(scores), max(scores)))
        axes.set_title(plain(panel.title), fontsize=10)
    return figure


def effects_figure(effects: Sequence[Effect]) -> Figure:
    """Draw the changes of UAR and WAR of each contrast, with their intervals."""
    figure = Figure(figsize=(7.5, 1.2 + 0.42 * len(effects)), layout="constrained")
    axes = figure.add_subplot()
    for place, effect in enumerate(effects):
        for label, test, height in (("UAR", effect.uar, place - 0.12), ("WAR", effect.war, place + 0.12)):
            mark, color = MARKS[label]
            if test.interval is not None:
                axes.plot([100 * end for end in test.interval], [height] * 2, color=color, linewidth=1.5)
            axes.plot([100 * test.mean], [height], mark, color=color)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(effects)), [plain(effect.contrast.text) for effect in effects], fontsize=8)
    axes.set(ylim=(len(effects) - 0.5, -0.5), xlabel="change in points, with 95 % intervals over speakers")
    marks = [
        Line2D([], [], marker=mark, color=color, linestyle="", label=label) for label, (mark, color) in MARKS.items()
    ]
    figure.legend(handles=marks, loc="outside lower center", ncols=2, fontsize=8)
    axes.grid(axis="x", linewidth=0.4)
    return figure


def write_ablation(
    design: Design,
    effects: Sequence[Effect],
    results: Sequence[Result],
    text: AblationText,
    folder: str | Path,
    formats: Formats = PAGE_ONLY,
) -> Path:
    """Write ``report.md``, its figures and its tables; return the path of the page.

    The page in HTML has more in it: `fusionser.reporting.ablation_web_page.write_ablation_html` writes it.
    """
    place = Path(folder)
    figures = {
        "table": panels_figure(design, results),
        "classes": breakdown_figure(by_class(design, results)),
        "speakers": breakdown_figure(by_speaker(design, results)),
        **({"contrasts": effects_figure(effects)} if effects else {}),
    }
    for name, figure in figures.items():
        save_figure(figure, place / f"{name}.png", formats.figures)
    values = page_values(design, effects, results, text)
    relied = {one["table"].name: one["table"] for one in values["relied"]}
    write_tables({**values["tables"], **relied}, place, formats.tables)
    page = render("ablation.md.j2", **values, lines=[*block_lines(results), *classifier_lines(results)])
    return write_text(place / "report.md", page)


def corpus_names(design: Design, results: Sequence[Result]) -> Sequence[str]:
    """Return the names of the corpora of a design; for a folder of no known corpus, the name that its results have."""
    return results[0].corpora if design.corpus == FOLDERS and results else design.corpus.split(", ")


def page_values(
    design: Design, effects: Sequence[Effect], results: Sequence[Result], text: AblationText
) -> dict[str, Any]:
    """Return the content that the Markdown and the HTML page share."""
    gaps = [(result, gap) for result in results if (gap := gender_gap(result)) is not None]
    return {
        "design": design,
        "text": text,
        "answers": answer(design, effects),
        "corpus": corpora_text(corpus_names(design, results)),
        "sentences": summary(design, effects, results),
        "effects": effects,
        "results": results,
        "tables": ablation_tables(design, effects, results, rankings(design, results), gaps),
        "relied": [{"result": result, "table": table} for result, table in importance_tables(design, results).values()],
        # With several corpora the result with the fewest rows is of the corpus that all are tested on.
        "first": min(results, key=lambda result: result.rows),
        "protocols": protocol_lines(results),
        "columns": column_lines(results, design.label),
        "stamps": result_stamps(results),
        "design_notes": design_notes(design),
        "where_asked": where_asked(design),
        "mostly": one_sided(results),
        "most_answers": round(100 * MOST_ANSWERS),
        "fitted": fitted_text(results),
        "averaged": ", averaged over the classifiers" if len({result.classifier for result in results}) > 1 else "",
        "commits": sorted({result.provenance["commit"] for result in results}),
    }
