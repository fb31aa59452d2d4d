"""Runs in which a worker, the scheduler or the command is killed: do they give what an undisturbed one gives?"""

import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.scale.cluster import Cluster, cluster
from benchmarks.scale.given import Given
from benchmarks.scale.rows import write_rows
from benchmarks.scale.text import markdown_table
from benchmarks.scale.used import command_line, last_message
from fusionser.files import public_text
from fusionser.rows import feature_columns

WORKERS = 2
PRESET = "robust"
ROWS, FEW = 1440, 480
SHARE = 1 / 3
"""How much of the work is done when something is killed."""

SECONDS = 900
"""How long a command may take."""


def measure(given: Given) -> dict[str, Any]:
    """Return what each disturbance led to."""
    count = FEW if given.small else ROWS
    table = write_rows(given.ravdess, "ravdess", count, given.scratch / "rows.csv", durations=True)
    with cluster(WORKERS, given.scratch / "dask") as started:
        alone = _Run(table, given.scratch / "undisturbed", started.address)
        alone.end()
    entries = alone.entries()
    killed: dict[str, Callable[[Cluster, _Run], None]] = {
        "a worker": lambda started, run: os.kill(started.working(0), signal.SIGKILL),
        "the scheduler": lambda started, run: _scheduler(started).kill(),
        "the command": lambda started, run: run.process.kill(),
    }
    runs = []
    for name, kill in killed.items():
        runs.append(_disturbed(name, kill, table, given.scratch / name.replace(" ", "-"), entries, alone))
        print(f"  {name}: {'the same' if runs[-1]['same'] else 'NOT the same'}", flush=True)
    return {"rows": count, "preset": PRESET, "workers": WORKERS, "runs": runs}


class _Run:
    """A command that extracts, with a cache of its own."""

    def __init__(self, table: Path, folder: Path, address: str) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.features = folder, folder / "features.parquet"
        options = ("--preset", PRESET, "--out", str(self.features), "--json", "--cluster", address)
        self.process = subprocess.Popen(
            command_line("extract", str(table), *options),
            env={**os.environ, "FUSIONSER_CACHE": str(folder / "cache")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def entries(self) -> int:
        """Return how many values are in the cache."""
        try:
            with closing(
                sqlite3.connect(f"file:{self.folder / 'cache' / 'features.sqlite'}?mode=ro", uri=True)
            ) as cache:
                return int(cache.execute("SELECT count(*) FROM entries").fetchone()[0])
        except sqlite3.Error:
            return 0

    def wait_for(self, entries: float) -> None:
        """Wait until so many values are in the cache."""
        until = time.monotonic() + SECONDS
        while self.entries() < entries:
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the command ended too early: {self.process.communicate()}")
            time.sleep(0.02)

    def end(self) -> tuple[int, str, str]:
        """Return the exit status when the command ends, and what it printed."""
        output, messages = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, output, messages


def _scheduler(started: Cluster) -> subprocess.Popen[bytes]:
    assert started.scheduler is not None
    return started.scheduler


def _disturbed(
    name: str, kill: Callable[[Cluster, _Run], None], table: Path, folder: Path, entries: int, alone: _Run
) -> dict[str, Any]:
    """Kill something while a command runs, and repeat the command if it did not succeed."""
    folder.mkdir(parents=True)
    with cluster(WORKERS, folder / "dask") as started:
        run = _Run(table, folder, started.address)
        run.wait_for(SHARE * entries)
        kill(started, run)
        status, output, messages = run.end()
        if name != "the scheduler" and status:
            _, output, _ = _Run(table, folder, started.address).end()
    if name == "the scheduler":
        with cluster(WORKERS, folder / "dask") as started:
            _, output, _ = _Run(table, folder, started.address).end()
    told = json.loads(output)
    return {
        "killed": name,
        "status": status,
        "printed": public_text(last_message(messages)),
        "repeated": bool(status),
        "analysed": told["computed"],
        "set_aside": len(told["quarantine"]),
        "same": _same(run.features, alone.features),
    }


def _same(one: Path, other: Path) -> bool:
    """Return whether two files have the same rows, and the same bytes in their columns of features."""
    tables = [pd.read_parquet(path) for path in (one, other)]
    columns = feature_columns(tables[1])
    values = [table[columns].to_numpy().tobytes() for table in tables]
    return values[0] == values[1] and tables[0].drop(columns=columns).equals(tables[1].drop(columns=columns))


def section(figures: dict[str, Any], folder: Path) -> list[str]:
    """Return the lines of the page."""
    rows = [
        [
            run["killed"],
            str(run["status"]),
            run["printed"].replace("|", "\\|") or "nothing",
            "yes" if run["repeated"] else "no",
            str(run["analysed"]),
            str(run["set_aside"]),
            "yes" if run["same"] else "**no**",
        ]
        for run in figures["runs"]
    ]
    headings = [
        "killed", "exit status", "last line printed", "repeated", "analysed by the last command", "set aside",
        "same features",
    ]  # fmt: skip
    return [
        "## Disturbances",
        f"`fusionser extract` of {figures['rows']} rows of RAVDESS with `{figures['preset']}`, on a cluster with "
        f"{figures['workers']} workers. When a third of the values were in the cache, something was killed (SIGKILL). "
        "A command that failed was repeated, after the scheduler had been started again if it was killed. The features "
        "are the same if their columns have the same bytes as those of an undisturbed run, and all other columns are "
        "equal.",
        markdown_table(headings, rows, numbers=len(headings)),
    ]
