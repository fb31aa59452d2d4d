"""A cluster of Dask gives the same rows and bytes as this machine, and survives what kills its workers."""

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import dask
import joblib
import numpy as np
import pandas as pd
import pytest
import torch

distributed = pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")

from distributed.comm import CommClosedError

from fusionser.errors import FusionserError, SettingsError
from fusionser.execution import Lost, Processes, current_executor, dask_cluster, executing_on, on_cluster, run_jobs
from fusionser.execution.dask_cluster import LOCAL_SETTINGS, DaskCluster
from fusionser.execution.grouping import MOST_TASKS
from fusionser.features import ZeroCrossingRate
from fusionser.features.extraction import compute_clips
from fusionser.model import load_model


@pytest.fixture(scope="module")
def client():
    with (
        dask.config.set(LOCAL_SETTINGS),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def end_for(task):
    number, ending = task
    if number == ending:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_answers_are_in_order_and_a_job_that_kills_its_worker_costs_itself_alone(client):
    with on_cluster(client) as executor:
        assert list(run_jobs(abs, range(-50, 0), n_jobs=None)) == list(range(50, 0, -1))
        answers = list(executor.run(end_for, [(number, 4) for number in range(12)]))
    assert [one for one in answers if not isinstance(one, Lost)] == [*range(4), *range(5, 12)]
    assert isinstance(answers[4], Lost) and "its worker was ended" in answers[4].reason


def test_tasks_are_read_a_few_groups_ahead_and_no_answer_is_missing(client):
    read, answered = [], 0

    def tasks():
        for number in range(4000):
            read.append(number)
            yield number

    with on_cluster(client) as executor:
        for answer in executor.run(abs, tasks()):
            assert answer == answered
            answered += 1
            # The group of the answer is taken, and begun are three for each of two workers.
            assert len(read) - answered < MOST_TASKS * (1 + 3 * 2)
    assert answered == len(read) == 4000


def test_on_this_machine_a_job_that_ends_its_process_costs_itself_alone():
    answers = list(Processes(2).run(end_for, [(number, 4) for number in range(12)]))
    assert [one for one in answers if not isinstance(one, Lost)] == [*range(4), *range(5, 12)]
    assert isinstance(answers[4], Lost)


def worker_of(task):
    time.sleep(0.02)
    return distributed.get_worker().address


async def offer_gpus(count, dask_worker):
    await dask_worker.set_resources(GPU=count)


@pytest.fixture
def worker_with_gpu(client):
    first = min(client.scheduler_info()["workers"])
    client.run(offer_gpus, 1, workers=[first])
    yield first
    client.run(offer_gpus, 0, workers=[first])


def test_jobs_that_use_a_gpu_run_where_one_is_offered(client, worker_with_gpu):
    with on_cluster(client) as executor:
        assert set(executor.run(worker_of, range(20), gpu=True)) == {worker_with_gpu}
        assert len(set(executor.run(worker_of, range(20)))) == 2
        assert list(executor.on_each(os.getpid, gpu=True)) == [worker_with_gpu]
        assert len(set(executor.on_each(os.getpid).values())) == 2


def test_jobs_that_use_a_gpu_run_everywhere_if_none_is_offered(client):
    with on_cluster(client) as executor:
        assert len(set(executor.run(worker_of, range(20), gpu=True))) == 2
        assert len(executor.on_each(os.getpid, gpu=True)) == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_device_that_the_workers_lack_is_told_before_the_work(command, demo_folder):
    common = ("--corpus", "demo", "--device", "cuda", "--cluster", "local:1")
    for more in (("extract", "--out", "x.parquet"), ("evaluate", "--network", "conv1d", "--folds", "2")):
        done = command(more[0], demo_folder, *common, *more[1:])
        assert done.status == 1 and "the worker tcp://" in done.messages, done.messages
        assert "no device 'cuda'; available here: auto, cpu" in done.messages


class Deadly(ZeroCrossingRate):
    """A block that one recording kills."""

    def compute(self, clip):
        if Path(clip.row["file"]).name.startswith("synthetic_f1_angry_s1_01"):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().compute(clip)


@pytest.mark.parametrize("where", ["cluster", "here"])
def test_a_recording_that_kills_what_analyses_it_is_set_aside(client, demo_rows, where):
    rows = demo_rows.iloc[:60].to_dict("records")
    deadly = [place for place, row in enumerate(rows) if "f1_angry_s1_01" in row["file"]]
    run = {"computations": {"deadly": Deadly()}, "cache": None, "n_jobs": 2}
    if where == "cluster":
        with on_cluster(client):
            found = compute_clips(rows, **run)
    else:
        found = compute_clips(rows, **run)
    assert list(found.failures) == deadly and len(deadly) == 1
    assert "with other recordings and alone" in found.failures[deadly[0]]
    expected = compute_clips(rows, {"deadly": ZeroCrossingRate()}, cache=None)
    kept = [place for place in range(len(rows)) if place not in deadly]
    assert np.array_equal(found.stacked("deadly"), expected.stacked("deadly")[kept])


def test_the_same_bytes_by_the_commands(command, demo_folder, tmp_path):
    common = ("--corpus", "demo", "--preset", "robust", "--no-cache")
    files = [tmp_path / name for name in ("here.parquet", "there.parquet")]
    for file, more in zip(files, ((), ("--cluster", "local:2")), strict=True):
        done = command("extract", demo_folder, *common, "--out", file, *more)
        assert done.status == 0, done.messages
    here, there = map(pd.read_parquet, files)
    pd.testing.assert_frame_equal(here, there, check_exact=True)
    results = [command("evaluate", files[0], "--json", *more) for more in ((), ("--cluster", "local:2"))]
    assert [run.status for run in results] == [0, 0], results[1].messages
    one, other = (json.loads(run.output) for run in results)
    timed = ("seconds", "provenance", "folds")
    assert {key: value for key, value in one.items() if key not in timed} == {
        key: value for key, value in other.items() if key not in timed
    }


def test_networks_have_the_numbers_of_one_thread(command, demo_folder, tmp_path):
    common = ("--corpus", "demo", "--network", "conv1d", "--epochs", "2", "--folds", "2", "--no-cache")
    tables = []
    for more in (("--threads", "1"), ("--cluster", "local:2"), ("--workers", "2"), ("--workers", "1")):
        out = tmp_path / "".join(more).strip("-")
        done = command("evaluate", demo_folder, *common, *more, "--out", out)
        assert done.status == 0, done.messages
        tables.append(pd.read_csv(out / "predictions.csv"))
        assert json.loads((out / "result.json").read_text())["provenance"]["threads"] == 1
    for table in tables[1:]:
        pd.testing.assert_frame_equal(table, tables[0], check_exact=True)


def cores(task):
    return joblib.effective_n_jobs(-1), torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")


@pytest.mark.parametrize("where", ["cluster", "processes"])
def test_a_job_beside_others_has_one_core(client, where):
    with on_cluster(client) if where == "cluster" else executing_on(Processes(2)):
        assert set(run_jobs(cores, range(4), n_jobs=None)) == {(1, 1, "1")}


def test_the_processes_of_joblib_are_as_before_for_others():
    before = joblib.Parallel(n_jobs=2)(joblib.delayed(cores)(task) for task in range(2))
    assert set(Processes(2).run(cores, range(4))) == {(1, 1, "1")}
    assert joblib.Parallel(n_jobs=2)(joblib.delayed(cores)(task) for task in range(2)) == before


@pytest.mark.parametrize("place", [("--workers", "2"), ("--cluster", "local:2")])
def test_the_trials_of_a_model_to_keep_run_there_too(command, demo_folder, tmp_path, place):
    common = ("--corpus", "demo", "--preset", "fusionnet", "--gender", "none", "--classifier", "svm", "--tune")
    models = []
    for number, more in enumerate(((), place)):
        model = tmp_path / f"{number}.fusionser"
        done = command(
            "fit", demo_folder, *common, "--protocol", "speaker-kfold", "--folds", "2", *more, "--out", model
        )
        assert done.status == 0, done.messages
        models.append(load_model(model))
    here, there = (model.predict(sorted(demo_folder.glob("*.wav"))[:20]) for model in models)
    pd.testing.assert_frame_equal(there, here, check_exact=True)
    ours, theirs = (model.card.estimate for model in models)
    assert [fold.scores for fold in ours.folds] == [fold.scores for fold in theirs.folds]
    assert [fold.parameters for fold in ours.folds] == [fold.parameters for fold in theirs.folds] != [{}, {}]


def trial(number):
    return os.getpid()


@pytest.mark.parametrize("where", ["cluster", "processes"])
def test_joblib_runs_there(client, where):
    with on_cluster(client) if where == "cluster" else executing_on(Processes(2)), current_executor().running_joblib():
        found = joblib.Parallel()(joblib.delayed(trial)(number) for number in range(4))
    assert os.getpid() not in found
    if where == "cluster":
        assert set(found) <= set(client.run(os.getpid).values())


def test_one_place_for_jobs_is_enough(command, demo_folder):
    done = command("evaluate", demo_folder, "--corpus", "demo", "--workers", "2", "--cluster", "local:2")
    assert done.status == 1 and "--workers and --cluster both say where jobs run" in done.messages


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("local:0", "expected local:N"),
        ("local:x", "expected local:N"),
        ("tcp://127.0.0.1:9", "there is no scheduler"),
        ("nowhere", "there is no scheduler"),
    ],
)
def test_a_cluster_that_is_not_there_is_told_before_the_work(command, demo_folder, place, message, monkeypatch):
    monkeypatch.setattr("fusionser.execution.dask_cluster.SECONDS_TO_CONNECT", 1)
    done = command("extract", demo_folder, "--corpus", "demo", "--out", "x.parquet", "--cluster", place)
    assert done.status == 1 and message in done.messages
    with pytest.raises(SettingsError, match=message), on_cluster(place):
        pass


