"""The linear support vector machine on kernel features, and the limit of rows of the one with a kernel."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_moons
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC
from skops_files import X as COLUMNS
from skops_files import Y as CLASSES
from threadpoolctl import threadpool_limits

from fusionser import regressors
from fusionser.classifiers import SVM, BalancedBagging, KernelRidge, LateFusion, LinearSVM, shuffled_rows
from fusionser.classifiers.kernel_features import KernelFeatures, RowSample
from fusionser.classifiers.shuffled_rows import ShuffledRows
from fusionser.errors import ModelFileError, SettingsError
from fusionser.estimators import dump_estimators, load_estimators
from fusionser.scaling import BlockScaler


def sampled(values, size, parts):
    sample = RowSample(size, seed=3)
    for part in np.array_split(values, parts):
        sample.add(part)
    return sample


def test_a_sample_does_not_depend_on_the_batches_and_has_the_variance_of_all_rows():
    values = np.random.default_rng(0).normal(50, 3, (1000, 4))
    whole, pieces = sampled(values, 20, 1), sampled(values, 20, 37)
    np.testing.assert_array_equal(whole.rows, pieces.rows)
    assert len({tuple(row) for row in whole.rows}) == 20
    assert pieces.variance == pytest.approx(values.var(), rel=1e-12)


def test_with_all_rows_as_landmarks_the_features_have_the_kernel_as_their_products():
    values = np.random.default_rng(1).normal(size=(60, 3))
    kernel = KernelFeatures(sampled(values, 60, 1), 60, 0.3, seed=0)
    features = kernel.of(values) / kernel._scale + kernel._mean
    np.testing.assert_allclose(features @ features.T, rbf_kernel(values, gamma=0.3), atol=1e-9)
    assert np.abs(kernel.of(values).mean(axis=0)).max() < 1e-9
    assert np.square(kernel.of(values)).sum(axis=1).mean() == pytest.approx(1)
    coefficients, intercept = np.random.default_rng(2).normal(size=(2, 60)), np.array([0.5, -1.0])
    new = np.random.default_rng(3).normal(size=(10, 3))
    found = kernel.machine(coefficients, intercept).outputs(new)
    np.testing.assert_allclose(found, kernel.of(new) @ coefficients.T + intercept, atol=1e-7)


@pytest.mark.parametrize("block", [10, 1000])
def test_every_row_comes_once_in_each_pass_and_each_time_in_another_order(monkeypatch, block):
    monkeypatch.setattr(shuffled_rows, "BLOCK", block)
    dtype = np.dtype([("number", "i4")])
    numbers = np.arange(200)
    orders = []
    for parts in (1, 9):
        with ShuffledRows(200, dtype, seed=0) as store:
            for part in np.array_split(numbers, parts):
                store.add(part.astype("i4").view(dtype))
            orders += [np.concatenate([block["number"] for block in store.blocks()]) for _ in range(2)]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), numbers)
        assert abs(np.corrcoef(order, numbers)[0, 1]) < 0.3
    np.testing.assert_array_equal(orders[:2], orders[2:])
    assert not np.array_equal(orders[0], orders[1])


def test_it_finds_the_curved_border_that_the_kernel_finds():
    X, numbers = make_moons(1200, noise=0.2, random_state=0)
    y = np.array(["calm", "sad"], dtype=object)[numbers]
    expected = SVC(C=10.0).fit(X[:800], y[:800]).score(X[800:], y[800:])
    fitted = LinearSVM(n_components=100).fit(X[:800], y[:800])
    assert fitted.score(X[800:], y[800:]) > expected - 0.02 > 0.9
    probabilities = fitted.predict_proba(X)
    np.testing.assert_array_equal(fitted.predict(X), fitted.classes_[probabilities.argmax(axis=1)])
    np.testing.assert_array_equal(fitted.decision_function(X) > 0, fitted.predict(X) == "sad")


def test_probabilities_of_rows_that_cannot_be_told_apart_are_the_shares_of_the_classes():
    rng = np.random.default_rng(4)
    table = pd.DataFrame({"speaker": [f"s{place % 8}" for place in range(800)], "a__x": rng.normal(size=800)})
    labels = np.where(rng.random(800) < 0.5, "calm", "sad").astype(object)
    calibrated, raw = (
        LinearSVM(n_components=50, probability=given).fit(table, labels).predict_proba(table) for given in (True, False)
    )
    assert raw.max() > 0.8
    assert calibrated.max() < 0.65


def test_balanced_rows_raise_the_recall_of_the_scarce():
    rng = np.random.default_rng(0)
    X = np.r_[rng.normal(0, 1, (400, 2)), rng.normal(1.2, 1, (30, 2))]
    y = np.array(["common"] * 400 + ["scarce"] * 30, dtype=object)
    new = rng.normal(1.2, 1, (500, 2))
    recall = {
        balance: np.mean(LinearSVM(n_components=50, balance=balance).fit(X, y).predict(new) == "scarce")
        for balance in (None, "smote")
    }
    assert recall["smote"] > recall[None] + 0.2


def test_threads_do_not_matter():
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            fitted = LinearSVM(n_components=300, epochs=2).fit(np.tile(COLUMNS, (20, 70)), np.tile(CLASSES, 20))
            found.append((fitted.weights_, fitted.predict_proba(np.tile(COLUMNS, (20, 70)))))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_components": 0}, "n_components is 0; expected 1 or more"),
        ({"gamma": -1.0}, "gamma is -1.0; expected 'scale' or a number above 0"),
        ({"gamma": "auto"}, "gamma is 'auto'; expected 'scale'"),
        ({"epochs": 0}, "epochs is 0; expected 1 or more, or None"),
        ({"class_weight": "equal"}, "class_weight is 'equal'; expected 'balanced'"),
    ],
)
def test_parameters_out_of_range_are_told(settings, message):
    with pytest.raises(SettingsError, match=message):
        LinearSVM(**settings).fit(COLUMNS, CLASSES)


HOSTILE = {
    "landmarks of other columns": {"landmarks_": np.zeros((5, 2))},
    "no landmarks": {"landmarks_": np.zeros((0, 3)), "weights_": np.zeros((0, 3))},
    "landmarks that are whole numbers": {"landmarks_": np.zeros((5, 3), dtype=np.int64)},
    "weights of other classes": {"weights_": np.zeros((5, 2))},
    "weights that are not finite": {"weights_": np.full((5, 3), np.nan)},
    "an intercept too many": {"intercept_": np.zeros(4)},
    "a width below zero": {"gamma_": -1.0},
    "a width that is a text": {"gamma_": "scale"},
    "a temperature of zero": {"temperature_": 0.0},
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_files_whose_parts_do_not_fit_are_refused(change):
    fitted = LinearSVM(n_components=5, epochs=1).fit(COLUMNS, CLASSES)
    vars(fitted).update(change)
    content = dump_estimators({"scale": BlockScaler().fit(COLUMNS), "classifier": fitted})
    with pytest.raises(ModelFileError, match="linear machine" if "temperature_" in change else "kernel machine"):
        load_estimators(content, {"scale": BlockScaler, "classifier": LinearSVM})


@pytest.mark.parametrize("kind", [SVM, regressors.SVM, KernelRidge, regressors.KernelRidge])
def test_the_kernel_machine_refuses_more_rows_than_its_limit(kind):
    name = "svm" if "SVM" in kind.__name__ else "kernel-ridge"
    said = f"{name} got 60 training rows; expected at most 50, .* linear-svm.*most_rows"
    with pytest.raises(SettingsError, match=said):
        kind(most_rows=50).fit(COLUMNS, np.arange(60) % 3)
    for most in (60, None):
        kind(most_rows=most).fit(COLUMNS, np.arange(60) % 3)


def test_the_limit_is_that_of_what_a_fusion_or_a_bag_fits():
    with pytest.raises(SettingsError, match="svm got 60 training rows"):
        LateFusion(classifier=SVM(most_rows=50)).check_size(60)
    BalancedBagging(classifier=SVM(most_rows=50)).check_size(60)
