"""Kernel machines that are fitted to a kernel computed beforehand, compared with scikit-learn's own."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.svm import SVC, SVR

from fusionser.classifiers import kernel_first
from fusionser.classifiers.svm import KernelSVC
from fusionser.regressors.svm import KernelSVR

SETTINGS = [
    {},
    {"C": 10.0, "gamma": 0.01, "class_weight": "balanced"},
    {"gamma": "auto"},
    {"kernel": "linear", "C": 0.1},
]


def rows(classes=4, size=240, columns=12):
    rng = np.random.default_rng(3)
    y = rng.integers(0, classes, size)
    return rng.normal(size=(size, columns)) + 0.6 * rng.normal(size=(classes, columns))[y], y


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("classes", [2, 4])
def test_the_classifier_is_that_of_scikit_learn(settings, classes):
    X, y = rows(classes)
    expected, fitted = SVC(**settings).fit(X[:200], y[:200]), KernelSVC(**settings).fit(X[:200], y[:200])
    np.testing.assert_array_equal(fitted.support_, expected.support_)
    np.testing.assert_allclose(fitted.decision_function(X), expected.decision_function(X), atol=1e-9)
    np.testing.assert_array_equal(fitted.predict(X), expected.predict(X))
    assert set(vars(fitted)) == set(vars(expected))
    assert fitted.get_params() == expected.get_params()


@pytest.mark.parametrize("settings", [{}, {"epsilon": 0.3, "gamma": 0.02}, {"kernel": "linear"}])
def test_the_regression_is_that_of_scikit_learn(settings):
    X, _ = rows()
    y = X[:, 0] - 2 * X[:, 1] ** 2
    expected, fitted = SVR(**settings).fit(X[:200], y[:200]), KernelSVR(**settings).fit(X[:200], y[:200])
    np.testing.assert_allclose(fitted.predict(X), expected.predict(X), atol=1e-9)


def test_equal_columns_are_fitted_as_by_scikit_learn():
    X, y = np.ones((6, 3)), [0, 1, 0, 1, 0, 1]
    np.testing.assert_array_equal(KernelSVC().fit(X, y).predict(X), SVC().fit(X, y).predict(X))


def test_more_rows_are_left_to_libsvm(monkeypatch):
    X, y = rows()
    expected = KernelSVC().fit(X, y).decision_function(X)
    monkeypatch.setattr(kernel_first, "MOST_AT_ONCE", 239)
    monkeypatch.setattr(kernel_first, "rbf_kernel", None)
    np.testing.assert_allclose(KernelSVC().fit(X, y).decision_function(X), expected, atol=1e-9)


def test_a_failed_fit_leaves_the_parameters_alone():
    machine = KernelSVC()
    with pytest.raises(ValueError, match="class"):
        machine.fit(np.ones((4, 2)), [1, 1, 1, 1])
    assert machine.kernel == "rbf"
    assert clone(machine).get_params() == SVC().get_params()


@pytest.mark.parametrize("wrong", [{"gamma": -1.0}, {"gamma": "wide"}, {"kernel": "round"}, {"C": 0.0}])
def test_parameters_are_refused_as_by_scikit_learn(wrong):
    X, y = rows()
    with pytest.raises(ValueError, match="must be") as expected:
        SVC(**wrong).fit(X, y)
    with pytest.raises(ValueError, match="must be") as found:
        KernelSVC(**wrong).fit(X, y)
    assert str(found.value).replace("KernelSVC", "SVC") == str(expected.value)
