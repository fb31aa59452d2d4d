"""The one place that trains: batches, validation rows, early stopping, seeds, and what goes wrong."""

import importlib
import platform
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import softmax
from skorch.dataset import Dataset

from fusionser.cache import Cache
from fusionser.classifiers import MLP, BiLSTM
from fusionser.errors import SettingsError, TrainingError
from fusionser.networks import (
    Batches,
    Distortion,
    NetworkTraining,
    Perceptron,
    TemporalCNN,
    TimeDistributedCNNLSTM,
    TrainingRows,
    choose_device,
    computes_bfloat16,
    layers,
    network_cache,
    train_network,
    training_progress,
)
from fusionser.networks import training as training_module
from fusionser.networks.inference import logits_of
from fusionser.networks.network_cache import code_digest, network_key
from fusionser.networks.weights import read_kept


@pytest.fixture(scope="module")
def blobs():
    rng = np.random.default_rng(0)
    targets = np.arange(200) % 3
    centres = np.array([[2.0, 0.0], [0.0, 2.0], [-2.0, -2.0]])
    return (centres[targets] + rng.normal(0, 1.0, (200, 2))).astype(np.float32), targets.astype(np.int64)


def rows_of(blobs, validation=50):
    inputs, targets = blobs
    return TrainingRows(
        inputs=inputs[validation:],
        targets=targets[validation:],
        validation_inputs=inputs[:validation],
        validation_targets=targets[:validation],
    )


def train(rows, **settings):
    return train_network(
        lambda: Perceptron(2, 3, (16,)), rows, np.arange(3), NetworkTraining(**settings), name="the network"
    )


def batches_of(count, size, **options):
    dataset = Dataset(torch.arange(float(count))[:, None], torch.arange(count) % 4)
    return list(Batches(dataset, size, **options))


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 64, 65])
def test_every_row_comes_once_and_no_batch_has_one_row(count):
    made = batches_of(count, 8, rng=np.random.default_rng(0))
    assert sorted(torch.cat([inputs for inputs, _ in made]).ravel().tolist()) == list(range(count))
    assert all(len(inputs) > 1 for inputs, _ in made) or count == 1
    dataset = Dataset(torch.arange(float(count))[:, None], torch.zeros(count, dtype=torch.int64))
    assert len(Batches(dataset, 8)) == len(made)
    for inputs, targets in made:
        assert (inputs.ravel().long() % 4 == targets).all()


def test_of_rows_that_stand_in_for_one_another_one_is_shown():
    groups = np.array([0, 1, 0, 2, 1, 0])
    rng = np.random.default_rng(0)
    dataset = Dataset(torch.arange(6.0)[:, None], torch.zeros(6, dtype=torch.int64))
    made = Batches(dataset, 2, rng=rng, groups=groups)
    seen = set()
    for _ in range(40):
        shown = torch.cat([inputs for inputs, _ in made]).ravel().long().numpy()
        assert sorted(groups[shown]) == [0, 1, 2]
        seen |= set(shown.tolist())
    assert seen == set(range(6))
    assert len(made) == 1


def test_mixing_mixes_labels_as_it_mixes_inputs():
    # Each input is its own one-hot label, so whatever is done to the one must be done to the other.
    labels = torch.arange(32) % 4
    inputs = torch.nn.functional.one_hot(labels, 4).float()[:, :, None].expand(-1, -1, 5)
    mixed, targets = Distortion(mixup=1.0)(inputs, inputs[:, :, 0], np.random.default_rng(0))
    torch.testing.assert_close(mixed[:, :, 0], targets)
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(32))
    assert ((targets > 0) & (targets < 1)).any()


def test_masks_hide_stretches_no_longer_than_allowed():
    maps = torch.ones(200, 16, 30)
    rng = np.random.default_rng(0)
    hidden, _ = Distortion(band_mask=4)(maps, torch.zeros(200, 1), rng)
    bands = (hidden == 0).all(dim=2).sum(dim=1)
    assert ((hidden == 0).all(dim=2) | (hidden == 1).all(dim=2)).all()
    assert 0 < bands.max() <= 8
    hidden, _ = Distortion(frame_mask=100)(maps, torch.zeros(200, 1), rng)
    assert ((hidden == 0).all(dim=1) | (hidden == 1).all(dim=1)).all()


def test_it_learns_and_stops_at_the_best_epoch(blobs):
    network, history = train(rows_of(blobs), learning_rate=0.05, epochs=200, patience=5)
    assert len(history) < 200
    assert history[-1]["training_loss"] < history[0]["training_loss"]
    validation = logits_of(network, blobs[0][:50]).argmax(axis=1)
    recalls = [np.mean(validation[blobs[1][:50] == label] == label) for label in range(3)]
    best = max(epoch["validation_uar"] for epoch in history)
    assert np.mean(recalls) == pytest.approx(best)
    assert history[-1]["validation_uar"] <= best
    assert len(history) - 1 - int(np.argmax([epoch["validation_uar"] for epoch in history])) == 5


