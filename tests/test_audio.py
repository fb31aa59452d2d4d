import subprocess
import sys

import librosa
import numpy as np
import pytest
import soundfile
from conftest import tone
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from fusionser import decoding
from fusionser.audio import LONGEST_SECONDS, ClipSettings, prepare
from fusionser.corpora import list_rows
from fusionser.corpora.base import measure
from fusionser.decoding import decode
from fusionser.errors import AudioError, CorpusError, SettingsError
from fusionser.samples import fingerprint


@pytest.mark.parametrize(
    ("suffix", "subtype", "tolerance"),
    [
        ("wav", "PCM_U8", 1e-2),
        ("wav", "PCM_16", 1e-4),
        ("wav", "PCM_24", 1e-6),
        ("wav", "PCM_32", 1e-7),
        ("wav", "FLOAT", 0),
        ("wav", "DOUBLE", 0),
        ("flac", "PCM_16", 1e-4),
        ("aiff", "PCM_16", 1e-4),
        ("ogg", "VORBIS", 0.1),
        ("mp3", "MPEG_LAYER_III", 0.1),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_every_format_gives_the_samples_that_were_written(tmp_path, suffix, subtype, tolerance, channels):
    written = tone(300, rate=32000)
    file = tmp_path / f"clip.{suffix}"
    soundfile.write(file, np.stack([written] * channels, axis=1), 32000, subtype=subtype)
    samples, rate = decode(file)
    assert rate == 32000
    assert samples.dtype == np.float32
    middle = slice(4000, 20000)
    assert np.abs(samples[middle] - written[middle]).max() <= tolerance


def test_channels_are_averaged(tmp_path):
    left, right = tone(200), tone(500)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), 16000, subtype="FLOAT")
    samples, _ = decode(tmp_path / "a.wav")
    np.testing.assert_allclose(samples, (left + right) / 2, atol=1e-7)


def test_a_part_that_begins_after_the_end_is_told(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(200, seconds=2), 16000)
    for start, end in ((2.0, None), (100.0, None), (100.0, 101.0)):
        with pytest.raises(AudioError, match=f"holds no samples after {start:g} s|past the end of the file"):
            decode(tmp_path / "a.wav", start=start, end=end)


def test_a_part_of_a_file_is_those_samples(tmp_path):
    written = tone(200, seconds=2)
    soundfile.write(tmp_path / "a.wav", written, 16000, subtype="FLOAT")
    samples, _ = decode(tmp_path / "a.wav", start=0.5, end=1.25)
    np.testing.assert_array_equal(samples, written[8000:20000])


@pytest.mark.parametrize(("offset", "duration"), [(0.0, None), (0.6, 2.5), (0.25, 1.0)])
def test_preparation_equals_librosa_load(tmp_path, offset, duration):
    noise = np.random.default_rng(0).normal(0, 0.1, 48000 * 2).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", noise, 48000, subtype="FLOAT")
    expected, _ = librosa.load(tmp_path / "a.wav", sr=22050, offset=offset, duration=duration)
    samples, rate = decode(tmp_path / "a.wav")
    prepared = prepare(samples, rate, ClipSettings(offset=offset, duration=duration))
    np.testing.assert_array_equal(prepared[: expected.size], expected)
    if duration:
        assert prepared.size == round(duration * 22050)
        assert not prepared[expected.size :].any()


def test_trimming_takes_silence_off_both_ends_and_fills_the_length_with_speech():
    quiet = 1e-3 * tone(200, seconds=1)
    clip = np.concatenate([quiet, tone(200, seconds=1), quiet])
    trimmed = prepare(clip, 16000, ClipSettings(sampling_rate=16000, trim=True))
    assert 16000 <= trimmed.size < 16000 + 3 * 2048
    fixed = prepare(clip, 16000, ClipSettings(sampling_rate=16000, trim=True, duration=0.9))
    assert np.sqrt(np.mean(fixed[4096:] ** 2)) > 0.3


def test_denoising_is_scipys_wiener_filter_and_never_nan():
    from scipy.signal import wiener

    clip = tone(200) + np.random.default_rng(0).normal(0, 0.05, 16000).astype(np.float32)
    settings = ClipSettings(sampling_rate=16000, denoise=True)
    np.testing.assert_allclose(prepare(clip, 16000, settings), wiener(clip.astype(float)), atol=1e-6)
    stepped = np.repeat(np.float32([0, 0.5, 0, -0.5]), 4000)
    assert np.isfinite(prepare(stepped, 16000, settings)).all()


def test_the_same_audio_has_the_same_fingerprint_in_any_container(tmp_path):
    clip = (32000 * tone(200)).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", clip, 16000, subtype="PCM_16")
    soundfile.write(tmp_path / "b.flac", clip, 16000, subtype="PCM_16")
    soundfile.write(tmp_path / "c.wav", clip[::-1], 16000, subtype="PCM_16")
    first, second, other = (fingerprint(*decode(tmp_path / name)) for name in ("a.wav", "b.flac", "c.wav"))
    assert first == second
    assert first != other


