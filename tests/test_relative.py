"""Features relative within the clip: closed forms on made signals, and what a recording chain may not change."""

import numpy as np
import pytest
import soundfile
import soxr
from scipy.signal import butter, sosfiltfilt
from scipy.stats import kurtosis, skew

from fusionser.audio import ClipSettings
from fusionser.errors import SettingsError
from fusionser.features import Modulation, Prosody, RelativeCepstra, relative_frames, robust
from fusionser.features.clip import Clip
from fusionser.features.relative_blocks import spread
from fusionser.model import load_model

RATE = 16000
SECONDS = 2.0
TIMES = np.arange(int(SECONDS * RATE)) / RATE


def voice(pitch=150.0, envelope=1.0):
    """Harmonics of a pitch (a number, or one per sample) that fall by 6 dB per octave, under an envelope."""
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(pitch, TIMES.shape)) / RATE
    return 0.1 * envelope * sum(np.sin(k * phase) / k for k in range(1, 20))


def columns(block, samples, rate=RATE):
    return dict(zip(block.names(), block.transform([(samples, rate)])[0].tolist(), strict=True))


def frames(samples, dynamic_range=20.0):
    return relative_frames(
        Clip({"waveform": samples, "sampling_rate": RATE}), ClipSettings(sampling_rate=RATE), dynamic_range
    )


def syllables(rate):
    return 0.55 - 0.45 * np.cos(2 * np.pi * rate * TIMES)


def test_spread_is_numpys_and_scipys():
    series = np.random.default_rng(0).gamma(2.0, size=(3, 500))
    found = spread(series)
    quartiles = np.percentile(series, [10, 25, 50, 75, 90], axis=1)
    np.testing.assert_allclose(found[:, 0], series.std(axis=1))
    np.testing.assert_allclose(found[:, 1], quartiles[3] - quartiles[1])
    np.testing.assert_allclose(found[:, 2], quartiles[4] - quartiles[2])
    np.testing.assert_allclose(found[:, 3], quartiles[0] - quartiles[2])
    np.testing.assert_allclose(found[:, 4], skew(series, axis=1), rtol=1e-5)
    np.testing.assert_allclose(found[:, 5], kurtosis(series, axis=1, fisher=False), rtol=1e-5)
    assert spread(np.zeros(10)).tolist() == [0.0] * 6


@pytest.mark.parametrize("gain", [0.01, 0.25, 3.0])
def test_a_gain_changes_nothing(gain):
    samples = voice(150 + 40 * np.sin(2 * np.pi * 1.5 * TIMES), syllables(4.0))
    noisy = samples + np.random.default_rng(0).normal(0, 1e-4, samples.size)
    plain, changed = robust().transform([noisy, gain * noisy])
    np.testing.assert_allclose(changed, plain, rtol=1e-3, atol=2e-3)


def test_what_a_telephone_does_not_transmit_does_not_count():
    """Eight kilohertz, or hum below and hiss above the band, change little beside what another voice changes."""
    samples = voice(150 + 40 * np.sin(2 * np.pi * 1.5 * TIMES), syllables(4.0))
    samples += np.random.default_rng(0).normal(0, 1e-4, samples.size)
    narrow = soxr.resample(soxr.resample(samples, RATE, 8000), 8000, RATE)[: samples.size]
    hiss = sosfiltfilt(
        butter(8, 5000, "highpass", fs=RATE, output="sos"), np.random.default_rng(1).normal(0, 0.05, samples.size)
    )
    hum = 0.02 * np.sin(2 * np.pi * 50 * TIMES)
    other = voice(220 + 10 * np.sin(2 * np.pi * 1.5 * TIMES), syllables(6.0))
    table = robust().transform([samples, narrow, samples + hiss, samples + hum, other])
    scale = np.abs(table[4] - table[0]).mean()
    for changed in table[1:4]:
        assert np.abs(changed - table[0]).mean() < 0.1 * scale


