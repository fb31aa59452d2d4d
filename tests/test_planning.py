"""Projections from closed forms, by round rates; and what measures the rates, by a clock that is set."""

import json
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from conftest import ROOT

from fusionser.corpora.audio_files import audio_files
from fusionser.errors import FusionserError, SettingsError
from fusionser.features import RMS
from fusionser.planning import (
    Machines,
    Rates,
    Store,
    Work,
    included_rates,
    needed_for,
    project,
    read_rates,
    shards_within,
    timing,
    write_rates,
)
from fusionser.planning.measuring import measurable_presets, measure_rates
from fusionser.planning.rates import CLIPS, CLUSTER, ClusterRates
from fusionser.reporting.planning import limits, needed_text

NOTHING = dict.fromkeys(ClusterRates.model_fields, 0.0)
MADE = {"command": "", "commit": "", "versions": {}, "machine": "a machine", "date": "2026-01-01"}
ROUND = Rates.model_validate(
    {
        "recordings": {"kind": "WAV", "count": 1, "seconds": 2.0, "bytes_per_second": 10_000},
        "decoding": {"per_clip": 0.001, "per_second": 0.001},
        "presets": {
            "robust": {
                "per_clip": 0.002,
                "per_second": 0.001,
                "collecting": 0.0001,
                "columns": 100,
                "bytes_per_row": 500,
            }
        },
        "asking": {"listing": 0.001, "naming": 0.00002, "memory": 1000},
        "cluster": NOTHING,
        "measured": {CLIPS: MADE, CLUSTER: MADE},
    }
)
"""A clip of four seconds takes five milliseconds to decode, and six more for its columns."""

WORK = Work(clips=10**6, seconds=4.0, known_durations=True)
MACHINES = Machines(machines=2, cores=10, bandwidth=1e9)


def with_cluster(**given):
    return ROUND.model_copy(update={"cluster": ClusterRates(**{**NOTHING, **given})})


def loads(projection):
    return {load.name: load.seconds for load in projection.loads}


def test_a_projection_of_round_numbers():
    made = project(replace(WORK, known_durations=False), MACHINES, Store(), ROUND)
    assert made.listing.seconds == pytest.approx(1000)
    assert loads(made) == pytest.approx(
        {"workers": 550, "network": 20, "scheduler": 0, "scheduler-network": 0.4, "collecting": 100}
    )
    assert made.loads[0].parts == pytest.approx({"decoding": 250, "features": 300, "waiting": 0, "moving": 0})
    assert made.seconds == pytest.approx(1550)
    assert made.core_hours == pytest.approx(20 * 1550 / 3600)
    assert (made.bytes_read, made.bytes_written, made.memory) == (4e10, 5e8, 1e9)
    # Two seconds of work are seven batches of 24 clips of eleven milliseconds.
    assert made.group == 7 * 24
    assert (made.limit, made.next_limit, made.useful_machines) == ("listing", "collecting", 11)


def test_jobs_of_a_dataset_list_and_write():
    made = project(replace(WORK, known_durations=False, dataset=True), MACHINES, Store(requests=1e6), ROUND)
    assert made.listing.seconds == 0
    assert loads(made) == pytest.approx(
        {"workers": 605, "network": 20, "scheduler": 0, "scheduler-network": 0, "sending": 20, "requests": 1.002}
    )
    assert made.loads[0].parts == pytest.approx(
        {"decoding": 250, "features": 300, "waiting": 0, "moving": 0, "listing": 50, "writing": 5}
    )
    assert (made.seconds, made.group) == (pytest.approx(605), 500)
    known = project(replace(WORK, dataset=True), MACHINES, Store(), ROUND)
    assert known.loads[0].parts["listing"] == 0


def test_what_a_cluster_takes():
    cluster = {
        "scheduler_per_row": 1e-5,
        "scheduler_per_group": 0.0168,
        "asking_per_row": 2e-5,
        "asking_per_group": 0.00168,
        "worker_per_row": 5e-5,
        "worker_per_group": 0.0252,
        "task_bytes": 100,
        "answer_bytes": 50,
    }
    made = project(WORK, replace(MACHINES, shards=2), Store(), with_cluster(**cluster))
    assert made.loads[0].parts["moving"] == pytest.approx(10**6 * (5e-5 + 0.0252 / 168) / 20)
    found = loads(made)
    assert found["scheduler"] == pytest.approx(10**6 * (1e-5 + 1e-4) / 2)
    assert found["scheduler-network"] == pytest.approx(10**6 * (100 + 50 + 4 * 100) / 2e9)
    assert found["collecting"] == pytest.approx(10**6 * (1e-4 + 2e-5 + 1e-5) / 2)
    assert found["network"] == pytest.approx(10**6 * (40_000 + 100) / 2e9)


