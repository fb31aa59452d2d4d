"""Markdown pages of a result and of a study."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from fusionser.augmentation import REVISION
from fusionser.dimension_results import method_of
from fusionser.evaluation.differences import Difference, speaker_difference
from fusionser.evaluation.evaluate import Evaluation
from fusionser.facts import left_out_speakers
from fusionser.files import remove_files
from fusionser.names import ADAPTED, FIGURE_FORMATS, INDUCTIVE, SPEAKER_NORMALISED
from fusionser.reporting.across import across_tables
from fusionser.reporting.formats import PAGE_ONLY, Formats, write_tables
from fusionser.reporting.jinja import environment
from fusionser.reporting.markdown import escape, escaped
from fusionser.reporting.misclassified import players
from fusionser.reporting.scores import is_synthetic, score_interval
from fusionser.reporting.settings import (
    block_lines,
    classifier_line,
    classifier_lines_by_features,
    column_lines,
    left_out_text,
    settings_text,
    where_measured,
)
from fusionser.reporting.stored import CURVES, PREDICTIONS, stored_curves, stored_predictions
from fusionser.reporting.tables.best_results import best_by_class, best_by_speaker
from fusionser.reporting.tables.listeners import beside_listeners, listeners_lines, listeners_table
from fusionser.reporting.tables.result import result_tables
from fusionser.reporting.tables.study import (
    TRAINED,
    StudyTables,
    across_table,
    differences_table,
    gaps_table,
    group_tables,
    paper_table,
)
from fusionser.reporting.tables.text_formats import MARKDOWN
from fusionser.reporting.web_page import page_of_markdown, write_pages
from fusionser.reporting.words import (
    MOST_ANSWERS,
    classes_text,
    corpora_text,
    counted,
    group_stamps,
    note_lines,
    one_sided,
    percent,
    protocol_name,
    selection_text,
    sides_text,
    speakers_text,
    stamp_texts,
    where_tested,
)
from fusionser.results import Result, read_result
from fusionser.rows import public_table, write_table
from fusionser.studies.listeners import Listeners
from fusionser.studies.recipe import ContrastRow, PaperRow, file_name

__all__ = [
    "StudyText",
    "headline",
    "is_at_chance",
    "remove_report",
    "report_files",
    "result_page",
    "rewrite_report",
    "study_page",
    "study_tables",
    "write_report",
    "write_result",
    "write_study",
]

USED_CLIPS: Mapping[str, str] = {
    INDUCTIVE: "",
    SPEAKER_NORMALISED: ", each speaker standardised by their own clips",
    ADAPTED: ", adapted to the unlabelled test clips",
}
"""How the clips of the test speakers were used, by setting."""


def headline(result: Result) -> str:
    """Return the scores of a result in one sentence."""
    used = USED_CLIPS[result.protocol.setting]
    interval = "" if result.intervals is None else f" (95 % interval over speakers {score_interval(result, 'uar')})"
    return (
        f"{where_tested(result)}{used}, {method_of(result)} with {result.features_name} "
        f"reached UAR {percent(result.pooled.uar)} %{interval} and WAR {percent(result.pooled.war)} %; "
        f"chance is {100 / len(result.classes):.1f} % UAR."
    )


def is_at_chance(result: Result) -> bool:
    """Return whether the UAR, or the lower end of its interval over speakers, is not above chance."""
    least = result.pooled.uar if result.intervals is None else result.intervals["uar"][0]
    return least <= 1.0 / len(result.classes)


def render(template: str, **values: Any) -> str:
    """Return a Markdown page; what others named in it must be `escaped` before, or go through the filter ``plain``."""
    made = environment(keep_trailing_newline=True)
    made.filters |= {"plain": escape, "markdown": MARKDOWN.text}
    text = made.get_template(template).render(
        settings=settings_text,
        stamp_texts=stamp_texts,
        group_stamps=group_stamps,
        notes=note_lines,
        selection=selection_text,
        sides_text=sides_text,
        speakers_text=speakers_text,
        **values,
    )
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def result_page(result: Result, networks: Sequence[str] = (), *, reliability: bool = False) -> str:
    """Return the Markdown page of one result.

    Parameters
    ----------
    result : Result
    networks : sequence of str
        Names of the networks that have learning curves.
    reliability : bool, default=False
        Whether there is a figure of the reliability of the probabilities.
    """
    tables, result = result_tables(result), escaped(result)
    return render(
        "result.md.j2",
        result=result,
        tables=tables,
        networks=networks,
        reliability=reliability,
        headline=headline(result),
        method=method_of(result),
        corpora=corpora_text(result.corpora),
        measured=measured_rows(result),
        synthetic=is_synthetic(result),
        sides="" if result.protocol.speaker_independent else sides_text(result.protocol),
    )


def measured_rows(result: Result) -> list[tuple[str, str]]:
    """Return how a result was measured, by what each text is of; names in it are those of the result as it is given."""
    protocol = result.protocol
    return [
        ("protocol", f"**{protocol.name}**{settings_text(protocol.settings)}; {counted(len(result.folds), 'fold')}"),
        ("setting", f"**{protocol.known}**; {sides_text(protocol)}"),
        *(("stamp", text) for text in stamp_texts(protocol.stamps)),
        (
            "rows",
            f"{result.rows} of {speakers_text(result.speaker_count)}, {len(result.classes)} classes "
            f"({', '.join(result.classes)})",
        ),
        ("features", f"{result.features_name}, {counted(result.feature_count, 'column')}"),
        (
            "classifier",
            classifier_line(result),
        ),
        ("set aside", counted(len(result.quarantine), "recording")),
        *(("note", text) for text in note_lines(result)),
    ]


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
    listeners : sequence of Listeners
        Answers of human listeners, to stand beside the best results on the same corpora.
    """

    title: str
    question: str
    reading: str = ""
    paper: Sequence[PaperRow] = ()
    contrasts: Sequence[ContrastRow] = ()
    listeners: Sequence[Listeners] = ()


