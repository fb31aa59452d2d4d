"""Saved models with networks in them: the same answers in a new process, and nothing hostile gets in."""

import io
import json
import os
import pickle
import re
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ROOT
from model_files import members
from safetensors.torch import load, save
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler

from fusionser.archive import MANIFEST, write_archive
from fusionser.cache import Cache
from fusionser.errors import ModelFileError, SettingsError
from fusionser.jobs import evaluate_prepared, fit_prepared
from fusionser.model import load_model, save_model
from fusionser.networks import Conv2DExtractor
from fusionser.pipeline import PipelineSpec, Place, Resources, build_features, build_pipeline, prepare
from fusionser.pipeline.build import configured_features
from fusionser.registry import NETWORKS
from fusionser.splits import SpeakerHoldout


def two_epochs(blocks, classifier="svm", cross_fit=0, **more):
    networks = {"epochs": 2, "cross_fit": cross_fit}
    return PipelineSpec(features={"blocks": blocks}, classifier={"name": classifier}, networks=networks, **more)


SPECS = {
    "early": two_epochs(["statistics", "gender", "conv1d"], "bilstm"),
    "augmented": two_epochs(["mfcc", "mfcc-frames"], "mlp", rows={"augment": ["noise"]}),
    "average": two_epochs(["mfcc", "conv1d"], "xgboost", fusion="average"),
    "stacked": two_epochs(["mfcc", "conv1d"], "mlp", fusion="stacked", cross_fit=2),
    "network alone": two_epochs(["conv1d"], fusion="average"),
}


@pytest.fixture(scope="module")
def deep(demo_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("deep")
    places = [Place(demo_folder, "demo")]
    made = {}
    for name, spec in SPECS.items():
        model = fit_prepared(prepare(places, spec))
        made[name] = (model, save_model(model, folder / f"{name}.fusionser"))
    return made


@pytest.mark.parametrize("name", sorted(SPECS))
def test_a_new_process_gives_the_same_probabilities(deep, demo_rows, name):
    model, file = deep[name]
    clips = demo_rows["file"].tolist()[::30]
    here = model.predict(clips)
    assert (here["error"] == "").all()
    code = (
        "import sys; from fusionser.model import load_model;"
        "load_model(sys.argv[1]).predict(sys.argv[3:]).to_parquet(sys.argv[2])"
    )
    there = file.with_suffix(".parquet")
    subprocess.run([sys.executable, "-c", code, str(file), str(there), *clips], check=True)
    pd.testing.assert_frame_equal(pd.read_parquet(there), here, check_dtype=False, rtol=1e-6)
    assert np.ptp(here.filter(like="probability_").to_numpy()) > 0


def test_everything_keeps_to_the_cache_of_the_rows_and_no_file_tells_of_it(demo_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIONSER_CACHE", str(tmp_path / "default"))
    kept = Cache(tmp_path / "hidden-place")
    resources = Resources(cache=kept)
    spec = PipelineSpec(
        features={"blocks": ["mfcc", "conv1d"]},
        classifier={"name": "mlp"},
        rows={"imbalance": "balanced-bagging"},
        networks={"epochs": 1},
    )
    prepared = prepare([Place(demo_folder, "demo")], spec, resources=resources)
    result, _ = evaluate_prepared(prepared, SpeakerHoldout(speakers=("f1", "m1")), resources=resources)
    model = fit_prepared(prepared, resources=resources)
    assert not (tmp_path / "default").exists()
    assert len(list(kept.networks.iterdir())) > 2
    assert "cache" not in result.classifier_settings
    assert "hidden-place" not in result.model_dump_json()
    file = save_model(model, tmp_path / "m.fusionser")
    with zipfile.ZipFile(file) as archive:
        contents = [archive.read(name) for name in archive.namelist()]
    with zipfile.ZipFile(io.BytesIO(members(file)["estimators.skops"])) as archive:
        contents += [archive.read(name) for name in archive.namelist()]
    assert not any(b"hidden-place" in content for content in contents)
    assert load_model(file).pipeline["classifier"].classifier.cache is True


def test_saving_leaves_the_model_whole_and_its_file_holds_no_learning_curve(deep, demo_rows):
    model, file = deep["early"]
    assert model.pipeline["classifier"].history_
    assert "history_" not in str(members(file)["estimators.skops"])
    assert load_model(file).pipeline["classifier"].device == "auto"
    assert set(members(file)) == {
        MANIFEST,
        "estimators.skops",
        "classifier.safetensors",
        "features/conv1d",
        "features/gender",
        "unlikeness.json",
    }


def test_a_model_that_estimates_the_gender_asks_for_none(deep):
    assert not load_model(deep["early"][1]).needs_gender


def changed(file, target, change):
    parts = members(file)
    manifest = json.loads(parts.pop(MANIFEST))
    for name in ("members", "format"):
        manifest.pop(name)
    change(manifest, parts)
    return write_archive(target, manifest, parts)


def poison(part, key, value):
    def change(manifest, parts):
        tensors = load(parts[part])
        tensors[key] = value(tensors[key])
        parts[part] = save({name: tensor.contiguous() for name, tensor in tensors.items()})

    return change


class Payload:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (os.mkdir, (str(self.mark),))


def torch_pickle(mark):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Payload(mark)))
    return buffer.getvalue()


