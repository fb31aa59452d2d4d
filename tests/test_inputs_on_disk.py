"""Inputs of networks on disk, where they do not fit into memory: the same bits, and memory that does not grow."""

import gc
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from fusionser import memory, shards
from fusionser.cache import Cache
from fusionser.errors import FusionserError, SettingsError
from fusionser.features import FeatureExtractor, LogMelMap
from fusionser.jobs import evaluate_prepared
from fusionser.memory import bytes_of, exceeds_memory, free_memory
from fusionser.networks import (
    Conv1DRelative,
    Conv2D,
    Conv2DExtractor,
    Distortion,
    FrameRecurrent,
    NetworkTraining,
    Perceptron,
    TrainingRows,
    train_network,
)
from fusionser.networks import conv2d as conv2d_module
from fusionser.networks import inputs as inputs_module
from fusionser.networks.conv1d_relative import StandardiseContours
from fusionser.networks.inference import logits_of
from fusionser.networks.preparation import Standardise
from fusionser.pipeline import PipelineSpec, Place, Resources, prepare
from fusionser.shards import MANIFEST, ArrayList, ShardWriter, is_mapped, open_shards
from fusionser.splits import SpeakerHoldout

MAPS = np.random.default_rng(0).normal(size=(45, 20, 24)).astype(np.float32)
MAPS[:, -1] = np.arange(24) < np.random.default_rng(1).integers(10, 24, 45)[:, None]
CLASSES = np.arange(45) % 3


def on_disk(arrays, settings=""):
    writer = ShardWriter(cache=False, settings=settings)
    for array in arrays:
        writer.add(array[None])
    return ArrayList(writer.close())


