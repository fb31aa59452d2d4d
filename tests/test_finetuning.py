"""Fine-tuning of pretrained encoders, on tiny random models."""

import copy
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from command_process import run_command
from pretrained_models import made_model, transformers
from safetensors.torch import load, save

from fusionser.errors import SettingsError
from fusionser.features import EncoderWaveform, LogMelMap
from fusionser.networks import NETWORKS, FinetunedEncoder, TransformersFinetuned, training

KINDS = ("Wav2Vec2", "Hubert", "WavLM", "Data2VecAudio")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {kind: str(made_model(kind, folder / kind)) for kind in (*KINDS, "Whisper")}


@pytest.fixture(scope="module")
def voices():
    """Return 16 voices of two pitches, of 0.3 to 0.5 s, and their classes."""
    generator = np.random.default_rng(0)
    sizes = generator.integers(4800, 8000, 16)
    tones = [np.sin(2 * np.pi * (150 + 900 * (n % 2)) / 16000 * np.arange(size)) for n, size in enumerate(sizes)]
    return [(0.2 * tone + 0.02 * generator.normal(size=tone.size)) for tone in tones], np.array(["low", "high"] * 8)


def tuned(model, **changed):
    settings = {"epochs": 12, "batch_size": 8, "validation": 0.0, "learning_rate": 0.01, "patience": None}
    return TransformersFinetuned(front_end=EncoderWaveform(model=model, duration=0.5), **{**settings, **changed})


@pytest.fixture(scope="module", params=[0, 4], ids=["all", "adapters"])
def fitted(request, models, voices):
    if request.param:
        pytest.importorskip("peft", reason="the extra 'adapters' is not installed")
    return tuned(models["Wav2Vec2"], adapters=request.param).fit(*voices, sampling_rate=16000)


def base_weights(model):
    found = transformers.Wav2Vec2Model.from_pretrained(model)
    torch.nn.utils.parametrize.remove_parametrizations(found.encoder.pos_conv_embed.conv, "weight")
    return found.state_dict()


def test_the_loss_falls_and_the_frozen_weights_stay(fitted, models, voices):
    losses = [epoch["training_loss"] for epoch in fitted.history_]
    assert losses[-1] < 0.7 * losses[0]
    assert (fitted.predict(voices[0], sampling_rate=16000) == voices[1]).mean() > 0.8
    own = fitted.network_.encoder.state_dict()
    changed = set()
    for name, value in base_weights(models["Wav2Vec2"]).items():
        layer, _, last = name.rpartition(".")
        there = own[name] if name in own else own[f"{layer}.base_layer.{last}"]
        if not torch.equal(there, value):
            changed.add(name)
    assert not any("feature_extractor" in name for name in changed)
    if fitted.adapters:
        assert not changed
        assert all("lora_" in name for name in fitted.network_.trained if name.startswith("encoder."))
        assert any(bool(value.any()) for name, value in own.items() if "lora_B" in name)
    else:
        assert {name.split(".")[2] for name in changed if name.startswith("encoder.layers")} == {"0", "1"}


def test_each_layer_has_its_learning_rate(models, voices, monkeypatch):
    seen = {}
    fit = training._trained

    def spied(*given):
        from fusionser.networks.loop import Net

        begin = Net.initialize_optimizer

        def kept(net, *given, **options):
            made = begin(net, *given, **options)
            rates = {id(weight): group["lr"] for group in net.optimizer_.param_groups for weight in group["params"]}
            seen.update({name: rates[id(weight)] for name, weight in net.module_.named_parameters()})
            return made

        monkeypatch.setattr(Net, "initialize_optimizer", kept)
        return fit(*given)

    monkeypatch.setattr(training, "_trained", spied)
    tuned(models["Wav2Vec2"], epochs=1, layer_factor=0.5, learning_rate=0.008, cache=False).fit(
        *voices, sampling_rate=16000
    )
    for name, rate in seen.items():
        if not name.startswith("encoder."):
            expected = 0.008
        elif ".layers.1." in name and "feature_extractor" not in name:
            expected = 0.004
        elif name.startswith("encoder.encoder.layers.0."):
            expected = 0.002
        else:
            expected = 0.001
        if "conv_layers" not in name:
            assert rate == pytest.approx(expected), name


