"""Networks that start from the weights of a model file."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from fusionser.archive import read_archive, write_archive
from fusionser.errors import SettingsError
from fusionser.features import LogMelMap
from fusionser.jobs import evaluate_prepared, fit_prepared
from fusionser.model import load_model, save_model
from fusionser.networks import NETWORKS, Conv2DExtractor
from fusionser.networks.finetuning import TransformersFinetuned
from fusionser.pipeline import Place, build_estimator, build_pipeline, configured_features, prepare
from fusionser.reporting.tuning import write_tuning
from fusionser.reporting.words import where_tested
from fusionser.spec import Config, PipelineSpec
from fusionser.splits import SpeakerHoldout
from fusionser.tuning import Search, tune_prepared
from fusionser.tuning.objective import InnerScores

FRONT = LogMelMap(sampling_rate=8000, n_fft=256, hop_length=128, n_mels=32, duration=1.0)
SIZES = {"filters": (4, 4, 4, 4), "units": 4, "speeds": ()}
STILL = {"learning_rate": 1e-12, "weight_decay": 0.0, "epochs": 1, "cache": False}
"""Training that changes no weight, but the statistics of batch normalisation."""
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def small(**more):
    return Conv2DExtractor(front_end=FRONT, **SIZES, **more)


@pytest.fixture(scope="module")
def trained(demo_folder, tmp_path_factory):
    """A model of a small conv2d and a small conv1d, fitted by the library as the command does."""
    folder = tmp_path_factory.mktemp("trained")
    spec = PipelineSpec.model_validate(
        {
            "features": {"blocks": [{"kind": "conv2d", "front_end": FRONT.settings(), **SIZES}, "conv1d"]},
            "fusion": "average",
            "networks": {"epochs": 2},
        }
    )
    return save_model(fit_prepared(prepare([Place(demo_folder, "demo")], spec)), folder / "trained.fusionser")


def weights_in(path, member="features/conv2d"):
    return load(read_archive(path)[1][member])


def changed(path, place, tensors=None, card=None):
    """Write a model file with other tensors or another card."""
    manifest, members = read_archive(path)
    if tensors is not None:
        members["features/conv2d"] = save(tensors)
    if card is not None:
        manifest["card"] = card
    write_archive(place, {"card": manifest["card"]}, members)
    return str(place)


def test_training_starts_from_the_weights_but_those_of_the_output(trained, split):
    rows = split[0].groupby(["emotion", "speaker"]).head(1)
    two = rows[rows["emotion"].isin(["angry", "sad"])]
    given = weights_in(trained)
    begun = small(weights=str(trained), **STILL).fit(two, two["emotion"]).network_.state_dict()
    own = small(**STILL).fit(two, two["emotion"]).network_.state_dict()
    names = [name for name in given if not name.startswith(("output", "preparation", "temperature"))]
    kept = [name for name in names if not name.endswith(STATISTICS)]
    assert len(kept) > 20
    for name in kept:
        np.testing.assert_allclose(begun[name].numpy(), given[name].numpy(), atol=1e-7)
    assert not torch.allclose(own["recurrent.weight_ih_l0"], given["recurrent.weight_ih_l0"])
    # The output layer has two classes here, and five in the model.
    assert begun["output.weight"].shape == (2, 32)
    assert given["output.weight"].shape == (5, 32)
    # Inputs are standardised by the rows that are trained on.
    for name in ("preparation.mean", "preparation.scale"):
        if name in own:
            assert torch.equal(begun[name], own[name])


def test_settings_and_stamps_say_where_the_weights_are_from(trained, split):
    block = small(weights=str(trained))
    settings = block.settings()
    assert settings["weights"].startswith("trained.fusionser, sha256 ")
    assert "weights" not in small().settings()
    (stamp,) = block.stamps()
    assert stamp.kind == "pretrained"
    assert stamp.value["on"] == "demo"
    assert stamp.value["licence"].startswith("MIT")
    assert stamp.value["what"] == f"conv2d ({settings['weights']})"
    again = NETWORKS["conv2d"].from_settings(settings)
    assert again.settings() == settings
    # A saved model has the name only: it cannot say which recordings these were.
    assert again.stamps()[0].value["on"] == "recordings that are not named"


def test_a_model_of_such_a_network_is_saved_and_read_without_the_file(trained, demo_folder, split, tmp_path):
    blocks = [{"kind": "conv2d", "front_end": FRONT.settings(), **SIZES, "weights": str(trained)}]
    spec = PipelineSpec.model_validate({"features": {"blocks": blocks}, "fusion": "average", "networks": {"epochs": 1}})
    path = save_model(fit_prepared(prepare([Place(demo_folder, "demo")], spec)), tmp_path / "begun.fusionser")
    model = load_model(path)
    assert [one.value["on"] for one in model.card.notes if one.kind == "pretrained"] == ["demo"]
    files = split[1]["file"].tolist()[:3]
    expected = model.predict_proba(files)
    second = save_model(model, tmp_path / "again.fusionser")
    np.testing.assert_array_equal(load_model(second).predict_proba(files), expected)


def test_other_weights_are_another_training(trained, split, tmp_path):
    rows = split[0].groupby(["emotion", "speaker"]).head(1)
    tensors = weights_in(trained)
    other = changed(trained, tmp_path / "other.fusionser", {name: value * 1 for name, value in tensors.items()})
    tensors["recurrent.weight_ih_l0"] = -tensors["recurrent.weight_ih_l0"]
    negative = changed(trained, tmp_path / "negative.fusionser", tensors)
    answers = [
        small(weights=path, epochs=1).fit(rows, rows["emotion"]).predict_proba(split[1].head(4))
        for path in (str(trained), other, negative)
    ]
    np.testing.assert_array_equal(answers[0], answers[1])
    assert np.abs(answers[0] - answers[2]).max() > 1e-4


def nan(tensors):
    tensors["dense.bias"] = torch.full_like(tensors["dense.bias"], torch.nan)


def negative(tensors):
    name = next(name for name in tensors if name.endswith("running_var"))
    tensors[name] = -tensors[name] - 1


def missing(tensors):
    del tensors["dense.bias"]


def added(tensors):
    tensors["second.bias"] = torch.zeros(3)


def larger(tensors):
    tensors["dense.bias"] = torch.zeros(33)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (nan, "the weights 'dense.bias' are not finite"),
        (negative, "are negative"),
        (missing, "it has no 'dense.bias'"),
        (added, "it has 'second.bias', which the network to train lacks"),
        (larger, r"the weights 'dense.bias' are \(33,\) of torch.float32; expected \(32,\)"),
    ],
)
def test_weights_of_a_stranger_are_checked(trained, split, tmp_path, change, message):
    tensors = weights_in(trained)
    change(tensors)
    path = changed(trained, tmp_path / "strange.fusionser", tensors)
    with pytest.raises(SettingsError, match=message):
        small(weights=path, epochs=1).fit(split[0].head(20), split[0]["emotion"].head(20))


@pytest.mark.parametrize("card", [None, [], {}, {"features": 3}, {"features": [[]], "corpus": "a"}])
def test_a_card_of_a_stranger_gives_an_error(trained, tmp_path, card):
    manifest, members = read_archive(trained)
    path = tmp_path / "strange.fusionser"
    write_archive(path, {"card": card}, members)
    assert json.dumps(manifest["card"])
    with pytest.raises(SettingsError, match=r"its card was not written by fusionser|has no network conv2d"):
        small(weights=str(path)).stamps()


def test_networks_that_cannot_start_from_a_file_are_refused(trained, split, tmp_path):
    rows, labels = split[0].head(20), split[0]["emotion"].head(20)
    with pytest.raises(SettingsError, match="has no network crnn; it has conv1d, conv2d. Fit a model with crnn first"):
        NETWORKS["crnn"](weights=str(trained)).stamps()
    other = Conv2DExtractor(front_end=FRONT, **{**SIZES, "units": 8}, weights=str(trained))
    with pytest.raises(SettingsError, match="expected a network with the same layers as the one to train"):
        other.fit(rows, labels)
    inputs = Conv2DExtractor(**SIZES, weights=str(trained))
    with pytest.raises(SettingsError, match="conv2d of trained.fusionser has other inputs than the network to train"):
        inputs.fit(rows, labels)
    text = tmp_path / "text.fusionser"
    text.write_text("no model")
    with pytest.raises(SettingsError, match="--weights: .*not a model saved by fusionser"):
        small(weights=str(text)).fit(rows, labels)
    with pytest.raises(SettingsError, match="starts from a pretrained encoder, so it takes no weights"):
        TransformersFinetuned(model="a-folder", weights=str(trained)).check()


def test_the_option_goes_to_all_networks_that_read_such_a_file(trained, tmp_path):
    spec = PipelineSpec(features={"blocks": ["conv1d", "crnn", "vgg16"]}, networks={"weights": str(trained)})
    settings = {one["kind"]: one.get("weights") for one in configured_features(spec).settings()}
    assert settings["vgg16"] is None
    assert settings["conv1d"].startswith("trained.fusionser, sha256 ")
    assert settings["crnn"].startswith("trained.fusionser, sha256 ")
    alone = spec.changed(features={"blocks": ["vgg16"]})
    with pytest.raises(SettingsError, match=r"is a model, and there is no .* that takes it; those that do: .*conv2d"):
        build_estimator(alone)
    path = tmp_path / "taught.safetensors"
    path.write_bytes(b"0")
    text = PipelineSpec(features={"blocks": ["conv1d"]}, networks={"weights": str(path)})
    with pytest.raises(SettingsError, match="no network that takes it; those that do: vgg16"):
        build_pipeline(text)


def test_the_command_stamps_the_score(trained, command, demo_folder, tmp_path):
    options = ["--corpus", "demo", "--network", "conv1d", "--epochs", 1, "--weights", trained]
    done = command("evaluate", demo_folder, *options, "--protocol", "random-holdout", "--json")
    assert done.status == 0, done.messages
    stamps = [one for one in done.json["protocol"]["stamps"] if one["kind"] == "pretrained"]
    assert [one["value"]["on"] for one in stamps] == ["demo"]
    assert "initial-weights" not in [one["kind"] for one in done.json["notes"]] or all(
        one["value"]["network"] == "conv1d" for one in done.json["notes"] if one["kind"] == "initial-weights"
    )
    refused = command("evaluate", demo_folder, *options[:3], "crnn", *options[4:], "--protocol", "random-holdout")
    assert refused.status == 1
    assert "has no network crnn; it has conv1d, conv2d" in refused.messages


def test_the_stamp_names_what_the_weights_started_from_in_their_turn(trained, tmp_path):
    manifest, members = read_archive(trained)
    card = manifest["card"]
    begun = {"what": "conv2d (first.fusionser, sha256 0)", "on": "crema-d", "licence": "ODbL"}
    other = {"what": "conv1d (other.fusionser, sha256 0)", "on": "tess", "licence": "CC BY-NC-ND"}
    card["notes"] = [*card["notes"], *({"kind": "pretrained", "value": value} for value in (begun, other))]
    path = tmp_path / "second.fusionser"
    write_archive(path, {"card": card}, members)
    (stamp,) = small(weights=str(path)).stamps()
    assert stamp.value["on"] == "demo, crema-d"
    assert stamp.value["licence"].endswith("; ODbL")


@pytest.mark.parametrize("corpus", ["\ud800x", "", None, ["demo"], "a\nb"])
def test_names_in_a_card_of_a_stranger_are_text(trained, tmp_path, corpus):
    manifest, members = read_archive(trained)
    path = tmp_path / "strange.fusionser"
    write_archive(path, {"card": {**manifest["card"], "corpus": corpus}}, members)
    with pytest.raises(SettingsError, match="its card was not written by fusionser"):
        small(weights=str(path)).stamps()


def test_a_file_in_brackets_is_not_replaced(trained, tmp_path):
    second = tmp_path / "second.fusionser"
    second.write_bytes(trained.read_bytes())
    blocks = [f"conv1d[weights={second}]", "conv1d[name=other]"]
    spec = PipelineSpec(features={"blocks": blocks}, networks={"weights": str(trained)})
    weights = [one["weights"] for one in configured_features(spec).settings()]
    assert [name.partition(",")[0] for name in weights] == ["second.fusionser", "trained.fusionser"]
    assert str(tmp_path) not in spec.features_name
    public = spec.public()
    assert public.networks.weights == ".../trained.fusionser"
    assert public.features.blocks[0] == "conv1d[weights=.../second.fusionser]"
    for name in ("weights", "by_speaker", "class_weight"):
        with pytest.raises(SettingsError, match=f"parameter of conv1d '{name}'|'{name}'"):
            configured_features(PipelineSpec(features={"blocks": ["conv1d"]}, networks={"parameters": {name: None}}))


@pytest.mark.parametrize("weights", [3, True, b"a"])
def test_weights_that_are_no_path_are_refused(weights):
    with pytest.raises(SettingsError, match="weights is .*; expected the path of a model file"):
        small(weights=weights).check()


def test_names_that_are_no_file_are_refused(tmp_path):
    for weights, message in (("", "an empty name: no such file"), (str(tmp_path), "no such file")):
        spec = PipelineSpec(features={"blocks": ["conv1d"]}, networks={"weights": weights})
        with pytest.raises(SettingsError, match=message):
            build_pipeline(spec)


def test_a_score_on_the_corpus_of_the_weights_is_not_said_to_be_of_unknown_speakers(trained, demo_folder):
    spec = PipelineSpec(network="conv1d", networks={"weights": str(trained), "epochs": 1})
    prepared = prepare([Place(demo_folder, "demo")], spec)
    result, _ = evaluate_prepared(prepared, SpeakerHoldout(share=0.25))
    assert where_tested(result) == "On speakers whose recordings its networks may have heard"
    assert result.spec.networks.weights.startswith((".../", "~/"))
    plain, _ = evaluate_prepared(
        replace(prepared, spec=spec.changed(networks={"epochs": 1})), SpeakerHoldout(share=0.25)
    )
    assert where_tested(plain) == "On speakers that it was not trained on"


def test_a_search_knows_its_weights_and_writes_no_machine_path(trained, demo_folder, tmp_path, monkeypatch):
    pytest.importorskip("optuna")
    monkeypatch.setattr(InnerScores, "scores", lambda self, values: iter([0.5] * len(self.splits)))
    path = tmp_path / "given.fusionser"
    path.write_bytes(trained.read_bytes())
    spec = PipelineSpec(features={"blocks": ["mfcc", "conv1d"]}, fusion="average", networks={"weights": str(path)})
    prepared = prepare([Place(demo_folder, "demo")], spec)
    result = tune_prepared(prepared, tmp_path / "tuned", Search(trials=1))
    write_tuning(result, Config(pipeline=spec), tmp_path / "tuned")
    assert Config.load(tmp_path / "tuned" / "best.toml").pipeline.networks.weights == str(path)
    for file in (tmp_path / "tuned").iterdir():
        if file.suffix in (".json", ".log", ".md", ".html", ".csv"):
            assert str(tmp_path) not in file.read_text(), file.name
    # The same name, but another network in it.
    tensors = weights_in(path, "features/conv1d")
    manifest, members = read_archive(path)
    members["features/conv1d"] = save({name: value * 2 for name, value in tensors.items()})
    write_archive(path, {"card": manifest["card"]}, members)
    with pytest.raises(SettingsError, match="differs in: initial weights"):
        tune_prepared(prepared, tmp_path / "tuned", Search(trials=2))
