"""Jobs are begun a bounded number ahead, also across the parts of an extraction, and short ones are sent together."""

import importlib
import os
import signal
import time
from collections import deque
from functools import partial
from itertools import islice
from types import SimpleNamespace

import pandas as pd
import pytest

from fusionser import evaluate
from fusionser.execution import Executor, Processes, executing_on
from fusionser.execution.beside import running_beside
from fusionser.execution.grouping import MOST_BYTES, MOST_TASKS, SECONDS, SHARE, Grouping, pickles
from fusionser.execution.processes import environment_of_processes
from fusionser.execution.shared_job import SMALL, SharedJob, job_of
from fusionser.features import Cache
from fusionser.pipeline import PipelineSpec, Place, Resources, extract_file
from fusionser.rows import write_table

AHEAD = importlib.import_module("fusionser.execution.processes").AHEAD


def noted(count, read):
    for number in range(count):
        read.append(number)
        yield number


def test_processes_read_a_bounded_number_of_tasks_ahead():
    read = []
    answers = Processes(2).run(abs, noted(1000, read))
    assert next(answers) == 0
    # What is read, is read by a thread of joblib.
    deadline = time.monotonic() + 60
    while len(read) < 2 * AHEAD and time.monotonic() < deadline:
        time.sleep(0.01)
    assert 2 * AHEAD <= len(read) <= 2 * AHEAD + 1
    assert list(answers) == list(range(1, 1000))


def test_processes_never_get_ctrl_c_and_the_caller_does():
    """A terminal sends it to all of them, and one that is still starting would print where it was."""

    # Pickled by value, so that the processes need not import this module.
    def blocked(_):
        return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])

    assert list(Processes(2).run(blocked, range(4))) == [True] * 4
    assert not blocked(None)
    with running_beside(blocked, [None], threads=1):
        assert not blocked(None)


def test_an_error_while_tasks_are_read_is_raised():
    def tasks():
        yield from range(10)
        raise ValueError("no more")

    answers = []
    with pytest.raises(ValueError, match="no more"):
        answers.extend(Processes(2).run(abs, tasks()))
    assert list(Processes(2).run(abs, [])) == []


