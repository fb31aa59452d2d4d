"""Training against the shares of the votes of several raters."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from pretrained_models import made_model
from scipy.special import log_softmax
from skorch.dataset import Dataset

from fusionser.augmentation import AugmentRows
from fusionser.balancing import BalanceRows
from fusionser.classifiers import MLP, BiLSTM
from fusionser.corpora import list_rows
from fusionser.errors import LeakageError, SettingsError
from fusionser.evaluation import evaluate
from fusionser.evaluation.guard import check_unlabelled, without_labels
from fusionser.evaluation.soft_labels import cross_entropy
from fusionser.model import load_model
from fusionser.networks import (
    Batches,
    Distortion,
    NetworkTraining,
    Perceptron,
    TrainingRows,
    train_network,
)
from fusionser.networks.corpora import CorpusCrossEntropy, CorpusTurns, classes_of_corpora, shares_of_pairs
from fusionser.networks.soft_labels import counts_of, shares_of
from fusionser.pipeline import PipelineSpec, Place, build_pipeline, prepare
from fusionser.registry import REGRESSORS
from fusionser.rows import VOTES_COLUMN
from fusionser.splits import SpeakerKFold
from fusionser.splits.validation_rows import validated_by
from fusionser.temperature import fit_temperature, tempered_by_others

CLASSES = np.array(["angry", "calm", "sad"])


def votes(*counts):
    return [json.dumps(count) for count in counts]


def first_loss(targets, shares=None, **settings):
    """Return the loss of an untrained network on one batch of all rows, and what it is computed from."""
    inputs = np.random.default_rng(0).normal(size=(len(targets), 2)).astype(np.float32)
    torch.manual_seed(3)
    network = Perceptron(2, 3, (4,))
    with torch.no_grad():
        logs = log_softmax(network.train()(torch.from_numpy(inputs)).double().numpy(), axis=1)
    rows = TrainingRows(inputs=inputs, targets=targets, shares=shares)
    options = NetworkTraining(epochs=1, batch_size=len(targets), validation=0.0, cache=False, **settings)
    _, history = train_network(lambda: network, rows, np.arange(3), options, name="the network")
    return history[0]["training_loss"], logs


SHARES = np.float32([[0.75, 0.25, 0.0], [0.0, 1.0, 0.0], [0.2, 0.2, 0.6], [0.5, 0.25, 0.25]])
TARGETS = SHARES.argmax(axis=1).astype(np.int64)


def test_the_loss_is_the_mean_of_the_cross_entropies_of_the_labels_weighted_by_their_shares():
    loss, logs = first_loss(TARGETS, SHARES)
    assert loss == pytest.approx(-(SHARES * logs).sum() / 4, rel=1e-5)
    assert loss != pytest.approx(-logs[np.arange(4), TARGETS].mean(), rel=1e-2)
    # Four rows, each once for each of 20 votes with its label.
    repeated = [
        (place, name) for place, row in enumerate(SHARES) for name in range(3) for _ in range(round(20 * row[name]))
    ]
    assert loss == pytest.approx(np.mean([-logs[place, name] for place, name in repeated]), rel=1e-5)


def weighted(logs, weights, smoothing=0.0):
    """Return the loss by its formula: a row has the weight of its label, equal shares those of their classes."""
    terms = (1 - smoothing) * weights[TARGETS][:, None] * SHARES + smoothing / 3 * weights
    return -(terms * logs).sum() / 4


def test_a_row_has_the_weight_of_its_label_and_smoothing_mixes_with_equal_shares():
    weights = np.array([3.0, 1.0, 0.5])
    loss, logs = first_loss(TARGETS, SHARES, class_weight=dict(enumerate(weights)), label_smoothing=0.1)
    assert loss == pytest.approx(weighted(logs, weights, 0.1), rel=1e-5)
    # Weights are as good as repetitions: the first and the last row six times, the second twice, the third once.
    places = np.repeat(np.arange(4), [6, 2, 1, 6])
    plain, _ = first_loss(TARGETS, SHARES, class_weight=dict(enumerate(weights)))
    assert plain == pytest.approx(-(SHARES * logs).sum(axis=1)[places].sum() / 2 / 4, rel=1e-5)


def test_balanced_weights_go_by_the_labels():
    loss, logs = first_loss(TARGETS, SHARES, class_weight="balanced")
    # Two rows are labelled 0, one each 1 and 2.
    assert TARGETS.tolist() == [0, 1, 2, 0]
    assert loss == pytest.approx(weighted(logs, np.array([4 / 6, 4 / 3, 4 / 3])), rel=1e-5)


def test_votes_for_a_class_without_weight_do_not_count():
    weights = np.array([1.0, 2.0, 0.0])
    loss, logs = first_loss(TARGETS, SHARES, class_weight=dict(enumerate(weights)))
    expected = np.array([1.0, 2.0, 0.0, 1.0])[:, None] * SHARES * (weights > 0) * logs
    assert loss == pytest.approx(-expected.sum() / 4, rel=1e-5)


def test_mixup_mixes_the_shares_as_it_mixes_the_inputs():
    dataset = Dataset(torch.eye(3), torch.from_numpy(SHARES[:3]))
    options = {"n_classes": 3, "distortion": Distortion(mixup=1.0)}
    ((inputs, targets),) = Batches(dataset, 3, rng=np.random.default_rng(1), **options)
    assert (inputs.amax(dim=1) < 1).any()
    torch.testing.assert_close(targets, inputs @ torch.from_numpy(SHARES[:3]))


def test_the_votes_for_a_class_that_a_corpus_lacks_do_not_count():
    corpora = np.array([0, 0, 1, 1])
    present = classes_of_corpora(np.array([0, 1, 2, 0]), corpora, 3)
    pairs = shares_of_pairs(SHARES, corpora, present)
    assert pairs.shape == (4, 6)
    np.testing.assert_allclose(pairs[0], [0.75, 0.25, 0, 0, 0, 0])
    # The rows of corpus 1 have the classes 0 and 2.
    np.testing.assert_allclose(pairs[2], [0, 0, 0, 0.25, 0, 0.75], rtol=1e-6)
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    loss = CorpusCrossEntropy(torch.from_numpy(present))(logits, torch.from_numpy(pairs))
    kept = np.where(present[corpora], logits.double().numpy(), -np.inf)
    logs = np.where(present[corpora], log_softmax(kept, axis=1), 0.0)
    assert float(loss) == pytest.approx(-(pairs.reshape(4, 2, 3).sum(axis=1) * logs).sum() / 4, rel=1e-5)


def test_weights_of_several_corpora_are_those_of_the_label_in_its_corpus():
    targets, corpora = np.array([0, 1, 2, 0, 0]), np.array([0, 0, 1, 1, 1])
    inputs = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
    shares = np.vstack([SHARES, [[0.6, 0.0, 0.4]]]).astype(np.float32)
    torch.manual_seed(3)
    network = Perceptron(2, 3, (4,))
    with torch.no_grad():
        logits = network.train()(torch.from_numpy(inputs)).double().numpy()
    rows = TrainingRows(inputs=inputs, targets=targets, corpora=corpora, shares=shares)
    options = NetworkTraining(epochs=1, batch_size=5, validation=0.0, cache=False, by_corpus=True, soft_labels=True)
    options.class_weight = "balanced"
    _, history = train_network(lambda: network, rows, np.arange(3), options, name="the network")
    present = np.array([[True, True, False]] * 2 + [[True, False, True]] * 3)
    own = np.where(present, shares, 0.0)
    own /= own.sum(axis=1, keepdims=True)
    logs = np.where(present, log_softmax(np.where(present, logits, -np.inf), axis=1), 0.0)
    # Balanced within each corpus: one row of each class; two of class 0 and one of class 2.
    losses = -np.array([1, 1, 3 / 2, 3 / 4, 3 / 4]) * (own * logs).sum(axis=1)
    # An epoch of five rows takes turns: three of one corpus, two of the other.
    turns = CorpusTurns(corpora=corpora, seed=0).rows(0)
    assert history[0]["training_loss"] == pytest.approx(losses[turns].mean(), rel=1e-5)


def test_shares_are_those_of_the_votes_for_classes():
    X = pd.DataFrame({VOTES_COLUMN: votes({"angry": 3, "fear": 4, "sad": 1}, {"fear": 2}, {"sad": 5})})
    labels = np.array(["angry", "calm", "sad"])
    assert shares_of(X, labels, CLASSES).tolist() == [[0.75, 0.0, 0.25], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    # Without rows there is nothing to lack votes.
    assert shares_of(X.iloc[:0], labels[:0], CLASSES).shape == (0, 3)


@pytest.mark.parametrize("text", ["angry 2", "[1]", '{"angry": 0.5}', '{"angry": -1}', '{"angry": true}', "NaN"])
def test_what_is_no_count_of_votes_is_refused(text):
    with pytest.raises(SettingsError, match="expected the number of votes by emotion"):
        counts_of(text)


CENTRES = {"angry": (4.0, 0.0), "calm": (-4.0, 0.0), "sad": (0.0, 6.0)}


def clusters(calm=7, clips=240, seed=0):
    """Return rows in three clusters far apart; of ten votes for each calm row, ten less `calm` are sad."""
    rng = np.random.default_rng(seed)
    labels = np.array(sorted(CENTRES))[np.arange(clips) % 3]
    values = np.array([CENTRES[name] for name in labels]) + rng.normal(0, 0.5, (clips, 2))
    counts = {"angry": {"angry": 10}, "calm": {"calm": calm, "sad": 10 - calm}, "sad": {"sad": 10}}
    table = pd.DataFrame(values, columns=["a__x", "a__y"]).assign(
        speaker=[f"s/{place // 3 % 8}" for place in range(clips)],
        source=[str(place) for place in range(clips)],
        augmentation="",
        corpus="c",
    )
    return table.assign(**{VOTES_COLUMN: votes(*(counts[name] for name in labels))}), labels


QUICK = {"hidden": (16,), "epochs": 60, "patience": None, "learning_rate": 0.02, "cache": False}


@pytest.mark.parametrize("calm", [6, 7, 9])
def test_probabilities_approach_the_shares_of_a_pair_that_raters_confuse(calm):
    table, labels = clusters(calm)
    new, truth = clusters(calm, seed=1)
    of_pair = truth == "calm"
    found = {}
    for soft in (False, True):
        model = MLP(**QUICK, soft_labels=soft).fit(table, labels)
        assert model.predict(new).tolist() == truth.tolist()
        found[soft] = model.predict_proba(new)
    places = CLASSES.tolist()
    np.testing.assert_allclose(found[True][of_pair][:, places.index("calm")].mean(), calm / 10, atol=0.03)
    np.testing.assert_allclose(found[True][of_pair][:, places.index("sad")].mean(), 1 - calm / 10, atol=0.03)
    assert found[False][of_pair][:, places.index("calm")].min() > 0.98
    assert found[True][~of_pair].max(axis=1).mean() > 0.97


def test_validation_rows_of_a_protocol_calibrate_by_their_shares():
    table, labels = clusters()
    held, known = clusters(seed=2)
    new, truth = clusters(seed=1)
    with validated_by(held, known):
        by_protocol = MLP(**QUICK, soft_labels=True).fit(table, labels)
    explicit = MLP(**QUICK, soft_labels=True).fit(table, labels, validation_rows=(held, known))
    np.testing.assert_array_equal(by_protocol.predict_proba(new), explicit.predict_proba(new))
    confused = explicit.predict_proba(new)[truth == "calm"]
    np.testing.assert_allclose(confused.mean(axis=0), [0.0, 0.7, 0.3], atol=0.03)


@pytest.mark.parametrize("network", [MLP(**QUICK), BiLSTM(units=4, epochs=3, cache=False)])
@pytest.mark.parametrize("weight", [None, "balanced"])
def test_votes_of_one_rater_are_the_labels_bit_by_bit(network, weight):
    table, labels = clusters()
    table[VOTES_COLUMN] = votes(*({name: 1} for name in labels))
    network.set_params(class_weight=weight, label_smoothing=0.05)
    hard = network.set_params(soft_labels=False).fit(table, labels).predict_proba(table)
    soft = network.set_params(soft_labels=True).fit(table, labels).predict_proba(table)
    np.testing.assert_array_equal(hard, soft)
    # The number of votes does not count.
    table[VOTES_COLUMN] = votes(*({name: 5} for name in labels))
    np.testing.assert_array_equal(network.fit(table, labels).predict_proba(table), soft)


def test_a_network_with_soft_labels_needs_votes():
    table, labels = clusters()
    for given in (
        table.drop(columns=VOTES_COLUMN),
        table.assign(**{VOTES_COLUMN: ""}),
        table[["a__x", "a__y"]].to_numpy(),
    ):
        with pytest.raises(SettingsError, match=r"needs the votes of several raters.*\(--raters\)"):
            MLP(**QUICK, soft_labels=True).fit(given, labels)
    with pytest.raises(SettingsError, match="soft_labels with balance='smote', which makes rows that have no votes"):
        MLP(**QUICK, soft_labels=True, balance="smote").fit(table, labels)
    with pytest.raises(SettingsError, match="soft_labels is 'yes'; expected true or false"):
        MLP(soft_labels="yes").fit(table, labels)
    with pytest.raises(SettingsError, match="soft_labels is True; it needs classes"):
        REGRESSORS["mlp"](soft_labels=True).fit([[0.0], [1.0]], [0.0, 1.0])


def test_temperatures_fit_shares_as_they_fit_repeated_labels():
    probabilities, shares = np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([[0.75, 0.25], [0.5, 0.5]])
    repeated = fit_temperature(np.repeat(probabilities, 4, axis=0), [0, 0, 0, 1, 0, 0, 1, 1])
    assert fit_temperature(probabilities, shares) == pytest.approx(repeated, rel=1e-6)
    by_others = tempered_by_others(probabilities, shares, ["a", "b"])
    assert by_others[0].tolist() == pytest.approx([0.5, 0.5], abs=0.1)


def test_the_cross_entropy_is_that_of_scipy():
    rng = np.random.default_rng(0)
    shares, logits = rng.dirichlet(np.ones(3), 20), rng.normal(size=(20, 3))
    logs = log_softmax(logits, axis=1)
    assert cross_entropy(shares, np.exp(logs)) == pytest.approx(-(shares * logs).sum(axis=1).mean())
    assert str(cross_entropy(np.eye(2), np.eye(2))) == "0.0"
    # A probability of zero counts as 1e-6.
    assert cross_entropy(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])) == pytest.approx(6 * np.log(10))


class Reader(MLP):
    """A planted fault: it answers what most raters say of the row, where it is told."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        if VOTES_COLUMN not in X:
            return np.full(len(X), self.classes_[0])
        return np.array([max(counts_of(text), key=counts_of(text).get) for text in X[VOTES_COLUMN]])

    def predict_proba(self, X):
        return np.eye(3)[np.searchsorted(self.classes_, self.predict(X))]


