"""A model as a module of tensors gives the probabilities and the answers of the model."""

import numpy as np
import pytest
import soundfile
import soxr
import torch

from fusionser.classifiers import CLASSIFIERS
from fusionser.errors import SettingsError
from fusionser.export import ModelGraph, whole_obstacle
from fusionser.export.graph import input_name
from fusionser.export.resampling import at_speed
from fusionser.features.table import FeatureTable
from fusionser.jobs import fit
from fusionser.model import load_model
from fusionser.spec import PipelineSpec

FRAMES = ["mean", "std", "minimum", "maximum", "slope", "percentile05", "percentile90"]
BRIEF = {"sampling_rate": 16000, "n_fft": 1024, "hop_length": 256}
LOG_MEL = "log-mel-frames"

WHOLE = {
    "series and derivatives": {
        "features": {
            "blocks": [
                {"kind": "mfcc", "statistics": FRAMES, "deltas": 2, "delta_statistics": ["std"], **BRIEF},
                {"kind": "rms", "logarithmic": True, "offset": 0.1, "duration": 0.7, **BRIEF},
                {"kind": "shape", "trim": True, "duration": 1.0, **BRIEF},
                {"kind": "mel", "logarithmic": True, "n_mels": 20, **BRIEF},
            ]
        },
        "classifier": {"name": "svm", "equal_blocks": True, "scaling": "bounded"},
    },
    "linear, without sigmoids": {
        "features": {"blocks": ["mfcc", "chroma"]},
        "classifier": {"name": "svm", "scaling": "robust", "parameters": {"kernel": "linear", "probability": False}},
    },
    "a bag": {
        "features": {"blocks": ["mfcc", "zcr"]},
        "rows": {"imbalance": "balanced-bagging"},
        "classifier": {"name": "random-forest", "scaling": "minmax", "parameters": {"n_estimators": 9}},
    },
    "adjusted late fusion of kernel ridge": {
        "features": {"blocks": ["mfcc", LOG_MEL], "clip": {"sampling_rate": 16000}},
        "fusion": "average",
        "rows": {"imbalance": "logit-adjustment"},
        "classifier": {"name": "kernel-ridge"},
        "networks": {"epochs": 2},
    },
    "late fusion by weights": {
        "features": {"blocks": ["mfcc", LOG_MEL], "clip": {"sampling_rate": 16000}},
        "fusion": "weighted",
        "networks": {"cross_fit": 2, "epochs": 2},
    },
    "late fusion by a regression": {
        "features": {"blocks": ["mfcc", LOG_MEL], "clip": {"sampling_rate": 16000}},
        "fusion": "stacked",
        "networks": {"cross_fit": 2, "epochs": 2},
    },
    "a network alone": {"features": {"blocks": [LOG_MEL]}, "fusion": "average", "networks": {"epochs": 2}},
    "denoised": {
        "features": {
            "blocks": [
                {"kind": "mfcc", "denoise": True, **BRIEF},
                {"kind": "rms", "denoise": True, "offset": 0.1, "duration": 3.0, **BRIEF},
                {"kind": "mel", "denoise": True, "trim": True, "duration": 3.0, **BRIEF},
            ]
        },
    },
    "hidden units": {
        "features": {"blocks": ["conv1d", "statistics"]},
        "networks": {"epochs": 2},
        "classifier": {"name": "lstm", "parameters": {"epochs": 2}},
    },
}


@pytest.mark.parametrize("speed", [0.5, 0.9, 0.95, 1.1, 1.25, 2.0])
@pytest.mark.parametrize("count", [4000, 4001, 4017])
def test_speeds_are_those_of_soxr(speed, count):
    # Towards its ends, where soxr differs, a clip is silent here.
    samples = (0.1 * np.random.default_rng(0).normal(size=count) * np.hanning(count)).astype(np.float32)
    expected = soxr.resample(samples, 16000 * speed, 16000, quality="HQ")
    changed = at_speed(torch.from_numpy(samples)[None], 16000, speed)[0].numpy()
    assert changed[: expected.size] == pytest.approx(expected, abs=2e-6)
    assert not changed[expected.size :].any()


def fitted(data, spec, corpus="demo"):
    return fit(data, PipelineSpec(**spec), corpus=corpus, protocol=None)


