"""The search for parameters: fusionser.tuning."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from importlib import metadata

import numpy as np
import pandas as pd
import pytest
from prepared_rows import under
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.model_selection import KFold

from fusionser.errors import ProtocolError, SettingsError, TrainingError
from fusionser.evaluation import evaluate as evaluate_estimator
from fusionser.jobs.evaluation import evaluate_prepared
from fusionser.pipeline import Place, build_estimator, prepare
from fusionser.pipeline.estimator import untried_values
from fusionser.pipeline.parameter_space import read_space, space_of
from fusionser.pipeline.speakers import leave_out_speakers
from fusionser.pipeline.trial_search import TrialSearch
from fusionser.registry import CLASSIFIERS, NETWORKS, REGRESSORS
from fusionser.reporting.tables.result import result_tables
from fusionser.search_space import NumberRange
from fusionser.spec import Config, PipelineSpec
from fusionser.splits import InnerFolds, Protocol, SpeakerKFold
from fusionser.tuning import Search, tune_prepared
from fusionser.tuning.objective import InnerScores

pytest.importorskip("optuna")

FUSIONNET = PipelineSpec(features={"preset": "fusionnet", "gender": "given"})


@pytest.fixture(scope="module")
def prepared(demo_folder):
    return prepare([Place(demo_folder, "demo")], FUSIONNET)


@pytest.fixture
def planted(monkeypatch):
    """Scores with an optimum at C = 3 and gamma = 0.001, so that nothing is trained."""

    def scores(self, values):
        best = 1 - min(1, abs(np.log10(values["classifier.C"] / 3))) - 0.1 * (values["classifier.gamma"] != 1e-3)
        return iter([max(best, 0.0)] * len(self.splits))

    monkeypatch.setattr(InnerScores, "scores", scores)


def parameters(result):
    return [(trial.parameters, trial.scores) for trial in result.trials]


@pytest.mark.parametrize("kind", [*CLASSIFIERS.loadable(), *NETWORKS.loadable()])
def test_every_space_has_parameters_of_its_class(kind):
    found = CLASSIFIERS[kind] if kind in CLASSIFIERS else NETWORKS[kind]
    assert found.space
    assert set(found.space) <= set(found().get_params(deep=False))


def test_a_planted_optimum_is_found_again_with_the_same_seed(prepared, planted, tmp_path):
    result = tune_prepared(prepared, tmp_path / "a", Search(trials=30, pruning=False))
    assert result.best.score > 0.8
    assert 2 < result.best.parameters["classifier.C"] < 4.5
    assert result.before.parameters == {"classifier.C": 10.0, "classifier.gamma": "scale"}
    assert set(result.importance) == {"classifier.C", "classifier.gamma"}
    tune_prepared(prepared, tmp_path / "b", Search(trials=8, pruning=False))
    again = tune_prepared(prepared, tmp_path / "b", Search(trials=30, pruning=False))
    assert parameters(again) == parameters(result)
    other = tune_prepared(under(prepared, seed=1), tmp_path / "c", Search(trials=8, pruning=False))
    assert parameters(other) != parameters(result)[:8]


@pytest.mark.parametrize("pruning", [True, False])
def test_trials_below_the_median_after_a_fold_are_pruned(prepared, tmp_path, monkeypatch, pruning):
    asked = []

    def scores(self, values):
        asked.append(values)
        for place in range(len(self.splits)):
            # The first five always run to their end, for there is no median before.
            yield 0.1 if len(asked) > 5 and len(asked) != 7 and place == 0 else 0.6

    monkeypatch.setattr(InnerScores, "scores", scores)
    result = tune_prepared(prepared, tmp_path, Search(trials=8, pruning=pruning))
    every = [len(trial.scores) for trial in result.trials]
    assert every == ([result.folds] * 5 + [1, result.folds, 1] if pruning else [result.folds] * 8)
    stopped = [trial.number for trial in result.trials if trial.state == "pruned"]
    assert stopped == ([5, 7] if pruning else [])
    assert result.best.number not in stopped


def test_a_stopped_trial_is_tried_again(prepared, planted, tmp_path, monkeypatch):
    whole = tune_prepared(prepared, tmp_path / "whole", Search(trials=9, pruning=False))
    scores, calls = InnerScores.scores, []

    def interrupted(self, values):
        calls.append(values)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return scores(self, values)

    monkeypatch.setattr(InnerScores, "scores", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tune_prepared(prepared, tmp_path / "parts", Search(trials=9, pruning=False))
    parts = tune_prepared(prepared, tmp_path / "parts", Search(trials=9, pruning=False))
    assert parameters(parts) == parameters(whole)


KILLED = """
import os, signal, sys
from fusionser.pipeline import Place, prepare
from fusionser.spec import PipelineSpec
from fusionser.tuning import Search, tune_prepared
from fusionser.tuning.objective import InnerScores

