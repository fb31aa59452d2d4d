"""Folders of pretrained models that somebody changed: no pickle is read, nothing hangs, each ends in one sentence."""

import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from pretrained_models import made_model

from fusionser.errors import SettingsError
from fusionser.features import Transformers
from fusionser.features.external.model_folder import find_model
from fusionser.networks import TransformersFinetuned

NOISE = 0.1 * np.random.default_rng(0).normal(size=8000).astype(np.float32)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    place = tmp_path_factory.mktemp("models")
    return {kind: made_model(kind, place / kind) for kind in ("Wav2Vec2", "Whisper")}


@pytest.fixture
def copied(models, tmp_path):
    return lambda kind="Wav2Vec2": Path(shutil.copytree(models[kind], tmp_path / kind))


def columns(folder):
    return Transformers(model=str(folder), cache=False).transform([(NOISE, 16000)])


def refused(folder, match):
    with pytest.raises(SettingsError, match=match) as raised:
        columns(folder)
    assert len(str(raised.value).splitlines()) == 1


def rewritten(folder, name="config.json", **changed):
    file = folder / name
    file.write_text(json.dumps({**json.loads(file.read_text()), **changed}))


def index_of(folder, name):
    from safetensors.numpy import load_file

    weights = dict.fromkeys(load_file(folder / "model.safetensors"), name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weights}))


class Planted:
    def __reduce__(self):
        return (Path("/planted-code-ran").touch, ())


@pytest.mark.parametrize("name", ["pytorch_model.bin", "../Wav2Vec2/model.safetensors", "/x/model.safetensors", ""])
def test_an_index_names_safetensors_of_its_folder_only(copied, name):
    folder = copied()
    index_of(folder, name)
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Planted()))
    (folder / "model.safetensors").rename(folder / "other.safetensors")
    refused(folder, "expected .safetensors files of the same folder")
    assert not Path("/planted-code-ran").exists()


def test_what_an_index_names_is_hashed_and_gives_the_same_columns(copied, models):
    folder = copied()
    index_of(folder, "part.safetensors")
    (folder / "model.safetensors").rename(folder / "part.safetensors")
    assert np.array_equal(columns(folder), columns(models["Wav2Vec2"]))
    before = find_model(str(folder)).weights()
    made_model("Wav2Vec2", folder.parent / "other", seed=3)
    shutil.copy(folder.parent / "other" / "model.safetensors", folder / "part.safetensors")
    assert find_model(str(folder)).weights() != before
    (folder / "part.safetensors").unlink()
    refused(folder, "part.safetensors: expected a file of weights")


@pytest.mark.parametrize(
    "changed", [{"return_dict": False}, {"attn_implementation": "kernels/x"}, {"torchscript": True}, {"auto_map": {}}]
)
def test_settings_that_choose_code_or_the_form_of_answers_change_nothing(copied, models, changed):
    folder = copied()
    rewritten(folder, **changed)
    assert np.array_equal(columns(folder), columns(models["Wav2Vec2"]))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"conv_stride": [0, 8, 5]}, "non-positive stride"),
        ({"model_type": ["wav2vec2"]}, "unknown model_type"),
        ({"model_type": {}}, "unknown model_type"),
        ({"num_hidden_layers": 50_000}, "num_hidden_layers is 50000; expected a whole number from 1 to 256"),
        ({"num_hidden_layers": 1}, "weights of layers that config.json does not describe"),
        ({"hidden_size": 1.5}, r"hidden_size is 1.5; expected a whole number"),
        ({"intermediate_size": 10**9}, "describes a model of .* numbers, and its files have"),
        ({"conv_dim": "wide"}, "no settings of a wav2vec2 model|no model can be built"),
    ],
)
def test_settings_that_do_not_fit_the_weights_are_told(copied, changed, message):
    folder = copied()
    rewritten(folder, **changed)
    refused(folder, message)
    with pytest.raises(SettingsError):
        TransformersFinetuned(model=str(folder), epochs=1).fit([(NOISE, 16000)] * 8, np.array(["a", "b"] * 4))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"feature_size": 128}, "cannot compute its layers|cannot prepare"),
        ({"chunk_length": 5, "n_samples": 80000, "nb_max_frames": 500}, "cannot compute its layers|cannot prepare"),
        ({"chunk_length": 50_000}, "chunk_length is 50000; expected a whole number from 1 to 60"),
        ({"n_fft": 0}, "n_fft is 0"),
        ({"sampling_rate": "16000"}, "sampling_rate is '16000'; expected 16000"),
    ],
)
def test_a_preparation_that_does_not_fit_is_told(copied, changed, message):
    folder = copied("Whisper")
    rewritten(folder, "preprocessor_config.json", **changed)
    refused(folder, message)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "preprocessor_config.json"])
def test_what_is_no_file_is_refused_and_does_not_hang(copied, name):
    for make in (Path.mkdir, os.mkfifo):
        folder = copied()
        (folder / name).unlink()
        make(folder / name)
        if name == "preprocessor_config.json":
            # It may be absent, and then the usual one is used.
            assert columns(folder).shape == (1, 32)
        else:
            refused(folder, "expected a file")
        shutil.rmtree(folder)


def test_links_that_lead_nowhere_are_refused(copied):
    folder = copied()
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to("nowhere")
    refused(folder, "expected weights in model.safetensors, and there are none")


def test_weights_that_are_no_numbers_are_told_once(copied):
    from safetensors.numpy import load_file, save_file

    folder = copied()
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if "layers.0" in name)
    save_file({**weights, name: np.full_like(weights[name], np.nan)}, folder / "model.safetensors", {"format": "pt"})
    refused(folder, "its outputs are not finite numbers")


def test_an_adapter_beside_the_weights_is_refused(copied):
    folder = copied()
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "../other", "peft_type": "LORA"}')
    refused(folder, "changes another model")


def test_a_header_that_is_longer_than_its_file_is_refused(copied):
    folder = copied()
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes((2**60).to_bytes(8, "little") + content[8:])
    refused(folder, "its header is longer than the file")