def slow(number):
    time.sleep(0.2)
    return number


@pytest.mark.parametrize("importable", [True, False])
def test_a_scheduler_that_is_gone_and_a_module_that_is_missing_are_sentences(tmp_path, importable):
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    program = [
        sys.executable,
        "-m",
        "distributed.cli.dask_scheduler",
        "--no-dashboard",
        "--port",
        address.split(":")[-1],
    ]
    scheduler = subprocess.Popen(program, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    program = [
        sys.executable,
        "-m",
        "distributed.cli.dask_worker",
        address,
        "--dashboard-address",
        "127.0.0.1:0",
        "--nthreads",
        "1",
    ]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)} if importable else None
    worker = subprocess.Popen(program, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    message = "is gone, or gave up the work" if importable else "a worker of the cluster cannot import test_cluster"
    seen = []
    try:
        with pytest.raises(FusionserError, match=message), on_cluster(address):
            for number in run_jobs(slow, range(1000), n_jobs=None):
                seen.append(number)
                if number == 3:
                    scheduler.kill()
        assert seen[:4] == ([0, 1, 2, 3] if importable else [])
    finally:
        for process in (worker, scheduler):
            process.kill()
            process.wait()


def test_a_worker_without_a_plugin_is_refused(client, tmp_path, monkeypatch):
    installed = tmp_path / "fusionser_plugin_new-2.1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: fusionser-plugin-new\nVersion: 2.1\n")
    (installed / "entry_points.txt").write_text("[fusionser.blocks]\nnew = fusionser_plugin_new:Block\n")
    monkeypatch.syspath_prepend(tmp_path)
    refused = r"the worker tcp://.* has no fusionser-plugin-new, and this machine 2\.1"
    with pytest.raises(SettingsError, match=refused), on_cluster(client):
        pass