@pytest.mark.parametrize("part", ["classifier.safetensors", "features/conv1d", "features/gender"])
@pytest.mark.parametrize("content", [lambda mark: pickle.dumps(Payload(mark)), torch_pickle], ids=["pickle", "torch"])
def test_a_pickle_in_place_of_weights_is_refused_and_never_run(deep, tmp_path, part, content):
    mark = tmp_path / "mark"
    file = changed(
        deep["early"][1], tmp_path / "m.fusionser", lambda manifest, parts: parts.update({part: content(mark)})
    )
    with pytest.raises(ModelFileError, match="the weights cannot be read"):
        load_model(file)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (poison("features/conv1d", "dense_1.weight", lambda old: old[:, :-1]), "the weights 'dense_1.weight' are"),
        (poison("features/conv1d", "dense_1.weight", lambda old: old * torch.nan), "are not finite"),
        (poison("features/conv1d", "dense_1.weight", lambda old: old.double()), "expected .* of torch.float32"),
        (poison("classifier.safetensors", "output.bias", lambda old: old + torch.inf), "are not finite"),
        (poison("features/conv1d", "temperature", torch.zeros_like), "the temperature is not positive"),
        (poison("classifier.safetensors", "temperature", lambda old: -old), "the temperature is not positive"),
        (poison("features/gender", "numbers", lambda old: old[:, :-1]), "the weights do not fit"),
        (lambda manifest, parts: parts.pop("features/conv1d"), "do not fit together"),
        (lambda manifest, parts: parts.update({"features/conv1d": parts["classifier.safetensors"]}), "another network"),
        (lambda manifest, parts: parts.pop("classifier.safetensors"), "do not fit together"),
    ],
)
def test_weights_that_are_not_those_of_the_network_are_refused(deep, tmp_path, change, message):
    file = changed(deep["early"][1], tmp_path / "m.fusionser", change)
    with pytest.raises(ModelFileError, match=message):
        load_model(file)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kind", "os.system"),
        ("front_end", {"kind": "pickle"}),
        ("front_end", {"kind": "block-vector", "blocks": ["zcr"] * 10**5}),
        ("front_end", {"kind": "block-vector", "duration": 1e12}),
        ("dropout", 5.0),
        ("surprise", 1),
        ("units", 10**12),
    ],
)
def test_a_front_end_of_the_strangers_own_is_refused(deep, tmp_path, key, value):
    def change(manifest, parts):
        block = next(one for one in manifest["card"]["features"] if one["name"] == "conv1d")
        block[key] = value

    with pytest.raises(ModelFileError):
        load_model(changed(deep["early"][1], tmp_path / "m.fusionser", change))


