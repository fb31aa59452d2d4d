"""Markdown pages from results."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from fusionser.augmentation import REVISION
from fusionser.corpora import CORPORA
from fusionser.evaluation.differences import Difference, speaker_difference
from fusionser.evaluation.evaluate import Evaluation
from fusionser.files import write_text
from fusionser.reporting.figures import confusion_figure, curves_figure, save_figure, speakers_figure, study_figure
from fusionser.reporting.settings import block_lines, classifier_lines, column_lines, settings_text
from fusionser.reporting.words import note_lines, selection_text, stamp_texts
from fusionser.results import Result, Scores
from fusionser.rows import write_table
from fusionser.studies.recipe import ContrastRow, PaperRow

__all__ = [
    "METRIC_NAMES",
    "StudyText",
    "headline",
    "is_synthetic",
    "relied_columns",
    "result_page",
    "score_interval",
    "study_page",
    "write_report",
    "write_study",
]

MOST_FEATURES = 15
"""Single columns that a page shows, of hundreds."""

METRIC_NAMES: Mapping[str, str] = {"war": "WAR (accuracy)", "uar": "UAR", "macro_f1": "macro F1"}


def _percent(scores: Scores, name: str) -> str:
    return f"{100 * getattr(scores, name):.1f}"


def score_interval(result: Result, name: str) -> str:
    """Return the interval of a score in percent, or where to look instead."""
    if result.intervals is None:
        return "see by speaker" if result.speakers and result.protocol.speakers_known else "none: speakers unknown"
    low, high = result.intervals[name]
    return f"{100 * low:.1f} to {100 * high:.1f}"


def relied_columns(result: Result) -> list[tuple[str, float, tuple[float, float] | None]]:
    """Return what is lost without each block, and without each of the features that cost most."""
    blocks = [name for name in result.importance if "__" not in name]
    features = [name for name in result.importance if "__" in name][:MOST_FEATURES]
    return [(name, *result.importance[name]) for name in (*blocks, *features)]


def is_synthetic(result: Result) -> bool:
    """Whether a part of the recordings is generated."""
    return any(CORPORA[name].card.synthetic for name in result.corpora if name in CORPORA)


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
    speakers_known = result.protocol.speakers_known
    return "speakers that it was trained on" if speakers_known else "speakers that it may have been trained on"


def _environment() -> jinja2.Environment:
    # Markdown, not HTML: nothing is escaped, and pages are only written, never served.
    return jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)  # noqa: S701


def render(template: str, **values: Any) -> str:
    text = (resources.files("fusionser.reporting") / "templates" / template).read_text(encoding="utf-8")
    page = (
        _environment()
        .from_string(text)
        .render(
            percent=_percent,
            interval=score_interval,
            settings=settings_text,
            points=_points,
            metrics=METRIC_NAMES,
            stamp_texts=stamp_texts,
            notes=note_lines,
            selection=selection_text,
            **values,
        )
    )
    return re.sub(r"\n{3,}", "\n\n", page).rstrip() + "\n"


def result_page(result: Result, networks: Sequence[str] = ()) -> str:
    """Return the page of one result, in Markdown; `networks` are those with learning curves beside it."""
    return render(
        "result.md.j2",
        result=result,
        relied=relied_columns(result),
        networks=networks,
        headline=headline(result),
        synthetic=is_synthetic(result),
    )


@dataclass(frozen=True, kw_only=True)
class StudyText:
    """What a study's page says beside its results.

    Parameters
    ----------
    title, question : str
    command : str
        How to run it again.
    reading : str
        What the reader should know to read the tables.
    paper : sequence of PaperRow
        Figures that stand beside ours.
    contrasts : sequence of ContrastRow
    missing : sequence of str
        Evaluations that were not run.
    failures : mapping of str to str
        What went wrong in those that failed.
    """

    title: str
    question: str
    command: str
    reading: str = ""
    paper: Sequence[PaperRow] = ()
    contrasts: Sequence[ContrastRow] = ()
    missing: Sequence[str] = ()
    failures: Mapping[str, str] = field(default_factory=dict)


def study_page(text: StudyText, results: Sequence[Result]) -> str:
    """Return the page of a study of many results, in Markdown, one table a corpus, protocol and number of classes."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        label = result.protocol.name + settings_text({k: v for k, v in result.protocol.settings.items() if k != "seed"})
        fewer = f", {len(result.classes)} classes"
        groups.setdefault((result.corpus, label + fewer), []).append(result)
    return render(
        "study.md.j2",
        text=text,
        groups=groups,
        differences=_differences(text.contrasts, results),
        paper=[(row, _beside(row, results)) for row in text.paper],
        gaps=_gaps(results),
        normalised=any(result.protocol.setting != "inductive" for result in results),
        leaky=any(not result.protocol.speaker_independent for result in results),
        older=sum(_older_augmentation(result) for result in results),
        lines=[
            *column_lines(results, lambda result: result.features_name),
            *block_lines(results),
            *classifier_lines(results),
        ],
        first=results[0],
        commits=sorted({result.provenance["commit"] for result in results}),
        threads=sorted({result.provenance["threads"] for result in results if "threads" in result.provenance}),
    )


