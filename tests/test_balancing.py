"""Balancing strategies: what they make of columns, where they act, and what they refuse."""

import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import SMOTE
from skops_files import X as COLUMNS
from skops_files import Y as CLASSES

from fusionser.augmentation.rows import AugmentRows
from fusionser.balancing import ImposeImbalance, balance_columns
from fusionser.classifiers import CLASSIFIERS, BalancedBagging, LateFusion, LogitAdjustment, classifier, neural
from fusionser.classifiers.base import TableClassifier
from fusionser.classifiers.svm import SVM, BalancedSVC
from fusionser.errors import ModelFileError, SettingsError
from fusionser.estimators import dump_estimators, load_estimators
from fusionser.model import load_model
from fusionser.names import COLUMN_BALANCINGS
from fusionser.pipeline import PipelineSpec, build_pipeline


@pytest.fixture
def skewed():
    """Two overlapping classes, one ten times as large as the other, of eight speakers."""
    rng = np.random.default_rng(0)
    values = np.r_[rng.normal(0, 1, (400, 2)), rng.normal(1.2, 1, (40, 2))]
    labels = np.array(["common"] * 400 + ["scarce"] * 40)
    table = pd.DataFrame(values, columns=["a__x", "a__y"])
    table.insert(0, "speaker", [f"s{place % 8}" for place in range(440)])
    table.insert(1, "source", [str(place) for place in range(440)])
    table.insert(2, "augmentation", "")
    return table, labels


def test_smote_is_imbalanced_learns_and_makes_rows_between_rows(skewed):
    table, labels = skewed
    values = table[["a__x", "a__y"]].to_numpy()
    more, found = balance_columns(values, labels, "smote", 3)
    expected, _ = SMOTE(random_state=3).fit_resample(values, labels)
    assert np.array_equal(more, expected)
    assert (found == "scarce").sum() == (found == "common").sum() == 400
    scarce = values[labels == "scarce"]
    made = more[len(values) :]
    assert (made >= scarce.min(axis=0)).all() and (made <= scarce.max(axis=0)).all()


@pytest.mark.parametrize("strategy", sorted(COLUMN_BALANCINGS))
@pytest.mark.parametrize("name", ["svm", "random-forest", "xgboost", "mlp"])
def test_every_cure_raises_the_recall_of_the_scarce(skewed, strategy, name):
    table, labels = skewed
    new = np.random.default_rng(1).normal(1.2, 1, (500, 2))
    shallow = {"random-forest": {"min_samples_leaf": 10}, "xgboost": {"n_estimators": 30, "max_depth": 2}}
    # A network that goes back to the epoch of the best UAR makes up for scarce classes by itself.
    shallow["mlp"] = {"validation": 0.0, "epochs": 30, "learning_rate": 0.02}
    recall = {}
    for balance in (None, strategy):
        fitted = classifier(name, balance=balance).set_params(**shallow.get(name, {})).fit(table, labels)
        asked = pd.DataFrame(new, columns=["a__x", "a__y"])
        recall[balance] = np.mean(fitted.predict(asked) == "scarce")
    assert recall[strategy] > recall[None] + 0.15


def test_rows_to_watch_are_cut_off_before_any_row_is_made(skewed, monkeypatch):
    table, labels = skewed
    seen = {}

    def spying(values, targets, strategy, seed):
        seen["learned"] = values
        return balance_columns(values, targets, strategy, seed)

    def train(build, rows, classes, settings, name):
        seen["watched"] = rows.validation_inputs
        raise KeyboardInterrupt

    monkeypatch.setattr("fusionser.classifiers.base.balance_columns", spying)
    monkeypatch.setattr(neural, "train_network", train)
    with pytest.raises(KeyboardInterrupt):
        classifier("mlp", balance="smote").fit(table, labels)
    watched = {tuple(row) for row in np.asarray(seen["watched"]).tolist()}
    assert watched and not watched & {tuple(row) for row in seen["learned"].tolist()}


def test_the_rows_that_calibrate_a_machine_are_real_ones(skewed, monkeypatch):
    table, labels = skewed
    sizes = []
    original = BalancedSVC.decision_function

    def decision_function(self, X):
        sizes.append(len(X))
        return original(self, X)

    monkeypatch.setattr(BalancedSVC, "decision_function", decision_function)
    SVM(balance="smote").fit(table, labels)
    # Each of the 440 rows is judged once, by a machine that has not seen its speaker.
    assert sum(sizes) == len(labels)


def test_a_class_with_fewer_rows_than_neighbours_is_told(skewed):
    table, labels = skewed
    few = np.r_[0:400, 400:405]
    with pytest.raises(SettingsError, match="'scarce' has 5 training rows; expected 6 or more. Use oversample"):
        classifier("svm", balance="smote").fit(table.iloc[few], labels[few])


def test_what_a_cure_cannot_do_is_told():
    rng = np.random.default_rng(0)
    apart = np.r_[rng.normal(0, 0.1, (40, 2)), rng.normal(50, 0.1, (10, 2))]
    labels = np.array(["common"] * 40 + ["scarce"] * 10)
    with pytest.raises(SettingsError, match="adasyn cannot balance these 50 rows"):
        balance_columns(apart, labels, "adasyn", 0)
    with pytest.raises(SettingsError, match="unknown balancing of columns 'magic'. Known: smote"):
        balance_columns(apart, labels, "magic", 0)


