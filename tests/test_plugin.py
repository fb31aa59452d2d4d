"""A package that adds one of everything, installed by pip, through the command line in processes of their own."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from command_process import Outcome
from conftest import ROOT
from distributions import write_distribution
from option_help import completions, option_texts, words
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fusionser.registry import REGISTRIES

PACKAGE = "fusionser-plugin-example"
NAMES = {
    "blocks": "crest",
    "networks": "band-means",
    "classifiers": "nearest-mean",
    "corpora": "dashed",
    "augmentations": "gain",
    "protocols": "leave-one-gender-out",
    "presets": "loudness",
}
OPTIONS = {
    "--blocks": ["crest", "band-means"],
    "--network": ["band-means"],
    "--classifier": ["nearest-mean"],
    "--corpus": ["dashed"],
    "--augment": ["gain"],
    "--protocol": ["leave-one-gender-out"],
    "--preset": ["loudness"],
}
EMOTIONS = ("angry", "fear", "happy", "neutral", "sad")


def install(folder: Path, version: str) -> Path:
    """Install the example into a folder, with a version of its own, without a network."""
    source = folder / "source"
    shutil.copytree(ROOT / "tests" / "plugin", source)
    settings = source / "pyproject.toml"
    settings.write_text(settings.read_text().replace('version = "0.1.0"', f'version = "{version}"'))
    target = folder / "installed"
    options = ["--no-index", "--no-build-isolation", "--no-deps", "--quiet", "--target", target]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, source], check=True)
    return target


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    return install(tmp_path_factory.mktemp("plugin"), "0.1.0")


@pytest.fixture(scope="module")
def later_plugin(tmp_path_factory):
    return install(tmp_path_factory.mktemp("later"), "0.2.0")


@pytest.fixture(scope="module")
def recordings(demo_folder, tmp_path_factory):
    """Sixty clips of the demo corpus, under the names of the corpus that the plugin adds."""
    folder = tmp_path_factory.mktemp("dashed")
    for speaker in ("f1", "f2", "m1", "m2"):
        for emotion in EMOTIONS:
            for number, file in enumerate(sorted(demo_folder.glob(f"synthetic_{speaker}_{emotion}_*.wav"))[:3]):
                (folder / f"{speaker}-{emotion}-{number}.wav").symlink_to(file)
    return folder


def path_of(folders):
    return {"PYTHONPATH": os.pathsep.join(map(str, folders))}


def start(*arguments, beside=()):
    """Run `fusionser` in a new interpreter, where some folders hold packages."""
    arguments = [sys.executable, "-m", "fusionser", *map(str, arguments)]
    env = {**os.environ, **path_of(beside)}
    done = subprocess.run(arguments, env=env, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def run(command):
    """Run `fusionser` where some folders hold packages, in a process that has imported the large libraries."""
    return lambda *arguments, beside=(), **env: command(*arguments, env={**path_of(beside), **env})


@pytest.fixture(scope="module")
def features(plugin, recordings, tmp_path_factory):
    """Columns of the plugin's block beside fusionser's, of the plugin's corpus."""
    file = tmp_path_factory.mktemp("features") / "features.parquet"
    options = ["--corpus", "dashed", "--blocks", "crest,mfcc", "--sampling-rate", "16000", "--jobs", "1"]
    done = start("extract", recordings, *options, "--out", file, beside=[plugin])
    assert done.status == 0, done.messages
    return file


def test_what_a_package_adds_is_listed_with_where_it_comes_from(run, plugin):
    tables = start("list", "--json", beside=[plugin]).json
    origins = {kind: {one["name"]: one["origin"] for one in rows} for kind, rows in tables.items()}
    assert {kind: name for kind, names in origins.items() for name in names if names[name] != "fusionser"} == NAMES
    assert all(origins[kind][name] == f"{PACKAGE} 0.1.0" for kind, name in NAMES.items())
    assert all(one["summary"].endswith(".") and one["problem"] is None for rows in tables.values() for one in rows)
    assert {"classical-baseline", "s4-crnn-emodb"} <= set(origins["recipes"])
    shown = run("list", "classifiers", beside=[plugin]).output
    assert re.search(rf"nearest-mean +│ The class whose mean is nearest.* │ {PACKAGE} 0\.1\.0", shown)
    assert "xgboost" in shown
    assert "crest" not in shown