SHORT = Work(clips=10**6, seconds=0.5, known_durations=True)


@pytest.mark.parametrize(
    ("limit", "seconds", "work", "machines", "store", "rates"),
    [
        ("features", 550, WORK, MACHINES, Store(), ROUND),
        ("decoding", 2 * 475, replace(WORK, seconds=2.0), replace(MACHINES, machines=1), Store(), "slow decoding"),
        ("waiting", 550 + 1000, WORK, MACHINES, Store(latency=0.02), ROUND),
        ("moving", 200 + 500, SHORT, MACHINES, Store(), with_cluster(worker_per_row=0.01)),
        ("network", 800, WORK, replace(MACHINES, bandwidth=2.5e7), Store(), ROUND),
        ("store-bandwidth", 4000, WORK, MACHINES, Store(bandwidth=1e7), ROUND),
        ("requests", 2000, WORK, MACHINES, Store(requests=500), ROUND),
        ("scheduler", 1000, WORK, MACHINES, Store(), with_cluster(scheduler_per_row=0.001)),
        ("scheduler-network", 1400.4, WORK, replace(MACHINES, bandwidth=1e9), Store(), with_cluster(task_bytes=1.4e6)),
        ("collecting", 100, WORK, replace(MACHINES, machines=100), Store(), ROUND),
        ("listing", 1000 + 550, replace(WORK, known_durations=False), MACHINES, Store(), ROUND),
    ],
)
def test_each_resource_can_be_the_longest(limit, seconds, work, machines, store, rates):
    if rates == "slow decoding":
        # 2.5 ms for each clip and 2 ms for each second, and 4 ms for the columns: 6.5 of 10.5 ms; times 10^6 / 10.
        slow = ROUND.decoding.model_copy(update={"per_clip": 0.0015, "per_second": 0.002})
        rates = ROUND.model_copy(update={"decoding": slow})
    if limit == "scheduler-network":
        machines = replace(machines, machines=1000)
    made = project(work, machines, store, rates)
    assert made.limit == limit
    assert made.seconds == pytest.approx(seconds)
    assert limits(made)[0].startswith("What takes longest: ")


def test_more_machines_are_useful_up_to_what_they_do_not_share():
    made = project(WORK, replace(MACHINES, machines=1), Store(), ROUND)
    assert made.useful_machines == 11
    up_to, beyond = (project(WORK, replace(MACHINES, machines=number), Store(), ROUND) for number in (11, 12))
    assert (up_to.limit, beyond.limit) == ("features", "collecting")
    assert beyond.seconds == pytest.approx(100)
    assert "With more than 11 machines" in limits(up_to)[1]
    assert "11 machines would be as fast" in limits(beyond)[1]


@pytest.mark.parametrize(
    ("hours", "known", "machines", "shards", "seconds"),
    [
        # 1100 seconds of one machine.
        (0.1, True, 4, 1, 275),
        # The collecting takes 100 seconds for each shard.
        (1 / 60, True, 19, 2, 1100 / 19),
        # The listing takes 1000 seconds, so 800 are left; and with two shards, 400 of 900.
        (0.5, False, 2, 1, 1000 + 550),
        (0.25, False, 3, 2, 500 + 1100 / 3),
    ],
)
def test_the_fewest_machines_and_shards_for_a_deadline(hours, known, machines, shards, seconds):
    found = needed_for(hours, replace(WORK, known_durations=known), MACHINES, Store(), ROUND).projection
    assert (found.machines.machines, found.machines.shards) == (machines, shards)
    assert found.seconds == pytest.approx(seconds)
    assert found.seconds <= hours * 3600


def test_a_deadline_that_the_store_does_not_let_be_met():
    needed = needed_for(0.25, WORK, MACHINES, Store(requests=1000), ROUND)
    assert needed.projection is None
    assert needed_text(needed).startswith("No number of machines and shards finishes in 0.25 h")
    assert needed_for(0.28, WORK, MACHINES, Store(requests=1000), ROUND).projection.seconds == pytest.approx(1000)


