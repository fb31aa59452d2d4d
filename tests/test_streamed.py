"""Jobs whose features are read part by part: the same scores and models, with memory that does not grow."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import fusionser
from fusionser.errors import LeakageError, RowsError, SettingsError
from fusionser.features.parts import FeatureFiles, FeatureParts
from fusionser.features.store import read_settings, write_features
from fusionser.jobs import extract
from fusionser.model import load_model, save_model
from fusionser.pipeline.streamed import prepare_streamed
from fusionser.spec import PipelineSpec

TREES = {"classifier": {"name": "xgboost", "parameters": {"n_estimators": 20}}}
MACHINE = {"classifier": {"name": "linear-svm", "parameters": {"n_components": 40}}}
CHANGING = ("seconds", "provenance", "folds")
"""What differs from one run to the next."""


@pytest.fixture(scope="module")
def features(demo_folder, tmp_path_factory):
    """A features file of the demo corpus."""
    path = tmp_path_factory.mktemp("streamed") / "features.parquet"
    extract(demo_folder, path, PipelineSpec(features={"preset": "fusionnet", "gender": "none"}), corpus="demo")
    return path


class Parts:
    """A dataset in memory."""

    def __init__(self, table, size=100):
        self.table, self.size = table, size
        self.rows, self.columns = len(table), list(table.columns)
        self.read = []

    def parts(self, columns=None):
        self.read.append(columns)
        for first in range(0, self.rows, self.size):
            part = self.table.iloc[first : first + self.size]
            yield (part if columns is None else part[list(columns)]).reset_index(drop=True)


def lasting(result):
    """What a result has beside times."""
    plain = result.model_dump(mode="json")
    return {name: value for name, value in plain.items() if name not in CHANGING}


@pytest.mark.parametrize(("spec", "protocol"), [(TREES, "speaker-kfold"), (MACHINE, "random-kfold")])
def test_scores_are_those_of_rows_in_memory(features, spec, protocol):
    given = {"protocol": protocol, "protocol_settings": {"folds": 2}}
    jobs = (fusionser.evaluate_streamed, fusionser.evaluate)
    streamed, whole = (job(features, PipelineSpec(**spec), **given) for job in jobs)
    assert lasting(streamed) == lasting(whole)


def test_a_model_is_that_of_rows_in_memory(features, tmp_path):
    streamed, whole = (job(features, PipelineSpec(**TREES)) for job in (fusionser.fit_streamed, fusionser.fit))
    for name in ("classes", "features", "spec", "training_rows", "training_speakers", "temperature", "digests"):
        assert getattr(streamed.card, name) == getattr(whole.card, name)
    assert lasting(streamed.card.estimate) == lasting(whole.card.estimate)
    files = pd.read_parquet(features)["file"].tolist()[:20]
    again = load_model(save_model(streamed, tmp_path / "model.fusionser"))
    columns = [f"probability_{label}" for label in whole.card.classes]
    found, expected = (model.predict(files) for model in (again, whole))
    np.testing.assert_allclose(found[columns], expected[columns], atol=1e-6)
    np.testing.assert_array_equal(found["unlikeness"], expected["unlikeness"])


def test_a_dataset_of_ones_own_is_read_in_parts(features):
    table = pd.read_parquet(features)
    dataset = Parts(table)
    assert isinstance(dataset, FeatureParts)
    settings = tuple(read_settings(features).extractor.settings())
    spec = PipelineSpec(**TREES, features={"blocks": settings})
    two = {"protocol_settings": {"folds": 2}}
    assert lasting(fusionser.evaluate_streamed(dataset, spec, **two)) == {
        **lasting(fusionser.evaluate(features, PipelineSpec(**TREES), **two)),
        "spec": spec.explicit().model_dump(mode="json"),
        "features_name": spec.features_name,
    }
    # At first only the columns of rows, then those of the features alone.
    assert not any("__" in name for name in dataset.read[0])
    assert all("__" in name for names in dataset.read[1:] for name in names)


def test_files_are_one_dataset(features, tmp_path):
    both = FeatureFiles([features, shutil.copy(features, tmp_path / "second.parquet")])
    table = pd.read_parquet(features)
    assert both.rows == 2 * len(table)
    found = pd.concat(both.parts(["speaker", "mfcc__00_mean"]), ignore_index=True)
    pd.testing.assert_frame_equal(found.iloc[len(table) :].reset_index(drop=True), table[["speaker", "mfcc__00_mean"]])


def test_columns_of_the_users_table(features):
    table = pd.read_parquet(features).assign(smile__pitch=np.arange(240.0), weight=1.5)
    spec = PipelineSpec(**TREES, features={"columns": ["smile__*", "weight"]})
    prepared = prepare_streamed(Parts(table), spec)
    assert prepared.spec.features.columns == ("smile__pitch", "weight")
    result = fusionser.evaluate_streamed(Parts(table), spec, protocol="speaker-holdout")
    assert result.feature_count == 2
    spoiled = table.assign(smile__pitch=[np.nan, *range(239)])
    with pytest.raises(fusionser.FusionserError, match="its column 'smile__pitch' holds nan; expected a number"):
        fusionser.evaluate_streamed(Parts(spoiled), spec)


OBSTACLES = {
    "classifier svm; those that learn from batches are linear-svm, xgboost": {},
    "augment noise": {**TREES, "rows": {"augment": ["noise"]}},
    "imbalance smote; expected one of none, weights": {**TREES, "rows": {"imbalance": "smote"}},
    "impose-imbalance": {**TREES, "rows": {"impose_imbalance": 3.0}},
    "tune": {"classifier": {"name": "xgboost", "tune": True}},
    "setting adapted": {**TREES, "setting": "adapted"},
    "fusion average": {**TREES, "fusion": "average"},
    "scaling robust; expected one of standard": {"classifier": {"name": "xgboost", "scaling": "robust"}},
    r"targets \(loudness\)": {"targets": ["loudness"], "classifier": {"name": "xgboost"}},
    "learned features conv1d": {**TREES, "features": {"blocks": ["mfcc", "conv1d"]}},
}


@pytest.mark.parametrize("message", OBSTACLES)
def test_what_is_in_the_way_is_told(features, message):
    with pytest.raises(SettingsError, match=f"which does not work with .*{message}.*leave out --stream"):
        fusionser.fit_streamed(features, PipelineSpec(**OBSTACLES[message]))


def test_features_that_are_not_there_are_told(features):
    with pytest.raises(SettingsError, match=r"240 rows lack features of prosody, .* \(no column 'prosody__"):
        fusionser.fit_streamed(features, PipelineSpec(**TREES, features={"preset": "robust"}))
    table = pd.read_parquet(features)
    spec = PipelineSpec(**TREES, features={"preset": "fusionnet", "gender": "none"})
    other = table.assign(extracted=["{}" if place % 2 else text for place, text in enumerate(table["extracted"])])
    with pytest.raises(SettingsError, match=r"lack features of .* other settings \(first: "):
        fusionser.fit_streamed(Parts(other, size=240), spec)
    damaged = table.assign(mfcc__00_mean=np.where(np.arange(240) == 100, np.nan, table["mfcc__00_mean"]))
    with pytest.raises(RowsError, match="'mfcc__00_mean' has values that are not finite"):
        fusionser.fit_streamed(Parts(damaged), spec)


def test_features_that_were_scaled_as_a_whole_are_refused(features):
    table = pd.read_parquet(features)
    names = [name for name in table if "__" in name]
    values = table[names].to_numpy(dtype=float)
    scaled = table.assign(**dict(zip(names, ((values - values.mean(0)) / values.std(0).clip(1e-9)).T, strict=True)))
    spec = PipelineSpec(**TREES, features={"preset": "fusionnet", "gender": "none"})
    with pytest.raises(LeakageError, match="mean 0 and standard deviation 1 over all 240 rows"):
        fusionser.evaluate_streamed(Parts(scaled), spec)


def test_at_the_command_line(command, features, tmp_path):
    options = ["--classifier", "linear-svm", "--classes", "angry,sad,happy", "--rename", "fear=happy", "--folds", 2]
    scored = command("evaluate", features, *options, "--stream", "--json")
    assert scored.status == 0, scored.messages
    emotions = pd.read_parquet(features)["emotion"].replace("fear", "happy").value_counts()
    found = {name: scores["support"] for name, scores in scored.json["per_class"].items()}
    assert found == {name: int(emotions[name]) for name in ("angry", "happy", "sad")}
    model = tmp_path / "model.fusionser"
    fitted = command("fit", features, "--classifier", "xgboost", "--no-estimate", "--stream", "--out", model)
    assert fitted.status == 0, fitted.messages
    assert load_model(model).unlikeness is not None


def test_what_the_command_line_cannot_stream(command, features, demo_folder, tmp_path):
    for arguments, message in (
        ([features], "does not work with --classifier svm; those that learn from batches are linear-svm, xgboost"),
        ([demo_folder], "--stream reads features files, but"),
        ([demo_folder, "--corpus", "folders"], "--stream reads features files, but"),
        ([features, features], "given twice"),
        ([tmp_path / "nowhere.parquet"], "no such file; --stream reads features files"),
        ([features, "--channel", "left"], "--channel has no effect with --stream"),
        ([features, "--classifier", "xgboost", "--importance", "blocks"], "--importance shuffles columns"),
        ([features, "--classifier", "xgboost", "--epochs", 3], "--epochs has no effect"),
    ):
        done = command("evaluate", *arguments, "--stream")
        assert done.status == 1
        assert message in " ".join(done.messages.split())


GROWTH = """
import sys
import fusionser, fusionser.jobs.fitting

