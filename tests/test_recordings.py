"""Augmentations that record a clip otherwise, and the map of bands that is relative within the clip."""

import numpy as np
import pytest
from conftest import tone

from fusionser.augmentation import Augmentation, augment, parse_augmentation
from fusionser.augmentation.recording_chain import active_power, frequency_response
from fusionser.errors import SettingsError
from fusionser.features import RelativeMap
from fusionser.features.clip import Clip
from fusionser.networks import Conv2DRelativeExtractor
from fusionser.registry import AUGMENTATIONS

RATE = 16000
KINDS = ("level", "equaliser", "room", "pink-noise", "mp3", "opus", "vocal-tract", "recording")


def speech_like(seconds=1.5, seed=0):
    """Return noise bursts at a syllable rate over a faint floor."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    envelope = np.maximum(np.sin(2 * np.pi * 3.0 * time), 0.0) ** 2 + 1e-3
    return (0.2 * envelope * rng.normal(size=time.size)).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_draws_valid_parameters_and_is_reproducible(kind):
    clip = speech_like()
    for number in range(3):
        wanted = Augmentation(kind, AUGMENTATIONS[kind].draw(np.random.default_rng(number)), number)
        assert parse_augmentation(str(wanted)).kind == kind
        changed = augment(clip, RATE, wanted)
        assert changed.dtype == np.float32 and changed.size == clip.size
        assert np.isfinite(changed).all() and not np.array_equal(changed, clip)
        assert np.array_equal(changed, augment(clip, RATE, wanted))


def test_level_is_exact_and_clips_at_full_scale():
    samples = np.array([0.1, -0.2, 0.9], dtype=np.float32)
    louder = augment(samples, RATE, Augmentation("level", 6.0, 1))
    assert louder == pytest.approx([0.1 * 10**0.3, -0.2 * 10**0.3, 1.0], rel=1e-6)


def test_equaliser_applies_its_frequency_response_and_nothing_else():
    impulse = np.zeros(4096, dtype=np.float32)
    impulse[0] = 1.0
    changed = augment(impulse, RATE, Augmentation("equaliser", 4.0, 1))
    decibels = 20 * np.log10(np.abs(np.fft.rfft(changed)))
    # Smooth: neighbouring bins above the constant part differ by less than a tenth of a decibel.
    assert np.abs(np.diff(decibels[100:])).max() < 0.1
    assert decibels[: int(50 / (RATE / 4096))].std() < 1e-3


def test_the_spread_of_responses_is_the_stated_one():
    frequencies = np.geomspace(50.0, 8000.0, 200)
    responses = np.stack([frequency_response(frequencies, seed, 5.0) for seed in range(400)])
    assert responses.std() == pytest.approx(5.0, rel=0.1)


def test_pink_noise_has_its_ratio_to_the_active_speech():
    clip = speech_like()
    noise = augment(clip, RATE, Augmentation("pink-noise", 15.0, 1)).astype(float) - clip
    ratio = 10 * np.log10(active_power(clip, RATE) / np.mean(noise**2))
    assert ratio == pytest.approx(15.0, abs=0.1)


def test_a_shorter_vocal_tract_moves_a_tone_up_at_the_same_length():
    changed = augment(tone(400.0, 2.0), RATE, Augmentation("vocal-tract", 1.1, 1))
    spectrum = np.abs(np.fft.rfft(changed * np.hanning(changed.size)))
    assert spectrum.argmax() * RATE / changed.size == pytest.approx(440.0, rel=0.01)


def test_recording_without_strength_leaves_the_parts_that_scale_with_it_out():
    # At strength 0 there is no other frequency response, and the noise lies 35 dB below the speech.
    clip = speech_like()
    changed = augment(clip, RATE, Augmentation("recording", 0.0, 1)).astype(float)
    strong = augment(clip, RATE, Augmentation("recording", 1.0, 1)).astype(float)
    assert np.corrcoef(changed, clip)[0, 1] > np.corrcoef(strong, clip)[0, 1]


@pytest.mark.parametrize("reference", ["clip", "band"])
def test_relative_map_ignores_gain_and_ends_on_the_floor(reference):
    clip = speech_like()
    quiet, loud = RelativeMap(reference=reference).transform([(clip / 50, RATE), (clip, RATE)])
    assert quiet == pytest.approx(loud, abs=1e-2)
    # The clip is 1.5 s long, the map 2.5 s.
    assert np.ptp(loud[:, 160:], axis=1) == pytest.approx(0.0, abs=1e-5)
    if reference == "band":
        assert loud[:, -1] == pytest.approx(-20.0)
        assert loud.min() >= -20.0 - 1e-3


def test_relative_map_by_band_ignores_a_microphone():
    clip = speech_like()
    spectrum = np.fft.rfft(clip)
    tilted = np.fft.irfft(spectrum * np.linspace(0.3, 3.0, spectrum.size), clip.size).astype(np.float32)
    by_band, other = RelativeMap(reference="band").transform([(clip, RATE), (tilted, RATE)])
    by_clip, moved = RelativeMap().transform([(clip, RATE), (tilted, RATE)])
    assert np.abs(by_band - other).mean() < 0.3
    assert np.abs(by_clip - moved).mean() > 3 * np.abs(by_band - other).mean()


def test_the_middle_of_a_long_clip_is_used():
    clip = speech_like(4.0)
    whole = RelativeMap(length=10.0).compute(Clip({"waveform": clip, "sampling_rate": RATE}))
    active = int((np.ptp(whole, axis=0) > 0).sum())
    part = RelativeMap(length=2.0).compute(Clip({"waveform": clip, "sampling_rate": RATE}))
    start = (np.flatnonzero(np.abs(np.diff(whole, axis=1)).sum(axis=0))[-1] + 2 - 200) // 2
    assert active > 200 and part == pytest.approx(whole[:, start : start + 200], abs=1e-5)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"reference": "speaker"}, "reference is 'speaker'; expected one of clip, band"),
        ({"length": 0.0}, "length"),
        ({"dynamic_range": 90.0}, "dynamic_range"),
        ({"sampling_rate": 4000}, "sampling_rate"),
    ],
)
def test_relative_map_refuses_invalid_parameters(parameters, message):
    with pytest.raises(SettingsError, match=message):
        RelativeMap(**parameters).check()


def test_the_network_learns_on_relative_maps():
    rng = np.random.default_rng(0)
    clips = [(speech_like(1.0, seed) * rng.uniform(0.1, 1.0), RATE) for seed in range(8)]
    slow = [(np.repeat(clip[0][: RATE // 2], 2), RATE) for clip in clips]
    plain = {"speeds": (), "mixup": 0.0, "band_mask": 0, "frame_mask": 0, "shift": 0, "dropout": 0.0}
    network = Conv2DRelativeExtractor(epochs=30, filters=(4, 4, 8, 8), units=8, batch_size=8, cache=False, **plain)
    labels = ["fast"] * 8 + ["slow"] * 8
    network.fit([*clips, *slow], labels)
    assert (network.predict([*clips, *slow]) == labels).mean() > 0.8


@pytest.mark.parametrize("rate", [8000, 16000, 32000, 44100, 48000])
@pytest.mark.parametrize(("codec", "kbps"), [("mp3", 8.0), ("mp3", 24.0), ("mp3", 32.0), ("mp3", 320.0), ("opus", 6.0)])
def test_every_bit_rate_is_possible_at_every_sampling_rate(rate, codec, kbps):
    noise = np.random.default_rng(0).normal(0, 0.1, rate).astype(np.float32)
    assert augment(noise, rate, Augmentation(codec, kbps, 1)).size == rate


@pytest.mark.parametrize("kind", KINDS)
def test_tiny_and_empty_clips_stay_finite(kind):
    for size, rate in ((0, RATE), (1, RATE), (20, 100)):
        if kind in ("mp3", "opus") and rate < 8000:
            continue
        wanted = Augmentation(kind, AUGMENTATIONS[kind].draw(np.random.default_rng(0)), 1)
        changed = augment(np.full(size, 0.5, dtype=np.float32), rate, wanted)
        assert np.isfinite(changed).all()