def test_listing_another_kind_of_names_is_refused(run):
    refused = run("list", "classifier")
    assert refused.status == 1
    assert "did you mean 'classifiers'? Known: blocks, networks, front-ends" in refused.messages


@pytest.mark.parametrize("option", OPTIONS)
def test_what_a_package_adds_completes_the_option_that_takes_it(plugin, option):
    with_it = os.pathsep.join([str(plugin), os.environ.get("PYTHONPATH", "")])
    for name in OPTIONS[option]:
        typed = ["evaluate", "x", option, name[:4]]
        assert name in completions(*typed, PYTHONPATH=with_it)
        assert name not in completions(*typed)


def test_what_a_package_adds_is_in_the_help_where_all_names_are(plugin):
    with_it = os.pathsep.join([str(plugin), os.environ.get("PYTHONPATH", "")])
    assert {"loudness"} <= words(option_texts("evaluate", PYTHONPATH=with_it)["--preset"])


def test_a_block_is_computed_and_a_corpus_is_read(features, recordings):
    table = pd.read_parquet(features)
    assert len(table) == 60
    assert set(table["corpus"]) == {"dashed"}
    assert table["gender"].value_counts().to_dict() == {"female": 30, "male": 30}
    for row in table.iloc[::20].itertuples():
        samples, rate = soundfile.read(row.file)
        assert rate == 16000
        peak = np.abs(samples).max()
        assert row.crest__peak == pytest.approx(peak, rel=1e-6)
        assert row.crest__crest_factor == pytest.approx(peak / np.sqrt(np.mean(samples**2)), rel=1e-5)


def test_a_corpus_is_checked_against_its_own_card(run, plugin, recordings):
    checked = run("corpora", "check", "dashed", recordings, beside=[plugin])
    assert "complete; every recording can be used" in checked.output
    listed = run("corpora", "--json", beside=[plugin], FUSIONSER_DATA="").json["corpora"]
    assert [one["address"] for one in listed if one["name"] == "dashed"] == ["https://example.org/dashed"]


def test_a_classifier_answers_under_a_protocol(run, plugin, features, tmp_path):
    options = ["--classifier", "nearest-mean", "--protocol", "leave-one-gender-out", "--out", tmp_path]
    result = run("evaluate", features, *options, "--json", beside=[plugin]).json
    assert [fold["name"] for fold in result["folds"]] == ["female", "male"]
    assert result["classifier_settings"]["sharpness"] == 1.0
    table = pd.read_parquet(features)
    columns = [name for name in table if "__" in name]
    expected = {}
    for gender in ("female", "male"):
        tested = table["gender"] == gender
        model = make_pipeline(StandardScaler(), NearestCentroid())
        model.fit(table.loc[~tested, columns].astype(float), table.loc[~tested, "emotion"])
        answers = model.predict(table.loc[tested, columns].astype(float))
        expected.update(zip(table.loc[tested, "file"], answers, strict=True))
    predictions = pd.read_csv(tmp_path / "predictions.csv")
    # A report does not tell where the recordings lie.
    names = {f".../{Path(file).parent.name}/{Path(file).name}": answer for file, answer in expected.items()}
    assert dict(zip(predictions["file"], predictions["predicted"], strict=True)) == names


def test_an_augmentation_changes_copies_and_is_trained_on(run, plugin, features, recordings, tmp_path):
    rows = pd.read_parquet(features)[["file", "emotion", "speaker", "gender", "corpus", "crest__peak"]].iloc[:2]
    copies = rows.drop(columns="crest__peak").assign(augmentation="gain(-6.0)#1", source=["a", "b"])
    copies.to_csv(tmp_path / "copies.csv", index=False)
    options = ["--blocks", "crest", "--sampling-rate", "16000", "--out", tmp_path / "copies.parquet"]
    assert run("extract", tmp_path / "copies.csv", *options, beside=[plugin]).status == 0
    quieter = pd.read_parquet(tmp_path / "copies.parquet")["crest__peak"].to_numpy()
    assert quieter == pytest.approx(rows["crest__peak"].to_numpy() * 10 ** (-6 / 20), rel=1e-5)
    training = ["--preset", "loudness", "--augment", "gain", "--copies", "2", "--classifier", "nearest-mean"]
    split = ["--protocol", "speaker-holdout", "--corpus", "dashed", "--json", "--jobs", "1"]
    result = run("evaluate", recordings, *training, *split, beside=[plugin]).json
    # The card's hold-out.
    assert [fold["name"] for fold in result["folds"]] == ["dashed/f1"]
    assert (result["classifier_settings"]["augment"], result["classifier_settings"]["copies"]) == (["gain"], 2)
    assert result["features_name"] == "loudness"
    assert result["feature_count"] == 3


