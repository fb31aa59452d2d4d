"""Training on several corpora that differ in size and in their classes."""

import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from skorch.dataset import Dataset

from fusionser.classifiers import MLP
from fusionser.errors import SettingsError
from fusionser.networks import Batches, Distortion, NetworkTraining, Perceptron, TrainingRows, train_network
from fusionser.networks import training as training_module
from fusionser.networks.corpora import CorpusCrossEntropy, CorpusTurns
from fusionser.networks.objective import loss_of

X, Y, Z = range(3)
PRESENT = torch.tensor([[True, True, True], [True, True, False]])
"""Corpus 0 has the classes x, y and z; corpus 1 has x and y."""
LOGITS = torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]).log()


def pairs(*given):
    """Return the one-hot targets of pairs of corpus and class."""
    places = torch.tensor([corpus * 3 + target for corpus, target in given])
    return torch.nn.functional.one_hot(places, 6).float()


def test_the_softmax_of_a_row_covers_the_classes_of_its_corpus():
    loss = CorpusCrossEntropy(PRESENT)
    # Softmax of log 1, log 2, log 3: sixths in corpus 0, thirds in corpus 1.
    assert float(loss(LOGITS[:1], pairs((0, Z)))) == pytest.approx(np.log(6 / 3))
    assert float(loss(LOGITS[:1], pairs((0, X)))) == pytest.approx(np.log(6 / 1))
    assert float(loss(LOGITS[:1], pairs((1, X)))) == pytest.approx(np.log(3 / 1))
    assert float(loss(LOGITS, pairs((0, Z), (1, Y)))) == pytest.approx((np.log(2) + np.log(3 / 2)) / 2)


def test_smoothing_and_weights_by_hand():
    smoothed = CorpusCrossEntropy(PRESENT, label_smoothing=0.1)
    # 0.9 stay with x; 0.05 each go to x and y, and none to z, which corpus 1 lacks.
    expected = 0.95 * np.log(3) + 0.05 * np.log(3 / 2)
    assert float(smoothed(LOGITS[:1], pairs((1, X)))) == pytest.approx(expected)
    weighted = CorpusCrossEntropy(PRESENT, corpus_weight=torch.tensor([[1.0, 1.0, 1.0], [5.0, 1.0, 1.0]]))
    assert float(weighted(LOGITS[:1], pairs((1, X)))) == pytest.approx(5 * np.log(3))
    assert float(weighted(LOGITS[:1], pairs((0, X)))) == pytest.approx(np.log(6))


