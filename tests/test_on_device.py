"""Spectra computed for many clips at once equal those computed clip by clip; torch's processor stands in for a GPU."""

import numpy as np
import pytest
import soundfile
import torch
from conftest import tone

from fusionser.features import MFCC, Cache, Chroma, LogMelMap, MFCCMap, RawWaveform, fusionnet, wide
from fusionser.features.clip import Clip
from fusionser.features.clip_batch import compute_one
from fusionser.features.extraction import compute_clips
from fusionser.features.on_device import SharedSpectrum, share_spectra

RATE = 22050


@pytest.fixture
def clips():
    rng = np.random.default_rng(0)
    voices = []
    for pitch, seconds in ((110.0, 1.0), (220.0, 2.0), (147.0, 1.0), (196.0, 3.1)):
        voice = sum(tone(pitch * harmonic, seconds, RATE) / harmonic for harmonic in range(1, 20))
        voices.append((0.2 * voice + 0.01 * rng.standard_normal(voice.size)).astype(np.float32))
    return [{"file": f"clip {place}", "waveform": voice, "sampling_rate": RATE} for place, voice in enumerate(voices)]


def shared(rows, computations):
    """Compute as on another device, on torch's processor."""
    made = [Clip(row) for row in rows]
    share_spectra(made, computations, "cpu")
    assert all(isinstance(one, SharedSpectrum) for clip in made for one in clip._spectra.values())
    return {name: [one.compute(clip) for clip in made] for name, one in computations.items()}


@pytest.mark.parametrize(
    "computations",
    [
        dict(fusionnet(gender=False).blocks),
        dict(wide(sampling_rate=RATE).blocks),
        {
            "map": LogMelMap(duration=1.5, win_length=1024, pre_emphasis=0.97, htk=True),
            "mfcc-map": MFCCMap(duration=1.5, fmax=4000.0),
            "raw": RawWaveform(),
        },
    ],
    ids=["fusionnet", "wide", "maps"],
)
def test_values_are_those_of_a_clip_alone(clips, computations):
    alone = compute_clips(clips, computations)
    together = shared(clips, computations)
    for name in computations:
        for mine, theirs in zip(together[name], alone.arrays[name], strict=True):
            assert np.allclose(mine, theirs, rtol=1e-3, atol=1e-3), name


def test_a_clip_that_cannot_be_used_spoils_no_other(tmp_path, clips):
    soundfile.write(tmp_path / "good.wav", clips[0]["waveform"], RATE)
    (tmp_path / "bad.wav").write_bytes(b"no audio")
    rows = [{"file": str(tmp_path / name)} for name in ("bad.wav", "good.wav", "missing.wav")]
    blocks = {"mfcc": MFCC(), "chroma": Chroma()}
    made = [Clip(row) for row in rows]
    share_spectra(made, blocks, "cpu", n_jobs=2)
    answers = [compute_one(clip, blocks, {}) for clip in made]
    assert "bad.wav" in answers[0] and "missing.wav" in answers[2]
    assert np.allclose(answers[1]["mfcc"], MFCC().compute(Clip(clips[0])), atol=2e-3)


def test_values_of_another_device_are_kept_apart(tmp_path, clips, monkeypatch):
    soundfile.write(tmp_path / "clip.wav", clips[0]["waveform"], RATE)
    rows, blocks = [{"file": str(tmp_path / "clip.wav")}], {"mfcc": MFCC()}
    cache = Cache(tmp_path)
    assert compute_clips(rows, blocks, cache=cache).computed == 1
    monkeypatch.setattr(torch, "device", lambda name: torch.zeros(0).device)
    assert compute_clips(rows, blocks, cache=cache, device="cuda").computed == 1
    assert compute_clips(rows, blocks, cache=cache, device="cuda").computed == 0
    assert compute_clips(rows, blocks, cache=cache).computed == 0


def test_a_device_that_is_not_there_is_one_sentence(command, demo_folder, tmp_path):
    answer = command("extract", demo_folder, "--corpus", "demo", "--device", "cuda:7", "--out", tmp_path / "f.parquet")
    assert answer.status != 0
    assert "this machine has no device 'cuda:7'; available here: auto, cpu" in answer.messages
    assert "Traceback" not in answer.messages
