"""Recordings, features, models and reports elsewhere: in an object store, on a server, in an archive."""

import http.server
import io
import json
import threading
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

pytest.importorskip("s3fs", reason="the extra 's3' is not installed")
pytest.importorskip("moto", reason="moto, a server of S3 for tests, is not installed")

import fsspec
from object_store import SLOW_DOWN, answering, halving, object_store

from fusionser import storage
from fusionser.cache import Cache
from fusionser.corpora import list_rows
from fusionser.corpora.audio_files import audio_files
from fusionser.decoding import decode, duration_of
from fusionser.errors import AudioError, SettingsError, StorageError
from fusionser.features import ZeroCrossingRate
from fusionser.features.extraction import compute_clips
from fusionser.files import public_path, write_text
from fusionser.pipeline import PipelineSpec, Place, extract_dataset
from fusionser.rows import load_rows
from fusionser.storage import addresses, copies, transfers

SPEAKERS = ("f1", "m1")


def forget_connections():
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    addresses.filesystem.cache_clear()


@pytest.fixture(scope="module")
def running():
    with object_store() as store:
        yield store


@pytest.fixture
def store(running, monkeypatch):
    for name, value in running.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(transfers, "FIRST_WAIT", 0.001)
    running.fault = None
    running.requests.clear()
    forget_connections()
    yield running
    running.fault = None
    forget_connections()


@pytest.fixture
def own_copies(tmp_path, monkeypatch):
    """A folder of copies for one test."""
    monkeypatch.setenv("FUSIONSER_CACHE", str(tmp_path / "cache"))
    copies._copies.cache_clear()
    yield tmp_path / "cache" / "fetched"
    copies._copies.cache_clear()


@pytest.fixture(scope="module")
def bucket(running, demo_folder):
    """A bucket with 60 recordings of two speakers."""
    import s3fs

    system = s3fs.S3FileSystem(
        key="user-of-the-tests", secret="secret-of-the-tests", endpoint_url=running.address, skip_instance_cache=True
    )
    system.mkdir("calls")
    for path in sorted(demo_folder.iterdir()):
        if path.name.split("_")[1] in SPEAKERS:
            system.put_file(str(path), f"calls/demo/{path.name}")
    return system


def test_addresses_are_told_from_paths():
    assert storage.address_of("C:/calls") is None
    assert storage.address_of("audb:emodb==1.4.1") is None
    assert storage.address_of("mlflow:http://host") is None
    assert storage.address_of("/data/a:b/c.wav") is None
    assert storage.address_of(Path("zip://a.wav::https://host/x.zip")) == "zip://a.wav::https://host/x.zip"


def test_credentials_are_in_no_message():
    assert storage.redacted("s3://key:secret@bucket/a") == "s3://***@bucket/a"
    assert "secret" not in public_path("https://me:secret@host/a.wav?sig=secret")


def test_an_unknown_protocol_names_the_known_ones():
    with pytest.raises(SettingsError, match=r"begins with file://.*s3://.*zip://"):
        storage.input_place("carrier-pigeon://loft/calls")


def test_a_protocol_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(addresses.PACKAGES, "gs", ("a_package_nobody_has", "gs"))
    with pytest.raises(SettingsError, match=r"needs the package a_package_nobody_has.*'fusionser\[gs\]'"):
        storage.input_place("gs://bucket/calls")


def test_samples_from_a_store_are_those_of_the_file(store, bucket, own_copies, demo_folder):
    name = "synthetic_f1_angry_s1_01.wav"
    samples, rate = decode(f"s3://calls/demo/{name}")
    expected, expected_rate = soundfile.read(demo_folder / name, dtype="float32")
    assert rate == expected_rate
    np.testing.assert_array_equal(samples, expected)
    assert duration_of(f"s3://calls/demo/{name}") == len(expected) / rate
    assert [request for request in store.requests if request[0] == "GET"] == [("GET", f"/calls/demo/{name}")]


