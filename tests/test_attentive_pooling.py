"""Attention over the frames of pretrained encoders, on tiny random models."""

import json

import numpy as np
import pytest
import torch
from command_process import run_command
from pretrained_models import made_model
from sklearn.base import clone

from fusionser.errors import SettingsError
from fusionser.features import EncoderFrames, EncoderLayers, LogMelMap
from fusionser.networks import NETWORKS, AttentivePooling, TransformersAttentive


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(made_model("WavLM", tmp_path_factory.mktemp("models") / "wavlm"))


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "recordings"
    assert run_command("corpora", "generate", folder).status == 0
    return folder


@pytest.fixture(scope="module")
def voices():
    """Return 24 voices of two pitches, of 0.5 to 1 s, and their classes."""
    generator = np.random.default_rng(0)
    sizes = generator.integers(8000, 16000, 24)
    tones = [np.sin(2 * np.pi * (150 + 500 * (n % 2)) / 16000 * np.arange(size)) for n, size in enumerate(sizes)]
    return [(0.2 * tone + 0.02 * generator.normal(size=tone.size)) for tone in tones], np.array(["low", "high"] * 12)


def test_frames_are_those_whose_mean_is_pooled_and_the_rest_is_zeros(model, voices):
    clip = [(voices[0][0], 16000)]
    frames = EncoderFrames(model=model, layer=1, duration=2.0).transform(clip)[0]
    assert frames.shape == (100, 16)
    inside = (frames != 0).any(axis=1)
    count = int(inside.sum())
    assert 0 < count < 51
    assert inside[:count].all()
    pooled = EncoderLayers(model=model).transform(clip)[0, 1]
    np.testing.assert_allclose(frames[:count].mean(0, dtype=float), pooled[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(frames[:count].std(0, dtype=float), pooled[1], rtol=1e-4, atol=1e-5)


def test_long_clips_are_cut(model, voices):
    half = EncoderFrames(model=model, duration=0.5)
    whole, cut = half.transform([(voices[0][0], 16000), (voices[0][0][:8000], 16000)])
    assert whole.shape == (25, 16)
    np.testing.assert_allclose(whole, cut, rtol=1e-4, atol=1e-5)


def test_what_follows_the_end_of_a_clip_does_not_count():
    torch.manual_seed(0)
    network = AttentivePooling(5, 3).eval()
    frames = torch.randn(2, 20, 5)
    padded = torch.cat([frames, torch.zeros(2, 7, 5)], dim=1)
    network.preparation.learn([padded.numpy()])
    wide = frames.reshape(-1, 5).double()
    torch.testing.assert_close(network.preparation.mean[0].double(), wide.mean(0), rtol=1e-4, atol=1e-6)
    with torch.no_grad():
        one, other = (network(network.preparation(values)) for values in (frames, padded))
    torch.testing.assert_close(one, other)


def test_equal_weights_give_mean_and_deviation():
    network = AttentivePooling(4, 2).eval()
    torch.nn.init.zeros_(network.pool.score[2].weight)
    frames = torch.randn(3, 30, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        pooled = network.pool(frames)
    expected = torch.cat([frames.mean(1), frames.std(1, unbiased=False)], dim=1)
    torch.testing.assert_close(pooled, expected, rtol=1e-4, atol=1e-5)


def test_it_learns_and_is_restored(model, voices):
    clips, labels = voices
    front = EncoderFrames(model=model, duration=1.0)
    extractor = TransformersAttentive(front_end=front, epochs=30, batch_size=8, validation=0.0, learning_rate=0.01)
    extractor.fit(clips, labels, sampling_rate=16000)
    losses = [epoch["training_loss"] for epoch in extractor.history_]
    assert losses[-1] < 0.5 * losses[0]
    assert (extractor.predict(clips, sampling_rate=16000) == labels).mean() > 0.9
    again = NETWORKS["transformers-attentive"].from_settings(json.loads(json.dumps(extractor.settings())))
    assert again.resolved_front_end().digest() == front.digest()
    again.unpack(extractor.pack(), extractor.classes_)
    np.testing.assert_array_equal(
        again.predict_proba(clips, sampling_rate=16000), extractor.predict_proba(clips, sampling_rate=16000)
    )
    assert clone(extractor).get_params(deep=False).keys() == extractor.get_params(deep=False).keys()
    assert extractor.stamps()[0].value["on"] == "librispeech_asr, voxpopuli"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"model": ""}, "model of the block 'transformers' is ''"),
        ({"layer": 9}, "layer is 9; expected 0 to 2"),
        ({"hidden": 0}, "hidden is 0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"front_end": LogMelMap()}, "expected EncoderFrames as front_end"),
    ],
)
def test_wrong_parameters_are_told(model, parameters, message):
    with pytest.raises(SettingsError, match=message):
        TransformersAttentive(**{"model": model, **parameters}).check()


@pytest.mark.parametrize(("duration", "message"), [(None, "duration is None"), (31.0, "expected 0.1 to 30")])
def test_a_length_that_cannot_be_is_told(model, duration, message):
    with pytest.raises(SettingsError, match=message):
        EncoderFrames(model=model, duration=duration).check()


def test_it_works_by_the_command(model, recordings, tmp_path):
    block = f"transformers-attentive[model={model},epochs=2]"
    run = run_command("evaluate", recordings, "--corpus", "demo", "--blocks", block, "--duration", "1.5", "--json")
    assert run.status == 0, run.messages
    found = json.loads(run.output)
    assert found["feature_count"] == 64
    assert "pretrained" in [stamp["kind"] for stamp in found["protocol"]["stamps"]]
    out = tmp_path / "model.fusionser"
    fitted = run_command("fit", recordings, "--corpus", "demo", "--blocks", block, "--out", out)
    assert fitted.status == 0, fitted.messages
    clip = sorted(recordings.glob("*.wav"))[0]
    answer = run_command("predict", out, clip, "--json")
    assert json.loads(answer.output)[0]["error"] is None
