"""Kernel ridge classification and regression, and the presets that are made for it."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from fusionser_cli.audit import _scoring
from scipy.special import softmax
from sklearn.datasets import make_blobs
from sklearn.kernel_ridge import KernelRidge as Ridge
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from skops_files import X as COLUMNS
from skops_files import Y as CLASSES

from fusionser import PipelineSpec, regressors
from fusionser.classifiers import KernelRidge
from fusionser.errors import ModelFileError, SettingsError
from fusionser.estimators import dump_estimators, load_estimators
from fusionser.scaling import BlockScaler
from fusionser.spec import Config, FeaturesSpec, stored_elsewhere
from fusionser.splits import InnerFolds


@pytest.fixture(scope="module")
def labelled():
    X, numbers = make_blobs(240, centers=4, n_features=5, cluster_std=2.5, random_state=0)
    table = pd.DataFrame(X, columns=[f"a__{n}" for n in range(5)])
    table.insert(0, "speaker", [f"s{n % 6}" for n in range(240)])
    return table, np.array(["angry", "calm", "happy", "sad"], dtype=object)[numbers]


def by_hand(X, targets, new, alpha=0.3, weights=None):
    """Return the outputs for new rows, by the closed form."""
    gamma = 1 / (X.shape[1] * X.var())
    mean = np.average(targets, axis=0, weights=weights)
    root = np.ones((len(X), 1)) if weights is None else np.sqrt(weights)[:, None]
    inner = root * rbf_kernel(X, gamma=gamma) * root.T + alpha * np.eye(len(X))
    dual = root * np.linalg.solve(inner, root * (targets - mean))
    return rbf_kernel(new, X, gamma=gamma) @ dual + mean


@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_the_machine_has_its_closed_form_and_its_calibration_is_by_speaker(labelled, class_weight):
    table, labels = labelled
    # Unequal classes, so that their weights matter.
    table, labels = table.iloc[60:], labels[60:]
    X, targets = table.drop(columns="speaker").to_numpy(), (labels[:, None] == np.unique(labels)) * 1.0

    def shares(rows):
        """Return the weights of rows, of which each class has equally many in sum."""
        if class_weight is None:
            return None
        found = 1 / targets[rows].sum(axis=0)[targets[rows].argmax(axis=1)]
        return found / found.mean()

    outputs, codes = [], []
    for train, test in InnerFolds(seed=3).split(table, labels):
        assert not set(table["speaker"].iloc[train]) & set(table["speaker"].iloc[test])
        outputs.append(by_hand(X[train], targets[train], X[test], weights=shares(train)))
        codes.append(targets[test].argmax(axis=1))
    logistic = LogisticRegression(max_iter=2000, class_weight=class_weight)
    logistic.fit(5 * np.concatenate(outputs), np.concatenate(codes))
    expected = logistic.predict_proba(5 * by_hand(X, targets, X, weights=shares(slice(None))))
    fitted = KernelRidge(random_state=3, class_weight=class_weight).fit(table, labels)
    np.testing.assert_allclose(fitted.predict_proba(table), expected, atol=1e-6)
    np.testing.assert_array_equal(fitted.predict(table), fitted.classes_[expected.argmax(axis=1)])


def test_two_classes_have_one_probability_and_its_rest(labelled):
    table, labels = labelled
    two = np.where(labels == "sad", "sad", "calm")
    X, targets = table.drop(columns="speaker").to_numpy(), (two[:, None] == ["calm", "sad"]) * 1.0
    folds = list(InnerFolds(seed=0).split(table, two))
    outputs = np.concatenate([by_hand(X[train], targets[train], X[test]) for train, test in folds])
    codes = np.concatenate([targets[test, 1] for _, test in folds])
    expected = LogisticRegression(max_iter=2000).fit(5 * outputs, codes).predict_proba(5 * by_hand(X, targets, X))
    np.testing.assert_allclose(KernelRidge().fit(table, two).predict_proba(table), expected, atol=1e-6)


def test_without_rows_to_calibrate_on_the_outputs_alone_give_probabilities():
    X, y = np.array([[0.0, 0.0], [1.0, 0.5], [0.1, 0.9]]), np.array(["calm", "sad", "sad"])
    targets = (y[:, None] == ["calm", "sad"]) * 1.0
    expected = softmax(5 * by_hand(X, targets, X), axis=1)
    np.testing.assert_allclose(KernelRidge().fit(X, y).predict_proba(X), expected)


@pytest.mark.parametrize("kind", [KernelRidge, regressors.KernelRidge])
def test_rows_that_change_after_training_change_nothing(kind):
    rows = np.random.default_rng(1).normal(size=(60, 3))
    fitted = kind().fit(rows, np.arange(60) % 3)
    before = fitted.predict(rows.copy())
    kept = rows.copy()
    rows[:] = 0
    np.testing.assert_array_equal(fitted.predict(kept), before)


def test_the_regression_is_scikit_learns_of_standardised_targets():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = np.c_[X[:, 0], 100 - 20 * X[:, 1]] + rng.normal(0, 0.1, (60, 2))
    fitted = regressors.KernelRidge(alpha=0.5, gamma=0.2).fit(X, y)
    expected = Ridge(alpha=0.5, kernel="rbf", gamma=0.2).fit(X, (y - y.mean(axis=0)) / y.std(axis=0))
    np.testing.assert_allclose(fitted.predict(X), expected.predict(X) * y.std(axis=0) + y.mean(axis=0))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"alpha": 0.0}, "alpha is 0.0; expected a number above 0"),
        ({"alpha": "x"}, "alpha is 'x'; expected a number above 0"),
        ({"alpha": None}, "alpha is None; expected a number above 0"),
        ({"alpha": [0.1]}, r"alpha is \[0.1\]; expected a number above 0"),
        ({"alpha": True}, "alpha is True; expected a number above 0"),
        ({"gamma": "auto"}, "gamma is 'auto'; expected"),
        ({"gamma": None}, "gamma is None; expected"),
        ({"gamma": True}, "gamma is True; expected"),
        ({"most_rows": "x"}, "most_rows is 'x'; expected a whole number"),
    ],
)
@pytest.mark.parametrize("kind", [KernelRidge, regressors.KernelRidge])
def test_settings_that_cannot_work_are_told(kind, settings, said):
    with pytest.raises(SettingsError, match=said):
        kind(**settings).fit(COLUMNS, np.arange(60) % 3)


def test_weights_of_classes_that_are_unknown_are_told():
    with pytest.raises(SettingsError, match="class_weight is 'foo'; expected None, 'balanced' or weights"):
        KernelRidge(class_weight="foo").fit(COLUMNS, CLASSES)


HOSTILE = {
    "rows of other columns": {"landmarks_": np.zeros((60, 2))},
    "too few weights": {"weights_": np.zeros((60, 1))},
    "no slopes": {"slopes_": np.zeros((0, 0))},
    "offsets that are not finite": {"offsets_": np.array([0.0, np.nan, 0.0])},
    "a width of 0": {"gamma_": 0.0},
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_files_whose_parts_do_not_fit_are_refused(change):
    fitted = KernelRidge().fit(COLUMNS, CLASSES)
    vars(fitted).update(change)
    content = dump_estimators({"scale": BlockScaler().fit(COLUMNS), "classifier": fitted})
    with pytest.raises(ModelFileError, match="machine"):
        load_estimators(content, {"scale": BlockScaler, "classifier": KernelRidge})


def test_the_preset_best_has_it_unless_another_classifier_is_named():
    best = {"features": {"preset": "best"}}
    assert PipelineSpec(**best).classifier.name == "kernel-ridge"
    assert PipelineSpec().classifier.name == PipelineSpec(features={"preset": "wide"}).classifier.name == "svm"
    for name in ("svm", "kernel-ridge", "xgboost"):
        spec = PipelineSpec(**best, classifier={"name": name})
        assert spec.classifier.name == name
        assert PipelineSpec(**spec.plain()) == PipelineSpec(**spec.explicit().plain()).changed(
            classifier=spec.classifier, fusion=None
        )
    with stored_elsewhere():
        assert PipelineSpec(**best).classifier.name == "svm"


def test_other_features_bring_their_classifier_unless_one_was_named_or_has_parameters():
    best, wide = FeaturesSpec(preset="best"), FeaturesSpec(preset="wide")
    assert PipelineSpec().with_features(best).classifier.name == "kernel-ridge"
    assert PipelineSpec().with_features(best).with_features(wide).classifier.name == "svm"
    assert PipelineSpec().changed(features=best).changed(features=wide, seed=1).classifier.name == "svm"
    for name in ("svm", "xgboost"):
        named = PipelineSpec(classifier={"name": name})
        assert named.with_features(best).with_features(wide).with_features(best).classifier.name == name
    scaled = PipelineSpec(classifier={"scaling": "minmax"}).with_features(best).classifier
    assert (scaled.name, scaled.scaling) == ("kernel-ridge", "minmax")
    kept = PipelineSpec(classifier={"parameters": {"C": 3.0}}).with_features(best)
    assert (kept.classifier.name, kept.classifier.parameters) == ("svm", {"C": 3.0})


def test_a_stored_specification_keeps_its_classifier_when_it_is_changed():
    with stored_elsewhere():
        stored = PipelineSpec(features={"preset": "best"}, classifier={"scaling": "bounded"})
    assert stored.changed(seed=1).classifier.name == "svm"
    assert stored.plain()["classifier"]["name"] == "svm"


def test_a_settings_file_keeps_the_classifier_that_it_names(tmp_path):
    (tmp_path / "svm.toml").write_text('[pipeline.classifier]\nname = "svm"\n')
    spec = Config.load(tmp_path / "svm.toml").pipeline
    assert spec.with_features(FeaturesSpec(preset="best")).classifier.name == "svm"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"preset": "best"}, ("kernel-ridge", "bounded")),
        ({"preset": "best", "classifier": "svm"}, ("svm", "bounded")),
        ({"preset": "wide", "scaling": "bounded"}, ("svm", "bounded")),
        ({"preset": "wide"}, ("svm", "standard")),
    ],
)
def test_an_audit_scores_with_the_classifier_and_the_scaling_that_are_asked_for(options, expected):
    given = {"preset": None, "blocks": None, "classifier": None, "scaling": None, "score": True, "seed": 0}
    asked = SimpleNamespace(**given | options)
    spec = _scoring(asked).keywords["spec"]
    assert (spec.classifier.name, spec.scaling) == expected
