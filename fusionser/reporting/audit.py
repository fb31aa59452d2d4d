"""The pages of an audit, and the recordings to listen to."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from fusionser.audit.changes import Change
from fusionser.audit.leaks import Audited
from fusionser.audit.result import AuditResult, Between, CopyPair, Fault
from fusionser.errors import AudioError
from fusionser.evaluation.guard import SCALED
from fusionser.files import remove_files, write_text
from fusionser.reader import read_row
from fusionser.reporting.jinja import environment
from fusionser.reporting.markdown import escaped
from fusionser.reporting.page import render
from fusionser.reporting.words import counted, percent, shares, stamp_texts

__all__ = [
    "RESULT",
    "audit_page",
    "between_row",
    "copy_row",
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

LONGEST = 10.0
"""Seconds of a recording to listen to."""

SHOWN, FEW = 50, 8
"""Copies in a page, and names in a sentence."""

CHANGES: Mapping[str, Callable[[float], str]] = {
    "level": lambda value: f"{abs(value):.1f} dB {'louder' if value > 0 else 'quieter'}",
    "begins-later": lambda value: f"{abs(value):.2f} s {'cut off' if value > 0 else 'added'} at the beginning",
    "ends-earlier": lambda value: f"{abs(value):.2f} s {'cut off' if value > 0 else 'added'} at the end",
    "bandwidth": lambda value: f"bandwidth {value / 1000:.1f} kHz",
    "noise": lambda value: f"pauses {abs(value):.0f} dB {'louder' if value > 0 else 'quieter'}",
    "tempo": lambda value: f"{value:.2f} times the tempo",
    "pitch": lambda value: f"{value:+g} semitones",
    "speed": lambda value: f"{value:.2f} times the speed",
    "samples": lambda value: f"re-encoded or filtered (difference {value:.0f} dB below)",
}
"""Functions that turn the value of a change into words, by its kind."""

KINDS = {
    "identical": "identical samples",
    "near": "the same performance, recorded or encoded otherwise",
    "augmented": "the same performance at another tempo or pitch",
}


def _few(names: Sequence[str]) -> str:
    more = len(names) - FEW
    return ", ".join(names[:FEW]) + (f" and {more} more" if more > 0 else "")


def _change_text(change: Change) -> str:
    return CHANGES[change.kind](change.value) if change.kind in CHANGES else f"{change.kind} {change.value:g}"


def copy_row(pair: CopyPair) -> dict[str, str]:
    """Return a pair of copies as texts, by the name of the column."""
    how = ", ".join(map(_change_text, pair.changes)) or KINDS[pair.kind]
    first, second = (
        f"{name} ({side})" if name else side for name, side in zip((pair.first, pair.second), pair.sides, strict=True)
    )
    labels = pair.emotions if len(set(pair.emotions)) > 1 else pair.emotions[:1]
    return {
        "first": first,
        "second": second,
        "kind": pair.kind,
        "what was changed": how,
        "coherence": f"{pair.coherence:.2f}",
        "labels": " / ".join(name or "-" for name in labels),
        "folds": _few(pair.folds),
    }


def between_row(shared: Between) -> dict[str, str]:
    """Return what two sides share as texts, by the name of the column."""
    return {
        "fold": shared.fold,
        "sides": " and ".join(shared.sides),
        "recordings": " and ".join(map(str, shared.recordings)),
        "speakers shared": str(len(shared.speakers)),
        "with a copy": str(shared.copied),
        "identical": str(shared.identical),
        "near": str(shared.near),
        "augmented": str(shared.augmented),
        "repeated performances": str(shared.performances),
        "statements shared": str(len(shared.statements)),
    }


def _most(result: AuditResult, count: Callable[[Between], int]) -> Between:
    return max(result.between, key=count)


def verdicts(result: AuditResult) -> dict[Fault, str]:
    """Return a sentence for each fault that the split has."""
    copied = _most(result, lambda one: one.copied)
    speakers = _most(result, lambda one: len(one.speakers))
    performed = _most(result, lambda one: one.performances)
    stated = _most(result, lambda one: len(one.statements))
    lacking = [
        f"{_few(names)} only in {side} of {one.fold}"
        for one in result.between
        for side, names in zip(one.sides, one.classes_only, strict=True)
        if names
    ]
    sentences: dict[Fault, str] = {
        "copies": (
            f"{counted(len(result.copies), 'pair')} of recordings are one performance on two sides; in fold "
            f"{copied.fold}, {copied.copied} of {copied.recordings[1]} recordings of {copied.sides[1]} have a copy "
            f"in {copied.sides[0]}."
        ),
        "speakers": (
            f"{counted(len(speakers.speakers), 'speaker')} in {speakers.sides[0]} and {speakers.sides[1]} of fold "
            f"{speakers.fold}: {_few(speakers.speakers)}."
        ),
        "scaled": (
            f"The table was scaled as a whole: each column has {SCALED.get(result.scaled or '', '')} over all rows, "
            "those of the test included."
        ),
        "performances": (
            f"{performed.performances} of {performed.recordings[1]} recordings of {performed.sides[1]} repeat a "
            f"performance of {performed.sides[0]}: same speaker, statement and emotion (fold {performed.fold})."
        ),
        "statements": f"{counted(len(stated.statements), 'statement')} shared: {_few(stated.statements)}.",
        "classes": f"Classes without a partner: {_few(lacking)}.",
    }
    return {fault: sentences[fault] for fault in result.faults}


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
    if result.leaks:
        return f"{result.name} leaks: {', '.join(result.leaks)}."
    unknown = (
        "" if result.speakers_known else " The speakers of some recordings are unknown, so they may be on both sides."
    )
    heard = "" if result.audio else " Only names were compared, because there are no recordings, so copies are unknown."
    # Copies are found by their sound alone.
    looked = [name for name in result.failing if result.audio or name != "copies"]
    return f"{result.name}: no leak was found ({', '.join(looked) or 'nothing counts as one'}).{unknown}{heard}"


def audit_page(result: AuditResult) -> str:
    """Return the Markdown page of an audit."""
    return render("audit.md.j2", **_values(escaped(result)))


def _values(result: AuditResult) -> dict[str, Any]:
    return {
        "result": result,
        "headline": headline(result),
        "verdicts": verdicts(result),
        "worth": worth_text(result),
        "between": [between_row(one) for one in result.between],
        "copies": [copy_row(pair) for pair in result.copies[:SHOWN]],
        "stamps": stamp_texts(result.notes),
    }


def write_audit(audited: Audited, folder: str | Path, listen: int = 0) -> Path:
    """Write ``report.md``, ``report.html`` and ``audit.json``, and the recordings of the worst pairs to listen to.

    Parameters
    ----------
    audited : Audited
    folder : str or Path
    listen : int, default=0
        Pairs of copies to listen to. Their recordings are written to the folder ``evidence``.

    Returns
    -------
    Path
        The HTML page.
    """
    place = Path(folder)
    audited.result.save(place / RESULT)
    remove_files(place, ["report.md", "report.html"])
    return write_pages(audited.result, place, _evidence(audited, place, listen))


def write_pages(result: AuditResult, folder: Path, players: Sequence[tuple[str, str]] | None = None) -> Path:
    """Write the pages of a stored audit, and return the path of the HTML page.

    Parameters
    ----------
    result : AuditResult
    folder : Path
    players : sequence of (str, str), optional
        Recordings of the first pairs; by default those that are in the folder.
    """
    if players is None:
        found = (tuple(f"{EVIDENCE}/{number:02d}-{which}.wav" for which in WHICH) for number in range(1, SHOWN + 1))
        players = [(one, other) for one, other in found if (folder / one).is_file() and (folder / other).is_file()]
    write_text(folder / "report.md", audit_page(result))
    page = environment(autoescape=True, trim_blocks=True).get_template("audit.html.j2")
    return write_text(folder / "report.html", page.render(**_values(result), players=players))


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
