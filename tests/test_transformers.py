"""Embeddings of pretrained encoders, against the transformers library itself on tiny random models."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pretrained_models import KINDS, made_model, transformers
from sklearn.base import clone

from fusionser.cache import Cache
from fusionser.errors import SettingsError
from fusionser.features import ChosenLayer, EncoderLayers, FeatureExtractor, Transformers, downloads_allowed
from fusionser.features.external import encoder as encoder_module
from fusionser.features.external.model_folder import find_model


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {kind: made_model(kind, folder / kind) for kind in KINDS}


@pytest.fixture(scope="module")
def voice():
    noise = np.random.default_rng(1).normal(size=24000)
    return (0.1 * np.sin(2 * np.pi * 150 / 16000 * np.arange(24000)) + 0.02 * noise).astype(np.float32)


def reference(kind, folder, samples):
    """Return the outputs of all layers by the library's own classes, shape (n_layers + 1, n_frames, width)."""
    import torch

    model = getattr(transformers, f"{kind}Model").from_pretrained(folder).eval()
    front = "WhisperFeatureExtractor" if kind == "Whisper" else "Wav2Vec2FeatureExtractor"
    given = getattr(transformers, front).from_pretrained(folder)(samples, sampling_rate=16000, return_tensors="pt")
    with torch.no_grad():
        if kind == "Whisper":
            states = model.encoder(given["input_features"], output_hidden_states=True).hidden_states
            frames = -(-len(samples) // 320)
            return np.stack([state[0, :frames].numpy() for state in states])
        states = model(given["input_values"], output_hidden_states=True).hidden_states
    return np.stack([state[0].numpy() for state in states])


@pytest.mark.parametrize("kind", KINDS)
def test_layers_are_those_of_the_library(models, voice, kind):
    states = reference(kind, models[kind], voice).astype(float)
    expected = np.concatenate([states.mean(axis=1), states.std(axis=1)], axis=1)
    given = [(voice, 16000)]
    for layer in (0, 1, 2, -1):
        got = Transformers(model=str(models[kind]), layer=layer).transform(given)[0]
        np.testing.assert_allclose(got, expected[layer], rtol=1e-4, atol=1e-5)
    got = Transformers(model=str(models[kind])).transform(given)[0]
    np.testing.assert_allclose(got, expected.mean(axis=0), rtol=1e-4, atol=1e-5)
    layers = EncoderLayers(model=str(models[kind]), pooling=("std",)).transform(given)[0]
    np.testing.assert_allclose(layers[:, 0], states.std(axis=1), rtol=1e-4, atol=1e-5)


def test_a_clip_has_the_same_numbers_alone_and_among_others(models, voice):
    block = Transformers(model=str(models["WavLM"]))
    clips = [voice, voice[:16000], voice[::-1].copy(), voice[:16000] * 0.5]
    together = block.transform(clips, sampling_rate=16000)
    for row, clip in zip(together, clips, strict=True):
        np.testing.assert_allclose(block.transform([clip], sampling_rate=16000)[0], row, rtol=1e-5, atol=1e-6)


def test_long_clips_are_computed_in_pieces(models, voice, monkeypatch):
    monkeypatch.setattr(encoder_module, "LONGEST", 12000)
    folder = models["Hubert"]
    halves = [reference("Hubert", folder, half).astype(float) for half in np.array_split(voice, 2)]
    states = np.concatenate(halves, axis=1)
    got = Transformers(model=str(folder), layer=2, pooling=("mean",)).transform([(voice, 16000)])[0]
    np.testing.assert_allclose(got, states[2].mean(axis=0), rtol=1e-4, atol=1e-5)


def test_other_precisions_are_near_and_other_numbers(models, voice):
    exact, half = (Transformers(model=str(models["Wav2Vec2"]), precision=name) for name in ("float32", "bfloat16"))
    assert exact.digest() != half.digest()
    difference = np.abs(exact.transform([(voice, 16000)]) - half.transform([(voice, 16000)]))
    assert 0 < difference.max() < 0.1


def test_the_digest_follows_the_weights_and_not_the_place(models, tmp_path):
    block = Transformers(model=str(models["Wav2Vec2"]))
    moved = Path(shutil.copytree(models["Wav2Vec2"], tmp_path / "moved"))
    assert Transformers(model=str(moved)).digest() == block.digest()
    made_model("Wav2Vec2", moved, seed=1)
    assert Transformers(model=str(moved)).digest() != block.digest()


def test_other_weights_at_the_same_place_are_read_anew(models, tmp_path, voice):
    folder = Path(shutil.copytree(models["Wav2Vec2"], tmp_path / "model"))
    block = Transformers(model=str(folder), cache=Cache(tmp_path / "cache"))
    first = block.transform([(voice, 16000)])
    made_model("Wav2Vec2", folder, seed=1)
    assert np.abs(block.transform([(voice, 16000)]) - first).max() > 1e-3


def test_a_model_is_found_by_name(models, monkeypatch):
    monkeypatch.setenv("FUSIONSER_MODELS", str(models["Whisper"].parent))
    assert find_model("Whisper").path == models["Whisper"]
    assert find_model("Whisper").described() == {
        "what": "Whisper",
        "on": "librispeech_asr, voxpopuli",
        "licence": "mit",
    }


def test_the_stamp_of_a_model_without_a_description_says_so(models, tmp_path):
    folder = Path(shutil.copytree(models["Hubert"], tmp_path / "bare"))
    (folder / "README.md").write_text("---\n: : [\n---\n")
    (stamp,) = Transformers(model=str(folder)).stamps()
    assert stamp.kind == "pretrained"
    assert stamp.value == {"what": "bare", "on": "unknown recordings", "licence": "unknown"}


def test_the_contract_of_scikit_learn(models, voice):
    block = Transformers(model=str(models["Wav2Vec2"]), layer=1)
    names = block.get_feature_names_out()
    assert names[0] == "transformers__mean_0000"
    assert len(set(names)) == 32
    copy = pickle.loads(pickle.dumps(clone(block)))
    np.testing.assert_array_equal(copy.transform([(voice, 16000)]), block.transform([(voice, 16000)]))
    extractor = FeatureExtractor(blocks=[("wav2vec", block)])
    again = FeatureExtractor.from_settings(json.loads(json.dumps(extractor.settings())))
    assert again.digests() == extractor.digests()


def planted(folder, monkeypatch):
    """Return rows of twelve speakers, their classes, and layers of which only 1 has the classes of new speakers."""
    labels = np.array(["a", "b"] * 24)
    rows = pd.DataFrame(
        {"file": [f"{place}.wav" for place in range(48)], "speaker": np.repeat([f"s{n}" for n in range(12)], 4)}
    )
    generator = np.random.default_rng(0)
    layers = generator.normal(size=(48, 3, 2, 16)).astype(np.float32)
    layers[:, 1, 0, 3] += 4 * (labels == "a")
    # Each speaker has a direction of their own here, which folds by clip would learn.
    layers[np.arange(48), 2, 1, np.arange(48) // 4] += 12 * (labels == "a")

    def compute_all(self, X, sampling_rate=None):
        return layers[[int(name[:-4]) for name in X["file"]]]

    monkeypatch.setattr(EncoderLayers, "compute_all", compute_all)
    return rows, labels, layers


def test_the_layer_is_chosen_on_training_speakers(models, monkeypatch):
    rows, labels, layers = planted(models["Wav2Vec2"], monkeypatch)
    block = ChosenLayer(model=str(models["Wav2Vec2"]))
    columns = block.fit_transform(rows.iloc[:36], labels[:36])
    assert block.layer_ == 1
    assert block.scores_[1] > 0.8 > 0.7 > block.scores_[[0, 2]].max()
    np.testing.assert_array_equal(columns, layers[:36, 1].reshape(36, -1))
    np.testing.assert_array_equal(block.transform(rows.iloc[36:]), layers[36:, 1].reshape(12, -1))
    other = ChosenLayer(model=str(models["Wav2Vec2"]))
    other.unpack(block.pack(), np.array(["a", "b"]))
    assert other.layer_ == 1
    np.testing.assert_array_equal(other.scores_, block.scores_)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"layer": np.array([3]), "scores": np.zeros(3)}, "layer 3 of 3"),
        ({"layer": np.array([0]), "scores": np.full(3, np.nan)}, "cannot be"),
        ({"layer": np.array([0]), "scores": np.zeros(2)}, "does not fit 3 layers"),
        ({"layer": np.array([0.0]), "scores": np.zeros(3)}, "wrong type"),
        ({"layer": np.array([0])}, "does not fit"),
    ],
)
def test_a_damaged_choice_is_refused(models, arrays, message):
    from safetensors.numpy import save

    with pytest.raises(ValueError, match=message):
        ChosenLayer(model=str(models["Wav2Vec2"])).unpack(save(arrays), np.array(["a", "b"]))