NETWORKS = {
    "conv1d-relative": lambda: Conv1DRelative(20, 24, 3, 8, 8),
    "conv2d": lambda: Conv2D(20, 24, 3, (4, 4, 4, 4), 4),
    "frames": lambda: FrameRecurrent(20, 3, 8),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_the_same_to_the_bit(name, monkeypatch):
    # Several shards, and several parts to learn the standardisation from.
    monkeypatch.setattr(shards, "SHARD_BYTES", 10 * MAPS[0].nbytes)
    monkeypatch.setattr(inputs_module, "PART_VALUES", 7 * MAPS[0].size)
    monkeypatch.setattr(inputs_module, "MOST_VALUES", 4 * MAPS[0].size)
    targets = CLASSES.astype(np.int64)
    found = []
    for kept in (np.asarray, on_disk):
        rows = TrainingRows(
            inputs=kept(MAPS[10:]),
            targets=targets[10:],
            groups=np.arange(35) // 2,
            validation_inputs=kept(MAPS[:10]),
            validation_targets=targets[:10],
        )
        settings = NetworkTraining(epochs=3, batch_size=6, learning_rate=0.01, class_weight="balanced", cache=False)
        distortion = Distortion(mixup=0.5, band_mask=3, frame_mask=3, bands=19)
        network, curve = train_network(NETWORKS[name], rows, np.arange(3), settings, name=name, distortion=distortion)
        weights = {key: value.clone() for key, value in network.state_dict().items()}
        found.append((weights, [{**epoch, "seconds": 0} for epoch in curve], logits_of(network, kept(MAPS), "cpu")))
    (weights, curve, logits), (same_weights, same_curve, same_logits) = found
    assert all(torch.equal(same_weights[key], value) for key, value in weights.items())
    assert same_curve == curve
    np.testing.assert_array_equal(same_logits, logits)


def test_a_network_that_was_trained_in_memory_is_found_from_disk_and_the_other_way_round(tmp_path):
    settings = NetworkTraining(epochs=1, cache=Cache(tmp_path))

    def train(inputs):
        rows = TrainingRows(inputs=inputs, targets=CLASSES)
        train_network(NETWORKS["frames"], rows, np.arange(3), settings, name="the network")

    for kept in (np.asarray, on_disk):
        train(kept(MAPS))
    train(np.ascontiguousarray(MAPS[::-1]))
    assert len(list((tmp_path / "networks").iterdir())) == 2


@pytest.mark.parametrize("size", [1, 7, 45])
def test_means_and_deviations_of_all_parts_are_those_of_the_whole(size):
    parts = [MAPS[first : first + size] for first in range(0, len(MAPS), size)]
    wide = MAPS.astype(np.float64)
    learned = Standardise((20, 1))
    learned.learn(parts)
    np.testing.assert_array_equal(learned.mean[:, 0], wide.mean(axis=(0, 2)).astype(np.float32))
    np.testing.assert_array_equal(learned.deviation[:, 0], wide.std(axis=(0, 2)).astype(np.float32))
    contours = StandardiseContours(20)
    contours.learn(parts)
    inside = [wide[:, number][wide[:, -1] > 0] for number in range(19)]
    np.testing.assert_array_equal(contours.mean[:, 0], np.float32([values.mean() for values in inside]))
    np.testing.assert_array_equal(contours.deviation[:, 0], np.float32([values.std() for values in inside]))


def test_an_extractor_is_the_same_to_the_bit(split, tmp_path, monkeypatch):
    train, test = (rows.iloc[::3] for rows in split)
    monkeypatch.setattr(conv2d_module, "PART", 8)
    monkeypatch.setattr(inputs_module, "MOST_VALUES", 4 * 20 * 63)
    front = LogMelMap(sampling_rate=16000, n_fft=1024, hop_length=512, n_mels=20, duration=2.0)
    small = {"filters": (4, 4, 4, 4), "units": 4, "epochs": 1, "speeds": (0.9,)}
    found = []
    for limit in (None, "20 kB"):
        cache = Cache(tmp_path / str(limit))
        block = Conv2DExtractor(front_end=front, **small)
        extractor = FeatureExtractor(blocks=[("net", block)], cache=cache, memory_limit=limit)
        units = extractor.fit_transform(train, train["emotion"])
        adapted = extractor.adapted(test).transform(test)
        # Nothing is left in the folder of the cache.
        assert sorted(path.name for path in cache.folder.iterdir() if path.is_dir()) == ["networks"]
        found.append((units, extractor.transform(test), adapted))
    for whole, same in zip(*found, strict=True):
        np.testing.assert_array_equal(same, whole)


def test_an_evaluation_is_the_same_and_its_rows_have_their_maps_on_disk(demo_folder, tmp_path):
    spec = PipelineSpec(network="log-mel-frames", networks={"epochs": 1}, rows={"augment": ("noise",)})
    found = []
    for limit in (None, 1000):
        resources = Resources(cache=Cache(tmp_path), memory_limit=limit, device="cpu")
        prepared = prepare([Place(demo_folder, "demo")], spec, resources=resources)
        (column,) = (name for name in prepared.table if name.startswith("@"))
        assert is_mapped(prepared.table[column].iloc[3]) is (limit is not None)
        result, evaluation = evaluate_prepared(prepared, SpeakerHoldout(speakers=("f1", "m1")), resources=resources)
        found.append((result.confusion, evaluation.predictions))
    (confusion, predictions), (same_confusion, same_predictions) = found
    assert same_confusion == confusion
    assert same_predictions.equals(predictions)
    assert len(list((tmp_path / "networks").iterdir())) == 1


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells the peak of the memory")
def test_memory_does_not_grow_with_the_clips(monkeypatch):
    width, count = 16384, 300
    monkeypatch.setattr(inputs_module, "PART_VALUES", 2**20)
    rng = np.random.default_rng(0)

    def peak(clips):
        """Return by how much the memory grew, at most, while a network was trained on that many clips."""
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")
        before = kilobytes("VmHWM")
        writer = ShardWriter(cache=False)
        for _ in range(clips):
            writer.add(rng.normal(size=(1, width)).astype(np.float32))
        rows = TrainingRows(inputs=ArrayList(writer.close()), targets=np.arange(clips) % 3)
        settings = NetworkTraining(epochs=1, batch_size=32, cache=False)
        train_network(lambda: Standardised(width), rows, np.arange(3), settings, name="the network")
        return kilobytes("VmHWM") - before

    peak(60)
    inputs = count * width * 4 / 1024
    few, many = peak(count), peak(4 * count)
    assert many - few < 0.2 * 3 * inputs, (few, many, inputs)


class Standardised(Perceptron):
    def __init__(self, width):
        super().__init__(width, 3, (4,))
        self.preparation = Standardise((width,))


def kilobytes(name):
    return int(re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)[1])


