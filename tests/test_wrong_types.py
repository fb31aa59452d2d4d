"""What is no clip, no table and no number of processes is told in one error of this package."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from model_files import members

from fusionser.errors import AudioError, FusionserError, ModelFileError, SettingsError
from fusionser.features import MFCC, ZeroCrossingRate
from fusionser.model import load_model
from fusionser.pipeline.resources import Resources
from fusionser.timeline import StreamPredictor

NOISE = 0.1 * np.random.default_rng(0).normal(size=16000)
NO_CLIPS = {
    "None": (None, "got NoneType for X"),
    "a number": (3, "got int for X"),
    "a text": ("clip.wav", "got str for X"),
    "a path": (Path("clip.wav"), "got PosixPath for X"),
    "bytes": (b"clip", "got bytes for X"),
    "a dictionary": ({"file": "clip.wav"}, "got dict for X"),
    "a generator": ((name for name in ["a.wav"]), "got generator for X"),
    "one waveform": (NOISE, "got one waveform for X"),
    "one pair": ((NOISE, 16000), "got one pair"),
    "an empty list": ([], "X holds no clips"),
    "an empty table": (pd.DataFrame({"file": []}), "X holds no clips"),
    "no files": (pd.DataFrame({"path": ["a.wav"]}), "no column 'file'"),
    "NaN for a file": (pd.DataFrame({"file": ["a.wav", np.nan]}), "row 1 of the table has nan .float. in the column"),
    "a number for a file": (pd.DataFrame({"file": [3]}), "row 0 of the table has 3 .int. in the column 'file'"),
    "None among paths": (["a.wav", None], "got an item of type NoneType"),
    "lists of texts": ([["a.wav", "b.wav"]], "got an item of type list"),
    "ragged lists": ([[[0.1, 0.2], [0.1]]], "got an item of type list"),
    "three dimensions": ([(np.zeros((2, 2, 2)), 16000)], "3 dimensions"),
    "complex numbers": ([(NOISE.astype(complex), 16000)], "complex128"),
    "masked samples": ([(np.ma.masked_greater(NOISE, 0.1), 16000)], "some samples of an item are masked"),
    "no dimensions": (np.array(1.0), "got ndarray for X"),
    "two columns of a name": (pd.DataFrame([["a.wav", "b.wav"]], columns=["file", "file"]), "have a name twice: file"),
    "levels of columns": (pd.DataFrame({("file", "x"): ["a.wav"]}), "have several levels of names"),
    "a rate of NaN": ([(NOISE, float("nan"))], "got the sampling rate nan"),
}


ONE_RECORDING = ("a text", "a path", "bytes", "one waveform", "one pair")
"""What an extractor, which takes a list as scikit-learn does, refuses, and a model answers."""


@pytest.fixture(scope="module")
def model(saved):
    return load_model(saved["svm"])


@pytest.mark.parametrize("given", NO_CLIPS)
def test_what_is_no_clip_is_told(model, given):
    clips, told = NO_CLIPS[given]
    for use in (ZeroCrossingRate().transform, *([] if given in ONE_RECORDING else [model.predict])):
        with pytest.raises(FusionserError, match=told):
            use(clips)


def test_a_part_that_begins_nowhere_is_told(model, demo_rows):
    table = demo_rows[["file"]].head(2).assign(start=[0.1, np.nan])
    with pytest.raises(AudioError, match="start is nan s"):
        ZeroCrossingRate().transform(table)
    assert "start is nan s" in model.predict(table)["error"][1]


@pytest.mark.parametrize("jobs", ["x", 0, 1.5, True])
def test_numbers_of_processes(model, jobs):
    for use in (
        lambda: MFCC(n_jobs=jobs).transform([(NOISE, 16000)]),
        lambda: model.predict([(NOISE, 16000)], n_jobs=jobs),
    ):
        with pytest.raises(SettingsError, match="n_jobs is .*; expected a number of processes"):
            use()


def test_more_processes_than_the_memory_holds(model):
    for use in (
        lambda: MFCC(n_jobs=99999).transform([(NOISE, 16000)]),
        lambda: model.predict([(NOISE, 16000)], n_jobs=99999),
        lambda: Resources(n_jobs=99999),
    ):
        with pytest.raises(SettingsError, match="n_jobs is 99999, and this machine has .* cores; expected at most 8"):
            use()


@pytest.mark.parametrize("limit", [float("nan"), 2, -0.1, "x", True])
def test_limits_of_unlikeness(model, limit):
    with pytest.raises(SettingsError, match="most_unlike is .*; expected 0 to 1"):
        model.predict([(NOISE, 16000)], abstain=True, most_unlike=limit)


def test_a_limit_of_unlikeness_needs_abstention(model):
    with pytest.raises(SettingsError, match="most_unlike has no effect without abstain=True"):
        model.predict([(NOISE, 16000)], most_unlike=0.5)
    with pytest.raises(SettingsError, match="most_unlike has no effect without abstain=True"):
        StreamPredictor(model, 16000, most_unlike=0.5)


@pytest.mark.parametrize("parameter", ["n_mfcc", "n_fft", "hop_length", "sampling_rate", "n_mels"])
def test_whole_numbers(parameter):
    for wrong in (13.5, "13", True, None):
        with pytest.raises(SettingsError, match=f"{parameter} is {wrong!r}; expected"):
            MFCC(**{parameter: wrong}).transform([(NOISE, 16000)])
    whole = np.int64(getattr(MFCC(), parameter))
    expected = MFCC().transform([(NOISE, 16000)])
    np.testing.assert_array_equal(MFCC(**{parameter: whole}).transform([(NOISE, 16000)]), expected)


def test_a_model_is_a_path():
    with pytest.raises(SettingsError, match="got int for the path of a model"):
        load_model(3)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("trim", []),
        ("trim", 1),
        ("denoise", "no"),
        ("offset", float("nan")),
        ("offset", "x"),
        ("offset", 1e308),
        ("offset", True),
    ],
)
def test_truths_and_finite_numbers(parameter, value):
    with pytest.raises(SettingsError, match=f"{parameter} is "):
        MFCC(**{parameter: value}).transform([(NOISE, 16000)])


@pytest.mark.parametrize(
    ("parameter", "value"), [("trim", []), ("offset", 1e308), ("n_fft", 0), ("n_fft", 64.5), ("statistics", [])]
)
def test_a_model_with_such_a_parameter_is_refused_when_it_is_loaded(saved, tmp_path, parameter, value):
    parts = members(saved["svm"])
    manifest = json.loads(parts["manifest.json"])
    for block in manifest["card"]["features"]:
        if parameter in block:
            block[parameter] = value
    with zipfile.ZipFile(tmp_path / "hostile.fusionser", "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, json.dumps(manifest) if name == "manifest.json" else content)
    with pytest.raises(ModelFileError, match=f"its features cannot be built .*{parameter} is "):
        load_model(tmp_path / "hostile.fusionser")


def test_a_tensor_with_gradients_is_a_waveform(model):
    torch = pytest.importorskip("torch")
    given = NOISE.astype(np.float32)
    answers = model.predict([(torch.tensor(given, requires_grad=True), 16000), (given, 16000)])
    pd.testing.assert_series_equal(answers.iloc[0, 1:], answers.iloc[1, 1:], check_names=False)


def test_an_adaptation_to_nothing_that_can_be_used(model):
    with pytest.raises(FusionserError, match="clips"):
        model.adapt([(np.zeros(16000), 16000)] * 12)


@pytest.mark.parametrize(
    ("piece", "told"),
    [
        (np.stack([NOISE, NOISE]), "expected samples by channels, with channels in columns"),
        (NOISE[None], "expected samples by channels, with channels in columns"),
        (np.ma.array(NOISE, mask=NOISE > 0.1), "some samples are masked"),
    ],
    ids=["channels first", "one channel first", "masked"],
)
def test_pieces_of_another_shape(model, piece, told):
    with pytest.raises(AudioError, match=told):
        StreamPredictor(model, 16000).feed(piece)
