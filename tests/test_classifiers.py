import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_blobs
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from fusionser.classifiers import CLASSIFIERS, SVM, KernelRidge, LinearSVM, RandomForest, XGBoost, classifier
from fusionser.errors import SettingsError
from fusionser.splits import InnerFolds


@parametrize_with_checks(
    [
        SVM(),
        SVM(probability=False),
        LinearSVM(n_components=30, epochs=5),
        KernelRidge(),
        RandomForest(n_estimators=10),
        XGBoost(n_estimators=5),
    ]
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def labelled():
    X, numbers = make_blobs(240, centers=4, n_features=5, cluster_std=2.5, random_state=0)
    labels = np.array(["angry", "calm", "happy", "sad"], dtype=object)[numbers]
    table = pd.DataFrame(X, columns=[f"a__{n}" for n in range(5)])
    table.insert(0, "speaker", [f"s{n % 6}" for n in range(240)])
    return table, labels


@pytest.mark.parametrize("name", sorted(CLASSIFIERS))
def test_string_labels_probabilities_and_seeds(labelled, name):
    table, labels = labelled
    fitted = classifier(name, seed=1).fit(table.iloc[:160], labels[:160])
    probabilities = fitted.predict_proba(table.iloc[160:])
    assert list(fitted.classes_) == ["angry", "calm", "happy", "sad"]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert np.mean(fitted.predict(table.iloc[160:]) == labels[160:]) > 0.8
    assert np.mean(fitted.classes_[probabilities.argmax(axis=1)] == fitted.predict(table.iloc[160:])) > 0.9
    again = classifier(name, seed=1).fit(table.iloc[:160], labels[:160])
    np.testing.assert_array_equal(probabilities, again.predict_proba(table.iloc[160:]))


@pytest.mark.parametrize("name", sorted(CLASSIFIERS))
def test_the_speakers_beside_the_features_are_not_features(labelled, name):
    table, labels = labelled
    fitted = classifier(name).fit(table, labels)
    assert fitted.n_features_in_ == 5
    turned = table.assign(speaker=table["speaker"].to_numpy()[::-1])
    np.testing.assert_array_equal(fitted.predict_proba(table), fitted.predict_proba(turned))
    np.testing.assert_array_equal(fitted.predict_proba(table), fitted.predict_proba(table.drop(columns="speaker")))


@pytest.mark.parametrize("name", sorted(CLASSIFIERS))
def test_class_weights_raise_the_recall_of_the_scarce(name):
    rng = np.random.default_rng(0)
    X = np.r_[rng.normal(0, 1, (400, 2)), rng.normal(1.2, 1, (25, 2))]
    y = np.array(["common"] * 400 + ["scarce"] * 25)
    new = rng.normal(1.2, 1, (500, 2))
    # Trees that fit every single row leave weights nothing to do.
    shallow = {"random-forest": {"min_samples_leaf": 10}, "xgboost": {"n_estimators": 30, "max_depth": 2}}
    # And networks that go back to the epoch of the best UAR make up for scarce classes by themselves.
    shallow |= {key: {"validation": 0.0, "epochs": 30, "learning_rate": 0.02} for key in ("mlp", "lstm", "bilstm")}
    recall = {
        weight: np.mean(
            classifier(name, class_weight=weight).set_params(**shallow.get(name, {})).fit(X, y).predict(new) == "scarce"
        )
        for weight in (None, "balanced")
    }
    assert recall["balanced"] > recall[None] + 0.2


def test_the_svms_decision_is_scikit_learns_and_its_calibration_is_by_speaker(labelled):
    table, labels = labelled
    X = table.drop(columns="speaker").to_numpy()
    fitted = SVM(random_state=3).fit(table, labels)
    np.testing.assert_array_equal(fitted.predict(table), SVC(C=10.0).fit(X, labels).predict(X))
    splits = list(InnerFolds(seed=3).split(table, labels))
    expected = CalibratedClassifierCV(SVC(C=10.0), cv=splits, ensemble=False).fit(X, labels).predict_proba(X)
    np.testing.assert_allclose(fitted.predict_proba(table), expected)
    for train, test in splits:
        assert not set(table["speaker"].iloc[train]) & set(table["speaker"].iloc[test])


def test_without_calibration_the_svm_still_gives_shares(labelled):
    table, labels = labelled
    probabilities = SVM(probability=False).fit(table, labels).predict_proba(table)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_one_class_and_unknown_names_are_told(labelled):
    table, _ = labelled
    for name in CLASSIFIERS:
        with pytest.raises(SettingsError, match="got one class, 'sad'"):
            classifier(name).fit(table, ["sad"] * 240)
        with pytest.raises(SettingsError, match="2 of 240 labels are missing, the first in row 1;"):
            classifier(name).fit(table, ["sad", None, "happy", float("nan")] + ["sad"] * 236)
    with pytest.raises(
        SettingsError, match=r"unknown classifier 'smv'; did you mean 'svm'\? Known: svm, linear-svm, kernel-ridge"
    ):
        classifier("smv")


def test_every_classifier_has_a_grid_of_its_own_parameters():
    for kind in CLASSIFIERS.values():
        assert kind.grid
        assert set(kind.grid) <= set(kind().get_params())
