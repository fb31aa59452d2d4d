"""Markdown pages of a result and of a study."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fusionser.augmentation import REVISION
from fusionser.corpora import CORPORA
from fusionser.dimension_results import DimensionResult
from fusionser.evaluation.differences import Difference, speaker_difference
from fusionser.evaluation.evaluate import Evaluation
from fusionser.files import remove_files, write_text
from fusionser.names import ADAPTED, INDUCTIVE, SPEAKER_NORMALISED
from fusionser.reporting.across import across_tables
from fusionser.reporting.by_corpus import corpus_scores
from fusionser.reporting.jinja import environment
from fusionser.reporting.markdown import escape, escaped
from fusionser.reporting.settings import block_lines, classifier_lines, column_lines, settings_text
from fusionser.reporting.words import (
    calibration,
    change,
    classes_text,
    ends,
    group_stamps,
    note_lines,
    one_sided,
    percent,
    selection_text,
    shares,
    stamp_texts,
)
from fusionser.results import Result, Scores
from fusionser.rows import public_table, write_table
from fusionser.splits import CrossCorpus, LeaveOneCorpusOut
from fusionser.studies.recipe import ContrastRow, PaperRow

__all__ = [
    "METRIC_NAMES",
    "StudyText",
    "headline",
    "is_at_chance",
    "is_synthetic",
    "relied_columns",
    "result_page",
    "score_interval",
    "study_page",
    "where_tested",
    "write_report",
    "write_study",
]

MOST_FEATURES = 15
"""Number of single columns that a page lists, since there may be hundreds."""

METRIC_NAMES: Mapping[str, str] = {"war": "WAR (accuracy)", "uar": "UAR", "macro_f1": "macro F1"}

USED_CLIPS: Mapping[str, str] = {
    INDUCTIVE: "",
    SPEAKER_NORMALISED: ", each speaker standardised by their own clips",
    ADAPTED: ", adapted to the unlabelled test clips",
}
"""How the clips of the test speakers were used, by setting."""


def _score(scores: Scores, name: str) -> str:
    return percent(getattr(scores, name))


def score_interval(result: Result, name: str) -> str:
    """Return the interval of a score in percent, or why there is none."""
    if result.intervals is None:
        return "see by speaker" if result.speakers and result.protocol.speakers_known else "none: speakers unknown"
    return shares(result.intervals[name])


def relied_columns(result: Result) -> list[tuple[str, float, tuple[float, float] | None]]:
    """Return the importance of every block and of the most important features, with intervals."""
    losses = [(name, *loss) for name, loss in result.importance.items()]
    features = [loss for loss in losses if "__" in loss[0]]
    return [loss for loss in losses if "__" not in loss[0]] + features[:MOST_FEATURES]


def is_synthetic(result: Result | DimensionResult) -> bool:
    """Return whether any of the recordings are synthetic."""
    return any(CORPORA[name].card.synthetic for name in result.corpora if name in CORPORA)


def headline(result: Result) -> str:
    """Return the scores of a result in one sentence."""
    used = USED_CLIPS[result.protocol.setting]
    interval = "" if result.intervals is None else f" (95 % interval over speakers {score_interval(result, 'uar')})"
    return (
        f"{where_tested(result)}{used}, {result.classifier} with {result.features_name} "
        f"reached UAR {percent(result.pooled.uar)} %{interval} and WAR {percent(result.pooled.war)} %; "
        f"chance is {100 / len(result.classes):.1f} % UAR."
    )


def is_at_chance(result: Result) -> bool:
    """Return whether the UAR, or the lower end of its interval over speakers, is not above chance."""
    least = result.pooled.uar if result.intervals is None else result.intervals["uar"][0]
    return least <= 1.0 / len(result.classes)


def where_tested(result: Result | DimensionResult) -> str:
    """Return what the test recordings were to the pipeline, as the beginning of a sentence."""
    if result.protocol.name == LeaveOneCorpusOut.name:
        return "On corpora that it was not trained on"
    if result.protocol.name == CrossCorpus.name:
        tested = result.protocol.settings["test"]
        trained = [name for name in result.corpora if name not in tested]
        return f"On recordings of {', '.join(tested)}, trained on {', '.join(trained)}"
    if result.protocol.speaker_independent:
        return "On speakers that it was not trained on"
    return f"On speakers that it {'was' if result.protocol.speakers_known else 'may have been'} trained on"


def render(template: str, **values: Any) -> str:
    """Return a Markdown page; what others named in it must be `escaped` before, or go through the filter ``plain``."""
    made = environment(keep_trailing_newline=True)
    made.filters["plain"] = escape
    text = made.get_template(template).render(
        change=change,
        ends=ends,
        percent=_score,
        interval=score_interval,
        calibration=calibration,
        settings=settings_text,
        points=_points,
        metrics=METRIC_NAMES,
        corpus_scores=corpus_scores,
        shares=shares,
        stamp_texts=stamp_texts,
        group_stamps=group_stamps,
        notes=note_lines,
        selection=selection_text,
        **values,
    )
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def result_page(result: Result, networks: Sequence[str] = ()) -> str:
    """Return the Markdown page of one result; `networks` names the networks that have learning curves."""
    result = escaped(result)
    return render(
        "result.md.j2",
        result=result,
        relied=relied_columns(result),
        networks=networks,
        headline=headline(result),
        synthetic=is_synthetic(result),
    )


@dataclass(frozen=True, kw_only=True)
class PageText:
    """Content of a page in addition to the results.

    Parameters
    ----------
    command : str
        Command that runs the evaluations again.
    missing : sequence of str
        Names of evaluations that have not been run.
    failures : mapping of str to str
        Reasons of failed evaluations, by name.
    """

    command: str
    missing: Sequence[str] = ()
    failures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class StudyText(PageText):
    """Content of a study's page in addition to the results.

    Parameters
    ----------
    command, missing, failures
        See `PageText`.
    title, question : str
    reading : str
        Notes on how to read the tables.
    paper : sequence of PaperRow
        Published figures to show beside ours.
    contrasts : sequence of ContrastRow
    """

    title: str
    question: str
    reading: str = ""
    paper: Sequence[PaperRow] = ()
    contrasts: Sequence[ContrastRow] = ()


def study_page(text: StudyText, results: Sequence[Result]) -> str:
    """Return the Markdown page of a study, with one table per corpus, protocol and number of classes."""
    results = [escaped(result) for result in results]
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        settings = settings_text({key: value for key, value in result.protocol.settings.items() if key != "seed"})
        label = f"{result.protocol.name}{settings}, {classes_text(result)}"
        groups.setdefault((result.corpus, label), []).append(result)
    tables, across = across_tables(groups)
    return render(
        "study.md.j2",
        text=text,
        groups=groups,
        tables=tables,
        across=across,
        differences=_differences(text.contrasts, results),
        paper=[(row, _beside(row, results)) for row in text.paper],
        gaps=_gaps(results),
        settings_used={result.protocol.setting for result in results},
        calibrated=any(result.calibration_error is not None for result in results),
        mostly=one_sided(results),
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
    """Return whether this version would augment the rows in another way."""
    settings = result.classifier_settings
    return "augment" in settings and settings.get("augmentation_revision", 1) != REVISION


def _differences(
    contrasts: Sequence[ContrastRow], results: Sequence[Result]
) -> list[tuple[ContrastRow, Result, Result, Difference]]:
    """Return the inductive results that each contrast compares, and their difference, unless one is missing."""
    found: dict[tuple[str, str, int, str], Result] = {}
    for result in _inductive(results):
        name = f"{result.features_name}/{result.classifier}"
        found.setdefault((result.corpus, result.protocol.name, len(result.classes), name), result)
    differences = []
    for contrast in contrasts:
        where = (contrast.corpus, contrast.protocol, contrast.classes)
        without, having = found.get((*where, contrast.without)), found.get((*where, contrast.with_))
        if without and having and without.speakers.keys() & having.speakers.keys():
            differences.append((contrast, without, having, speaker_difference(without, having)))
    return differences


def _inductive(results: Sequence[Result]) -> list[Result]:
    return [result for result in results if result.protocol.setting == INDUCTIVE]


def _beside(row: PaperRow, results: Sequence[Result]) -> list[Result]:
    """Return the best inductive result under a paper's protocol for each number of classes and set of features."""
    best: dict[tuple[int, str], Result] = {}
    for result in _inductive(results):
        if (result.corpus, result.protocol.name) == (row.corpus, row.protocol):
            key = (len(result.classes), result.features_name)
            best[key] = max(best.get(key, result), result, key=lambda one: one.pooled.war)
    return list(best.values())


