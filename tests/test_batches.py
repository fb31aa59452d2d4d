"""Fitting from batches gives what fitting everything at once gives."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_blobs

from fusionser.classifiers import LinearSVM, XGBoost, shuffled_rows
from fusionser.errors import FusionserError, SettingsError
from fusionser.scaling import BATCH_SCALINGS, BlockScaler
from fusionser.splits import InnerFolds
from fusionser.splits.row_ids import RowIds


@pytest.fixture(scope="module")
def rows():
    """Rows of ten speakers with columns of other units, ties and long tails, and their labels."""
    rng = np.random.default_rng(0)
    count = 1500
    values = {
        "a__far": rng.normal(1e6, 1.0, count),
        "a__small": rng.normal(0, 1e-5, count),
        "b__tail": rng.exponential(size=count) ** 3,
        "b__whole": rng.integers(0, 4, count).astype(float),
        "b__same": np.full(count, 7.0),
        "plain": rng.normal(size=count),
    }
    table = pd.DataFrame(values)
    numbers = (table["plain"] + rng.normal(0, 0.3, count) > 0).astype(int) + 2 * (table["b__tail"] > 1)
    table.insert(0, "source", [f"{place}.wav" for place in range(count)])
    table.insert(0, "speaker", [f"s{place % 10}" for place in range(count)])
    table.insert(2, "augmentation", ["" if place % 3 else "noise(1)#1" for place in range(count)])
    return table, np.array(["angry", "calm", "happy", "sad"], dtype=object)[numbers]


def in_parts(table, size):
    return [table.iloc[first : first + size] for first in range(0, len(table), size)]


def batches_of(table, labels, size, weights=None):
    def batches():
        for first in range(0, len(table), size):
            part = slice(first, first + size)
            yield table.iloc[part], labels[part], None if weights is None else weights[part]

    return batches


@pytest.mark.parametrize("scaling", [*BATCH_SCALINGS, {"a": "minmax", "b": "none", "": "bounded"}], ids=str)
@pytest.mark.parametrize("size", [1, 130])
def test_a_scaler_of_batches_is_that_of_all_rows(rows, scaling, size):
    table = rows[0].iloc[: 20 * size]
    whole = BlockScaler(scaling=scaling, equal_blocks=True).fit(table)
    pieces = BlockScaler(scaling=scaling, equal_blocks=True).fit_batches(in_parts(table, size))
    assert sorted(vars(whole)) == sorted(vars(pieces))
    np.testing.assert_allclose(pieces.mean_, whole.mean_, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(pieces.std_, whole.std_, rtol=1e-9, atol=1e-12)
    names = [name for name in table if name not in whole.carried_]
    found, expected = (one.transform(table)[names].to_numpy() for one in (pieces, whole))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_scalings_that_need_all_rows_are_refused(rows):
    for settings, message in (
        ({"scaling": "robust"}, "the scaling 'robust' needs all rows at once, .* standard, bounded, minmax, none"),
        ({"scaling": {"b": "quantile"}}, "the scaling 'quantile' needs all rows at once"),
        ({"by_speaker": True}, "by_speaker and adaptation need all rows at once"),
    ):
        with pytest.raises(SettingsError, match=message):
            BlockScaler(**settings).fit_batches([rows[0]])
    with pytest.raises(SettingsError, match="got no rows"):
        BlockScaler().fit_batches([])


@pytest.mark.parametrize("weight", [None, "balanced"])
def test_boosted_trees_of_batches_are_those_of_all_rows(rows, weight):
    table, labels = rows
    settings = {"n_estimators": 10, "class_weight": weight}
    whole = XGBoost(**settings).fit(table, labels)
    pieces = XGBoost(**settings).fit_batches(batches_of(table, labels, 170))
    assert pieces.pack() == whole.pack()


@pytest.mark.parametrize("block", [100, 10_000])
def test_a_linear_machine_of_batches_is_that_of_all_rows(rows, monkeypatch, block):
    monkeypatch.setattr(shuffled_rows, "BLOCK", block)
    table, labels = rows
    scaled = BlockScaler().fit_transform(table)
    settings = {"n_components": 30, "epochs": 3, "class_weight": "balanced"}
    whole = LinearSVM(**settings).fit(scaled, labels)
    pieces = LinearSVM(**settings).fit_batches(batches_of(scaled, labels, 64))
    np.testing.assert_array_equal(pieces.landmarks_, whole.landmarks_)
    np.testing.assert_allclose(pieces.predict_proba(scaled), whole.predict_proba(scaled), atol=1e-4)
    assert pieces.temperature_ == pytest.approx(whole.temperature_, rel=1e-3)


@pytest.fixture(scope="module")
def blobs():
    """Rows of three classes, sorted by class."""
    X, numbers = make_blobs(900, centers=3, n_features=4, cluster_std=2.0, random_state=0)
    order = np.argsort(numbers)
    return pd.DataFrame(X[order]), np.array(["angry", "calm", "sad"], dtype=object)[numbers[order]]


def test_rows_may_be_sorted_by_class(blobs, monkeypatch):
    monkeypatch.setattr(shuffled_rows, "BLOCK", 100)
    X, labels = blobs
    fitted = LinearSVM(n_components=50, epochs=5).fit_batches(batches_of(X, labels, 64))
    assert np.mean(fitted.predict(X) == labels) > 0.9


@pytest.mark.parametrize("kind", [LinearSVM(n_components=50), XGBoost(n_estimators=20)], ids=["svm", "trees"])
def test_rows_without_weight_do_not_count(blobs, kind):
    X, labels = blobs
    # Every row comes twice, the second time with the label of another class.
    wrong = pd.Series(labels).map({"angry": "calm", "calm": "sad", "sad": "angry"})
    weights = np.repeat([1.0, 0.0], len(labels))
    fitted = kind.fit_batches(batches_of(pd.concat([X, X]), np.r_[labels, wrong], 200, weights))
    assert np.mean(fitted.predict(X) == labels) > 0.9


@pytest.mark.parametrize("kind", [LinearSVM(n_components=9, epochs=1), XGBoost(n_estimators=2)], ids=["svm", "trees"])
def test_batches_that_cannot_be_learned_from_are_told(rows, kind):
    table, labels = rows
    counted = []

    def shrinking():
        counted.append(None)
        return [(table.iloc[len(counted) :], labels[len(counted) :], None)]

    for batches, message in (
        (list, "got no rows; expected batches"),
        (batches_of(table, np.full(len(labels), "sad"), 400), "got one class, 'sad', in 1500 rows"),
        (shrinking, "a pass over the batches gave 1498 rows, and the first pass 1499"),
    ):
        with pytest.raises(SettingsError, match=message):
            kind.fit_batches(batches)
    with pytest.raises(SettingsError, match="the weights of all rows are 0"):
        kind.fit_batches(batches_of(table, labels, 400, np.zeros(len(labels))))
    for weights in (np.ones(3), np.full(len(labels), -1.0), np.full(len(labels), np.nan)):
        with pytest.raises(SettingsError, match="the weights of a batch of 400 rows"):
            kind.fit_batches(lambda given=weights: [(table.iloc[:400], labels[:400], given[-400:])])
    with pytest.raises(SettingsError, match="balance is 'smote', which needs all rows at once"):
        type(kind)(balance="smote").fit_batches(batches_of(table, labels, 400))


def test_boosted_trees_of_batches_are_for_the_cpu(rows):
    with pytest.raises(SettingsError, match="device is 'cuda'"):
        XGBoost(device="cuda").fit_batches(batches_of(*rows, 400))


def test_inner_folds_of_ids_keep_speakers_and_copies_together(rows):
    table, labels = rows
    ids = RowIds()
    for part in in_parts(table, 64):
        ids.add(part, len(part))
    sources, speakers = ids.arrays()
    for train, test in InnerFolds().split_ids(labels, sources, speakers):
        assert not set(table["speaker"].iloc[train]) & set(table["speaker"].iloc[test])
    unknown = RowIds()
    unknown.add(table.assign(speaker="", source=[f"{place // 3}.wav" for place in range(len(table))]), len(table))
    sources, speakers = unknown.arrays()
    assert speakers is None
    for train, test in InnerFolds().split_ids(labels, sources, speakers):
        assert not set(train // 3) & set(test // 3)


def test_a_full_disk_is_told_before_xgboost_ends_the_process(rows, monkeypatch):
    table, labels = rows
    columns = table[["plain", "b__tail"]]
    monkeypatch.setattr("fusionser.folders.shutil.disk_usage", lambda folder: SimpleNamespace(free=100))
    with pytest.raises(FusionserError, match=r"rows for XGBoost cannot be written to .*: 100 bytes are left; .*TMPDIR"):
        XGBoost().fit_batches(batches_of(columns, labels, 500))


def test_a_full_disk_is_told_of_a_linear_svm(monkeypatch):
    monkeypatch.setattr(shuffled_rows, "BLOCK", 2)
    kind = np.dtype([("x", "f4")])
    with shuffled_rows.ShuffledRows(10, kind, seed=0) as store:
        store._folder = Path("/nowhere/at/all")
        with pytest.raises(FusionserError, match=r"rows for a linear SVM cannot be written to /nowhere.*TMPDIR"):
            store.add(np.zeros(4, dtype=kind))
