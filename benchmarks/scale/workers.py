"""Extraction of real clips by one, two and four workers of a cluster, and by as many processes of joblib."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.measuring import cores
from benchmarks.scale.cluster import Cluster, cluster
from benchmarks.scale.given import Given
from benchmarks.scale.pictures import bars
from benchmarks.scale.rows import write_rows
from benchmarks.scale.text import markdown_table, times
from benchmarks.scale.used import Done, command_line, run_watched
from fusionser.features.extraction import BATCH
from fusionser.rows import feature_columns

WORKERS = (1, 2, 4)
PRESET = "wide"
ROWS, FEW = 4320, 480
ROUNDS, ROUNDS_IF_SMALL = 3, 1
WARMING = 4 * BATCH
CLUSTER, PROCESSES = "Dask", "joblib"


def measure(given: Given) -> dict[str, Any]:
    """Return what each number of workers took; what took the least processor time of several rounds."""
    count = FEW if given.small else ROWS
    table = write_rows(given.ravdess, "ravdess", count, given.scratch / "rows.csv", durations=True)
    few = write_rows(given.ravdess, "ravdess", WARMING, given.scratch / "few.csv", durations=True)
    runs: list[dict[str, Any]] = []
    for _ in range(ROUNDS_IF_SMALL if given.small else ROUNDS):
        for workers in WORKERS:
            with cluster(workers, given.scratch / "dask") as started:
                _extracted(few, given.scratch, "--cluster", started.address)
                runs.append(_on_cluster(table, given.scratch, started, workers))
            runs.append(_in_processes(table, given.scratch, workers))
    best = [
        min(
            (run for run in runs if (run["by"], run["workers"]) == (by, workers)),
            key=lambda run: sum(run["processor"].values()),
        )
        for by in (CLUSTER, PROCESSES)
        for workers in WORKERS
    ]
    same = len({run.pop("digest") for run in runs}) == 1
    return {
        "rows": count,
        "preset": PRESET,
        "cores": cores(),
        "rounds": len(runs) // len(best),
        "runs": best,
        "same": same,
    }


def _on_cluster(table: Path, scratch: Path, started: Cluster, workers: int) -> dict[str, Any]:
    before = started.used()
    done = _extracted(table, scratch, "--cluster", started.address)
    after = started.used()
    spent = {name: after[name].seconds - before[name].seconds for name in after}
    return _run(CLUSTER, workers, done, spent, scratch)


def _in_processes(table: Path, scratch: Path, workers: int) -> dict[str, Any]:
    return _run(PROCESSES, workers, _extracted(table, scratch, "--jobs", str(workers)), {}, scratch)


def _extracted(table: Path, scratch: Path, *where: str) -> Done:
    out = str(scratch / "features.parquet")
    done = run_watched(command_line("extract", str(table), "--preset", PRESET, "--out", out, "--json", *where), scratch)
    if done.status:
        raise RuntimeError(done.messages)
    return done


def _run(by: str, workers: int, done: Done, others: dict[str, float], scratch: Path) -> dict[str, Any]:
    return {
        "by": by,
        "workers": workers,
        "wall": done.wall,
        "extraction": float(json.loads(done.output)["seconds"]),
        "processor": {"command": done.used.seconds, **others},
        "digest": _digest(scratch / "features.parquet"),
    }


def _digest(features: Path) -> str:
    table = pd.read_parquet(features)
    return hashlib.sha256(table[feature_columns(table)].to_numpy().tobytes()).hexdigest()


def efficiency(figures: dict[str, Any], by: str, workers: int) -> float:
    """Return the processor time of one worker over that of so many."""
    spent = {run["workers"]: sum(run["processor"].values()) for run in figures["runs"] if run["by"] == by}
    return float(spent[1] / spent[workers])


def section(figures: dict[str, Any], folder: Path) -> list[str]:
    """Return the lines of the page."""
    runs, most = figures["runs"], max(WORKERS)
    parts = {"command": "the command", "scheduler": "scheduler", "workers": "workers"}
    bars(
        [f"{run['by']}, {run['workers']}" for run in runs],
        {label: [run["processor"].get(name, 0.0) for run in runs] for name, label in parts.items()},
        "processor time in s",
        folder / "workers.png",
    )
    rows = [
        [
            run["by"],
            str(run["workers"]),
            f"{run['wall']:.1f}",
            *(f"{run['processor'][name]:.1f}" if name in run["processor"] else "-" for name in parts),
            f"{sum(run['processor'].values()):.1f}",
            f"{efficiency(figures, run['by'], run['workers']):.2f}",
        ]
        for run in runs
    ]
    headings = ["by", "workers", "wall, s", *(f"{name}, s" for name in parts.values()), "together, s", "efficiency"]
    two = [efficiency(figures, by, most) for by in (CLUSTER, PROCESSES)]
    return [
        "## Workers",
        f"{figures['rows']} rows of RAVDESS with `{figures['preset']}`, by workers of a cluster with one thread each, "
        f"and by joblib's processes on the same machine, in turns; of {times(figures['rounds'])}, the one with the "
        "least processor time. The efficiency is the processor time of one worker, its scheduler and the command, over "
        f"that of several. This machine has {figures['cores']} cores, so with more workers than that the wall time "
        "cannot fall. The workers of the cluster were there before; joblib's processes start with the command, which "
        "is part of their time.",
        markdown_table(headings, rows),
        f"![processor time by who spent it, for each number of workers: with {most} workers, the efficiency is "
        f"{two[0]:.2f} on the cluster, and {two[1]:.2f} in joblib's processes](workers.png)",
        f"The columns of all runs are {'the same, byte for byte' if figures['same'] else '**not** the same'}.",
    ]
