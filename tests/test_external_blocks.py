"""openSMILE's sets, GE2E and columns of the user's table as blocks."""

import importlib
import json
import pickle
import sys
import types

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from command_process import run_command
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler

from fusionser.errors import AudioError, SettingsError
from fusionser.evaluation import evaluate
from fusionser.features import GE2E, MFCC, RMS, FeatureExtractor, GivenColumns, OpenSMILE, matching_columns
from fusionser.features.external import ge2e
from fusionser.splits import SpeakerKFold

opensmile = pytest.importorskip("opensmile", reason="the extra 'opensmile' is not installed")
resemblyzer = pytest.mark.skipif(
    importlib.util.find_spec("resemblyzer") is None, reason="the weights of 'ge2e' are not installed"
)

SETS = {"eGeMAPSv02": 88, "ComParE_2016": 6373, "emobase": 988}


@pytest.fixture(scope="module")
def voice():
    time = np.arange(40000) / 16000
    buzz = np.sign(np.sin(2 * np.pi * 150 * time + 2 * np.sin(2 * np.pi * 3 * time)))
    return (0.2 * buzz + 0.01 * np.random.default_rng(0).normal(size=time.size)).astype(np.float32)


@pytest.mark.parametrize("feature_set", SETS)
def test_the_columns_of_opensmile_are_those_of_the_program(voice, feature_set):
    smile = opensmile.Smile(
        feature_set=getattr(opensmile.FeatureSet, feature_set), feature_level=opensmile.FeatureLevel.Functionals
    )
    expected = smile.process_signal(voice, 16000)
    got = OpenSMILE(feature_set=feature_set).set_output(transform="pandas").transform([(voice, 16000)])
    assert list(got.columns) == [f"opensmile__{name}" for name in expected.columns]
    assert got.shape == (1, SETS[feature_set])
    np.testing.assert_allclose(got.to_numpy(), expected.to_numpy(), rtol=1e-6)


def test_opensmile_hears_16_khz_whatever_the_rate_of_the_file(voice):
    import soxr

    high = soxr.resample(voice, 16000, 48000)
    one, other = (OpenSMILE().transform([pair])[0] for pair in ((voice, 16000), (high, 48000)))
    names = list(OpenSMILE().names())
    pitch = names.index("F0semitoneFrom27.5Hz_sma3nz_amean")
    assert one[pitch] == pytest.approx(12 * np.log2(150 / 27.5), abs=0.5)
    assert other[pitch] == pytest.approx(one[pitch], abs=0.05)


def test_a_clip_that_is_too_short_for_opensmile_is_told(voice):
    with pytest.raises(AudioError, match=r"openSMILE gives no finite numbers for 0.02 s"):
        OpenSMILE().transform([(voice[:300], 16000)])


def test_an_unknown_set_is_told():
    with pytest.raises(SettingsError, match="unknown feature set of openSMILE 'eGeMAPS'; did you mean 'eGeMAPSv02'"):
        OpenSMILE(feature_set="eGeMAPS").check()


@pytest.mark.parametrize("kind", [OpenSMILE, pytest.param(GE2E, marks=resemblyzer)])
def test_the_contract_of_scikit_learn(kind, voice):
    block = kind()
    assert clone(block).get_params() == block.get_params()
    values = block.fit_transform([voice, voice[:20000]], sampling_rate=16000)
    assert values.dtype == np.float32
    assert values.shape == (2, len(set(block.get_feature_names_out())))
    assert np.isfinite(values).all()
    again = pickle.loads(pickle.dumps(block)).transform([voice], sampling_rate=16000)
    np.testing.assert_array_equal(again[0], values[0])
    answers = joblib.Parallel(n_jobs=2)(joblib.delayed(block.transform)([voice], sampling_rate=16000) for _ in range(2))
    np.testing.assert_allclose(answers[0], values[:1], rtol=1e-5, atol=1e-6)
    settings = json.loads(json.dumps(FeatureExtractor(blocks=[("one", block)]).settings()))
    assert FeatureExtractor.from_settings(settings).digests() == {"one": block.digest()}