@pytest.mark.parametrize("name", sorted(CLASSIFIERS))
def test_the_pipeline_gives_the_cure_to_its_classifier(name):
    spec = PipelineSpec(
        features={"preset": "fusionnet"}, rows={"imbalance": "borderline-smote"}, classifier={"name": name}
    )
    built = build_pipeline(spec)
    assert built[-1].balance == "borderline-smote"
    assert built[-1].class_weight is None


def test_a_balanced_machine_is_saved_and_read_back(skewed, demo_folder, tmp_path, command):
    model = tmp_path / "model.fusionser"
    given = ["--corpus", "demo", "--preset", "fusionnet", "--gender", "none", "--imbalance", "smote"]
    answer = command("fit", demo_folder, *given, "--no-estimate", "--out", model)
    assert answer.status == 0, answer.messages
    clip = next(demo_folder.glob("*.wav"))
    assert command("predict", model, clip, "--json").json[0]["emotion"]


def test_an_imposed_imbalance_is_a_long_tail_and_the_same_in_every_fold():
    labels = np.repeat(["a", "b", "c", "d"], 100)
    rows = pd.DataFrame({"file": [f"{place}.wav" for place in range(400)], "source": [str(one) for one in range(400)]})
    kept, found = ImposeImbalance(ratio=8.0, random_state=1).fit_resample(rows, labels)
    # 100, and the shares 8^(-1/3), 8^(-2/3) and 1/8 of it.
    assert sorted(np.unique(found, return_counts=True)[1].tolist()) == [12, 25, 50, 100]
    assert (labels[kept["source"].astype(int)] == found).all()
    # Of other rows the same class is the scarcest.
    half = rows.iloc[np.r_[0:50, 100:150, 200:250, 300:350]]
    _, halved = ImposeImbalance(ratio=8.0, random_state=1).fit_resample(half, labels[half.index])
    scarce = min(set(found), key=lambda name: (found == name).sum())
    assert min(set(halved), key=lambda name: (halved == name).sum()) == scarce
    other, _ = ImposeImbalance(ratio=8.0, random_state=2).fit_resample(rows, labels)
    assert not other.equals(kept)


def test_an_imbalance_that_cannot_be_reached_is_told():
    rows = pd.DataFrame({"file": [f"{place}.wav" for place in range(50)]})
    labels = np.array(["a"] * 40 + ["b"] * 10)
    with pytest.raises(SettingsError, match="the smallest 10, which is already more than 1 to 2; use a ratio of 4.0"):
        ImposeImbalance(ratio=2.0).fit_resample(rows, labels)
    with pytest.raises(SettingsError, match="leaves fewer than two rows of the smallest class"):
        ImposeImbalance(ratio=40.0).fit_resample(rows, labels)
    with pytest.raises(
        SettingsError, match=r"the ratio of an imbalance \(--impose-imbalance\) is 0.5; expected 1 or more"
    ):
        ImposeImbalance(ratio=0.5).fit(None)


def test_copies_of_the_scarce_alone_make_classes_equal():
    rows = pd.DataFrame(
        {
            "file": [f"{place}.wav" for place in range(40)],
            "source": [str(place) for place in range(40)],
            "augmentation": "",
        }
    )
    labels = np.array(["a"] * 24 + ["b"] * 10 + ["c"] * 6)
    more, found = AugmentRows(kinds=["noise", "pitch"], copies=3, only_scarce=True).fit_resample(rows, labels)
    # b lacks 14 rows: one copy of each clip and a second of four. c lacks 18, three of each.
    assert np.unique(found, return_counts=True)[1].tolist() == [24, 24, 24]
    copies = more[more["augmentation"] != ""]
    assert set(found[copies.index]) == {"b", "c"}
    times = copies["source"].value_counts()
    assert sorted(times[times.index.astype(int) < 34].tolist()) == [1] * 6 + [2] * 4
    assert set(times[times.index.astype(int) >= 34]) == {3}


@pytest.mark.parametrize("name", ["svm", "mlp", "xgboost"])
def test_a_bag_averages_members_that_saw_balanced_rows(skewed, name, monkeypatch):
    table, labels = skewed
    seen = []
    kind = CLASSIFIERS[name]
    original = kind.fit
    monkeypatch.setattr(kind, "fit", lambda self, X, y: seen.append((X, y)) or original(self, X, y))
    base = classifier(name).set_params(**({"epochs": 5} if name == "mlp" else {}))
    bag = BalancedBagging(classifier=base, n_members=3).fit(table, labels)
    assert [np.unique(y, return_counts=True)[1].tolist() for _, y in seen] == [[40, 40]] * 3
    assert all("speaker" in X for X, _ in seen)
    assert not seen[0][0].equals(seen[1][0])
    probabilities = bag.predict_proba(table)
    members = [member.predict_proba(table) for member in bag.members_.values()]
    np.testing.assert_allclose(probabilities, np.mean(members, axis=0))


