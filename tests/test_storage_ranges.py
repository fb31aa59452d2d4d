"""Of long WAV recordings elsewhere, the parts that are needed are fetched, and decoded as from the whole file."""

import io

import fsspec
import numpy as np
import pytest
import soundfile
from fsspec.implementations.memory import MemoryFileSystem

from fusionser import storage
from fusionser.decoding import decode, duration_of
from fusionser.errors import AudioError
from fusionser.storage import copies, ranges, transfers

RATE, SECONDS = 16000, 400
ADDRESS = "memory://long/call.wav"


@pytest.fixture
def fetched(tmp_path, monkeypatch):
    """The ranges that were fetched, as (first, last) bytes, and "whole"."""
    monkeypatch.setenv("FUSIONSER_CACHE", str(tmp_path / "cache"))
    found = []
    whole, part = copies.download, ranges.read_range
    monkeypatch.setattr(copies, "download", lambda *given: (found.append("whole"), whole(*given))[1])
    monkeypatch.setattr(ranges, "read_range", lambda address, *span: (found.append(span), part(address, *span))[1])
    copies._copies.cache_clear()
    yield found
    copies._copies.cache_clear()


def written(tmp_path, subtype="PCM_16", channels=1, form="WAV", tail=b""):
    """Write a long recording to a file and to the address; return its path here."""
    noise = np.random.default_rng(3).uniform(-0.5, 0.5, (SECONDS * RATE, channels)).astype(np.float32)
    path = tmp_path / "call.wav"
    content = io.BytesIO()
    soundfile.write(content, noise, RATE, format=form, subtype=subtype)
    path.write_bytes(content.getvalue() + tail)
    fsspec.filesystem("memory").pipe("/long/call.wav", path.read_bytes())
    return path


def size_of(spans):
    return sum(last - first for first, last in spans)


@pytest.mark.parametrize(
    ("subtype", "channels", "form", "tail"),
    [
        ("PCM_16", 1, "WAV", b""),
        ("PCM_16", 2, "WAV", b"LIST\x04\x00\x00\x00INFO"),
        ("PCM_24", 1, "WAV", b""),
        ("FLOAT", 2, "WAVEX", b"JUNK\x02\x00\x00\x00ab"),
    ],
)
def test_a_part_is_that_of_the_whole_file(tmp_path, fetched, subtype, channels, form, tail):
    path = written(tmp_path, subtype, channels, form, tail)
    assert duration_of(ADDRESS) == SECONDS
    for start, end in ((100.0, 102.5), (30.0, 31.0), (100.5, 101.0), (SECONDS - 0.25, SECONDS)):
        found, rate = decode(ADDRESS, start, end)
        assert rate == RATE
        np.testing.assert_array_equal(found, decode(path, start, end)[0])
    assert "whole" not in fetched
    # The header, what follows the samples, and three parts: one of the four is within another.
    assert len(fetched) == 4 + bool(tail)
    samples = (2.5 + 1.0 + 0.25) * RATE * path.stat().st_size / (SECONDS * RATE)
    assert size_of(fetched) < samples + ranges.HEAD + 3 * 2.1 * ranges.MARGIN + len(tail)


def test_one_channel_of_a_part(tmp_path, fetched):
    path = written(tmp_path, channels=2)
    np.testing.assert_array_equal(decode(ADDRESS, 7.0, 8.0, channel=2)[0], decode(path, 7.0, 8.0, channel=2)[0])
    assert "whole" not in fetched


def test_what_is_wanted_for_the_most_part_is_fetched_as_a_whole(tmp_path, fetched):
    path = written(tmp_path)
    for start in range(0, SECONDS, 50):
        np.testing.assert_array_equal(decode(ADDRESS, start, start + 40)[0], decode(path, start, start + 40)[0])
    assert fetched.count("whole") == 1 and fetched[-1] == "whole"
    assert size_of(fetched[:-1]) < ranges.WORTH * path.stat().st_size + ranges.HEAD


def test_all_of_a_recording_is_fetched_at_once(tmp_path, fetched):
    path = written(tmp_path)
    np.testing.assert_array_equal(decode(ADDRESS)[0], decode(path)[0])
    assert fetched == ["whole"]


