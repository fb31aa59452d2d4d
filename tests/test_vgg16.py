"""VGG16: its counts, its picture, and the weights that it may begin with."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from fusionser.errors import SettingsError
from fusionser.features import LogMelMap
from fusionser.networks import NETWORKS, VGG16, VGG16Extractor
from fusionser.networks.vgg16 import Convolutions
from fusionser.pipeline import PipelineSpec, build_estimator, configured_features

FRONT = LogMelMap(sampling_rate=8000, n_fft=256, hop_length=128, n_mels=40, duration=1.0)


@pytest.fixture(scope="module")
def few(split):
    train, test = split
    return train.groupby(["emotion", "speaker"]).head(1), test.groupby("emotion").head(1)


@pytest.fixture(scope="module")
def taught():
    """Weights of the convolutions, under torchvision's names, as other layers than these have them."""
    torch.manual_seed(5)
    return {name: (value * 1.5).contiguous() for name, value in Convolutions(32).state_dict().items()}


def small(**more):
    return VGG16Extractor(front_end=FRONT, image_size=32, units=8, epochs=1, **more)


def test_layers_and_counts_are_those_of_the_paper():
    with torch.device("meta"):
        network = VGG16(1000)
        shapes, x = [], torch.empty(1, 3, 224, 224)
        for layer in network.convolutions.features:
            x = layer(x)
            if isinstance(layer, nn.MaxPool2d):
                shapes.append(tuple(x.shape[1:]))
    # Configuration D of Simonyan and Zisserman: 138 million, of which 14.7 in the convolutions.
    assert sum(weight.numel() for weight in network.parameters()) == 138_357_544
    assert sum(weight.numel() for weight in network.convolutions.parameters()) == 14_714_688
    assert shapes == [(64, 112, 112), (128, 56, 56), (256, 28, 28), (512, 14, 14), (512, 7, 7)]
    numbers = [name for name, layer in network.convolutions.features.named_children() if isinstance(layer, nn.Conv2d)]
    assert numbers == ["0", "2", "5", "7", "10", "12", "14", "17", "19", "21", "24", "26", "28"]


def test_the_picture_has_the_highest_band_on_top_and_goes_from_black_to_white():
    maps = torch.zeros(1, 64, 64) - 80
    maps[0, 60:, :32] = -20
    picture = Convolutions(32).pictures(maps)
    assert picture.shape == (1, 3, 32, 32)
    black, white = (0 - 0.485) / 0.229, (1 - 0.485) / 0.229
    assert picture[0, 0, 0, 0].item() == pytest.approx(white, abs=1e-5)
    assert picture[0, 0, 31, 0].item() == picture[0, 0, 0, 31].item() == pytest.approx(black, abs=1e-5)
    assert picture[0, 2, 31, 0].item() == pytest.approx((0 - 0.406) / 0.225, abs=1e-5)
    assert torch.isfinite(Convolutions(32).pictures(torch.zeros(1, 64, 64))).all()


def test_weights_that_are_given_stay_unless_they_are_to_learn_on(few, taught, tmp_path):
    path = tmp_path / "vgg16.safetensors"
    save_file({**taught, "classifier.0.bias": torch.zeros(3)}, path)
    train, test = few
    fixed = small(weights=str(path)).fit(train, train["emotion"])
    kept = fixed.network_.preparation.state_dict()
    assert all(torch.equal(kept[name], value) for name, value in taught.items())
    learning = small(weights=str(path), frozen=False).fit(train, train["emotion"])
    moved = learning.network_.convolutions.state_dict()
    for name, value in taught.items():
        assert not torch.equal(moved[name], value)
        # One epoch at a low rate: nearer to where it began than a network of its own would be.
        assert torch.linalg.norm(moved[name] - value) < 0.1 * torch.linalg.norm(value) + 0.1
    settings = fixed.settings()
    assert settings["weights"].startswith("vgg16.safetensors, sha256 ")
    assert str(tmp_path) not in str(settings)
    again = NETWORKS["vgg16"].from_settings(settings)
    assert again.settings() == settings
    again.unpack(fixed.pack(), fixed.classes_)
    np.testing.assert_array_equal(again.predict_proba(test), fixed.predict_proba(test))
    with pytest.raises(SettingsError, match="the weights cannot be read"):
        again.fit(train, train["emotion"])


def test_other_weights_are_another_training(few, taught, tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIONSER_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "vgg16.safetensors"
    found = []
    for factor in (1.0, 0.5):
        save_file({name: value * factor for name, value in taught.items()}, path)
        fitted = small(weights=str(path)).fit(few[0], few[0]["emotion"])
        found.append((fitted.settings()["weights"], fitted.predict_proba(few[1])))
    assert found[0][0] != found[1][0]
    assert not np.array_equal(found[0][1], found[1][1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weights: weights.pop("features.5.bias"), "there is no 'features.5.bias'; expected the weights"),
        (lambda weights: weights.update({"features.0.weight": torch.zeros(64, 1, 3, 3)}), "expected (64, 3, 3, 3)"),
        (lambda weights: weights.update({"features.28.bias": torch.full((512,), torch.nan)}), "expected finite"),
    ],
)
def test_weights_of_something_else_are_refused(few, taught, tmp_path, change, message):
    weights = dict(taught)
    change(weights)
    path = tmp_path / "other.safetensors"
    save_file(weights, path)
    with pytest.raises(SettingsError) as told:
        small(weights=str(path)).fit(few[0], few[0]["emotion"])
    assert message in str(told.value)


def test_a_pickle_is_not_opened(few, taught, tmp_path):
    path = tmp_path / "vgg16.pth"
    torch.save(taught, path)
    with pytest.raises(SettingsError, match="A .pth file is pickle, which can run code"):
        small(weights=str(path)).fit(few[0], few[0]["emotion"])
    with pytest.raises(SettingsError, match="image_size is 16; expected 32 to 1024"):
        small().set_params(image_size=16).fit(few[0], few[0]["emotion"])


def test_weights_go_to_the_network_that_takes_them_or_are_refused(tmp_path):
    path = tmp_path / "taught.safetensors"
    path.write_bytes(b"0")
    spec = PipelineSpec(features={"blocks": ["vgg16", "conv1d"]}, networks={"weights": str(path)})
    settings = {one["kind"]: one for one in configured_features(spec).settings()}
    assert settings["vgg16"]["weights"].startswith("taught.safetensors, sha256 ")
    assert "weights" not in settings["conv1d"]
    build_estimator(spec)
    with pytest.raises(SettingsError, match="no network that takes it; those that do: vgg16"):
        build_estimator(spec.changed(features={"blocks": ["conv1d"]}))


def test_the_command_says_which_weights_and_how_many_threads_there_were(command, demo_folder, tmp_path):
    clips = tmp_path / "clips"
    clips.mkdir()
    for path in sorted(demo_folder.iterdir())[::15]:
        (clips / path.name).symlink_to(path)
    options = ["--corpus", "demo", "--network", "vgg16", "--epochs", 1, "--protocol", "random-holdout", "--json"]
    scratch = command("evaluate", clips, *options, "--threads", 3)
    assert scratch.status == 0, scratch.messages
    began = {"kind": "initial-weights", "value": {"network": "vgg16", "weights": None}, "allowed": True}
    assert began in scratch.json["notes"]
    assert scratch.json["provenance"]["threads"] == 3
    refused = command("evaluate", clips, *options, "--weights", tmp_path / "none.safetensors")
    assert refused.status == 1
    assert "the weights cannot be read" in refused.messages
    assert "Traceback" not in refused.messages
