"""What a cluster takes to move rows, with a job that does next to nothing: time, bytes and memory against rows."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.scale.given import Given
from benchmarks.scale.pictures import lines
from benchmarks.scale.text import markdown_table
from benchmarks.scale.through_cluster import WORKERS
from fusionser.execution.grouping import MOST_TASKS, SECONDS
from fusionser.features.extraction import BATCH
from fusionser.planning.projection import NUMBER_BYTES
from fusionser.reporting.planning import grouped

COUNTS, FEW = (10_000, 100_000, 1_000_000), (2_000, 10_000, 50_000)
PROCESSES = ("client", "scheduler", "workers")


def measure(given: Given) -> dict[str, Any]:
    """Return a point for each number of rows, and one where each task is sent alone."""
    counts = FEW if given.small else COUNTS
    points = [_point(given, count) for count in counts]
    return {"workers": WORKERS, "points": points, "alone": _point(given, counts[0], "--alone")}


def _point(given: Given, count: int, *more: str) -> dict[str, Any]:
    module = [sys.executable, "-m", "benchmarks.scale.through_cluster"]
    command = [*module, str(given.ravdess), str(count), str(given.scratch / "dask"), *more]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    point: dict[str, Any] = json.loads(done.stdout)
    print(f"  {count} rows{' alone' if more else ''}: {point['seconds']:.1f} s", flush=True)
    return point


def cluster_rates(figures: dict[str, Any]) -> dict[str, float]:
    """Return the rates of a cluster: what each row takes and what each group takes, from two sizes of groups."""
    large, alone = figures["points"][-1], figures["alone"]
    few, most = (one["rows"] / one["groups"] for one in (alone, large))
    rates: dict[str, float] = {}
    for process, name in (("scheduler", "scheduler"), ("client", "asking"), ("workers", "worker")):
        long, short = (one["processor"][process] / one["rows"] for one in (alone, large))
        per_group = max(0.0, (long - short) / (1 / few - 1 / most))
        rates |= {f"{name}_per_row": max(0.0, short - per_group / most), f"{name}_per_group": per_group}
    sent = {process: large["sent"][process] / large["rows"] for process in PROCESSES}
    return {**rates, "task_bytes": sent["client"], "answer_bytes": sent["workers"] - NUMBER_BYTES * large["columns"]}


def section(figures: dict[str, Any], folder: Path) -> list[str]:
    """Return the lines of the page."""
    points = figures["points"]
    first, last = points[0], points[-1]
    per_thousand = {
        name: [(one["rows"], 1000 * one["processor"][name] / one["rows"]) for one in points] for name in PROCESSES
    }
    memory = {name: [(one["rows"], one["mebibytes"][name]) for one in points] for name in PROCESSES}
    lines(
        [("processor time for 1000 rows in s", per_thousand), ("peak memory in MiB", memory)],
        "rows",
        folder / "scheduler.png",
    )
    rows = [_row(one) for one in (*points, figures["alone"])]
    headings = [
        "rows", "rows in a group", "wall, s", *(f"{name}, ms for 1000 rows" for name in PROCESSES),
        *(f"{name}, bytes sent for a row" for name in PROCESSES), *(f"{name}, peak MiB" for name in PROCESSES),
    ]  # fmt: skip
    rates = cluster_rates(figures)
    grown = last["mebibytes"]["client"] - first["mebibytes"]["client"]
    return [
        "## Scheduler",
        f"Rows that repeat RAVDESS's under other names, in batches of {BATCH} as an extraction sends them, through a "
        f"scheduler and {figures['workers']} workers, with a job that returns {last['columns']} numbers and does "
        "nothing else. What remains is the way of the rows through client, scheduler and workers. Batches are sent in "
        f"groups, which grow up to {SECONDS:g} s of work or {MOST_TASKS} batches; in the last line, each is sent "
        "alone.",
        markdown_table(headings, rows, numbers=0),
        f"![processor time for 1000 rows, and peak memory, against rows: the client's memory grows by {grown:.0f} MiB "
        f"from {grouped(first['rows'])} to {grouped(last['rows'])} rows](scheduler.png)",
        f"From {grouped(first['rows'])} to {grouped(last['rows'])} rows, the time for 1000 rows goes from "
        f"{1000 * first['seconds'] / first['rows'] * 1000:.1f} to {1000 * last['seconds'] / last['rows'] * 1000:.1f} "
        f"ms by the clock, and the peak memory of the client from {first['mebibytes']['client']:.0f} to "
        f"{last['mebibytes']['client']:.0f} MiB. The rows are made, and their answers dropped, one batch "
        "after the other, so the client never holds all of them. A group takes the scheduler "
        f"{1000 * rates['scheduler_per_group']:.2f} ms, and each row in it "
        f"{1e6 * rates['scheduler_per_row']:.1f} µs more.",
    ]


def _row(point: dict[str, Any]) -> list[str]:
    rows = point["rows"]
    return [
        grouped(rows) + (", alone" if point["alone"] else ""),
        f"{rows / point['groups']:.0f}",
        f"{point['seconds']:.1f}",
        *(f"{1e6 * point['processor'][name] / rows:.1f}" for name in PROCESSES),
        *(f"{point['sent'][name] / rows:.0f}" for name in PROCESSES),
        *(f"{point['mebibytes'][name]:.0f}" for name in PROCESSES),
    ]
