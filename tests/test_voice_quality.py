"""Voice quality: closed forms on synthetic vowels, what a recording chain may not change, and Praat."""

import numpy as np
import pytest
import soxr
from scipy.signal import butter, lfilter, sosfiltfilt

from fusionser.features import VoiceQuality, relative_frames
from fusionser.features.clip import Clip
from fusionser.features.formants import NEUTRAL, find_formants
from fusionser.features.voice_periods import RATE as PERIOD_RATE
from fusionser.features.voice_periods import band_limited, find_periods
from fusionser.features.voice_quality import SERIES, voice_frames
from fusionser.features.voice_spectrum import (
    cepstral_peak_prominence,
    decibels_of,
    harmonic_differences,
    spectral_ratios,
)

RATE = 48000
VOWELS = {
    "a": ((730, 1090, 2440, 3300), (80, 90, 120, 150)),
    "i": ((280, 2250, 2890, 3400), (60, 90, 120, 150)),
    "u": ((310, 870, 2240, 3200), (60, 80, 120, 150)),
    "schwa": ((500, 1500, 2500, 3500), (60, 80, 120, 150)),
}
"""Formants and bandwidths in Hz. The frequencies of the first three are those of Peterson and Barney (1952)."""


def marks(period=1 / 120, jitter=0.0, seconds=1.5, seed=0):
    """Samples at which pulses begin, with normally distributed periods in seconds."""
    lengths = period * (1 + jitter * np.random.default_rng(seed).normal(size=int(seconds / period)))
    return np.rint(np.cumsum(lengths) * RATE).astype(int)


