"""The pages of an audit, and the recordings to listen to."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from fusionser.audit.leaks import Audited
from fusionser.audit.result import DOUBTFUL, AuditResult, Between, Fault
from fusionser.errors import AudioError
from fusionser.evaluation.guard import SCALED
from fusionser.files import remove_files, write_text
from fusionser.reader import read_row
from fusionser.reporting.formats import PAGE_ONLY, Formats, write_tables
from fusionser.reporting.jinja import environment
from fusionser.reporting.markdown import escaped
from fusionser.reporting.page import render
from fusionser.reporting.tables.audit import audit_tables, copies_table, few
from fusionser.reporting.tables.table import Table
from fusionser.reporting.web_page import web_page
from fusionser.reporting.words import counted, percent, shares, stamp_texts

__all__ = [
    "MOST_HEARD",
    "RESULT",
    "audit_page",
    "headline",
    "verdicts",
    "worth_text",
    "write_audit",
    "write_pages",
]

RESULT = "audit.json"
"""Name of the stored result in the folder of a report."""

EVIDENCE = "evidence"
"""Folder of the recordings to listen to."""

WHICH = ("first", "second")

MOST_HEARD = SHOWN = 50
"""Pairs of copies in a page, and most pairs to listen to."""

CLAUSES: Mapping[Fault, str] = {
    "scaled": "the table was scaled as a whole",
    "classes": "some classes are on one side only",
    "confounded": "some speakers have one class only",
}
"""What is said of faults that are nothing that two sides share."""

CHECKED: Mapping[Fault, str] = {
    "scaled": "a table scaled as a whole",
    "classes": "classes on one side only",
    "confounded": "speakers with one class only",
}
"""What is looked for, of these faults."""

LONGEST = 10.0
"""Seconds of a recording to listen to."""


def _most(result: AuditResult, count: Callable[[Between], int]) -> Between:
    return max(result.between, key=count)


def verdicts(result: AuditResult) -> dict[Fault, str]:
    """Return a sentence for each fault that the split has."""
    speakers = _most(result, lambda one: len(one.speakers))
    performed = _most(result, lambda one: one.performances)
    stated = _most(result, lambda one: len(one.statements))
    sentences: dict[Fault, str] = {
        "copies": " ".join(_copies(result)),
        "speakers": (
            f"{counted(len(speakers.speakers), 'speaker')} in {speakers.sides[0]} and "
            f"{speakers.sides[1]}{_of_fold(result, speakers.fold)}: {few(speakers.speakers)}."
        ),
        "scaled": (
            f"The table was scaled as a whole: columns have {SCALED.get(result.scaled or '', '')} over all rows, "
            "those of the test included."
        ),
        "performances": (
            f"{performed.performances} of {performed.recordings[1]} recordings of {performed.sides[1]} repeat a "
            f"performance of {performed.sides[0]}{_of_fold(result, performed.fold)}: same speaker, statement and "
            "emotion."
        ),
        "statements": f"{counted(len(stated.statements), 'statement')} shared: {few(stated.statements)}.",
        "classes": f"Classes without a partner: {_lacking(result)}.",
        "confounded": _confounded(result),
    }
    return {fault: sentences[fault] for fault in result.faults}


def _copies(result: AuditResult) -> list[str]:
    most = _most(result, lambda one: one.copied)
    both = _most(result, lambda one: len(one.both))
    found = []
    if both.both:
        found.append(
            f"{counted(len(both.both), 'recording')} given both for {both.sides[0]} and for "
            f"{both.sides[1]}{_of_fold(result, both.fold)}: {few(both.both)}."
        )
    if result.copies:
        found.append(
            f"{counted(len(result.copies), 'pair')} of recordings on two sides that were found to be one performance; "
            f"{most.copied} of {most.recordings[1]} recordings of {most.sides[1]}{_of_fold(result, most.fold)} have a "
            f"copy in {most.sides[0]}."
        )
        if doubtful := sum(one.doubtful for one in result.copies):
            found.append(
                f"{counted(doubtful, 'pair')} with a coherence below {DOUBTFUL:g} may be two performances that are "
                "much alike, or a noisy copy: listen to them (--listen)."
            )
    return found


def _lacking(result: AuditResult) -> str:
    """Return the classes without a partner, each once with where it is."""
    lacking: dict[str, list[str]] = {}
    for one in result.between:
        for side, other, names in zip(one.sides, one.sides[::-1], one.classes_only, strict=True):
            if names:
                lacking.setdefault(f"{few(names)} in {side} and not in {other}", []).append(one.fold)
    return "; ".join(f"{text}{_of_fold(result, *folds)}" for text, folds in lacking.items())


def _of_fold(result: AuditResult, *folds: str) -> str:
    """Return of which folds something is, unless there is one only."""
    return f" (fold {few(folds)})" if len({one.fold for one in result.between}) > 1 else ""


def _confounded(result: AuditResult) -> str:
    sides = [side for side in result.sides if side.confounded]
    if not sides:
        return ""
    most = max(sides, key=lambda side: len(side.one_class))
    named = [f"{one.speaker} ({one.emotion}, {one.recordings})" for one in most.one_class]
    told = _most(result, lambda one: one.told_by_speaker)
    passed = (
        f" So the speaker tells the class of {told.told_by_speaker} of {told.recordings[1]} recordings of "
        f"{told.sides[1]}{_of_fold(result, told.fold)}."
        if told.told_by_speaker
        else ""
    )
    return (
        f"{len(named)} of {counted(most.speakers, 'speaker')} in {most.side}{_of_fold(result, most.fold)} with one "
        f"class only, where chance gives {most.expected:.1f}: {few(named)}.{passed}"
    )


def worth_text(result: AuditResult) -> str:
    """Return what the leak changes in a score; empty without scores."""
    worth = result.worth
    if worth is None:
        return ""
    gap = 100 * (worth.by_split.uar - worth.by_speaker.uar)
    interval = "" if worth.speaker_interval is None else f", 95 % interval {shares(worth.speaker_interval)}"
    return (
        f"{worth.classifier} with {worth.features} reaches UAR {percent(worth.by_split.uar)} % by this split, and "
        f"{percent(worth.by_speaker.uar)} % by speaker ({counted(worth.speaker_folds, 'fold')}{interval}): "
        f"{gap:+.1f} points. Chance is {percent(worth.chance)} %."
    )


def headline(result: AuditResult) -> str:
    """Return in one sentence whether the split leaks."""
    refused = f" {counted(len(result.quarantine), 'recording')} could not be used." if result.quarantine else ""
    if result.leaks:
        return f"{result.name} leaks: {_leaks_text(result.leaks)}.{refused}"
    known = {"copies": result.audio, "speakers": bool(result.speakers)}
    looked = [name for name in result.failing if known.get(name, True)]
    unknown = ""
    if not result.speakers:
        unknown = " The speakers are unknown, so they may be on both sides."
    elif not result.speakers_known:
        unknown = " The speakers of some recordings are unknown, so they may be on both sides."
    heard = "" if result.audio else " Only names were compared, because there are no recordings, so copies are unknown."
    checked = f"Checked: {_checked_text(looked)}." if looked else "Nothing counts as a leak."
    return f"No leak was found in {result.name}. {checked}{refused}{unknown}{heard}"


def _checked_text(looked: Sequence[Fault]) -> str:
    """Return what was looked for, as a phrase.

    Examples
    --------
    >>> _checked_text(["copies", "speakers", "scaled"])
    'copies and speakers on both sides, a table scaled as a whole'
    """
    shared = [fault for fault in looked if fault not in CHECKED]
    phrases = [CHECKED[fault] for fault in looked if fault in CHECKED]
    if shared:
        phrases.insert(0, f"{' and '.join(shared)} on both sides")
    return ", ".join(phrases)


def _leaks_text(leaks: Sequence[Fault]) -> str:
    """Return what leaks, as a clause.

    Examples
    --------
    >>> _leaks_text(["copies", "speakers", "scaled"])
    'copies and speakers are on both sides, and the table was scaled as a whole'
    """
    shared = [fault for fault in leaks if fault not in CLAUSES]
    clauses = [CLAUSES[fault] for fault in leaks if fault in CLAUSES]
    if shared:
        clauses.insert(0, f"{' and '.join(shared)} are on both sides")
    return ", and ".join(clauses)


def audit_page(result: AuditResult) -> str:
    """Return the Markdown page of an audit."""
    return render("audit.md.j2", tables=_tables(result), **_values(escaped(result)))


def _tables(result: AuditResult) -> dict[str, Table]:
    """Return the tables of the page, with the first copies only."""
    tables = audit_tables(result)
    return tables | ({"copies": copies_table(result, SHOWN)} if "copies" in tables else {})


def _values(result: AuditResult) -> dict[str, Any]:
    return {
        "result": result,
        "headline": headline(result),
        "verdicts": verdicts(result),
        "worth": worth_text(result),
        "few_speakers": result.worth is not None
        and None in (result.worth.split_interval, result.worth.speaker_interval),
        "stamps": stamp_texts(result.notes),
    }


def write_audit(audited: Audited, folder: str | Path, listen: int = 0, formats: Formats = PAGE_ONLY) -> Path:
    """Write ``report.md``, ``report.html`` and ``audit.json``, and the recordings of the worst pairs to listen to.

    Parameters
    ----------
    audited : Audited
    folder : str or Path
    listen : int, default=0
        Pairs of copies to listen to. Their recordings are written to the folder ``evidence``, instead of earlier ones.
    formats : Formats
        Of the tables.

    Returns
    -------
    Path
        The HTML page.
    """
    place = Path(folder)
    audited.result.save(place / RESULT)
    remove_files(place, ["report.md", "report.html", *(file for pair in _heard(place) for file in pair)])
    return write_pages(audited.result, place, _evidence(audited, place, listen), formats)


def _heard(folder: Path) -> list[tuple[str, str]]:
    """Return the recordings to listen to that are in a folder."""
    numbers = range(1, MOST_HEARD + 1)
    found = ((f"{EVIDENCE}/{number:02d}-first.wav", f"{EVIDENCE}/{number:02d}-second.wav") for number in numbers)
    return [(one, other) for one, other in found if (folder / one).is_file() and (folder / other).is_file()]


def write_pages(
    result: AuditResult,
    folder: Path,
    players: Sequence[tuple[str, str]] | None = None,
    formats: Formats = PAGE_ONLY,
) -> Path:
    """Write the pages of a stored audit, and return the path of the HTML page.

    Parameters
    ----------
    result : AuditResult
    folder : Path
    players : sequence of (str, str), optional
        Recordings of the first pairs; by default those that are in the folder.
    formats : Formats
        Of the tables.
    """
    players = _heard(folder) if players is None else players
    write_tables(audit_tables(result), folder, formats.tables)
    write_text(folder / "report.md", audit_page(result))
    body = environment(autoescape=True, trim_blocks=True).get_template("audit.html.j2")
    page = body.render(**_values(result), tables=_tables(result), players=players)
    return write_text(folder / "report.html", web_page(f"Audit of {result.name}", page))


def _evidence(audited: Audited, folder: Path, listen: int) -> list[tuple[str, str]]:
    """Write the recordings of the worst pairs, and return the paths of their files in the folder."""
    players = []
    records = audited.split.rows.to_dict("records")
    for number, pair in enumerate(audited.pairs[:listen], start=1):
        names = []
        for which, place in zip(WHICH, (pair.first, pair.second), strict=True):
            name = f"{EVIDENCE}/{number:02d}-{which}.wav"
            try:
                samples, rate = read_row({str(key): value for key, value in records[place].items()})
            except AudioError:
                # It was there when it was compared.
                break
            (folder / EVIDENCE).mkdir(parents=True, exist_ok=True)
            heard = np.clip(samples[: round(LONGEST * rate)], -1.0, 1.0)
            soundfile.write(folder / name, heard, rate, subtype="PCM_16")
            names.append(name)
        if len(names) == 2:
            players.append((names[0], names[1]))
    return players