def test_shards_for_the_memory():
    assert [shards_within(memory, WORK, ROUND) for memory in (1e9, 1e9 - 1, 1e8)] == [1, 2, 10]


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: Work(clips=0, seconds=1.0), "clips is 0; expected 1 to"),
        (lambda: Work(clips=2.5, seconds=1.0), "clips is 2.5; expected a whole number"),
        (lambda: Work(clips=10, seconds=float("nan")), "seconds is nan"),
        (lambda: Machines(machines=0), "machines is 0; expected 1"),
        (lambda: Machines(bandwidth=0.0), "bandwidth is 0"),
        (lambda: Store(latency=-1.0), "latency is -1"),
        (lambda: Store(requests=0.0), "requests is 0"),
        (lambda: project(replace(WORK, preset="wid"), MACHINES, Store(), ROUND), "unknown preset 'wid'"),
        (lambda: needed_for(0.0, WORK, MACHINES, Store(), ROUND), "hours is 0"),
    ],
)
def test_impossible_numbers_are_refused(made, message):
    with pytest.raises(SettingsError, match=message):
        made()


def test_rates_in_a_file(tmp_path):
    path = write_rates(ROUND, tmp_path / "rates.toml")
    assert read_rates(path) == ROUND
    with pytest.raises(FusionserError, match=r"expected a file ending in \.toml"):
        write_rates(ROUND, tmp_path / "rates.json")
    for wrong in ("no = 'rates'", "not TOML", path.read_text().replace("per_clip = 0.001", "per_clip = -1")):
        path.write_text(wrong)
        with pytest.raises(SettingsError, match="not a file of rates"):
            read_rates(path)
    with pytest.raises(SettingsError, match="No such file"):
        read_rates(tmp_path / "none.toml")


def test_the_included_rates_have_every_preset_that_can_be_extracted():
    rates = included_rates()
    assert sorted(rates.presets) == measurable_presets()
    assert set(rates.measured) == {CLIPS, CLUSTER}
    assert all(value > 0 for value in rates.cluster.model_dump().values())


def test_rates_by_a_clock_that_is_set(monkeypatch):
    """Decoding takes 1 ms and 2 ms a second of audio, both together 4 ms and 3 ms a second."""
    now, passed = [0.0], count()

    def read_row(row):
        now[0] += 0.001 + 0.002 * row["end"]

    def compute_named(task, computations, device, jobs):
        now[0] += sum(0.004 + 0.003 * row["end"] for row in task[0])
        return [{"rms": np.ones(2, np.float32)} for _ in task[0]]

    monkeypatch.setattr(timing, "read_row", read_row)
    monkeypatch.setattr(timing, "compute_named", compute_named)
    monkeypatch.setattr(timing.time, "process_time", lambda: now[0])
    monkeypatch.setattr(timing.time, "monotonic", lambda: float(next(passed)))
    rows = [{"file": f"{end}.wav", "start": 0.0, "end": float(end)} for end in range(1, 31)]
    made = timing.measured(rows, {"rms": RMS()}, seconds=8.0, n_jobs=1)
    assert (made.decoding.per_clip, made.decoding.per_second) == pytest.approx((0.001, 0.002))
    assert (made.features.per_clip, made.features.per_second) == pytest.approx((0.003, 0.001))
    assert len(made.answers) >= len(rows)


def test_rates_are_measured(demo_folder, tmp_path):
    told = []
    files = audio_files(demo_folder).files[:12]
    rates = measure_rates(
        files, ROUND, presets=["robust"], seconds=0.1, n_jobs=1, progress=lambda *given: told.append(given)
    )
    robust = rates.presets["robust"]
    assert (rates.recordings.kind, rates.recordings.count, robust.columns) == ("WAV, 16000 Hz, 1 channel", 12, 198)
    # Two bytes for each of 16 000 samples, and a header.
    assert 32_000 < rates.recordings.bytes_per_second < 32_200
    assert 0 < robust.collecting < 1 and robust.bytes_per_row > 4 * 198 and rates.asking.listing > 0
    assert robust.per_clip + robust.per_second > 0 and rates.decoding.per_clip + rates.decoding.per_second > 0
    assert rates.cluster == ROUND.cluster and rates.measured[CLUSTER] == MADE
    assert told[-1][1:] == (0, "robust")
    assert read_rates(write_rates(rates, tmp_path / "mine.toml")) == rates