def unusable(folder, kind):
    file = folder / f"{kind}.wav"
    clip = tone(200)
    if kind == "text":
        file.write_text("this is not audio\n" * 50)
    elif kind == "empty":
        file.write_bytes(b"")
    elif kind == "header alone":
        soundfile.write(file, np.zeros(0), 16000)
    elif kind == "silent":
        soundfile.write(file, np.zeros(16000), 16000)
    elif kind == "constant":
        soundfile.write(file, np.full(16000, 0.3), 16000)
    elif kind == "nan":
        clip[500] = np.nan
        soundfile.write(file, clip, 16000, subtype="FLOAT")
    elif kind == "infinite":
        clip[500] = np.inf
        soundfile.write(file, clip, 16000, subtype="FLOAT")
    elif kind == "short":
        soundfile.write(file, clip[:200], 16000)
    elif kind == "folder":
        file.mkdir()
    return file


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("text", "not readable as audio"),
        ("empty", "is empty"),
        ("header alone", "holds no samples"),
        ("silent", "silent"),
        ("constant", "silent"),
        ("nan", "NaN or infinite"),
        ("infinite", "NaN or infinite"),
        ("short", "shorter than one frame of 2048"),
        ("folder", "not a regular file"),
        ("missing", "cannot be opened"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_reason(tmp_path, kind, message):
    file = unusable(tmp_path, kind)
    with pytest.raises(AudioError, match=message) as caught:
        prepare(*decode(file), ClipSettings(sampling_rate=16000), shortest=2048, name=str(file))
    assert file.name in str(caught.value)


def test_an_endless_recording_is_refused_before_it_is_read(tmp_path):
    file = tmp_path / "long.wav"
    soundfile.write(file, np.zeros(int(1000 * (LONGEST_SECONDS + 1)), dtype=np.int16), 1000)
    for end in (None, LONGEST_SECONDS + 0.5):
        with pytest.raises(AudioError, match="endless"):
            decode(file, 0.0, end)
    (tmp_path / "rows.csv").write_text("file,emotion\nlong.wav,sad\n")
    with pytest.raises(CorpusError, match="endless"):
        list_rows(tmp_path / "rows.csv")
    assert len(list_rows(tmp_path / "rows.csv", any_length=True).rows) == 1
    with pytest.raises(AudioError, match="not a regular file"):
        decode("/dev/zero")


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_a_part_of_a_long_recording_is_read(tmp_path, suffix):
    """As from the same part of a short one, within what a lossy codec makes of it."""
    rate, place = 8000, int(LONGEST_SECONDS) + 60
    samples = np.zeros((place + 5) * rate, dtype=np.float32)
    samples[place * rate : (place + 2) * rate] = tone(200, 2.0, rate)
    # libsndfile crashes where it encodes minutes of Vorbis at once.
    with soundfile.SoundFile(tmp_path / f"long.{suffix}", "w", rate, 1) as sound:
        for second in range(place + 5):
            sound.write(samples[second * rate : (second + 1) * rate])
    part, _ = decode(tmp_path / f"long.{suffix}", place, place + 2.0)
    assert part.size == 2 * rate
    assert np.corrcoef(part, tone(200, 2.0, rate))[0, 1] > 0.99
    listing = measure([{"file": str(tmp_path / f"long.{suffix}"), "start": place, "end": place + 2.0}])
    assert listing.rows["end"].tolist() == [place + 2.0]


def test_many_channels_take_the_memory_of_one(tmp_path):
    """In a process of its own: 8 channels of 5 minutes at 48 kHz are 461 MB, and their mean 58 MB."""
    file, rate, seconds = tmp_path / "eight.flac", 48000, 300
    with soundfile.SoundFile(file, "w", rate, 8, subtype="PCM_16") as sound:
        for second in range(seconds):
            block = np.zeros((rate, 8), dtype=np.int16)
            block[::2, second % 8] = 8000
            sound.write(block)
    code = (
        "import resource, sys; from fusionser.decoding import decode; import numpy as np\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "samples, rate = decode(sys.argv[1])\n"
        "after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(samples.size, float(samples.min()), float(samples.max()), (after - before) // 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True)
    size, low, high, mebibytes = map(float, done.stdout.split())
    assert size == rate * seconds
    assert (low, high) == (0.0, pytest.approx(8000 / 32768 / 8))
    assert mebibytes < 200


def test_more_samples_than_any_clip_has_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "MOST_SAMPLES", 8 * 48000 * 2)
    soundfile.write(tmp_path / "bomb.flac", np.zeros((48000 * 3, 8), dtype=np.int16), 48000)
    with pytest.raises(
        AudioError, match=r"3 s of 8 channels at 48000 Hz are 1.2e\+06 samples; expected 7.7e\+05 at most"
    ):
        decode(tmp_path / "bomb.flac")
    # A part of it is read.
    assert decode(tmp_path / "bomb.flac", 1.0, 2.0)[0].size == 48000


def test_an_offset_past_the_end_is_told():
    with pytest.raises(AudioError, match="nothing is left after an offset of 2 s"):
        prepare(tone(200), 16000, ClipSettings(offset=2.0))


@given(
    size=st.integers(1000, 40000),
    rate=st.sampled_from([8000, 11025, 16000, 44100]),
    offset=st.floats(0, 0.02),
    duration=st.floats(0.05, 3),
    trim=st.booleans(),
)
@hypothesis_settings(max_examples=40, deadline=None)
def test_every_clip_of_a_duration_has_that_many_samples(size, rate, offset, duration, trim):
    clip = np.random.default_rng(size).normal(0, 0.1, size).astype(np.float32)
    settings = ClipSettings(sampling_rate=16000, offset=offset, duration=duration, trim=trim)
    prepared = prepare(clip, rate, settings)
    assert prepared.size == settings.samples == round(duration * 16000)
    assert prepared.dtype == np.float32
    assert np.isfinite(prepared).all()


@pytest.mark.parametrize(
    "wrong",
    [{"sampling_rate": 10}, {"offset": -1}, {"offset": float("nan")}, {"duration": 0}, {"duration": 1e9}],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(SettingsError, match="expected"):
        ClipSettings(**wrong)