def test_parts_of_a_long_recording_are_fetched_by_ranges(store, bucket, own_copies, command, tmp_path):
    seconds, rate = 600, 16000
    path = tmp_path / "call.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, seconds * rate), rate, subtype="PCM_16")
    bucket.put_file(str(path), "calls/long/call.wav")
    parts = pd.DataFrame({"start": [20.0, 300.0, 555.5], "emotion": "sad", "speaker": "a"})
    parts["end"] = parts["start"] + 2.0
    found = []
    for name, file in (("here", str(path)), ("there", "s3://calls/long/call.wav")):
        parts.assign(file=file).to_csv(tmp_path / f"{name}.csv", index=False)
        ranged = []
        store.fault = lambda environ, start, stored, ranged=ranged: (
            ranged.append(environ.get("HTTP_RANGE")) if environ["REQUEST_METHOD"] == "GET" else None,
            stored(environ, start),
        )[1]
        done = command("extract", tmp_path / f"{name}.csv", "--preset", "fusionnet", "--gender", "none", "--no-cache",
                       "--out", tmp_path / f"{name}.parquet")  # fmt: skip
        assert done.status == 0, done.messages
        found.append(pd.read_parquet(tmp_path / f"{name}.parquet").drop(columns=["file", "source"]))
    of_recording = [one for one in ranged if one]
    sizes = [
        int(last) - int(first) + 1 for first, last in (one.removeprefix("bytes=").split("-") for one in of_recording)
    ]
    assert len(of_recording) == 4 and sum(sizes) < 600_000 < path.stat().st_size / 30
    pd.testing.assert_frame_equal(*found, check_exact=True)


def test_a_changed_object_is_fetched_again(store, bucket, own_copies, monkeypatch):
    monkeypatch.setattr(copies, "SECONDS_KNOWN", 0.0)
    for level in (0.1, 0.2):
        content = io.BytesIO()
        soundfile.write(content, np.full(800, level), 16000, format="WAV", subtype="FLOAT")
        bucket.pipe("calls/other/tone.wav", content.getvalue())
        forget_connections()
        with storage.at_hand("s3://calls/other/tone.wav") as path:
            assert soundfile.read(path)[0][0] == pytest.approx(level)


def test_copies_stay_within_their_limit(store, bucket, own_copies, monkeypatch):
    sizes = [one["size"] for one in bucket.find("calls/demo", detail=True).values()]
    limit = 5 * max(sizes)
    monkeypatch.setenv(copies.LIMIT_VARIABLE, str(limit / copies.GIB))
    monkeypatch.setattr(copies, "SECONDS_KNOWN", 0.0)
    for name in sorted(bucket.find("calls/demo"))[:20]:
        decode(f"s3://{name}")
        assert sum(path.stat().st_size for path in own_copies.rglob("*.wav")) <= limit
    monkeypatch.setenv(copies.LIMIT_VARIABLE, "lots")
    copies._copies.cache_clear()
    with pytest.raises(SettingsError, match=r"FUSIONSER_FETCHED_GIB is 'lots'"):
        decode("s3://calls/demo/synthetic_f1_angry_s1_01.wav")


def test_a_store_that_asks_for_patience_gets_it(store, bucket, own_copies):
    store.fault = answering("503 Slow Down", SLOW_DOWN, times=3)
    assert duration_of("s3://calls/demo/synthetic_f1_angry_s1_01.wav") > 0


def test_that_requests_are_repeated_is_said_once(caplog, monkeypatch):
    monkeypatch.setattr(transfers, "_TOLD", set())
    monkeypatch.setattr(transfers, "FIRST_WAIT", 0)
    for name in ("a", "b"):
        answers = iter([OSError("gone"), OSError("gone"), "there"])

        def request(answers=answers):
            answer = next(answers)
            if isinstance(answer, OSError):
                raise answer
            return answer

        assert transfers._again(f"s3://key:secret@calls/{name}.wav", request) == "there"
    (told,) = [record.getMessage() for record in caplog.records if record.name.startswith("fusionser")]
    assert told == "note: a request to s3://***@calls/a.wav failed; it is repeated for a while"


def test_half_an_object_is_read_again(store, bucket, own_copies, demo_folder):
    store.fault = halving(1)
    name = "synthetic_f1_angry_s1_02.wav"
    np.testing.assert_array_equal(decode(f"s3://calls/demo/{name}")[0], decode(demo_folder / name)[0])


