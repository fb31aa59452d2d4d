"""WAV files that NumPy reads: the samples are those of libsndfile, and all others are left to it."""

import io
import random
import struct

import numpy as np
import pytest
import soundfile

from fusionser.decoding import decode, duration_of
from fusionser.plain_wave import plain_wave

RATE = 16000


def written(channels=1, count=1000, subtype="PCM_16", container="WAV", seed=0):
    """Return a file of soundfile as bytes."""
    stream = io.BytesIO()
    samples = np.random.default_rng(seed).integers(-(2**15), 2**15, (count, channels)).astype(np.int16)
    soundfile.write(stream, samples, RATE, subtype, format=container)
    return bytearray(stream.getvalue())


def chunk(name, content):
    return struct.pack("<4sI", name, len(content)) + content + b"\0" * (len(content) % 2)


def by_libsndfile(file):
    return soundfile.read(file, dtype="float32", always_2d=True)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("before", [b"", chunk(b"LIST", b"INFO"), chunk(b"FLLR", bytes(5)) + chunk(b"JUNK", bytes(28))])
@pytest.mark.parametrize("after", [b"", chunk(b"id3 ", bytes(9)), chunk(b"LIST", b"INFO")])
def test_samples_are_those_of_libsndfile(tmp_path, channels, before, after):
    content, file = written(channels), tmp_path / "clip.wav"
    file.write_bytes(content[:36] + before + content[36:] + after)
    expected, rate = by_libsndfile(file)
    with plain_wave(file) as sound:
        assert (sound.frames, sound.channels, sound.samplerate, rate) == (1000, channels, RATE, RATE)
        parts = [sound.read(300), sound.read(600), sound.read(300)]
        np.testing.assert_array_equal(np.concatenate(parts), expected)
        sound.seek(990)
        np.testing.assert_array_equal(sound.read(300), expected[990:])
        assert sound.read(300).shape == (0, channels)
    assert duration_of(file) == 1000 / RATE
    np.testing.assert_array_equal(decode(file, 0.01, 0.05, channels)[0], expected[160:800, channels - 1])


OTHERS = {
    "24 bits": written(subtype="PCM_24"),
    "floats": written(subtype="FLOAT"),
    "a format of more bytes": written(container="WAVEX"),
    "big endian": b"RIFX" + written()[4:],
    "three channels": written(channels=3),
    "cut off": written()[:-1],
    "a size of 0": written()[:40] + bytes(4) + written()[44:],
    "half a frame": written(2)[:40] + struct.pack("<I", 3998) + written(2)[44:],
    "samples twice": written() + chunk(b"data", bytes(4)),
    "another chunk": written()[:36] + chunk(b"cue ", bytes(4)) + written()[36:],
    "a chunk that is cut off": written() + chunk(b"LIST", bytes(8))[:-2],
    "no samples": written()[:36],
    "nothing": b"",
    "a rate of 0": written()[:24] + bytes(4) + written()[28:],
}


@pytest.mark.parametrize("name", OTHERS)
def test_any_other_file_is_left_to_libsndfile(tmp_path, name):
    file = tmp_path / "clip.wav"
    file.write_bytes(OTHERS[name])
    assert plain_wave(file) is None


def test_a_file_that_is_cut_off_while_it_is_open_ends_there(tmp_path):
    file = tmp_path / "clip.wav"
    content = written(2, 50_000)
    file.write_bytes(content)
    with plain_wave(file) as sound:
        file.write_bytes(content[:-398])
        assert sound.read(60_000).shape == (49_900, 2)


def test_whatever_is_opened_is_what_libsndfile_reads(tmp_path):
    """Random damage to headers: a file that is still plain has the same samples by libsndfile."""
    draw, file, plain = random.Random(0), tmp_path / "clip.wav", 0
    for turn in range(600):
        content = written(draw.choice([1, 2]), draw.randrange(1, 30), seed=turn)
        if draw.random() < 0.5:
            place = draw.choice([36, len(content)])
            name = draw.choice([b"LIST", b"JUNK", b"FLLR", b"bext", b"id3 ", b"fact", b"PEAK", b"data", b"fmt "])
            content[place:place] = chunk(name, draw.randbytes(draw.choice([3, 4, 8, 26])))
        for _ in range(draw.choice([0, 1, 2])):
            content[draw.randrange(min(len(content), 60))] = draw.choice([0, 1, 2, 255])
        file.write_bytes(content)
        opened = plain_wave(file)
        if opened is None:
            continue
        plain += 1
        with opened as sound:
            expected, rate = by_libsndfile(file)
            assert sound.samplerate == rate
            np.testing.assert_array_equal(sound.read(1000), expected)
    assert plain > 100
