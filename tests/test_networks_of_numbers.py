"""Networks that predict numbers: as blocks, alone, in late fusion, and in files, on voices of a known level."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from numbered_voices import write_voices
from prepared_rows import under
from sklearn.linear_model import Ridge
from sklearn.svm import SVR
from sklearn.utils.estimator_checks import parametrize_with_checks

import fusionser
from fusionser.agreement import mean_concordance
from fusionser.archive import read_archive, write_archive
from fusionser.dimension_results import read_any_result
from fusionser.errors import ModelFileError, SettingsError
from fusionser.evaluation.dimensions import evaluate_dimensions
from fusionser.model import load_model, save_model
from fusionser.networks import Batches, Conv1DExtractor, Conv2DExtractor, CRNNExtractor, DeepExtractor, Distortion
from fusionser.networks import checkpoints as checkpoints_module
from fusionser.networks.inference import logits_of
from fusionser.networks.progress import training_progress
from fusionser.pipeline import Place, build_estimator, prepare
from fusionser.regressors import LSTM, MLP, SVM, BiLSTM, LateFusion
from fusionser.rows import load_rows
from fusionser.spec import PipelineSpec
from fusionser.splits import InnerFolds, SpeakerKFold
from fusionser.splits.validation_rows import validated_by
from fusionser.target_scales import TargetScales

TASK = {"task": "dimensions", "targets": ("level", "shuffled")}
BRIEF = {"epochs": 20}
RECURRENT = {"units": 8, "learning_rate": 0.01}


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    return write_voices(tmp_path_factory.mktemp("voices"))


@pytest.fixture(scope="module")
def prepared(voices):
    return prepare([Place(voices)], PipelineSpec(**TASK, features={"blocks": ("mfcc", "rms", "conv1d")}))


@pytest.fixture(scope="module")
def rows(voices):
    """Return rows without targets, and the targets."""
    table = load_rows(voices)
    return table.drop(columns=["level", "shuffled"]), table[["level", "shuffled"]].to_numpy(dtype=float)


def evaluated(prepared, blocks, **parts):
    own = under(prepared, features={"blocks": blocks}, **parts) if blocks else under(prepared, **parts)
    return evaluate_dimensions(own.table, build_estimator(own.spec), SpeakerKFold(folds=3), own.spec.targets)


@parametrize_with_checks(
    [
        MLP(epochs=30, learning_rate=0.03, validation=0.0, patience=None),
        LSTM(units=8, step_size=10, epochs=40, learning_rate=0.03, validation=0.0),
        BiLSTM(units=8, step_size=10, epochs=40, learning_rate=0.03, validation=0.0),
        LateFusion(),
        LateFusion(method="stacked"),
    ]
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


WAYS = {
    "lstm": (("mfcc", "rms"), {"classifier": {"name": "lstm", "parameters": RECURRENT}, "networks": {"epochs": 40}}),
    "bilstm": (
        ("mfcc", "rms"),
        {"classifier": {"name": "bilstm", "parameters": RECURRENT}, "networks": {"epochs": 40}},
    ),
    "units of conv1d": (("conv1d",), {"networks": BRIEF}),
    "numbers of conv1d, out of fold": (("conv1d",), {"networks": {**BRIEF, "cross_fit": 2}}),
    "conv1d alone": ((), {"features": {}, "network": "conv1d", "networks": BRIEF}),
    "frames alone": (
        (),
        {
            "features": {},
            "network": "log-mel-frames",
            "networks": {"epochs": 15, "parameters": {"units": 16, "learning_rate": 0.01}},
        },
    ),
    "an average": (("mfcc", "rms", "conv1d"), {"networks": BRIEF, "fusion": "average"}),
    "weights": (("mfcc", "rms", "conv1d"), {"networks": {**BRIEF, "cross_fit": 2}, "fusion": "weighted"}),
    "a stack": (("mfcc", "rms", "conv1d"), {"networks": {**BRIEF, "cross_fit": 2}, "fusion": "stacked"}),
    "blocks without networks": (("mfcc", "rms"), {"fusion": "weighted"}),
    "augmented": (("conv1d",), {"networks": BRIEF, "rows": {"augment": ("noise",)}}),
    "speaker-normalised": (("mfcc", "conv1d"), {"networks": BRIEF, "setting": "speaker-normalised"}),
    "adapted": (("mfcc", "conv1d"), {"networks": BRIEF, "setting": "adapted"}),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_planted_level_of_unseen_speakers_is_predicted_and_a_shuffled_one_is_not(prepared, way):
    blocks, parts = WAYS[way]
    found = evaluated(prepared, blocks, **parts)
    assert found.pooled["level"].ccc > 0.75
    assert abs(found.pooled["shuffled"].ccc) < 0.3
    assert {len(set(part["fold"])) for _, part in found.predictions.groupby("speaker")} == {1}
    trained = "network" in parts or "conv1d" in blocks or parts.get("classifier") is not None
    assert bool(len(found.curves)) is trained
    if trained:
        assert {"training_loss", "validation_ccc"} <= set(found.curves)


def test_no_number_of_a_test_row_and_no_column_of_a_target_reaches_a_network(voices, prepared, monkeypatch):
    seen = []
    fit = DeepExtractor.fit

    def spied(self, X, y, *given, **more):
        seen.append((set(X), np.array(y)))
        return fit(self, X, y, *given, **more)

    monkeypatch.setattr(DeepExtractor, "fit", spied)
    own = under(prepared, features={"blocks": ("conv1d",)}, networks={"epochs": 3})
    table, folds = own.table, SpeakerKFold(folds=3)
    first = folds.named_folds(table)[0]
    tested = table.index[first[2]]
    changed = table.copy()
    changed.loc[tested, ["level", "shuffled"]] += np.random.default_rng(0).normal(0, 30, (len(tested), 2))
    estimator = build_estimator(own.spec)
    before, after = (evaluate_dimensions(one, estimator, folds, own.spec.targets) for one in (table, changed))
    columns = ["predicted_level", "predicted_shuffled"]
    found = [one.predictions.loc[one.predictions["fold"] == first[0], columns] for one in (before, after)]
    pd.testing.assert_frame_equal(*found)
    others = [one.predictions.loc[one.predictions["fold"] != first[0], columns] for one in (before, after)]
    assert not np.allclose(*others)
    # Three folds before the change, and three after it.
    assert not set(changed.loc[tested, "level"]) & set(seen[3][1][:, 0])
    assert set(changed.loc[tested, "level"]) & set(seen[4][1][:, 0])
    assert not any({"level", "shuffled"} & names for names, _ in seen)
    seen.clear()
    fusionser.fit(voices, own.spec, protocol=None)
    assert seen
    assert not any({"level", "shuffled"} & names for names, _ in seen)


def test_a_block_of_numbers_predicts_in_the_unit_of_the_target(rows):
    clips, numbers = rows
    block = Conv1DExtractor(epochs=20, output="scores").fit(clips, 1000 + 7 * numbers)
    assert block.names() == ["predicted_1", "predicted_2"]
    assert block.column_count(2) == 2
    predicted = block.predict(clips)
    assert mean_concordance(1000 + 7 * numbers[:, :1], predicted[:, :1]) > 0.8
    scaled = (predicted - (1000 + 7 * numbers).mean(axis=0)) / (7 * numbers).std(axis=0)
    np.testing.assert_allclose(block.transform(clips), scaled, rtol=1e-4, atol=1e-5)
    with pytest.raises(SettingsError, match="fitted to numbers, which have no probabilities"):
        block.predict_proba(clips)
    # In another unit, the same network.
    same = Conv1DExtractor(epochs=20, output="scores").fit(clips, numbers)
    np.testing.assert_allclose(same.transform(clips), block.transform(clips), rtol=1e-3, atol=1e-3)


def test_cross_fitted_numbers_are_those_of_networks_without_the_speaker(rows):
    clips, numbers = rows
    block = Conv1DExtractor(epochs=4, output="scores", cross_fit=2)
    columns = block.fit_transform(clips, numbers)
    assert block.names() == ["crossfitted_predicted_1", "crossfitted_predicted_2"]
    for train, held in InnerFolds(folds=2, stratified=False).split(clips, numbers):
        assert not set(clips["speaker"].iloc[train]) & set(clips["speaker"].iloc[held])
        inner = Conv1DExtractor(epochs=4, output="scores").fit(clips.iloc[train], numbers[train])
        expected = (inner.predict(clips.iloc[held]) - numbers.mean(axis=0)) / numbers.std(axis=0)
        np.testing.assert_allclose(columns[held], expected, rtol=1e-4, atol=1e-5)


def test_the_epoch_with_the_best_concordance_of_held_out_speakers_is_kept(rows):
    clips, numbers = rows
    held = clips["speaker"].isin(["s4", "s5"]).to_numpy()
    with validated_by(clips[held], numbers[held]):
        block = Conv1DExtractor(epochs=8, output="scores").fit(clips[~held], numbers[~held])
    train = numbers[~held]
    truth = (numbers[held] - train.mean(axis=0)) / train.std(axis=0)
    # Before they are kept within the range of training.
    outputs = logits_of(block.network_, block.resolved_front_end().compute_all(clips[held]))
    best = max(epoch["validation_ccc"] for epoch in block.history_)
    assert mean_concordance(truth, outputs) == pytest.approx(best, abs=1e-4)
    limited = np.clip(outputs * train.std(axis=0) + train.mean(axis=0), train.min(axis=0), train.max(axis=0))
    np.testing.assert_allclose(block.predict(clips[held]), limited, rtol=1e-5)


@pytest.mark.parametrize(
    "given", [{"class_weight": "balanced"}, {"label_smoothing": 0.3}, {"by_corpus": True}, {"soft_labels": True}]
)
def test_what_needs_classes_is_refused(rows, given):
    for estimator, X in ((Conv1DExtractor(**given), rows[0]), (BiLSTM(**given), rows[1])):
        with pytest.raises(SettingsError, match=f"{next(iter(given))} is .*needs classes"):
            estimator.fit(X, rows[1])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.full((120, 1), np.nan), "not finite"),
        (np.zeros((119, 2)), "expected one per row, or numbers"),
        (np.zeros((120, 0)), "expected one per row, or numbers"),
        (np.full((120, 1), "sad"), "expected one per row, or numbers"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(rows, labels, message):
    with pytest.raises(SettingsError, match=message):
        Conv1DExtractor().fit(rows[0], labels)


def test_batches_of_numbers_are_distorted_and_mixed_alike():
    class Data:
        X = torch.arange(40.0)[:, None]
        y = torch.arange(40.0)[:, None] * 3

    batches = Batches(Data, 8, rng=np.random.default_rng(0), distortion=Distortion(mixup=1.0))
    mixed = list(batches)
    for inputs, targets in mixed:
        torch.testing.assert_close(targets, 3 * inputs)
    assert any((inputs % 1 > 0.01).any() for inputs, _ in mixed)


def test_predictions_stay_within_the_range_of_training():
    X = np.linspace(0, 1, 80)[:, None]
    fitted = MLP(learning_rate=0.01).fit(X, np.c_[5 + 2 * X, -X])
    assert fitted.predict([[1000.0]]) == pytest.approx(np.array([[7.0, -1.0]]))
    scales = TargetScales.of(np.array([[1.0, 4.0], [3.0, 4.0]]))
    np.testing.assert_allclose(scales.restored(np.array([[9.0, 9.0], [-9.0, 0.0]])), [[3.0, 4.0], [1.0, 4.0]])


@pytest.fixture(scope="module")
def fused():
    """Return columns that go with the target, numbers that do so better, numbers that say nothing, and the target."""
    rng = np.random.default_rng(0)
    truth = rng.normal(50, 10, (240, 1))
    scaled = (truth - truth.mean()) / truth.std()
    table = pd.DataFrame({"speaker": [f"s{number // 30}" for number in range(240)]})
    for number in range(3):
        table[f"a__x{number}"] = scaled[:, 0] + rng.normal(0, 2.0, 240)
    table["good__crossfitted_predicted_1"] = scaled[:, 0] + rng.normal(0, 0.3, 240)
    table["noise__crossfitted_predicted_1"] = rng.normal(0, 1.0, 240)
    return table, truth


def test_the_average_is_that_of_scikit_learns_regression_and_the_numbers(fused):
    table, truth = fused
    scaled = (truth - truth.mean()) / truth.std()
    X = table[["a__x0", "a__x1", "a__x2"]].to_numpy()
    parts = [SVR(C=1.0).fit(X, scaled[:, 0]).predict(X), *table.iloc[:, 4:].to_numpy().T]
    expected = np.mean(parts, axis=0) * truth.std() + truth.mean()
    np.testing.assert_allclose(LateFusion().fit(table, truth).predict(table)[:, 0], expected, rtol=1e-5)


def test_weights_and_stacks_learn_whom_to_trust(fused):
    table, truth = fused
    half = np.arange(240) < 120
    scores = {}
    for method in ("average", "weighted", "stacked"):
        found = LateFusion(regressor=SVM(), method=method).fit(table[half], truth[half])
        scores[method] = mean_concordance(truth[~half], found.predict(table[~half]))
        if method == "weighted":
            assert sum(found.weights_.values()) == pytest.approx(1.0)
            assert found.weights_["good"] > 0.7 > 0.1 > found.weights_["noise"]
        if method == "stacked":
            assert found.weights_ == {}
            assert found.stack_[0, 2] > 0.6 > 0.1 > abs(found.stack_[0, 3])
    assert min(scores["weighted"], scores["stacked"]) > scores["average"] + 0.1


def test_the_stack_is_a_ridge_regression_of_out_of_fold_numbers(fused):
    table, truth = fused
    scaled = (truth - truth.mean()) / truth.std()
    names = ["speaker", "a__x0", "a__x1", "a__x2"]
    held_out = np.zeros((240, 1))
    for train, held in InnerFolds(folds=4, stratified=False).split(table, truth):
        assert not set(table["speaker"].iloc[train]) & set(table["speaker"].iloc[held])
        fitted = SVM().fit(table[names].iloc[train], truth[train])
        held_out[held] = (fitted.predict(table[names].iloc[held]) - truth.mean()) / truth.std()
    ridge = Ridge(alpha=1.0).fit(np.c_[held_out, table.iloc[:, 4:]], scaled[:, 0])
    found = LateFusion(regressor=SVM(), method="stacked").fit(table, truth)
    np.testing.assert_allclose(found.stack_, [[ridge.intercept_, *ridge.coef_]], rtol=1e-6)


@pytest.mark.parametrize("method", ["weighted", "stacked"])
def test_in_fold_numbers_teach_no_weights(fused, method):
    table, truth = fused
    table = table.rename(columns=lambda name: name.replace("crossfitted_", ""))
    with pytest.raises(SettingsError, match="predicted numbers of good, noise are in-fold"):
        LateFusion(method=method).fit(table, truth)
    with pytest.raises(SettingsError, match="the predicted numbers of conv1d are in-fold"):
        build_estimator(PipelineSpec(**TASK, features={"blocks": ("mfcc", "conv1d")}, fusion=method))


def test_speaker_normalised_late_fusion_adapts_networks_of_numbers(prepared, monkeypatch):
    adapted, plain = [], Conv2DExtractor.adapted
    monkeypatch.setattr(Conv2DExtractor, "adapted", lambda self, X: adapted.append(set(X["speaker"])) or plain(self, X))
    networks = {"epochs": 1, "cross_fit": 2}
    found = evaluated(prepared, ("mfcc", "conv2d"), fusion="stacked", networks=networks, setting="speaker-normalised")
    assert len(found.folds) == 3
    # One speaker at a time: those of training, held out by inner folds, and those of the test.
    assert {len(speakers) for speakers in adapted} == {1}
    assert set.union(*adapted) == set(prepared.table["speaker"])


def test_tuning_reaches_the_regressor_inside_late_fusion(prepared):
    found = evaluated(prepared, ("mfcc", "rms"), fusion="average", classifier={"tune": True})
    assert {next(iter(fold.parameters)).partition("__")[0] for fold in found.folds} == {"classifier"}
    assert all(name.startswith("classifier__regressor__") for fold in found.folds for name in fold.parameters)


def test_a_killed_training_goes_on_to_the_same_numbers(rows, tmp_path, monkeypatch):
    clips, numbers = rows
    monkeypatch.setattr(checkpoints_module, "SECONDS", 0.0)
    block = Conv1DExtractor(epochs=6, output="scores")
    monkeypatch.setenv("FUSIONSER_CACHE", str(tmp_path / "whole"))
    whole = block.fit(clips, numbers).predict(clips)
    monkeypatch.setenv("FUSIONSER_CACHE", str(tmp_path / "killed"))

    class Killed(BaseException):
        pass

    def kill(name, done, most):
        if done == 3:
            raise Killed

    with pytest.raises(Killed), training_progress(kill):
        block.fit(clips, numbers)
    epochs = []
    with training_progress(lambda name, done, most: epochs.append(done)):
        np.testing.assert_array_equal(block.fit(clips, numbers).predict(clips), whole)
        assert epochs == [3, 4, 5, 6]
        # A trained network is found again, and not trained.
        np.testing.assert_array_equal(block.fit(clips, numbers).predict(clips), whole)
    assert epochs == [3, 4, 5, 6]


def test_batch_normalisation_is_adapted_to_unlabelled_clips(rows):
    clips, numbers = rows
    block = CRNNExtractor(epochs=1, output="scores", units=8).fit(clips.iloc[::4], numbers[::4])
    assert block.adapts
    other = block.adapted(clips.iloc[1::8])
    assert other.predict(clips.iloc[:2]).shape == (2, 2)
    assert not np.allclose(other.transform(clips.iloc[:6]), block.transform(clips.iloc[:6]))


SAVED = {
    "units": {"features": {"blocks": ("mfcc", "conv1d")}, "networks": {"epochs": 3}},
    "out of fold": {"features": {"blocks": ("mfcc", "conv1d")}, "networks": {"epochs": 3, "cross_fit": 2}},
    "alone": {"network": "conv1d", "networks": {"epochs": 3}},
    "average": {
        "features": {"blocks": ("mfcc", "conv1d")},
        "networks": {"epochs": 3},
        "fusion": "average",
        "classifier": {"name": "mlp"},
    },
    "stacked": {
        "features": {"blocks": ("mfcc", "conv1d")},
        "networks": {"epochs": 3, "cross_fit": 2},
        "fusion": "stacked",
        "classifier": {"name": "xgboost", "parameters": {"n_estimators": 5}},
    },
    "weighted": {"features": {"blocks": ("mfcc", "rms")}, "fusion": "weighted"},
    "bilstm": {
        "features": {"blocks": ("mfcc",)},
        "networks": {"epochs": 3},
        "classifier": {"name": "bilstm", "parameters": {"units": 8}},
    },
}


@pytest.mark.parametrize("way", SAVED)
def test_models_come_back_and_predict_the_same_numbers(voices, tmp_path, way):
    model = fusionser.fit(voices, PipelineSpec(**TASK, **SAVED[way]), protocol=None)
    files = [save_model(model, tmp_path / name) for name in ("a.fusionser", "b.fusionser")]
    assert files[0].read_bytes() == files[1].read_bytes()
    clips = pd.read_csv(voices)["file"].tolist()[::15]
    again = load_model(files[0])
    pd.testing.assert_frame_equal(model.predict(clips), again.predict(clips))
    if way in ("alone", "average", "bilstm"):
        assert model.predict(clips)["level"].between(-40, -12).all()
    adapted = again.adapt(pd.read_csv(voices)["file"].tolist()[:30]) if way in ("units", "average") else again
    assert np.isfinite(adapted.predict(clips)["level"]).all()


@pytest.fixture(scope="module")
def saved(voices, tmp_path_factory):
    model = fusionser.fit(voices, PipelineSpec(**TASK, **SAVED["average"]), protocol=None)
    return save_model(model, tmp_path_factory.mktemp("saved") / "model.fusionser")


def test_a_network_without_honest_scales_is_refused(saved, tmp_path):
    from safetensors.torch import load, save

    manifest, members = read_archive(saved)
    weights = load(members["features/conv1d"])
    good = TargetScales.of(np.array([[1.0, 2.0], [2.0, 5.0]])).texts()
    hostile = {
        "another task": {},
        "not finite numbers": {**good, "center": "[NaN, 1.0]"},
        "is not positive": {**good, "scale": "[0.0, 1.0]"},
        "ends before it begins": {**good, "low": "[9.0, 9.0]"},
        "ranges of the targets": {key: value for key, value in good.items() if key != "high"},
        "cannot be read": {**good, "center": "{"},
        "means or deviations": {**good, "center": '["x", 1.0]'},
        "expected": {key: json.dumps(json.loads(value)[:1]) for key, value in good.items()},
    }
    for message, metadata in hostile.items():
        changed = {**members, "features/conv1d": save(weights, metadata)}
        file = write_archive(tmp_path / "hostile.fusionser", {"card": manifest["card"]}, changed)
        with pytest.raises(ModelFileError, match=f"do not fit together .*({message}|Expecting|could not convert)"):
            load_model(file)


def test_the_commands_from_a_table_to_a_network_of_numbers(command, voices, tmp_path):
    out, model = tmp_path / "out", tmp_path / "level.fusionser"
    given = [voices, "--targets", "level,shuffled", "--network", "conv1d", "--epochs", 5]
    done = command("evaluate", *given, "--protocol", "speaker-kfold", "--folds", 3, "--out", out)
    assert done.status == 0, done.messages
    assert "network-alone with conv1d" in done.output
    page = (out / "report.md").read_text()
    assert "| regressor | network-alone (scaling = standard; fusion = average)" in page
    assert "| features | conv1d, 2 columns |" in page
    assert (out / "learning_curves.png").is_file()
    result = read_any_result(out / "result.json")
    again = command("evaluate", voices, "--config", out / "result.json", "--json")
    assert json.loads(again.output)["pooled"] == json.loads(result.model_dump_json())["pooled"]
    command("fit", *given, "--out", model, "--no-estimate")
    assert "- Answers: level, shuffled" in command("info", model).output
    assert "level" in command("predict", model, pd.read_csv(voices)["file"][0]).output
    assert "bilstm" in command("list", "regressors").output
