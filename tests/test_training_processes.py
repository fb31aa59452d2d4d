"""One training in several processes: it computes what one process does, and ends as one does."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fusionser.cache import Cache
from fusionser.errors import SettingsError, TrainingError
from fusionser.networks import (
    Conv1DRelative,
    Conv2D,
    Distortion,
    NetworkTraining,
    TrainingRows,
    train_network,
    training_progress,
)
from fusionser.networks import checkpoints as checkpoints_module
from fusionser.networks import ranks as ranks_module
from fusionser.networks import training as training_module
from fusionser.networks.data_parallel import RowShare
from fusionser.networks.fitting import fit_network
from fusionser.networks.layers import Network
from fusionser.networks.ranks import check_parallel, in_processes
from fusionser.pipeline import PipelineSpec, Resources, build_features, configured_features
from fusionser.pipeline.build import unused_network_options
from fusionser.results import provenance

CPU = torch.device("cpu")
ROWS = 23
"""With batches of five, the last one has three: a process has two rows or three of five, and one or two of three."""


class Mixed(Network):
    """Layers whose outputs depend on the other rows of a batch, several rows for each clip, and weights without use."""

    def __init__(self, n_outputs):
        super().__init__()
        self.segments = nn.Sequential(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout2d(0.3))
        self.recurrent = nn.GRU(6 * 6, 8, batch_first=True)
        dropout = nn.Dropout(0.4)
        self.head = nn.Sequential(dropout, nn.BatchNorm1d(8, momentum=None, affine=False), dropout)
        self.unused = nn.Linear(3, 3)
        self.output = nn.Linear(8, n_outputs)

    def embed(self, x):
        cut = x.unfold(2, 8, 8).permute(0, 2, 1, 3).flatten(0, 1)[:, None]
        parts = self.segments(cut).mean(dim=2).flatten(1).unflatten(0, (len(x), -1))
        return self.head(self.recurrent(parts)[0].mean(dim=1))


CASES = {
    "conv1d-relative": (lambda n: Conv1DRelative(20, 24, n, 8, 8), {"class_weight": "balanced"}),
    "conv2d": (lambda n: Conv2D(20, 24, n, (4, 4, 4, 4), 4), {"label_smoothing": 0.1}),
    "mixed": (Mixed, {"by_corpus": True}),
    "numbers": (Mixed, {}),
}


def training_of(name):
    """Return a small training, its inputs, and those of its validation rows."""
    build, more = CASES[name]
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(ROWS + 7, 20, 24)).astype(np.float32)
    inputs[:, -1] = np.arange(24) < 20
    targets = rng.normal(size=(len(inputs), 2)).astype(np.float32) if name == "numbers" else np.arange(len(inputs)) % 3
    classes = np.arange(0 if name == "numbers" else 3)
    rows = TrainingRows(
        inputs=inputs[:ROWS],
        targets=targets[:ROWS],
        corpora=(np.arange(ROWS) > 12).astype(str),
        validation_inputs=inputs[ROWS:],
        validation_targets=targets[ROWS:],
    )
    # With Adam, a gradient that is zero up to rounding changes weights by the learning rate.
    settings = NetworkTraining(epochs=3, batch_size=5, optimiser="sgd", learning_rate=0.01, plateau=1, **more)
    torch.manual_seed(0)
    network = build(2 if name == "numbers" else 3)
    weight = training_module.class_weights("balanced", rows.targets, classes) if "class_weight" in more else None
    corpora = rows.corpus_indices() if settings.by_corpus else None
    distortion = Distortion(mixup=0.0 if name == "numbers" else 0.5, band_mask=3, frame_mask=3, bands=19)
    training = training_module._training(network, rows, corpora, classes, settings, name, distortion, weight)
    return training, torch.from_numpy(inputs[:ROWS]), torch.from_numpy(inputs[ROWS:])


def trained(device, share=None):
    """Return curves and weights of all cases, in this process or in one of several."""
    found = {}
    for name in CASES:
        training, inputs, validation = training_of(name)
        torch.manual_seed(1)
        curve = fit_network(training, inputs, validation, device, share)
        found[name] = [curve, {key: value.clone() for key, value in training.network.state_dict().items()}]
    return found


@pytest.fixture(scope="module")
def alone_and_together():
    """Dropout included: each process takes its rows' part of the masks of one."""
    return trained(CPU), in_processes(trained, 2, CPU, seed=0, name="the network")


@pytest.mark.parametrize("name", CASES)
def test_two_processes_train_the_network_that_one_does(alone_and_together, name):
    (curve, weights), (same_curve, same_weights) = (found[name] for found in alone_and_together)
    assert len(curve) == len(same_curve) == 3
    for epoch, same in zip(curve, same_curve, strict=True):
        assert {**same, "seconds": 0} == pytest.approx({**epoch, "seconds": 0}, abs=1e-5)
    for key, value in weights.items():
        torch.testing.assert_close(same_weights[key], value, atol=1e-5, rtol=1e-4, msg=key)


def test_a_batch_with_fewer_rows_than_processes_is_not_shared():
    share = RowShare(2, 3)
    for rows, own, shared in ((7, slice(4, 7), True), (3, slice(2, 3), True), (2, slice(0, 2), False)):
        share.begin(rows)
        assert (share.own, share.shared) == (own, shared)
        bounds = [share.bounds(rank) for rank in range(3)]
        assert [start for start, _ in bounds] == [0, *(stop for _, stop in bounds[:-1])] and bounds[-1][1] == rows


