"""Formats that ffmpeg decodes, and what it may not do."""

import shutil
import subprocess

import numpy as np
import pytest
import soundfile
from conftest import ROOT, tone

from fusionser import foreign
from fusionser.corpora import list_rows
from fusionser.decoding import decode, duration_of
from fusionser.errors import AudioError

RATE, SECONDS = 16000, 3.0
CODERS = {
    "m4a": ["-c:a", "aac"],
    "mp4": ["-c:a", "aac"],
    "aac": ["-c:a", "aac"],
    "webm": ["-c:a", "libopus"],
    "mka": ["-c:a", "libvorbis"],
    "wma": ["-c:a", "wmav2"],
    "ac3": ["-c:a", "ac3", "-ar", "48000"],
    "avi": ["-c:a", "pcm_s16le"],
}
MODEL = ROOT / "tests" / "reference" / "wide-svm.fusionser"
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")


def swelling():
    return tone(300, SECONDS, RATE) * np.linspace(0.1, 1.0, int(SECONDS * RATE), dtype=np.float32)


def encoded(folder, suffix, *options):
    soundfile.write(folder / "source.wav", swelling(), RATE)
    target = folder / f"clip.{suffix}"
    command = ["ffmpeg", "-loglevel", "error", "-y", "-i", folder / "source.wav", *CODERS[suffix], *options, target]
    subprocess.run(list(map(str, command)), check=True)
    return target


@needs_ffmpeg
@pytest.mark.parametrize("suffix", CODERS)
def test_a_recording_is_decoded(tmp_path, suffix):
    file = encoded(tmp_path, suffix)
    samples, rate = decode(file)
    assert duration_of(file) == len(samples) / rate == pytest.approx(SECONDS, abs=0.25)
    # The loudness of tenths of a second is that of the source.
    count = int(SECONDS * 10) - 3
    levels, expected = (
        np.sqrt(np.square(values[: count * step].reshape(count, step)).mean(axis=1))
        for values, step in ((samples, rate // 10), (swelling(), RATE // 10))
    )
    assert np.corrcoef(levels, expected)[0, 1] > 0.99
    part, _ = decode(file, 1.0, 2.0)
    np.testing.assert_array_equal(part, samples[rate : 2 * rate])


@needs_ffmpeg
def test_the_content_decides_and_not_the_name(command, tmp_path):
    folder = tmp_path / "mine"
    for emotion in ("sad", "happy"):
        (folder / emotion).mkdir(parents=True)
        title = ["-metadata", f"title={emotion}"]
        shutil.copy(encoded(tmp_path, "m4a", *title), folder / emotion / "voice.m4a")
        shutil.copy(encoded(tmp_path, "webm", *title), folder / emotion / "voice.wav")
        (folder / emotion / "film.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(100) + emotion.encode())
    listing = list_rows(folder, "folders")
    assert len(listing.rows) == 4 and len(listing.quarantine) == 2
    assert "ffmpeg cannot decode it" in listing.quarantine["reason"].iloc[0]
    answers = command("predict", MODEL, folder, "--json").json
    assert [bool(answer["error"]) for answer in answers] == [True, False, False] * 2


def test_without_ffmpeg_the_remedy_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "voice.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    with pytest.raises(AudioError, match="voice.m4a: libsndfile does not read this format; install ffmpeg"):
        decode(tmp_path / "voice.m4a")


@needs_ffmpeg
@pytest.mark.parametrize(
    "name", ["-i.m4a", "concat:a.m4a", "a b;touch x.m4a", "$(touch x).m4a", "http:x.m4a", "üñ.m4a"]
)
def test_a_name_is_only_a_name(tmp_path, monkeypatch, name):
    file = encoded(tmp_path, "m4a")
    monkeypatch.chdir(tmp_path)
    file.rename(tmp_path / name)
    assert duration_of(name) == pytest.approx(SECONDS, abs=0.2)
    assert not (tmp_path / "x").exists()


@needs_ffmpeg
def test_a_playlist_opens_no_other_file(tmp_path):
    """A list that names other files is no format of these, whatever it is called."""
    encoded(tmp_path, "m4a")
    (tmp_path / "list.m4a").write_text("#EXTM3U\n#EXTINF:3,\nclip.m4a\n#EXT-X-ENDLIST\n")
    with pytest.raises(AudioError, match="not readable as audio"):
        decode(tmp_path / "list.m4a")
    with pytest.raises(AudioError, match="ffmpeg cannot decode it"):
        foreign.decoded_by_ffmpeg(tmp_path / "list.m4a")


@needs_ffmpeg
def test_what_is_too_large_when_decoded_is_refused_and_not_shortened(tmp_path, monkeypatch):
    file = encoded(tmp_path, "m4a")
    monkeypatch.setattr(foreign, "LARGEST", 50_000)
    with pytest.raises(AudioError, match="more than .* GiB when it is decoded"):
        decode(file)


@needs_ffmpeg
@pytest.mark.parametrize(
    ("suffix", "options", "said"),
    [
        ("m4a", ["-movflags", "+faststart"], " or damaged .ffmpeg: "),
        ("webm", [], " or damaged .ffmpeg: "),
        ("wma", [], " or damaged .ffmpeg: "),
        ("avi", [], ": its header promises"),
    ],
)
def test_half_a_recording_is_cut_off_though_ffmpeg_ends_without_an_error(command, tmp_path, suffix, options, said):
    file = encoded(tmp_path, suffix, *options)
    content = file.read_bytes()
    assert decode(file)[0].size > 0
    half = tmp_path / f"half.{suffix}"
    half.write_bytes(content[: 6 * len(content) // 10])
    for read in (decode, duration_of):
        with pytest.raises(AudioError, match=f"cut off{said}.*--accept-truncated"):
            read(half)
    answers = command("predict", MODEL, file, half, "--json").json
    assert [bool(answer["error"]) for answer in answers] == [False, True]
    kept = command("predict", MODEL, half, "--accept-truncated", "--json").json
    assert not kept[0]["error"] and 0 < kept[0]["end"] < SECONDS


def program(folder, monkeypatch, text):
    """Put a program of this text in the place of ffmpeg."""
    (folder / "bin").mkdir()
    (folder / "bin" / "ffmpeg").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "bin" / "ffmpeg").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:/usr/bin:/bin")
    (folder / "voice.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    return folder / "voice.m4a"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("exec sleep 30", "ffmpeg took more than 1 s"),
        (
            "echo '[mov @ 0x1] moov atom not found' >&2; echo Invalid >&2; exit 1",
            "its index is missing, as where the end was cut off.; get a",
        ),
        ("echo \"Stream map '0:a:0' matches no streams.\" >&2; echo 'To ignore' >&2; exit 1", "has no audio track"),
        ("echo '[mov @ 0x1] no packets' >&2; exit 1", "ffmpeg cannot decode it .no packets"),
        ("exit 0", "ffmpeg cannot decode it .no audio in it"),
        ("kill -9 $$", "ffmpeg cannot decode it"),
        ("echo leak > leaked; exit 1", "ffmpeg cannot decode it"),
    ],
)
def test_a_decoder_that_hangs_dies_or_writes_is_one_refused_recording(tmp_path, monkeypatch, text, told):
    file = program(tmp_path, monkeypatch, text)
    monkeypatch.setattr(foreign, "SECONDS", 1.0)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AudioError, match=told):
        decode(file)
    leaked = tmp_path / "leaked"
    assert not leaked.exists() or leaked.stat().st_size == 0