def test_the_rate_falls_on_a_plateau_and_not_below_its_floor(blobs):
    settings = {"learning_rate": 4e-7, "epochs": 30, "plateau": 1, "patience": None}
    rates = [epoch["learning_rate"] for epoch in train(rows_of(blobs), **settings)[1]]
    assert rates[0] == pytest.approx(4e-7)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == pytest.approx(1e-7)


def test_one_cycle_rises_and_falls(blobs):
    _, history = train(rows_of(blobs), schedule="one-cycle", learning_rate=0.01, epochs=20, patience=None)
    rates = [epoch["learning_rate"] for epoch in history]
    peak = int(np.argmax(rates))
    assert 2 <= peak <= 8
    assert rates[-1] < 1e-4 < rates[peak] <= 0.01


def test_the_same_seed_gives_the_same_weights_and_another_does_not(blobs, monkeypatch):
    monkeypatch.setenv("FUSIONSER_CACHE", "off")
    torch.manual_seed(7)
    before = torch.rand(1)
    torch.manual_seed(7)
    one, two, other = (train(rows_of(blobs), epochs=3, random_state=seed)[0].state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)
    assert torch.equal(torch.rand(1), before)  # the caller's own draws are left alone


def test_watched_rows_teach_nothing(blobs, monkeypatch):
    monkeypatch.setenv("FUSIONSER_CACHE", "off")
    rows = rows_of(blobs)
    noise = np.random.default_rng(1).normal(size=(50, 2)).astype(np.float32)
    replaced = TrainingRows(
        inputs=rows.inputs, targets=rows.targets, validation_inputs=noise, validation_targets=rows.validation_targets
    )
    # Without a schedule that looks at them, other validation rows must give the very same weights.
    fixed = {"epochs": 4, "schedule": "one-cycle", "patience": None}
    one, two = (train(each, **fixed)[0].state_dict() for each in (rows, replaced))
    assert all(torch.equal(one[name], two[name]) for name in one if name != "temperature")


def test_a_trained_network_is_found_again_only_for_the_very_same_training(blobs, tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIONSER_CACHE", str(tmp_path))
    trained = []
    original = training_module.fit_network
    monkeypatch.setattr(
        training_module, "fit_network", lambda *given, **more: trained.append(1) or original(*given, **more)
    )
    first, history = train(rows_of(blobs), epochs=3)
    again, same = train(rows_of(blobs), epochs=3)
    assert len(trained) == 1
    assert same == history
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in first.state_dict().items())
    inputs, targets = blobs
    changed = targets.copy()
    changed[-1] = (changed[-1] + 1) % 3
    for number, (rows, settings) in enumerate(
        [
            (rows_of((inputs, changed)), {"epochs": 3}),
            (rows_of((inputs + 1e-6, targets)), {"epochs": 3}),
            (rows_of(blobs, validation=49), {"epochs": 3}),
            (rows_of(blobs), {"epochs": 3, "random_state": 1}),
            (rows_of(blobs), {"epochs": 3, "class_weight": "balanced"}),
        ]
    ):
        train(rows, **settings)
        assert len(trained) == number + 2
    for kept in (tmp_path / "networks").iterdir():
        kept.write_bytes(kept.read_bytes()[:100])
    train(rows_of(blobs), epochs=3)
    assert len(trained) == 7


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ("def f(x):\n    # Twice.\n    return 2 * x\n", True),
        ('"""A module."""\n\n\ndef f(x):\n    """Return twice x."""\n    return (2 * x)\n\n\n"""Notes."""\n', True),
        ("def f(x):\n    return 3 * x\n", False),
        ("def f(x):\n    return 2 * x\n\n\nf = abs\n", False),
        ("def f(x):\n    x = 2 * x\n    return x\n", False),
    ],
)
def test_code_is_what_it_does(changed, same):
    assert (code_digest(changed) == code_digest("def f(x):\n    return 2 * x\n")) is same


def changed_copy(folder, tmp_path, module, old, new):
    """Copy this package's modules with one of them changed."""
    for file in network_cache.FOLDER.glob("*.py"):
        text = file.read_text()
        if file.stem == module:
            assert text.count(old) == 1
            text = text.replace(old, new)
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / file.name).write_text(text)
    return tmp_path / folder


