"""Recording conditions: what is done to a waveform, against closed forms."""

import numpy as np
import pytest
import scipy.signal
import soundfile
from conftest import tone

from fusionser.augmentation.overlap_add import change_pitch, change_tempo
from fusionser.augmentation.recording_chain import CODECS, encode, impulse_response
from fusionser.corpora.demo import synthesise
from fusionser.errors import AudioError
from fusionser.registry import CONDITIONS

RATE = 16000


def level(samples):
    """Root mean square in dB."""
    return 10 * np.log10(np.mean(np.square(samples.astype(float))))


def under(name, samples, rate=RATE, seed=0):
    return CONDITIONS[name].apply(samples, rate, seed).samples


@pytest.fixture(scope="module")
def voice():
    return synthesise("f1", "angry", "s1", np.random.default_rng(0)).astype(np.float32)


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_condition_can_be_repeated_and_gives_a_clip_that_can_be_read(name, voice):
    condition = CONDITIONS[name]
    if not condition.available:
        pytest.skip(f"this libsndfile lacks {condition.codec}")
    once, again = (condition.apply(voice.copy(), RATE, 3) for _ in range(2))
    assert once.samples.dtype == np.float32 and np.isfinite(once.samples).all()
    assert np.array_equal(once.samples, again.samples) and once.measured == again.measured
    assert condition.summary.endswith(".") and not np.array_equal(once.samples, voice)
    drawn = name.startswith(("white", "pink", "room"))
    assert np.array_equal(once.samples, under(name, voice, seed=4)) is not drawn


def test_gain_is_exact_and_is_clipped_only_where_the_name_says_so():
    clean = tone(300.0)
    assert np.allclose(under("gain-minus-12-db", clean), clean * 10 ** (-12 / 20), rtol=1e-6)
    assert np.allclose(under("gain-plus-12-db", clean), clean * 10 ** (12 / 20), rtol=1e-6)
    clipped = CONDITIONS["gain-plus-12-db-clipped"].apply(clean, RATE)
    assert np.allclose(clipped.samples, np.clip(clean * 10 ** (12 / 20), -1, 1), rtol=1e-6)
    # A sine of this amplitude is above full scale for acos(1 / amplitude) out of a quarter of its period.
    amplitude = 0.5 * 10 ** (12 / 20)
    assert clipped.measured["clipped"] == pytest.approx(np.arccos(1 / amplitude) * 2 / np.pi, abs=0.01)


@pytest.mark.parametrize("percent", [1, 10])
def test_clipping_concerns_the_share_that_it_says(percent):
    clean = np.random.default_rng(0).normal(0, 0.1, 20000).astype(np.float32)
    changed = CONDITIONS[f"clipping-{percent}-percent"].apply(clean, RATE)
    assert np.mean(changed.samples != clean) == pytest.approx(percent / 100)
    assert changed.measured["clipped"] == pytest.approx(percent / 100)
    # Of a normal distribution: the quantile beyond which this share lies on both sides.
    limit = 0.1 * scipy.stats.norm.ppf(1 - percent / 200)
    assert np.abs(changed.samples).max() == pytest.approx(limit, rel=0.03)


def test_a_rate_of_8_khz_has_nothing_above_4_khz():
    condition = CONDITIONS["sampling-rate-8-khz"]
    high, low = (condition.apply(tone(frequency), RATE) for frequency in (4500.0, 1000.0))
    assert low.sampling_rate == high.sampling_rate == 8000 and low.samples.size == 8000
    inner = slice(500, -500)
    assert level(low.samples[inner]) == pytest.approx(level(tone(1000.0)), abs=0.01)
    assert level(high.samples[inner]) < level(tone(4500.0)) - 90
    narrow = condition.apply(tone(1000.0, rate=6000), 6000)
    assert narrow.sampling_rate == 6000 and np.array_equal(narrow.samples, tone(1000.0, rate=6000))


