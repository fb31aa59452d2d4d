"""Conversion of results of format 1, which stored facts as sentences. No other module parses sentences."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from fusionser.registry import PROTOCOLS

__all__ = ["upgraded"]

NUMBER = r"([\d.]+)"

STAMPS: tuple[tuple[str, str, Callable[[re.Match[str]], Any]], ...] = (
    (rf"(?P<what>speakers|sources|audio|statements) shared by training and test: up to {NUMBER} a fold",
     "shared-{what}", lambda match: int(match[2])),
    ("speakers unknown, so they may be on both sides", "speakers-unknown", lambda match: None),
    ("each speaker standardised by their own unlabelled clips", "speaker-normalised", lambda match: None),
    ("gender of the test speakers as labelled", "gender-given", lambda match: None),
    (rf"gender of the test speakers estimated from the voice: rightly for {NUMBER} % of {NUMBER} test clips",
     "gender-estimated", lambda match: {"accuracy": float(match[1]) / 100, "clips": int(match[2])}),
    ("one split", "one-split", lambda match: None),
    ("inner folds by clip and not by speaker, since too few speakers have every class: (.*)", "inner-folds-by-clip",
     lambda match: match[1].split(", ")),
    (rf"partial: {NUMBER} of {NUMBER} recordings of (.*)", "partial-corpus",
     lambda match: {"corpus": match[3], "found": int(match[1]), "expected": int(match[2])}),
    (rf"{NUMBER} recordings are there twice; one of each is used", "doubled", lambda match: int(match[1])),
    (rf"{NUMBER} audio files are not of this corpus and were left out", "ignored", lambda match: int(match[1])),
    (rf"{NUMBER} augmented copies cannot be used and are left out", "unusable-augmentations",
     lambda match: int(match[1])),
    (r"(\S+) begins with (.*)", "initial-weights",
     lambda match: {"network": match[1], "weights": None if match[2] == "weights at random" else match[2]}),
    (rf"quick: {NUMBER} epochs, {NUMBER} of {NUMBER} recordings", "quick",
     lambda match: {"epochs": int(match[1]), "used": int(match[2]), "recordings": int(match[3])}),
    (rf"{NUMBER} epochs in place of the recipe's", "epochs", lambda match: int(match[1])),
    (r"trained in (\S+)", "precision", lambda match: match[1]),
    ("the speakers are unknown: splits by speaker need label/speaker/clip.wav, or a table with a column 'speaker'",
     "no-speaker-folders", lambda match: None),
    (r"no (\S+) in (.*) or beside it, so the gender of the speakers is unknown; get it from (.*)", "genders-unknown",
     lambda match: {"table": match[1], "folder": match[2], "address": match[3]}),
    ("(.*) does not name the actors (.*)", "speakers-not-in-table",
     lambda match: {"table": match[1], "speakers": match[2].split(", ")}),
    ("no recordings of (.*); get them from (.*)", "part-missing",
     lambda match: {"corpus": match[1], "address": match[2]}),
)  # fmt: skip

TUNED = "parameters chosen by inner folds of the training speakers"


def _stamp(text: str) -> dict[str, Any]:
    for pattern, kind, value in STAMPS:
        if match := re.fullmatch(pattern, text):
            return {"kind": kind.format(**match.groupdict()), "value": value(match)}
    return {"kind": "text", "value": text}


def upgraded(values: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a result of format 1 to format 2, without a specification.

    Examples
    --------
    >>> protocol = {"name": "random-kfold", "settings": {}, "setting": "inductive", "selection": "fixed parameters",
    ...             "stamps": ["speakers shared by training and test: up to 24 a fold"]}
    >>> upgraded({"format": 1, "corpus": "ravdess, emodb", "protocol": protocol})["protocol"]["stamps"]
    [{'kind': 'shared-speakers', 'value': 24}]
    """
    protocol = values["protocol"]
    kind = PROTOCOLS.get(protocol["name"])
    return {
        **{name: value for name, value in values.items() if name != "corpus"},
        "format": 2,
        "corpora": values["corpus"].split(", "),
        "notes": [_stamp(text) for text in values.get("notes", ())],
        "protocol": {
            **protocol,
            "selection": "inner-folds" if protocol["selection"] == TUNED else "fixed",
            "stamps": [_stamp(text) for text in protocol["stamps"]],
            "allows": sorted(kind.allows) if kind else [],
            "random": bool(kind and kind.random),
        },
    }