def test_another_format_is_fetched_as_a_whole(tmp_path, fetched):
    path = written(tmp_path, form="FLAC")
    np.testing.assert_array_equal(decode(ADDRESS, 3.0, 4.0)[0], decode(path, 3.0, 4.0)[0])
    assert fetched == [(0, ranges.HEAD), "whole"]


def test_a_place_without_ranges_gives_the_whole(tmp_path, fetched, monkeypatch):
    path = written(tmp_path)
    monkeypatch.setattr(ranges, "read_range", lambda *given: None)
    np.testing.assert_array_equal(decode(ADDRESS, 3.0, 4.0)[0], decode(path, 3.0, 4.0)[0])
    assert fetched == ["whole"]


def test_a_place_that_fails_for_ranges_alone_gives_the_whole(tmp_path, fetched, monkeypatch):
    path = written(tmp_path)

    def refuse(*given, **more):
        raise OSError("416 Range Not Satisfiable")

    monkeypatch.setattr(transfers, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(MemoryFileSystem, "cat_file", refuse)
    np.testing.assert_array_equal(decode(ADDRESS, 3.0, 4.0)[0], decode(path, 3.0, 4.0)[0])
    assert fetched == [(0, ranges.HEAD), "whole"]


@pytest.mark.parametrize("span", [(SECONDS - 1.0, SECONDS + 1.0), (SECONDS + 1.0, SECONDS + 2.0)])
def test_a_part_beyond_the_end_has_the_error_of_a_file_here(tmp_path, fetched, span):
    path = written(tmp_path)
    with pytest.raises(AudioError) as here:
        decode(path, *span)
    with pytest.raises(AudioError) as there:
        decode(ADDRESS, *span)
    assert str(there.value) == str(here.value).replace(str(path), ADDRESS)


def test_a_recording_that_was_cut_off_has_the_error_of_a_file_here(tmp_path, fetched):
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[: ranges.LONG + 10])
    fsspec.filesystem("memory").pipe("/long/call.wav", path.read_bytes())
    with pytest.raises(AudioError) as here:
        duration_of(path)
    with pytest.raises(AudioError) as there:
        duration_of(ADDRESS)
    assert "cut off" in str(there.value)
    assert str(there.value) == str(here.value).replace(str(path), ADDRESS)


def test_holes_do_not_count_as_space_of_copies(tmp_path, fetched, monkeypatch):
    path = written(tmp_path)
    with storage.at_hand(ADDRESS, (10.0, 11.0)) as part:
        assert part.stat().st_size == path.stat().st_size
        assert copies._taken(part.stat()) < 1 << 20


def test_parts_that_were_removed_are_fetched_again(tmp_path, fetched):
    path = written(tmp_path)
    with storage.at_hand(ADDRESS, (10.0, 11.0)) as part:
        pass
    part.unlink()
    np.testing.assert_array_equal(decode(ADDRESS, 10.0, 11.0)[0], decode(path, 10.0, 11.0)[0])
    assert "whole" not in fetched


def test_parts_that_were_made_anew_are_not_taken_for_those_before(tmp_path, fetched):
    path = written(tmp_path)
    expected = decode(path, 10.0, 11.0)[0]
    with storage.at_hand(ADDRESS, (10.0, 11.0)) as part:
        size = part.stat().st_size
    part.unlink()
    with part.open("xb") as other:
        other.truncate(size)
    np.testing.assert_array_equal(decode(ADDRESS, 10.0, 11.0)[0], expected)


@pytest.mark.parametrize("stated", [1, 2, 8])
def test_a_header_that_contradicts_itself_is_not_relied_on(tmp_path, fetched, stated):
    path = written(tmp_path, channels=2)
    content = bytearray(path.read_bytes())
    content[32:34] = stated.to_bytes(2, "little")
    path.write_bytes(content)
    fsspec.filesystem("memory").pipe("/long/call.wav", bytes(content))
    np.testing.assert_array_equal(decode(ADDRESS, 50.0, 52.0)[0], decode(path, 50.0, 52.0)[0])
    assert fetched[-1] == "whole"