def test_the_level_is_that_of_the_envelope_down_to_the_floor():
    half = np.select([TIMES < 0.8, TIMES < 1.6], [1.0, 10 ** (-10 / 20)], 0.0)
    found = frames(np.concatenate([np.zeros(RATE // 5), voice(envelope=half)]))
    loud, soft = found.level[10:70], found.level[90:150]
    # The soft floor of -20 dB adds a hundredth of the loud power to every frame.
    assert np.median(loud) == pytest.approx(10 * np.log10(1.01), abs=0.1)
    assert np.median(soft) == pytest.approx(10 * np.log10(0.11), abs=0.3)
    assert found.level.min() >= -20.0


def test_pauses_at_the_ends_are_cut_off():
    pause = np.zeros(RATE)
    whole = frames(np.concatenate([pause, voice(), pause]))
    assert whole.seconds == pytest.approx(SECONDS, abs=0.05)


def test_pitch_is_in_semitones_about_the_median():
    pause = np.zeros(RATE // 2)
    found = columns(Prosody(), np.concatenate([pause, voice(100 * 2 ** (TIMES / SECONDS)), pause]))
    assert found["f0_median"] == pytest.approx(6.0, abs=0.3)
    assert found["f0_iqr"] == pytest.approx(6.0, abs=0.3)
    assert found["f0_range"] == pytest.approx(10.8, abs=0.5)
    assert found["f0_step_mean"] == pytest.approx(12 / 200, abs=0.005)
    # A third of the way from the first to the last frame of a line of 12 semitones, times three over two.
    assert found["f0_slope"] == pytest.approx(6.0, abs=0.3)
    assert found["voiced_share"] > 0.95
    steady = columns(Prosody(), voice(200.0))
    assert steady["f0_median"] == pytest.approx(12.0, abs=0.05)
    assert steady["f0_std"] < 0.05


@pytest.mark.parametrize("rate", [3.0, 5.0])
def test_syllables_are_counted(rate):
    found = columns(Prosody(), voice(envelope=syllables(rate)))
    assert found["level_peaks_per_second"] == pytest.approx(rate, abs=0.6)


@pytest.mark.parametrize(("rate", "column"), [(3.0, "2_hz"), (6.0, "4_hz"), (12.0, "8_hz")])
def test_the_modulation_spectrum_peaks_at_the_rate_of_the_envelope(rate, column):
    found = columns(Modulation(), voice(envelope=syllables(rate)))
    group = {name: value for name, value in found.items() if name.startswith("group2_")}
    assert max(group, key=group.get) == f"group2_{column}"


def test_cepstra_of_a_voice_that_does_not_change_do_not_spread():
    steady = columns(RelativeCepstra(), voice(200.0))
    assert max(value for name, value in steady.items() if name.endswith(("_std", "_iqr"))) < 1.0
    assert [steady[f"{number:02d}_loud_minus_soft"] for number in range(1, 14)] == [0.0] * 13


def test_a_channel_moves_the_means_of_cepstra_and_not_what_is_relative():
    """A filter that is the same in all frames adds a constant to each cepstrum."""
    rng = np.random.default_rng(0)
    samples = voice(150 + 40 * np.sin(2 * np.pi * 1.5 * TIMES), syllables(4.0)) + rng.normal(0, 3e-3, TIMES.size)
    tilted = np.convolve(samples, [1.0, -0.5], "same")
    plain, changed = (columns(RelativeCepstra(), one) for one in (samples, tilted))
    moved = {name: abs(changed[name] - plain[name]) for name in plain}
    assert moved["01_voiced_mean"] > 8.0
    assert np.mean([value for name, value in moved.items() if name.endswith("_std")]) < 0.5


@pytest.mark.parametrize(
    "samples",
    [
        np.random.default_rng(0).normal(0, 0.1, RATE),
        np.sin(2 * np.pi * 6000 * TIMES),
        np.sin(2 * np.pi * 40 * TIMES),
        np.eye(1, RATE, 5000)[0],
        voice()[:1100],
        np.tile(voice(), 6),
    ],
    ids=["noise", "above the band", "below the band", "click", "70 ms", "12 s"],
)
def test_any_sound_gives_finite_columns(samples):
    table = robust().transform([(samples, RATE)])
    assert table.shape == (1, 198)
    assert np.isfinite(table).all()


@pytest.mark.parametrize("rate", [8000, 22050, 48000])
def test_other_rates_of_the_analysis_give_about_the_same(rate):
    samples = voice(150 + 40 * np.sin(2 * np.pi * 1.5 * TIMES), syllables(4.0))
    samples += np.random.default_rng(0).normal(0, 1e-3, samples.size)
    one, other = columns(Prosody(), samples), columns(Prosody(sampling_rate=rate), samples)
    for name in ("f0_median", "f0_std", "level_std", "voiced_share", "log_duration", "level_peaks_per_second"):
        assert other[name] == pytest.approx(one[name], rel=0.1, abs=0.1), name


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (Prosody(dynamic_range=3.0), "dynamic_range is 3.0; expected 6 to 60 dB"),
        (Modulation(sampling_rate=6000), "sampling_rate is 6000; expected 7400 Hz or more"),
    ],
)
def test_parameters_out_of_range_are_refused(block, message):
    with pytest.raises(SettingsError, match=message):
        block.fit([voice()])


def test_blocks_of_one_clip_share_their_frames(monkeypatch):
    from fusionser.features import relative_blocks

    calls = []
    original = relative_blocks.relative_frames
    monkeypatch.setattr(relative_blocks, "relative_frames", lambda *given: calls.append(given) or original(*given))
    robust().transform([(voice(), RATE)])
    assert len(calls) == 1


def test_the_preset_is_extracted_fitted_saved_and_predicts(command, demo_folder, tmp_path):
    features, model = tmp_path / "features.parquet", tmp_path / "m.fusionser"
    options = ["--preset", "robust", "--corpus", "demo"]
    assert command("extract", demo_folder, *options, "--out", features).status == 0
    scores = command("evaluate", features, "--scaling", "bounded", "--json")
    # Synthetic voices are easy, and differ by what the preset describes.
    assert scores.json["pooled"]["uar"] > 0.8, scores.messages
    assert command("fit", features, "--scaling", "bounded", "--out", model).status == 0
    saved = load_model(model)
    assert {type(scaler).__name__ for scaler in saved.pipeline["scale"].scalers_.values()} == {"BoundedScaler"}
    files = sorted(demo_folder.glob("*.wav"))[:4]
    answers = saved.predict(files)
    assert (answers["error"] == "").all()
    samples = [(soundfile.read(file)[0] / 50, soundfile.info(file).samplerate) for file in files]
    quiet = saved.predict(samples)
    assert quiet["emotion"].tolist() == answers["emotion"].tolist()
    np.testing.assert_allclose(quiet["probability"], answers["probability"], atol=0.01)
