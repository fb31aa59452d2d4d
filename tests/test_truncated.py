"""Recordings that were cut off, in every container, and WAV files that do not state their length."""

import re
import struct

import numpy as np
import pandas as pd
import pytest
import soundfile

from fusionser.containers import missing_part
from fusionser.corpora import list_rows
from fusionser.decoding import decode, duration_of
from fusionser.errors import AudioError

RATE, SECONDS = 16000, 3
FORMATS = {
    "wav": ("WAV", "PCM_16"),
    "rf64": ("RF64", "PCM_16"),
    "aiff": ("AIFF", "PCM_16"),
    "au": ("AU", "PCM_16"),
    "w64": ("W64", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}
UNREADABLE = {("caf", 0.3), ("caf", 0.6), ("caf", 0.95), ("ogg", 0.3), ("opus", 0.3)}
"""libsndfile does not open these when they are cut off there: CAF never, Ogg within its first page."""


def in_every_format(folder, seed):
    noise = (0.1 * np.random.default_rng(seed).normal(size=RATE * SECONDS)).astype(np.float32)
    for suffix, (container, coding) in FORMATS.items():
        soundfile.write(folder / f"clip.{suffix}", noise, RATE, format=container, subtype=coding)
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return in_every_format(tmp_path_factory.mktemp("whole"), seed=0)


def cut(source, target, share):
    content = source.read_bytes()
    target.write_bytes(content[: int(share * len(content))])
    return target


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_whole_recording_lacks_nothing(whole, suffix):
    file = whole / f"clip.{suffix}"
    assert missing_part(file) == ""
    assert duration_of(file) == duration_of(file, accept_truncated=True) == SECONDS
    assert len(decode(file)[0]) == RATE * SECONDS


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("suffix", FORMATS)
def test_a_recording_that_was_cut_off_is_refused_or_used_as_far_as_it_goes(whole, tmp_path, suffix, share):
    file = cut(whole / f"clip.{suffix}", tmp_path / f"cut.{suffix}", share)
    with pytest.raises(AudioError, match=r"--accept-truncated|not readable as audio"):
        decode(file)
    if suffix != "flac":
        with pytest.raises(AudioError, match=r"cut off: its .*--accept-truncated|not readable as audio"):
            duration_of(file)
    if (suffix, share) in UNREADABLE:
        return
    there = duration_of(file, accept_truncated=True)
    # A codec loses the block that was cut, or a page of a second.
    assert share * SECONDS - 1.2 < there < share * SECONDS + 0.15
    samples, rate = decode(file, 0.0, there)
    assert len(samples) == round(there * RATE) and rate == RATE
    if suffix in ("wav", "rf64", "aiff", "au", "w64", "flac"):
        np.testing.assert_array_equal(samples, decode(whole / f"clip.{suffix}")[0][: len(samples)])


@pytest.mark.parametrize("suffix", ["ogg", "opus"])
def test_a_chain_of_ogg_streams_is_refused_or_its_first_is_used(whole, tmp_path, suffix):
    """libsndfile reads the first stream alone, and says that this is all."""
    file = tmp_path / f"chain.{suffix}"
    file.write_bytes((whole / f"clip.{suffix}").read_bytes() * 2)
    for judge in (decode, duration_of):
        with pytest.raises(AudioError, match="a chain of Ogg streams, of which only the first is read; convert it to"):
            judge(file)
    assert duration_of(file, accept_truncated=True) == SECONDS
    assert len(decode(file, end=float(SECONDS))[0]) == RATE * SECONDS
    # Nor does it help to leave out the mark of the end, or to write something between the two.
    content = bytearray((whole / f"clip.{suffix}").read_bytes())
    last = content.rindex(b"OggS")
    content[last + 5] &= ~4
    for first, between in ((bytes(content), b""), ((whole / f"clip.{suffix}").read_bytes(), b"x" * 40)):
        file.write_bytes(first + between + (whole / f"clip.{suffix}").read_bytes())
        with pytest.raises(AudioError, match="a chain of Ogg streams"):
            decode(file)


@pytest.mark.parametrize("coding", ["PCM_16", "PCM_24", "FLOAT", "ULAW"])
@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF - 36])
def test_a_wave_file_that_was_streamed_is_whole(whole, tmp_path, size, coding):
    samples, rate = soundfile.read(whole / "clip.wav")
    file = tmp_path / "streamed.wav"
    soundfile.write(file, samples, rate, subtype=coding)
    content, expected = bytearray(file.read_bytes()), decode(file)[0]
    place = content.index(b"data")
    content[4:8] = content[place + 4 : place + 8] = struct.pack("<I", size)
    file.write_bytes(content)
    assert duration_of(file) == SECONDS
    np.testing.assert_array_equal(decode(file)[0], expected)


