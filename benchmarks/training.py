"""Clips a second while training: ours against a plain PyTorch loop with a DataLoader, and Keras for the record."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.measuring import Figure
from benchmarks.peers import run_peer
from benchmarks.training_stages import training_stages
from fusionser.networks.conv1d import Conv1D
from fusionser.networks.conv2d import Conv2D
from fusionser.networks.fitting import LARGEST_NORM
from fusionser.networks.perceptron import Perceptron
from fusionser.networks.recurrent import VectorRecurrent
from fusionser.networks.rows import TrainingRows
from fusionser.networks.settings import NetworkTraining
from fusionser.networks.training import train_network

COMPILED = "Conv1D, 162 columns"
CLASSES = 8
CLIPS = 1152
ROUNDS = 3


@dataclass(frozen=True)
class Contest:
    """A network, its inputs' shape, its batch, and the epochs that a round has."""

    build: Callable[[], Any]
    shape: tuple[int, ...]
    batch: int
    epochs: int


CONTESTS = {
    "MLP, 39 columns": Contest(lambda: Perceptron(39, CLASSES), (39,), 64, 200),
    "BiLSTM, 39 columns": Contest(lambda: VectorRecurrent(39, CLASSES, 1, 64, True, 0.2), (39,), 64, 6),
    "Conv1D, 162 columns": Contest(lambda: Conv1D(162, CLASSES), (162,), 64, 3),
    "Conv2D, 64 x 188": Contest(lambda: Conv2D(64, 188, CLASSES), (64, 188), 32, 3),
}


def measure(ravdess: Path, scratch: Path) -> list[Figure]:
    """Return the figures of the fifth target; a training's speed does not depend on what is in its inputs."""
    figures = []
    keras = run_peer("keras", ["tensorflow-cpu"], "by_keras.py", [])
    for name, contest in CONTESTS.items():
        rng = np.random.default_rng(0)
        inputs = rng.normal(size=(CLIPS, *contest.shape)).astype(np.float32)
        targets = rng.integers(CLASSES, size=CLIPS)
        seconds = _seconds(contest, inputs, targets)
        speed = {who: CLIPS * contest.epochs / spent for who, spent in seconds.items()}
        figures += [
            Figure(what=f"{name}, {who}", value=round(one), unit="clips a second") for who, one in speed.items()
        ]
        if name in keras:
            figures.append(Figure(what=f"{name}, Keras", value=round(keras[name]), unit="clips a second"))
        ratio = round(speed["ours"] / speed["plain loop"], 2)
        figures.append(Figure(what=f"{name}: ours against the plain loop", value=ratio, unit="times", asked=0.97))
        figures += training_stages(name, partial(_ours, contest, inputs, targets, contest.epochs))
    return [*figures, _compiled(CONTESTS[COMPILED])]


def _seconds(contest: Contest, inputs: npt.NDArray[np.float32], targets: npt.NDArray[np.int64]) -> dict[str, float]:
    """Return the processor time of each one's epochs, in turns.

    Ours has a start-up that a loop written by hand has not: the difference of two lengths leaves it out.
    """
    trainers = {"ours": _ours, "plain loop": _plain}
    short: dict[str, list[float]] = {who: [] for who in trainers}
    whole: dict[str, list[float]] = {who: [] for who in trainers}
    for train in trainers.values():
        train(contest, inputs, targets, 1)
    for _ in range(ROUNDS):
        for who, train in trainers.items():
            short[who].append(train(contest, inputs, targets, 1))
            whole[who].append(train(contest, inputs, targets, 1 + contest.epochs))
    return {who: min(whole[who]) - min(short[who]) for who in trainers}


def _compiled(contest: Contest) -> Figure:
    """Return the speed of the plain loop when torch.compile has made one program of the network."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(CLIPS, *contest.shape)).astype(np.float32)
    targets = rng.integers(CLASSES, size=CLIPS)
    compiled = replace(contest, build=lambda: torch.compile(contest.build()))
    short, whole = (min(_plain(compiled, inputs, targets, epochs) for _ in range(ROUNDS)) for epochs in (2, 5))
    speed = round(CLIPS * 3 / (whole - short))
    return Figure(what=f"{COMPILED}, plain loop, torch.compile", value=speed, unit="clips a second")


def _ours(contest: Contest, inputs: npt.NDArray[np.float32], targets: npt.NDArray[np.int64], epochs: int) -> float:
    settings = NetworkTraining(epochs=epochs, batch_size=contest.batch, validation=0.0, patience=None, device="cpu")
    rows = TrainingRows(inputs=inputs, targets=targets)
    began = time.process_time()
    train_network(contest.build, rows, np.arange(CLASSES), settings, name="benchmark")
    return time.process_time() - began


def _plain(contest: Contest, inputs: npt.NDArray[np.float32], targets: npt.NDArray[np.int64], epochs: int) -> float:
    began = time.process_time()
    torch.manual_seed(0)
    network = contest.build().train()
    data = TensorDataset(torch.from_numpy(inputs), torch.from_numpy(targets))
    loader = DataLoader(data, batch_size=contest.batch, shuffle=True)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.0)
    loss_of = nn.CrossEntropyLoss()
    for _ in range(epochs):
        for batch, truth in loader:
            optimiser.zero_grad()
            loss_of(network(batch), truth).backward()
            nn.utils.clip_grad_norm_(network.parameters(), LARGEST_NORM)
            optimiser.step()
    return time.process_time() - began
