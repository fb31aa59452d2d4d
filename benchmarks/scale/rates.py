"""The rates that come with fusionser, and what `fusionser plan` projects from them."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.__main__ import processor
from benchmarks.scale.given import Given
from benchmarks.scale.pictures import lines
from benchmarks.scale.scheduler import cluster_rates
from benchmarks.scale.text import markdown_table
from benchmarks.scale.whole import memory_of_a_row
from benchmarks.scale.workers import CLUSTER as BY_CLUSTER
from fusionser.corpora.audio_files import audio_files
from fusionser.planning import Machines, Projection, Rates, Store, Work, project, shards_within, write_rates
from fusionser.planning.measuring import SECONDS, measure_rates
from fusionser.planning.rates import CLIPS, CLUSTER, Asking, ClusterRates, Decoding, Recordings
from fusionser.reporting.planning import NAMES, PROJECTION_COLUMNS, grouped, limits, projection_row, title
from fusionser.reporting.words import counted

SECONDS_IF_SMALL = 20.0
NEEDED = ("workers", "scheduler", "whole")
"""Parts whose figures have the other rates, and runs to compare with."""

PICTURED = 10**8
MEMORY = 64 * 2.0**30
"""Bytes for the rows of a shard."""

MACHINES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
TABLE = tuple(10**power for power in range(6, 10))


def measure(given: Given) -> dict[str, Any]:
    """Measure the clips, take the rest from the figures of other parts, and write the rates."""
    stored = {name: given.out / "figures" / f"{name}.json" for name in NEEDED}
    if missing := [name for name, path in stored.items() if not path.exists()]:
        raise SystemExit(f"the rates need the figures of {', '.join(missing)}; measure these parts first")
    parts = {name: json.loads(path.read_text()) for name, path in stored.items()}
    scheduler = parts["scheduler"]
    base = Rates(
        recordings=Recordings(kind="none", count=1, seconds=1, bytes_per_second=1),
        decoding=Decoding(per_clip=0, per_second=0),
        presets={},
        asking=Asking(listing=0, naming=0, memory=memory_of_a_row(parts["whole"]["figures"])),
        cluster=ClusterRates(**cluster_rates(scheduler["figures"])),
        measured={CLUSTER: {**scheduler["provenance"], "cores": os.cpu_count()}},
    )
    files = audio_files(given.ravdess).files
    measured = measure_rates(files, base, seconds=SECONDS_IF_SMALL if given.small else SECONDS)
    made = {**measured.measured[CLIPS], "command": "python -m benchmarks.scale rates", "processor": processor()}
    rates = measured.model_copy(update={"measured": {**measured.measured, CLIPS: made}})
    write_rates(rates, given.rates)
    return {"rates": rates.model_dump(), "compared": _compared(parts["workers"]["figures"], rates)}


def _compared(figures: dict[str, Any], rates: Rates) -> list[dict[str, float]]:
    """Return the seconds that runs on the cluster took, and those that are projected, up to a worker for each core."""
    work = Work(clips=figures["rows"], seconds=rates.recordings.seconds, preset=figures["preset"], known_durations=True)
    return [
        {
            "workers": run["workers"],
            "measured": run["extraction"],
            "projected": project(work, Machines(cores=run["workers"]), Store(), rates).seconds,
        }
        for run in figures["runs"]
        if run["by"] == BY_CLUSTER and run["workers"] <= figures["cores"]
    ]


def section(figures: dict[str, Any], folder: Path) -> list[str]:
    """Return the lines of the page."""
    rates = Rates.model_validate(figures["rates"])
    some = Work(clips=PICTURED, seconds=5.0, known_durations=True)
    _draw(some, rates, folder / "plan.png")
    shown = [_projected(replace(some, clips=clips), 8, rates) for clips in TABLE]
    pictured = _projected(some, 8, rates)
    jobs_write = replace(some, dataset=True, known_durations=False)
    of_dataset = [_projected(replace(jobs_write, clips=clips), 8, rates) for clips in TABLE]
    recordings = rates.recordings
    return [
        "## Rates",
        f"What a clip takes on this machine while all its cores work, measured on {recordings.count} recordings of "
        f"RAVDESS ({recordings.kind}, {recordings.seconds:.1f} s on average), and what a cluster takes to move rows, "
        "from the part above. These rates come with fusionser, and `fusionser plan` computes from them.",
        _rates_table(rates),
        "Projected from these, and measured in the runs of the part on workers (the extraction alone, without the "
        "start of the command): "
        + "; ".join(
            f"{one['projected']:.1f} s and {one['measured']:.1f} s with {counted(one['workers'], 'worker')}"
            for one in figures["compared"]
        )
        + ". The projection gives the command and the scheduler cores of their own; here they share those of the "
        "workers.",
        "## What follows for many clips",
        f"The picture is for {title(pictured)}, at 10 Gbit/s, with the durations in the table. Each line is the time "
        "of one resource. They work at the same time, so the highest line is the time of the whole. "
        f"{' '.join(limits(pictured))}",
        f"![hours of each resource against the number of machines, for {grouped(PICTURED)} clips: with more than "
        f"{pictured.useful_machines} machines, what takes longest is {NAMES[pictured.next_limit]}](plan.png)",
        "The same machines and other numbers of clips:",
        markdown_table(PROJECTION_COLUMNS, [projection_row(one, None) for one in shown], numbers=0),
        "With a dataset of features, whose jobs list the recordings and write the parts, and without durations in a "
        "table:",
        markdown_table(PROJECTION_COLUMNS, [projection_row(one, None) for one in of_dataset], numbers=0),
    ]


def _projected(work: Work, machines: int, rates: Rates) -> Projection:
    """Return the projection for machines with 16 cores, and as many shards as their rows need."""
    shards = shards_within(MEMORY, work, rates)
    return project(work, Machines(machines=machines, cores=16, shards=shards), Store(), rates)


def _rates_table(rates: Rates) -> str:
    presets = {name: (one.per_clip, one.per_second, one.collecting) for name, one in sorted(rates.presets.items())}
    rows = [["decoding", _milliseconds(rates.decoding.per_clip), _milliseconds(rates.decoding.per_second), "-"]]
    rows += [[name, *map(_milliseconds, values)] for name, values in presets.items()]
    rows += [["listing", _milliseconds(rates.asking.listing), "-", "-"]]
    rows += [["naming, for a dataset", _milliseconds(rates.asking.naming), "-", "-"]]
    return markdown_table(
        ["", "ms for a clip", "ms more for a second of audio", "collecting and writing, ms for a clip"], rows
    )


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.3g}"


def _draw(work: Work, rates: Rates, path: Path) -> None:
    made = [_projected(work, count, rates) for count in MACHINES]
    names = [load.name for load in made[0].loads]
    hours = {
        NAMES[name]: [(one.machines.machines, one.loads[place].seconds / 3600) for one in made]
        for place, name in enumerate(names)
    }
    lines([("hours", hours)], "machines with 16 cores", path, logarithmic=True)