OF_CORPORA = ("train", "test")
"""Settings of protocols that name corpora."""


def study_groups(results: Sequence[Result]) -> dict[tuple[str, str], list[Result]]:
    """Return results by corpus, and by protocol and number of classes."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        settings = settings_text(
            {
                key: [corpora_text([name]) for name in value]
                if key in OF_CORPORA and isinstance(value, list | tuple)
                else value
                for key, value in result.protocol.settings.items()
                if key != "seed"
            }
        )
        label = f"{result.protocol.name}{settings}, {classes_text(result)}{left_out_text(result)}"
        groups.setdefault((result.corpus, label), []).append(result)
    return groups


def study_tables(text: StudyText, results: Sequence[Result]) -> StudyTables:
    """Return the tables of a study.

    Parameters
    ----------
    text : StudyText
    results : sequence of Result

    Returns
    -------
    StudyTables
    """
    groups, report = study_groups(results), file_name(text.title).lower()
    calibrated = any(result.calibration_error is not None for result in results)
    count, across = across_tables(groups)
    paper = [(row, _beside(row, results)) for row in text.paper]
    best = best_results(results)[:MOST_TOLD]
    return StudyTables(
        groups=group_tables(groups, report, calibrated=calibrated),
        across=across_table(across, count, results, report),
        paper=paper_table(paper, report),
        differences=differences_table(_differences(text.contrasts, results), report),
        best_by_class=best_by_class(best, report),
        best_by_speaker=best_by_speaker(best, report),
        listeners=listeners_table(beside_listeners(text.listeners, best_results(results)), report),
        gaps=gaps_table(_gaps(results), report),
    )


def study_page(text: StudyText, results: Sequence[Result], pictures: Sequence[str] = ("uar.png",)) -> str:
    """Return the Markdown page of a study, with one table per corpus, protocol and number of classes.

    The first picture stands at the beginning, and further ones behind the tables.
    """
    tables = study_tables(text, results)
    listened = listeners_lines(beside_listeners(text.listeners, best_results(results)))
    results = [escaped(result) for result in results]
    return render(
        "study.md.j2",
        text=text,
        answers=study_answers(results),
        pictures=pictures,
        corpora_text=corpora_text,
        groups=study_groups(results),
        trained=TRAINED if any("training" in result.seconds for result in results) else "",
        tables=tables,
        table_count=across_tables(study_groups(results))[0],
        settings_used={name for result in results for name in result.protocol.known.split(", ")},
        mostly=one_sided(results),
        most_answers=round(100 * MOST_ANSWERS),
        best_count=len(best_results(results)),
        chosen=not _only_one_each(results),
        most_told=MOST_TOLD,
        listened=[escape(line) for line in listened],
        leaky=any(not result.protocol.speaker_independent for result in results),
        older=sum(_older_augmentation(result) for result in results),
        lines=[
            *column_lines(results, lambda result: result.features_name),
            *block_lines(results),
            *classifier_lines_by_features(results),
        ],
        first=results[0],
        commits=sorted({result.provenance["commit"] for result in results}),
        threads=sorted({result.provenance["threads"] for result in results if "threads" in result.provenance}),
        processes=sorted({result.provenance.get("processes", 1) for result in results} - {1}),
    )


PipelineKey = tuple[str, str, str, tuple[str, ...]]
"""Corpus, features, classifier and left-out speakers."""

MOST_TOLD = 6
"""Most groups of results whose best one is named in the answer of a study."""


def best_results(results: Sequence[Result]) -> list[Result]:
    """Return the result with the highest UAR of each table and setting: inductive ones by speaker first."""
    best: dict[tuple[str, str, str], Result] = {}
    for (_, label), group in study_groups(results).items():
        for result in group:
            key = (result.corpus, label, result.protocol.known)
            best[key] = max(best.get(key, result), result, key=lambda one: one.pooled.uar)
    return sorted(
        best.values(), key=lambda one: (not one.protocol.speaker_independent, one.protocol.setting != INDUCTIVE)
    )


def study_answers(results: Sequence[Result]) -> list[str]:
    """Return which pipeline has the highest UAR in each table by speaker, in one sentence each.

    Where there are many tables, those under a random split and with a setting other than inductive are left out, and
    then the last ones.
    """
    told = best_results(results)
    sentences = [_best_text(result, _only_one_each(results)) for result in told[:MOST_TOLD]]
    if len(told) > MOST_TOLD:
        more = counted(len(told) - MOST_TOLD, "more such result")
        sentences.append(f"The tables below have {more}, one for each table and setting.")
    return sentences


def _best_text(result: Result, only: bool) -> str:
    few = f"no interval: {counted(len(result.speakers), 'test speaker')}"
    interval = few if result.intervals is None else f"95 % {score_interval(result, 'uar')}"
    leaky = "" if result.protocol.speaker_independent else ", with speakers on both sides"
    return (
        f"{where_measured(result)}, {classes_text(result)}, {result.protocol.known}{leaky}: the "
        f"{'UAR' if only else 'highest UAR'} is {percent(result.pooled.uar)} % ({interval}), by {result.classifier} "
        f"with '{result.features_name}'."
    )


def _only_one_each(results: Sequence[Result]) -> bool:
    """Return whether no table has several results in a setting, so that nothing is chosen by its test score."""
    return len(best_results(results)) == len(results)


def _older_augmentation(result: Result) -> bool:
    """Return whether this version would augment the rows in another way."""
    settings = result.classifier_settings
    return "augment" in settings and settings.get("augmentation_revision", 1) != REVISION


def _differences(
    contrasts: Sequence[ContrastRow], results: Sequence[Result]
) -> list[tuple[ContrastRow, Result, Result, Difference]]:
    """Return the results that each contrast compares, and their difference, unless one is missing."""
    found: dict[tuple[str, ...], dict[tuple[str, str, str, str, int, str], Result]] = {}
    for result in results:
        name = f"{result.features_name}/{result.classifier}"
        same_speakers = found.setdefault(left_out_speakers(result.notes), {})
        for split in ("", str(result.protocol.settings.get("split_name", ""))):
            place = (result.corpus, result.protocol.name, split, result.protocol.setting, len(result.classes), name)
            same_speakers.setdefault(place, result)
    differences = []
    for contrast in contrasts:
        where = (contrast.corpus, contrast.protocol, contrast.split_name, contrast.setting, contrast.classes)
        for same_speakers in found.values():
            without, having = (same_speakers.get((*where, name)) for name in (contrast.without, contrast.with_))
            if without and having and without.speakers.keys() & having.speakers.keys():
                differences.append((contrast, without, having, speaker_difference(without, having)))
                break
    return differences


def _inductive(results: Sequence[Result]) -> list[Result]:
    return [result for result in results if result.protocol.setting == INDUCTIVE]


def _beside(row: PaperRow, results: Sequence[Result]) -> list[Result]:
    """Return the best inductive result under a paper's protocol for each number of classes and set of features."""
    best: dict[tuple[int, str], Result] = {}
    for result in _inductive(results):
        place = (result.corpus, result.protocol.name)
        if place == (row.corpus, row.protocol) and not left_out_speakers(result.notes):
            key = (len(result.classes), result.features_name)
            best[key] = max(best.get(key, result), result, key=lambda one: one.pooled.war)
    return list(best.values())