def _points(value: float, interval: tuple[float, float] | None) -> str:
    """Return a difference in points, with its interval."""
    return change(value) if interval is None else f"{change(value)} ({ends(interval)})"


def _gaps(results: Sequence[Result]) -> list[tuple[Result, Result]]:
    """Pair speaker-independent inductive results with those of the same pipeline under a random split."""
    honest: dict[tuple[str, str, str], Result] = {}
    leaky: dict[tuple[str, str, str], Result] = {}
    for result in _inductive(results):
        key = (result.corpus, result.features_name, result.classifier)
        if result.protocol.speaker_independent:
            honest.setdefault(key, result)
        if result.protocol.random:
            leaky.setdefault(key, result)
    return [(result, leaky[key]) for key, result in honest.items() if key in leaky]


def write_study(text: StudyText, results: Sequence[Result], folder: str | Path) -> Path:
    """Write ``report.md`` and the figure of a study; return the path of the page."""
    # matplotlib takes 45 MB and a third of a second, which commands that only print need not spend.
    from fusionser.reporting.figures import save_figure, study_figure

    save_figure(study_figure(results), Path(folder) / "uar.png")
    return write_text(Path(folder) / "report.md", study_page(text, results))


DRAWN = (
    "report.md",
    "predictions.csv",
    "confusion.png",
    "speakers.png",
    "learning_curves.csv",
    "learning_curves.png",
    "predictions.png",
)
"""Files that are made of an evaluation, beside its result."""


def write_report(result: Result, evaluation: Evaluation, folder: str | Path) -> Path:
    """Write ``report.md``, ``result.json``, ``predictions.csv`` and the figures of one evaluation.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    FusionserError
        When a file cannot be written.
    """
    from fusionser.reporting.figures import confusion_figure, curves_figure, save_figure, speakers_figure

    place = Path(folder)
    result.save(place / "result.json")
    # A run that fails from here on must leave nothing of an earlier result beside the new one.
    remove_files(place, DRAWN)
    write_table(public_table(evaluation.predictions), place / "predictions.csv")
    save_figure(confusion_figure(result), place / "confusion.png")
    if result.speakers:
        save_figure(speakers_figure(result), place / "speakers.png")
    networks = list(dict.fromkeys(evaluation.curves["network"])) if len(evaluation.curves) else []
    if networks:
        write_table(evaluation.curves, place / "learning_curves.csv")
        save_figure(curves_figure(evaluation.curves), place / "learning_curves.png")
    return write_text(place / "report.md", result_page(result, networks))
