"""The saved model: the same answers in a new process."""

import copy
import io
import json
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from model_files import members
from prepared_rows import under

from fusionser.classifiers import CLASSIFIERS
from fusionser.errors import FusionserError
from fusionser.evaluation.metrics import expected_calibration_error
from fusionser.facts import Stamp
from fusionser.features import MFCC
from fusionser.jobs import evaluate_prepared, fit_prepared
from fusionser.model import load_model, save_model
from fusionser.page import card_sentences, training_text
from fusionser.reporting.card import card_page
from fusionser.scaling import SCALERS
from fusionser.splits import RandomKFold, SpeakerHoldout, SpeakerKFold
from fusionser.temperature import fit_temperature, tempered


@pytest.mark.parametrize("name", sorted(CLASSIFIERS))
def test_a_new_process_gives_the_same_probabilities(model_data, saved, name):
    files = model_data.table["file"].tolist()[::40]
    split = SpeakerHoldout(speakers=("f1", "m1"))
    here = fit_prepared(under(model_data, classifier={"name": name}), split=split).predict(files)
    code = (
        "import sys; from fusionser.model import load_model;"
        "load_model(sys.argv[1]).predict(sys.argv[3:]).to_parquet(sys.argv[2])"
    )
    there = saved[name].with_suffix(".parquet")
    subprocess.run([sys.executable, "-c", code, str(saved[name]), str(there), *files], check=True)
    pd.testing.assert_frame_equal(pd.read_parquet(there), here, check_dtype=False, rtol=1e-12)


class _Origins(pickle.Unpickler):
    def __init__(self, *given):
        super().__init__(*given)
        self.found = []

    def find_class(self, module, name):
        self.found.append((module, name))
        return super().find_class(module, name)


def test_other_processes_get_the_content_of_the_file(model_data, saved):
    model = load_model(saved["random-forest"])
    unpickler = _Origins(io.BytesIO(pickle.dumps(model)))
    again = unpickler.load()
    # One function, and what it is called with: no class of scikit-learn.
    assert unpickler.found == [("fusionser.model.fitted", "_of_content")]
    assert again.card == model.card and repr(again.unlikeness) == repr(model.unlikeness)
    files = model_data.table["file"].tolist()[:5]
    pd.testing.assert_frame_equal(again.predict(files), model.predict(files), check_exact=True)


def test_copies_are_models_of_their_own_and_pickles_are_of_the_present(model_data, saved):
    model = load_model(saved["xgboost"])
    one, other = copy.deepcopy(model), copy.deepcopy(model)
    assert one is not other and one.pipeline["classifier"] is not model.pipeline["classifier"]
    assert copy.copy(model).pipeline is model.pipeline
    content = pickle.dumps(model)
    assert pickle.loads(content) is not pickle.loads(content)
    booster = model.pipeline["classifier"].booster_
    object.__setattr__(model.card, "temperature", 2 * model.card.temperature)
    assert pickle.loads(pickle.dumps(model)).card.temperature == model.card.temperature
    assert model.pipeline["classifier"].booster_ is booster, "it is not taken out of a model that others may use"


def test_waveforms_are_predicted_as_their_files_are(model_data, saved, tmp_path):
    model = load_model(saved["svm"])
    files = model_data.table["file"].tolist()[:3]
    pairs = [soundfile.read(file, dtype="int16") for file in files]
    rates = {rate for _, rate in pairs}
    expected = model.predict(files).drop(columns="file")
    waveforms = [samples for samples, _ in pairs]
    for found in (model.predict(pairs), model.predict(waveforms, sampling_rate=rates.pop())):
        pd.testing.assert_frame_equal(found.drop(columns="file"), expected, rtol=1e-6)
        assert found["file"].tolist() == ["waveform 0", "waveform 1", "waveform 2"]
    # So that the answers can be joined to the table.
    table = pd.DataFrame({"file": files}, index=["c", "a", "b"])
    pd.testing.assert_frame_equal(model.predict(table).drop(columns="file"), expected.set_index(table.index))
    assert table.join(model.predict_proba(table)).notna().all(axis=None)
    spoilt = model.predict([pairs[0], (np.zeros(9000), 16000)])
    assert spoilt["emotion"].tolist() == [expected["emotion"][0], ""]
    assert "waveform 1: silent" in spoilt["error"][1]