class Exact(TableClassifier):
    """Knows the densities: normal, of variance 1, around 0 and 1, and learns only the shares."""

    balance = None

    def fit(self, X, y):
        _, labels = self._training(X, y)
        self.shares_ = np.mean(labels[:, None] == self.classes_, axis=0)
        return self

    def probabilities(self, values):
        odds = self.shares_ * np.exp(-0.5 * (values - [0, 1]) ** 2)
        return odds / odds.sum(axis=1, keepdims=True)


def test_adjusted_probabilities_are_those_of_classes_that_are_equally_frequent():
    X, y = np.zeros((20, 1)), np.array(["common"] * 18 + ["scarce"] * 2)
    new = np.linspace(-3, 4, 71)[:, None]
    plain, adjusted = Exact().fit(X, y), LogitAdjustment(classifier=Exact()).fit(X, y)
    # The border of classes that are equally frequent is half way; that of 9 to 1 is where the odds are 9.
    np.testing.assert_array_equal(plain.predict(new) == "scarce", new.ravel() > 0.5 + np.log(9))
    np.testing.assert_allclose(adjusted.predict_proba(new)[:, 1], 1 / (1 + np.exp(0.5 - new.ravel())))


def test_the_adjustment_is_of_the_fused_probabilities_and_is_refused_for_numbers():
    spec = PipelineSpec(features={"preset": "best"}, rows={"imbalance": "logit-adjustment"})
    last = build_pipeline(spec)["classifier"]
    assert (type(last), type(last.classifier)) == (LogitAdjustment, LateFusion)
    assert type(last.classifier.classifier) is CLASSIFIERS["kernel-ridge"]
    alone = build_pipeline(PipelineSpec(network="conv1d", rows={"imbalance": "logit-adjustment"}))["classifier"]
    assert (type(alone), type(alone.classifier)) == (LogitAdjustment, LateFusion)
    with pytest.raises(SettingsError, match="needs classes, but --targets asks for numbers"):
        PipelineSpec(targets=["arousal"], rows={"imbalance": "logit-adjustment"})


@pytest.mark.parametrize("shares", [np.ones(2), np.array([0.5, 0.5, 0.0]), np.array([0.5, np.nan, 0.5]), "half"])
def test_shares_in_a_file_that_are_none_are_refused(shares):
    fitted = LogitAdjustment().fit(COLUMNS, CLASSES)
    fitted.shares_ = shares
    content = dump_estimators({"classifier": fitted})
    with pytest.raises(ModelFileError, match="share"):
        load_estimators(content, {"classifier": LogitAdjustment})


def test_adjusted_late_fusion_is_saved_and_its_networks_have_curves(demo_folder, tmp_path, command):
    model, report = tmp_path / "model.fusionser", tmp_path / "report"
    given = ["--corpus", "demo", "--imbalance", "logit-adjustment", "--epochs", "2", "--classifier", "mlp"]
    late = ["--blocks", "mfcc,chroma", "--fusion", "average"]
    answer = command("fit", demo_folder, *given, *late, "--no-estimate", "--out", model)
    assert answer.status == 0, answer.messages
    fitted = load_model(model)
    last = fitted.pipeline["classifier"]
    assert (type(last), type(last.members_["classifier"])) == (LogitAdjustment, LateFusion)
    clip = next(demo_folder.glob("*.wav"))
    told = command("predict", model, clip, "--json").json[0]
    fused = last.members_["classifier"].predict_proba(fitted.pipeline[:-1].transform(pd.DataFrame({"file": [clip]})))
    expected = fused[0] / last.shares_ / (fused[0] / last.shares_).sum()
    assert [told["probabilities"][name] for name in last.classes_] == pytest.approx(expected, abs=1e-4)
    answer = command("evaluate", demo_folder, *given, *late, "--protocol", "speaker-holdout", "--out", report)
    assert answer.status == 0, answer.messages
    curves = pd.read_csv(report / "learning_curves.csv")
    assert set(curves["network"]) == {"classifier mfcc", "classifier chroma"}


@pytest.mark.parametrize("name", ["svm", "mlp"])
def test_a_bag_and_an_imposed_imbalance_at_the_command_line(demo_folder, tmp_path, command, name):
    model = tmp_path / "model.fusionser"
    given = ["--corpus", "demo", "--preset", "fusionnet", "--gender", "none", "--classifier", name]
    balanced = ["--impose-imbalance", "4", "--imbalance", "balanced-bagging", "--augment", "noise"]
    epochs = ["--epochs", "3"] if name == "mlp" else []
    answer = command("fit", demo_folder, *given, *balanced, "--augment-classes", "scarce", *epochs, "--out", model)
    assert answer.status == 0, answer.messages
    clip = next(demo_folder.glob("*.wav"))
    assert command("predict", model, clip, "--json").json[0]["emotion"]
    wrong = command("evaluate", demo_folder, *given, "--augment-classes", "scarce")
    assert wrong.status != 0 and "--augment-classes scarce needs --augment" in wrong.messages
