"""What every part uses: clips, clocks, and figures with what was asked of them."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

ONE_CORE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
OFFSET, SECONDS = 0.6, 2.5
STARTS = 5
"""Processes of which the median is taken."""
ROUNDS = 4
"""How often every clip is predicted, after once to warm up."""

Waveform = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured number; `asked` is its target, to be reached from below unless `at_most`.

    `along` names what grows where the number is a point of a curve, and `at` how far it has grown.
    """

    what: str
    value: float
    unit: str
    asked: float | None = None
    at_most: bool = False
    note: str = ""
    along: str = ""
    at: float = 0.0

    @property
    def met(self) -> bool | None:
        if self.asked is None:
            return None
        return self.value <= self.asked if self.at_most else self.value >= self.asked

    def plain(self) -> dict[str, Any]:
        return {**asdict(self), "met": self.met}


def files(folder: Path, count: int | None = None) -> list[str]:
    """Return recordings of RAVDESS, spread over speakers and emotions."""
    from fusionser.corpora import list_rows

    found = list_rows(folder, "ravdess").rows["file"].tolist()
    step = 1 if count is None else max(1, len(found) // count)
    return found[::step][:count]


def waveform(file: str, rate: int) -> Waveform:
    """Return the part of a recording that is compared, decoded whole as a corpus is, then cut and resampled."""
    samples, own = soundfile.read(file, dtype="float32")
    return soxr.resample(samples[int(OFFSET * own) : int((OFFSET + SECONDS) * own)], own, rate, quality="HQ")


def interleaved(
    contestants: Mapping[str, Callable[[Any], Any]], items: Mapping[str, Sequence[Any]], rounds: int = 3
) -> dict[str, float]:
    """Return the median milliseconds of processor time that each takes an item.

    All take the first item in turn, then all the second, so that what disturbs one disturbs the others. Processor time
    leaves out what other programs took.
    """
    spent: dict[str, list[float]] = {name: [] for name in contestants}
    for name, run in contestants.items():
        for item in items[name]:
            run(item)
    for _ in range(rounds):
        for place in range(min(map(len, items.values()))):
            for name, run in contestants.items():
                began = time.process_time_ns()
                run(items[name][place])
                spent[name].append((time.process_time_ns() - began) / 1e6)
    return {name: statistics.median(times) for name, times in spent.items()}


def milliseconds(value: float, what: str, note: str = "") -> Figure:
    return Figure(what=what, value=round(value, 3), unit="ms", note=note)


def peak_mebibytes() -> float:
    """Return the largest resident size of this process so far."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise OSError("this system does not tell the peak of resident memory")


def cores() -> int:
    return len(os.sched_getaffinity(0))


def run_command(*arguments: str) -> None:
    """Run `fusionser` as a process of its own."""
    code = "from fusionser_cli.start import main; main()"
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)


def seconds_of(*arguments: str) -> float:
    """Return the seconds that `fusionser` takes as a process of its own."""
    began = time.perf_counter()
    run_command(*arguments)
    return time.perf_counter() - began


def first_answer(model: Path, clip: str) -> float:
    """Return the seconds of a process that predicts one clip, the median of several."""
    return round(statistics.median(seconds_of("predict", str(model), clip) for _ in range(STARTS)), 2)


def fit_fusionnet(ravdess: Path, scratch: Path, gender: str) -> Path:
    """Fit the paper's fusion with a BiLSTM for a few epochs, since such a model answers as fast as any."""
    chosen = ["--preset", "ser-fusionnet", "--gender", gender, "--classifier", "bilstm", "--epochs", "3"]
    return fit_model(ravdess, scratch / f"{gender}.fusionser", *chosen)


def fit_model(ravdess: Path, model: Path, *chosen: str) -> Path:
    """Fit a model to RAVDESS with options of `fusionser fit`, without an estimate of its scores."""
    run_command("fit", str(ravdess), "--corpus", "ravdess", *chosen, "--no-estimate", "--out", str(model))
    return model


def spent_on(use: Callable[..., Any], rows: Sequence[Any]) -> list[float]:
    """Return the milliseconds of processor time that a model takes for each clip, in every round but the first."""
    spent = []
    for turn in range(ROUNDS + 1):
        for row in rows:
            began = time.process_time_ns()
            use(row, n_jobs=1)
            spent += [(time.process_time_ns() - began) / 1e6] if turn else []
    return spent