def test_groups_grow_with_the_run_and_with_short_tasks():
    grouping = Grouping()
    tasks = iter(range(10**6))
    assert [pickles().loads(task) for task in grouping.taken(tasks, workers=1)] == [0]
    # A task of a tenth of the seconds of a group: ten in a group, as soon as each worker has had 160.
    grouping.add(seconds=SECONDS, count=10)
    assert grouping.size(workers=1) == 1
    grouping.add(seconds=15 * SECONDS, count=150)
    assert [grouping.size(workers) for workers in (1, 2, 10, 100)] == [10, 160 // (2 * SHARE), 1, 1]
    assert [pickles().loads(task) for task in grouping.taken(tasks, workers=1)] == list(range(1, 11))
    # Long tasks stay alone, and next to none of them are more than the most.
    for seconds, size in ((3 * SECONDS * 10**6, 1), (0.0, MOST_TASKS)):
        grouping = Grouping()
        grouping.add(seconds, 10**6)
        assert grouping.size(workers=1) == size


def test_a_group_of_large_tasks_is_small():
    grouping = Grouping()
    grouping.add(0.0, 10**6)
    large = iter([bytes(MOST_BYTES // 2)] * 10)
    assert [len(grouping.taken(large, workers=1)) for _ in range(6)] == [2, 2, 2, 2, 2, 0]


class Waiting(Executor):
    """Begins as many tasks as it has workers, before it gives the first answer."""

    def __init__(self, workers):
        self.workers = workers
        self.begun = []

    def run(self, job, tasks, *, gpu=False):
        rest, begun = iter(tasks), deque()
        while True:
            begun.extend(islice(rest, self.workers - len(begun)))
            if not begun:
                return
            self.begun.append(len(begun))
            yield job(begun.popleft())


@pytest.fixture
def table(demo_rows, tmp_path):
    """Rows of parts of recordings."""
    rows = demo_rows.iloc[:10]
    parts = [rows.assign(start=0.1 * turn, end=0.1 * turn + 0.3, source=rows["source"] + f"-{turn}") for turn in (0, 1)]
    return write_table(pd.concat(parts), tmp_path / "rows.csv")


def extracted(table, out, cache=False):
    extract_file(
        [Place(table)], PipelineSpec(features={"blocks": ["zcr", "rms"]}), out, resources=Resources(cache=cache)
    )
    return pd.read_parquet(out)


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(importlib.import_module("fusionser.pipeline.extract"), "PART", 4)
    monkeypatch.setattr(importlib.import_module("fusionser.features.extraction"), "BATCH", 2)


@pytest.mark.usefixtures("small_parts")
def test_the_next_parts_are_begun_while_one_is_computed(table, tmp_path):
    expected = extracted(table, tmp_path / "alone.parquet")
    with executing_on(executor := Waiting(workers=7)):
        found = extracted(table, tmp_path / "many.parquet")
    # Twenty rows are ten batches, of which a part has two.
    assert executor.begun == [7, 7, 7, 7, 6, 5, 4, 3, 2, 1]
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


@pytest.mark.usefixtures("small_parts")
def test_parts_that_are_known_stay_in_their_order(table, tmp_path):
    expected = extracted(table, tmp_path / "alone.parquet")
    cache = Cache(tmp_path / "cache")
    some = pd.read_csv(table, dtype=str).iloc[[*range(4), *range(8, 12), 17]]
    extracted(write_table(some, tmp_path / "some.csv"), tmp_path / "some.parquet", cache)
    with executing_on(executor := Waiting(workers=7)):
        found = extracted(table, tmp_path / "rest.parquet", cache)
    assert sum(count == 1 for count in executor.begun) == 2, "one before and one after the third part"
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


@pytest.mark.usefixtures("small_parts")
def test_progress_counts_the_rows_of_all_parts(table, tmp_path):
    told = []
    extract_file(
        [Place(table)],
        PipelineSpec(features={"blocks": ["zcr"]}),
        tmp_path / "f.parquet",
        resources=Resources(cache=False),
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(done, 20) for done in range(2, 22, 2)]


class Noting(Processes):
    """Notes which jobs use a GPU."""

    def __init__(self):
        super().__init__(1)
        self.gpu = []

    def run(self, job, tasks, *, gpu=False):
        self.gpu.append(gpu)
        return super().run(job, tasks)


@pytest.mark.parametrize(
    ("classifier", "device", "expected"), [("mlp", "auto", True), ("mlp", "cpu", False), ("svm", "auto", False)]
)
def test_folds_with_a_network_use_a_gpu(table, classifier, device, expected):
    parameters = {"epochs": 1} if classifier == "mlp" else {}
    spec = PipelineSpec(features={"blocks": ["zcr", "rms"]}, classifier={"name": classifier, "parameters": parameters})
    with executing_on(executor := Noting()):
        evaluate(
            table, spec, protocol="random-kfold", protocol_settings={"folds": 2},
            resources=Resources(cache=False, device=device),
        )  # fmt: skip
    # The first is the extraction.
    assert executor.gpu == [False, expected]


class Submitting:
    """A client that notes what is sent."""

    def __init__(self):
        self.sent = []

    def submit(self, job, *given, pure):
        self.sent.append((job, given))
        return SimpleNamespace(status="pending", answer=job(*given))


def test_a_small_job_goes_with_each_group_and_a_large_one_is_sent_once_again_if_it_is_given_up():
    client = Submitting()
    assert job_of(SharedJob(client, abs).given())(-3) == 3 and client.sent == []
    large = partial(max, bytes(SMALL))
    shared = SharedJob(client, large)
    held = shared.given()
    assert job_of(held.answer) is large and shared.given() is held and len(client.sent) == 1
    # Its workers ended twice, so that Dask gives it up, and with it all tasks that need it.
    held.status = "error"
    again = shared.given()
    assert again is not held and shared.futures() == [again] and len(client.sent) == 2


def test_the_environment_is_as_before_after_calls_in_two_threads(monkeypatch):
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.setenv("PYTHONWARNINGS", "default")
    first, second = environment_of_processes(), environment_of_processes()
    first.__enter__()
    second.__enter__()
    # The one that began first also ends first.
    first.__exit__(None, None, None)
    assert os.environ["PYTHONSAFEPATH"] == "1" and os.environ["PYTHONWARNINGS"].startswith("default,ignore")
    second.__exit__(None, None, None)
    assert "PYTHONSAFEPATH" not in os.environ and os.environ["PYTHONWARNINGS"] == "default"