def whole(table, labels):
    """Return clusters as rows that the evaluation takes."""
    more = {"file": [f"{n}.wav" for n in range(len(table))], "start": 0.0, "end": 1.0, "emotion": labels}
    texts = dict.fromkeys(("gender", "statement", "intensity"), "")
    return table.assign(**more, **texts, channel="speech", audio=[f"audio{n}" for n in range(len(table))])


def test_the_votes_on_test_rows_are_hidden_from_the_pipeline(monkeypatch):
    rows = whole(*clusters())
    assert evaluate(rows, Reader(), SpeakerKFold(folds=2)).pooled.uar == pytest.approx(1 / 3)
    # The same without the guard, so that the planted fault is one.
    forgets = lambda given: given.assign(emotion="")  # noqa: E731
    monkeypatch.setattr(sys.modules["fusionser.evaluation.evaluate"], "without_labels", forgets)
    assert evaluate(rows, Reader(), SpeakerKFold(folds=2)).pooled.uar == 1.0
    with pytest.raises(LeakageError, match="240 of 240 test rows have their votes where a pipeline is adapted"):
        check_unlabelled(forgets(rows))
    check_unlabelled(without_labels(rows))


@pytest.fixture
def table(demo_folder, tmp_path):
    """Return a table of four raters: one who errs in every third row, one who left out most rows. One is a tie."""
    rows = list_rows(demo_folder, "demo").rows
    truth = rows["emotion"]
    names = sorted(set(truth))
    other = truth.map({name: names[(place + 1) % len(names)] for place, name in enumerate(names)})
    third = np.arange(len(rows)) % 3 == 0
    rows = rows.assign(emotion="", rater_1=truth.where(~third, other), rater_2=truth, rater_3=truth, rater_4="")
    rows.loc[:9, "rater_4"] = truth[:10]
    rows.loc[0, ["rater_2", "rater_3", "rater_4"]] = [truth[0], "", ""]
    rows.loc[11, "rater_1"] = ""
    file = tmp_path / "rows.csv"
    rows.to_csv(file, index=False)
    return file


