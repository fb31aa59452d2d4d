"""Many clips: two cores against one, and memory against the number of clips."""

import json
import subprocess
import sys
import time
from pathlib import Path

import joblib
import pandas as pd

from benchmarks.measuring import Figure, cores, files
from fusionser.features import wide
from fusionser.features.base import FeatureBlock
from fusionser.features.extraction import compute_clips

FEW, MANY = 500, 10000
WARMING = 96
ROUNDS = 3
APART = "two processes that need nothing of one another, against one"
"""What the machine's cores allow."""


def measure(ravdess: Path, scratch: Path) -> list[Figure]:
    """Return the figures of the second target."""
    return [*_cores(files(ravdess)), *_memory(ravdess, scratch)]


def _cores(names: list[str]) -> list[Figure]:
    rows = [{"file": name} for name in names]
    blocks = dict(wide().blocks)
    if cores() < 2:
        return [Figure(what="cores of this machine, too few to compare", value=cores(), unit="")]
    compute_clips(rows[:WARMING], blocks, n_jobs=1)
    starting = _seconds(rows[:WARMING], blocks, 2)
    # In turns, and the best of each: by the clock, what else the machine does would decide.
    turns = [(_seconds(rows, blocks, 1), _seconds(rows, blocks, 2), _apart(rows, blocks)) for _ in range(ROUNDS)]
    one, two, apart = (min(times) for times in zip(*turns, strict=True))
    return [
        Figure(what=f"wide set, {len(rows)} clips, one core", value=round(one, 2), unit="s"),
        Figure(what=f"wide set, {len(rows)} clips, two cores, workers running", value=round(two, 2), unit="s"),
        Figure(what=APART, value=round(one / apart, 2), unit="times"),
        Figure(what=f"workers' start-up, with their first {WARMING} clips", value=round(starting, 2), unit="s"),
        Figure(what="two cores against one", value=round(one / two, 2), unit="times", asked=1.8),
    ]


def _seconds(rows: list[dict[str, str]], blocks: dict[str, FeatureBlock], jobs: int) -> float:
    began = time.perf_counter()
    compute_clips(rows, blocks, n_jobs=jobs)
    return time.perf_counter() - began


def _apart(rows: list[dict[str, str]], blocks: dict[str, FeatureBlock]) -> float:
    """Return the seconds of the longer half, each in a process that needs nothing of the other."""
    halves = joblib.Parallel(n_jobs=2)(joblib.delayed(_seconds)(rows[first::2], blocks, 1) for first in range(2))
    return max(halves)


def _memory(ravdess: Path, scratch: Path) -> list[Figure]:
    peaks = {count: _peak(ravdess, scratch, count) for count in (FEW, MANY)}
    figures = [
        Figure(
            what=f"peak memory, wide set of {count} clips to a file, one process",
            value=round(peak, 1),
            unit="MiB",
            asked=1024,
            at_most=True,
        )
        for count, peak in peaks.items()
    ]
    grown = round(100 * (peaks[MANY] / peaks[FEW] - 1), 1)
    return [*figures, Figure(what=f"growth from {FEW} to {MANY} clips", value=grown, unit="%", asked=10, at_most=True)]


def _peak(ravdess: Path, scratch: Path, count: int) -> float:
    """Extract so many clips in a process of its own, without the cache; each is a part of a recording."""
    from fusionser.corpora import list_rows

    rows = list_rows(ravdess, "ravdess").rows
    parts = [rows.assign(start=0.01 * turn, source=rows["file"] + f"-{turn}") for turn in range(-(-count // len(rows)))]
    table = scratch / f"rows-{count}.csv"
    pd.concat(parts).iloc[:count].to_csv(table, index=False)
    code = (
        "import json, sys\n"
        "from benchmarks.measuring import peak_mebibytes\n"
        "from fusionser.pipeline import PipelineSpec, Place, Resources, extract_file\n"
        "spec = PipelineSpec(features={'preset': 'wide'})\n"
        "extract_file([Place(sys.argv[1])], spec, sys.argv[2], resources=Resources(n_jobs=1))\n"
        "print(json.dumps(peak_mebibytes()))\n"
    )
    out = scratch / f"features-{count}.parquet"
    done = subprocess.run([sys.executable, "-c", code, table, out], check=True, capture_output=True, text=True)
    out.unlink()
    return float(json.loads(done.stdout))
