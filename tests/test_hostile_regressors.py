"""Files with regressors: what fusionser did not write is refused before compiled code reads it."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from skops import io as skops_io
from skops_files import X, nodes_of, packed, unpacked

from fusionser.archive import read_archive, write_archive
from fusionser.classifiers import RandomForest as ForestOfClasses
from fusionser.classifiers.booster import check_regression_booster
from fusionser.errors import ModelFileError
from fusionser.estimators import dump_estimators, load_estimators
from fusionser.regressors import LSTM, MLP, SVM, BiLSTM, KernelRidge, LateFusion, LinearSVM, RandomForest, XGBoost
from fusionser.scaling import BlockScaler

Y = np.c_[X[:, 0], 10 * X[:, 1]]


def dumped(regressor):
    return dump_estimators({"scale": BlockScaler().fit(X), "classifier": regressor})


def loaded(content, kind):
    return load_estimators(content, {"scale": BlockScaler, "classifier": kind})["classifier"]


@pytest.mark.parametrize(
    "regressor",
    [SVM(), LinearSVM(n_components=5, epochs=1), KernelRidge(), RandomForest(n_estimators=3)],
    ids=["svm", "linear-svm", "kernel-ridge", "random-forest"],
)
@pytest.mark.parametrize("targets", [1, 2])
def test_what_is_read_is_what_skops_reads(regressor, targets):
    content = dumped(regressor.fit(X, Y[:, :targets]))
    theirs = skops_io.loads(content, trusted=skops_io.get_untrusted_types(data=content))["classifier"]
    ours = loaded(content, type(regressor))
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    np.testing.assert_array_equal(ours.predict(X), regressor.predict(X))


def changed(fitted, change):
    """Return the file of a fitted regressor after a change of its parts."""
    change(fitted)
    return dumped(fitted)


def _set(place, name, value):
    setattr(place, name, value)


MACHINES = {
    "vectors of other columns": lambda one: _set(one, "support_vectors_", np.zeros((len(one.support_), 2))),
    "too few coefficients": lambda one: _set(one, "_dual_coef_", one._dual_coef_[:, :-1].copy()),
    "no intercept": lambda one: _set(one, "_intercept_", np.zeros(0)),
    "more vectors than there are": lambda one: _set(one, "_n_support", one._n_support + 5),
    "a negative count": lambda one: _set(one, "_n_support", -one._n_support),
    "three classes": lambda one: _set(one, "_n_support", np.repeat(one._n_support[:1], 3)),
    "another machine": lambda one: _set(one, "_impl", "c_svc"),
    "another kernel": lambda one: _set(one, "kernel", "precomputed"),
    "sparse": lambda one: _set(one, "_sparse", True),
    "probabilities": lambda one: _set(one, "_probA", np.zeros(4)),
}


@pytest.mark.parametrize("change", MACHINES.values(), ids=MACHINES)
def test_machines_whose_arrays_do_not_fit_are_refused(change):
    content = changed(SVM().fit(X, Y), lambda fitted: change(fitted.machines_[1]))
    with pytest.raises(ModelFileError, match="a support vector regression whose arrays do not fit together"):
        loaded(content, SVM)


PARTS = {
    "lacks one machine": (SVM(), lambda one: one.machines_.pop(), "lacks one machine per target"),
    "a machine of classes": (
        SVM(),
        lambda one: one.machines_.__setitem__(0, ForestOfClasses(n_estimators=1).fit(X, ["a", "b"] * 30)),
        "where a SVR is expected",
    ),
    "machines of other targets": (
        LinearSVM(n_components=5, epochs=1),
        lambda one: _set(one, "weights_", one.weights_[:, :1].copy()),
        "the weights of a kernel machine are not finite numbers of shape",
    ),
    "a machine of other targets": (
        KernelRidge(),
        lambda one: _set(one, "intercept_", np.zeros(1)),
        "the intercept of a kernel machine are not finite numbers of shape",
    ),
    "other targets": (RandomForest(n_estimators=2), lambda one: _set(one, "n_targets_", 3), "other targets"),
    "a scale of 0": (SVM(), lambda one: _set(one, "scale_", np.zeros(2)), "is not positive"),
    "a scale that is not finite": (
        RandomForest(n_estimators=2),
        lambda one: _set(one, "center_", np.array([np.nan, 0.0])),
        "not finite numbers",
    ),
    "too many scales": (
        XGBoost(n_estimators=1),
        lambda one: (one.pack(), _set(one, "scale_", np.ones(3))),
        "one for each",
    ),
}


@pytest.mark.parametrize(("regressor", "change", "message"), PARTS.values(), ids=PARTS)
def test_parts_that_do_not_fit_are_refused(regressor, change, message):
    fitted = regressor.fit(X, Y)
    with pytest.raises(ModelFileError, match=message):
        loaded(changed(fitted, change), type(fitted))


def tree_file(change):
    """Return the file of a forest of two targets after a change of the arrays of its first tree."""
    schema, parts = unpacked(dumped(RandomForest(n_estimators=1).fit(X, Y)))
    (tree,) = nodes_of(schema, "TreeNode")
    change(tree, parts)
    return packed(schema, parts)


def stored(parts, node):
    return np.load(io.BytesIO(parts[node["file"]]))


def store(parts, node, array):
    stream = io.BytesIO()
    np.save(stream, array)
    parts[node["file"]] = stream.getvalue()


def lead_outside(tree, parts):
    node = tree["content"]["content"]["nodes"]
    nodes = stored(parts, node)
    nodes["left_child"][0] = 10**6
    store(parts, node, nodes)


def drop_values(tree, parts):
    node = tree["content"]["content"]["values"]
    store(parts, node, stored(parts, node)[:, :1].copy())


def more_classes(tree, parts):
    node = tree["__reduce__"]["args"]["content"][1]
    store(parts, node, np.array([1, 7]))


@pytest.mark.parametrize("change", [lead_outside, drop_values, more_classes])
def test_trees_whose_arrays_lead_outside_are_refused(change):
    assert loaded(tree_file(lambda tree, parts: None), RandomForest).predict(X).shape == (60, 2)
    with pytest.raises(ModelFileError, match="refused: .*tree"):
        loaded(tree_file(change), RandomForest)


def test_a_classifier_is_no_regressor_and_a_forest_of_classes_has_one_output():
    content = dumped(ForestOfClasses(n_estimators=1).fit(X, ["a", "b"] * 30))
    with pytest.raises(ModelFileError, match="its part 'classifier' is a RandomForest"):
        loaded(content, RandomForest)


@pytest.fixture(scope="module")
def booster():
    return json.loads(XGBoost(n_estimators=2).fit(X, Y).pack()["booster.json"])


BOOSTERS = {
    "other targets": (lambda one: one["learner"]["learner_model_param"].update(num_target="3"), "3 targets"),
    "classes": (lambda one: one["learner"]["learner_model_param"].update(num_class="2"), "2 classes"),
    "too few starts": (lambda one: one["learner"]["learner_model_param"].update(base_score="[0.5]"), "finite numbers"),
    "starts that are not finite": (
        lambda one: one["learner"]["learner_model_param"].update(base_score="[0.5,NaN]"),
        "finite numbers",
    ),
    "another objective": (lambda one: one["learner"]["objective"].update(name="multi:softprob"), "squared errors"),
    "a tree of a third target": (
        lambda one: one["learner"]["gradient_booster"]["model"]["tree_info"].__setitem__(0, 2),
        "targets that it does not have",
    ),
    "a child outside": (
        lambda one: one["learner"]["gradient_booster"]["model"]["trees"][0]["left_children"].__setitem__(0, 999),
        "lead outside",
    ),
    "a column outside": (
        lambda one: one["learner"]["gradient_booster"]["model"]["trees"][0]["split_indices"].__setitem__(0, 77),
        "lead outside",
    ),
}


@pytest.mark.parametrize(("change", "message"), BOOSTERS.values(), ids=BOOSTERS)
def test_boosters_that_do_not_fit_are_refused(booster, change, message):
    check_regression_booster(booster, 2, 3)
    hostile = json.loads(json.dumps(booster))
    change(hostile)
    with pytest.raises(ValueError, match=message):
        check_regression_booster(hostile, 2, 3)


@pytest.mark.parametrize(
    "network", [MLP(epochs=1), LSTM(epochs=1, units=4), BiLSTM(epochs=1, units=4)], ids=["mlp", "lstm", "bilstm"]
)
def test_weights_of_another_network_are_refused(network):
    fitted, other = clone(network).fit(X, Y), clone(network).fit(X, Y[:, 0])
    parts = fitted.pack()
    with pytest.raises(ValueError, match="expected"):
        other.unpack(parts)
    with pytest.raises(ValueError, match="cannot be read"):
        other.unpack({name: part[:-9] for name, part in parts.items()})
    fitted.unpack(parts)
    assert fitted.predict(X).shape == Y.shape


def weightless(network):
    """Return a fitted network without its weights, which are in another part of a file."""
    fitted = clone(network).fit(X, Y)
    fitted.pack()
    del fitted.history_
    return fitted.set_params(cache=True)


NETWORKS = {
    "a scale of 0": (MLP(epochs=1), lambda one: _set(one, "scale_", np.zeros(2)), "is not positive"),
    "a center too few": (LSTM(epochs=1, units=4), lambda one: _set(one, "center_", np.zeros(1)), "one for each"),
    "a range without end": (
        BiLSTM(epochs=1, units=4),
        lambda one: _set(one, "high_", np.full(2, np.inf)),
        "the ranges",
    ),
    "a range that ends first": (LSTM(epochs=1, units=4), lambda one: _set(one, "low_", one.high_ + 1), "ends before"),
    "no range": (BiLSTM(epochs=1, units=4), lambda one: delattr(one, "low_"), "low_"),
}


@pytest.mark.parametrize(("network", "change", "message"), NETWORKS.values(), ids=NETWORKS)
def test_networks_whose_scales_do_not_fit_are_refused(network, change, message):
    fitted = weightless(network)
    loaded(dumped(fitted), type(fitted))
    with pytest.raises(ModelFileError, match=message):
        loaded(changed(fitted, change), type(fitted))


def test_more_units_than_the_weights_have_are_refused():
    fitted = LSTM(epochs=1, units=4).fit(X, Y)
    parts = fitted.pack()
    for units in (5, 1000):
        with pytest.raises(ValueError, match="expected"):
            fitted.set_params(units=units).unpack(parts)


def late(method):
    """Return a late fusion of a forest and of a block of predicted numbers."""
    table = pd.DataFrame(X, columns=["a__x", "net__crossfitted_predicted_1", "net__crossfitted_predicted_2"])
    return LateFusion(regressor=RandomForest(n_estimators=2), method=method).fit(table, Y)


FUSIONS = {
    "a member too few": ("average", lambda one: one.members_.clear(), "members differ"),
    "a fusion as a member": (
        "average",
        lambda one: one.members_.update(columns=late("average")),
        "where a regressor is expected",
    ),
    "a classifier as a member": (
        "average",
        lambda one: one.members_.update(columns=ForestOfClasses(n_estimators=1).fit(X[:, :1], ["a", "b"] * 30)),
        "where a regressor is expected",
    ),
    "a member of other targets": (
        "average",
        lambda one: one.members_.update(columns=RandomForest(n_estimators=1).fit(X[:, :1], Y[:, 0])),
        "different columns or targets",
    ),
    "columns of nobody": ("average", lambda one: one.answered_["net"].append("b__y"), "columns differ"),
    "a weight that is not finite": ("weighted", lambda one: one.weights_.update(net=np.nan), "not finite"),
    "a weight of nobody": ("weighted", lambda one: one.weights_.update(other=0.5), "belong to other members"),
    "a stack too small": ("stacked", lambda one: _set(one, "stack_", one.stack_[:, :3].copy()), "belongs to other"),
    "a stack that is not finite": ("stacked", lambda one: _set(one, "stack_", one.stack_ * np.nan), "not finite"),
    "no stack": ("stacked", lambda one: _set(one, "stack_", None), "not finite"),
    "another method": ("average", lambda one: _set(one, "method", "best"), "members differ"),
    "a scale of 0": ("average", lambda one: _set(one, "scale_", np.zeros(2)), "is not positive"),
}


@pytest.mark.parametrize(("method", "change", "message"), FUSIONS.values(), ids=FUSIONS)
def test_late_fusions_whose_parts_do_not_fit_are_refused(method, change, message):
    fitted = late(method)
    table = pd.DataFrame(X, columns=list(fitted.feature_names_in_))
    np.testing.assert_array_equal(loaded(dumped(fitted), LateFusion).predict(table), fitted.predict(table))
    with pytest.raises(ModelFileError, match=message):
        loaded(changed(fitted, change), LateFusion)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("targets", ["one"], "other targets|different columns|estimate"),
        ("targets", ["one", "one"], "targets are not names that differ"),
        ("targets", [], "its card is refused"),
        ("classes", ["sad"], "its card is refused"),
        ("classifier", "knn", "needs the regressor 'knn'"),
    ],
)
def test_cards_that_belong_to_other_regressors_are_refused(number_model, tmp_path, field, value, message):
    from fusionser.model import load_model

    manifest, members = read_archive(number_model)
    card = {**manifest["card"], field: value}
    hostile = write_archive(tmp_path / "hostile.fusionser", {"card": card}, members)
    with pytest.raises(ModelFileError, match=message):
        load_model(hostile)


@pytest.fixture(scope="module")
def number_model(demo_rows, tmp_path_factory):
    import fusionser
    from fusionser.model import save_model

    place = tmp_path_factory.mktemp("numbers")
    rows = demo_rows.iloc[::6]
    rows.assign(one=np.arange(len(rows)), two=np.arange(len(rows))[::-1] ** 2.0).to_csv(place / "rows.csv", index=False)
    spec = fusionser.PipelineSpec(task="dimensions", targets=("one", "two"))
    return save_model(fusionser.fit(place / "rows.csv", spec, protocol=None), place / "model.fusionser")


def test_listening_is_refused_before_a_microphone_is_looked_for(command, number_model, tmp_path):
    (tmp_path / "sounddevice.py").write_text("raise ImportError('absent')")
    done = command("listen", number_model, env={"PYTHONPATH": str(tmp_path)})
    assert done.status == 1 and "listening needs a model that predicts emotions" in done.messages