@pytest.fixture
def prepared(table):
    spec = PipelineSpec(features={"blocks": ["mfcc"]}, classifier={"name": "mlp"}, soft_labels=True)
    return prepare([Place(table)], spec, raters=["rater_*"])


def test_rows_have_the_votes_instead_of_the_columns_of_the_raters(prepared):
    table = prepared.table
    assert not [name for name in table if name.startswith("rater_")]
    assert len(table) == 239
    found = shares_of(table, table["emotion"].to_numpy(dtype=object), np.array(sorted(set(table["emotion"]))))
    np.testing.assert_allclose(np.unique(found.max(axis=1)), [2 / 3, 3 / 4, 1], rtol=1e-6)


class Caught(Exception):
    pass


@pytest.mark.parametrize("block", ["mfcc", "conv1d"])
def test_copies_and_repetitions_of_a_clip_have_its_shares(prepared, monkeypatch, block):
    seen = {}

    def spy(build, rows, classes, settings, **more):
        seen["shares"] = rows.shares
        raise Caught

    for module in ("fusionser.classifiers.neural", "fusionser.networks.extractor"):
        monkeypatch.setattr(sys.modules[module], "train_network", spy)
    rows = prepared.table.groupby("emotion").head(6).iloc[:-3]
    labels = rows["emotion"].to_numpy(dtype=object)
    more, names = AugmentRows(kinds=["noise(20)"], random_state=0).fit_resample(rows, labels)
    more, names = BalanceRows(strategy="oversample", random_state=0).fit_resample(more, names)
    assert len(more) > 2 * len(rows)
    spec = PipelineSpec(
        features={"blocks": [block]},
        rows={"augment": ["noise(20)"], "imbalance": "oversample"},
        classifier={"name": "mlp", "parameters": {"validation": 0.0}},
        networks={"parameters": {"validation": 0.0}} if block == "conv1d" else {},
        soft_labels=True,
    )
    with pytest.raises(Caught):
        build_pipeline(spec).fit(rows, labels)
    of_clips = dict(zip(rows["source"], shares_of(rows, labels, np.unique(labels)).tolist(), strict=True))
    assert seen["shares"].tolist() == [of_clips[source] for source in more["source"]]
    assert (seen["shares"].max(axis=1) < 1).any()


