"""Extraction over many clips: the cache, what is set apart, and runs that were stopped."""

import copy
import importlib
import multiprocessing
import os
import pickle
import sqlite3
import subprocess
import sys
import weakref
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import tone
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from fusionser.audio import ClipSettings
from fusionser.errors import AudioError, FusionserError, RowsError, SettingsError
from fusionser.features import MFCC, RMS, Cache, Chroma, FeatureCache, FeatureExtractor, Gender, LogMelMap, fusionnet
from fusionser.features.clip import Computation
from fusionser.features.extraction import compute_clips
from fusionser.features.store import read_settings, write_features
from fusionser.features.table import FeatureTable
from fusionser.pipeline import PipelineSpec, Place, build_features, extract_file, prepare, resolve


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


@pytest.fixture
def clips(tmp_path):
    files = []
    for number in range(6):
        files.append(str(tmp_path / f"{number}.wav"))
        soundfile.write(files[-1], tone(200 + 50 * number), 16000)
    return files


def extractor(**mfcc):
    return FeatureExtractor(blocks=[("mfcc", MFCC(**mfcc)), ("rms", RMS())])


BOTH = PipelineSpec(features={"name": "both", "blocks": ["mfcc", "rms"]})
"""What `extractor` gives, as a specification."""

FUSIONNET = PipelineSpec(features={"preset": "fusionnet", "gender": "given"})


def test_what_is_known_is_not_computed_again_and_is_the_same(clips, cache):
    first = extractor().run(clips, cache=cache)
    second = extractor().run(clips, cache=cache)
    assert (first.computed, second.computed) == (6, 0)
    assert first.fingerprints == second.fingerprints
    assert len(set(first.fingerprints)) == 6
    for block in ("mfcc", "rms"):
        np.testing.assert_array_equal(first.stacked(block), second.stacked(block))


def test_a_changed_block_is_computed_alone(clips, cache, monkeypatch):
    extractor().run(clips, cache=cache)
    computed = []
    monkeypatch.setattr(RMS, "compute", lambda self, clip: computed.append("rms"))
    result = extractor(n_mfcc=13).run(clips, cache=cache)
    assert result.computed == 6
    assert computed == []
    assert result.stacked("mfcc").shape == (6, 13)


def test_a_changed_file_is_read_again_and_a_copy_is_not(clips, cache, tmp_path):
    extractor().run(clips, cache=cache)
    soundfile.write(clips[0], tone(999), 16000)
    os.utime(clips[0], ns=(1, 1))
    copy = tmp_path / "copy.wav"
    copy.write_bytes(Path(clips[1]).read_bytes())
    result = extractor().run([clips[0], str(copy)], cache=cache)
    assert result.computed == 1
    np.testing.assert_array_equal(result.stacked("mfcc")[0], MFCC(cache=False).transform([clips[0]])[0])