@pytest.mark.parametrize(
    ("kind", "package", "said"),
    [(OpenSMILE, "opensmile", r"fusionser\[opensmile\]"), (GE2E, "resemblyzer", "--no-deps Resemblyzer")],
)
def test_a_missing_package_is_told_in_a_sentence(monkeypatch, voice, kind, package, said):
    from fusionser.features.external import opensmile as opensmile_block

    opensmile_block._program.cache_clear()
    found = importlib.util.find_spec

    def without(name, *more):
        return None if name == package else found(name, *more)

    monkeypatch.setattr("fusionser.optional.find_spec", without)
    monkeypatch.setattr(ge2e, "find_spec", without)
    with pytest.raises(SettingsError, match=said):
        kind(cache=False).transform([(voice, 16000)])


def encoder_of_the_package(monkeypatch):
    """Return the encoder of Resemblyzer, which cannot be imported without packages that are not needed here."""
    for name in ("webrtcvad", "scipy.ndimage.morphology"):
        stub = types.ModuleType(name)
        stub.binary_dilation = None
        monkeypatch.setitem(sys.modules, name, stub)
    made = importlib.import_module("resemblyzer.voice_encoder").VoiceEncoder("cpu", verbose=False)
    for name in [name for name in sys.modules if name.startswith("resemblyzer")]:
        monkeypatch.delitem(sys.modules, name)
    return made


@resemblyzer
def test_ge2e_is_the_encoder_of_the_package(monkeypatch, voice):
    import librosa

    encoder = encoder_of_the_package(monkeypatch)
    quiet = voice * (10 ** (-30 / 20) / np.sqrt(np.mean(voice.astype(float) ** 2)))
    mel = librosa.feature.melspectrogram(y=quiet, sr=16000, n_fft=400, hop_length=160, n_mels=40).T
    # 2.5 s: windows of 160 frames start at 0 and 80; a third one would have 91 of 160 frames.
    windows = torch.from_numpy(np.stack([mel[:160], mel[80:240]]).astype(np.float32))
    with torch.no_grad():
        outputs, _ = encoder.lstm(windows)
        embedding = encoder(windows).double().mean(dim=0).numpy()
    outputs = outputs.reshape(-1, 256).double().numpy()
    expected = np.concatenate([outputs.mean(axis=0), outputs.std(axis=0), embedding / np.linalg.norm(embedding)])
    got = GE2E().transform([(voice, 16000)])[0]
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    assert np.linalg.norm(got[512:]) == pytest.approx(1, abs=1e-6)


@resemblyzer
def test_the_level_does_not_count_for_ge2e_and_short_clips_work(voice):
    loud, soft = GE2E().transform([(voice, 16000), (voice / 50, 16000)])
    np.testing.assert_allclose(loud, soft, rtol=1e-3, atol=1e-4)
    assert np.isfinite(GE2E().transform([(voice[:2000], 16000)])).all()


@resemblyzer
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no weights", pickle.dumps({"model_state": {}})])
def test_a_damaged_file_of_weights_is_told(monkeypatch, tmp_path, voice, content):
    file = tmp_path / "pretrained.pt"
    file.write_bytes(content)
    monkeypatch.setattr(ge2e, "_weights_file", lambda: file)
    with pytest.raises(SettingsError, match="cannot be read as the weights of 'ge2e'"):
        GE2E(cache=False).transform([(voice, 16000)])


class Planted:
    def __reduce__(self):
        return (exec, ("raise SystemExit('planted code ran')",))


@resemblyzer
def test_a_pickle_in_the_place_of_the_weights_does_not_run(monkeypatch, tmp_path, voice):
    file = tmp_path / "pretrained.pt"
    torch.save({"model_state": Planted()}, file)
    monkeypatch.setattr(ge2e, "_weights_file", lambda: file)
    with pytest.raises(SettingsError, match="cannot be read as the weights"):
        GE2E(cache=False).transform([(voice, 16000)])