COMMON = ("--raters", "rater_*", "--blocks", "mfcc", "--folds", "2")
MLP_SOFT = ("--classifier", "mlp", "--epochs", "4", "--soft-labels")


def kinds(result):
    return {stamp["kind"]: stamp["value"] for stamp in (*result["protocol"]["stamps"], *result["notes"])}


def test_the_command_states_it_stores_it_and_repeats_it(command, table, tmp_path):
    config = tmp_path / "settings.toml"
    run = command("evaluate", table, *COMMON, *MLP_SOFT, "--save-config", config, "--out", tmp_path / "report")
    assert run.status == 0, run.messages
    told = " ".join(run.output.split())
    assert "trained on the shares of the votes of raters (2 to 4 votes per recording)" in told
    assert "soft_labels = true" in config.read_text()
    stored = json.loads((tmp_path / "report" / "result.json").read_text())
    assert stored["spec"]["soft_labels"] is True
    assert kinds(stored)["soft-labels"] == [2, 4] and kinds(stored)["raters"]["unsettled"] == 1
    assert "majority-labels" not in kinds(stored)
    # The cross-entropy, from the table of predictions.
    predictions = pd.read_csv(tmp_path / "report" / "predictions.csv")
    assert len(predictions) == 239 == np.sum(stored["confusion"])
    losses, entropies = [], []
    for _, row in predictions.iterrows():
        counts = json.loads(row[VOTES_COLUMN])
        shares = {name: count / sum(counts.values()) for name, count in counts.items()}
        losses.append(-sum(share * np.log(row[f"probability_{name}"]) for name, share in shares.items()))
        entropies.append(-sum(share * np.log(share) for share in shares.values()))
    measured = kinds(stored)["votes-cross-entropy"]
    assert measured["nats"] == pytest.approx(np.mean(losses)) and measured["least"] == pytest.approx(np.mean(entropies))
    for settings in (config, tmp_path / "report" / "result.json"):
        again = command("evaluate", table, "--config", settings, "--folds", "2", "--json").json
        assert again["confusion"] == stored["confusion"]
        assert again["spec"] == stored["spec"] and kinds(again) == kinds(stored)
    hard = command("evaluate", table, "--config", config, "--folds", "2", "--hard-labels", "--json").json
    assert "soft_labels" not in hard["spec"] and "soft-labels" not in kinds(hard)
    assert kinds(hard)["votes-cross-entropy"]["least"] == measured["least"]
    assert kinds(hard)["votes-cross-entropy"]["nats"] != measured["nats"]