def test_one_cycle_raises_each_rate_to_its_own(models, voices):
    extractor = tuned(models["Wav2Vec2"], epochs=2, schedule="one-cycle").fit(*voices, sampling_rate=16000)
    assert extractor.history_[-1]["learning_rate"] < 0.01


def test_what_is_saved_predicts_the_same(fitted, models, voices):
    content = fitted.pack()
    tensors = load(content)
    assert set(tensors) == {*fitted.network_.trained, "temperature"}
    assert not any("feature_extractor" in name for name in tensors)
    again = NETWORKS["transformers-finetuned"].from_settings(json.loads(json.dumps(fitted.settings())))
    again.unpack(content, fitted.classes_)
    expected = fitted.predict_proba(voices[0], sampling_rate=16000)
    np.testing.assert_array_equal(again.predict_proba(voices[0], sampling_rate=16000), expected)
    for other in (pickle.loads(pickle.dumps(again)), copy.deepcopy(again)):
        np.testing.assert_array_equal(other.predict_proba(voices[0], sampling_rate=16000), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors, name: tensors.pop(name), "belong to another network"),
        (lambda tensors, name: tensors.update(evil=torch.zeros(1)), "belong to another network"),
        (lambda tensors, name: tensors.update({name: torch.zeros(3, 3)}), "expected"),
        (lambda tensors, name: tensors.update({name: tensors[name].half()}), "torch.float16; expected"),
        (lambda tensors, name: tensors[name].fill_(float("nan")), "not finite"),
        (lambda tensors, name: tensors["temperature"].fill_(-1.0), "not positive"),
    ],
)
def test_damaged_weights_are_refused(fitted, change, message):
    content = fitted.pack()
    tensors = load(content)
    change(tensors, "dense.weight")
    damaged = save(tensors, {"base": fitted.resolved_front_end().folder().weights()})
    with pytest.raises(ValueError, match=message):
        copy.copy(fitted).unpack(damaged, fitted.classes_)
    with pytest.raises(ValueError, match="cannot be read"):
        copy.copy(fitted).unpack(content[:100], fitted.classes_)


def test_another_pretrained_model_is_refused(fitted, models, tmp_path):
    other = made_model("Wav2Vec2", tmp_path / "other", seed=3)
    extractor = tuned(str(other), adapters=fitted.adapters)
    assert extractor.resolved_front_end().digest() != fitted.resolved_front_end().digest()
    with pytest.raises(ValueError, match="trained from another model than other"):
        extractor.unpack(fitted.pack(), fitted.classes_)


@pytest.mark.parametrize("adapters", [0, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_the_network_begins_as_the_pretrained_encoder(models, voices, kind, adapters):
    if adapters:
        pytest.importorskip("peft", reason="the extra 'adapters' is not installed")
    extractor = TransformersFinetuned(model=models[kind], adapters=adapters)
    network = extractor.build_network((8000,), 2).eval()
    extractor.begin(network)
    library = getattr(transformers, f"{kind}Model").from_pretrained(models[kind]).eval()
    x = torch.from_numpy(np.stack([voice[:4800] for voice in voices[0][:2]]).astype(np.float32))
    with torch.no_grad():
        expected = library(x).last_hidden_state
        torch.testing.assert_close(network.encoder(x).last_hidden_state, expected, rtol=1e-4, atol=1e-5)
        network.dense.weight.copy_(torch.eye(64, 32))
        network.dense.bias.fill_(10.0)
        padded = torch.nn.functional.pad(x, (0, 0))
        units = network.embed(padded)[:, :32] - 10
    statistics = torch.cat([expected.mean(1), expected.std(1, unbiased=False).clamp_min(1e-5**0.5)], dim=1)
    torch.testing.assert_close(units, statistics, rtol=1e-3, atol=1e-4)


def test_the_input_is_what_the_library_prepares(models, voices):
    front = transformers.Wav2Vec2FeatureExtractor.from_pretrained(models["Hubert"])
    expected = front(voices[0][0].astype(np.float32), sampling_rate=16000)["input_values"][0]
    got = EncoderWaveform(model=models["Hubert"], duration=1.0).transform([(voices[0][0], 16000)])[0]
    assert got.shape == (16000,)
    np.testing.assert_allclose(got[: expected.size], expected, rtol=1e-4, atol=1e-5)
    assert not got[expected.size :].any()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"model": ""}, "model of the block 'transformers' is ''"),
        ({"layer_factor": 0.0}, "layer_factor is 0.0; expected 0.1 to 1"),
        ({"adapters": -1}, "adapters is -1; expected 0 to 256"),
        ({"adapters": True}, "adapters is True"),
        ({"adapters": 1.5}, "adapters is 1.5"),
        ({"units": 0}, "units is 0"),
        ({"front_end": LogMelMap()}, "expected EncoderWaveform as front_end"),
    ],
)
def test_wrong_parameters_are_told(models, parameters, message):
    with pytest.raises(SettingsError, match=message):
        TransformersFinetuned(**{"model": models["WavLM"], **parameters}).check()


