"""Time and memory as the work grows: clips, their length, folds, classifiers. Each point is a process of its own."""

import importlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from benchmarks.measuring import Figure, files, peak_mebibytes

CLIPS = (100, 300, 1000, 3000, 10000)
SECONDS = (1, 4, 15, 60, 240, 600)
FOLDS = (2, 4, 8, 12, 24)
CLASSIFIERS = ("svm", "random-forest", "xgboost", "mlp", "lstm", "bilstm")
STRAIGHT = 1.1
"""Largest exponent of time against size that passes for a straight line."""


def measure(ravdess: Path, scratch: Path) -> list[Figure]:
    """Return the figures of the ninth target."""
    from fusionser.corpora import list_rows

    rows = list_rows(ravdess, "ravdess").rows
    parts = [
        rows.assign(start=0.01 * turn, source=rows["file"] + f"-{turn}") for turn in range(-(-CLIPS[-1] // len(rows)))
    ]
    many = pd.concat(parts)
    figures = []
    for count in CLIPS:
        many.iloc[:count].to_csv(scratch / "rows.csv", index=False)
        figures += _point("clips", count, "extract", str(scratch / "rows.csv"), str(scratch / "features.parquet"))
    voice = np.concatenate([soundfile.read(name, dtype="float32")[0] for name in files(ravdess, 24)])
    rate = soundfile.info(files(ravdess, 1)[0]).samplerate
    for seconds in SECONDS:
        soundfile.write(scratch / "long.wav", np.resize(voice, seconds * rate), rate)
        figures += _point("seconds of a clip", seconds, "analyse", str(scratch / "long.wav"))
    rows.to_csv(scratch / "all.csv", index=False)
    features = scratch / "fusionnet.parquet"
    _told("extract", str(scratch / "all.csv"), str(features), "fusionnet")
    for folds in FOLDS:
        figures += _point("folds", folds, "evaluate", str(features), str(folds), "svm")
    for count in range(1, len(CLASSIFIERS) + 1):
        figures += _point("classifiers", count, "evaluate", str(features), "6", *CLASSIFIERS[:count])
    return [*figures, *(_exponent(along, figures) for along in ("clips", "seconds of a clip", "folds"))]


def _told(*arguments: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.growth", *arguments]
    told: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return told


def _point(along: str, at: float, *arguments: str) -> list[Figure]:
    told = _told(*arguments)
    return [
        Figure(what=f"{at:g} {along}, time", value=round(told["seconds"], 3), unit="s", along=along, at=at),
        Figure(what=f"{at:g} {along}, peak memory", value=round(told["mebibytes"]), unit="MiB", along=along, at=at),
    ]


def _exponent(along: str, figures: list[Figure]) -> Figure:
    """Return the slope of time against size, both as logarithms, over the larger half of the points: 1 is straight."""
    points = [(one.at, one.value) for one in figures if one.along == along and one.unit == "s"]
    sizes, seconds = np.log(points[len(points) // 2 - 1 :]).T
    slope = round(float(np.polyfit(sizes, seconds, 1)[0]), 2)
    return Figure(what=f"time against {along}, exponent", value=slope, unit="", asked=STRAIGHT, at_most=True)


def _extract(rows: str, out: str, preset: str = "wide") -> None:
    from fusionser.pipeline import PipelineSpec, Place, Resources, extract_file

    gender = "given" if preset == "fusionnet" else None
    spec = PipelineSpec(features={"preset": preset, "gender": gender})
    extract_file([Place(Path(rows))], spec, out, resources=Resources(n_jobs=1))


def _analyse(clip: str) -> None:
    from fusionser.features import wide

    wide().run([clip], n_jobs=1)


def _evaluate(features: str, folds: str, *names: str) -> None:
    from fusionser.jobs import evaluate_prepared
    from fusionser.pipeline import PipelineSpec, Place, choose_protocol, prepare

    prepared = prepare([Place(Path(features))], PipelineSpec())
    split = choose_protocol("speaker-kfold", prepared.table, {"folds": int(folds)})
    for name in names:
        classifier = prepared.spec.classifier.changed(name=name)
        evaluate_prepared(replace(prepared, spec=prepared.spec.changed(classifier=classifier)), split)


WORK: dict[str, Callable[..., None]] = {"extract": _extract, "analyse": _analyse, "evaluate": _evaluate}

if __name__ == "__main__":
    # What is imported is the same for all sizes.
    importlib.import_module("fusionser.jobs")
    began = time.perf_counter()
    WORK[sys.argv[1]](*sys.argv[2:])
    print(json.dumps({"seconds": time.perf_counter() - began, "mebibytes": peak_mebibytes()}))