def test_votes_travel_in_features_files_as_the_columns_of_their_raters(command, table, tmp_path):
    file = tmp_path / "features.parquet"
    assert command("extract", table, *COMMON[:4], "--out", file).status == 0
    from_file, from_table = (command("evaluate", place, *COMMON, *MLP_SOFT, "--json").json for place in (file, table))
    assert VOTES_COLUMN not in pd.read_parquet(file)
    assert from_file["confusion"] == from_table["confusion"]
    assert kinds(from_file)["soft-labels"] == [2, 4]


@pytest.mark.parametrize(
    "block", ["transformers-attentive[model={},epochs=2]", "transformers-finetuned[model={},epochs=1]"]
)
def test_encoders_of_speech_learn_the_shares(command, table, tmp_path, block):
    pytest.importorskip("transformers", reason="the extra 'transformers' is not installed")
    named = block.format(made_model("WavLM", tmp_path / "wavlm"))
    common = ("--raters", "rater_*", "--blocks", named, "--fusion", "average", "--duration", "0.5", "--json")
    runs = [command("evaluate", table, *common, "--folds", "2", given) for given in ("--soft-labels", "--hard-labels")]
    assert [run.status for run in runs] == [0, 0], runs[0].messages
    soft, hard = (kinds(run.json) for run in runs)
    assert soft["soft-labels"] == [2, 4] and "soft-labels" not in hard
    # A third of the rows has two labels, so the probabilities differ where a network learns from them.
    assert soft["votes-cross-entropy"]["nats"] != hard["votes-cross-entropy"]["nats"]


