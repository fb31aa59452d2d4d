"""Every view equals librosa's function on the same waveform; closed forms where there are any."""

import subprocess
import sys

import librosa
import numpy as np
import pytest
from conftest import tone

from fusionser.errors import SettingsError
from fusionser.features.functionals import FUNCTIONALS, delta, summarise
from fusionser.features.spectrum import FrameSettings, Spectrum
from fusionser.features.tuning import estimate_tuning

FRAMINGS = [(22050, 2048, 512), (16000, 1024, 256), (44100, 2048, 441)]


def voice(rate, seconds=1.3, seed=0):
    """A gliding harmonic tone with noise: something of everything."""
    rng = np.random.default_rng(seed)
    times = np.arange(int(seconds * rate)) / rate
    phase = 2 * np.pi * np.cumsum(140 + 60 * np.sin(3 * times)) / rate
    harmonics = sum(np.sin(k * phase) / k for k in range(1, 20))
    return (0.2 * harmonics * np.sin(2 * times) ** 2 + rng.normal(0, 0.005, times.size)).astype(np.float32)


@pytest.fixture(params=FRAMINGS, ids=str)
def framing(request):
    rate, n_fft, hop = request.param
    signal = voice(rate)
    spectrum = Spectrum(signal, FrameSettings(sampling_rate=rate, n_fft=n_fft, hop_length=hop))
    return signal, spectrum, {"sr": rate, "n_fft": n_fft, "hop_length": hop}


def near(ours, theirs, relative=2e-5):
    assert ours.shape == theirs.shape
    spread = max(float(np.abs(theirs).max()), 1e-12)
    assert np.abs(ours - theirs).max() <= relative * spread


def test_magnitude(framing):
    signal, spectrum, options = framing
    near(spectrum.magnitude, np.abs(librosa.stft(signal, n_fft=options["n_fft"], hop_length=options["hop_length"])))


def test_zero_crossing_rate(framing):
    signal, spectrum, options = framing
    expected = librosa.feature.zero_crossing_rate(
        signal, frame_length=options["n_fft"], hop_length=options["hop_length"]
    )
    np.testing.assert_array_equal(spectrum.zero_crossing_rate, expected[0])


def test_rms(framing):
    signal, spectrum, options = framing
    expected = librosa.feature.rms(y=signal, frame_length=options["n_fft"], hop_length=options["hop_length"])
    near(spectrum.rms, expected[0])


@pytest.mark.parametrize(("n_mels", "fmax"), [(128, None), (64, None), (40, 4000.0)])
def test_mel_and_log_mel_and_mfcc(framing, n_mels, fmax):
    signal, spectrum, options = framing
    mel = librosa.feature.melspectrogram(y=signal, n_mels=n_mels, fmax=fmax, **options)
    near(spectrum.mel(n_mels, fmax), mel)
    near(spectrum.log_mel(n_mels, fmax), librosa.power_to_db(mel))
    near(
        spectrum.mfcc(20, n_mels, fmax), librosa.feature.mfcc(y=signal, n_mfcc=20, n_mels=n_mels, fmax=fmax, **options)
    )


@pytest.mark.parametrize(
    "windowing", [{"window": "hamming"}, {"win_length": 256}, {"win_length": 401, "window": "hamming"}], ids=str
)
@pytest.mark.parametrize("htk", [False, True])
@pytest.mark.parametrize("pre_emphasis", [0.0, 0.97])
def test_windows_pre_emphasis_and_the_mel_scale_of_htk(windowing, htk, pre_emphasis):
    signal = voice(16000)
    frames = {"n_fft": 1024, "hop_length": 256}
    spectrum = Spectrum(signal, FrameSettings(sampling_rate=16000, **frames, **windowing, pre_emphasis=pre_emphasis))
    given = librosa.effects.preemphasis(signal, coef=pre_emphasis) if pre_emphasis else signal
    mel = librosa.feature.melspectrogram(y=given, sr=16000, htk=htk, fmax=4000, **frames, **windowing)
    near(spectrum.mel(fmax=4000, htk=htk), mel)
    decibels = librosa.power_to_db(mel)
    near(spectrum.log_mel(fmax=4000, htk=htk), decibels)
    near(spectrum.mfcc(32, fmax=4000, htk=htk), librosa.feature.mfcc(S=decibels, n_mfcc=32))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": "boxcar"}, "unknown window 'boxcar'. Known: hann, hamming"),
        ({"win_length": 4096}, "win_length is 4096; expected 1 to n_fft = 2048"),
        ({"pre_emphasis": 1.0}, "pre_emphasis is 1.0; expected 0 to less than 1"),
    ],
)
def test_windows_that_cannot_be(settings, message):
    with pytest.raises(SettingsError, match=message):
        FrameSettings(**settings)


def test_chroma_with_its_tuning(framing):
    signal, spectrum, options = framing
    expected = librosa.estimate_tuning(S=spectrum.power, sr=options["sr"], n_fft=options["n_fft"])
    assert spectrum.tuning() == float(expected)
    near(spectrum.chroma(), librosa.feature.chroma_stft(y=signal, tuning=spectrum.tuning(), **options), 1e-4)
    near(spectrum.chroma(24), librosa.feature.chroma_stft(y=signal, n_chroma=24, **options), 1e-4)


