"""Recordings and features in an object store: the bytes that move, and what happens when the store goes away."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.scale.cluster import cluster
from benchmarks.scale.given import Given
from benchmarks.scale.object_store import ObjectStore, object_store
from benchmarks.scale.text import markdown_table
from benchmarks.scale.used import command_line, last_message
from fusionser.corpora import list_rows
from fusionser.feature_dataset import MANIFEST, PARTS
from fusionser.files import public_text

WORKERS = 2
PRESET = "robust"
FEW = 240
SHARE = 1 / 3
"""How much of the parts is written when the store goes away."""

SHORT, LONG = 30.0, 240.0
"""Seconds for which it is away: fewer, and more, than a request is repeated for by all that repeats it."""

SECONDS = 900
BUCKET = "benchmark"


def measure(given: Given) -> dict[str, Any]:
    """Return the bytes for each clip, and what each absence of the store led to."""
    with object_store(given.scratch / "store") as store:
        clips, size = _upload(given, store)
        entire = _Run(store, "entire", given.scratch)
        status, output, messages = entire.end()
        if status:
            raise RuntimeError(messages)
        counted = store.counts()
        told, features = json.loads(output), entire.objects()
        runs = [
            _away(store, name, seconds, entire, given.scratch) for name, seconds in (("short", SHORT), ("long", LONG))
        ]
    return {
        "clips": clips,
        "recordings_bytes": size,
        "features_bytes": sum(map(len, features.values())),
        "set_aside": len(told["quarantine"]),
        **counted,
        "preset": PRESET,
        "workers": WORKERS,
        "runs": runs,
    }


def _upload(given: Given, store: ObjectStore) -> tuple[int, int]:
    """Copy recordings to the bucket; return their number and size."""
    system = store.beside
    system.mkdir(BUCKET)
    rows = list_rows(given.ravdess, "ravdess").rows
    files = [Path(file) for file in (rows.iloc[:: len(rows) // FEW] if given.small else rows)["file"]]
    for file in files:
        system.put_file(str(file), f"{BUCKET}/ravdess/{file.relative_to(given.ravdess).as_posix()}")
    return len(files), sum(file.stat().st_size for file in files)


class _Run:
    """A command that extracts from the bucket to the bucket, on a cluster of its own, with a cache of its own."""

    def __init__(self, store: ObjectStore, name: str, scratch: Path) -> None:
        self.store, self.name = store, name
        self.folder = scratch / f"run-{name}"
        self.environment = {**os.environ, **store.environment, "FUSIONSER_CACHE": str(self.folder / "cache")}

    def end(self, meanwhile: Callable[[], None] = lambda: None) -> tuple[int, str, str]:
        """Run the command to its end; return its exit status and what it printed."""
        options = ("--corpus", "ravdess", "--preset", PRESET, "--json", "--out", f"s3://{BUCKET}/{self.name}/")
        earlier = dict(os.environ)
        os.environ.update(self.environment)
        try:
            with cluster(WORKERS, self.folder / "dask") as started:
                words = command_line("extract", f"s3://{BUCKET}/ravdess", *options, "--cluster", started.address)
                process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                meanwhile()
                output, messages = process.communicate(timeout=SECONDS)
        finally:
            os.environ.clear()
            os.environ.update(earlier)
        return process.returncode, output, messages

    def objects(self) -> dict[str, bytes]:
        """Return the parts that are written, by name."""
        system = self.store.beside
        return {Path(name).name: system.cat_file(name) for name in self.names()}

    def names(self) -> list[str]:
        """Return the names of the parts that are written; a run also writes, and removes, a trial."""
        found = self.store.beside.find(f"{BUCKET}/{self.name}/{PARTS}")
        return [name for name in found if name.endswith(".parquet")]

    def described(self) -> dict[str, Any]:
        """Return what the manifest says of the parts and recordings."""
        manifest = json.loads(self.store.beside.cat_file(f"{BUCKET}/{self.name}/{MANIFEST}"))
        return {name: value for name, value in manifest.items() if name != "described"}


def _away(store: ObjectStore, name: str, seconds: float, entire: _Run, scratch: Path) -> dict[str, Any]:
    """Take the store away while a command runs, and repeat the command if it did not succeed."""
    run, wanted = _Run(store, name, scratch), max(1, int(SHARE * len(entire.names())))

    def take_away() -> None:
        until = time.monotonic() + SECONDS
        while len(run.names()) < wanted and time.monotonic() < until:
            time.sleep(0.1)
        store.close()
        time.sleep(seconds)
        store.open()

    status, _, messages = run.end(take_away)
    found = len(run.names())
    if status:
        again, _, told = run.end()
        if again:
            raise RuntimeError(told)
    return {
        "seconds": seconds,
        "status": status,
        "printed": public_text(last_message(messages)),
        "repeated": bool(status),
        "parts_then": found,
        "parts": len(entire.names()),
        "same": run.objects() == entire.objects() and run.described() == entire.described(),
    }


def _whole(printed: str) -> str:
    """Return a message, with an ellipsis where earlier versions kept its first line alone."""
    return f"{printed} …" if printed.endswith(",") else printed


def section(figures: dict[str, Any], folder: Path) -> list[str]:
    """Return the lines of the page."""
    clips = figures["clips"]

    def each(count: int) -> str:
        return f"{count / clips / 1024:.1f}"

    moved = [
        ["recordings, as they are", each(figures["recordings_bytes"])],
        ["from the store, with lists and headers", each(figures["from_store"])],
        ["to the store, with requests and headers", each(figures["to_store"])],
        ["features, as they are", each(figures["features_bytes"])],
    ]
    away = [
        [
            f"{run['seconds']:g} s",
            str(run["status"]),
            _whole(run["printed"]).replace("|", "\\|") or "nothing",
            "yes" if run["repeated"] else "no",
            f"{run['parts_then']} of {run['parts']}",
            "yes" if run["same"] else "**no**",
        ]
        for run in figures["runs"]
    ]
    headings = [
        "away for",
        "exit status",
        "last line printed",
        "repeated",
        "parts when the command ended",
        "same bytes",
    ]
    return [
        "## An object store",
        f"`fusionser extract` of {clips} recordings of RAVDESS with `{figures['preset']}`, from a bucket to a bucket, "
        f"on a cluster with {figures['workers']} workers. The store is moto's server of S3, on this machine. All "
        "connections to it pass a gate, which counts what moves.",
        markdown_table(["bytes", "KiB for each clip"], moved),
        "Then the gate was killed when a third of the parts were there, and started again after some seconds. A "
        "command that failed was repeated. The bytes are the same if all parts are those of a run that nothing "
        "disturbed, and the manifest lists them in the same order.",
        markdown_table(headings, away, numbers=len(headings)),
    ]
