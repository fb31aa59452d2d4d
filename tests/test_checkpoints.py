"""A training that is killed goes on from the last state that was kept, to the very same weights."""

import numpy as np
import pytest
import torch

from fusionser.networks import Distortion, NetworkTraining, TrainingRows, train_network, training_progress
from fusionser.networks import checkpoints as module
from fusionser.networks.conv2d import Conv2D

KILLED_AFTER = 4
GROUPS = np.arange(32) // 2 % 8 * 2


class Killed(BaseException):
    """What no handler on the way may catch, as a process that is killed runs none."""


@pytest.fixture
def maps():
    rng = np.random.default_rng(0)
    targets = np.arange(40) % 2
    inputs = rng.normal(0, 1, (40, 16, 16)) + 2 * targets[:, None, None] * (np.arange(16) < 8)[None, :, None]
    # Each clip stands in two rows, of which an epoch shows one.
    return TrainingRows(
        inputs=inputs[8:].astype(np.float32),
        targets=targets[8:].astype(np.int64),
        groups=GROUPS + targets[8:],
        corpora=GROUPS // 12,
        validation_inputs=inputs[:8].astype(np.float32),
        validation_targets=targets[:8].astype(np.int64),
    )


def train(rows, settings, told):
    distortion = Distortion(mixup=0.5, band_mask=3, frame_mask=3, shift=2)
    with training_progress(lambda name, done, most: told(done)):
        return train_network(
            lambda: Conv2D(16, 16, 2, (4, 4, 4, 4), 4),
            rows,
            np.arange(2),
            NetworkTraining(**settings),
            name="the network",
            distortion=distortion,
        )


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 9, "batch_size": 4, "learning_rate": 0.01, "patience": 3, "plateau": 1},
        {"epochs": 9, "batch_size": 4, "schedule": "one-cycle", "patience": None, "weight_decay": 0.01},
        {"epochs": 9, "batch_size": 4, "optimiser": "sgd", "learning_rate": 0.01, "patience": 8},
        {"epochs": 9, "batch_size": 4, "learning_rate": 0.01, "by_corpus": True},
    ],
)
def test_a_killed_training_ends_in_the_same_weights(maps, settings, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SECONDS", 0.0)
    monkeypatch.setenv("FUSIONSER_CACHE", str(tmp_path / "whole"))
    whole, curve = train(maps, settings, lambda done: None)
    assert len(curve) > KILLED_AFTER
    monkeypatch.setenv("FUSIONSER_CACHE", str(tmp_path / "killed"))

    def kill(done):
        if done == KILLED_AFTER:
            raise Killed

    with pytest.raises(Killed):
        train(maps, settings, kill)
    (left,) = (tmp_path / "killed" / "networks").iterdir()
    assert left.name.endswith(".checkpoint.safetensors")
    torch.rand(3)  # Draws in between have no part in it.
    epochs = []
    resumed, same = train(maps, settings, epochs.append)
    # The epoch in which it was killed is trained again, those before it are not.
    stopped_early = [settings["epochs"]] if len(curve) < settings["epochs"] else []
    assert epochs == [*range(KILLED_AFTER, len(curve) + 1), *stopped_early]
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name
    assert [{**epoch, "seconds": 0} for epoch in same] == [{**epoch, "seconds": 0} for epoch in curve]
    (kept,) = (tmp_path / "killed" / "networks").iterdir()
    assert ".checkpoint" not in kept.name


def cut(content):
    return content[:-100]


def another_weight(content):
    return content[:-1000] + bytes([content[-1000] ^ 1]) + content[-999:]


@pytest.mark.parametrize("damage", [cut, another_weight])
def test_a_short_training_keeps_no_state_and_a_damaged_one_is_begun_anew(maps, tmp_path, monkeypatch, damage):
    monkeypatch.setenv("FUSIONSER_CACHE", str(tmp_path))
    settings = {"epochs": 6, "batch_size": 4}

    def kill(done):
        if done == KILLED_AFTER:
            raise Killed

    with pytest.raises(Killed):
        train(maps, settings, kill)
    assert not list(tmp_path.glob("networks/*"))
    monkeypatch.setattr(module, "SECONDS", 0.0)
    with pytest.raises(Killed):
        train(maps, settings, kill)
    (left,) = tmp_path.glob("networks/*")
    left.write_bytes(damage(left.read_bytes()))
    epochs = []
    train(maps, settings, epochs.append)
    assert epochs == [1, 2, 3, 4, 5, 6]