@pytest.mark.parametrize("frequency", [100.0, 300.0, 1000.0, 3400.0])
def test_a_telephone_has_its_band(frequency):
    """The gain of Butterworth's band-pass filter of fourth order; the mu-law is about 38 dB below."""
    heard = CONDITIONS["telephone"].apply(tone(frequency, 2.0), RATE)
    assert heard.sampling_rate == 8000
    low, high, here = (np.tan(np.pi * one / RATE) for one in (300.0, 3400.0, frequency))
    bend = (here**2 - low * high) / (here * (high - low))
    expected = -10 * np.log10(1 + bend**8)
    assert level(heard.samples[4000:]) - level(tone(frequency)) == pytest.approx(
        expected, abs=0.1 if expected > -20 else 1
    )


def test_a_telephone_has_256_values():
    heard = CONDITIONS["telephone"].apply(np.random.default_rng(0).normal(0, 0.2, 80000).astype(np.float32), RATE)
    assert 128 < len(np.unique(heard.samples)) <= 256


@pytest.mark.parametrize("frequency", [1000.0, 4000.0, 6000.0])
def test_the_low_pass_filter_is_a_butterworth_of_fourth_order(frequency):
    filtered = under("lowpass-4-khz", tone(frequency))[2000:]
    bend = np.tan(np.pi * frequency / RATE) / np.tan(np.pi * 4000 / RATE)
    assert level(filtered) - level(tone(frequency)) == pytest.approx(-10 * np.log10(1 + bend**8), abs=0.05)


@pytest.mark.parametrize("color", ["white", "pink"])
@pytest.mark.parametrize("ratio", [20, 10, 5])
def test_noise_has_its_ratio_over_the_active_speech(color, ratio):
    clean = np.concatenate([np.zeros(RATE), tone(300.0, 2.0), np.zeros(RATE)]).astype(np.float32)
    added = under(f"{color}-noise-{ratio}-db", clean).astype(float) - clean
    assert level(tone(300.0, 2.0)) - level(added) == pytest.approx(ratio, abs=0.05)


@pytest.mark.parametrize(("color", "slope"), [("white", 0.0), ("pink", -3.01)])
def test_noise_has_its_color(color, slope):
    clean = tone(300.0, 60.0)
    added = under(f"{color}-noise-10-db", clean).astype(float) - clean
    frequencies, power = scipy.signal.welch(added, RATE, nperseg=2048)
    octaves = [10 * np.log10(power[(frequencies >= low) & (frequencies < 2 * low)].mean()) for low in (500, 1000, 2000)]
    assert np.diff(octaves) == pytest.approx([slope] * 2, abs=0.25)
    # Ratios differ in the level of the noise alone.
    louder = under(f"{color}-noise-5-db", clean).astype(float) - clean
    assert np.allclose(louder, added * 10 ** (5 / 20), atol=1e-5)


@pytest.mark.parametrize("name", ["room-300-ms", "room-800-ms"])
def test_a_room_decays_as_it_says(name):
    parameters = CONDITIONS[name].parameters
    click = np.zeros(2 * RATE, dtype=np.float32)
    click[100] = 1.0
    heard = under(name, click).astype(float)
    assert np.allclose(heard[:100], 0, atol=1e-6) and heard[100] == pytest.approx(1.0, abs=1e-5)
    tail = heard[101:]
    assert -10 * np.log10(np.sum(tail**2)) == pytest.approx(parameters["direct_ratio"], abs=0.01)
    # Schroeder (1965): the energy that is still to come, fitted between -5 and -35 dB.
    decay = 10 * np.log10(np.cumsum(tail[::-1] ** 2)[::-1] / np.sum(tail**2) + 1e-20)
    fitted = (decay < -5) & (decay > -35)
    slope = np.polyfit(np.flatnonzero(fitted) / RATE, decay[fitted], 1)[0]
    assert -60 / slope == pytest.approx(parameters["reverberation_time"], rel=0.05)


def test_a_room_is_the_same_for_all_clips_and_another_with_another_seed():
    given = {"reverberation_time": 0.3, "direct_ratio": 3.0}
    one, other = (impulse_response(RATE, seed, **given) for seed in (0, 1))
    assert one[0] == other[0] == 1.0 and not np.allclose(one, other)
    first, second = tone(300.0), tone(500.0)
    both = under("room-300-ms", first + second)
    assert np.allclose(both, under("room-300-ms", first) + under("room-300-ms", second), atol=1e-4)


