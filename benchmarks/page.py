"""The page of all figures."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.bounds import bounds
from benchmarks.pictures import draw_growth
from fusionser.reporting.web_page import write_pages

HEAD = """
## What was measured

`make bench` measures all of this anew. Times per clip are medians of processor time on one core. Contestants take
turns, clip by clip, so a ratio compares like with like; only openSMILE runs by itself, after the others. Of each clip
of RAVDESS (48 kHz), 2.5 s are used, beginning at 0.6 s; for the wide set from a file, the whole clip, while the floor
has 2.5 s there, too. *162 + 6 columns* are the features and statistics of SER-FusionNet, *the wide set* the 909 columns
of the preset `wide`. *The floor* is what nothing can leave out: decode the file,
resample, one real transform, the products with the mel and chroma filters. *Known* features or results are in the
cache. Parts were measured on different days, so compare times only within a part.

*p50* and *p99* are the median and the 99th percentile, and *asked* is the target. The part *steps* is about those of
the [report on accuracy](../accuracy/report.md): the time from a file to probabilities, and the size of the model's
file. A row without *asked* has no target.
"""

CHANGED = "A commit with *+changes* had changes that were not committed yet.\n"

PARTS = {
    "augmentation": "Augmented copies of clips, compared with librosa's. In brackets: decibels of the noise, "
    "semitones, the factor of the speed, or the cut-off in Hz; *#1* is the number of the copy.",
    "caching": "Features from the cache, compared with computing them.",
    "cold": "The first answer of a new process, by models that need torch and by models that do not.",
    "device": "Features and training on a GPU, where there is one.",
    "extraction": "Features of a clip, compared with librosa, openSMILE, and the floor.",
    "growth": "How time and memory grow with the number of clips, their duration, the folds, and the classifiers. "
    "*Exponent*: 1 where twice as much takes twice as long.",
    "hours": "Time lines of one hour of speech in an MP3 file, by two models: an SVM on the features `robust`, and a "
    "network. *Times faster than it is spoken* is the hour, divided by the processor time of `fusionser predict "
    "--timeline`. *To a page* writes a web page that can play the recording, *to JSON* only the answers.",
    "prediction": "The answer for one clip, by a model that is loaded (a BiLSTM), and by a command that starts.",
    "processes": "Extraction by one process and by two.",
    "profiles": "Where the time goes: the stages, in their order, of a clip's analysis (*a clip*), of the answer of a "
    "model that is loaded (*a warm prediction*), and of a command that starts (*a cold prediction*).",
    "steps": "The answer of models from SER-FusionNet to the preset `best`.",
    "studies": "A study of six classifiers in six folds, and what each of its stages takes. Where no workers are "
    "named, one process runs it, with two threads. The classifiers share Conv1D networks, whose training counts to "
    "*svm*, which is the first.",
    "training": "Clips that a network learns from in a second, compared with a plain loop in torch and with Keras.",
    "voice": "Pitch and voice quality, compared with Praat.",
}
"""What each part measures."""


def write_page(folder: Path) -> Path:
    """Write report.md from the figures that are kept."""
    parts = [json.loads(file.read_text()) for file in sorted((folder / "figures").glob("*.json"))]
    text = ["# Speed\n", _answer([figure for part in parts for figure in part["figures"]]), HEAD]
    if any(part["provenance"]["commit"].endswith("+changes") for part in parts):
        text.append(CHANGED)
    for part in parts:
        made = part["provenance"]
        text.append(f"## {part['part'].capitalize()}\n\n{PARTS[part['part']]}\n")
        text.append("| | measured | asked | met |\n|---|---|---|---|")
        text += [_row(one) for one in part["figures"]]
        text += [f"\n{line}" for line in draw_growth(part["figures"], folder)]
        versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
        text.append(
            f"\n`{made['command']}`, {part['seconds']:g} s; {made['processor'] or made['machine']}; commit "
            f"{made['commit']}; {made['date']}; {versions}.\n"
        )
    reasons = bounds([figure for part in parts for figure in part["figures"]])
    if reasons:
        text.append("## What bounds the targets that were missed\n")
        text += [f"- {one}" for one in reasons]
    return write_pages(folder, "\n".join(text) + "\n")


def _answer(figures: Sequence[dict[str, Any]]) -> str:
    """Return how many targets are met, and which are missed."""
    asked = [one for one in figures if one["met"] is not None]
    missed = [f"{one['what']} ({one['value']:g} {one['unit']}, asked {_asked(one)})" for one in asked if not one["met"]]
    return f"{len(asked) - len(missed)} of {len(asked)} targets are met. Missed: {'; '.join(missed) or 'none'}."


def _asked(one: dict[str, Any]) -> str:
    return "" if one["asked"] is None else f"{'at most' if one['at_most'] else 'at least'} {one['asked']:g}"


def _row(one: dict[str, Any]) -> str:
    met = {True: "yes", False: "no", None: ""}[one["met"]]
    note = f" ({one['note']})" if one["note"] else ""
    return f"| {one['what']}{note} | {one['value']:g} {one['unit']} | {_asked(one)} | {met} |"