def test_a_network_classifies_and_is_kept_for_its_version_of_the_package_alone(
    run, plugin, later_plugin, recordings, tmp_path
):
    options = ["--corpus", "dashed", "--network", "band-means", "--protocol", "speaker-holdout", "--epochs", "3"]

    def trained(beside):
        result = run(
            "evaluate", recordings, *options, "--json", "--jobs", "1", beside=[beside], FUSIONSER_CACHE=str(tmp_path)
        ).json
        assert len(result["folds"]) == 1
        return result["pooled"], len(list((tmp_path / "networks").glob("*.safetensors")))

    first, count = trained(plugin)
    assert count == 1
    assert trained(plugin) == (first, 1)
    assert trained(later_plugin) == (first, 2)


def test_features_are_kept_for_their_version_of_the_package_alone(run, plugin, later_plugin, recordings, tmp_path):
    def computed(beside, blocks):
        options = ["--corpus", "dashed", "--blocks", blocks, "--out", tmp_path / "features.parquet", "--jobs", "1"]
        done = run("extract", recordings, *options, "--json", beside=[beside], FUSIONSER_CACHE=str(tmp_path / "cache"))
        return done.json["computed"]

    assert computed(plugin, "crest,rms") == 60
    assert computed(plugin, "crest,rms") == 0
    assert computed(later_plugin, "rms") == 0
    assert computed(later_plugin, "crest,rms") == 60
    assert computed(later_plugin, "crest,rms") == 0


STUDY = """
title = "Of a package"
question = "Is an evaluation of another version of the package taken?"
[[pipelines]]
name = "loud"
classifiers = ["nearest-mean"]
spec.features = { preset = "loudness" }
spec.rows = { augment = ["gain"] }
[[corpora]]
corpus = "dashed"
[[corpora.protocols]]
name = "leave-one-gender-out"
"""


def test_an_evaluation_of_a_study_is_of_its_version_of_the_package_alone(
    run, plugin, later_plugin, recordings, tmp_path
):
    recipe, out = tmp_path / "study.toml", tmp_path / "out"
    recipe.write_text(STUDY)
    kept = out / "cells" / "dashed_leave-one-gender-out_inductive_loud_nearest-mean.json"

    def ran(beside):
        done = run("study", recipe, "--place", f"dashed={recordings}", "--out", out, "--jobs", "1", beside=[beside])
        assert done.status == 0, done.messages
        return kept.stat().st_mtime_ns, json.loads(kept.read_text())["provenance"]["plugins"]

    names = ("crest", "nearest-mean", "leave-one-gender-out", "gain", "dashed")
    first = ran(plugin)
    assert first[1] == dict.fromkeys(names, f"{PACKAGE} 0.1.0")
    assert ran(plugin) == first
    assert ran(later_plugin)[1] == dict.fromkeys(names, f"{PACKAGE} 0.2.0")
    # Its page is made again where the package is missing.
    page = (out / "report.md").read_text()
    assert run("report", out).status == 0
    assert (out / "report.md").read_text() == page.replace(f" --place=dashed=.../{Path(recordings).name}", "")


@pytest.fixture
def fitted(run, plugin, features, recordings, tmp_path):
    """Return a model file with some parts of the plugin."""

    def fit(place, *options):
        file = tmp_path / "model.fusionser"
        done = run("fit", place, *options, "--no-estimate", "--out", file, "--jobs", "1", beside=[plugin])
        assert done.status == 0, done.messages
        return file

    return fit


def answers(model, recordings, beside):
    files = sorted(recordings.iterdir())[::10]
    done = start("predict", model, *files, "--json", beside=beside)
    assert done.status == 0, done.messages
    assert all(sum(one["probabilities"].values()) == pytest.approx(1) for one in done.json)
    return {one["file"]: one["probabilities"] for one in done.json}


def test_a_model_with_a_block_and_a_network_of_a_package_predicts(plugin, fitted, recordings):
    blocks = ["--corpus", "dashed", "--blocks", "crest,band-means", "--epochs", "3", "--augment", "gain"]
    model = fitted(recordings, *blocks)
    assert len(answers(model, recordings, [plugin])) == 6