def test_a_cluster_without_workers_any_more_is_told(monkeypatch):
    monkeypatch.setattr(dask_cluster, "SECONDS_FOR_NEWS", 0.2)
    with (
        distributed.LocalCluster(n_workers=1, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        distributed.Client(cluster) as client,
        pytest.raises(FusionserError, match=r"has had no workers for 1 s; .*What was finished is kept"),
        on_cluster(client),
    ):
        answers = run_jobs(slow, range(1000), n_jobs=None)
        assert next(answers) == 0
        monkeypatch.setattr(dask_cluster, "SECONDS_FOR_WORKERS", 1)
        cluster.scale(0)
        list(answers)


def test_a_worker_that_ends_before_its_answer_is_fetched_is_told(monkeypatch):
    monkeypatch.setattr(dask_cluster, "SECONDS_FOR_NEWS", 0.2)
    monkeypatch.setattr(dask_cluster, "SECONDS_FOR_WORKERS", 1)
    waited = dask_cluster.DaskCluster._wait_for
    with (
        distributed.LocalCluster(n_workers=1, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        distributed.Client(cluster) as client,
        pytest.raises(FusionserError, match=r"has had no workers for 1 s; .*What was finished is kept"),
        on_cluster(client),
    ):

        def then_ended(executor, futures):
            waited(executor, futures)
            cluster.scale(0)
            while client.nthreads():
                time.sleep(0.05)

        monkeypatch.setattr(dask_cluster.DaskCluster, "_wait_for", then_ended)
        list(run_jobs(slow, range(3), n_jobs=None))


def clients():
    return sum(type(one) is distributed.Client for one in gc.get_objects())


def test_a_client_that_could_not_connect_is_gone_at_once(monkeypatch):
    """Dask may wait for ever if it is collected later."""
    monkeypatch.setattr(dask_cluster, "SECONDS_TO_CONNECT", 1)
    gc.collect()
    before = clients()
    gc.disable()
    try:
        with pytest.raises(SettingsError, match="there is no scheduler") as told, on_cluster("tcp://127.0.0.1:9"):
            pass
        assert clients() == before and told.value is not None
    finally:
        gc.enable()


def test_a_local_cluster_does_not_give_up_workers_that_start_again():
    with on_cluster("local:1"):
        assert dask.config.get("distributed.deploy.lost-worker-timeout") == "1 day"
        assert dask.config.get("distributed.scheduler.allowed-failures") == 1


def test_a_connection_that_ends_is_the_same_sentence(client, monkeypatch):
    """Which of the two errors Dask raises depends on what it waits for at that moment."""
    executor = DaskCluster(client)
    monkeypatch.setattr(executor, "_wait_for", lambda futures: None)
    for error in (distributed.client.FutureCancelledError("a", "scheduler-connection-lost"), CommClosedError("closed")):
        future = SimpleNamespace(result=partial(raised, error))
        with pytest.raises(FusionserError, match="is gone, or gave up the work; what was finished is kept"):
            executor._answer(future)


def raised(error, timeout=None):
    raise error


def test_a_worker_with_another_version_is_refused(client, monkeypatch):
    # Only this machine's versions are changed.
    monkeypatch.setattr(dask_cluster.metadata, "version", lambda name: "1.0")
    with pytest.raises(SettingsError, match=r"has fusionser .*, and this machine 1\.0; install the same versions"):
        DaskCluster(client)
