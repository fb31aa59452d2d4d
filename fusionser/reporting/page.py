"""Markdown pages from results."""

import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from fusionser.corpora import CORPORA
from fusionser.evaluation.evaluate import Evaluation
from fusionser.evaluation.results import Result, Scores
from fusionser.files import write_text
from fusionser.reporting.figures import confusion_figure, save_figure, speakers_figure, study_figure
from fusionser.rows import write_table

__all__ = [
    "METRIC_NAMES",
    "headline",
    "is_synthetic",
    "result_page",
    "score_interval",
    "study_page",
    "write_report",
    "write_study",
]

METRIC_NAMES: Mapping[str, str] = {"war": "WAR (accuracy)", "uar": "UAR", "macro_f1": "macro F1"}


def _percent(scores: Scores, name: str) -> str:
    return f"{100 * getattr(scores, name):.1f}"


def score_interval(result: Result, name: str) -> str:
    """Return the interval of a score in percent, or where to look instead."""
    if result.intervals is None:
        return "see by speaker" if result.speakers and result.protocol.speakers_known else "none: speakers unknown"
    low, high = result.intervals[name]
    return f"{100 * low:.1f} to {100 * high:.1f}"


def _settings(values: Mapping[str, Any]) -> str:
    shown = []
    for key, value in values.items():
        if value in (None, (), [], ""):
            continue
        text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
        shown.append(f"{key} = {text}")
    return f" ({'; '.join(shown)})" if shown else ""


def is_synthetic(result: Result) -> bool:
    """Whether a part of the recordings is generated."""
    return any(CORPORA[name].card.synthetic for name in result.corpus.split(", ") if name in CORPORA)


def headline(result: Result) -> str:
    """Return a result in one sentence."""
    normalised = "" if result.protocol.setting == "inductive" else ", each speaker standardised by their own clips"
    interval = "" if result.intervals is None else f" (95 % interval over speakers {score_interval(result, 'uar')})"
    return (
        f"On {_who(result)}{normalised}, {result.classifier} with {result.features_name} reached "
        f"UAR {_percent(result.pooled, 'uar')} %{interval} and WAR {_percent(result.pooled, 'war')} %; "
        f"chance is {100 / len(result.classes):.1f} % UAR."
    )


def _who(result: Result) -> str:
    if result.protocol.speaker_independent:
        return "speakers that it was not trained on"
    known = result.protocol.speakers_known
    return "speakers that it was trained on" if known else "speakers that it may have been trained on"


def _environment() -> jinja2.Environment:
    # Markdown, not HTML: nothing is escaped, and pages are only written, never served.
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)  # noqa: S701
    environment.tests["search"] = lambda text, pattern: re.search(pattern, text) is not None
    return environment


def _render(template: str, **values: Any) -> str:
    text = (resources.files("fusionser.reporting") / "templates" / template).read_text(encoding="utf-8")
    page = (
        _environment()
        .from_string(text)
        .render(percent=_percent, interval=score_interval, settings=_settings, metrics=METRIC_NAMES, **values)
    )
    return re.sub(r"\n{3,}", "\n\n", page).rstrip() + "\n"


def result_page(result: Result) -> str:
    """Return the page of one result, in Markdown."""
    return _render("result.md.j2", result=result, headline=headline(result), synthetic=is_synthetic(result))


def study_page(title: str, question: str, command: str, results: Sequence[Result]) -> str:
    """Return the page of a study of many results, in Markdown, one table a corpus and protocol."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        label = result.protocol.name + _settings({k: v for k, v in result.protocol.settings.items() if k != "seed"})
        groups.setdefault((result.corpus, label), []).append(result)
    return _render(
        "study.md.j2",
        title=title,
        question=question,
        command=command,
        groups=groups,
        gaps=_gaps(results),
        lines=_setting_lines(results),
        first=results[0],
        commits=sorted({result.provenance["commit"] for result in results}),
    )


def _gaps(results: Sequence[Result]) -> list[tuple[Result, Result]]:
    """Pair each inductive result by speaker with the same pipeline's under a split that leaks speakers."""
    inductive = [result for result in results if result.protocol.setting == "inductive"]
    pairs, seen = [], set()
    for honest in inductive:
        key = (honest.corpus, honest.features_name, honest.classifier)
        if not honest.protocol.speaker_independent or key in seen:
            continue
        for leaky in inductive:
            same = (leaky.corpus, leaky.features_name, leaky.classifier) == key
            if same and leaky.protocol.name.startswith("random"):
                pairs.append((honest, leaky))
                seen.add(key)
                break
    return pairs


def _setting_lines(results: Sequence[Result]) -> list[str]:
    lines = [
        f"{result.classifier}{_settings(result.classifier_settings)}; {result.protocol.selection}" for result in results
    ]
    return list(dict.fromkeys(lines))


def write_study(title: str, question: str, command: str, results: Sequence[Result], folder: str | Path) -> Path:
    """Write ``report.md`` and the picture of a study; return the page."""
    save_figure(study_figure(results), Path(folder) / "uar.png")
    return write_text(Path(folder) / "report.md", study_page(title, question, command, results))


def write_report(result: Result, evaluation: Evaluation, folder: str | Path) -> Path:
    """Write ``report.md``, ``result.json``, ``predictions.csv`` and the pictures of one evaluation.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    FusionserError
        When a file cannot be written.
    """
    place = Path(folder)
    result.save(place / "result.json")
    write_table(evaluation.predictions, place / "predictions.csv")
    save_figure(confusion_figure(result), place / "confusion.png")
    if result.speakers:
        save_figure(speakers_figure(result), place / "speakers.png")
    return write_text(place / "report.md", result_page(result))