needs = {name: pytest.mark.skipif(not CODECS[name].available, reason=f"no {name}") for name in CODECS}
MP3 = pytest.param("mp3", 64.0, marks=needs["mp3"])
OPUS = pytest.param("opus", 24.0, marks=needs["opus"])


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize(("codec", "kbps"), [MP3, OPUS])
def test_a_codec_keeps_length_and_place_of_a_clip(codec, kbps, rate):
    clean = scipy.signal.chirp(np.arange(2 * rate) / rate, 200, 2, 3000).astype(np.float32) * 0.5
    clean[: rate // 2] = 0
    coded = encode(clean, rate, 0, codec=codec, kbps=kbps)
    assert coded.sampling_rate == rate and coded.samples.size == clean.size
    products = scipy.signal.correlate(coded.samples.astype(float), clean.astype(float), method="fft")
    assert abs(int(products.argmax()) - (clean.size - 1)) <= rate / 8000
    assert products.max() / np.sum(clean.astype(float) ** 2) == pytest.approx(1, abs=0.1)


@needs["mp3"]
def test_the_delay_of_a_codec_is_compensated(voice):
    # At this rate and bit rate, what is decoded comes 1 105 samples late, as LAME resamples it.
    coded = encode(voice, RATE, 0, codec="mp3", kbps=24.0).samples
    assert np.corrcoef(coded, voice)[0, 1] > 0.95


@pytest.mark.parametrize(("codec", "kbps"), [MP3, OPUS])
@pytest.mark.parametrize("rate", [16000, 48000])
def test_a_codec_has_about_its_bit_rate(codec, kbps, rate):
    voices = [synthesise("f1", "sad", "s1", np.random.default_rng(seed)) for seed in range(10)]
    clean = scipy.signal.resample_poly(np.concatenate(voices), rate // RATE, 1).astype(np.float32)
    coded = encode(clean, rate, 0, codec=codec, kbps=kbps)
    # That of Opus varies with the sound.
    assert coded.measured["kbps"] == pytest.approx(kbps, rel=0.05 if codec == "mp3" else 0.4)


def test_a_codec_that_fails_is_named(monkeypatch, voice):
    def fail(*_, **__):
        raise soundfile.LibsndfileError(1)

    monkeypatch.setattr(soundfile, "SoundFile", fail)
    with pytest.raises(AudioError, match="mp3 cannot encode the clip"):
        encode(voice, RATE, 0, codec="mp3", kbps=64.0)


@pytest.mark.parametrize("tempo", [0.9, 1.1])
def test_tempo_keeps_a_tone_and_moves_a_click_with_the_clip(tempo):
    changed = change_tempo(tone(200.0, 2.0), RATE, tempo)
    spectrum = np.abs(np.fft.rfft(changed * np.hanning(changed.size)))
    assert spectrum.argmax() * RATE / changed.size == pytest.approx(200, rel=0.005)
    # Spliced from whole periods, a tone stays a tone of the same level.
    assert level(changed[500:-500]) == pytest.approx(level(tone(200.0)), abs=0.1)
    click = np.zeros(2 * RATE, dtype=np.float32)
    click[RATE] = 1.0
    heard = change_tempo(
        click + 1e-4 * np.random.default_rng(0).normal(size=click.size).astype(np.float32), RATE, tempo
    )
    assert np.abs(heard).argmax() == pytest.approx(RATE / tempo, abs=0.025 * RATE)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_at_the_same_tempo_a_clip_is_not_changed(rate):
    noise = np.random.default_rng(0).normal(size=rate + 7).astype(np.float32)
    assert np.allclose(change_tempo(noise, rate, 1.0), noise, atol=1e-6)
    assert np.allclose(change_pitch(noise, rate, 0.0), noise, atol=1e-3)


def test_tempo_changes_the_length_and_pitch_does_not():
    clean = tone(400.0, 2.0)
    for percent in (90, 110):
        assert under(f"tempo-{percent}-percent", clean).size == round(clean.size * 100 / percent)
    for sign, name in ((-1, "minus"), (1, "plus")):
        shifted = under(f"pitch-{name}-1-semitone", clean)
        spectrum = np.abs(np.fft.rfft(shifted * np.hanning(shifted.size)))
        assert shifted.size == clean.size
        assert spectrum.argmax() / 2.0 == pytest.approx(400 * 2 ** (sign / 12), rel=0.005)