@pytest.mark.parametrize("name", sorted(CLASSIFIERS))
def test_a_model_that_is_fitted_twice_has_the_same_bytes_but_for_the_times(model_data, tmp_path, name):
    given = under(model_data, classifier={"name": name})
    first, second = (members(save_model(fit_prepared(given), tmp_path / f"{n}.fusionser")) for n in (1, 2))
    assert first == second


@pytest.mark.parametrize("scaling", sorted(SCALERS))
def test_every_scaling_comes_back(model_data, tmp_path, scaling):
    model = fit_prepared(under(model_data, classifier={"scaling": scaling, "equal_blocks": True}))
    again = load_model(save_model(model, tmp_path / "m.fusionser"))
    rows = model_data.table.iloc[::30]
    np.testing.assert_array_equal(again.pipeline.predict_proba(rows), model.pipeline.predict_proba(rows))


def test_the_card_tells_what_the_model_is(model_data, saved):
    card = load_model(saved["svm"]).card
    assert card.classes == ("angry", "fear", "happy", "neutral", "sad")
    assert (card.classifier, card.features_name, card.training_rows, card.training_speakers) == (
        "svm",
        "fusionnet",
        240,
        8,
    )
    assert card.estimate.protocol.name == "speaker-holdout"
    assert card.estimate.protocol.speaker_independent
    assert card.versions["scikit-learn"]


@pytest.mark.parametrize(
    ("stamp", "begins"),
    [
        ({"kind": "shared-speakers", "value": 8}, "On speakers that it was trained on"),
        ({"kind": "speakers-unknown", "value": 240}, "On speakers that it may have been trained on"),
    ],
)
def test_a_score_on_speakers_of_the_training_is_told_as_such(saved, stamp, begins):
    card = load_model(saved["svm"]).card
    assert "On speakers that it was not trained on (speaker-holdout" in card_page(card)
    assert card_sentences(card, tells_unlikeness=True)[2].startswith(
        "On speakers that it was not trained on, it reached"
    )
    protocol = card.estimate.protocol.model_copy(update={"stamps": (Stamp(**stamp),)})
    leaky = card.model_copy(
        update={"estimate": card.estimate.model_copy(update={"protocol": protocol}), "training_speakers": 0}
    )
    assert [line.partition(" (")[0] for line in card_page(leaky).splitlines() if line.startswith("On speakers ")] == [
        begins
    ]
    _, trained, score = card_sentences(leaky, tells_unlikeness=True)
    assert trained == "It was trained on 240 recordings of unknown speakers: Demo corpus."
    assert score.startswith(f"{begins}, it reached an unweighted average recall (UAR) of ")
    assert "It is not known how well it answers for new speakers." in score


def test_the_card_counts_recordings_and_their_parts(model_data, saved):
    card = load_model(saved["svm"]).card
    assert card.training_recordings == 240 and training_text(card) == "240 recordings of 8 speakers"
    parts = card.model_copy(update={"training_rows": 518})
    assert training_text(parts) == "518 parts of 240 recordings of 8 speakers"
    assert "- Training: 518 parts of 240 recordings of 8 speakers; " in card_page(parts)
    earlier = card.model_copy(update={"training_recordings": None, "training_speakers": 0})
    assert training_text(earlier) == "240 recordings of unknown speakers"


def test_the_same_model_gives_the_same_file(model_data, tmp_path):
    """Nothing in the file depends on when or where it was written, but for the ids that skops gives its members."""
    model = fit_prepared(under(model_data, classifier={"name": "xgboost"}))
    first, second = (save_model(model, tmp_path / f"{n}.fusionser") for n in (1, 2))
    with zipfile.ZipFile(first) as one, zipfile.ZipFile(second) as two:
        assert one.read("booster.json") == two.read("booster.json")


def test_no_member_is_a_pickle(saved):
    for file in saved.values():
        for name, content in members(file).items():
            if name.endswith(".skops"):
                with zipfile.ZipFile(io.BytesIO(content)) as inner:
                    parts = {part: inner.read(part) for part in inner.namelist()}
                assert all(part == "schema.json" or content.startswith(b"\x93NUMPY") for part, content in parts.items())
            elif name.endswith(".safetensors"):
                # Eight bytes of the header's length, then JSON that names each tensor; the rest is numbers.
                length = int.from_bytes(content[:8], "little")
                assert set(json.loads(content[8 : 8 + length])) > {"temperature"}
            else:
                assert content[:1] == b"{"