def _gaps(results: Sequence[Result]) -> list[tuple[Result, Result]]:
    """Pair speaker-independent inductive results with those of the same pipeline under a random split."""
    honest: dict[PipelineKey, list[Result]] = {}
    leaky: dict[PipelineKey, Result] = {}
    for result in _inductive(results):
        key = (result.corpus, result.features_name, result.classifier, left_out_speakers(result.notes))
        if result.protocol.speaker_independent:
            honest.setdefault(key, []).append(result)
        if result.protocol.random:
            leaky.setdefault(key, result)
    # Differences can be compared where most pipelines have been tested: of each corpus, by one protocol if possible.
    tested = Counter((key[0], protocol_name(result)) for key in honest.keys() & leaky for result in honest[key])
    return [
        (max(found, key=lambda result: tested[result.corpus, protocol_name(result)]), leaky[key])
        for key, found in honest.items()
        if key in leaky
    ]


def write_study(text: StudyText, results: Sequence[Result], folder: str | Path, formats: Formats = PAGE_ONLY) -> Path:
    """Write ``report.md``, the figure and the tables of a study; return the path of the page."""
    # matplotlib takes 45 MB and a third of a second, which commands that only print need not spend.
    from fusionser.reporting.figures import save_figure, study_figures

    place = Path(folder)
    remove_files(place, [path.name for path in place.glob("uar*") if path.suffix[1:] in ("png", *FIGURE_FORMATS)])
    pictures = []
    for number, figure in enumerate(study_figures(results), start=1):
        name = f"uar{'' if number == 1 else f'-{number}'}.png"
        pictures.append(save_figure(figure, place / name, formats.figures).name)
    write_tables(study_tables(text, results).by_name(), folder, formats.tables)
    return write_pages(folder, study_page(text, results, pictures))