def test_the_rates_of_a_cluster_from_two_sizes_of_groups(monkeypatch):
    """A row takes each process 10 µs, and a group 2, 4 and 6 ms; an answer has 50 bytes and four for each column."""
    pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks.scale.scheduler import cluster_rates

    def point(rows, groups):
        spent = {"scheduler": 0.002, "client": 0.004, "workers": 0.006}
        return {
            "rows": rows,
            "groups": groups,
            "columns": 198,
            "processor": {name: 1e-5 * rows + group * groups for name, group in spent.items()},
            "sent": {"client": 200 * rows, "workers": (50 + 4 * 198) * rows, "scheduler": 0},
        }

    rates = cluster_rates({"points": [point(480, 10), point(48_000, 100)], "alone": point(2400, 100)})
    expected = {"task_bytes": 200, "answer_bytes": 50}
    for name, group in (("scheduler", 0.002), ("asking", 0.004), ("worker", 0.006)):
        expected |= {f"{name}_per_row": 1e-5, f"{name}_per_group": group}
    assert rates == pytest.approx(expected)


def test_nothing_to_measure(tmp_path):
    (tmp_path / "text.wav").write_text("no recording")
    with pytest.raises(SettingsError, match="there are no recordings to measure"):
        measure_rates([], ROUND)
    with pytest.raises(FusionserError, match=r"none of 1 recordings can be used; the first: .*text\.wav"):
        measure_rates([tmp_path / "text.wav"], ROUND)


@pytest.fixture
def round_file(tmp_path):
    return write_rates(ROUND, tmp_path / "round.toml")


def test_the_command(command, round_file):
    machines = ("--machines", 2, "--cores", 10, "--bandwidth", 8, "--rates", round_file)
    asked = ("--clips", "1e6", "--seconds", 4, "--price", 2)
    done = command("plan", *asked, "--known-durations", *machines, "--hours", 0.1)
    assert done.status == 0, done.messages
    for text in ("1 000 000 clips of 4 s, robust", "9.17 min", "40 GB", "500 MB", "What takes longest: features"):
        assert text in done.output
    assert "4 machines with 10 cores each finish in 0.1 h: in 4.58 min." in done.output
    told = json.loads(command("plan", *asked, *machines, "--hours", 0.5, "--json").output)
    (one,) = told["projections"]
    assert (one["limit"], one["useful_machines"], one["needed"]["machines"]["machines"]) == ("listing", 11, 2)
    assert one["cost"] == pytest.approx(2 * 20 * 1550 / 3600)
    assert told["rates"]["asking"]["memory"] == 1000


def test_the_table(command, round_file):
    done = command("plan", "--rates", round_file, "--hours", 24, "--price", 0.05, "--memory", 1000, "--json")
    projections = json.loads(done.output)["projections"]
    assert [one["work"]["clips"] for one in projections] == [10**power for power in range(6, 10)]
    # 10^9 rows are 10^12 bytes, and their listing alone takes 10^6 seconds.
    assert [one["machines"]["shards"] for one in projections] == [1, 1, 1, 1]
    assert projections[3]["needed"]["machines"]["shards"] == 13
    done = command("plan", "--rates", round_file, "--hours", 24, "--price", 0.05)
    assert "machines for 24 h" in done.output and "1 000 000 000" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--clips", "1e8x"), "--clips is '1e8x'; expected a whole number from 1 to 1e13"),
        (("--clips", "1e-3"), "--clips is '1e-3'"),
        (("--clips", "1e999999999"), "--clips is '1e999999999'"),
        (("--clips", "nan"), "--clips is 'nan'"),
        (("--clips", "10", "--preset", "wid"), "unknown preset 'wid'"),
        (("--clips", "10", "--rates", "none.toml"), "none.toml: the rates cannot be read (No such file or directory)"),
        (("--measure", "nowhere"), "--measure is nowhere; expected a folder of recordings"),
        (("--measure", ".", "--rates", "rates.json"), "--rates is rates.json; expected a file ending in .toml"),
    ],
)
def test_wrong_options(command, arguments, message):
    done = command("plan", *arguments)
    assert done.status == 1 and message in " ".join(done.messages.split())
