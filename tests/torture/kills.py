"""Runs that are killed at random moments, and run again: the same results as undisturbed, and nothing left behind."""

import json
import os
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from command_process import fork_command
from small_recipe import SMALL

from fusionser.corpora import generate_demo
from torture.area import Tally

KILLS = 50
KILLS_BEFORE_AN_END = 5
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
SHORTEST_RUN = 0.3
"""Share of the time of a whole run within which a resumed one is killed, at least."""

SECONDS = 300.0
SECONDS_TO_STOP = 2.0
"""Within which a run may still end by itself after a signal."""

TIMES = ("date", "seconds", "duration", "minutes", "finished", "started")
"""Keys of stored results that tell when, or how long."""

COMMANDS: Mapping[str, str] = {
    "extract": "demo --corpus demo --jobs 2 --out out/features.parquet",
    "fit": "demo --corpus demo --classifier mlp --epochs 30 --out out/model.fusionser",
    "evaluate": "demo --corpus demo --classifier svm --protocol speaker-kfold --out out",
    "ablate": "demo --corpus demo --study blocks --blocks zcr,rms --folds 4 --classifier svm --out out",
    "reproduce": "small.toml --place demo=demo --out out",
}


class Place:
    """A folder with recordings, a cache, a temporary folder, and what a command writes."""

    def __init__(self, folder: Path, recordings: Path) -> None:
        self.folder = folder
        for name in ("cache", "tmp", "out"):
            (folder / name).mkdir(parents=True)
        (folder / "demo").symlink_to(recordings)
        (folder / "small.toml").write_text(SMALL)
        self.env = {"FUSIONSER_CACHE": str(folder / "cache"), "TMPDIR": str(folder / "tmp"), "LOKY_MAX_CPU_COUNT": "2"}

    def start(self, arguments: list[str]) -> Any:
        streams = [self.folder / name for name in ("stdin", "stdout", "stderr")]
        for stream in streams:
            stream.write_text("")
        return fork_command(arguments, streams, self.env, self.folder)

    def finish(self, arguments: list[str]) -> float:
        """Run a command to its end, and return the seconds that it took."""
        begun, process = time.monotonic(), self.start(arguments)
        process.join(SECONDS)
        if process.exitcode != 0:
            process.kill()
            text = (self.folder / "stderr").read_text()[-300:]
            raise RuntimeError(f"fusionser {' '.join(arguments)} ended with {process.exitcode}: {text}")
        return time.monotonic() - begun

    def written(self) -> dict[str, bytes]:
        """Return what the command wrote, times aside."""
        files = [path for path in sorted((self.folder / "out").rglob("*")) if path.is_file()]
        return {str(path.relative_to(self.folder)): timeless(path) for path in files}

    def leftovers(self) -> list[str]:
        """Return temporary files in the folders that the command writes to."""
        places = (self.folder / "out", self.folder / "cache")
        left = [path for place in places for path in place.rglob(".*") if path.is_file()]
        return [str(path.relative_to(self.folder)) for path in [*left, *(self.folder / "tmp").iterdir()]]


def timeless(path: Path) -> bytes:
    """Return the content of a file without what tells when it was written, or how long that took."""
    content = path.read_bytes()
    if path.suffix == ".json":
        return json.dumps(_without_times(json.loads(content)), sort_keys=True).encode()
    if path.suffix == ".csv":
        table = pd.read_csv(path, dtype=str)
        kept = [name for name in table if not any(time in name for time in TIMES)]
        return table[kept].to_csv(index=False).encode()
    if path.suffix in (".md", ".html"):
        cell = b"|" if path.suffix == ".md" else b"<td"
        content = b"\n".join(_timeless_table(content.splitlines(), cell))
        return re.sub(rb"\d+(\.\d+)? (s|seconds|minutes|hours)\b", b"a while", content)
    return content


def _timeless_table(lines: list[bytes], cell: bytes) -> Iterator[bytes]:
    """Leave out the last column of tables if it is a time."""
    timed = False
    for line in lines:
        row = line.startswith((b"|", b"<tr>", b"<thead>", b"<tbody>"))
        last = re.split(rb"\||<t[dh][^>]*>", line.rstrip(b" |"))[-1]
        timed = row and (timed or any(word in last for word in (b"seconds", b"minutes", b"hours", b", s")))
        yield line.rstrip(b" |")[: line.rstrip(b" |").rfind(cell)] if timed else line


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(one) for key, one in value.items() if not any(time in key for time in TIMES)}
    return [_without_times(one) for one in value] if isinstance(value, list) else value


