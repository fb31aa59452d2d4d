"""Where the time of one clip, one prediction and one start goes, and what the targets would ask of the rest."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.measuring import OFFSET, SECONDS, Figure, files, fit_fusionnet, milliseconds
from fusionser.features import fusionnet
from fusionser.features.clip import Clip
from fusionser.memory import reused_memory
from fusionser.model import CLASSIFIER, FEATURES, SCALE, load_model

CLIPS, ROUNDS = 60, 3
STARTS = 3
IMPORTED = ("numpy", "pandas", "scipy.stats", "sklearn.pipeline", "torch", "imblearn.pipeline", "skops.io")

Stages = dict[str, list[float]]


def measure(ravdess: Path, scratch: Path) -> list[Figure]:
    """Return the median milliseconds of each stage, in the order in which they follow one another."""
    names = files(ravdess, CLIPS)
    clip = _medians(
        _stages_of_clip,
        names,
        dict(fusionnet(gender=False, offset=OFFSET, duration=SECONDS).blocks),
    )
    path = fit_fusionnet(ravdess, scratch, "estimated")
    prediction = _medians(_stages_of_prediction, names, load_model(path))
    start = _start(path, names[0])
    return [
        *(milliseconds(value, f"a clip: {name}") for name, value in clip.items()),
        *(milliseconds(value, f"a warm prediction, gender estimated: {name}") for name, value in prediction.items()),
        *(Figure(what=f"a cold prediction: {name}", value=round(value, 2), unit="s") for name, value in start.items()),
    ]


def _medians(stages: Callable[[str, Any], Iterator[str]], names: list[str], subject: Any) -> dict[str, float]:
    """Return the median processor time between the names that `stages` yields, over all clips but the first round."""
    spent: Stages = {}
    with reused_memory():
        for turn in range(ROUNDS + 1):
            for name in names:
                began = time.process_time_ns()
                for stage in stages(name, subject):
                    ended = time.process_time_ns()
                    if turn:
                        spent.setdefault(stage, []).append((ended - began) / 1e6)
                    began = time.process_time_ns()
    return {stage: statistics.median(times) for stage, times in spent.items()}


def _stages_of_clip(name: str, blocks: dict[str, Any]) -> Iterator[str]:
    clip = Clip({"file": name})
    any_block = blocks["mel"]
    clip.samples(0)
    yield "decode"
    clip.waveform(any_block.clip_settings(), any_block.n_fft)
    yield "one channel, cut, resample"
    spectrum = any_block.spectrum(clip)
    _ = spectrum.magnitude
    yield "windows, real transform, magnitudes"
    _ = spectrum.power
    yield "power"
    spectrum.mel()
    yield "mel bands"
    spectrum.mfcc()
    yield "logarithm and cosine transform"
    spectrum.tuning()
    yield "tuning of the chroma"
    spectrum.chroma()
    yield "chroma bands"
    _ = spectrum.rms, spectrum.zero_crossing_rate
    yield "energy and zero crossings"
    _ = spectrum.centroid, spectrum.bandwidth
    yield "centroid and bandwidth"
    for block in blocks.values():
        block.compute(clip)
    yield "means, moments of the samples, columns"
    _ = clip.fingerprint
    yield "fingerprint, by which the guard knows copies"


def _stages_of_prediction(name: str, model: Any) -> Iterator[str]:
    row = pd.DataFrame([{"file": name}])
    extractor = model.pipeline[FEATURES]
    table = extractor.table(row)
    result = table.compute(n_jobs=1)
    yield "decode and features"
    columns = extractor.columns(table, result).astype(np.float64)
    yield "estimated gender and Conv1D units"
    scaled = model.pipeline[SCALE].scaled(columns)
    yield "scaling"
    model.pipeline[CLASSIFIER].answer(scaled)
    yield "BiLSTM"


def _start(model: Path, file: str) -> dict[str, float]:
    code = f"""
import gc, json, sys, time
gc.disable()
spent = {{}}
def lap(name, work):
    began = time.perf_counter()
    found = work()
    spent[name] = time.perf_counter() - began
    return found
for name in {IMPORTED!r}:
    lap("import of " + name, lambda: __import__(name))
loaded = lap("import of fusionser.model", lambda: __import__("fusionser.model")).model
model = lap("loading of the model", lambda: loaded.load_model({str(model)!r}))
lap("the first answer", lambda: model.predict([{file!r}], n_jobs=1))
print(json.dumps(spent))
"""
    told = [
        json.loads(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
        for _ in range(STARTS)
    ]
    return {name: statistics.median(one[name] for one in told) for name in told[0]}