def test_a_model_with_a_classifier_of_a_package_predicts(plugin, fitted, features, recordings):
    model = fitted(features, "--classifier", "nearest-mean")
    table = pd.read_parquet(features)
    columns = [name for name in table if "__" in name]
    scaled = StandardScaler().fit_transform(table[columns].astype(float))
    means = np.stack([scaled[table["emotion"] == name].mean(axis=0) for name in EMOTIONS])
    for file, probabilities in answers(model, recordings, [plugin]).items():
        distances = np.square(scaled[table["file"] == file] - means).mean(axis=1)
        expected = np.exp(-distances) / np.exp(-distances).sum()
        assert [probabilities[name] for name in EMOTIONS] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("options", "lacking"),
    [
        (["--blocks", "crest"], "'crest'"),
        (["--blocks", "band-means", "--epochs", "2"], "'band-means'"),
        (["--blocks", "rms", "--classifier", "nearest-mean"], "'nearest-mean'"),
    ],
    ids=["block", "network", "classifier"],
)
def test_a_model_says_what_it_lacks_where_the_package_is_missing(run, fitted, recordings, options, lacking):
    model = fitted(recordings, "--corpus", "dashed", *options)
    refused = run("predict", model, next(recordings.iterdir()))
    assert refused.status == 1
    assert str(model) in refused.messages
    assert lacking in refused.messages


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """A package that cannot be imported, with a name of each kind; one name is taken by fusionser."""
    kinds = [kind.replace("-", "_") for kind in REGISTRIES]
    points = {kind: {"broken": "broken_module:Thing"} for kind in kinds}
    points["blocks"]["mfcc"] = "broken_module:Thing"
    modules = {"broken_module": "import no_such_module\n"}
    return write_distribution(tmp_path_factory.mktemp("broken"), "broken-package", points, modules, "3.1")


def test_a_broken_package_is_listed_as_broken(run, broken, plugin):
    listed = run("list", "--json", beside=[broken, plugin])
    assert listed.status == 0
    for kind, rows in json.loads(listed.output).items():
        problems = {one["name"]: (one["origin"], one["problem"]) for one in rows if one["problem"]}
        problem = "ModuleNotFoundError: No module named 'no_such_module'"
        assert problems == ({} if kind == "recipes" else {"broken": ("broken-package 3.1", problem)})
    assert "note: 'mfcc' of broken-package 3.1 is not used" in listed.messages
    assert "broken: ModuleNotFoundError" in run("list", "presets", beside=[broken]).output
    # A folder is asked of each format whether it is a dataset.
    refused = run("evaluate", ROOT / "docs", beside=[broken])
    assert "no audio files in it" in refused.messages


def test_a_broken_package_harms_no_other_name_and_is_told_by_its_own(run, broken, plugin, features, recordings):
    extraction = ["--corpus", "dashed", "--blocks", "crest,mfcc", "--out", features.with_name("again.parquet")]
    assert run("extract", recordings, *extraction, "--jobs", "1", beside=[broken, plugin]).status == 0
    evaluation = ["--classifier", "nearest-mean", "--protocol", "leave-one-gender-out"]
    assert run("evaluate", features, *evaluation, beside=[broken, plugin]).status == 0
    corpora = run("corpora", "--json", beside=[broken, plugin]).json["corpora"]
    assert {"ravdess", "dashed"} <= {one["name"] for one in corpora}
    file = features.with_name("w.safetensors")
    file.write_bytes(b"0")
    weights = run("evaluate", features, "--weights", file, beside=[broken, plugin])
    assert "no network that takes it; those that do: vgg16" in weights.messages.replace("\n", " ")
    for option, kind in (("--classifier", "classifier"), ("--protocol", "protocol"), ("--augment", "augmentation")):
        refused = run("evaluate", features, option, "broken", beside=[broken, plugin])
        assert refused.status == 1
        assert refused.messages.replace("\n", " ").strip() == (
            f"error: the {kind} 'broken' of the package broken-package 3.1 cannot be loaded: ModuleNotFoundError: "
            "No module named 'no_such_module'. Repair or remove that package"
        )
    for option in ("--blocks", "--network", "--preset", "--corpus"):
        folder = [] if option == "--corpus" else ["--corpus", "dashed"]
        refused = run("evaluate", recordings, *folder, option, "broken", beside=[broken, plugin])
        assert refused.status == 1
        assert "'broken' of the package broken-package 3.1 cannot be loaded" in refused.messages