def scores(self, values):
    scores.calls += 1
    if scores.calls == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    return iter([0.5 + scores.calls / 100] * len(self.splits))

scores.calls = 0
InnerScores.scores = scores
spec = PipelineSpec(features={"preset": "fusionnet", "gender": "given"})
tune_prepared(prepare([Place(sys.argv[1], "demo")], spec), sys.argv[2], Search(trials=12, pruning=False))
"""


def _start(demo_folder, place, killed_at):
    return subprocess.Popen([sys.executable, "-c", KILLED, str(demo_folder), str(place), str(killed_at)])


def test_a_killed_process_loses_its_trial_only(prepared, planted, demo_folder, tmp_path):
    assert _start(demo_folder, tmp_path, 4).wait() == -signal.SIGKILL
    with (tmp_path / "journal.log").open("ab") as journal:
        journal.write(b'{"op_code": 4, "tri')  # what a write that was cut off leaves
    result = tune_prepared(prepared, tmp_path, Search(trials=12, pruning=False))
    assert len(result.trials) == 12
    assert [trial.number for trial in result.trials][:4] == [0, 1, 2, 4]


def test_two_processes_share_the_trials_of_a_journal(demo_folder, prepared, planted, tmp_path):
    with _start(demo_folder, tmp_path, 0) as other:
        while not (tmp_path / "journal.log").exists():
            time.sleep(0.05)
        tune_prepared(prepared, tmp_path, Search(trials=12, pruning=False))
        assert other.wait() == 0
    result = tune_prepared(prepared, tmp_path, Search(trials=12, pruning=False))
    assert len(result.trials) == 12
    assert len({json.dumps(trial.parameters) for trial in result.trials}) == 12


class TheInnerFolds(Protocol):
    """Tests on the inner folds themselves."""

    name = "inner"

    def folds_of(self, rows):
        splits = InnerFolds().split(rows, rows["emotion"].to_numpy(dtype=object))
        yield from ((str(number), *split) for number, split in enumerate(splits))


def test_an_evaluation_of_the_best_parameters_on_the_inner_folds_has_the_inner_score(prepared, tmp_path):
    from fusionser.reporting.tuning import write_tuning

    result = tune_prepared(prepared, tmp_path, Search(trials=2))
    page = write_tuning(result, Config(pipeline=prepared.spec), tmp_path)
    spec = Config.load(tmp_path / "best.toml").pipeline
    assert spec == result.spec and spec.classifier.parameters
    table = prepared.table
    found = evaluate_estimator(table, build_estimator(spec, extractor=prepared.extractor), TheInnerFolds())
    assert [fold.scores.uar for fold in found.folds] == pytest.approx(result.best.scores)
    assert "too high for new speakers" in page.read_text()
    assert (tmp_path / "trials.csv").read_text().count("\n") == 3
    assert "of whole speakers" in (tmp_path / "report.html").read_text()


def test_no_speaker_is_on_both_sides_and_those_left_out_are_never_seen(prepared, tmp_path, monkeypatch):
    seen = []
    kept, names = leave_out_speakers(prepared, ["f1", "m1"])
    assert names == ("demo/f1", "demo/m1")
    score = InnerScores._score

    def spy(self, pipeline, train, held):
        rows = self.prepared.table
        seen.append((set(rows["speaker"].iloc[train]), set(rows["speaker"].iloc[held])))
        return score(self, pipeline, train, held)

    monkeypatch.setattr(InnerScores, "_score", spy)
    result = tune_prepared(kept, tmp_path, Search(trials=2), left_out=names)
    assert seen and all(not train & held for train, held in seen)
    assert all(not set(names) & (train | held) for train, held in seen)
    assert not set(names) & set(result.speakers)
    with pytest.raises(ProtocolError, match="leave-out-speakers"):
        leave_out_speakers(prepared, ["nobody"])


def test_validation_rows_come_without_labels(prepared, tmp_path, monkeypatch):
    from fusionser.tuning import objective

    seen, original = [], objective.columns_of
    monkeypatch.setattr(objective, "columns_of", lambda fitted, rows: seen.append(rows) or original(fitted, rows))
    tune_prepared(prepared, tmp_path, Search(trials=1))
    assert seen and all((rows["emotion"] == "").all() for rows in seen)


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: "not JSON\n" + text,
        lambda text: text.replace('"op_code":5', '"op_code":99', 1),
        lambda text: text.replace('"values":[0.', '"values":[9.', 1),
        lambda text: text.replace('"scores":[0.', '"scores":["x', 1),
        lambda text: text.replace("classifier.C", "classifier.Q"),
        lambda text: "[]\n" + text,
    ],
)
def test_a_damaged_journal_is_an_error(prepared, planted, tmp_path, edit):
    tune_prepared(prepared, tmp_path, Search(trials=3, pruning=False))
    path = tmp_path / "journal.log"
    text = path.read_text()
    changed = edit(text)
    assert changed != text
    path.write_text(changed)
    with pytest.raises(SettingsError, match=r"journal\.log.*(another|choose another|Choose another) --out"):
        tune_prepared(prepared, tmp_path, Search(trials=4, pruning=False))


def test_a_journal_of_other_rows_is_refused(prepared, planted, tmp_path):
    tune_prepared(prepared, tmp_path, Search(trials=2))
    fewer = replace(prepared, table=prepared.table.iloc[:200])
    with pytest.raises(SettingsError, match="differs in: rows"):
        tune_prepared(fewer, tmp_path, Search(trials=2))


def test_a_file_narrows_the_space(prepared, tmp_path):
    path = tmp_path / "space.toml"
    path.write_text("classifier.C = {low = 1, high = 9}\nclassifier.gamma = [0.001]\n")
    space = space_of(prepared.spec, prepared.extractor, read_space(path))
    assert space == {"classifier.C": NumberRange(1, 9), "classifier.gamma": (0.001,)}
    for text, message in {
        "classifier.D = [1]": "unknown parameter of classifier 'D'. Known: C",
        "blocks.conv2d.dropout = [1]": "unknown part of the search space 'blocks.conv2d'",
        "classifier.C = 3": "expected a list of choices",
        "classifier.C = {low = 3, high = 1}": "the lower one first",
        "classifier.C = {low = 0, high = 1, log = true}": "more than 0",
        "classifier.C = [1]\nclassifier.gamma = [1]": "nothing is left to search",
        "= 3": "cannot be read as a search space",
    }.items():
        path.write_text(text)
        with pytest.raises(SettingsError, match=message):
            space_of(prepared.spec, prepared.extractor, read_space(path))


def test_the_time_limit_ends_a_search(prepared, planted, tmp_path):
    with pytest.raises(SettingsError, match="none of the 0 trials has a score"):
        tune_prepared(prepared, tmp_path, Search(trials=3, minutes=1e-9))


def test_the_command_writes_what_evaluate_reads(command, demo_folder, tmp_path):
    given = ["--corpus", "demo", "--preset", "fusionnet", "--gender", "none"]
    out = tmp_path / "tuning"
    said = command("tune", demo_folder, *given, "--trials", 2, "--leave-out-speakers", "f1,m1", "--out", out)
    assert said.status == 0, said.messages
    assert "too high for new speakers" in said.output
    evaluated = command("evaluate", demo_folder, "--corpus", "demo", "--config", out / "best.toml", "--json")
    assert sorted(json.loads(evaluated.output)["speakers"]) == ["demo/f1", "demo/m1"]
    said = command("evaluate", demo_folder, "--corpus", "demo", "--config", out / "best.toml")
    assert "parameters chosen by 2 trials on other speakers" in said.output
    searched = command(
        "evaluate", demo_folder, "--corpus", "demo", "--config", out / "best.toml", "--protocol", "speaker-kfold"
    )
    # Six of the eight speakers were searched on.
    assert "PARAMETERS CHOSEN BY 2 TRIALS ON 6 TEST SPEAKERS, so the score is too high" in searched.output


def test_inner_folds_by_clip_are_told_beside_the_score(command, demo_folder, tmp_path):
    given = ["--corpus", "demo", "--preset", "fusionnet", "--gender", "none", "--trials", 2, "--out", tmp_path / "out"]
    said = command("tune", demo_folder, *given, "--leave-out-speakers", "f2,f3,f4,m1,m2,m3,m4")
    assert "The inner UAR on folds by clip, with speakers on both sides, chose the best of 2" in " ".join(
        said.output.split()
    )
    assert "by clip" not in command("tune", demo_folder, *given[:-1], tmp_path / "by-speaker").output


def test_a_cluster_finds_what_one_process_finds(command, demo_folder, tmp_path):
    pytest.importorskip("distributed")
    given = ["--corpus", "demo", "--preset", "fusionnet", "--gender", "none", "--trials", 3, "--no-pruning", "--json"]
    found = [
        json.loads(command("tune", demo_folder, *given, "--out", tmp_path / str(place), *more).output)
        for place, more in enumerate(([], ["--cluster", "local:2"]))
    ]
    here, there = ([(one["parameters"], one["scores"]) for one in result["trials"]] for result in found)
    assert here == there


class Threshold(ClassifierMixin, BaseEstimator):
    """Answers 'high' above a threshold that is not learned, so that the best one is known."""

    def __init__(self, threshold=0.0, kinds=("plain",), slow=True):
        self.threshold, self.kinds, self.slow = threshold, kinds, slow

    def fit(self, X, y):
        if self.threshold > 90:
            raise TrainingError("the loss is not finite")
        self.rows_, self.classes_ = len(X), np.unique(y)
        return self

    def predict(self, X):
        return np.where(X["x"] > self.threshold, "high", "low")


ROWS = pd.DataFrame({"x": np.arange(1.0, 81.0)})
LABELS = np.where(ROWS["x"] > 60, "high", "low")
FOLDS = KFold(4, shuffle=True, random_state=0)


def test_a_search_inside_a_fold_finds_a_planted_threshold():
    space = {"threshold": NumberRange(0.0, 80.0)}
    search = TrialSearch(Threshold(), space, trials=40, cv=FOLDS, only_in_trials={"slow": False})
    found = clone(search).fit(ROWS, LABELS)
    assert 57 < found.best_params_["threshold"] < 64
    assert found.best_score_ == max(found.scores_) > 0.95
    # The first trial has what the estimator has: all answers are 'high'.
    assert found.scores_[0] == 0.5
    assert len(found.scores_) == 40
    assert found.best_estimator_.rows_ == len(ROWS)
    assert found.best_estimator_.slow
    assert found.scores_ == clone(search).fit(ROWS, LABELS).scores_
    assert found.scores_ != clone(search).set_params(random_state=1).fit(ROWS, LABELS).scores_


def test_choices_of_a_search_inside_a_fold_may_be_lists_and_whole_numbers_stay_whole():
    space = {"threshold": NumberRange(1, 60), "kinds": (("plain",), ["other", "plain"])}
    found = TrialSearch(Threshold(), space, trials=12, cv=FOLDS).fit(ROWS, LABELS).best_params_
    assert isinstance(found["threshold"], int)
    assert found["kinds"] in space["kinds"]


def test_trials_that_cannot_be_trained_are_left_out():
    space = {"threshold": (60.0, 95.0)}
    found = TrialSearch(Threshold(), space, trials=8, cv=FOLDS).fit(ROWS, LABELS)
    assert found.best_params_ == {"threshold": 60.0}
    assert np.isnan(found.scores_).any()
    with pytest.raises(SettingsError, match=r"--tune-trials 3: no trial can be trained .*the loss is not finite"):
        TrialSearch(Threshold(), {"threshold": (95.0, 96.0)}, trials=3, cv=FOLDS).fit(ROWS, LABELS)


def test_each_fold_of_an_evaluation_searches_its_training_speakers(prepared, monkeypatch):
    seen, original = [], TrialSearch.fit

    def spy(self, X, y):
        seen.append(set(X["speaker"]))
        return original(self, X, y)

    monkeypatch.setattr(TrialSearch, "fit", spy)
    classifier = {"name": "kernel-ridge", "tune": True, "trials": 3}
    result, _ = evaluate_prepared(under(prepared, classifier=classifier), SpeakerKFold(folds=2))
    assert result.protocol.selection == "inner-folds"
    assert result.classifier_settings["trials"] == 3
    trained = [train for _, train, _ in SpeakerKFold(folds=2).named_folds(prepared.table)]
    assert seen == [set(prepared.table["speaker"].iloc[places]) for places in trained]
    grid = CLASSIFIERS["kernel-ridge"].space
    for fold in result.folds:
        assert set(fold.parameters) == {"classifier__alpha", "classifier__gamma"}
        assert fold.parameters["classifier__alpha"] in grid["alpha"]
    page = result_tables(result)["by-fold"]
    assert page.columns[-1].name == "chosen parameters"
    chosen = result.folds[0].parameters
    assert f"classifier.alpha = {chosen['classifier__alpha']:.4g}, classifier.gamma = " in str(page.rows[0].cells[-1])


@pytest.mark.parametrize(
    ("spec", "searched"),
    [
        ({"classifier": {"name": "svm"}}, {"classifier__C", "classifier__gamma"}),
        ({"classifier": {"name": "svm", "parameters": {"kernel": "linear"}}}, {"classifier__C"}),
        (
            {"fusion": "average", "classifier": {"name": "svm"}, "features": {"blocks": ["mfcc", "rms"]}},
            {"classifier__classifier__C", "classifier__classifier__gamma"},
        ),
        (
            {"fusion": "average", "features": {"blocks": ["conv1d"]}, "networks": {"epochs": 2}},
            {f"features__conv1d__{name}" for name in NETWORKS["conv1d"].space if name != "epochs"},
        ),
        (
            {"task": "dimensions", "targets": ["arousal"], "classifier": {"name": "kernel-ridge"}},
            {"classifier__alpha", "classifier__gamma"},
        ),
    ],
    ids=["early", "linear kernel", "late", "network", "numbers"],
)
def test_what_each_pipeline_searches_inside_its_folds(spec, searched):
    spec = PipelineSpec(**spec)
    search = build_estimator(spec.changed(classifier=spec.classifier.changed(tune=True, trials=2)))
    assert set(search.space) == searched
    assert searched <= set(search.estimator.get_params())


@pytest.mark.parametrize("registry", [CLASSIFIERS, REGRESSORS], ids=["classes", "numbers"])
def test_a_grid_leaves_out_what_has_no_effect(registry):
    of_task = {"task": "dimensions", "targets": ["arousal"]} if registry is REGRESSORS else {}
    spec = PipelineSpec(classifier={"name": "svm", "parameters": {"kernel": "linear"}, "tune": True}, **of_task)
    assert set(build_estimator(spec).param_grid) == {"classifier__C"}


@pytest.mark.parametrize(
    ("given", "untried"),
    [
        ({"tune": True, "parameters": {"C": 10.0, "most_rows": 900}}, {}),
        ({"tune": True, "parameters": {"C": 5.0}}, {"C": "1.0, 10.0, 100.0"}),
        ({"tune": True, "trials": 2, "parameters": {"C": 5.0}}, {}),
        ({"tune": True, "trials": 2, "parameters": {"C": 5000.0}}, {"C": "0.1 to 1000, log scale"}),
        ({"parameters": {"C": 5000.0}}, {}),
    ],
)
def test_given_values_that_a_search_does_not_try(prepared, given, untried):
    assert untried_values(PipelineSpec(classifier={"name": "svm", **given}), prepared.extractor) == untried


@pytest.mark.parametrize("trials", [None, 2])
def test_a_result_names_the_version_of_what_searched(prepared, trials):
    classifier = {"name": "svm", "tune": True, "trials": trials}
    result, _ = evaluate_prepared(under(prepared, classifier=classifier), SpeakerKFold(folds=2))
    used = result.provenance["versions"].get("optuna")
    assert used == (None if trials is None else metadata.version("optuna"))


def test_a_search_inside_a_fold_needs_tune():
    with pytest.raises(SettingsError, match=r"trials has no effect without tune"):
        PipelineSpec(classifier={"trials": 5})