def test_a_clip_that_cannot_be_used_is_answered_for(model_data, saved, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_text("text")
    answers = load_model(saved["svm"]).predict([model_data.table["file"][0], str(bad)])
    assert answers["error"].tolist()[0] == ""
    assert "not readable as audio" in answers["error"][1]
    assert answers["emotion"][1] == ""
    assert answers.filter(like="probability_").iloc[1].isna().all()


def test_a_file_that_cannot_be_written_leaves_what_was_there(model_data, saved, tmp_path):
    model = load_model(saved["svm"])
    target = tmp_path / "folder"
    target.mkdir()
    with pytest.raises(FusionserError, match="cannot write"):
        save_model(model, target)
    assert list(tmp_path.iterdir()) == [target]
    assert Path(target).is_dir()


def test_a_model_whose_columns_are_computed_otherwise_today_is_refused(saved, monkeypatch):
    model = load_model(saved["svm"])
    assert set(model.card.digests) == {name for name, _ in model.pipeline["features"].blocks}
    monkeypatch.setattr(MFCC, "revision", MFCC.revision + 1)
    with pytest.raises(FusionserError, match="which computed mfcc otherwise than this version; fit the model again"):
        load_model(saved["svm"])


def test_the_temperature_of_known_probabilities_is_found():
    rng = np.random.default_rng(0)
    logits = rng.normal(0.0, 2.0, (20000, 4))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    targets = (rng.random(len(true))[:, None] > true.cumsum(axis=1)).sum(axis=1)
    # Probabilities at a temperature of 0.5 are twice as sure as they should be.
    sure = tempered(true, 0.5)
    assert fit_temperature(sure, targets) == pytest.approx(2.0, rel=0.03)
    # Probabilities below a millionth are cut off.
    assert tempered(sure, 2.0) == pytest.approx(true, abs=3e-3)


def test_the_calibration_error_of_a_model_is_that_of_temperatures_of_other_folds(model_data):
    given, split = under(model_data, classifier={"name": "random-forest"}), SpeakerKFold(folds=2)
    predictions = evaluate_prepared(given, split)[1].predictions
    classes = sorted(predictions["truth"].unique())
    columns = [f"probability_{name}" for name in classes]
    targets = np.array([classes.index(name) for name in predictions["truth"]])
    first = (predictions["fold"] == predictions["fold"][0]).to_numpy()
    top = np.empty(len(targets))
    for own in (first, ~first):
        temperature = fit_temperature(predictions.loc[~own, columns], targets[~own])
        top[own] = tempered(predictions.loc[own, columns], temperature).max(axis=1)
    right = (predictions["truth"] == predictions["predicted"]).to_numpy()
    expected = expected_calibration_error(top, right)
    assert fit_prepared(given, split=split).card.calibration_error == pytest.approx(expected)
    # The temperature of a single fold cannot be checked on another one.
    one = fit_prepared(given, split=SpeakerHoldout(speakers=("f1", "m1"))).card
    assert one.temperature != 1.0 and one.calibration_error is None


def test_a_saved_model_is_calibrated_on_unseen_speakers_and_answers_the_same(model_data, saved):
    given = under(model_data, classifier={"name": "random-forest"})
    plain, calibrated = fit_prepared(given), load_model(saved["random-forest"])
    files = model_data.table["file"].tolist()[::20]
    assert plain.card.temperature == 1.0 != calibrated.card.temperature
    columns = [f"probability_{name}" for name in plain.card.classes]
    before, after = plain.predict(files), calibrated.predict(files)
    assert (before["emotion"] == after["emotion"]).all()
    assert after[columns].to_numpy() == pytest.approx(tempered(before[columns], calibrated.card.temperature))
    # Speakers of a random split are known, so its predictions are too sure to calibrate with.
    assert fit_prepared(given, split=RandomKFold(folds=2)).card.temperature == 1.0


@pytest.mark.parametrize("temperature", [0.0, float("nan"), float("inf"), 1e9, "hot"])
def test_a_hostile_temperature_is_refused(saved, tmp_path, temperature):
    parts = members(saved["svm"])
    manifest = json.loads(parts["manifest.json"])
    manifest["card"]["temperature"] = temperature
    path = tmp_path / "hostile.fusionser"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**parts, "manifest.json": json.dumps(manifest).encode()}.items():
            archive.writestr(name, content)
    with pytest.raises(FusionserError, match="its card is refused: 1 field differs|no number of JSON"):
        load_model(path)