class Planted:
    def __reduce__(self):
        return (Path("/planted-code-ran").touch, ())


def test_a_folder_with_pickles_only_is_refused_and_nothing_runs(models, tmp_path):
    folder = Path(shutil.copytree(models["Wav2Vec2"], tmp_path / "model"))
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Planted()))
    with pytest.raises(SettingsError, match="only pytorch_model.bin, which may contain code and is never read"):
        Transformers(model=str(folder)).check()
    assert not Path("/planted-code-ran").exists()


def test_a_model_with_code_of_its_own_is_refused(models, tmp_path):
    folder = Path(shutil.copytree(models["Wav2Vec2"], tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "evil.Model"}}))
    (folder / "evil.py").write_text("raise SystemExit('ran')")
    with pytest.raises(SettingsError, match="brings code of its own"):
        Transformers(model=str(folder)).check()


def cut(folder):
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])


def garbled(folder):
    (folder / "config.json").write_text('{"model_type": ')


def unknown(folder):
    (folder / "config.json").write_text('{"model_type": "bert"}')


def without(folder):
    (folder / "config.json").unlink()


def emptied(folder):
    from safetensors.numpy import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "layers.1" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


def other_rate(folder):
    transformers.Wav2Vec2FeatureExtractor(sampling_rate=8000).save_pretrained(folder)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, "the weights cannot be read"),
        (garbled, "config.json: cannot be read"),
        (unknown, "unknown model_type .* 'bert'.* Known: wav2vec2, hubert"),
        (without, "has no config.json"),
        (emptied, "lacks .* weights of a wav2vec2 model"),
        (other_rate, "sampling_rate is 8000; expected 16000"),
    ],
)
def test_a_damaged_folder_is_refused(models, tmp_path, voice, damage, message):
    folder = Path(shutil.copytree(models["Wav2Vec2"], tmp_path / "model"))
    damage(folder)
    with pytest.raises(SettingsError, match=message):
        Transformers(model=str(folder)).transform([(voice, 16000)])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"model": ""}, "model of the block 'transformers' is ''; expected a folder"),
        ({"layer": 3}, "layer is 3; expected 0 to 2, -1 to -3, or 'mean'"),
        ({"layer": True}, "layer is True"),
        ({"layer": "last"}, "layer is 'last'"),
        ({"pooling": ("max",)}, "pooling is"),
        ({"pooling": "mean"}, "pooling is 'mean'"),
        ({"precision": "int8"}, "precision is 'int8'"),
    ],
)
def test_wrong_parameters_are_told(models, parameters, message):
    with pytest.raises(SettingsError, match=message):
        Transformers(**{"model": str(models["Wav2Vec2"]), **parameters}).check()


def test_a_name_of_the_hub_is_not_fetched_unless_that_is_allowed(monkeypatch):
    import huggingface_hub

    asked = []

    def fetch(name, **options):
        asked.append(options["local_files_only"])
        raise huggingface_hub.errors.LocalEntryNotFoundError("not here")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    with pytest.raises(SettingsError, match="no model 'a/b' here.*--download to fetch it"):
        Transformers(model="a/b").check()
    with downloads_allowed(), pytest.raises(SettingsError, match="cannot be downloaded: not here"):
        Transformers(model="a/b").check()
    assert asked == [True, False]


def test_a_gated_model_says_what_to_do(monkeypatch):
    import huggingface_hub

    class GatedRepoError(Exception):
        pass

    def fetch(name, **options):
        raise GatedRepoError

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    with downloads_allowed(), pytest.raises(SettingsError, match="is gated: accept its conditions"):
        Transformers(model="a/b").check()