def maps(tmp_path):
    rng = np.random.default_rng(0)
    targets = np.arange(40) % 2
    inputs = rng.normal(0, 1, (40, 16, 16)) + 2 * targets[:, None, None] * (np.arange(16) < 8)[None, :, None]
    rows = TrainingRows(
        inputs=inputs[8:].astype(np.float32),
        targets=targets[8:],
        validation_inputs=inputs[:8].astype(np.float32),
        validation_targets=targets[:8],
    )
    return rows, NetworkTraining(epochs=5, batch_size=6, learning_rate=0.01, patience=4, cache=Cache(tmp_path))


def train(rows, settings, told=lambda done: None, **more):
    with training_progress(lambda name, done, most: told(done)):
        return train_network(
            lambda: Conv2D(16, 16, 2, (4, 4, 4, 4), 4), rows, np.arange(2), settings, name="the network", **more
        )


def own_processes():
    """Return the processes that this one started and that train."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((place / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == os.getpid() and "popen_loky" in (place / "cmdline").read_text():
                found.append(int(place.name))
        except (OSError, ValueError):
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the processes are found in /proc")
def test_a_process_that_dies_is_told_and_the_training_goes_on_from_its_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints_module, "SECONDS", 0.0)
    rows, settings = maps(tmp_path)
    before = set(own_processes())

    def kill(done):
        if done == 3:
            (other,) = set(own_processes()) - before
            os.kill(other, signal.SIGKILL)

    threads = torch.get_num_threads()
    with pytest.raises(TrainingError, match=r"one of the 2 processes that train the network was ended from outside"):
        train(rows, settings, kill, processes=2)
    assert set(own_processes()) <= before and torch.get_num_threads() == threads
    assert not torch.distributed.is_initialized() and "GLOO_SOCKET_IFNAME" not in os.environ
    (left,) = (tmp_path / "networks").iterdir()
    assert left.name.endswith(".checkpoint.safetensors")
    epochs = []
    _, curve = train(rows, settings, epochs.append, processes=2)
    assert epochs == [4, 5]
    # Those of one process are kept apart.
    _, expected = train(rows, settings)
    assert len(list((tmp_path / "networks").iterdir())) == 2
    assert [epoch["training_loss"] for epoch in curve] == pytest.approx(
        [epoch["training_loss"] for epoch in expected], abs=1e-3
    )
    assert not list(tmp_path.glob("inputs-*"))


def test_they_end_after_their_parent_was_killed(tmp_path):
    code = (
        "import os, sys, time\n"
        "from fusionser.execution.beside import running_beside\n"
        # Not part of a module that could be imported, as in a notebook.
        "def wait(path):\n"
        "    open(path, 'w').write(str(os.getpid()))\n"
        "    time.sleep(300)\n"
        f"paths = [{str(tmp_path / 'a')!r}, {str(tmp_path / 'b')!r}]\n"
        "with running_beside(wait, paths, threads=1) as beside:\n"
        "    beside.wait_until(lambda: all(os.path.exists(path) and open(path).read() for path in paths))\n"
        "    print(*(open(path).read() for path in paths), flush=True)\n"
        "    time.sleep(300)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        others = [int(process) for process in parent.stdout.readline().split()]
        parent.kill()
    assert len(others) == 2
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{process}").exists() for process in others) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{process}").exists() for process in others)


@pytest.mark.parametrize(
    ("processes", "device", "batch_size", "reason"),
    [
        (4, "cpu", 3, "processes is 4, but batch_size is 3"),
        (2, "cuda:1", 8, "each needs a GPU of its own, and 'cuda:1' means 1 of them"),
        (2, "cuda", 8, "each needs a GPU of its own, and 'cuda' means 0 of them"),
        (2, "mps", 8, "mps can only train in one"),
    ],
)
def test_what_cannot_train_together(processes, device, batch_size, reason):
    if device == "cuda" and torch.cuda.device_count() > 1:
        pytest.skip("here are several GPUs")
    with pytest.raises(SettingsError, match=reason):
        check_parallel(processes, torch.device(device), batch_size)
    check_parallel(1, torch.device(device), batch_size)


def test_other_groups_and_workers_that_start_nothing_are_told(monkeypatch):
    monkeypatch.setattr(ranks_module.distributed, "is_initialized", lambda: True)
    with pytest.raises(SettingsError, match="another group of torch.distributed"):
        check_parallel(2, CPU, 8)
    monkeypatch.setattr(ranks_module.multiprocessing, "current_process", lambda: type("Worker", (), {"daemon": True}))
    with pytest.raises(SettingsError, match="cannot start others, as a worker of a cluster cannot"):
        check_parallel(2, CPU, 8)


@pytest.mark.parametrize("processes", [0, -1, 1.5, True, "2", 10**6])
def test_numbers_of_processes_that_are_none(processes):
    rows, settings = maps("nowhere")
    with pytest.raises(SettingsError, match="processes is"):
        train(rows, settings, processes=processes)


def test_options_for_networks_without_one_are_refused():
    spec = PipelineSpec(features={"blocks": ("rms",)}, classifier={"name": "mlp"})
    resources = Resources(processes=2, memory_limit="1 GiB")
    assert unused_network_options(spec, build_features(spec), resources) == ["processes", "memory_limit"]
    deep = spec.changed(features=spec.features.changed(blocks=("rms", "conv1d")))
    assert unused_network_options(deep, build_features(deep), resources) == []
    block = configured_features(deep, resources=resources).blocks[1][1]
    assert block.processes == 2 and not {"processes", "memory_limit"} & set(block.settings())


def test_results_state_the_processes():
    assert provenance(networks=True, processes=3)["processes"] == 3
    assert "processes" not in {**provenance(networks=True), **provenance(processes=3)}