def test_whisper_and_lengths_that_cannot_be_are_told(models):
    with pytest.raises(SettingsError, match="the encoder of Whisper reads spectra"):
        TransformersFinetuned(model=models["Whisper"]).check()
    for duration, message in ((None, "duration is None"), (40.0, "expected 0.1 to 30")):
        with pytest.raises(SettingsError, match=message):
            EncoderWaveform(model=models["WavLM"], duration=duration).check()


def test_a_missing_package_of_adapters_is_told(models, monkeypatch):
    import fusionser.optional as optional

    found = optional.find_spec
    monkeypatch.setattr(optional, "find_spec", lambda name: None if name == "peft" else found(name))
    with pytest.raises(SettingsError, match=r"with adapters needs the package peft.*fusionser\[adapters\]"):
        TransformersFinetuned(model=models["WavLM"], adapters=4).check()


def test_damaged_settings_of_a_model_are_told(models, tmp_path):
    folder = Path(shutil.copytree(models["Wav2Vec2"], tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "conv_stride": [1]}))
    with pytest.raises(SettingsError, match="no model can be built from it"):
        TransformersFinetuned(model=str(folder)).build_network((8000,), 2)


def test_the_order_of_the_factors():
    network = FinetunedEncoder.__new__(FinetunedEncoder)
    network.__dict__.update(depth=3, layer_factor=0.5)
    assert [factor for _, factor in network.learning_rates()] == [0.5, 0.25, 0.125, 0.0625]


@pytest.mark.parametrize("adapters", [0, 2])
def test_it_works_by_the_command(models, tmp_path, adapters):
    if adapters:
        pytest.importorskip("peft", reason="the extra 'adapters' is not installed")
    recordings, out = tmp_path / "recordings", tmp_path / "model.fusionser"
    assert run_command("corpora", "generate", recordings).status == 0
    model = Path(shutil.copytree(models["Wav2Vec2"], tmp_path / "base"))
    block = f"transformers-finetuned[model={model},epochs=1,adapters={adapters}]"
    options = ["--corpus", "demo", "--blocks", block, "--duration", "0.5"]
    run = run_command("evaluate", recordings, *options, "--json")
    assert run.status == 0, run.messages
    assert "pretrained" in [stamp["kind"] for stamp in json.loads(run.output)["protocol"]["stamps"]]
    fitted = run_command("fit", recordings, *options, "--out", out)
    assert fitted.status == 0, fitted.messages
    clip = sorted(recordings.glob("*.wav"))[0]
    assert json.loads(run_command("predict", out, clip, "--json").output)[0]["error"] is None
    made_model("Wav2Vec2", model, seed=5)
    refused = run_command("predict", out, clip)
    assert refused.status == 1
    assert "other weights" in " ".join(refused.messages.split())
    assert "Traceback" not in refused.messages