def test_a_changed_file_of_the_same_size_and_time_is_read_again(clips, cache):
    before = Path(clips[0]).stat()
    extractor().run(clips, cache=cache)
    soundfile.write(clips[0], tone(999), 16000)
    os.utime(clips[0], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert Path(clips[0]).stat().st_size == before.st_size
    result = extractor().run(clips, cache=cache)
    assert result.computed == 1
    np.testing.assert_array_equal(result.stacked("mfcc")[0], MFCC(cache=False).transform([clips[0]])[0])


def test_a_file_that_is_replaced_while_it_is_analysed_does_not_spoil_the_cache(clips, cache, monkeypatch):
    expected = MFCC(cache=False).transform([clips[0]])[0]
    content, hashed = Path(clips[0]).read_bytes(), FeatureCache.file_digests

    def replaced(self, files):
        digests = hashed(self, files)
        soundfile.write(clips[0], tone(999), 16000)
        return digests

    with monkeypatch.context() as patched:
        patched.setattr(FeatureCache, "file_digests", replaced)
        assert extractor().run(clips, cache=cache).computed == 6
    Path(clips[0]).write_bytes(content)
    result = extractor().run(clips, cache=cache)
    assert result.computed == 1
    np.testing.assert_array_equal(result.stacked("mfcc")[0], expected)


def test_a_part_of_a_file_is_an_entry_of_its_own(clips, cache):
    rows = pd.DataFrame({"file": [clips[0]] * 2, "start": [0.0, 0.501], "end": [0.5, 1.0]})
    result = extractor().run(rows, cache=cache)
    assert result.computed == 2
    assert result.fingerprints[0] != result.fingerprints[1]


def test_the_cache_keeps_to_its_size_and_forgets_the_oldest(tmp_path):
    cache = FeatureCache(tmp_path / "cache.sqlite", max_bytes=2_000_000)
    for number in range(40):
        cache.put({f"{number}-{part}": np.full(1000, number, dtype=np.float32) for part in range(50)})
    assert cache.path.stat().st_size < 4_000_000
    assert not cache.get(["0-0"])
    np.testing.assert_array_equal(cache.get(["39-49"])["39-49"], np.full(1000, 39))


def fill(path, worker):
    cache = FeatureCache(path)
    for number in range(30):
        cache.put({f"{worker}-{number}": np.full(100, worker, dtype=np.float32)})
        assert len(cache.get([f"{worker}-{number}"])) == 1


def test_two_processes_share_a_cache(tmp_path):
    path = tmp_path / "cache.sqlite"
    FeatureCache(path)
    workers = [multiprocessing.get_context("spawn").Process(target=fill, args=(path, worker)) for worker in (1, 2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert len(FeatureCache(path).get([f"{worker}-{number}" for worker in (1, 2) for number in range(30)])) == 60


def test_a_foreign_file_is_no_cache(tmp_path):
    (tmp_path / "cache.sqlite").write_text("not a database, and long enough not to be mistaken for an empty one" * 20)
    with pytest.raises(FusionserError, match="FUSIONSER_CACHE=off"):
        FeatureCache(tmp_path / "cache.sqlite")


@pytest.mark.parametrize(
    "planted",
    [
        "CREATE TRIGGER t AFTER INSERT ON entries BEGIN DELETE FROM entries; END",
        "CREATE VIEW v AS SELECT 1",
        "CREATE TABLE more (a)",
        "DROP INDEX entries_used; CREATE INDEX entries_used ON entries (lower(key))",
    ],
)
def test_a_cache_that_would_run_what_a_stranger_wrote_is_refused(tmp_path, planted):
    path = tmp_path / "cache.sqlite"
    FeatureCache(path)
    FeatureCache(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(planted)
    with pytest.raises(FusionserError, match="other tables, triggers or views than a cache.; delete it"):
        FeatureCache(path)


def test_a_full_disk_costs_the_cache_and_not_the_result(clips, cache, monkeypatch):
    def full(self, arrays):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(FeatureCache, "put", full)
    result = extractor().run(clips, cache=cache)
    assert result.stacked("mfcc").shape == (6, 20)
    assert "database or disk is full" in result.notices[0]


def test_the_cache_can_be_placed_and_turned_off(tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIONSER_CACHE", str(tmp_path / "there"))
    assert Cache.default() == Cache.of(True) == Cache(str(tmp_path / "there"))
    assert Cache.default().features().path == tmp_path / "there" / "features.sqlite"
    monkeypatch.setenv("FUSIONSER_CACHE", "off")
    assert Cache.default() is None
    assert Cache.of(True) is Cache.of(False) is Cache.of(None) is None
    given = Cache(tmp_path)
    assert Cache.of(given) is given
    assert pickle.loads(pickle.dumps(given)) == copy.deepcopy(given) == given
    with pytest.raises(
        SettingsError, match=r"cache is '/there'; expected True, False, None, or a Cache, as Cache\('/there'\)"
    ):
        Cache.of("/there")


@pytest.mark.parametrize(
    "transformer", [MFCC(), LogMelMap(), FeatureExtractor(blocks=[("mfcc", MFCC()), ("chroma", Chroma())])]
)
def test_a_transformer_keeps_to_the_cache_that_it_is_given(clips, cache, tmp_path, monkeypatch, transformer):
    monkeypatch.setenv("FUSIONSER_CACHE", str(tmp_path / "default"))
    kept = clone(transformer).set_params(cache=cache)
    assert kept.get_params()["cache"] == cache
    expected = kept.fit_transform(clips)
    keys = set(stored_keys(cache))
    assert len(keys) == len(clips) * (1 + len(getattr(transformer, "blocks", ["one"])))
    for choice in (False, None):
        np.testing.assert_array_equal(clone(transformer).set_params(cache=choice).transform(clips), expected)
    assert set(stored_keys(cache)) == keys
    assert not (tmp_path / "default").exists()
    clone(transformer).transform(clips)
    assert set(stored_keys(Cache(tmp_path / "default"))) == keys
    # Where a thing is kept is no part of what it is.
    digests = [given.digests() if hasattr(given, "digests") else given.digest() for given in (kept, transformer)]
    assert digests[0] == digests[1]
    assert kept.settings() == transformer.settings()


def stored_keys(cache):
    with closing(sqlite3.connect(cache.folder / "features.sqlite")) as connection:
        return [key for (key,) in connection.execute("SELECT key FROM entries")]


def test_a_stopped_run_goes_on_where_it_was(clips, cache):
    class Stopped(Exception):
        pass

    def stop(done, total):
        raise Stopped

    rows = pd.DataFrame({"file": clips * 8, "start": np.repeat(np.arange(8) * 0.01, 6), "end": 1.0})
    with pytest.raises(Stopped):
        extractor().run(rows, cache=cache, progress=stop)
    again = extractor().run(rows, cache=cache)
    assert again.computed == len(rows) - 24


def test_processes_give_what_one_process_gives(clips):
    rows = pd.DataFrame({"file": clips * 10, "start": np.repeat(np.arange(10) * 0.01, 6), "end": 1.0})
    alone, together = (extractor().run(rows, n_jobs=jobs) for jobs in (1, 2))
    np.testing.assert_array_equal(alone.stacked("mfcc"), together.stacked("mfcc"))


def test_what_fails_is_set_apart_and_strict_stops(clips, cache, tmp_path):
    silent = str(tmp_path / "silent.wav")
    soundfile.write(silent, np.zeros(16000), 16000)
    result = extractor().run([clips[0], silent, clips[1]], cache=cache)
    assert list(result.failures) == [1]
    assert "silent" in result.failures[1]
    assert result.stacked("mfcc").shape == (2, 20)
    with pytest.raises(AudioError, match="silent"):
        extractor().run([clips[0], silent], strict=True)
    with pytest.raises(AudioError, match="silent"):
        MFCC().transform([clips[0], silent])


def test_a_features_file_needs_no_audio_any_more(demo_folder, tmp_path):
    import shutil

    shutil.copytree(demo_folder, tmp_path / "demo")
    prepared = prepare([Place(tmp_path / "demo", "demo")], FUSIONNET)
    name = prepared.spec.features_name
    file = write_features(prepared.table, prepared.extractor, name, tmp_path / "features.parquet", {})
    shutil.rmtree(tmp_path / "demo")
    stored = [Place(file)]
    again = prepare(stored, PipelineSpec())
    assert again.computed == 0
    assert again.spec.features_name == "fusionnet"
    assert again.extractor.settings() == prepared.extractor.settings()
    pd.testing.assert_frame_equal(again.table, prepared.table, check_dtype=False)
    fewer = prepare(stored, PipelineSpec(features={"blocks": ["mfcc"], "clip": {"duration": 2.5}}))
    assert fewer.computed == 0
    with pytest.raises(AudioError, match="none of 240 recordings can be used; the first: .*cannot be opened"):
        prepare(stored, PipelineSpec(features={"preset": "wide"}))


def test_features_of_other_settings_are_computed_anew(demo_rows):
    rows = demo_rows.iloc[:3]
    first = FeatureExtractor(blocks=[("mfcc", MFCC())])
    table = first.table(rows).filled(first.run(rows))
    planted = table.assign(mfcc__00_mean=np.float32(123))
    assert (first.transform(planted)[:, 0] == 123).all()
    other = FeatureExtractor(blocks=[("mfcc", MFCC(hop_length=256))])
    np.testing.assert_array_equal(other.transform(planted), other.transform(rows))


def test_a_table_gives_what_it_holds_row_by_row_and_block_by_block(clips, tmp_path, monkeypatch):
    rows = pd.DataFrame({"file": clips, "gender": ["male", "female"] * 3})
    front = LogMelMap(duration=1.0)
    blocks = {"mfcc": MFCC(), "rms": RMS(), "gender": Gender()}
    alone = FeatureTable(rows, blocks, [])
    filled = alone.filled(alone.compute())
    assert alone.stamp() == filled["extracted"][0]
    # Half of the rows hold the columns, of which some are planted; a file that is gone shows that it is not read.
    mixed = pd.concat([filled.iloc[:3].assign(mfcc__00_mean=7.0), rows.iloc[3:]], ignore_index=True)
    mixed.loc[:2, "file"] = "gone.wav"
    table = FeatureTable(mixed, blocks, [])
    assert table.held().tolist() == [True] * 3 + [False] * 3
    result = table.compute(strict=True)
    assert result.computed == 3
    np.testing.assert_array_equal(result.stacked("mfcc")[:3, 0], 7.0)
    np.testing.assert_array_equal(result.stacked("mfcc")[3:], alone.compute().stacked("mfcc")[3:])
    again = table.filled(result)
    assert again["audio"].tolist() == filled["audio"].tolist()
    assert len(set(again["audio"])) == 6
    # What a network is fed is computed beside columns that are held, and is held itself from then on.
    both = FeatureTable(filled, blocks, [front])
    assert not both.held().any()
    computed = []
    monkeypatch.setattr(MFCC, "compute", lambda self, clip: computed.append(clip))
    result = both.compute(strict=True)
    assert (result.computed, computed) == (6, [])
    np.testing.assert_array_equal(result.stacked(front.column), front.transform(rows))
    assert FeatureTable(both.filled(result), blocks, [front]).held().all()
    assert FeatureTable(both.filled(result), blocks, [LogMelMap(duration=2.0)]).held().sum() == 0


def test_of_a_clip_that_fails_nothing_is_left_though_some_of_it_was_known(clips, cache):
    few = FeatureExtractor(blocks=[("rms", RMS())])
    few.run(clips, cache=cache)
    os.truncate(clips[1], 40)
    few.run(clips, cache=cache)
    table = FeatureTable(pd.DataFrame({"file": clips}), {"rms": RMS(), "mfcc": MFCC(n_fft=16000)}, [])
    soundfile.write(clips[2], tone(300, 0.5), 16000)
    few.run(clips, cache=cache)
    result = table.compute(cache=cache)
    assert sorted(result.failures) == [1, 2]
    assert result.usable == [0, 3, 4, 5]
    assert table.filled(result)["file"].tolist() == [clips[place] for place in result.usable]
    assert result.stacked("rms").shape == (4, 1)
    np.testing.assert_array_equal(result.stacked("rms"), RMS().transform([clips[place] for place in result.usable]))


@pytest.mark.parametrize("stamp", ["", "{", "3", "[1]", '{"mfcc": 5}', '{"mfcc": ["x"]}', None])
def test_a_stamp_that_nobody_wrote_holds_nothing(demo_rows, stamp):
    extractor = FeatureExtractor(blocks=[("mfcc", MFCC())])
    planted = demo_rows.iloc[:2].assign(extracted=stamp, mfcc__00_mean=1.0)
    assert not extractor.table(planted).held().any()


def test_settings_of_a_features_file_that_cannot_be_read_are_told(demo_rows, tmp_path):
    chosen = fusionnet(gender="none")
    table = chosen.table(demo_rows.iloc[:2]).filled(chosen.run(demo_rows.iloc[:2]))
    file = write_features(table, chosen, "fusionnet", tmp_path / "f.parquet", {})
    assert read_settings(file).extractor.digests() == chosen.digests()
    assert read_settings(tmp_path / "none.parquet") is None
    import pyarrow.parquet as pq

    for text in (b"{", b'{"name": "x", "features": [{"kind": "unheard"}]}'):
        pq.write_table(pq.read_table(file).replace_schema_metadata({b"fusionser": text}), tmp_path / "g.parquet")
        with pytest.raises(RowsError, match="its settings are invalid"):
            read_settings(tmp_path / "g.parquet")
    with pytest.raises(FusionserError, match="must be .parquet"):
        write_features(table, chosen, "fusionnet", tmp_path / "f.csv", {})


def test_features_are_named_in_prepared_tables(demo_folder):
    spec = PipelineSpec(features={"blocks": ["mfcc"]})
    prepared = prepare([Place(demo_folder, "demo")], spec, classes=["sad", "fear"])
    assert set(prepared.table["emotion"]) == {"sad", "fear"}
    assert prepared.corpora == ("demo",)
    assert list(prepared.table.filter(like="__")) == list(prepared.extractor.get_feature_names_out())
    assert prepared.spec.features_name == "mfcc"
    assert not prepared.table.isna().any().any()


def test_a_damaged_cache_costs_the_cache_and_not_the_result(clips, tmp_path, monkeypatch):
    cache = Cache(tmp_path)
    extractor().run(clips, cache=cache)
    opened = cache.features()
    monkeypatch.setattr(Cache, "features", lambda cache: opened)
    (tmp_path / "features.sqlite").write_bytes(b"damaged" * 5000)
    for leftover in tmp_path.glob("features.sqlite-*"):
        leftover.unlink()
    result = extractor().run(clips, cache=cache)
    assert result.stacked("mfcc").shape == (6, 20)
    assert "continued without it" in result.notices[0]


DAMAGES = {
    "shape of text": ("shape", "'20,x'"),
    "shape of another size": ("shape", "'7,7'"),
    "shape turned": ("shape", "'1,' || shape"),
    "shape missing": ("shape", "''"),
    "shape that is no text": ("shape", "x'00ff'"),
    "negative": ("shape", "'-1,-1'"),
    "cut": ("value", "substr(value, 1, 3)"),
    "cut at a number": ("value", "substr(value, 1, 4)"),
    "longer": ("value", "CAST(value || value AS BLOB)"),
    "text of no encoding": ("value", "value || value"),
    "text": ("value", "'text'"),
    "number": ("value", "7"),
    "not a number": ("value", "CAST(x'0000c07f' || substr(value, 5) AS BLOB)"),
    "another number": ("value", "CAST(substr(value, 1, 4) || x'0000803f' || substr(value, 9) AS BLOB)"),
    "that of another clip": (
        "value",
        "(SELECT other.value FROM entries AS other WHERE other.shape = entries.shape AND other.key != entries.key)",
    ),
    "infinite": ("value", "CAST(x'0000807f' || substr(value, 5) AS BLOB)"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_of_the_cache_is_computed_again(clips, tmp_path, damage):
    cache = Cache(tmp_path)
    expected = extractor().run(clips, cache=cache)
    column, value = DAMAGES[damage]
    with closing(sqlite3.connect(tmp_path / "features.sqlite")) as connection, connection:
        assert connection.execute(f"UPDATE entries SET {column} = {value}").rowcount > 6
    again = extractor().run(clips, cache=cache)
    assert again.notices == [] and again.computed == 6
    np.testing.assert_array_equal(again.stacked("mfcc"), expected.stacked("mfcc"))
    assert again.fingerprints == expected.fingerprints
    # The entries were written anew.
    assert extractor().run(clips, cache=cache).computed == 0


def test_a_features_file_that_was_edited_is_refused_where_it_no_longer_holds(demo_folder, tmp_path):
    prepared = prepare([Place(demo_folder, "demo")], FUSIONNET)
    table, extractor = prepared.table, prepared.extractor
    for edited, message in [
        (table.drop(columns="mfcc__03_mean"), "should have the feature 'mfcc__03_mean'"),
        (table.assign(mfcc__03_mean=np.nan), "'mfcc__03_mean' has values that are not finite"),
        (table.assign(mfcc__03_mean="text"), "not all numbers"),
        (table.assign(mfcc__03_mean=3e38), r"'mfcc__03_mean' is 3e\+38 in the row of .*wav; expected at most 1e\+15"),
        (table.assign(mfcc__03_mean=True), "'mfcc__03_mean' holds bool; expected numbers"),
        (table.assign(mfcc__03_mean=pd.Timestamp("2020-01-01")), "'mfcc__03_mean' holds datetime64.*expected numbers"),
        (table.assign(mfcc__03_mean=pd.Timedelta("1s")), "'mfcc__03_mean' holds timedelta64.*; expected numbers"),
    ]:
        with pytest.raises(RowsError, match=message):
            extractor.transform(edited)
    turned = table.assign(gender=table["gender"].map({"male": "female", "female": "male"}))
    gender = list(extractor.get_feature_names_out()).index("gender__male")
    np.testing.assert_array_equal(extractor.transform(turned)[:, gender], 1 - extractor.transform(table)[:, gender])


def test_features_files_bring_their_settings_or_are_refused(demo_folder, tmp_path):
    stored = []
    for duration in (1.0, 2.0):
        spec = PipelineSpec(features={"blocks": ["mfcc"], "clip": {"duration": duration}})
        made = prepare([Place(demo_folder, "demo")], spec)
        stored.append(Place(write_features(made.table, made.extractor, "mfcc", tmp_path / f"{duration}.parquet", {})))
    resolved = resolve(PipelineSpec(), [stored[0], stored[0]])
    assert resolved.features_name == "mfcc"
    assert resolved.features.blocks == tuple(prepare([stored[0]], PipelineSpec()).extractor.settings())
    with pytest.raises(SettingsError, match="extracted with different settings"):
        resolve(PipelineSpec(), stored)
    for change in ({"gender": "none"}, {"clip": {"offset": 1.0}}):
        with pytest.raises(SettingsError, match="with its own settings"):
            resolve(PipelineSpec(features=change), stored[:1])


def test_numpy_values_are_parameters_too(clips):
    given = MFCC(n_mfcc=np.int64(13), duration=np.float64(0.5))
    assert given.digest() == MFCC(n_mfcc=13, duration=0.5).digest()
    assert given.transform(clips).shape == (6, 13)


@pytest.fixture
def in_parts_of_two(monkeypatch):
    monkeypatch.setattr(importlib.import_module("fusionser.pipeline.extract"), "PART", 2)


def rows_table(folder, files, **columns):
    rows = pd.DataFrame({"file": files, "emotion": ["sad", "calm"] * (len(files) // 2), **columns})
    rows.to_csv(folder / "rows.csv", index=False)
    return [Place(folder / "rows.csv")]


def test_a_file_made_in_parts_is_the_one_made_at_once(clips, tmp_path, in_parts_of_two):
    soundfile.write(clips[0], np.zeros(16000), 16000)
    places = rows_table(tmp_path, clips, note=[None, None, None, "late", None, None])
    told = []
    done = extract_file(places, BOTH, tmp_path / "parts.parquet", progress=lambda *counts: told.append(counts))
    whole = prepare(places, BOTH)
    write_features(whole.table, whole.extractor, "both", tmp_path / "whole.parquet", {})
    parts = pd.read_parquet(tmp_path / "parts.parquet")
    pd.testing.assert_frame_equal(parts, pd.read_parquet(tmp_path / "whole.parquet"))
    assert list(parts["file"]) == clips[1:]
    assert (done.rows, done.computed, done.features_name) == (5, 6, "both")
    assert done.quarantine == whole.quarantine == [{"file": clips[0], "reason": done.quarantine[0]["reason"]}]
    assert "silent" in done.quarantine[0]["reason"]
    assert told == [(2, 6), (4, 6), (6, 6)]


def test_parts_of_which_nothing_is_usable_leave_no_file(clips, tmp_path, in_parts_of_two):
    for clip in clips:
        soundfile.write(clip, np.zeros(16000), 16000)
    with pytest.raises(AudioError, match=r"none of 6 recordings can be used; the first: .*silent"):
        extract_file(rows_table(tmp_path, clips), BOTH, tmp_path / "f.parquet")
    assert list(tmp_path.glob("*.parquet")) == []


def test_parts_of_which_some_hold_more_features_than_others_become_one_file(clips, tmp_path, in_parts_of_two):
    known = extract_file(rows_table(tmp_path, clips[:2]), BOTH, tmp_path / "known.parquet")
    places = [Place(tmp_path / "known.parquet"), *rows_table(tmp_path, clips[2:])]
    alone = FeatureExtractor(blocks=[("mfcc", MFCC())])
    done = extract_file(places, PipelineSpec(features={"blocks": ["mfcc"]}), tmp_path / "all.parquet")
    stored = pd.read_parquet(tmp_path / "all.parquet")
    assert (known.rows, done.rows) == (2, 6)
    assert [name for name in stored if "__" in name] == list(alone.get_feature_names_out())
    np.testing.assert_array_equal(stored.filter(like="mfcc__"), alone.transform(clips))


@pytest.mark.parametrize("preset", ["wide", "fusionnet", "robust"])
def test_the_numbers_do_not_depend_on_the_processes(demo_rows, preset):
    """Bit for bit: the processes of joblib use other numbers of threads for matrix products."""
    files = demo_rows["file"].tolist()[:60]
    built = build_features(PipelineSpec(features={"preset": preset}))
    with threadpool_limits(4):
        one, two = (built.run(files, cache=None, n_jobs=jobs) for jobs in (1, 2))
    for name in one.arrays:
        np.testing.assert_array_equal(one.stacked(name), two.stacked(name))


def test_a_clip_that_is_done_is_not_kept(clips):
    alive, most = weakref.WeakSet(), []

    @dataclass(kw_only=True)
    class Watching(Computation):
        """Counts the clips in memory whose samples were read."""

        kind = "watching"

        def names(self):
            return ["one"]

        def compute(self, clip):
            clip.samples()
            alive.add(clip)
            most.append(len(alive))
            return np.zeros(1, dtype=np.float32)

    compute_clips([{"file": clip} for clip in clips], {"watching": Watching()})
    # That which is being computed, and that before it.
    assert len(most) == len(clips) > 3 and max(most) <= 2


def test_an_analysis_without_enough_memory_costs_one_clip(clips):
    @dataclass(kw_only=True)
    class Hungry(Computation):
        """Takes too much memory for the second clip."""

        kind = "hungry"

        def names(self):
            return ["one"]

        def compute(self, clip):
            if clip.name == str(clips[1]):
                raise MemoryError
            return np.ones(1, dtype=np.float32)

    run = compute_clips([{"file": clip} for clip in clips], {"hungry": Hungry()}, cache=None)
    said = f"{clips[1]}: its analysis takes more memory than there is; cut it into utterances"
    assert run.failures == {1: said}
    assert len(run.stacked("hungry")) == len(clips) - 1


def test_a_spectrum_with_too_many_values_costs_one_clip(tmp_path):
    soundfile.write(tmp_path / "long.wav", np.random.default_rng(0).normal(0, 0.1, 200_000), 16000)
    soundfile.write(tmp_path / "short.wav", np.random.default_rng(0).normal(0, 0.1, 4000), 16000)
    block = MFCC(sampling_rate=16000, n_fft=2048, hop_length=1)
    rows = [{"file": tmp_path / name} for name in ("long.wav", "short.wav")]
    run = compute_clips(rows, {"mfcc": block}, cache=None)
    assert list(run.failures) == [0]
    assert "long.wav: 200001 frames of 1025 frequencies are too many; expected at most" in run.failures[0]


def test_settings_cannot_ask_for_endless_clips():
    with pytest.raises(SettingsError, match="which makes 115200000 samples of every clip; expected at most 67108864"):
        ClipSettings(sampling_rate=384000, duration=300.0)


def test_without_a_cache_no_recording_is_hashed(demo_folder, tmp_path):
    code = (
        "from fusionser.cache import FeatureCache; FeatureCache.file_digests = None\n"
        "from fusionser_cli.start import main; main()"
    )
    given = ["extract", demo_folder, "--corpus", "demo", "--blocks", "zcr", "--out", tmp_path / "f.parquet"]
    for more, status in (["--no-cache"], 0), ([], 1):
        done = subprocess.run([sys.executable, "-c", code, *given, *more], capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