def test_a_wave_file_without_audio_is_empty(whole, tmp_path):
    content = bytearray((whole / "clip.wav").read_bytes())
    place = content.index(b"data")
    (tmp_path / "none.wav").write_bytes(content[: place + 4] + struct.pack("<I", 0))
    (tmp_path / "list.wav").write_bytes(content[: place + 4] + struct.pack("<I4sI4s", 0, b"LIST", 4, b"INFO"))
    for name in ("none.wav", "list.wav"):
        with pytest.raises(AudioError, match="holds no samples"):
            duration_of(tmp_path / name)
    (tmp_path / "head.wav").write_bytes(content[:20])
    with pytest.raises(AudioError, match="not readable as audio"):
        duration_of(tmp_path / "head.wav")


def test_listing_extracting_and_predicting_give_the_same_answer(command, tmp_path):
    folder = tmp_path / "mine"
    for seed, emotion in enumerate(("sad", "happy")):
        (folder / emotion).mkdir(parents=True)
        (tmp_path / emotion).mkdir()
        source = in_every_format(tmp_path / emotion, seed)
        for suffix in ("wav", "mp3", "opus", "flac"):
            (folder / emotion / f"whole_{suffix}.{suffix}").write_bytes((source / f"clip.{suffix}").read_bytes())
            cut(source / f"clip.{suffix}", folder / emotion / f"cut_{suffix}.{suffix}", 0.6)
    options = ["--corpus", "folders", "--blocks", "zcr"]
    done = command("extract", folder, *options, "--out", tmp_path / "some.parquet", "--json")
    refused = {str(entry["file"]).rsplit("/", 1)[1] for entry in done.json["quarantine"]}
    assert refused == {f"cut_{suffix}.{suffix}" for suffix in ("wav", "mp3", "opus", "flac")}
    answers = command("predict", folder, "--json").json
    assert {answer["file"].rsplit("/", 1)[1] for answer in answers if answer["error"]} == refused
    done = command("predict", folder, "--accept-truncated", "--json")
    assert [answer for answer in done.json if answer["error"]] == []
    assert "note: 8 recordings were cut off; what is there is used" in done.messages
    done = command("extract", folder, *options, "--out", tmp_path / "all.parquet", "--accept-truncated", "--json")
    assert done.json["quarantine"] == [] and "8 recordings were cut off; what is there is used" in done.json["notes"]
    rows = pd.read_parquet(tmp_path / "all.parquet")
    cut_off = rows["file"].str.contains("cut_")
    assert (rows.loc[~cut_off, "end"] == SECONDS).all() and (rows.loc[cut_off, "end"] < 2).all()
    # A table that names the part that is there is read without the option.
    rows.loc[cut_off, ["file", "emotion", "end"]].to_csv(tmp_path / "rows.csv", index=False)
    done = command("extract", tmp_path / "rows.csv", "--blocks", "zcr", "--out", tmp_path / "part.parquet", "--json")
    assert done.json["quarantine"] == []
    assert len(list_rows(folder, "folders").quarantine) == 6


def test_what_is_left_may_be_nothing(command, whole, tmp_path):
    content = (whole / "clip.ogg").read_bytes()
    # The pages of the headers are there, and half of the first page of audio.
    pages = [found.start() for found in re.finditer(b"OggS", content)]
    (tmp_path / "head.ogg").write_bytes(content[: (pages[2] + pages[3]) // 2])
    (tmp_path / "whole.ogg").write_bytes(content)
    refused, answer = command("predict", tmp_path, "--accept-truncated", "--json").json
    assert "--accept-truncated" not in refused["error"] and "holds no samples" in refused["error"]
    assert answer["error"] is None and answer["emotion"]
