"""The whole way, from a table without durations to a features file: time and memory of the command against rows."""

import json
from pathlib import Path
from typing import Any

from benchmarks.scale.cluster import cluster
from benchmarks.scale.given import Given
from benchmarks.scale.pictures import lines
from benchmarks.scale.rows import write_rows
from benchmarks.scale.text import markdown_table
from benchmarks.scale.used import command_line, run_watched
from fusionser.reporting.planning import duration, grouped, size

WORKERS = 2
BLOCKS = "zcr,rms"
COUNTS, FEW = (10_000, 100_000, 1_000_000), (1_000, 5_000)
PROCESSES = ("command", "scheduler", "workers")


def measure(given: Given) -> dict[str, Any]:
    """Return a point for each number of rows, up to those that take too long."""
    points: list[dict[str, Any]] = []
    counts = FEW if given.small else COUNTS
    for count in counts:
        if points and points[-1]["wall"] * count / points[-1]["rows"] > given.most_seconds:
            break
        points.append(_point(given, count))
    return {"workers": WORKERS, "blocks": BLOCKS, "points": points, "left_out": list(counts[len(points) :])}


def _point(given: Given, count: int) -> dict[str, Any]:
    """Extract so many rows on a new cluster, by a command of its own."""
    table = write_rows(given.emodb, "emodb", count, given.scratch / "rows.csv", durations=False)
    out = given.scratch / "features.parquet"
    with cluster(WORKERS, given.scratch / "dask") as started:
        before = started.used()
        where = ("--cluster", started.address)
        done = run_watched(
            command_line("extract", str(table), "--blocks", BLOCKS, "--out", str(out), "--json", *where), given.scratch
        )
        if done.status:
            raise RuntimeError(done.messages)
        after = started.used()
    told = json.loads(done.output)
    print(f"  {count} rows: {done.wall:.1f} s", flush=True)
    return {
        "rows": told["rows"],
        "set_aside": len(told["quarantine"]),
        "wall": done.wall,
        "processor": {
            "command": done.used.seconds,
            **{name: after[name].seconds - before[name].seconds for name in after},
        },
        "mebibytes": {"command": done.used.mebibytes, **{name: used.mebibytes for name, used in after.items()}},
        "table_bytes": table.stat().st_size,
        "features_bytes": out.stat().st_size,
    }


def memory_of_a_row(figures: dict[str, Any]) -> float:
    """Return by how many bytes a row raises the peak memory of the command."""
    first, last = figures["points"][0], figures["points"][-1]
    grown = last["mebibytes"]["command"] - first["mebibytes"]["command"]
    return float(grown * 2**20 / (last["rows"] - first["rows"]))


def section(figures: dict[str, Any], folder: Path) -> list[str]:
    """Return the lines of the page."""
    points = figures["points"]
    last = points[-1]
    memory = {name: [(one["rows"], one["mebibytes"][name]) for one in points] for name in PROCESSES}
    spent = {name: [(one["rows"], 1e3 * one["processor"][name] / one["rows"]) for one in points] for name in PROCESSES}
    lines([("processor time of a row in ms", spent), ("peak memory in MiB", memory)], "rows", folder / "whole.png")
    rows = [
        [
            grouped(one["rows"]),
            duration(one["wall"]),
            *(f"{1e3 * one['processor'][name] / one['rows']:.2f}" for name in PROCESSES),
            *(f"{one['mebibytes'][name]:.0f}" for name in PROCESSES),
            size(one["table_bytes"]),
            size(one["features_bytes"]),
        ]
        for one in points
    ]
    headings = [
        "rows", "wall", *(f"{name}, ms for a row" for name in PROCESSES),
        *(f"{name}, peak MiB" for name in PROCESSES), "table", "features",
    ]  # fmt: skip
    a_row = memory_of_a_row(figures)
    left_out = [
        f"{grouped(count)} rows were left out, since {grouped(last['rows'])} took {duration(last['wall'])}."
        for count in figures["left_out"][:1]
    ]
    return [
        "## The whole way",
        f"`fusionser extract` of a CSV table whose rows repeat EMO-DB's clips under other names, without their "
        f"durations, so that each row is listed, sent, analysed (`{figures['blocks']}`, which computes little) and "
        f"written, on a cluster with {figures['workers']} workers on this machine.",
        markdown_table(headings, rows, numbers=0),
        *left_out,
        f"![processor time of a row, and peak memory, against rows: {last['mebibytes']['command']:.0f} MiB in the "
        f"command for {grouped(last['rows'])} rows](whole.png)",
        f"The command holds the table of rows, and each row raises its peak by {a_row / 1000:.1f} kB: by "
        f"{size(a_row * 1e8)} for 10^8 rows, so that such a number is extracted in shards. From "
        f"{grouped(points[0]['rows'])} to {grouped(last['rows'])} rows, the peak of the scheduler goes from "
        f"{points[0]['mebibytes']['scheduler']:.0f} to {last['mebibytes']['scheduler']:.0f} MiB, and that of a worker "
        f"from {points[0]['mebibytes']['workers']:.0f} to {last['mebibytes']['workers']:.0f} MiB.",
    ]
