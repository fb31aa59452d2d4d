"""Sentences made of facts: stamps, notes, verdicts and what a study is about."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fusionser.facts import Stamp
from fusionser.registry import NETWORKS
from fusionser.results import BY_INNER_FOLDS, Result
from fusionser.studies.contrasts import Design
from fusionser.studies.factorial import Factorial

__all__ = ["design_notes", "note_lines", "result_stamps", "selection_text", "stamp_text", "stamp_texts", "where_asked"]


def _shared(what: str) -> Callable[[Any], str]:
    return lambda most: f"{what} shared by training and test: up to {most} a fold"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


STAMPS: Mapping[str, Callable[[Any], str]] = {
    **{f"shared-{what}": _shared(what) for what in ("speakers", "sources", "audio", "statements")},
    "speakers-unknown": lambda rows: "speakers unknown, so they may be on both sides",
    "speaker-normalised": lambda value: "each speaker standardised by their own unlabelled clips",
    "gender-given": lambda value: "gender of the test speakers as labelled",
    "gender-estimated": lambda value: (
        f"gender of the test speakers estimated from the voice: accuracy {_percent(value['accuracy'])} % of "
        f"{value['clips']} test clips"
    ),
    "one-split": lambda value: "one split",
    "inner-folds-by-clip": lambda folds: (
        f"inner folds by clip and not by speaker, since too few speakers have every class: {', '.join(folds)}"
    ),
    "partial-corpus": lambda value: f"partial: {value['found']} of {value['expected']} recordings of {value['corpus']}",
    "doubled": lambda count: f"{count} recordings are there twice; one of each is used",
    "ignored": lambda count: f"{count} audio files are not of this corpus and were left out",
    "unusable-augmentations": lambda count: f"{count} augmented copies cannot be used and are left out",
    "initial-weights": lambda value: f"{value['network']} begins with {value['weights'] or 'weights at random'}",
    "quick": lambda value: f"quick: {value['epochs']} epochs, {value['used']} of {value['recordings']} recordings",
    "epochs": lambda count: f"{count} epochs in place of the recipe's",
    "precision": lambda precision: f"trained in {precision}",
    "no-speaker-folders": lambda value: (
        "the speakers are unknown: splits by speaker need label/speaker/clip.wav, or a table with a column 'speaker'"
    ),
    "genders-unknown": lambda value: (
        f"no {value['table']} in {value['folder']} or beside it, so the gender of the speakers is unknown; get it from "
        f"{value['address']}"
    ),
    "speakers-not-in-table": lambda value: f"{value['table']} does not name the actors {', '.join(value['speakers'])}",
    "part-missing": lambda value: f"no recordings of {value['corpus']}; get them from {value['address']}",
    "count-differs": lambda value: f"{value['found']} of {value['expected']} {value['what']}",
    "missing-recording": lambda name: f"missing: {name}",
    "left-out": lambda count: f"{count} evaluations of other settings or versions left out",
    "text": str,
}
"""For each kind of stamp, a function of its value that returns a sentence."""


def stamp_text(stamp: Stamp) -> str:
    """Return a stamp or a note as a sentence.

    Examples
    --------
    >>> stamp_text(Stamp(kind="shared-speakers", value=24))
    'speakers shared by training and test: up to 24 a fold'
    """
    return STAMPS[stamp.kind](stamp.value)


def stamp_texts(stamps: Sequence[Stamp]) -> list[str]:
    """Return stamps as sentences, each once."""
    return list(dict.fromkeys(map(stamp_text, stamps)))


def note_lines(result: Result) -> list[str]:
    """Return the notes of a result as sentences."""
    return stamp_texts(result.notes)


def selection_text(selection: str) -> str:
    """Say how parameters were chosen."""
    chosen = "parameters chosen by inner folds of the training speakers"
    return chosen if selection == BY_INNER_FOLDS else "fixed parameters"


def result_stamps(results: Sequence[Result]) -> list[str]:
    """Return what must be known of any of the results, and of which where it is not of all.

    The accuracy of an estimated gender is told once, as the range over the results.
    """
    protocols: dict[tuple[str, str], list[str]] = {}
    accuracies: dict[tuple[str, str], list[float]] = {}
    for result in results:
        for stamp in (*result.protocol.stamps, *result.notes):
            key = (stamp.kind, stamp_text(stamp))
            if stamp.kind == "gender-estimated":
                key = (stamp.kind, str(stamp.value["clips"]))
                accuracies.setdefault(key, []).append(stamp.value["accuracy"])
            protocols.setdefault(key, []).append(result.protocol.name)
    lines = []
    for key, names in protocols.items():
        text = _accuracy_range(key[1], accuracies[key]) if key in accuracies else key[1]
        lines.append(text + ("" if len(names) == len(results) else f" ({', '.join(dict.fromkeys(names))})"))
    return lines or ["none"]


def _accuracy_range(clips: str, accuracies: Sequence[float]) -> str:
    low, high = _percent(min(accuracies)), _percent(max(accuracies))
    shown = low if low == high else f"{low} to {high}"
    return f"gender of the test speakers estimated from the voice: accuracy {shown} % of {clips} test clips"


def design_notes(design: Design) -> list[str]:
    """Return what a reader must know of a design's settings, each as part of a sentence."""
    if not isinstance(design, Factorial):
        return []
    scarce = ", of scarce classes alone" if design.only_scarce else ""
    deep = design.preset == "ser-fusionnet" or set(design.blocks) & set(NETWORKS)
    return [
        *([] if design.imposed is None else [f"an imbalance of 1 to {design.imposed:g} imposed on the training rows"]),
        f"augmented copies a training clip where there are any: {design.copies}{scarce}",
        *([] if deep else ["networks, too costly for every cell, have a study of their own, the study deep"]),
    ]


def where_asked(design: Design) -> str:
    """Return in what part of the results each contrast is estimated, as a sentence; empty where it is in all."""
    if not isinstance(design, Factorial):
        return ""
    return (
        "Balancing strategies are compared where there is no augmentation, augmentation where there is no balancing "
        "strategy. "
    )