@pytest.mark.parametrize("units", [10**7, 10**12, -1])
def test_a_network_larger_than_its_weights_costs_no_memory(deep, tmp_path, units):
    # The size stands in the skops part; its weights are those of the honest network.
    def change(manifest, parts):
        with zipfile.ZipFile(io.BytesIO(parts["estimators.skops"])) as archive:
            inner = {name: archive.read(name) for name in archive.namelist()}
        text = inner["schema.json"].decode()
        assert '"content": "64"' in text
        inner["schema.json"] = text.replace('"content": "64"', f'"content": "{units}"').encode()
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in inner.items():
                archive.writestr(name, content)
        parts["estimators.skops"] = buffer.getvalue()

    with pytest.raises(ModelFileError):
        load_model(changed(deep["early"][1], tmp_path / "m.fusionser", change))


def test_a_fusion_that_does_not_fit_its_members_is_refused(deep):
    for spoil in (
        lambda fused: fused.members_.clear(),
        lambda fused: fused.groups_["columns"].pop(),
        lambda fused: fused.scored_["conv1d"].pop(),
        lambda fused: setattr(fused, "method", "vote"),
        lambda fused: fused.weights_.update(columns=float("nan")),
    ):
        fused = pickle.loads(pickle.dumps(deep["average"][0].pipeline["classifier"]))
        fused.check_loaded()
        spoil(fused)
        with pytest.raises(ValueError, match=r"."):
            fused.check_loaded()


def test_speaker_normalised_late_fusion_standardises_columns_and_adapts_networks(split, monkeypatch):
    train, test = (rows.groupby(["speaker", "emotion"]).head(3).reset_index(drop=True) for rows in split)
    spec = two_epochs(["mfcc", "conv2d"], fusion="average", setting="speaker-normalised")
    adapted, plain = [], Conv2DExtractor.adapted
    monkeypatch.setattr(Conv2DExtractor, "adapted", lambda self, X: adapted.append(len(X)) or plain(self, X))
    pipeline = build_pipeline(spec).fit(train, train["emotion"])
    # In-fold scores are not used, so networks are not adapted to training speakers.
    assert adapted == []
    features, scaler = pipeline["features"], pipeline["scale"]
    columns = features.transform(test)
    scaled = scaler.transform(columns)
    network = features.learned_["conv2d"]
    alone = clone(network).set_params(by_speaker=False)
    for name in ("classes_", "scales_", "network_", "input_shape_"):
        setattr(alone, name, getattr(network, name))
    scores = [name for name in columns if name.startswith("conv2d__")]
    mfcc = [name for name in columns if name.startswith("mfcc__")]
    for speaker, own in test.groupby("speaker"):
        places = (test["speaker"] == speaker).to_numpy()
        expected = alone.adapted(own).scores(own)
        np.testing.assert_allclose(columns.loc[places, scores], expected, atol=1e-5)
        assert np.abs(alone.scores(own) - expected).max() > 1e-3
        # Scores of a network stay log-probabilities; columns of features are standardised by speaker, then scaled.
        np.testing.assert_allclose(scaled.loc[places, scores], expected, atol=1e-5)
        again = scaler.scalers_["mfcc"].transform(StandardScaler().fit_transform(columns.loc[places, mfcc]))
        np.testing.assert_allclose(scaled.loc[places, mfcc], again, atol=1e-4)


def test_a_network_by_speaker_needs_speakers_and_clips(split):
    rows = split[0].groupby(["speaker", "emotion"]).head(2).reset_index(drop=True)
    network = Conv2DExtractor(epochs=1, by_speaker=True).fit(rows, rows["emotion"])
    # Nine clips say too little about a speaker.
    few = rows[rows["speaker"] == rows["speaker"][0]].head(9)
    np.testing.assert_allclose(network.transform(few), network.embed(few), atol=1e-6)
    with pytest.raises(SettingsError, match=r"by_speaker .* needs the speaker of every row"):
        network.transform(few["file"].tolist())
    with pytest.raises(SettingsError, match="by_speaker"):
        network.set_params(by_speaker="yes").fit(rows, rows["emotion"])
    assert network.set_params(by_speaker=True).settings()["by_speaker"] is True
    assert "by_speaker" not in network.set_params(by_speaker=False).settings()