def vowel(places, amplitudes=1.0, name="schwa"):
    """A pulse train, falling by 12 dB per octave above 100 Hz and radiated, through the resonators of a vowel."""
    samples = np.zeros(places[-1] + RATE // 100)
    samples[places] = amplitudes
    samples = lfilter([1.0], [1.0, -np.exp(-2 * np.pi * 100 / RATE)], samples)
    for frequency, bandwidth in zip(*VOWELS[name], strict=True):
        radius = np.exp(-np.pi * bandwidth / RATE)
        samples = lfilter([1.0], [1.0, -2 * radius * np.cos(2 * np.pi * frequency / RATE), radius**2], samples)
    return 0.3 * samples / np.abs(samples).max()


def columns(samples, rate=RATE, **parameters):
    block = VoiceQuality(**parameters)
    return dict(zip(block.names(), block.transform([(samples, rate)])[0].tolist(), strict=True))


def mean_difference(values):
    return 100 * np.abs(np.diff(values)).mean() / np.mean(values)


def test_a_steady_voice_has_neither_jitter_nor_shimmer():
    found = columns(vowel(marks()))
    assert found["jitter"] < 0.05
    assert found["shimmer"] < 0.5
    assert found["shimmer_db"] < 0.05


@pytest.mark.parametrize("jitter", [0.005, 0.01, 0.02])
def test_jitter_is_that_of_the_pulses(jitter):
    """Two normally distributed periods differ by 2 / sqrt(pi) standard deviations on average."""
    places = marks(jitter=jitter, seconds=4.0)
    expected = mean_difference(np.diff(places))
    assert expected == pytest.approx(100 * jitter * 2 / np.sqrt(np.pi), rel=0.15)
    pulses = np.zeros(places[-1] + RATE // 100, dtype=np.float32)
    pulses[places] = 1.0
    times = np.arange(0.1, 3.8, 0.01)
    found = find_periods(band_limited(pulses, RATE), times, np.full(times.size, 120.0))
    assert 100 * found.jitter == pytest.approx(expected, rel=0.05)
    assert found.shimmer < 0.01


def test_jitter_of_a_vowel_grows_in_proportion():
    """The tail of each response lies in the next period, which lessens the jitter of both."""
    found = [columns(vowel(marks(jitter=jitter, seconds=4.0)))["jitter"] for jitter in (0.005, 0.01)]
    assert found[1] / found[0] == pytest.approx(2.0, rel=0.1)


@pytest.mark.parametrize("shimmer", [0.02, 0.05, 0.1])
def test_shimmer_is_that_of_the_pulses(shimmer):
    places = marks(1 / 100, seconds=4.0)
    amplitudes = 1 + shimmer * np.random.default_rng(1).normal(size=places.size)
    found = columns(vowel(places, amplitudes))
    assert found["shimmer"] == pytest.approx(mean_difference(amplitudes), rel=0.2)
    assert found["shimmer_db"] == pytest.approx(np.abs(np.diff(20 * np.log10(amplitudes))).mean(), rel=0.2)
    assert found["jitter"] < 0.3


@pytest.mark.parametrize("name", VOWELS)
@pytest.mark.parametrize("pitch", [90, 130, 180])
def test_formants_are_those_of_the_resonators(name, pitch):
    found = columns(vowel(marks(1 / pitch), name=name))
    frequencies = [2 ** found[f"f{number}_median"] for number in (1, 2, 3)]
    # Harmonics sample the spectrum, so a resonance is known to within a part of their distance.
    np.testing.assert_allclose(frequencies, VOWELS[name][0][:3], atol=0.35 * pitch, rtol=0.03)
    assert max(found[f"f{number}_iqr"] for number in (1, 2, 3)) < 0.05


def test_bandwidths_are_those_of_the_poles():
    frequencies, bandwidths = np.array([[600.0, 1700.0, 2600.0], [80.0, 120.0, 200.0]])
    poles = np.exp((-np.pi * bandwidths + 2j * np.pi * frequencies) / 7400)
    circle = np.exp(1j * np.linspace(0, np.pi, 238))
    response = np.abs(1.0 - np.exp(-2 * np.pi * 50 / 7400) / circle)
    for pole in (*poles, *poles.conj()):
        response = response * np.abs(1.0 - pole / circle)
    found = find_formants((1.0 / response[:, None]) ** 2, 3700 / 237)
    np.testing.assert_allclose(found.frequency[0], frequencies, rtol=0.01)
    np.testing.assert_allclose(found.bandwidth[0], bandwidths, rtol=0.15)


@pytest.mark.parametrize("ratio", [5.0, 10.0, 15.0])
def test_harmonics_to_noise_is_that_of_the_mixture(ratio):
    samples = vowel(marks(1 / 125, seconds=3.0))
    noise = np.random.default_rng(0).normal(size=samples.size)
    power = [np.square(band_limited(one.astype(np.float32), RATE)).mean() for one in (samples, noise)]
    found = columns(samples + noise * np.sqrt(power[0] / power[1]) * 10 ** (-ratio / 20))
    assert found["hnr_median"] == pytest.approx(ratio, abs=1.0)


def test_the_cepstral_peak_falls_with_noise():
    samples = vowel(marks(1 / 125))
    noise = samples.std() * np.random.default_rng(0).normal(size=samples.size)
    found = [columns(samples + share * noise)["cpps_median"] for share in (0.01, 0.1, 0.3, 1.0)]
    assert found == sorted(found, reverse=True)
    assert found[0] > found[-1] + 8


def test_the_cepstral_peak_is_that_of_a_ripple():
    """Twice the ripple along the logarithmic spectrum is four times the power of its cepstral peak."""
    bins = np.arange(473) * (3700 / 472)
    noise = np.random.default_rng(0).normal(0, 1, (3, bins.size))
    ripple = np.cos(2 * np.pi * bins / 200)
    heights = [np.median(cepstral_peak_prominence(size * ripple + noise, bins[1])) for size in (1.0, 2.0)]
    assert heights[1] - heights[0] == pytest.approx(20 * np.log10(2), abs=0.7)


def spectrum_of(*tones):
    """Power of bins of 15.625 Hz with tones at (frequency, decibels)."""
    power = np.full((237, 1), 1e-12)
    for frequency, level in tones:
        power[round(frequency / 15.625), 0] += 10 ** (level / 10)
    return decibels_of(power)


def test_ratios_of_bands():
    ratios = spectral_ratios(spectrum_of((500, 0.0), (750, 0.0), (1500, -10.0), (3000, -25.0)), 15.625)[:, 0]
    assert ratios[0] == pytest.approx(10 * np.log10(2 / (0.1 + 10**-2.5)), abs=0.01)
    assert ratios[1] == pytest.approx(25.0, abs=0.01)


def test_slopes_are_in_decibels_per_kilohertz():
    frequency = np.arange(237) * 15.625
    ratios = spectral_ratios((-0.012 * frequency)[None], 15.625)[:, 0]
    np.testing.assert_allclose(ratios[2:], [-12.0, -12.0])


def test_differences_of_harmonics():
    decibels = spectrum_of((125, -3.0), (250, -7.0), (2375, -20.0), (2500, -15.0), (2625, -30.0), (3000, -1.0))
    found = harmonic_differences(decibels, 15.625, np.array([125.0]), np.array([2450.0]))[:, 0]
    np.testing.assert_allclose(found, [4.0, 12.0], atol=0.01)


def test_harmonics_of_a_saw_tooth():
    """The second harmonic of a saw tooth is 6 dB below the first, wherever it lies between the bins."""
    times = np.arange(2 * RATE) / RATE
    for pitch in (101.0, 147.0, 230.0):
        samples = 0.1 * sum(np.sin(2 * np.pi * number * pitch * times) / number for number in range(1, 30))
        expected = 20 * np.log10(2)
        assert columns(samples)["h1_h2_median"] == pytest.approx(expected, abs=0.3), pitch


@pytest.fixture(scope="module")
def speech():
    """A voice whose vowels and pitch change, with a little noise."""
    parts = [
        vowel(marks(1 / pitch, 0.01, 0.6, seed), 1 + 0.05 * np.random.default_rng(seed).normal(), name)
        for seed, (name, pitch) in enumerate([("a", 110), ("i", 140), ("u", 125), ("schwa", 100)])
    ]
    samples = np.concatenate(parts)
    return samples + np.random.default_rng(0).normal(0, 1e-3, samples.size)


def test_a_gain_changes_nothing(speech):
    plain, changed = VoiceQuality().transform([(speech, RATE), (speech / 30, RATE)])
    np.testing.assert_allclose(changed, plain, rtol=2e-3, atol=5e-3)


def test_what_a_telephone_does_not_transmit_does_not_count(speech):
    narrow = soxr.resample(soxr.resample(speech, RATE, 8000), 8000, RATE)[: speech.size]
    hiss = np.random.default_rng(1).normal(0, 0.05, speech.size)
    hiss = sosfiltfilt(butter(8, 5000, "highpass", fs=RATE, output="sos"), hiss)
    hum = 0.02 * np.sin(2 * np.pi * 50 * np.arange(speech.size) / RATE)
    other = vowel(marks(1 / 220, 0.03, 2.4), name="i")
    table = VoiceQuality().transform([(one, RATE) for one in (speech, narrow, speech + hiss, speech + hum, other)])
    scale = np.abs(table[4] - table[0]).mean()
    for changed in table[1:4]:
        assert np.abs(changed - table[0]).mean() < 0.1 * scale


@pytest.mark.parametrize("rate", [8000, 11111, 22050, 44100])
def test_other_rates_of_the_analysis_give_about_the_same(speech, rate):
    one, other = columns(speech), columns(speech, sampling_rate=rate)
    for name in (
        "jitter",
        "shimmer",
        "hnr_median",
        "cpps_median",
        "f1_median",
        "f2_median",
        "f3_median",
        "h1_h2_median",
    ):
        assert other[name] == pytest.approx(one[name], rel=0.1, abs=0.4), name


def test_what_is_band_limited_keeps_its_place_and_size():
    times = np.arange(22050) / 22050
    samples = np.sin(2 * np.pi * 440 * times) + np.sin(2 * np.pi * 5000 * times)
    found = band_limited(samples.astype(np.float32), 22050)
    expected = np.sin(2 * np.pi * 440 * np.arange(PERIOD_RATE) / PERIOD_RATE)
    assert found.size == PERIOD_RATE
    np.testing.assert_allclose(found[500:-500], expected[500:-500], atol=0.01)


def test_periods_are_found_at_both_ends_of_a_clip():
    train = np.zeros(4000, dtype=np.float32)
    train[50::100] = 1.0
    found = find_periods(train, np.array([0.0, 0.125, 0.25]), np.full(3, 160.0))
    np.testing.assert_allclose(found.lengths[1], 100.0, atol=0.01)
    assert np.isfinite(found.lengths).all()
    assert np.isfinite(found.amplitudes).all()


@pytest.mark.parametrize(
    "samples",
    [
        np.random.default_rng(0).normal(0, 0.1, 16000),
        np.sin(2 * np.pi * 6000 * np.arange(16000) / 16000),
        np.sin(2 * np.pi * 200 * np.arange(16000) / 16000),
        np.sign(np.sin(2 * np.pi * 70 * np.arange(16000) / 16000)),
        np.eye(1, 16000, 5000)[0],
        np.concatenate([np.zeros(8000), np.full(8000, 0.5)]),
        vowel(marks())[::3][:1100],
        np.tile(vowel(marks())[::3], 8),
    ],
    ids=["noise", "above the band", "tone", "square", "click", "step", "70 ms", "12 s"],
)
def test_any_sound_gives_finite_columns(samples):
    table = VoiceQuality().transform([(samples, 16000)])
    assert table.shape == (1, 59)
    assert np.isfinite(table).all()


def test_a_clip_without_voice_has_neutral_formants():
    found = columns(np.random.default_rng(0).normal(0, 0.1, 16000), 16000)
    for number, frequency in enumerate(NEUTRAL, start=1):
        assert 2 ** found.pop(f"f{number}_median") == pytest.approx(frequency)
    assert set(found.values()) == {0.0}


def ours(samples, rate):
    """The medians that Praat is compared with, and the times of the voiced frames."""
    block, clip = VoiceQuality(), Clip({"waveform": samples, "sampling_rate": rate})
    frames = relative_frames(clip, block.clip_settings(), block.dynamic_range)
    return voice_frames(clip, frames, block.clip_settings())


@pytest.mark.parametrize("name", VOWELS)
def test_praat_measures_the_same_of_synthetic_vowels(name):
    pytest.importorskip("parselmouth", reason="praat-parselmouth is not installed")
    from benchmarks.by_praat import Voice

    places = marks(1 / 120, 0.005, 3.0)
    samples = vowel(places, 1 + 0.05 * np.random.default_rng(2).normal(size=places.size), name)
    samples += samples.std() * np.random.default_rng(0).normal(0, 0.05, samples.size)
    voice, praat = ours(samples, RATE), Voice(samples, RATE)
    periods = voice.periods
    found = np.array([100 * periods.jitter, 100 * periods.shimmer, periods.shimmer_decibels])
    np.testing.assert_allclose(found, praat.perturbation(), rtol=0.2, atol=0.1)
    series = dict(zip(SERIES, np.median(list(voice.series.values()), axis=1), strict=True))
    limited = Voice(band_limited(samples.astype(np.float32), RATE), PERIOD_RATE)
    assert series["hnr"] == pytest.approx(np.nanmedian(limited.harmonics_to_noise(voice.times)), abs=4.0)
    assert series["cpps"] == pytest.approx(np.median(praat.cepstral_peak_prominence(voice.times)), abs=3.0)
    frequencies, _ = praat.formants(voice.times, 5000.0)
    medians = [series["f1"], series["f2"], series["f3"]]
    np.testing.assert_allclose(medians, np.nanmedian(np.log2(frequencies), axis=1), atol=0.15)
    alpha = np.median(praat.band_ratio(voice.times, (100.0, 1000.0, 3700.0)))
    assert series["alpha_ratio"] == pytest.approx(alpha, abs=0.5)
