"""A GPU, where there is one: features and maps of many clips at once, and training with mixed precision."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from benchmarks.measuring import OFFSET, SECONDS, Figure, files
from fusionser.features import LogMelMap, fusionnet
from fusionser.features.clip import Clip, Computation
from fusionser.features.extraction import compute_clips
from fusionser.networks.conv2d import Conv2D
from fusionser.networks.crnn import CRNN
from fusionser.networks.layers import Network
from fusionser.networks.rows import TrainingRows
from fusionser.networks.settings import NetworkTraining
from fusionser.networks.training import train_network

CLIPS, BATCH, CLASSES = 1440, 64, 8
EPOCHS = 4
NEAR = 1e-3
WATCHED = 0.05
"""Seconds between two looks at how busy the chip is."""


def measure(ravdess: Path, scratch: Path) -> list[Figure]:
    """Return the figures of the eighth target; without a GPU, that there is none."""
    if not torch.cuda.is_available():
        return [Figure(what="GPUs here; with one, `python -m benchmarks device` measures it", value=0, unit="")]
    names = files(ravdess, CLIPS)
    blocks = {
        "162 + 6 columns": dict(fusionnet(gender=False, offset=OFFSET, duration=SECONDS).blocks),
        "log-mel maps of 3 s": {"map": LogMelMap()},
    }
    figures = [one for what, wanted in blocks.items() for one in _features(what, wanted, names)]
    networks: Mapping[str, tuple[Callable[[], Network], tuple[int, ...]]] = {
        "Conv2D, 64 x 188": (lambda: Conv2D(64, 188, CLASSES), (64, 188)),
        "CRNN, 128 x 259": (lambda: CRNN(128, 259, CLASSES), (128, 259)),
    }
    for what, (build, shape) in networks.items():
        figures += _training(what, build, shape)
    return [*figures, _study(ravdess, scratch)]


def _features(what: str, wanted: Mapping[str, Computation], names: list[str]) -> list[Figure]:
    rows = [{"file": name} for name in names]
    compute_clips(rows[:BATCH], wanted, device="cuda", n_jobs=-1)
    began = time.perf_counter()
    own = compute_clips(rows, wanted, n_jobs=-1)
    processor = time.perf_counter() - began
    began = time.perf_counter()
    with _Watching() as watching:
        theirs = compute_clips(rows, wanted, device="cuda", n_jobs=-1)
    chip = time.perf_counter() - began
    began = time.perf_counter()
    for name in names[:BATCH]:
        Clip({"file": name}).samples()
    decoding = (time.perf_counter() - began) / BATCH * len(names) / (os.cpu_count() or 1)
    far = max(
        float(np.max(np.abs(mine - other) / np.maximum(np.abs(mine), 1.0)))
        for name in wanted
        for mine, other in zip(own.stacked(name), theirs.stacked(name), strict=True)
    )
    return [
        Figure(what=f"{what}, processor, all cores", value=round(len(rows) / processor), unit="clips a second"),
        Figure(what=f"{what}, GPU", value=round(len(rows) / chip), unit="clips a second"),
        Figure(what=f"{what}, share of the time that the chip works", value=watching.busy, unit="%"),
        Figure(what=f"{what}, share of the time that decoding takes", value=round(100 * decoding / chip), unit="%"),
        Figure(what=f"{what}, largest difference", value=far, unit="", asked=NEAR, at_most=True),
    ]


class _Watching:
    """Ask the driver how busy the chip is, while something else runs."""

    def __enter__(self) -> Self:
        self._seen: list[int] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(WATCHED):
            command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
            told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
            self._seen.append(int(told[0]))

    @property
    def busy(self) -> float:
        return round(float(np.mean(self._seen)), 1) if self._seen else 0.0


def _training(what: str, build: Callable[[], Network], shape: tuple[int, ...]) -> list[Figure]:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(CLIPS, *shape)).astype(np.float32)
    rows = TrainingRows(inputs=inputs, targets=rng.integers(CLASSES, size=CLIPS))
    speed = {}
    for precision in ("float32", "bfloat16"):
        settings: dict[str, Any] = {"batch_size": BATCH, "validation": 0.0, "patience": None, "device": "cuda"}
        spent = []
        for epochs in (1, 1, 1 + EPOCHS):
            began = time.perf_counter()
            training = NetworkTraining(epochs=epochs, precision=precision, **settings)
            train_network(build, rows, np.arange(CLASSES), training, name="benchmark")
            spent.append(time.perf_counter() - began)
        speed[precision] = CLIPS * EPOCHS / (spent[2] - spent[1])
    return [
        *(Figure(what=f"{what}, {name}", value=round(one), unit="clips a second") for name, one in speed.items()),
        Figure(
            what=f"{what}: mixed precision against float32",
            value=round(speed["bfloat16"] / speed["float32"], 2),
            unit="times",
        ),
    ]


def _study(ravdess: Path, scratch: Path) -> Figure:
    """Evaluate the CRNN by six folds of RAVDESS, as a user does."""
    chosen = ["--corpus", "ravdess", "--network", "crnn", "--protocol", "speaker-kfold", "--folds", "6"]
    where = ["--device", "cuda", "--precision", "bfloat16"]
    code = "from fusionser_cli.start import main; main()"
    environment = {**os.environ, "FUSIONSER_CACHE": str(scratch)}
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", code, "evaluate", str(ravdess), *chosen, *where],
        check=True,
        capture_output=True,
        env=environment,
    )
    minutes = (time.perf_counter() - began) / 60
    return Figure(what="six folds of RAVDESS with the CRNN, cold", value=round(minutes, 1), unit="minutes")
