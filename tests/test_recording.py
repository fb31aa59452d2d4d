"""The block that describes a recording: values that are known beforehand, and finite numbers for every clip."""

import warnings

import numpy as np
import pytest
import scipy.signal
from conftest import tone

from fusionser.features import Clip, Recording
from fusionser.features.presets import preset
from fusionser.features.recording import EDGES, share_of
from fusionser.features.relative_blocks import Prosody
from fusionser.registry import PRESETS

RATE = 16000
NAMES = Recording().names()
BANDS = range(len(EDGES) - 1)


def described(samples, rate=RATE):
    return dict(
        zip(NAMES, Recording().compute(Clip({"waveform": samples, "sampling_rate": rate})).tolist(), strict=True)
    )


def white(seconds=2.0, level=0.1, seed=0):
    return level * np.random.default_rng(seed).normal(size=int(RATE * seconds))


def bursts(rate, seconds=2.0, carrier=1000):
    """A tone whose level rises and falls `rate` times a second, by 20 dB."""
    time = np.arange(int(RATE * seconds)) / RATE
    decibels = 10.0 * np.cos(2 * np.pi * rate * time) - 20.0
    return 10 ** (decibels / 20) * np.sin(2 * np.pi * carrier * time)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(RATE),
        np.zeros(1),
        np.ones(3),
        np.full(RATE, 0.5),
        np.full(RATE, 1e-9),
        1e-5 * white(),
        np.sign(white()),
        8 * np.sign(white(0.05)),
        np.concatenate([np.zeros(RATE), [1.0], np.zeros(RATE)]),
        white(0.01),
    ],
)
def test_every_clip_has_finite_columns_and_always_the_same(samples):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = described(samples), described(samples)
    assert np.isfinite(list(first.values())).all()
    assert first == second


def test_levels_are_those_of_the_samples():
    values = described(tone(1000, seconds=2.0, amplitude=0.25))
    assert values["speech_level"] == pytest.approx(20 * np.log10(0.25 / np.sqrt(2)), abs=0.2)
    assert values["peak_to_speech"] == pytest.approx(20 * np.log10(np.sqrt(2)), abs=0.2)
    assert values["log_duration"] == pytest.approx(np.log10(2.0), abs=1e-6)
    quarter = described(tone(1000, seconds=2.0, amplitude=0.0625))
    moved = {name for name in NAMES if abs(values[name] - quarter[name]) > 0.05}
    assert moved == {"speech_level", "noise_level"}
    assert values["speech_level"] - quarter["speech_level"] == pytest.approx(20 * np.log10(4), abs=0.01)


def test_signal_to_noise_is_the_ratio_of_the_powers():
    speech = np.concatenate([white(1.0, 0.1), np.zeros(RATE)])
    values = described(speech + white(2.0, 0.003, seed=1))
    assert values["signal_to_noise"] == pytest.approx(20 * np.log10(0.1 / 0.003), abs=1.0)
    assert values["noise_level"] == pytest.approx(20 * np.log10(0.003), abs=1.0)
    assert values["pause_share"] == pytest.approx(0.0, abs=0.05)
    assert described(speech)["pause_share"] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("highest", [2000, 4000, 6000])
def test_bandwidth_is_that_of_the_filter(highest):
    filters = scipy.signal.butter(20, highest, fs=RATE, output="sos")
    filtered = scipy.signal.sosfiltfilt(filters, white())
    frequency, response = scipy.signal.sosfreqz(filters, 16000, fs=RATE)
    ends = frequency[20 * np.log10(np.maximum(np.abs(response) ** 2, 1e-12)) > -50][-1]
    assert described(filtered)["bandwidth"] == pytest.approx(ends, abs=150)


def test_the_bands_of_white_noise_have_the_power_of_their_width():
    values = described(white(4.0))
    for kind in ("speech", "noise"):
        found = [values[f"{kind}_from_{EDGES[band]}_hz"] for band in BANDS]
        expected = [10 * np.log10((EDGES[band + 1] - EDGES[band]) / EDGES[-1]) for band in BANDS]
        assert found[3:] == pytest.approx(expected[3:], abs=1.5)
    assert values["speech_flatness"] == pytest.approx(0.0, abs=0.3)
    assert described(tone(1000))["speech_flatness"] < -15


def test_clipped_samples_and_zeros_are_counted():
    wave = np.clip(2 * np.sin(2 * np.pi * 100 / RATE * np.arange(RATE)), -1, 1)
    # A sine of twice the limit is above it for two thirds of its period.
    assert share_of(described(wave)["log_clipped_share"]) == pytest.approx(2 / 3, abs=0.02)
    assert share_of(described(white())["log_clipped_share"]) == pytest.approx(0.0, abs=1e-6)
    half = np.concatenate([white(1.0), np.zeros(RATE)])
    assert share_of(described(half)["log_zero_share"]) == pytest.approx(0.5, abs=1e-4)


def test_voicing_and_the_rate_of_syllables_are_measured():
    time = np.arange(2 * RATE) / RATE
    voice = sum(np.sin(2 * np.pi * 150 * number * time) / number for number in range(1, 20))
    assert described(0.1 * voice)["voiced_share"] > 0.9
    assert described(white())["voiced_share"] < 0.1
    assert described(bursts(4.0))["syllable_share"] > 0.9
    assert described(bursts(15.0))["syllable_share"] < 0.1
    assert described(bursts(4.0))["level_spread"] == pytest.approx(10 / np.sqrt(2), abs=0.5)


def test_the_rate_of_the_file_changes_little():
    samples = white(2.0)
    above = scipy.signal.resample_poly(samples, 3, 1)
    first, second = described(samples), described(above, 3 * RATE)
    for name in ("speech_level", "noise_level", "speech_from_1000_hz", "log_duration"):
        assert first[name] == pytest.approx(second[name], abs=0.5)


def test_it_is_a_block_that_no_preset_has_and_that_shares_spectra():
    assert all("recording" not in dict(preset(name).blocks) for name in PRESETS)
    clip = Clip({"waveform": bursts(4.0), "sampling_rate": RATE})
    Prosody().compute(clip)
    count = len(clip._spectra)
    Recording().compute(clip)
    assert len(clip._spectra) == count