def test_a_comment_trains_nothing_anew_and_a_change_of_what_trains_does(tmp_path, monkeypatch):
    def key():
        torch.manual_seed(0)
        return network_key(Perceptron(2, 3), {}, [])

    known = key()
    norm = "LARGEST_NORM = 5.0"
    for number, (module, old, new, same) in enumerate(
        [
            ("fitting", norm, f"{norm}  # enough for all", True),
            ("training", '"""Training of all networks', '"""How networks are trained', True),
            ("fitting", norm, "LARGEST_NORM = 4.0", False),
            ("batches", "rng.beta(0.4, 0.4)", "rng.beta(0.5, 0.4)", False),
            ("preparation", "class Preparation(nn.Module):", "class Preparation(nn.Module):\n    kept = 1\n", False),
            # Another network's own layers have no part in this one's training.
            ("conv1d", "class Conv1D(Network):", "class Conv1D(Network):\n    kernel = 9\n", True),
        ]
    ):
        folder = changed_copy(str(number), tmp_path, module, old, new)
        monkeypatch.setattr(network_cache, "FOLDER", folder)
        monkeypatch.setattr(layers, "__file__", str(folder / "layers.py"))
        assert (key() == known) is same, (module, new)
        monkeypatch.undo()


FOREIGN = """
from torch import nn

from fusionser.networks.layers import Network


class Head(Network):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 3)

    def forward(self, x):
        return self.layer(x)
"""


def test_the_code_of_others_networks_counts(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)

    def key(folder, code):
        # One name in all folders, as of a module that is edited between two runs.
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "foreign_head.py").write_text(code)
        monkeypatch.syspath_prepend(tmp_path / folder)
        importlib.invalidate_caches()
        monkeypatch.delitem(sys.modules, "foreign_head", raising=False)
        head = importlib.import_module("foreign_head").Head
        torch.manual_seed(0)
        return network_key(head(), {}, [])

    known = key("first", FOREIGN)
    assert key("same", FOREIGN) == known
    assert key("documented", f'"""A head."""\n# Of one layer.\n{FOREIGN}') == known
    assert key("changed", FOREIGN.replace("self.layer(x)", "2 * self.layer(x)")) != known

    class Mirrored(Distortion):
        def __call__(self, inputs, targets, rng):
            return inputs.flip(-1), targets

    keys = set()
    for distortion in (None, Distortion(), Mirrored()):
        torch.manual_seed(0)
        keys.add(network_key(Perceptron(2, 3), {}, [], distortion))
    assert len(keys) == 3


def test_what_no_weight_shows_tells_trained_networks_apart():
    """Networks of the same layers and first weights that read a map differently."""

    def key(build):
        torch.manual_seed(0)
        return network_key(build(), {}, [])

    spread, dropped, more, apart, wide, narrow = (
        key(build)
        for build in (
            lambda: TimeDistributedCNNLSTM(128, 219, 7),
            lambda: TimeDistributedCNNLSTM(128, 219, 7, spread=False),
            lambda: TimeDistributedCNNLSTM(128, 219, 7, n_segments=36),
            lambda: TemporalCNN(40, 376, 5, segment_frames=32, segment_step=60),
            lambda: TemporalCNN(40, 376, 5, segment_frames=32, segment_step=64),
            lambda: TemporalCNN(40, 376, 5, segment_frames=31, segment_step=64),
        )
    )
    assert len({spread, dropped, more, apart, wide, narrow}) == 6
    assert key(lambda: TimeDistributedCNNLSTM(128, 219, 7)) == spread