def _older_augmentation(result: Result) -> bool:
    """Return whether augmented rows were made otherwise than this version makes them."""
    settings = result.classifier_settings
    return "augment" in settings and settings.get("augmentation_revision", 1) != REVISION


def find_result(results: Sequence[Result], corpus: str, protocol: str, classes: int, name: str) -> Result | None:
    """Return the inductive result of ``features/classifier``, or None where it is not there."""
    features, _, classifier = name.rpartition("/")
    for result in results:
        where = (result.corpus, result.protocol.name, result.protocol.setting, len(result.classes))
        what = (result.features_name, result.classifier)
        if where == (corpus, protocol, "inductive", classes) and what == (features, classifier):
            return result
    return None


def _differences(
    contrasts: Sequence[ContrastRow], results: Sequence[Result]
) -> list[tuple[ContrastRow, Result, Result, Difference]]:
    differences = []
    for contrast in contrasts:
        sides = [
            find_result(results, contrast.corpus, contrast.protocol, contrast.classes, name)
            for name in (contrast.without, contrast.with_)
        ]
        if sides[0] is not None and sides[1] is not None and set(sides[0].speakers) & set(sides[1].speakers):
            differences.append((contrast, sides[0], sides[1], speaker_difference(sides[0], sides[1])))
    return differences


def _beside(row: PaperRow, results: Sequence[Result]) -> list[Result]:
    """Return the best inductive result of each set of features under a paper's protocol, by number of classes."""
    inductive = [
        result
        for result in results
        if (result.corpus, result.protocol.name, result.protocol.setting) == (row.corpus, row.protocol, "inductive")
    ]
    best: dict[tuple[int, str], Result] = {}
    for result in inductive:
        key = (len(result.classes), result.features_name)
        if key not in best or result.pooled.war > best[key].pooled.war:
            best[key] = result
    return list(best.values())


def _points(value: float, interval: tuple[float, float] | None) -> str:
    """Return a difference in points, with its interval."""
    text = f"{100 * value:+.1f}"
    return text if interval is None else f"{text} ({100 * interval[0]:+.1f} to {100 * interval[1]:+.1f})"


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
            if same and leaky.protocol.random:
                pairs.append((honest, leaky))
                seen.add(key)
                break
    return pairs


def write_study(text: StudyText, results: Sequence[Result], folder: str | Path) -> Path:
    """Write ``report.md`` and the picture of a study; return the page."""
    save_figure(study_figure(results), Path(folder) / "uar.png")
    return write_text(Path(folder) / "report.md", study_page(text, results))


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
    networks = list(dict.fromkeys(evaluation.curves["network"])) if len(evaluation.curves) else []
    if networks:
        write_table(evaluation.curves, place / "learning_curves.csv")
        save_figure(curves_figure(evaluation.curves), place / "learning_curves.png")
    return write_text(place / "report.md", result_page(result, networks))
