"""What a published result would take to run again."""

import re

import pytest
from small_recipe import SMALL

from fusionser.networks import MFCCFrames
from fusionser.studies.cost import measure_cost, stored_cost
from fusionser.studies.papers import read_paper_recipe
from fusionser.studies.reproduce import Run


def test_a_cost_counts_every_training_and_is_measured_anew(small, demo_folder, tmp_path, monkeypatch):
    name, recipe = small
    trained = []
    original = MFCCFrames.fit

    def spying(self, X, y, validation_rows=None):
        trained.append(self.random_state)
        return original(self, X, y, validation_rows=validation_rows)

    monkeypatch.setattr(MFCCFrames, "fit", spying)
    found = measure_cost(name, recipe, {"demo": demo_folder}, tmp_path, Run())
    # 180 of 240 clips and a copy of each: all of them under a best epoch, four fifths where a fifth is watched.
    assert found.trainings == 2 + 2 + 1
    (network,) = found.networks
    assert (network.network, network.epochs, network.rows) == ("mfcc-frames", 3, 2 * 288 + 2 * 360 + 288)
    assert found.hours == pytest.approx(network.seconds * 3 * network.rows / 3600)
    assert stored_cost(name, tmp_path) == found
    measure_cost(name, recipe, {"demo": demo_folder}, tmp_path, Run())
    assert len(trained) == 2 == len(set(trained))
    (tmp_path / "costs" / "small.json").write_text("{}")
    assert stored_cost(name, tmp_path) is None


FUSED = """
paper = "Nobody"
title = "two networks on synthetic voices"
corpora = ["demo"]
measure = "test"
seeds = 1
choices = "All of it."
[pipeline]
features = { blocks = ["conv1d", "conv2d"] }
[protocol]
name = "speaker-holdout"
settings = { speakers = ["f1", "m1"] }
"""


def test_each_network_learns_from_rows_of_its_own(demo_folder, tmp_path):
    (tmp_path / "fused.toml").write_text(FUSED)
    name, recipe = read_paper_recipe(str(tmp_path / "fused.toml"))
    found = measure_cost(name, recipe, {"demo": demo_folder}, tmp_path, Run())
    # Of 180 clips conv1d watches a fifth, and conv2d none.
    assert {one.network: one.rows for one in found.networks} == {"conv1d": 144, "conv2d": 180}


def test_a_cost_stands_in_the_report_until_the_recipe_is_run(command, demo_folder, tmp_path):
    (tmp_path / "small.toml").write_text(SMALL)
    arguments = ["reproduce", tmp_path / "small.toml", "--place", f"demo={demo_folder}", "--out", tmp_path / "out"]
    told = command(*arguments, "--cost")
    assert told.status == 0, told.messages
    assert "small: 0." in told.output and "5 trainings of each network (mfcc-frames " in told.output
    page = (tmp_path / "out" / "report.md").read_text()
    assert "**small.** Cost on this machine" in page
    # Where a corpus is not at hand, the page says why its recipe was not run.
    assert re.search(r"s1-super-set-holdout.*\.\*\* The corpora were incomplete .* 0 of 480 recordings of savee", page)
    assert command(*arguments, "--cost", "--json").json["hours"] > 0
    assert command(*arguments, "--quick").status == 0
    assert "Cost on this machine" not in (tmp_path / "out" / "report.md").read_text()
    # One seed of two: the row says so, with what the whole would take.
    assert command(*arguments, "--seeds", "1").status == 0
    page = (tmp_path / "out" / "report.md").read_text()
    assert "Run for 1 of 2 seeds; the other seeds would cost too much. The whole recipe would take 0." in page
    assert command(*arguments).status == 0
    assert "would cost too much" not in (tmp_path / "out" / "report.md").read_text()
