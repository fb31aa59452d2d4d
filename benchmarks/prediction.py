"""From a file to probabilities: one clip, a batch, and the first answer of a new process."""

import statistics
import time
from pathlib import Path

import numpy as np

from benchmarks.measuring import STARTS, Figure, files, first_answer, fit_fusionnet, seconds_of, spent_on
from fusionser.model import FEATURES, load_model

BATCH = 64


def measure(ravdess: Path, scratch: Path) -> list[Figure]:
    """Return the figures of the seventh target; models of a few epochs answer as fast as any."""
    names = files(ravdess, BATCH)
    figures = []
    for gender in ("given", "estimated"):
        model = fit_fusionnet(ravdess, scratch, gender)
        figures += _warm(model, names, gender)
    help_time = statistics.median(seconds_of("--help") for _ in range(STARTS))
    one = first_answer(model, names[0])
    return [
        *figures,
        Figure(what="fusionser --help", value=round(help_time, 2), unit="s", asked=0.4, at_most=True),
        Figure(what="fusionser predict of one file, cold", value=one, unit="s", asked=4, at_most=True),
    ]


def _warm(path: Path, names: list[str], gender: str) -> list[Figure]:
    import pandas as pd

    model = load_model(path)
    told = {"gender": "female"} if gender == "given" else {}
    rows = [pd.DataFrame([{"file": name, **told}]) for name in names]
    spent, described = [spent_on(use, rows) for use in (model.predict_proba, model.predict)]
    together = pd.concat(rows)
    began = time.process_time_ns()
    model.predict_proba(together, n_jobs=1)
    batch = (time.process_time_ns() - began) / 1e6 / len(rows)
    began = time.process_time_ns()
    model.pipeline[FEATURES].run(together, n_jobs=1)
    extraction = (time.process_time_ns() - began) / 1e6 / len(rows)
    what = f"SER-FusionNet, gender {gender}, one core"
    p50, p99 = (round(float(value), 1) for value in np.percentile(spent, [50, 99]))
    whole = round(statistics.median(described), 1)
    over = round(batch / extraction, 2)
    return [
        Figure(what=f"{what}, a file, p50", value=p50, unit="ms", asked=10, at_most=True),
        Figure(what=f"{what}, a file, p99", value=p99, unit="ms", asked=25, at_most=True),
        Figure(what=f"{what}, a file, and how unlike it is, p50", value=whole, unit="ms"),
        Figure(what=f"{what}, extraction, a clip of a batch", value=round(extraction, 1), unit="ms"),
        Figure(what=f"{what}, batch of {BATCH} over its extraction", value=over, unit="times", asked=1.3, at_most=True),
    ]
