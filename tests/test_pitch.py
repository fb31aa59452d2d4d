import numpy as np
import pytest

from fusionser.features import FrameSettings, Pitch, Spectrum, track_pitch

RATE, N_FFT, HOP = 16000, 1024, 256


def track(signal, **options):
    view = Spectrum(signal, FrameSettings(sampling_rate=RATE, n_fft=N_FFT, hop_length=HOP))
    return track_pitch(view.power, view.rms, RATE, HOP, **options)


def harmonics(frequency, numbers, seconds=1.0):
    times = np.arange(int(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(frequency, times.shape)) / RATE
    return 0.2 * sum(np.sin(k * phase) / k for k in numbers)


@pytest.mark.parametrize("frequency", [75.0, 110.0, 163.7, 220.0, 301.3, 440.0, 550.0])
def test_a_steady_pitch_is_found_within_a_tenth_of_a_semitone(frequency):
    found = track(harmonics(frequency, range(1, 12)))
    inner = found.frequency[4:-4]
    assert (inner > 0).all()
    assert np.abs(12 * np.log2(inner / frequency)).max() < 0.1
    assert found.strength[4:-4].min() > 0.95


def test_the_fundamental_may_be_missing():
    found = track(harmonics(150.0, range(3, 10)))
    assert np.abs(12 * np.log2(np.median(found.frequency[4:-4]) / 150.0)) < 0.1


def test_a_glide_is_followed():
    seconds = 1.5
    times = np.arange(int(seconds * RATE)) / RATE
    pitch = 100 * 2 ** (times / seconds)
    found = track(harmonics(pitch, range(1, 12), seconds))
    frames = np.arange(found.frequency.size) * HOP
    inside = slice(4, -4)
    error = 12 * np.log2(found.frequency[inside] / pitch[np.minimum(frames[inside], pitch.size - 1)])
    assert np.abs(error).max() < 0.3


def test_noise_and_silence_have_no_pitch():
    noise = np.random.default_rng(0).normal(0, 0.1, RATE)
    assert track(noise).voiced.mean() < 0.1
    half = np.concatenate([harmonics(150.0, range(1, 9)), np.random.default_rng(0).normal(0, 1e-4, RATE)])
    voiced = track(half).voiced
    assert voiced[4:55].all()
    assert not voiced[70:].any()


def test_harmonics_to_noise_ratio_is_that_of_the_mixture():
    clean = harmonics(200.0, range(1, 9), seconds=3.0)
    for wanted in (5.0, 10.0, 15.0):
        noise = np.random.default_rng(1).normal(0, clean.std() * 10 ** (-wanted / 20), clean.size)
        assert np.median(track(clean + noise).harmonics_to_noise[4:-4]) == pytest.approx(wanted, abs=1.0)


def test_the_block_counts_voiced_stretches():
    buzz, gap = harmonics(150.0, range(1, 9), 0.5), np.random.default_rng(0).normal(0, 1e-4, RATE // 2)
    block = Pitch(sampling_rate=RATE, n_fft=N_FFT, hop_length=HOP)
    columns = dict(zip(block.names(), block.transform([np.concatenate([buzz, gap, buzz, gap])])[0], strict=True))
    assert columns["voiced_stretches_per_second"] == pytest.approx(1.0, abs=0.05)
    assert columns["voiced_share"] == pytest.approx(0.5, abs=0.1)
    assert columns["f0_percentile50"] == pytest.approx(12 * np.log2(1.5), abs=0.05)


def test_a_clip_without_voice_still_has_finite_columns():
    noise = np.random.default_rng(0).normal(0, 0.1, RATE)
    assert np.isfinite(Pitch(sampling_rate=RATE, n_fft=N_FFT, hop_length=HOP).transform([noise])).all()