# The recordings of these rows do not exist.
fusionser.jobs.fitting.fit_unlikeness = lambda *rows, **options: None
settings = {"n_components": 20, "epochs": 1, "probability": False}
spec = fusionser.PipelineSpec(classifier={"name": "linear-svm", "parameters": settings})
for path in sys.argv[1:]:
    fusionser.fit_streamed(path, spec, protocol=None)
    # Unlike that of getrusage, this peak is not that of the process which started this one.
    print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.fixture
def many_rows(features, tmp_path):
    """Features files with 4000 and 10 000 rows of random numbers, 909 columns each."""
    extractor = fusionser.wide()
    names = extractor.get_feature_names_out().tolist()
    row = pd.read_parquet(features, columns=["end", "corpus", "gender", "statement", "channel"]).iloc[[0]]
    stamp = json.dumps(extractor.digests(), sort_keys=True)
    rng = np.random.default_rng(0)

    def parts(count):
        for first in range(0, count, 1000):
            table = pd.concat([row] * 1000, ignore_index=True).assign(
                file=[f"/none/{place}.wav" for place in range(first, first + 1000)],
                speaker=[f"demo/{place % 50}" for place in range(1000)],
                emotion=np.where(rng.random(1000) < 0.5, "angry", "sad"),
                extracted=stamp,
            )
            values = pd.DataFrame(rng.random((1000, len(names)), dtype=np.float32), columns=names)
            yield pd.concat([table, values], axis=1)

    counts = (4000, 10_000)
    return [write_features(parts(count), extractor, "wide", tmp_path / f"{count}.parquet", {}) for count in counts]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
