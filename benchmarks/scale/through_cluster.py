"""Rows on their way through a cluster, with a job that does next to nothing: a process of its own for each number.

`python -m benchmarks.scale.through_cluster RAVDESS ROWS FOLDER [--alone]`
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import distributed
import numpy as np

from benchmarks.measuring import peak_mebibytes
from benchmarks.scale.cluster import Cluster, cluster
from benchmarks.scale.rows import batches
from benchmarks.scale.wire import sent
from fusionser.corpora import list_rows
from fusionser.execution import Lost, grouping, on_cluster
from fusionser.features import robust
from fusionser.features.clip_batch import FINGERPRINT, Answer

WORKERS = 2
WARMING = 2400


def answered(rows: list[dict[str, Any]], sizes: dict[str, int]) -> list[Answer]:
    """Return numbers as the features of `robust` would be."""
    return [
        {name: np.full(size, place, dtype=np.float32) for name, size in sizes.items()} for place in range(len(rows))
    ]


def _counted(sizes: list[int]) -> None:
    """Note the number of tasks of each group that is sent."""
    taken: Callable[..., list[bytes]] = grouping.Grouping.taken

    def noted(self: grouping.Grouping, tasks: Iterator[Any], workers: int) -> list[bytes]:
        group = taken(self, tasks, workers)
        if group:
            sizes.append(len(group))
        return group

    grouping.Grouping.taken = noted  # type: ignore[method-assign]


def _sent(started: Cluster) -> dict[str, int]:
    with distributed.Client(started.address) as client:  # type: ignore[no-untyped-call]
        workers = client.run(sent, nanny=False)
        return {"scheduler": client.run_on_scheduler(sent), "workers": sum(workers.values())}


def measure(ravdess: Path, count: int, folder: Path, *, alone: bool) -> dict[str, Any]:
    """Send so many rows through a cluster; with `alone`, each task by itself."""
    if alone:
        grouping.MOST_TASKS = 1
    groups: list[int] = []
    _counted(groups)
    sizes = {name: len(block.names()) for name, block in robust().blocks} | {FINGERPRINT: 16}
    job = partial(answered, sizes=sizes)
    records = list_rows(ravdess, "ravdess").rows.to_dict("records")
    rows = [{str(key): value for key, value in row.items()} for row in records]
    with cluster(WORKERS, folder) as started, on_cluster(started.address) as executor:
        list(executor.run(job, batches(rows, WARMING)))
        before, bytes_before, own_before = started.used(), _sent(started), sent()
        groups.clear()
        began, own = time.perf_counter(), time.process_time()
        answers = executor.run(job, batches(rows, count))
        done = sum(0 if isinstance(one, Lost) else len(one) for one in answers)
        seconds, asking = time.perf_counter() - began, time.process_time() - own
        own_sent = sent() - own_before
        after, bytes_after = started.used(), _sent(started)
        return {
            "rows": done,
            "alone": alone,
            "tasks": sum(groups),
            "groups": len(groups),
            "seconds": seconds,
            "columns": sum(sizes.values()) - sizes[FINGERPRINT],
            "processor": {
                "client": asking,
                **{name: after[name].seconds - before[name].seconds for name in after},
            },
            "sent": {"client": own_sent, **{name: bytes_after[name] - bytes_before[name] for name in bytes_after}},
            "mebibytes": {"client": peak_mebibytes(), **{name: used.mebibytes for name, used in after.items()}},
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ravdess", type=Path)
    parser.add_argument("rows", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--alone", action="store_true")
    given = parser.parse_args()
    print(json.dumps(measure(given.ravdess, given.rows, given.folder, alone=given.alone)))


if __name__ == "__main__":
    main()