def test_an_svm_beside_a_network_learns_the_majority_and_says_so(command, table):
    both = command(
        "evaluate",
        table,
        "--raters",
        "rater_*",
        "--blocks",
        "mfcc,conv1d",
        "--folds",
        "2",
        "--epochs",
        "1",
        "--soft-labels",
        "--json",
    )
    assert both.status == 0, both.messages
    assert kinds(both.json)["majority-labels"] == "svm" and kinds(both.json)["soft-labels"] == [2, 4]
    alone = command(
        "evaluate",
        table,
        "--raters",
        "rater_*",
        "--network",
        "conv1d",
        "--folds",
        "2",
        "--epochs",
        "1",
        "--soft-labels",
    )
    assert alone.status == 0, alone.messages
    assert "trained on the shares of the votes" in " ".join(alone.output.split())
    assert "learns the emotions with most votes" not in " ".join(alone.output.split())


def test_a_model_says_that_its_probabilities_are_shares(command, table, tmp_path):
    out = tmp_path / "model.fusionser"
    run = command("fit", table, *COMMON[:4], *MLP_SOFT, "--out", out)
    assert run.status == 0, run.messages
    answers = command("predict", out, Path(pd.read_csv(table)["file"][20]), "--json").json
    assert sum(answers[0]["probabilities"].values()) == pytest.approx(1)
    card = load_model(out).card
    assert card.spec.soft_labels and card.calibration_error is None
    assert [note.value for note in card.notes if note.kind == "soft-labels"] == [[2, 4]]
    assert "trained on the shares of the votes of raters" in " ".join(command("info", out).output.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--classifier", "mlp", "--soft-labels"], "name the columns with their labels (--raters 'rater_*')"),
        (
            ["--raters", "rater_*", "--soft-labels"],
            "svm cannot train by the shares of votes (--soft-labels); classifiers that can: mlp, lstm, bilstm",
        ),
        (
            ["--raters", "rater_*", "--soft-labels", "--classifier", "xgboost"],
            "xgboost cannot train by the shares of votes",
        ),
        (
            [*COMMON, *MLP_SOFT, "--imbalance", "smote"],
            "smote makes rows between those of a class, which no rater has heard",
        ),
        (
            [*COMMON[2:], *MLP_SOFT, "--targets", "loudness"],
            "--soft-labels needs classes, but --targets asks for numbers",
        ),
        (
            ["--raters", "rater_*", "--blocks", "mfcc", "--targets", "loudness"],
            "--raters decides the emotion of rows by votes, and --targets asks for numbers",
        ),
        (["--blocks", "mfcc,mfcc"], "got the block 'mfcc' twice (--blocks)"),
        ([*COMMON, "--columns", "rater_1"], "the table has no column 'rater_1'"),
    ],
)
def test_what_cannot_be_trained_by_votes_is_refused(command, table, options, message):
    run = command("evaluate", table, *options)
    assert run.status == 1
    assert message in " ".join(run.messages.split())
