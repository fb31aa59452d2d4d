"""What a pipeline relies on: against closed forms, scikit-learn, and planted columns."""

import numpy as np
import pandas as pd
import pytest
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from fusionser.errors import SettingsError
from fusionser.evaluation.importance import average_importance, column_groups, fold_importance


class Columns(FunctionTransformer):
    """Columns of numbers with names, read off a table."""

    def __init__(self, names=()):
        super().__init__(lambda rows: rows[list(names)].to_numpy(), feature_names_out=self._named)
        self.names = names

    @staticmethod
    def _named(self, given):
        return np.asarray(self.names, dtype=object)


def rows_of(speakers=4, each=50, seed=0):
    """Rows of two classes: the column 'told' is the class, 'half' tells some of it, the others nothing."""
    rng = np.random.default_rng(seed)
    count = speakers * each
    truth = np.tile([0, 1], count // 2)
    return pd.DataFrame(
        {
            "speaker": np.repeat([f"s{place}" for place in range(speakers)], each),
            "emotion": np.where(truth == 1, "angry", "calm"),
            "voice__told": 2.0 * truth - 1.0,
            "voice__half": truth + rng.normal(0, 1.0, count),
            "noise__a": rng.normal(size=count),
            "noise__b": rng.normal(size=count),
        }
    )


def fitted(rows, names):
    return make_pipeline(Columns(names), StandardScaler(), LogisticRegression()).fit(rows, rows["emotion"])


def test_a_column_that_tells_all_loses_all_but_chance():
    rows = rows_of()
    names = ("voice__told", "noise__a", "noise__b")
    pipeline = fitted(rows, names)
    # Of nothing but the column that tells all, so that what is lost has a closed form: one half.
    pipeline[-1].coef_ = np.array([[-1.0, 0.0, 0.0]]) * np.sign(-pipeline[-1].coef_[0, 0])
    pipeline[-1].intercept_ = np.zeros(1)
    drops = fold_importance(pipeline, rows, "features", shuffles=40)
    found = average_importance([drops])
    assert found["voice"][0] == pytest.approx(0.5, abs=0.03)
    assert found["voice__told"] == found["voice"]
    assert found["noise"] == found["noise__a"] == found["noise__b"] == (0.0, None)
    assert next(iter(found)) in ("voice", "voice__told")


def test_single_columns_agree_with_scikit_learn():
    rows = rows_of(speakers=1, each=400)
    names = ("voice__half", "noise__a")
    pipeline = fitted(rows, names)
    found = average_importance([fold_importance(pipeline, rows, "features", shuffles=60)])
    theirs = permutation_importance(
        pipeline[1:], rows[list(names)].to_numpy(), rows["emotion"], n_repeats=60, scoring="balanced_accuracy"
    )
    for place, name in enumerate(names):
        assert found[name][0] == pytest.approx(theirs.importances_mean[place], abs=0.015)


def test_columns_of_a_block_are_shuffled_together():
    """Two copies of one column: either stands in for the other, and both together are all there is."""
    rows = rows_of().assign(other__told=lambda table: table["voice__told"])
    alone = average_importance([fold_importance(fitted(rows, ("voice__told", "other__told")), rows, "blocks")])
    assert alone["voice"][0] < 0.35
    together = rows.rename(columns={"other__told": "voice__again"})
    both = average_importance([fold_importance(fitted(together, ("voice__told", "voice__again")), together, "blocks")])
    assert both["voice"][0] > 0.45


def test_a_speaker_of_several_folds_counts_once():
    folds = [{"voice": {"a": 0.4, "b": 0.1}}, {"voice": {"a": 0.2}}]
    assert average_importance(folds) == {"voice": (pytest.approx(0.2), None)}
    with pytest.raises(SettingsError, match="the folds have different columns"):
        average_importance([{"voice": {"a": 0.1}}, {"noise": {"a": 0.1}}])


def test_kinds_are_told():
    with pytest.raises(SettingsError, match="unknown kind of importance 'rows'"):
        column_groups(["mfcc__0"], "rows")


def test_an_evaluation_tells_what_it_relies_on(command, demo_folder, tmp_path):
    given = ["evaluate", demo_folder, "--corpus", "demo", "--blocks", "mfcc,zcr", "--folds", "4"]
    plain = command(*given, "--json").json
    asked = command(*given, "--importance", "features", "--json").json
    assert plain["importance"] == {}
    assert plain["confusion"] == asked["confusion"]
    found = asked["importance"]
    blocks = {name for name in found if "__" not in name}
    assert blocks == {"mfcc", "zcr"} and len(found) == 2 + asked["feature_count"]
    assert found["mfcc"][0] > 0.1 and found["mfcc"][1][0] <= found["mfcc"][0] <= found["mfcc"][1][1]
    shown = command(*given, "--importance", "blocks", "--out", tmp_path)
    assert "what the classifier relies on" in shown.output
    assert f"| mfcc | {100 * found['mfcc'][0]:.1f} |" in (tmp_path / "report.md").read_text()
    wrong = command(*given, "--importance", "rows")
    assert wrong.status == 1 and "unknown kind of importance 'rows'" in wrong.messages


def test_a_study_tells_it_of_its_first_features(command, demo_folder, tmp_path):
    given = ["ablate", demo_folder, "--corpus", "demo", "--folds", "4", "--study", "blocks", "--blocks", "mfcc,zcr"]
    assert command(*given, "--out", tmp_path).status == 0
    assert "relies on" not in (tmp_path / "report.md").read_text()
    # What was evaluated without it is evaluated again.
    answer = command(*given, "--importance", "blocks", "--out", tmp_path)
    assert answer.status == 0, answer.messages
    assert (tmp_path / "report.md").read_text().count("relies on: all blocks") == 1
    assert "What the classifiers rely on" in (tmp_path / "report.html").read_text()
