"""Figures in pages: each is read from a stored result under reports/ when the site is built, and never typed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
REPORTS = ROOT / "reports"


def cells(folder: str) -> Iterator[dict[str, Any]]:
    """Yield the stored evaluations of a study."""
    for path in sorted((REPORTS / folder / "cells").glob("*.json")):
        yield json.loads(path.read_text(encoding="utf-8"))


def percent(share: float) -> str:
    """Return a share in percent, with a decimal."""
    return f"{100 * share:.1f} %"


def uar(folder: str, protocol: str, classifier: str, corpus: str = "ravdess") -> str:
    """Return the UAR of an evaluation of a study, in percent."""
    (found,) = (
        cell["pooled"]["uar"]
        for cell in cells(folder)
        if (cell["protocol"]["name"], cell["classifier"]) == (protocol, classifier) and corpus in cell["corpus"]
    )
    return percent(found)


def mean_uar(folder: str, protocol: str) -> float:
    """Return the mean UAR of the classifiers of a study under a protocol, as a share."""
    found = [cell["pooled"]["uar"] for cell in cells(folder) if cell["protocol"]["name"] == protocol]
    return sum(found) / len(found)


def substitutions() -> dict[str, str]:
    """Return the figures by the names that pages have for them."""
    folder = "protocol-gap"
    by_speaker, at_random = (mean_uar(folder, protocol) for protocol in ("speaker-kfold", "random-kfold"))
    return {
        "random_uar": percent(at_random),
        "speaker_uar": percent(by_speaker),
        "gap_points": f"{100 * (at_random - by_speaker):.0f}",
        "other_corpus_uar": percent(mean_uar(folder, "cross-corpus")),
        "svm_random_uar": uar(folder, "random-kfold", "svm"),
        "svm_speaker_uar": uar(folder, "speaker-kfold", "svm"),
    }