@pytest.mark.parametrize(("rate", "n_fft"), [(22050, 2048), (16000, 1024), (8000, 256), (48000, 64)])
@pytest.mark.parametrize("n_chroma", [12, 36])
def test_tuning_is_librosas_to_the_last_bit(rate, n_fft, n_chroma):
    rng = np.random.default_rng(n_fft + n_chroma)
    voiced = np.cumsum(rng.normal(size=rate)) / 100 + np.sign(np.sin(2 * np.pi * 187.3 / rate * np.arange(rate)))
    for signal in (rng.normal(size=rate), voiced):
        power = Spectrum(signal, FrameSettings(sampling_rate=rate, n_fft=n_fft, hop_length=n_fft // 4)).power
        expected = librosa.estimate_tuning(S=power, sr=rate, n_fft=n_fft, bins_per_octave=n_chroma)
        assert estimate_tuning(power, rate, n_fft, n_chroma) == float(expected)


def test_tuning_of_a_spectrum_without_peaks_is_none():
    assert estimate_tuning(np.zeros((1025, 4), np.float32), 22050, 2048) == 0.0
    assert estimate_tuning(np.ones((33, 4), np.float32), 200, 64) == 0.0


def test_no_feature_needs_librosa_or_numba():
    code = (
        "import sys, numpy as np\n"
        "from fusionser.features import BLOCKS\n"
        "from fusionser.features.maps import LogMelMap, MFCCMap\n"
        "clip = np.random.default_rng(0).normal(0, 0.1, 22050)\n"
        "own = [kind for kind in BLOCKS.values() if 'external' not in kind.__module__]\n"
        "learned = ('estimated-gender', 'fisher-vectors')\n"
        "kinds = [kind for kind in own if kind.uses_audio and kind.kind not in learned]\n"
        "for kind in kinds: kind(trim=True, denoise=True).transform([clip])\n"
        "for kind in (LogMelMap, MFCCMap): kind(trim=True, pre_emphasis=0.97).transform([clip])\n"
        "print(len(kinds), 'librosa' in sys.modules, 'numba' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) > 5
    assert done.stdout.split()[1:] == ["False", "False"]


def test_spectral_shape(framing):
    signal, spectrum, options = framing
    near(spectrum.centroid, librosa.feature.spectral_centroid(y=signal, **options)[0])
    near(spectrum.bandwidth, librosa.feature.spectral_bandwidth(y=signal, **options)[0])
    near(
        spectrum.flatness,
        librosa.feature.spectral_flatness(y=signal, n_fft=options["n_fft"], hop_length=options["hop_length"])[0],
        1e-4,
    )
    for share in (0.25, 0.85):
        expected = librosa.feature.spectral_rolloff(y=signal, roll_percent=share, **options)[0]
        # Rounding may move the point by one bin.
        assert np.abs(spectrum.rolloff(share) - expected).max() <= options["sr"] / options["n_fft"] + 1e-6
        assert np.mean(spectrum.rolloff(share) == expected) > 0.95


def test_flux_is_zero_for_what_does_not_change_and_known_for_what_does():
    steady = Spectrum(tone(1000, rate=16000), FrameSettings(sampling_rate=16000, n_fft=512, hop_length=16))
    assert steady.flux[40:-40].max() < 1e-3
    # The change lies between two frames, so that no frame holds both tones.
    boundary = 16 * 512 - 256
    jump = np.concatenate([tone(1000)[:boundary], tone(4000)[:boundary]])
    jumping = Spectrum(jump, FrameSettings(sampling_rate=16000, n_fft=512, hop_length=512))
    # Two tones on bins of their own: each shape is (1/4, 1/2, 1/4) of a Hann window, so the distance is sqrt(2 * 6/16).
    assert jumping.flux[14:18].max() == pytest.approx(np.sqrt(0.75), rel=0.02)


def test_a_frame_must_cover_every_sample():
    with pytest.raises(SettingsError, match="hop_length"):
        FrameSettings(n_fft=512, hop_length=513)
    with pytest.raises(SettingsError, match="n_fft"):
        FrameSettings(n_fft=333)


def test_functionals_are_numpys():
    series = np.random.default_rng(0).normal(size=(3, 50))
    found = summarise(series, list(FUNCTIONALS)).reshape(3, -1)
    for row, values in zip(found, series, strict=True):
        expected = {
            "mean": values.mean(),
            "std": values.std(),
            "minimum": values.min(),
            "maximum": values.max(),
            "slope": np.polyfit(np.arange(50), values, 1)[0],
        }
        for name, value in zip(FUNCTIONALS, row, strict=True):
            wanted = expected.get(name)
            if wanted is None:
                wanted = np.percentile(values, int(name.removeprefix("percentile")))
            assert value == pytest.approx(wanted), name


def test_delta_is_librosas_in_the_middle():
    series = np.random.default_rng(0).normal(size=(2, 40))
    expected = librosa.feature.delta(series, width=5, mode="nearest")
    np.testing.assert_allclose(delta(series), expected, atol=1e-12)


def test_an_unknown_statistic_lists_the_known():
    with pytest.raises(SettingsError, match="unknown statistic 'median'.*percentile50"):
        summarise([[1.0]], ["median"])