def test_trainings_keep_to_the_cache_that_they_are_given(blobs, tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIONSER_CACHE", str(tmp_path / "default"))
    inputs, targets = blobs
    one, two = Cache(tmp_path / "one"), Cache(tmp_path / "two")
    for cache in (one, one, False, None):
        MLP(epochs=2, cache=cache).fit(inputs, targets)
    assert len(list(one.networks.glob("*.safetensors"))) == 1
    # The place has no part in the key.
    MLP(epochs=2, cache=two).fit(inputs, targets)
    assert [file.name for file in two.networks.iterdir()] == [file.name for file in one.networks.iterdir()]
    assert not (tmp_path / "default").exists()
    MLP(epochs=2).fit(inputs, targets)
    assert len(list((tmp_path / "default" / "networks").iterdir())) == 1


def test_a_damaged_network_of_the_cache_is_trained_again(blobs, tmp_path):
    inputs, targets = blobs
    cache = Cache(tmp_path)
    expected = MLP(epochs=2, cache=cache).fit(inputs, targets).predict_proba(inputs)
    (kept,) = cache.networks.glob("*.safetensors")
    content = kept.read_bytes()
    for place in (len(content) // 2, len(content) - 60):
        kept.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        np.testing.assert_array_equal(MLP(epochs=2, cache=cache).fit(inputs, targets).predict_proba(inputs), expected)
        read_kept(kept)


def test_a_training_that_diverges_says_so(blobs):
    inputs, targets = blobs
    # What an exploding rate ends in (a deep network gets there by itself, see the extractors' tests).
    inputs = inputs.copy()
    inputs[5, 0] = np.inf
    rows = TrainingRows(inputs=inputs, targets=targets)
    with pytest.raises(TrainingError, match=r"of the network diverged in epoch 1.*lower the learning rate"):
        train(rows, learning_rate=0.5, epochs=5)


def test_ctrl_c_stops_everything_and_keeps_nothing(blobs, tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIONSER_CACHE", str(tmp_path))

    def press(name, done, most):
        assert (name, most) == ("the network", 9)
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), training_progress(press):
        train(rows_of(blobs), epochs=9)
    assert not list(tmp_path.glob("networks/*"))


def test_one_row_is_too_few_and_two_are_enough(blobs):
    inputs, targets = blobs
    with pytest.raises(TrainingError, match="1 rows are left to learn from; expected two or more"):
        train(TrainingRows(inputs=inputs[:1], targets=targets[:1]))
    network, _ = train(TrainingRows(inputs=inputs[:2], targets=targets[:2]), epochs=2, batch_size=1)
    assert np.isfinite(logits_of(network, inputs)).all()


def test_scarce_classes_weigh_more_when_balanced():
    rng = np.random.default_rng(0)
    targets = np.r_[np.zeros(180), np.ones(20)].astype(np.int64)
    inputs = rng.normal(targets[:, None] * 1.0, 1.0, (200, 2)).astype(np.float32)
    found = []
    for weight in (None, "balanced"):
        network, _ = train(
            TrainingRows(inputs=inputs, targets=targets), class_weight=weight, epochs=30, learning_rate=0.02
        )
        found.append(np.mean(logits_of(network, inputs).argmax(axis=1) == 1))
    assert found[0] < 0.15 < 0.25 < found[1]


def test_overconfident_logits_are_cooled_down():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(300, 20)).astype(np.float32)
    targets = rng.integers(0, 2, 300)
    rows = TrainingRows(
        inputs=inputs[:60], targets=targets[:60], validation_inputs=inputs[60:], validation_targets=targets[60:]
    )
    settings = NetworkTraining(learning_rate=0.05, epochs=40, patience=None)
    network, _ = train_network(lambda: Perceptron(20, 2, (64,)), rows, np.arange(2), settings, name="overfitted")
    # The labels are noise, so the best that can be said is one half each; the training rows are known by heart.
    assert float(network.temperature) > 3
    probabilities = softmax(logits_of(network, inputs[60:]), axis=1)
    surprise = -np.log(probabilities[np.arange(240), targets[60:]]).mean()
    raw = softmax(logits_of(network, inputs[60:]) * float(network.temperature), axis=1)
    assert surprise < -np.log(raw[np.arange(240), targets[60:]]).mean()


@pytest.mark.parametrize("name", ["cuda:99", "tpu3", "gpu", ""])
def test_a_device_that_is_not_here_is_refused_with_those_that_are(name):
    with pytest.raises(SettingsError, match="available here: auto, cpu"):
        choose_device(name)


@pytest.mark.skipif(
    platform.machine() != "x86_64" or not Path("/proc/cpuinfo").is_file(), reason="reads the flags of Linux"
)
def test_processors_with_avx512_support_bfloat16():
    flags = set(re.findall(r"avx512\w+", Path("/proc/cpuinfo").read_text(encoding="ascii")))
    assert computes_bfloat16("cpu") == ({"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= flags)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "epochs is 0; expected 1"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0"),
        ({"validation": 0.9}, "validation is 0.9; expected 0 to 0.5"),
        ({"schedule": "cosine"}, "expected one of plateau, one-cycle"),
        ({"patience": 0}, "patience is 0"),
        ({"precision": "int8"}, "expected one of float32, bfloat16"),
        ({"device": "cuda:99"}, "no device"),
    ],
)
def test_settings_out_of_range(blobs, settings, message):
    with pytest.raises(SettingsError, match=message):
        train(rows_of(blobs), **settings)


def test_epochs_at_chance_count_neither_for_early_stopping_nor_for_the_schedule():
    # With three batches an epoch, an LSTM gives one answer for several epochs before it tells the classes apart.
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(5), [40, 24, 24, 24, 8])
    values = rng.normal(0, 1, (120, 20)) + rng.normal(0, 0.7, (5, 20))[labels]
    fitted = BiLSTM(units=16, epochs=60, patience=3, plateau=2, cache=False).fit(values, labels)
    scores = [epoch["validation_uar"] for epoch in fitted.history_]
    begun = next(place for place, score in enumerate(scores) if score > 0.2 + 1e-6)
    assert begun > 3
    assert {epoch["learning_rate"] for epoch in fitted.history_[:begun]} == {1e-3}
    assert max(scores) > 0.25 and begun < len(scores) < 60