def test_half_objects_for_ever_are_told_and_leave_nothing(store, bucket, own_copies):
    store.fault = halving(1000)
    with pytest.raises(StorageError, match=r"s3://calls/demo/synthetic_f1_angry_s1_03.wav: cannot be reached"):
        decode("s3://calls/demo/synthetic_f1_angry_s1_03.wav")
    assert not [path for path in own_copies.rglob("*") if path.is_file()]


def test_an_object_that_is_not_there_costs_itself_alone(store, bucket, own_copies):
    files = ["s3://calls/demo/synthetic_f1_angry_s1_01.wav", "s3://calls/demo/none.wav"]
    result = compute_clips([{"file": file} for file in files], {"zcr": ZeroCrossingRate()}, cache=None)
    assert result.failures == {1: "s3://calls/demo/none.wav: there is no such object; check the address"}


def test_a_store_that_is_not_there_ends_the_run_in_one_sentence(store, own_copies, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    forget_connections()
    with pytest.raises(StorageError, match=r"s3://calls/a.wav: cannot be reached .*run the command again"):
        compute_clips([{"file": "s3://calls/a.wav"}], {"zcr": ZeroCrossingRate()}, cache=None)


def test_rows_of_a_bucket_are_those_of_the_folder_with_addresses(store, bucket, own_copies, demo_folder):
    there = list_rows(storage.input_place("s3://calls/demo"), "demo").rows
    here = list_rows(demo_folder, "demo").rows
    here = here[here["speaker"].isin([f"demo/{name}" for name in SPEAKERS])].reset_index(drop=True)
    assert there["file"].str.startswith("s3://calls/demo/synthetic_").all()
    pd.testing.assert_frame_equal(there.drop(columns="file"), here.drop(columns="file"))


def test_recordings_in_a_zip_archive(demo_folder, tmp_path, own_copies):
    archive = tmp_path / "calls.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.write(demo_folder / "synthetic_f1_sad_s1_01.wav", "sad/f1/one.wav")
        opened.write(demo_folder / "synthetic_f1_angry_s1_01.wav", "angry/f1/two.wav")
    rows = list_rows(storage.input_place(f"zip://::file://{archive}"), "folders").rows
    assert rows["emotion"].tolist() == ["angry", "sad"]
    samples, _ = decode(rows["file"].iloc[0])
    np.testing.assert_array_equal(samples, decode(demo_folder / "synthetic_f1_angry_s1_01.wav")[0])


def test_names_from_elsewhere_stay_in_their_folder(monkeypatch, tmp_path):
    system = fsspec.filesystem("memory")
    system.pipe("/climbing/labels.csv", b"file,emotion\n")
    found = {"../../outside.csv": transfers.State(13, ""), "labels.csv": transfers.State(13, "")}
    monkeypatch.setattr("fusionser.storage.places.listed", lambda address: found)
    folder = storage.input_place("memory://climbing")
    assert [path.name for path in folder.rglob("*")] == ["labels.csv"]


def test_what_is_written_below_an_address_is_there_and_complete(store, bucket):
    folder = storage.output_folder("s3://calls/report")
    write_text(folder / "sub" / "page.md", "content")
    bucket.invalidate_cache()
    assert bucket.cat("calls/report/sub/page.md") == b"content"
    assert storage.shown(f"report: {folder}/sub/page.md") == "report: s3://calls/report/sub/page.md"


def test_a_bucket_that_is_full_is_told_before_the_work(store, bucket, command):
    full = b"<?xml version='1.0'?><Error><Code>QuotaExceeded</Code><Message>Bucket quota exceeded</Message></Error>"
    store.fault = answering("403 Forbidden", full, times=1000, method="PUT")
    answer = command("extract", "s3://calls/demo", "--corpus", "demo", "--out", "s3://calls/f.parquet", env=store.env)
    assert answer.status == 1
    assert answer.messages.splitlines()[-1].startswith("error: cannot write s3://calls/f.parquet: ")
    assert ("GET", "/calls/demo/synthetic_f1_angry_s1_01.wav") not in store.requests


def test_a_place_that_cannot_be_written_is_told_before_the_work(store, bucket, command):
    out = "s3://nowhere/f.parquet"
    answer = command("extract", "s3://calls/demo", "--corpus", "demo", "--out", out, env=store.env)
    assert answer.status == 1
    assert out in answer.messages
    assert "secret-of-the-tests" not in answer.messages


def test_from_a_bucket_to_a_bucket(store, bucket, command, demo_folder, tmp_path):
    def run(*arguments):
        done = command(*arguments, env=store.env)
        assert done.status == 0, done.messages
        return done

    run(
        "extract",
        "s3://calls/demo",
        "--corpus",
        "demo",
        "--preset",
        "fusionnet",
        "--gender",
        "none",
        "--out",
        "s3://calls/f.parquet",
    )
    bucket.invalidate_cache()
    with bucket.open("calls/f.parquet") as file:
        table = pd.read_parquet(file)
    assert table["file"].str.startswith("s3://calls/demo/").all()
    here = tmp_path / "f.parquet"
    run("extract", demo_folder, "--corpus", "demo", "--preset", "fusionnet", "--gender", "none", "--out", here)
    local = pd.read_parquet(here).set_index("source").loc[table["source"]].reset_index()
    pd.testing.assert_frame_equal(table.drop(columns="file"), local[table.columns].drop(columns="file"))

    report = run("evaluate", "s3://calls/f.parquet", "--classifier", "svm", "--folds", "2", "--out", "s3://calls/e")
    assert "s3://calls/e/report.html" in report.output
    run(
        "fit", "s3://calls/f.parquet", "--classifier", "svm", "--test-speakers", "m1", "--out", "s3://calls/m.fusionser"
    )
    run("predict", "s3://calls/m.fusionser", "s3://calls/demo", "--out", "s3://calls/answers.csv")
    run("report", "s3://calls/e")
    bucket.invalidate_cache()
    answers = pd.read_csv(bucket.open("calls/answers.csv"))
    assert answers["file"].tolist() == sorted(table["file"])
    result = json.loads(bucket.cat("calls/e/result.json"))
    assert str(tmp_path) not in json.dumps(result)


def test_a_cluster_of_two_processes_from_a_bucket_to_a_bucket(store, bucket, command):
    pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")

    def run(*arguments):
        done = command(*arguments, "--cluster", "local:2", env=store.env)
        assert done.status == 0, done.messages
        return done

    blocks = ("--blocks", "zcr,rms,mfcc")
    run("extract", "s3://calls/demo", "--corpus", "demo", *blocks, "--out", "s3://calls/set/")
    alone = command(
        "extract", "s3://calls/demo", "--corpus", "demo", *blocks, "--out", "s3://calls/one/", env=store.env
    )
    assert alone.status == 0, alone.messages
    bucket.invalidate_cache()
    parts = {
        place: {name.rpartition("/")[2]: bucket.cat(name) for name in bucket.find(f"calls/{place}/parts")}
        for place in ("set", "one")
    }
    assert parts["set"] and parts["set"] == parts["one"]
    run("evaluate", "s3://calls/set/", "--classifier", "svm", "--folds", "2", "--out", "s3://calls/e2")
    run("fit", "s3://calls/set/", "--classifier", "svm", "--test-speakers", "m1", "--out", "s3://calls/m2.fusionser")
    run("predict", "s3://calls/m2.fusionser", "s3://calls/demo", "--out", "s3://calls/answers/")
    bucket.invalidate_cache()
    assert len(pd.read_csv(bucket.open("calls/answers/answers.csv"))) == len(bucket.find("calls/demo"))


def test_a_shared_cache_in_a_bucket(store, bucket, own_copies, tmp_path, monkeypatch):
    monkeypatch.setenv("FUSIONSER_SHARED_CACHE", "s3://calls/cache")
    clips = [{"file": f"s3://{name}"} for name in sorted(bucket.find("calls/demo"))[:4]]
    first = compute_clips(clips, {"zcr": ZeroCrossingRate()}, cache=Cache(tmp_path / "one"))
    store.requests.clear()
    second = compute_clips(clips, {"zcr": ZeroCrossingRate()}, cache=Cache(tmp_path / "two"))
    assert (first.computed, second.computed) == (4, 0)
    np.testing.assert_array_equal(second.stacked("zcr"), first.stacked("zcr"))
    assert not [path for method, path in store.requests if method == "GET" and "/demo/" in path]


def test_a_table_names_recordings_beside_it(store, bucket, own_copies):
    bucket.pipe("calls/demo-rows/rows.csv", b"file,emotion\n../demo/synthetic_f1_angry_s1_01.wav,angry\n")
    bucket.pipe("calls/demo/beside.csv", b"file,emotion\nsynthetic_f1_sad_s1_01.wav,sad\n")
    assert load_rows("s3://calls/demo/beside.csv")["file"].tolist() == ["s3://calls/demo/synthetic_f1_sad_s1_01.wav"]
    bucket.rm("calls/demo/beside.csv")


def test_a_name_that_would_chain_addresses_is_set_aside(store, bucket, own_copies, demo_folder):
    for name in ("angry/a.wav", "sad/b::c.wav", "sad/d.wav"):
        bucket.put_file(str(demo_folder / "synthetic_f1_sad_s1_01.wav"), f"calls/odd/{name}")
    found = audio_files(storage.input_place("s3://calls/odd"))
    assert [path.name for path in found.files] == ["a.wav", "d.wav"]
    assert "its name has '::'" in found.refused[0]["reason"]


def test_a_refusal_that_passes_is_no_end_of_a_recording(store, bucket, own_copies, tmp_path):
    denied = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>no</Message></Error>"

    def fault(environ, start, stored):
        if environ["REQUEST_METHOD"] == "GET" and environ["PATH_INFO"].endswith("s1_01.wav"):
            start("403 Forbidden", [("Content-Type", "application/xml"), ("Content-Length", str(len(denied)))])
            return [denied]
        return stored(environ, start)

    place, spec = Place(storage.input_place("s3://calls/demo"), "demo"), PipelineSpec(features={"blocks": ["zcr"]})
    store.fault = fault
    first = extract_dataset([place], spec, tmp_path / "set")
    assert first.quarantine and first.rows == 60 - len(first.quarantine)
    store.fault = None
    again = extract_dataset([place], spec, tmp_path / "set")
    assert again.rows == 60 and not again.quarantine


@pytest.fixture
def server():
    """A server of HTTP that answers with a status by the name that is asked for."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status = int(self.path.strip("/").partition(".")[0])
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815 - the name that http.server calls

        def log_message(self, *arguments):
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}"
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("404.wav", AudioError, "there is no such object"),
        ("403.wav", AudioError, "these credentials may not read it"),
        ("500.wav", StorageError, "cannot be reached"),
    ],
)
def test_what_a_server_answers_is_told_as_that(server, own_copies, monkeypatch, name, kind, message):
    monkeypatch.setattr(transfers, "FIRST_WAIT", 0.001)
    with pytest.raises(kind, match=message):
        decode(f"{server}/{name}")


@pytest.mark.parametrize(
    "place", ["memory://x/f.parquet", "zip://f.parquet::file:///tmp/x.zip", "https://host/f.parquet"]
)
def test_places_that_keep_nothing_are_refused_before_the_work(command, demo_folder, place):
    answer = command("extract", demo_folder, "--corpus", "demo", "--out", place)
    assert answer.status == 1 and answer.messages.startswith(f"error: --out is {place}; ")


def test_a_shared_cache_that_cannot_be_written_names_its_variable(store, command, demo_folder, tmp_path):
    env = {**store.env, "FUSIONSER_SHARED_CACHE": "s3://no-such-bucket/cache"}
    answer = command(
        "extract", demo_folder, "--corpus", "demo", "--blocks", "zcr", "--out", tmp_path / "f.parquet", env=env
    )
    assert answer.status == 1
    assert "FUSIONSER_SHARED_CACHE is s3://no-such-bucket/cache, which cannot be used" in answer.messages


def test_an_error_of_one_recording_calls_it_by_its_address(store, bucket, own_copies):
    bucket.pipe("calls/other/broken.wav", b"RIFF is not a recording")
    with pytest.raises(AudioError, match=r"^s3://calls/other/broken.wav: not readable as audio"):
        decode("s3://calls/other/broken.wav")