DRAWN = ("confusion", "reliability", "speakers", "learning_curves", "predictions")
"""Figures that are made of an evaluation."""


def report_files(folder: str | Path) -> list[Path]:
    """Return the files that `write_report` wrote to a folder, without those of tables and of other formats.

    The page in HTML, which may contain recordings, is none of them.
    """
    names = ["report.md", "result.json", PREDICTIONS, CURVES, *(f"{name}.png" for name in DRAWN)]
    return [Path(folder) / name for name in names if (Path(folder) / name).is_file()]


def remove_report(folder: str | Path) -> None:
    """Remove the files of an earlier evaluation from a folder, but its result."""
    drawn = [f"{name}.{suffix}" for name in DRAWN for suffix in ("png", *FIGURE_FORMATS)]
    remove_files(Path(folder), ["report.md", "report.html", PREDICTIONS, CURVES, *drawn])
    write_tables({}, folder, ())


def write_report(
    result: Result, evaluation: Evaluation, folder: str | Path, formats: Formats = PAGE_ONLY, *, heard: int = 0
) -> Path:
    """Write ``report.md``, ``result.json``, ``predictions.csv``, the figures and the tables of one evaluation.

    Parameters
    ----------
    result : Result
    evaluation : Evaluation
        The evaluation that the result is of.
    folder : str or Path
    formats : Formats
        Formats besides the page.
    heard : int, default=0
        Largest number of misclassified recordings in ``report.html``, if their audio is available.

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
    # A run that fails from here on must leave nothing of an earlier result beside the new one.
    remove_report(place)
    write_table(public_table(evaluation.predictions), place / PREDICTIONS)
    if len(evaluation.curves):
        write_table(evaluation.curves, place / CURVES)
    added = players(evaluation.predictions, heard) if heard else ""
    return write_result(result, evaluation.predictions, evaluation.curves, place, formats, added=added)


def write_result(
    result: Result,
    predictions: pd.DataFrame | None,
    curves: pd.DataFrame,
    folder: str | Path,
    formats: Formats = PAGE_ONLY,
    *,
    added: str = "",
) -> Path:
    """Write the page, the figures and the tables of one evaluation, from what is stored of it.

    Parameters
    ----------
    result : Result
    predictions : DataFrame or None
        The predictions of the evaluation, if they are there.
    curves : DataFrame
        Learning curves; empty if no network was trained.
    folder : str or Path
    formats : Formats
    added : str
        HTML that only ``report.html`` has.

    Returns
    -------
    Path
        The page.
    """
    from fusionser.reporting.figures import save_figure
    from fusionser.reporting.learning_curves import curves_figure
    from fusionser.reporting.result_figures import confusion_figure, reliability_figure, speakers_figure

    place = Path(folder)
    save_figure(confusion_figure(result), place / "confusion.png", formats.figures)
    reliable = predictions is not None and result.calibration_error is not None
    if predictions is not None and reliable:
        save_figure(reliability_figure(result, predictions), place / "reliability.png", formats.figures)
    if result.speakers:
        save_figure(speakers_figure(result), place / "speakers.png", formats.figures)
    networks = list(dict.fromkeys(curves["network"])) if len(curves) else []
    if networks:
        save_figure(curves_figure(curves), place / "learning_curves.png", formats.figures)
    write_tables(result_tables(result), place, formats.tables)
    page = result_page(result, networks, reliability=reliable)
    return write_pages(place, page, web=page_of_markdown(page, place, added=added))


def rewrite_report(folder: str | Path, formats: Formats = PAGE_ONLY) -> Path:
    """Write the page, the figures and the tables of a stored evaluation again; return the path of the page."""
    place = Path(folder)
    result = read_result(place / "result.json")
    return write_result(result, stored_predictions(place, result), stored_curves(place), place, formats)