def test_memory_hardly_grows_with_the_rows(many_rows):
    # Else the C library keeps memory that was freed, more or less of it from run to run.
    returned = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    command = [sys.executable, "-c", GROWTH, *map(str, many_rows)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=returned)
    few, many = map(int, done.stdout.split())
    # In memory, 6000 rows more take 260 MB.
    assert many - few < 6000 * 909 * 4 / 1024, (few, many)


@pytest.mark.parametrize("spec", [TREES, MACHINE], ids=["trees", "svm"])
def test_a_dataset_of_many_parts_gives_what_one_file_gives(features, demo_folder, tmp_path, monkeypatch, spec):
    monkeypatch.setattr("fusionser.pipeline.dataset_plan.ROWS_OF_A_PART", 50)
    folder = tmp_path / "features"
    extract(demo_folder, folder, PipelineSpec(features={"preset": "fusionnet", "gender": "none"}), corpus="demo")
    given = {"protocol": "speaker-kfold", "protocol_settings": {"folds": 2}}
    results = [fusionser.evaluate_streamed(place, PipelineSpec(**spec), **given) for place in (folder, features)]
    assert len(list((folder / "parts").iterdir())) == 5
    whole = lasting(fusionser.evaluate(folder, PipelineSpec(**spec), **given))
    assert whole.pop("calibration_error") == pytest.approx(results[0].calibration_error, abs=1e-12)
    assert {**lasting(results[0]), "calibration_error": None} == {**whole, "calibration_error": None}
    found, expected = (lasting(result) for result in results)
    # Products of matrices with another number of rows have other last digits.
    assert found.pop("calibration_error") == pytest.approx(expected.pop("calibration_error"), abs=1e-12)
    assert found == expected