def test_a_corpus_leaves_the_logits_of_classes_that_it_lacks_alone():
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    CorpusCrossEntropy(PRESENT, label_smoothing=0.1)(logits, pairs((1, X), (1, Y), (0, X), (0, Z))).backward()
    assert logits.grad[:2, Z].tolist() == [0.0, 0.0]
    assert (logits.grad[:2, :Z] != 0).all() and (logits.grad[2:] != 0).all()
    assert torch.isfinite(logits.grad).all()
    # Without smoothing, the gradient is the softmax over the corpus's classes less the target, by rows.
    free = LOGITS.clone().requires_grad_()
    CorpusCrossEntropy(PRESENT)(free, pairs((0, X), (1, X))).backward()
    expected = torch.tensor([[1 / 6 - 1, 2 / 6, 3 / 6], [1 / 3 - 1, 2 / 3, 0.0]]) / 2
    torch.testing.assert_close(free.grad, expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_corpora_with_all_classes_get_torchs_cross_entropy(smoothing):
    random = torch.Generator().manual_seed(1)
    logits, weight = torch.randn(8, 3, generator=random), torch.tensor([0.5, 1.0, 3.0])
    classes, corpora = torch.arange(8) % 3, torch.arange(8) % 2
    everything = torch.ones(2, 3, dtype=torch.bool)
    loss = CorpusCrossEntropy(everything, torch.stack([weight, weight]), weight, smoothing)
    usual = torch.nn.CrossEntropyLoss(weight=weight, label_smoothing=smoothing)
    given = pairs(*zip(corpora.tolist(), classes.tolist(), strict=True))
    torch.testing.assert_close(loss(logits, given), usual(logits, torch.nn.functional.one_hot(classes).float()))
    # Validation rows are class indices.
    assert float(CorpusCrossEntropy(PRESENT, None, weight, smoothing)(logits, classes)) == float(usual(logits, classes))


def test_the_loss_of_mixed_rows_is_the_mixture_of_their_losses():
    loss = CorpusCrossEntropy(PRESENT)
    targets = pairs((0, Z), (1, X))
    mixed = Distortion(mixup=1.0)(torch.zeros(2, 1), targets, np.random.default_rng(1))[1]
    share = float(mixed[0, Z])
    assert 0 < share < 1
    assert float(loss(LOGITS[:1], mixed[:1])) == pytest.approx(share * np.log(2) + (1 - share) * np.log(3), rel=1e-5)


@pytest.mark.parametrize("sizes", [(3, 50), (20, 20), (1, 7, 40), (2, 5, 6, 30)])
def test_every_epoch_and_batch_shows_all_corpora_equally_often(sizes):
    corpora = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    dataset = Dataset(torch.arange(float(len(corpora)))[:, None], torch.zeros(len(corpora), dtype=torch.int64))
    made = Batches(dataset, 8, rng=np.random.default_rng(0), corpora=corpora, seed=3)
    epochs = [[inputs.ravel().long().numpy() for inputs, _ in made] for _ in range(12)]
    for batches in epochs:
        assert sum(map(len, batches)) == len(corpora)
        for shown in (np.concatenate(batches), *batches):
            counts = np.bincount(corpora[shown], minlength=len(sizes))
            assert counts.max() - counts.min() <= 1
    # A corpus shows each of its rows once before it shows any again, across epochs too.
    shown = np.concatenate([rows for batches in epochs for rows in batches])
    for corpus, size in enumerate(sizes):
        own = shown[corpora[shown] == corpus]
        for start in range(0, len(own) - size + 1, size):
            assert sorted(own[start : start + size]) == np.flatnonzero(corpora == corpus).tolist()
    assert len(made) == len(epochs[0])


def test_the_orders_of_two_passes_differ():
    turns = CorpusTurns(corpora=np.r_[np.zeros(30), np.ones(30)].astype(np.int64), seed=0)
    own = [turns.rows(epoch)[::2].tolist() for epoch in range(2)]
    assert sorted(own[0]) == sorted(own[1]) and own[0] != own[1]


def test_groups_take_turns_too():
    """Each group has three rows, of which a turn shows one."""
    corpora, groups = np.repeat([0, 1, 1, 1, 1], 3), np.repeat([4, 1, 2, 3, 0], 3)
    dataset = Dataset(torch.arange(15.0)[:, None], torch.zeros(15, dtype=torch.int64))
    made = Batches(dataset, 4, rng=np.random.default_rng(0), groups=groups, corpora=corpora)
    seen = set()
    shown_groups = []
    for _ in range(40):
        shown = torch.cat([inputs for inputs, _ in made]).ravel().long().numpy()
        assert len(shown) == 5
        assert abs(int((corpora[shown] == 0).sum()) - int((corpora[shown] == 1).sum())) == 1
        shown_groups += groups[shown[corpora[shown] == 1]].tolist()
        seen |= set(shown.tolist())
    assert seen == set(range(15))
    assert len(shown_groups) == 100 and set(np.bincount(shown_groups)) == {25}


def test_the_turns_depend_on_the_seed_and_the_epoch_alone():
    corpora = np.arange(40) % 7 // 6
    one, same, other = (CorpusTurns(corpora=corpora, seed=seed) for seed in (1, 1, 2))
    later = one.rows(5)
    for epoch in range(5):
        same.rows(epoch)
    assert same.rows(5).tolist() == later.tolist()
    assert other.rows(5).tolist() != later.tolist()


@pytest.fixture(scope="module")
def domains():
    """Rows of two corpora, told apart by the last column; the others are evidence of the classes.

    Corpus A has x, y and z, and corpus B has only x and y in training.
    """
    rng = np.random.default_rng(0)

    def rows(corpus, labels):
        evidence = np.eye(3)[labels] * 2.5 + rng.normal(0, 1, (len(labels), 3))
        table = pd.DataFrame(evidence, columns=["a__x", "a__y", "a__z"])
        return table.assign(a__domain=5.0 * (corpus == "B"), corpus=corpus), np.array(["x", "y", "z"])[labels]

    a, b = rows("A", np.arange(150) % 3), rows("B", np.arange(150) % 2)
    training = pd.concat([a[0], b[0]], ignore_index=True), np.r_[a[1], b[1]]
    return training, rows("B", np.arange(150) % 3)


SETTINGS = {"hidden": (), "learning_rate": 0.02, "epochs": 60, "validation": 0.0, "patience": None}


def recalls(model, rows):
    found, labels = model.predict(rows[0].drop(columns="corpus")), rows[1]
    return {name: float(np.mean(found[labels == name] == name)) for name in "xyz"}


def test_a_class_that_a_corpus_lacks_is_recognised_in_its_recordings(domains):
    """Without masking, the column that tells the corpora apart also says that corpus B has no z."""
    (table, labels), tested = domains
    usual = recalls(MLP(**SETTINGS).fit(table, labels), tested)
    masked = recalls(MLP(**SETTINGS, by_corpus=True).fit(table, labels), tested)
    assert masked["z"] > 0.8 and masked["z"] > usual["z"] + 0.3
    assert masked["x"] > 0.8 and masked["y"] > 0.8


def same_network(one, two):
    return all(torch.equal(value, two.network_.state_dict()[key]) for key, value in one.network_.state_dict().items())


def test_without_a_second_corpus_nothing_changes(domains, monkeypatch):
    monkeypatch.setenv("FUSIONSER_CACHE", "off")
    (table, labels), _ = domains
    quick = {"epochs": 3, "class_weight": "balanced"}
    plain = MLP(**quick).fit(table.drop(columns="corpus"), labels)
    for corpus in (None, "A"):
        given = table.drop(columns="corpus") if corpus is None else table.assign(corpus=corpus)
        assert same_network(plain, MLP(**quick, by_corpus=True).fit(given, labels))
    assert same_network(plain, MLP(**quick).fit(table, labels))
    assert not same_network(plain, MLP(**quick, by_corpus=True).fit(table, labels))


def test_the_default_is_a_plain_loop_over_permutations(monkeypatch):
    """Weights to the last bit as from the loop written out: AdamW, the cross-entropy, clipped gradients."""
    monkeypatch.setenv("FUSIONSER_CACHE", "off")
    rng = np.random.default_rng(3)
    inputs, targets = rng.normal(size=(40, 2)).astype(np.float32), np.arange(40) % 3
    rows = TrainingRows(inputs=inputs, targets=targets, corpora=np.arange(40) // 30)
    settings = NetworkTraining(epochs=2, batch_size=16, random_state=5, label_smoothing=0.1, device="cpu")
    trained, _ = train_network(lambda: Perceptron(2, 3, (4,)), rows, np.arange(3), settings, name="plain")
    torch.manual_seed(5)
    network, order = Perceptron(2, 3, (4,)), np.random.default_rng(5)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.0)
    for _ in range(2):
        for chosen in torch.from_numpy(order.permutation(40)).split(16):
            shown = torch.nn.functional.one_hot(torch.from_numpy(targets)[chosen], 3).float()
            logits = network(torch.from_numpy(inputs)[chosen])
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(logits, shown, label_smoothing=0.1).backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimiser.step()
    for name, value in network.named_parameters():
        assert torch.equal(trained.state_dict()[name], value), name


def test_the_same_seed_gives_the_same_weights(domains, monkeypatch):
    monkeypatch.setenv("FUSIONSER_CACHE", "off")
    (table, labels), _ = domains
    one, two, other = (MLP(by_corpus=True, epochs=3, random_state=n).fit(table, labels) for n in (1, 1, 2))
    assert same_network(one, two) and not same_network(one, other)


def test_the_corpora_are_part_of_the_key_of_a_trained_network(domains, tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIONSER_CACHE", str(tmp_path))
    (table, labels), _ = domains
    shuffled = table.assign(corpus=table["corpus"].to_numpy()[::-1])
    for given in (table, table, shuffled):
        MLP(epochs=2, by_corpus=True).fit(given, labels)
    assert len(list((tmp_path / "networks").iterdir())) == 2


def test_balanced_weights_are_those_within_each_corpus():
    targets, corpora = np.array([X] * 6 + [Y] * 2 + [Z] * 4 + [X] * 5 + [Y] * 15), np.repeat([0, 1], [12, 20])
    names = np.array(["x", "y", "z"])
    settings = NetworkTraining(class_weight="balanced", by_corpus=True)
    rows = TrainingRows(inputs=np.zeros((32, 1), dtype=np.float32), targets=targets)
    loss, parameters = loss_of(settings, rows, corpora, names, None)
    # Rows of the corpus, by its number of classes times the rows of the class.
    expected = torch.tensor([[12 / 18, 12 / 6, 12 / 12], [20 / 10, 20 / 30, 1.0]])
    torch.testing.assert_close(parameters["corpus_weight"], expected)
    assert parameters["present"].tolist() == PRESENT.tolist() and loss is CorpusCrossEntropy
    given = NetworkTraining(class_weight={"z": 4.0}, by_corpus=True)
    parameters = loss_of(given, rows, corpora, names, None)[1]
    assert parameters["corpus_weight"].tolist() == [[1.0, 1.0, 4.0]] * 2


def test_rows_are_interpolated_within_a_corpus(domains, monkeypatch):
    seen = []
    original = training_module._training
    monkeypatch.setattr(
        training_module, "_training", lambda network, rows, *more: seen.append(rows) or original(network, rows, *more)
    )
    monkeypatch.setenv("FUSIONSER_CACHE", "off")
    (table, labels), _ = domains
    few = np.r_[0:30, np.arange(30, 150)[labels[30:150] != "x"], 150:290]
    MLP(**{**SETTINGS, "epochs": 1}, balance="smote", by_corpus=True).fit(table.iloc[few], labels[few])
    (rows,) = seen
    # A domain between 0 and 5 would be a row between two corpora.
    assert set(zip(rows.inputs[:, 3].tolist(), rows.corpora.tolist(), strict=True)) == {(0.0, "A"), (5.0, "B")}
    counts = pd.crosstab(rows.corpora, rows.targets)
    assert counts.loc["A"].tolist() == [50, 50, 50] and counts.loc["B"].tolist() == [70, 70, 0]


NAMED_MLP = '[pipeline.classifier]\nname = "mlp"\n'


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_by_corpus_is_true_or_false(value):
    with pytest.raises(SettingsError, match=rf"by_corpus is {value!r}; expected true or false"):
        MLP(by_corpus=value).fit([[0.0], [1.0]] * 5, ["calm", "sad"] * 5)


@pytest.fixture(scope="module")
def two_folders(demo_rows, tmp_path_factory):
    """Two corpora of label/speaker/clip; the second one is smaller and has no angry clips."""
    folder = tmp_path_factory.mktemp("corpora")
    speakers = sorted(set(demo_rows["speaker"]))
    for row in demo_rows.to_dict("records"):
        name = "small" if row["speaker"] in speakers[:3] else "large"
        if name == "small" and row["emotion"] == "angry":
            continue
        place = folder / name / row["emotion"] / row["speaker"].split("/")[1]
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(row["file"], place)
    return folder / "large", folder / "small"


@pytest.mark.parametrize(
    ("part", "named", "options"),
    [
        ("classifier", NAMED_MLP, ["--blocks", "mfcc", "--epochs", 40]),
        ("networks", "", ["--blocks", "mfcc,conv1d", "--fusion", "average", "--classifier", "svm", "--epochs", 12]),
    ],
)
def test_two_corpora_at_the_command_line(command, two_folders, tmp_path, part, named, options):
    """The rows of the small corpus do not teach that its speakers are never angry."""
    angry = {}
    for value in ("false", "true"):
        config = tmp_path / f"{value}.toml"
        config.write_text(f"{named}[pipeline.{part}.parameters]\nby_corpus = {value}\n")
        model = tmp_path / f"{value}.fusionser"
        done = command(
            "fit",
            *two_folders,
            "--corpus",
            "folders",
            "--config",
            config,
            *options,
            "--out",
            model,
            "--no-estimate",
            "--json",
        )
        assert done.status == 0, done.messages
        answers = command("predict", model, two_folders[1], "--json").json
        assert all(sum(answer["probabilities"].values()) == pytest.approx(1) for answer in answers)
        angry[value] = np.mean([answer["probabilities"]["angry"] for answer in answers])
    assert angry["true"] > angry["false"]


def test_an_evaluation_states_it_and_svm_has_no_such_parameter(command, two_folders, tmp_path):
    config = tmp_path / "settings.toml"
    config.write_text(f"{NAMED_MLP}[pipeline.classifier.parameters]\nby_corpus = true\n")
    options = ["--corpus", "folders", "--config", config, "--blocks", "mfcc", "--epochs", 3, "--folds", 2]
    done = command("evaluate", *two_folders, *options, "--json")
    assert done.json["classifier_settings"]["by_corpus"] is True
    config.write_text(config.read_text().replace("mlp", "svm"))
    done = command("evaluate", *two_folders, *options)
    assert done.status == 1 and "unknown parameter of svm 'by_corpus'" in done.messages