def heard(rows, rate, count=5):
    """Return the samples of some clips at a rate.

    They are noisier than in training: XGBoost puts thresholds on values of training rows, which rounding can cross.
    """
    for file in rows["file"].tolist()[:: len(rows) // count]:
        samples, own = soundfile.read(file, dtype="float32")
        noise = np.random.default_rng(0).normal(0, 0.01, samples.size)
        yield soxr.resample(samples + noise, own, rate).astype(np.float32)


def same(model, answer, expected, tolerance=1e-4):
    probabilities, place = answer
    names = [f"probability_{label}" for label in model.card.classes]
    assert probabilities[0].numpy() == pytest.approx(expected[names].to_numpy(dtype=float), abs=tolerance)
    assert model.card.classes[int(place[0])] == expected["emotion"]


def check_whole_model(model, rows):
    assert whole_obstacle(model) == ""
    graph = ModelGraph(model, whole=True).eval()
    assert graph.inputs == ["waveform"]
    rate = next(item.sampling_rate for item in graph.computations.values())
    for samples in heard(rows, rate):
        with torch.no_grad():
            answer = graph(torch.from_numpy(samples)[None])
        same(model, answer, model.predict([(samples, rate)]).iloc[0])


def check_from_arrays(model, rows, tolerance=1e-4):
    graph = ModelGraph(model, whole=False).eval()
    some = rows.iloc[::20]
    computed = FeatureTable(some, graph.computations, []).compute().arrays
    expected = model.predict(some["file"].tolist())
    for place in range(len(some)):
        given = [torch.from_numpy(computed[name][place])[None] for name in graph.inputs]
        with torch.no_grad():
            same(model, graph(*given), expected.iloc[place], tolerance)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_each_classifier(saved, demo_rows, name):
    check_whole_model(load_model(saved[name]), demo_rows)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_each_classifier_on_the_same_columns(saved, demo_rows, name):
    model = load_model(saved[name])
    check_from_arrays(model, demo_rows, tolerance=1e-5)


@pytest.mark.parametrize("spec", WHOLE.values(), ids=WHOLE)
def test_each_part(demo_folder, demo_rows, spec):
    check_whole_model(fitted(demo_folder, spec), demo_rows)


@pytest.mark.parametrize("name", ["svm", "xgboost"])
def test_an_adapted_model_of_two_classes(demo_rows, tmp_path, name):
    two = demo_rows[demo_rows["emotion"].isin(["angry", "sad"])]
    two.to_csv(tmp_path / "two.csv", index=False)
    spec = {"features": {"blocks": ["mfcc"]}, "classifier": {"name": name}}
    model = fitted(tmp_path / "two.csv", spec, corpus=None)
    check_whole_model(model.adapt(two["file"].tolist()[:30]), two)


def test_clips_of_a_batch_are_apart(saved, demo_rows):
    graph = ModelGraph(load_model(saved["svm"]), whole=True).eval()
    clips = torch.from_numpy(np.stack([samples[:20000] for samples in heard(demo_rows, 22050, count=3)]))
    with torch.no_grad():
        together, alone = graph(clips)[0], [graph(clip[None])[0] for clip in clips]
    assert together.numpy() == pytest.approx(torch.cat(alone).numpy(), abs=1e-6)


def test_a_model_from_what_is_computed_of_a_clip(demo_folder, demo_rows):
    """The pitch is tracked outside of the module."""
    model = fitted(demo_folder, {"features": {"preset": "fusionnet", "gender": "estimated"}})
    assert whole_obstacle(model) == "'pitch' cannot be computed in a graph"
    check_from_arrays(model, demo_rows)


def test_the_gender_that_a_model_is_given_is_an_input(demo_folder, demo_rows, tmp_path):
    model = fitted(demo_folder, {"features": {"blocks": ["mfcc", "gender"], "gender": "given"}})
    graph = ModelGraph(model, whole=True).eval()
    assert graph.inputs == ["waveform", "gender"]
    samples = next(heard(demo_rows, 22050))
    soundfile.write(tmp_path / "clip.wav", samples, 22050, subtype="FLOAT")
    for gender, number in (("female", 0.0), ("male", 1.0)):
        rows = demo_rows.iloc[[0]].assign(file=str(tmp_path / "clip.wav"), end=np.nan, gender=gender)
        with torch.no_grad():
            answer = graph(torch.from_numpy(samples)[None], torch.tensor([[number]]))
        same(model, answer, model.predict(rows).iloc[0])


def test_what_cannot_be_computed_in_a_graph_is_told(demo_folder):
    spec = {"features": {"blocks": ["mfcc"]}, "classifier": {"name": "svm", "scaling": "quantile"}}
    with pytest.raises(SettingsError, match="scaling by quantiles cannot be exported; fit the model again with"):
        ModelGraph(fitted(demo_folder, spec), whole=True)
    assert input_name("conv2d", 0.9) == "conv2d at speed 0.9"
    contrast = fitted(demo_folder, {"features": {"blocks": ["contrast"]}})
    assert whole_obstacle(contrast) == "'contrast' cannot be computed in a graph"
    with pytest.raises(
        SettingsError, match="cannot begin with the waveform: 'contrast' cannot be computed in a graph; use whole=Fals"
    ):
        ModelGraph(contrast, whole=True)


def test_thresholds_of_boosters_are_exact_where_columns_are_given(saved):
    """Columns that are given are those of the model, bit by bit, and so are the sides of its thresholds."""
    model = load_model(saved["xgboost"])
    given, whole = ModelGraph(model, whole=False).classifier, ModelGraph(model, whole=True).classifier
    trees = given.trees.threshold.numpy()
    assert (given.trees.threshold - whole.trees.threshold).min() > 0
    booster = model.pipeline["classifier"].booster_
    stored = booster.trees_to_dataframe()["Split"].dropna().to_numpy()
    assert set(np.float32(stored).tolist()) <= set(np.float32(trees).tolist())