def test_shards_are_plain_files_that_say_what_they_hold(monkeypatch):
    monkeypatch.setattr(shards, "SHARD_BYTES", 2 * MAPS[0].nbytes)
    writer = ShardWriter(cache=False, settings="a digest")
    writer.add(MAPS[:3])
    writer.add(MAPS[3:4])
    arrays, folder = writer.close(), writer.folder
    described = json.loads((folder / MANIFEST).read_text())
    files = [folder / shard["file"] for shard in described["shards"]]
    assert described["shape"] == [20, 24] and described["settings"] == "a digest"
    assert [shard["count"] for shard in described["shards"]] == [3, 1]
    assert sorted(folder.iterdir()) == sorted([folder / MANIFEST, *files])
    whole = np.concatenate([np.load(file, allow_pickle=False) for file in files])
    np.testing.assert_array_equal(whole, MAPS[:4])
    np.testing.assert_array_equal(np.stack(arrays), MAPS[:4])
    np.testing.assert_array_equal(np.stack(open_shards(folder, "a digest")), MAPS[:4])
    with pytest.raises(FusionserError, match="cannot be read .*other settings.*run the command again"):
        open_shards(folder, "another")
    last = arrays[-1]
    del arrays, writer
    gc.collect()
    assert folder.exists()
    del last
    gc.collect()
    assert not folder.exists()


@pytest.mark.parametrize("damage", ["cut", "missing", "objects", "manifest"])
def test_damaged_shards_end_in_a_sentence(damage):
    kept = on_disk(MAPS[:3])
    file = Path(kept[0].base.base.filename)
    folder = file.parent
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-100])
    elif damage == "missing":
        file.rename(folder / "other")
    elif damage == "objects":
        np.save(file, np.array([{}, {}, {}], dtype=object), allow_pickle=True)
    else:
        (folder / MANIFEST).write_text("{")
    with pytest.raises(FusionserError, match="the inputs in .* cannot be read"):
        open_shards(folder)


def test_what_a_killed_process_left_is_cleared(tmp_path):
    (tmp_path / f"inputs-{'0' * 8}-1-x").mkdir()
    gone = tmp_path / ShardWriter(Cache(tmp_path)).folder.name.replace(f"-{os.getpid()}-", "-999999999-")
    gone.mkdir()
    writer = ShardWriter(Cache(tmp_path))
    # Another machine's is left alone.
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([f"inputs-{'0' * 8}-1-x", writer.folder.name])


def test_a_file_that_is_cut_while_it_is_used_ends_in_a_sentence():
    kept = on_disk(MAPS[:3])
    file = Path(kept[0].base.base.filename)
    os.truncate(file, file.stat().st_size - 100)
    with pytest.raises(FusionserError, match="were changed; run the command again"):
        kept.stacked([0, 2])


def test_a_full_disk_ends_in_a_sentence(monkeypatch):
    writer = ShardWriter(cache=False)
    monkeypatch.setattr(shards, "_Shard", lambda *given: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(FusionserError, match="cannot be written to .*No space left on device; free some space"):
        writer.add(MAPS[:1])


def test_what_is_large_is_known_from_the_memory_and_the_container(tmp_path, monkeypatch):
    gigabyte = 2**30
    (tmp_path / "meminfo").write_text(f"MemTotal: 99999999 kB\nMemAvailable: {4 * gigabyte // 1024} kB\n")
    monkeypatch.setattr(memory, "MEMORY_INFORMATION", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "CONTROL_GROUPS", tmp_path)
    assert free_memory() == 4 * gigabyte
    assert not exceeds_memory(None, gigabyte // 2) and exceeds_memory(None, gigabyte // 2 + 1)
    (tmp_path / "memory.max").write_text(f"{2 * gigabyte}\n")
    (tmp_path / "memory.current").write_text(f"{gigabyte + 7}\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 7\n")
    assert free_memory() == gigabyte
    assert exceeds_memory(None, gigabyte // 4) and not exceeds_memory("1 GiB", gigabyte)


@pytest.mark.parametrize("size", ["4XB", "GiB", "-1", "", 0, True, 2.5, "0.1 B"])
def test_sizes_that_are_none(size):
    with pytest.raises(SettingsError, match=r"memory_limit is .*; expected a number of bytes .*4GiB"):
        bytes_of(size)
    with pytest.raises(SettingsError, match="memory_limit"):
        Resources(memory_limit=size)


def test_a_folder_that_is_removed_while_it_is_used_ends_in_a_sentence():
    writer = ShardWriter(cache=False)
    writer.add(np.ones((3, 2), dtype=np.float32))
    arrays = ArrayList(writer.close())
    shutil.rmtree(writer.folder)
    with pytest.raises(FusionserError, match=r"the inputs of networks, in .*\.npy, cannot be read any more"):
        arrays.stacked([0, 2])
