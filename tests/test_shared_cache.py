"""A cache that several machines share: found by others, safe against damage and against many writers."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from fusionser.cache import Cache
from fusionser.features import RMS, ZeroCrossingRate
from fusionser.features.extraction import compute_clips
from fusionser.networks import network_cache
from fusionser.shared_cache import SHARED_VARIABLE, SharedCache

BLOCKS = {"zcr": ZeroCrossingRate(), "rms": RMS()}


@pytest.fixture
def shared(tmp_path, monkeypatch):
    monkeypatch.setenv(SHARED_VARIABLE, str(tmp_path / "shared"))
    return tmp_path / "shared"


@pytest.fixture
def clips(demo_rows):
    return demo_rows.iloc[:6].to_dict("records")


def test_what_one_machine_computed_another_finds(shared, clips, tmp_path):
    first = compute_clips(clips, BLOCKS, cache=Cache(tmp_path / "one"))
    second = compute_clips(clips, BLOCKS, cache=Cache(tmp_path / "two"))
    assert (first.computed, second.computed) == (6, 0)
    assert second.fingerprints == first.fingerprints
    for name in BLOCKS:
        np.testing.assert_array_equal(second.stacked(name), first.stacked(name))
    monkeyed = compute_clips(clips, {"zcr": BLOCKS["zcr"]}, cache=Cache(tmp_path / "two"))
    assert monkeyed.computed == 0


def test_without_the_variable_nothing_is_shared(clips, tmp_path, monkeypatch):
    monkeypatch.delenv(SHARED_VARIABLE, raising=False)
    assert SharedCache.default() is None
    compute_clips(clips, BLOCKS, cache=Cache(tmp_path / "one"))
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


@pytest.mark.parametrize("change", [lambda content: content[:-3], lambda content: b"x" + content, lambda content: b""])
def test_damage_means_computing_again(shared, clips, tmp_path, change):
    first = compute_clips(clips, BLOCKS, cache=Cache(tmp_path / "one"))
    for path in shared.rglob("*"):
        if path.is_file():
            path.write_bytes(change(path.read_bytes()))
    again = compute_clips(clips, BLOCKS, cache=Cache(tmp_path / "two"))
    assert again.computed == 6
    np.testing.assert_array_equal(again.stacked("zcr"), first.stacked("zcr"))


def test_a_pickle_is_not_opened(shared, clips, tmp_path):
    import io

    compute_clips(clips, BLOCKS, cache=Cache(tmp_path / "one"))
    buffer = io.BytesIO()
    np.savez(buffer, np.array([{"code": "run"}], dtype=object))
    store = SharedCache(str(shared))
    store.put({path.name: buffer.getvalue() for path in shared.rglob("*") if path.is_file()})
    assert compute_clips(clips, BLOCKS, cache=Cache(tmp_path / "two")).computed == 6


def test_many_writers_of_one_name_leave_one_whole_content(tmp_path):
    store = SharedCache(str(tmp_path))
    content = bytes(1_000_000)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(store.put, [{"name": content}] * 40))
    assert store.get(["name"]) == {"name": content}
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_trained_networks_are_shared(shared, tmp_path):
    network = torch.nn.Linear(3, 2)
    for machine in ("one", "two"):
        (tmp_path / machine).mkdir()
    network_cache.keep_network(network, tmp_path / "one" / "abcdef", {"loss": [1.0]})
    other = torch.nn.Linear(3, 2)
    assert network_cache.recall_network(other, tmp_path / "two" / "abcdef") == {"loss": [1.0]}
    torch.testing.assert_close(other.weight, network.weight, rtol=0, atol=0)
    assert network_cache.recall_network(other, tmp_path / "two" / "other") is None