def test_columns_of_a_table_are_used_as_given():
    table = pd.DataFrame({"file": ["a.wav", "b.wav"], "smile__x": ["1.5", "2"], "age": [30, 40], "mfcc__y": [0.0, 1.0]})
    block = GivenColumns(columns=["age", "smile__x"])
    np.testing.assert_array_equal(block.transform(table), np.array([[30, 1.5], [40, 2]], dtype=np.float32))
    extractor = FeatureExtractor(blocks=[("own", block)]).set_output(transform="pandas")
    assert list(extractor.fit_transform(table).columns) == ["own__age", "own__smile__x"]


def test_an_empty_cell_of_the_column_augmentation_is_an_original():
    rows = pd.DataFrame({"file": ["a.wav", "b.wav"], "x": [1.0, 2.0], "augmentation": [np.nan, ""]})
    assert GivenColumns(columns=["x"]).fit_transform(rows).tolist() == [[1.0], [2.0]]


def test_patterns_name_columns_in_the_order_of_the_table():
    names = ["file", "b__2", "b__1", "c[0]", "B__3"]
    assert matching_columns(names, ["c[0]", "b__*"]) == ["b__2", "b__1", "c[0]"]
    with pytest.raises(SettingsError, match=r"unknown column 'd\*'. Known: file, b__2"):
        matching_columns(names, ["d*"])


@pytest.mark.parametrize("value", ["loud", None, np.nan, np.inf, 1e16, True])
def test_a_value_that_is_no_number_is_told(value):
    table = pd.DataFrame({"file": ["a.wav"], "age": pd.Series([value], dtype=object)})
    with pytest.raises(AudioError, match="a.wav: its column 'age' holds"):
        GivenColumns(columns=["age"]).transform(table)


def test_what_columns_cannot_do_is_told():
    table = pd.DataFrame({"file": ["a.wav"], "age": [3]})
    with pytest.raises(SettingsError, match="no column 'size', which the block 'columns' needs"):
        GivenColumns(columns=["size"]).transform(table)
    with pytest.raises(SettingsError, match="values of the original recordings only"):
        GivenColumns(columns=["age"]).transform(table.assign(augmentation="noise(20)#1"))
    for columns, message in (((), "expected a list"), ("age", "expected a list"), (("age", "age"), "twice")):
        with pytest.raises(SettingsError, match=message):
            GivenColumns(columns=columns).check()


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    assert run_command("corpora", "generate", folder / "recordings").status == 0
    return folder / "recordings"


@pytest.fixture(scope="module")
def table(recordings, tmp_path_factory):
    """Return a table of the generated corpus with columns of a user, and those columns."""
    from fusionser.corpora import list_rows

    rows = list_rows(recordings, "demo").rows
    folder = tmp_path_factory.mktemp("table")
    values = RMS(statistics=["mean", "std"]).transform(rows)
    rows["own__loud"], rows["own__varied"] = values.T
    rows["note"] = "text"
    rows.to_csv(folder / "rows.csv", index=False)
    return folder / "rows.csv"


def result_of(folder):
    (file,) = (folder / "results").glob("*.json")
    return json.loads(file.read_text())


def test_given_columns_score_as_the_block_that_made_them(table, tmp_path):
    given = run_command("evaluate", table, "--columns", "own__*", "--json")
    assert given.status == 0, given.messages
    found = json.loads(given.output)
    assert found["feature_count"] == 2
    assert {"kind": "columns-given", "value": 2, "allowed": True} in found["protocol"]["stamps"]
    settings = '[pipeline.features]\nblocks = [{kind = "rms", statistics = ["mean", "std"]}]\n'
    (tmp_path / "rms.toml").write_text(settings)
    made = run_command("evaluate", table, "--config", tmp_path / "rms.toml", "--json")
    assert json.loads(made.output)["pooled"] == found["pooled"]


def test_given_columns_go_through_a_features_file_and_a_model(table, tmp_path):
    features, model = tmp_path / "features.parquet", tmp_path / "model.fusionser"
    run = run_command("extract", table, "--preset", "robust", "--columns", "own__*", "--out", features)
    assert run.status == 0, run.messages
    assert "200 columns (robust+columns)" in run.output
    assert "not used: note" in run.output + run.messages
    assert run_command("fit", features, "--out", model).status == 0
    answers = run_command("predict", model, "--list", table, "--json")
    assert answers.status == 0, answers.messages
    assert all(answer["error"] is None for answer in json.loads(answers.output))
    card = run_command("info", model).output
    assert "2 columns of the table were used as given" in card.replace("\n", " ")
    alone = run_command("predict", model, json.loads(answers.output)[0]["file"])
    assert alone.status == 1
    assert "no column 'own__loud'" in alone.messages
    assert "Traceback" not in alone.messages


