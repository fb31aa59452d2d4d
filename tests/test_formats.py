"""Every format and sample format that libsndfile writes is read, whole and in part."""

import shutil
import subprocess

import numpy as np
import pytest
import soundfile

from fusionser.decoding import decode, duration_of
from fusionser.errors import AudioError
from fusionser.features import ZeroCrossingRate
from fusionser.mpeg import with_length

RATE, SECONDS = 8000, 2
LOSSY = {"MP3": 0.5, "VORBIS": 0.3, "OPUS": 0.5, "XI": 0.5}


def writable():
    for container in sorted(soundfile.available_formats()):
        # Audio without a header cannot be read without being told what it is.
        if container in ("RAW", "SD2"):
            continue
        for coding in sorted(soundfile.available_subtypes(container)):
            # libsndfile cannot go back in its own files of this kind, which soundfile does after every reading.
            if not coding.startswith("DWVW"):
                yield container, coding


@pytest.mark.parametrize(("container", "coding"), writable())
def test_what_libsndfile_writes_is_read(tmp_path, container, coding):
    tone = 0.5 * np.sin(2 * np.pi * 200 / RATE * np.arange(RATE * SECONDS)) * np.hanning(RATE * SECONDS)
    file = tmp_path / f"clip.{container.lower()}"
    try:
        soundfile.write(file, tone, RATE, format=container, subtype=coding)
    except (soundfile.LibsndfileError, ValueError):
        pytest.skip("libsndfile does not write it at this rate")
    seconds = duration_of(file)
    whole, rate = decode(file)
    assert rate in (RATE, 44100) or container == "XI"
    assert seconds == pytest.approx(RATE * SECONDS / rate, abs=0.1)
    # A codec may lack or add a frame at the ends.
    assert len(whole) == pytest.approx(RATE * SECONDS, abs=0.1 * RATE)
    count = min(len(whole), len(tone))
    loud = np.corrcoef(np.abs(whole[:count]), np.abs(tone[:count]))[0, 1]
    assert loud > 0.9 or container in LOSSY or coding in LOSSY
    part, _ = decode(file, 0.5 * seconds, 0.75 * seconds)
    first = int(0.5 * seconds * rate)
    assert np.abs(part - whole[first : first + len(part)]).max() < 1e-3


def test_channels_that_cancel_are_told(tmp_path):
    noise = 0.1 * np.random.default_rng(0).normal(size=8000)
    soundfile.write(tmp_path / "anti.wav", np.stack([noise, -noise], axis=1), RATE, subtype="FLOAT")
    told = "2 channels cancel each other out when they are averaged"
    with pytest.raises(AudioError, match=f"anti.wav: its {told}"):
        decode(tmp_path / "anti.wav")
    with pytest.raises(AudioError, match=told):
        ZeroCrossingRate().transform([(np.stack([noise, -noise]), RATE)])
    soundfile.write(tmp_path / "silent.wav", np.zeros((8000, 2)), RATE)
    with pytest.raises(AudioError, match="silent"):
        ZeroCrossingRate().transform([str(tmp_path / "silent.wav")])
    soundfile.write(tmp_path / "one.wav", np.stack([noise, 0 * noise], axis=1), RATE)
    assert len(decode(tmp_path / "one.wav")[0]) == 8000


def encoded(folder, *options):
    """An MP3 file by ffmpeg, of a tone that grows louder for 4 s."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    samples = np.sin(2 * np.pi * 300 / 44100 * np.arange(4 * 44100)) * np.linspace(0.0, 0.5, 4 * 44100)
    # Quiet, then noise: the bit rate of the first frames is no measure of the others.
    samples[88200:] += 0.2 * np.random.default_rng(0).normal(size=88200)
    soundfile.write(folder / "source.wav", samples, 44100)
    target = folder / "clip.mp3"
    command = ["ffmpeg", "-loglevel", "error", "-y", "-i", str(folder / "source.wav"), *options, str(target)]
    subprocess.run(command, check=True)
    return target, samples


@pytest.mark.parametrize("rate", ["44100", "22050", "8000"])
@pytest.mark.parametrize("channels", ["1", "2"])
def test_an_mp3_file_that_does_not_state_its_length_is_read_to_its_end(tmp_path, rate, channels):
    options = ["-ar", rate, "-ac", channels]
    stated, _ = encoded(tmp_path, *options, "-q:a", "5")
    expected, _ = decode(stated)
    unstated, _ = encoded(tmp_path, *options, "-q:a", "5", "-write_xing", "0")
    samples, found = decode(unstated)
    assert found == int(rate) and duration_of(unstated) == len(samples) / found
    # What the encoder adds at both ends is not taken off.
    delay = len(samples) - len(expected)
    assert 0 <= delay < 4000
    matches = [np.corrcoef(samples[place : place + len(expected)], expected)[0, 1] for place in range(0, delay, 1)]
    assert max(matches) > 0.999


def test_an_mp3_file_that_states_its_length_is_taken_as_it_is(tmp_path):
    for options in (["-b:a", "64k"], ["-q:a", "3", "-metadata", "title=clip"], ["-b:a", "64k", "-write_id3v1", "1"]):
        file, samples = encoded(tmp_path, *options)
        assert with_length(file) is None
        assert len(decode(file)[0]) == len(samples)


@pytest.mark.parametrize("count", [0, 2, 0x7FFFFFFF])
def test_an_mp3_file_that_states_an_impossible_length_is_read_to_its_end(tmp_path, count):
    file, samples = encoded(tmp_path, "-b:a", "64k")
    content = file.read_bytes()
    place = max(content.find(b"Xing"), content.find(b"Info"))
    file.write_bytes(content[: place + 8] + count.to_bytes(4) + content[place + 12 :])
    found, rate = decode(file)
    assert len(samples) <= len(found) < len(samples) + 4000
    assert duration_of(file) == len(found) / rate


def test_damage_in_an_mp3_file_loses_the_frames_that_it_hits(tmp_path):
    file, samples = encoded(tmp_path, "-b:a", "64k", "-write_xing", "0")
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 300] = bytes(300)
    file.write_bytes(content)
    assert len(decode(file)[0]) > 0.9 * len(samples)
    # After more damage than the decoder skips, only what is before it is left.
    content[middle : middle + 3000] = bytes(3000)
    file.write_bytes(content)
    with pytest.raises(AudioError, match="decoding failed"):
        decode(file)
    assert 1.5 < duration_of(file, accept_truncated=True) < 2.5


@pytest.mark.parametrize("suffix", ["mp3", "wav", "flac", "ogg", "aiff"])
def test_what_macos_writes_beside_a_recording_does_not_matter(tmp_path, suffix):
    file = tmp_path / f"clip.{suffix}"
    soundfile.write(file, 0.1 * np.random.default_rng(0).normal(size=16000), 16000)
    expected, rate = decode(file)
    seconds = duration_of(file)
    # The beginning of an AppleDouble file, as copying from a Mac to a stick leaves it.
    (tmp_path / f"._clip.{suffix}").write_bytes(b"\0\5\x16\7" + bytes(4092))
    samples, again = decode(file)
    np.testing.assert_array_equal(samples, expected)
    assert again == rate and duration_of(file) == seconds
