"""Late fusion: log-probabilities added by hand, and the leaks that it invites."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from fusionser.classifiers import LSTM, MLP, SVM, BiLSTM, LateFusion, RandomForest
from fusionser.classifiers.late import best_weights
from fusionser.errors import SettingsError

CLASSES = ["angry", "calm", "sad"]


@parametrize_with_checks(
    [
        MLP(epochs=30, learning_rate=0.05, validation=0.0, patience=None),
        LSTM(units=4, epochs=15, learning_rate=0.05, validation=0.0),
        BiLSTM(units=4, epochs=30, learning_rate=0.05, validation=0.0),
        LateFusion(classifier=SVM()),
    ]
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def fused():
    """Columns that tell the classes apart somewhat, scores that do so better, and scores that say nothing."""
    rng = np.random.default_rng(0)
    truth = np.arange(240) % 3
    table = pd.DataFrame({"speaker": [f"s{number // 30}" for number in range(240)]})
    for number in range(4):
        table[f"a__x{number}"] = (truth == number) + rng.normal(0, 1.2, 240)
    for block, strength in (("good", 2.0), ("noise", 0.0)):
        logits = strength * (truth[:, None] == np.arange(3)) + rng.normal(0, 1.0, (240, 3))
        logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        for number, name in enumerate(CLASSES):
            table[f"{block}__crossfitted_score_{name}"] = logs[:, number]
    return table, np.array(CLASSES)[truth]


@pytest.mark.parametrize("hidden", [12, "12", {12}, (8,) * 17])
def test_hidden_layers_are_a_list(hidden):
    with pytest.raises(SettingsError, match="expected a list of at most 16 numbers of units"):
        MLP(hidden=hidden).fit([[0.0], [1.0]] * 5, ["calm", "sad"] * 5)


def test_a_class_may_be_called_as_scores_are(fused):
    table, labels = fused
    table = table.rename(columns=lambda name: name.replace("score_angry", "score_score_angry"))
    renamed = np.where(labels == "angry", "score_angry", labels)
    table = table[["speaker", *sorted(name for name in table if "__" in name)]]
    model = LateFusion(classifier=RandomForest(n_estimators=5)).fit(table, renamed)
    assert set(model.scored_) == {"good", "noise"}


def test_the_average_adds_log_probabilities(fused):
    table, labels = fused
    machine = RandomForest(n_estimators=20)
    found = LateFusion(classifier=machine).fit(table, labels)
    own = clone(machine).fit(table[["speaker", *(f"a__x{n}" for n in range(4))]], labels)
    logs = np.log(np.maximum(own.predict_proba(table[["speaker", *(f"a__x{n}" for n in range(4))]]), 1e-6))
    for block in ("good", "noise"):
        logs = logs + table[[f"{block}__crossfitted_score_{name}" for name in CLASSES]].to_numpy()
    expected = np.exp(logs / 3) / np.exp(logs / 3).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.predict_proba(table), expected, rtol=1e-6)
    assert found.weights_ == pytest.approx({"columns": 1 / 3, "good": 1 / 3, "noise": 1 / 3})


def test_weights_and_stacks_learn_whom_to_trust(fused):
    table, labels = fused
    half = np.arange(240) < 120
    scores = {}
    for method in ("average", "weighted", "stacked"):
        found = LateFusion(classifier=SVM(), method=method).fit(table[half], labels[half])
        scores[method] = np.mean(found.predict(table[~half]) == labels[~half])
        if method == "weighted":
            assert sum(found.weights_.values()) == pytest.approx(1.0)
            assert found.weights_["good"] > 0.4 > 0.15 > found.weights_["noise"]
        if method == "stacked":
            assert found.weights_ == {}
            assert np.abs(found.stack_.coef_[:, 3:6]).mean() > 3 * np.abs(found.stack_.coef_[:, 6:]).mean()
    assert scores["weighted"] > scores["average"]
    assert scores["stacked"] > scores["average"]


def test_the_members_of_weights_are_judged_out_of_fold(fused):
    # A forest knows its training rows by heart: were it judged on these, it would get all of the weight.
    table, _ = fused
    labels = np.array(CLASSES)[np.random.default_rng(5).integers(0, 3, 240)]
    flat = table.assign(**{f"good__crossfitted_score_{name}": np.log(1 / 3) for name in CLASSES})
    flat = flat.drop(columns=[f"noise__crossfitted_score_{name}" for name in CLASSES])
    found = LateFusion(classifier=RandomForest(n_estimators=50), method="weighted").fit(flat, labels)
    assert found.weights_["columns"] < 0.5


def test_in_fold_scores_are_refused_where_weights_are_learned(fused):
    table, labels = fused
    in_fold = table.rename(columns=lambda name: name.replace("crossfitted_score_", "score_"))
    for method in ("weighted", "stacked"):
        with pytest.raises(SettingsError, match="class scores of good, noise are in-fold.*Set cross_fit"):
            LateFusion(method=method).fit(in_fold, labels)
    assert LateFusion(classifier=SVM()).fit(in_fold, labels).predict(in_fold).shape == (240,)


def test_each_block_may_have_a_classifier_of_its_own(fused):
    table, labels = fused
    split = table.rename(columns={"a__x3": "b__x3"})
    found = LateFusion(classifier=SVM(), by_block=True).fit(split, labels)
    assert set(found.members_) == {"a", "b"}
    assert found.members_["b"].n_features_in_ == 1


def test_scores_alone_are_a_fusion_too(fused):
    table, labels = fused
    only = table[[f"good__crossfitted_score_{name}" for name in CLASSES]]
    found = LateFusion().fit(only, labels)
    np.testing.assert_allclose(found.predict_proba(only), np.exp(only.to_numpy()), rtol=1e-6)


def test_scores_of_other_classes_are_refused(fused):
    table, labels = fused
    with pytest.raises(SettingsError, match="the block 'good' scores the classes angry, calm; expected angry"):
        LateFusion().fit(table.drop(columns="good__crossfitted_score_sad"), labels)


def test_an_unknown_method_is_told(fused):
    with pytest.raises(SettingsError, match="unknown late fusion 'mean'. Known: average, weighted, stacked"):
        LateFusion(method="mean").fit(*fused)


def test_the_best_weights_are_those_of_a_fine_grid():
    rng = np.random.default_rng(1)
    targets = rng.integers(0, 3, 200)
    logs = np.stack([(strength * np.eye(3))[targets] + rng.normal(0, 1, (200, 3)) for strength in (1.0, 2.0)])
    logs -= np.log(np.exp(logs).sum(axis=2, keepdims=True))

    def surprise(weight):
        total = weight * logs[0] + (1 - weight) * logs[1]
        return -(total[np.arange(200), targets] - np.log(np.exp(total).sum(axis=1))).mean()

    grid = np.linspace(0, 1, 1001)
    best = grid[np.argmin([surprise(weight) for weight in grid])]
    assert best_weights(logs, targets)[0] == pytest.approx(best, abs=0.005)


def test_blocks_apart_get_a_classifier_of_their_own(fused):
    table, labels = fused
    own = table[[f"a__x{number}" for number in range(4)]].add_prefix("far_")
    table = pd.concat([table, own, own.rename(columns=lambda name: name.replace("far_a", "b"))], axis=1)
    found = LateFusion(classifier=RandomForest(n_estimators=5), apart=("b",)).fit(table, labels)
    assert found.groups_ == {
        "columns": [*(f"a__x{n}" for n in range(4)), *(f"far_a__x{n}" for n in range(4))],
        "b": [f"b__x{n}" for n in range(4)],
    }
