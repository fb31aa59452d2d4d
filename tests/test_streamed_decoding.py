"""Long recordings are decoded and resampled block by block, with the results of short ones."""

import numpy as np
import pytest
import soundfile
import soxr
from conftest import tone

from fusionser import decoding
from fusionser.audio import ClipSettings, resample
from fusionser.decoding import decode, decoded_blocks
from fusionser.features import MFCC, Prosody, Recording, clip
from fusionser.features.clip import Clip
from fusionser.features.extraction import compute_clips
from fusionser.samples import fingerprint

RATE = 44100
NOISE = np.random.default_rng(0).normal(size=3 * RATE).astype(np.float32) / 10
COMPUTED = {"mfcc": MFCC(), "prosody": Prosody(), "recording": Recording()}


@pytest.fixture
def streamed(monkeypatch):
    """Return a function that runs another one while every file is a long one, of many blocks."""

    def refused(self, sampling_rate=None):
        raise AssertionError("all samples were asked for")

    def run(use):
        with monkeypatch.context() as changed:
            changed.setattr(clip, "KEPT_SECONDS", 0.0)
            changed.setattr(decoding, "MIXED", 5000)
            changed.setattr(Clip, "samples", refused)
            return use()

    return run


@pytest.mark.parametrize("rates", [(48000, 16000), (44100, 22050), (8000, 22050), (384000, 16000), (16000, 16000)])
@pytest.mark.parametrize("piece", [1, 17, 4096, 10**6])
def test_resampling_does_not_depend_on_the_blocks(rates, piece):
    given, wanted = rates
    samples = NOISE[: 20000 if piece > 1 else 700]
    whole = samples if given == wanted else soxr.resample(samples, given, wanted, quality="HQ")
    blocks = [samples[place : place + piece] for place in range(0, samples.size, piece)]
    np.testing.assert_array_equal(resample(blocks, given, ClipSettings(sampling_rate=wanted)), whole)


@pytest.mark.parametrize("trim", [False, True])
@pytest.mark.parametrize("part", [{}, {"offset": 0.3}, {"duration": 0.7}, {"offset": 0.31, "duration": 1.1}])
def test_cutting_does_not_depend_on_the_blocks(part, trim):
    settings = ClipSettings(sampling_rate=16000, trim=trim, **part)
    first = int(part.get("offset", 0) * RATE)
    last = first + int(part["duration"] * RATE) if "duration" in part and not trim else None
    found = resample(np.array_split(NOISE, 37), RATE, settings)
    np.testing.assert_array_equal(found, soxr.resample(NOISE[first:last], RATE, 16000, quality="HQ"))


FORMATS = {
    "wav": ("WAV", "PCM_16", 6),
    "flac": ("FLAC", "PCM_24", 6),
    "ogg": ("OGG", "VORBIS", 2),
    "opus": ("OGG", "OPUS", 2),
    "mp3": ("MP3", "MPEG_LAYER_III", 2),
}


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("place", [{}, {"start": 0.5, "end": 2.25}, {"audio_channel": 2}], ids=str)
def test_a_long_file_has_the_features_of_a_short_one(tmp_path, streamed, suffix, place):
    form, subtype, channels = FORMATS[suffix]
    voice = tone(120, seconds=3, rate=48000)
    sound = np.stack([voice, *[np.resize(NOISE, voice.size)] * (channels - 1)], axis=1) * np.float32(0.5)
    # Some samples are clipped, and some are zero.
    sound = np.clip(sound, -0.2, 0.2)
    sound[70000:80000] = 0.0
    file = tmp_path / f"clip.{suffix}"
    soundfile.write(file, sound, 48000, format=form, subtype=subtype)
    rows, place = [{"file": str(file), **place}], dict(place)
    kept = compute_clips(rows, COMPUTED)
    long = streamed(lambda: compute_clips(rows, COMPUTED))
    assert kept.failures == long.failures == {}
    assert kept.fingerprints == long.fingerprints
    assert kept.fingerprints == [fingerprint(*decode(file, channel=place.pop("audio_channel", None), **place))]
    for name in COMPUTED:
        np.testing.assert_array_equal(long.arrays[name][0], kept.arrays[name][0])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda sound: sound.__setitem__((-3, 0), np.nan), "1 samples are NaN or infinite"),
        (lambda sound: sound.__setitem__((-3, 0), np.inf), "1 samples are NaN or infinite"),
        (lambda sound: sound.__setitem__((-3, slice(None)), 900.0), "the samples reach 900; expected -1 to 1"),
        (lambda sound: sound.__setitem__((slice(None), 1), -sound[:, 0]), "its 2 channels cancel each other out"),
        (lambda sound: sound.__setitem__(slice(None), 0.0), "silent (peak 0.0e+00"),
        (lambda sound: sound.__setitem__(slice(None), 0.3), "silent (all samples are about 0.3"),
    ],
    ids=["NaN", "infinite", "too large", "cancelled", "silent", "constant"],
)
def test_what_is_wrong_is_told_alike(tmp_path, streamed, change, told):
    sound = np.stack([NOISE, NOISE[::-1]], axis=1)
    change(sound)
    soundfile.write(tmp_path / "clip.wav", sound, RATE, subtype="FLOAT")
    rows = [{"file": str(tmp_path / "clip.wav")}]
    kept = compute_clips(rows, {"mfcc": MFCC()})
    long = streamed(lambda: compute_clips(rows, {"mfcc": MFCC()}))
    assert told in kept.failures[0] and long.failures == kept.failures


def test_a_long_file_that_was_cut_off_is_told(tmp_path, streamed):
    soundfile.write(tmp_path / "clip.flac", NOISE, RATE)
    content = (tmp_path / "clip.flac").read_bytes()
    (tmp_path / "clip.flac").write_bytes(content[: len(content) * 2 // 3])
    rows = [{"file": str(tmp_path / "clip.flac")}]
    long = streamed(lambda: compute_clips(rows, {"mfcc": MFCC()}))
    assert "--accept-truncated" in long.failures[0]
    assert long.failures == compute_clips(rows, {"mfcc": MFCC()}).failures


def test_blocks_are_the_samples(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "clip.wav", NOISE, RATE, subtype="FLOAT")
    monkeypatch.setattr(decoding, "MIXED", 5000)
    with decoded_blocks(tmp_path / "clip.wav", 0.5, 1.5) as (rate, blocks):
        found = list(blocks)
    assert rate == RATE and max(block.size for block in found) == 5000
    np.testing.assert_array_equal(np.concatenate(found), NOISE[RATE // 2 : RATE // 2 + RATE])


def test_a_file_is_decoded_once_for_all_features_of_one_rate(tmp_path, streamed, monkeypatch):
    soundfile.write(tmp_path / "clip.wav", NOISE, RATE)
    opened = []
    reading = decoding._reading
    monkeypatch.setattr(decoding, "_reading", lambda *given: opened.append(given[0]) or reading(*given))
    rows = [{"file": str(tmp_path / "clip.wav")}]
    assert streamed(lambda: compute_clips(rows, {"prosody": Prosody()})).failures == {}
    assert len(opened) == 1