def kill_runs(name: str, seed: int, kills: int = KILLS) -> Tally:
    """Kill a command that many times, in rounds that end in a complete run each."""
    tally, rng, begun = Tally(f"kills of {name}"), np.random.default_rng([seed, len(name)]), time.monotonic()
    arguments = [name, *COMMANDS[name].split()]
    with tempfile.TemporaryDirectory(prefix="torture-", ignore_cleanup_errors=True) as folder:
        recordings = Path(folder) / "recordings"
        generate_demo(recordings)
        # The first run also starts the process that the others are forked from.
        for _ in range(2):
            whole = Place(Path(folder) / "run", recordings)
            seconds = whole.finish(arguments)
            expected, left = whole.written(), whole.leftovers()
            shutil.rmtree(whole.folder)
        while tally.tried < kills:
            place = Place(Path(folder) / "run", recordings)
            until, rest = min(kills, tally.tried + KILLS_BEFORE_AN_END), seconds
            while tally.tried < until:
                after = float(rng.uniform(0, rest))
                if not _kill_once(tally, place, arguments, after):
                    break
                # What is done is not done again, so the next run is shorter.
                rest = max(rest - after, SHORTEST_RUN * seconds)
            try:
                place.finish(arguments)
            except RuntimeError as error:
                tally.lost.append(f"{tally.area} {tally.tried}: {error}")
            else:
                _compare(tally, place, expected, left)
            shutil.rmtree(place.folder)
    tally.seconds = time.monotonic() - begun
    return tally


def _kill_once(tally: Tally, place: Place, arguments: list[str], after: float) -> bool:
    """Start a command and kill it; return whether it did not end before."""
    sent = SIGNALS[tally.tried % len(SIGNALS)]
    process = place.start(arguments)
    process.join(after)
    if process.exitcode is not None:
        return False
    os.kill(process.pid, sent)
    killed = time.monotonic()
    process.join(60)
    if process.exitcode == 0 and time.monotonic() - killed > SECONDS_TO_STOP:
        tally.hangs.append(f"{tally.area} {tally.tried}: {sent.name} after {after:.2f} s was ignored")
    if process.exitcode is None:
        tally.hangs.append(f"{tally.area} {tally.tried}: {sent.name} after {after:.2f} s did not end it")
        process.kill()
        process.join()
    text = (place.folder / "stderr").read_text()
    if "Traceback" in text or "internal error" in text:
        tally.crashes.append(f"{tally.area} {tally.tried}: {sent.name} after {after:.2f} s: {text[-300:]}")
    if orphans := _workers(place):
        tally.lost.append(f"{tally.area} {tally.tried}: {orphans} processes go on after {sent.name}")
    tally.tried += 1
    return True


def _workers(place: Place) -> int:
    """Return the number of processes of a command that still run a while after it was killed; 0 without /proc."""
    deadline = time.monotonic() + 15
    while True:
        running = 0
        for process in Path("/proc").glob("[0-9]*"):
            try:
                variables, line = (process / "environ").read_bytes(), (process / "cmdline").read_bytes()
            except OSError:
                continue
            running += str(place.folder).encode() in variables and b"popen_loky" in line
        if not running or time.monotonic() > deadline:
            return running
        time.sleep(0.2)


def _compare(tally: Tally, place: Place, expected: dict[str, bytes], always: list[str]) -> None:
    found = place.written()
    differing = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    if differing:
        if keep := os.environ.get("TORTURE_KEEP"):
            for number, written in enumerate((expected, found)):
                (Path(keep) / str(number)).write_bytes(written.get(differing[0], b""))
        tally.lost.append(f"{tally.area} {tally.tried}: differs from an undisturbed run: {', '.join(differing)[:300]}")
    if left := sorted({*place.leftovers()} - {*always}):
        tally.lost.append(f"{tally.area} {tally.tried}: left behind: {', '.join(left)[:300]}")
