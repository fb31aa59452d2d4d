"""Tables and sentences of pages that are made from reports/ and from the cards of corpora."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fusionser.corpora import CORPORA

__all__ = ["PURPOSES", "extras", "gap", "gap_scores", "lesson", "licences"]

REPORTS = Path(__file__).resolve().parents[1] / "reports"

PURPOSES = {
    "microphone": "`fusionser listen`",
    "serve": "`fusionser serve`: a web service with a page",
    "opensmile": "the block `opensmile`",
    "ge2e": "the block `ge2e`",
    "transformers": "the blocks `transformers` and the networks on them",
    "adapters": "adapters for `transformers-finetuned`",
    "audformat": "audformat databases, and audb",
    "huggingface": "Hugging Face datasets",
    "onnx": "`fusionser export`, and the block `emotion2vec`",
    "mlflow": "`--track mlflow`",
    "tensorboard": "`--track tensorboard`",
    "tune": "`fusionser tune`: Optuna",
    "cluster": "`--cluster`: Dask",
    "s3": "addresses of `s3://`",
    "gs": "addresses of `gs://`",
    "az": "addresses of `az://`",
    "http": "addresses of `https://`",
}
"""What each extra is for."""


def megabytes(count: int) -> str:
    """Return a number of bytes as megabytes."""
    return f"{count / 1e6:,.0f} MB".replace(",", " ") if count >= 5e5 else "below 1 MB"


def extras() -> str:
    """Return the table of the extras and what they take on the disk, from the last `python -m benchmarks.extras`."""
    measured = json.loads((REPORTS / "installation" / "extras.json").read_text(encoding="utf-8"))
    base, made = measured["base"], measured["provenance"]
    lines = ["| extra | what it is for | packages that it adds | on the disk |", "|---|---|---:|---:|"]
    lines += [
        f"| `{name}` | {PURPOSES[name]} | {found['packages']} | {megabytes(found['bytes'])} |"
        for name, found in measured["extras"].items()
    ]
    largest = ", ".join(f"{name} {megabytes(size)}" for name, size in measured["largest"].items())
    return (
        f"fusionser itself needs {base['packages']} packages, which take {megabytes(base['bytes'])}. The largest: "
        f"{largest}.\n\n" + "\n".join(lines) + f"\n\nMeasured on {made['date']} by `{made['command']}` at commit "
        f"{made['commit']} with Python {made['versions']['python']} on {made['machine']}, and torch "
        f"{measured['torch']}. Extras share packages, so several together take less than their sum."
    )


def licences() -> str:
    """Return the table of the corpora that others published, with their licences."""
    cards = [corpus.card for name, corpus in CORPORA.items() if name != "demo"]
    lines = ["| corpus | language | licence |", "|---|---|---|"]
    for card in cards:
        # The address of a corpus that is made of others names these.
        title = f"[{card.title}]({card.address})" if card.address.startswith("http") else card.title
        lines.append(f"| {title} | {card.language} | {card.licence} |")
    return "\n".join(lines)


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


def class_count(folder: str) -> int:
    """Return the number of classes of a study, whose evaluations have the same ones."""
    (count,) = {len(cell["classes"]) for cell in cells(folder)}
    return count


def chance(folder: str) -> float:
    """Return the UAR of guessing in a study."""
    return 1 / class_count(folder)


def gap() -> str:
    """Return how much the UAR falls from random folds to folds by speaker, and to another corpus."""
    at_random, by_speaker, across = (
        mean_uar("protocol-gap", protocol) for protocol in ("random-kfold", "speaker-kfold", "cross-corpus")
    )
    svm = [uar("protocol-gap", protocol, "svm") for protocol in ("random-kfold", "speaker-kfold")]
    return (
        f"On {class_count('protocol-gap')} emotions of RAVDESS, the mean UAR of the classifiers is "
        f"{percent(at_random)} with random folds, and {percent(by_speaker)} by speaker: "
        f"{100 * (at_random - by_speaker):.0f} points less.\n"
        f"For an SVM alone, it is {svm[0]} and {svm[1]}. "
        f"Learned from another corpus, the mean is {percent(across)}, and chance is {percent(chance('protocol-gap'))}: "
        "these columns, those of SER-FusionNet without gender, contain the level of the recording.\n"
        f"With the columns of `robust`, which do not, it is {percent(mean_uar('protocol-gap/robust', 'cross-corpus'))}."
    )


def lesson() -> str:
    """Return the same difference, as the lesson on evaluations states it."""
    at_random, by_speaker = (percent(mean_uar("protocol-gap", one)) for one in ("random-kfold", "speaker-kfold"))
    return (
        f"On {class_count('protocol-gap')} emotions of RAVDESS, an acted corpus of 24 speakers, with the columns of "
        "SER-FusionNet,\nthe mean UAR of three "
        f"classifiers is {at_random} with random folds, and {by_speaker} with folds by speaker. Chance is "
        f"{percent(chance('protocol-gap'))}."
    )


def gap_scores() -> str:
    """Return the scores of the study of protocols, as its report has them."""
    page = (REPORTS / "protocol-gap" / "report.md").read_text(encoding="utf-8")
    return page.partition("\n## Scores\n")[2].partition("\n## ")[0].strip()
