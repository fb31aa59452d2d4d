"""Filters, and what is made with them, equal librosa to the last bit, and closed forms where there are any."""

import warnings

import librosa
import numpy as np
import pytest
import scipy.signal

from fusionser.audio import TRIM_DECIBELS, ClipSettings, prepare
from fusionser.errors import SettingsError
from fusionser.features import SpectralContrast
from fusionser.features.filters import bin_frequencies, chroma_filters, mel_filters, octave_bands
from fusionser.features.spectrum import FrameSettings, Spectrum, periodic_window

RATES = (8000, 11025, 16000, 22050, 44100, 48000)
LENGTHS = (512, 800, 1024, 2048, 4096)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("htk", [False, True])
@pytest.mark.filterwarnings("ignore:Empty filters", "ignore:some of the .* mel bands")
def test_mel_filters_are_librosas(rate, htk):
    for n_fft in LENGTHS:
        for n_mels in (13, 20, 40, 64, 128):
            for fmax in (None, rate / 2, 3800.0, 1000.0, 999.0):
                ours = mel_filters(rate, n_fft, n_mels, fmax, htk)
                theirs = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=n_mels, fmax=fmax, htk=htk)
                assert ours.dtype == np.float32
                assert np.array_equal(ours, theirs), (n_fft, n_mels, fmax)


def test_a_mel_filter_is_a_triangle_of_area_one():
    filters = mel_filters(16000, 16000, 20, 8000.0, True)
    # A bin a hertz: the sum is the area, by trapezes a little less; peaks lie at equal steps of HTK's mel.
    np.testing.assert_allclose(filters.sum(axis=1), 1.0, atol=1e-3)
    peaks = 2595 * np.log10(1 + bin_frequencies(16000, 16000)[filters.argmax(axis=1)] / 700)
    np.testing.assert_allclose(np.diff(peaks), 2595 * np.log10(1 + 8000 / 700) / 21, atol=1.0)


def test_mel_bands_that_no_bin_falls_into_are_told():
    with pytest.warns(UserWarning, match="some of the 128 mel bands lie between two bins of 256 samples"):
        mel_filters(16000, 256, 128, None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mel_filters(16000, 2048, 40, None)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("n_chroma", [1, 5, 12, 13, 24, 36, 120])
def test_chroma_filters_are_librosas(rate, n_chroma):
    for n_fft in LENGTHS:
        for tuning in (0.0, -0.5, -0.27, 0.01, 0.33, 0.49):
            ours = chroma_filters(rate, n_fft, n_chroma, tuning)
            theirs = librosa.filters.chroma(sr=rate, n_fft=n_fft, tuning=tuning, n_chroma=n_chroma)
            assert ours.dtype == np.float32
            assert np.array_equal(ours, theirs), (n_fft, tuning)


@pytest.mark.parametrize("kind", ["hann", "hamming"])
def test_windows_are_scipys(kind):
    for length in (1, 2, 3, 64, 255, 256, 401, 2048, 4096):
        assert np.array_equal(periodic_window(kind, length), scipy.signal.get_window(kind, length, fftbins=True))


def waveforms(rate, seed, count=30):
    """Noise and drifts, loud and hardly to be heard, with gaps."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        samples = rng.normal(size=int(rate * rng.uniform(0.05, 1.5))) * 10 ** rng.uniform(-4, 0)
        if number % 2:
            samples = np.cumsum(samples) / 10
        for _ in range(3):
            first, last = sorted(rng.integers(0, samples.size + 1, 2))
            samples[first:last] *= 10 ** rng.uniform(-3, 0)
        if number % 5 == 0:
            samples[: samples.size // 4] = 0
        yield samples.astype(np.float32)


@pytest.mark.parametrize(("rate", "n_fft", "hop"), [(22050, 2048, 512), (16000, 1024, 256), (48000, 4096, 1024)])
def test_contrast_is_librosas(rate, n_fft, hop):
    settings = FrameSettings(sampling_rate=rate, n_fft=n_fft, hop_length=hop)
    for samples in waveforms(rate, seed=1):
        spectrum = Spectrum(samples, settings)
        for n_bands in range(1, 1 + int(np.log2(rate / 2 / 200)) + 1):
            expected = librosa.feature.spectral_contrast(S=spectrum.magnitude, sr=rate, n_fft=n_fft, n_bands=n_bands)
            assert np.array_equal(spectrum.contrast(n_bands), expected), n_bands


def test_octaves_without_bins_are_refused():
    assert octave_bands(22050, 2048, 6)[-1].stop == 1025
    with pytest.raises(SettingsError, match="frames of 64 samples at 16000 Hz have fewer than two bins in an octave"):
        SpectralContrast(sampling_rate=16000, n_fft=64, hop_length=16, n_bands=2).fit(["a.wav"])


@pytest.mark.parametrize("share", [0.5, 0.9, 0.97])
def test_pre_emphasis_is_librosas(share):
    for samples in waveforms(16000, seed=2):
        ours = Spectrum(samples, FrameSettings(sampling_rate=16000, pre_emphasis=share)).emphasised()
        assert ours.dtype == np.float32
        assert np.array_equal(ours, librosa.effects.preemphasis(samples, coef=share))


def test_trimming_is_librosas():
    settings = ClipSettings(sampling_rate=16000, trim=True)
    shortened = 0
    for samples in waveforms(16000, seed=3, count=200):
        if np.ptp(samples) < 1e-3:
            continue
        expected, _ = librosa.effects.trim(samples, top_db=TRIM_DECIBELS)
        trimmed = prepare(samples, 16000, settings)
        assert np.array_equal(trimmed, expected)
        shortened += trimmed.size < samples.size
    assert shortened > 30


def test_trimming_at_its_very_threshold_is_librosas():
    rng = np.random.default_rng(4)
    for _ in range(100):
        samples = rng.normal(size=20000)
        samples[:8000] *= 10 ** (-TRIM_DECIBELS / 20 + rng.normal(0, 1e-3))
        samples = samples.astype(np.float32) * np.float32(0.1)
        expected, _ = librosa.effects.trim(samples, top_db=TRIM_DECIBELS)
        assert np.array_equal(prepare(samples, 16000, ClipSettings(sampling_rate=16000, trim=True)), expected)