def test_speaker_normalised_networks_that_it_cannot_change_are_refused():
    spec = two_epochs(["conv1d"], fusion="average", setting="speaker-normalised")
    with pytest.raises(SettingsError, match="adapts networks with batch normalisation to each speaker"):
        build_pipeline(spec)


def test_copies_do_not_change_how_a_speaker_sounds(split):
    rows = split[0][split[0]["speaker"] == split[0]["speaker"][0]].head(12).reset_index(drop=True)
    network = Conv2DExtractor(epochs=1, by_speaker=True, speeds=()).fit(rows, rows["emotion"])
    copies = rows.assign(augmentation="noise(12.5)#1")
    both = network.transform(pd.concat([rows, copies], ignore_index=True))
    np.testing.assert_allclose(both[: len(rows)], network.transform(rows), atol=1e-5)


def test_networks_of_one_kind_start_from_different_seeds():
    listed = ["robust", "conv1d-relative", {"kind": "conv1d-relative", "name": "second", "filters": 8}, "conv2d"]
    spec = PipelineSpec(features={"blocks": listed}, fusion="average", seed=5)
    blocks = dict(configured_features(spec).blocks)
    seeds = {name: block.random_state for name, block in blocks.items() if hasattr(block, "random_state")}
    assert seeds == {"conv1d-relative": 5, "second": 6, "conv2d": 5}
    assert blocks["second"].filters == 8 and blocks["second"].resolved_front_end().array_shape() == (46, 150)


def test_a_front_end_that_is_no_table_is_refused():
    listed = [{"kind": "conv1d-relative", "front_end": "log-mel-map"}]
    with pytest.raises(SettingsError, match="front_end is 'log-mel-map'; expected a table with its kind"):
        configured_features(PipelineSpec(features={"blocks": listed}, fusion="average"))


@pytest.mark.parametrize(
    ("setting", "value", "advice"),
    [
        ("precision", "bfloat16", "set precision under networks"),
        ("class_weight", "balanced", "set imbalance under rows"),
        ("output", "units", "set the fusion"),
    ],
)
def test_a_block_cannot_set_what_the_pipeline_decides(setting, value, advice):
    spec = PipelineSpec(features={"blocks": [{"kind": "conv1d-relative", setting: value}]}, fusion="average")
    with pytest.raises(SettingsError, match=f"{setting} of the block 'conv1d-relative' is {value!r}.*{advice}"):
        configured_features(spec)


def test_the_largest_seed_has_a_successor():
    listed = [{"kind": "conv1d-relative", "name": name} for name in ("a", "b")]
    spec = PipelineSpec(features={"blocks": listed}, fusion="average", seed=2**32 - 1)
    assert [block.random_state for _, block in configured_features(spec).blocks] == [2**32 - 1, 0]


@pytest.mark.parametrize("name", ["", "a\0b", "a__b", "line\nbreak"])
def test_block_names_that_no_file_can_hold_are_refused(name):
    with pytest.raises(SettingsError, match="a block's name is"):
        build_features(PipelineSpec(features={"blocks": [{"kind": "mfcc", "name": name}]}))


def test_finite_weights_that_give_no_finite_answer(deep, demo_rows, tmp_path):
    huge = poison("features/conv1d", "dense_1.weight", lambda old: torch.full_like(old, 3e38))
    file = changed(deep["network alone"][1], tmp_path / "m.fusionser", huge)
    (answer,) = load_model(file).predict(demo_rows["file"].tolist()[:1], abstain=True).to_dict("records")
    assert answer["emotion"] == "" and "no finite probabilities" in answer["error"]


def test_the_glossary_names_the_networks_without_batch_normalisation():
    row = next(line for line in (ROOT / "docs/glossary.md").read_text().splitlines() if "| batch normal" in line)
    named = set(re.findall(r"`([^`]+)`", row.split("except")[1]))
    # Those on a pretrained encoder are built when its folder is known.
    encoders = {"transformers-attentive", "transformers-finetuned"}
    others = {name for name in NETWORKS if name not in encoders and not NETWORKS[name]().adapts}
    assert named == encoders | others