def test_a_table_that_was_scaled_as_a_whole_is_refused(table, tmp_path):
    rows = pd.read_csv(table)
    columns = ["own__loud", "own__varied"]
    rows[columns] = StandardScaler().fit_transform(rows[columns])
    rows.to_csv(tmp_path / "scaled.csv", index=False)
    run = run_command("evaluate", tmp_path / "scaled.csv", "--columns", "own__*")
    assert run.status == 1
    assert "scaled before the split" in run.messages


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--columns", "none_*"], "unknown column 'none_*'"),
        (["--columns", "note"], "its column 'note' holds 'text'; expected a number"),
        (["--columns", "own__loud", "--network", "conv1d"], "--network with --preset, --blocks or --columns"),
        (["--columns", "own__loud", "--augment", "noise"], "leave out --augment, or the columns"),
        (["--blocks", "opensmile[feature_set=GeMAPS]"], "unknown feature set of openSMILE 'GeMAPS'"),
        (["--blocks", "opensmile[set=emobase]"], "unknown parameter of the block 'opensmile' 'set'"),
        (["--blocks", "opensmile[feature_set"], "without its partner"),
        (["--blocks", "opensmile[emobase]"], "expected each parameter once, as name=value"),
        (["--blocks", "opensmile,opensmile[feature_set=emobase]"], "'opensmile' is used twice"),
        (["--blocks", "transformers"], "model of the block 'transformers' is ''"),
        (["--blocks", "transformers[model=no/model]"], "--download to fetch it"),
    ],
)
def test_what_is_wrong_is_told_at_the_command_line(table, options, message):
    run = run_command("evaluate", table, *options)
    assert run.status == 1
    assert message in " ".join(run.messages.split())
    assert "Traceback" not in run.messages


def test_the_licence_of_opensmile_is_told_with_every_result_and_model(recordings, tmp_path):
    options = ["--corpus", "demo", "--blocks", "opensmile[feature_set=emobase,name=emobase],rms"]
    run = run_command("evaluate", recordings, *options)
    assert run.status == 0, run.messages
    said = "openSMILE's emobase: research licence"
    assert said in " ".join(run.output.split())
    fitted = run_command("fit", recordings, *options, "--classifier", "xgboost", "--out", tmp_path / "model.fusionser")
    assert fitted.status == 0, fitted.messages
    assert f"note: {said}" in " ".join(fitted.output.split())
    assert said.partition(": ")[2] in run_command("info", tmp_path / "model.fusionser").output
    file = sorted(recordings.glob("*.wav"))[0]
    answer = run_command("predict", tmp_path / "model.fusionser", file, "--json")
    assert json.loads(answer.output)[0]["error"] is None


@resemblyzer
def test_blocks_mix_in_a_pipeline_of_scikit_learn(recordings):
    from fusionser.corpora import list_rows

    rows = list_rows(recordings, "demo").rows
    # A voice's loudness as a column of the user.
    rows["own__loud"] = RMS().transform(rows)[:, 0]
    mixed = ColumnTransformer(
        [("sound", make_union(OpenSMILE(), MFCC()), ["file"]), ("own", StandardScaler(), ["own__loud"])]
    )
    model = make_pipeline(mixed, StandardScaler(), LogisticRegression(max_iter=500))
    search = GridSearchCV(model, {"logisticregression__C": [0.01, 1.0]}, cv=SpeakerKFold(folds=2))
    search.fit(rows, rows["emotion"])
    assert search.best_score_ > 0.25
    evaluation = evaluate(rows, model, SpeakerKFold(folds=2))
    kinds = [stamp.kind for stamp in evaluation.protocol.stamps]
    assert "licence" in kinds
