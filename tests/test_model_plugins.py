"""A model file names what is registered, plugins included; what could not be loaded back is not saved."""

import json

import numpy as np
import pytest
from model_files import members
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from fusionser.archive import MANIFEST, read_archive, write_archive
from fusionser.classifiers import SVM, BalancedBagging, TableClassifier
from fusionser.errors import ModelFileError, SettingsError
from fusionser.estimators import dump_estimators, load_estimators
from fusionser.features import MFCC
from fusionser.features.base import FeatureBlock
from fusionser.jobs import fit_prepared
from fusionser.model import Model, load_model, save_model
from fusionser.pipeline import PipelineSpec, Place, prepare
from fusionser.registry import BLOCKS, CLASSIFIERS


class Centroids(TableClassifier):
    """The class whose mean is nearest."""

    def __init__(self, sharpness=1.0):
        self.sharpness = sharpness

    balance = None
    random_state = 0

    def fit(self, X, y):
        values, labels = self._training(X, y)
        self.scaler_ = StandardScaler().fit(values)
        self.centres_ = np.stack([values[labels == name].mean(axis=0) for name in self.classes_])
        return self

    def probabilities(self, values):
        distances = ((values[:, None] - self.centres_) ** 2).sum(axis=2)
        powers = np.exp(-self.sharpness * (distances - distances.min(axis=1, keepdims=True)))
        return powers / powers.sum(axis=1, keepdims=True)


class Neighbours(Centroids):
    """Holds an estimator that no model file may hold."""

    def fit(self, X, y):
        super().fit(X, y)
        self.neighbours_ = KNeighborsClassifier().fit(self.centres_, self.classes_)
        return self


class Unwritable(Centroids):
    """Holds what skops cannot write."""

    def fit(self, X, y):
        super().fit(X, y)
        self.stream_ = (one for one in ())
        return self


class Peak(FeatureBlock):
    """The largest sample."""

    kind = "peak"

    def names(self):
        return ["maximum"]

    def compute(self, clip):
        samples, _ = clip.samples()
        return np.array([np.abs(samples).max()], dtype=np.float32)


class OtherMFCC(MFCC):
    """Has the name of a block that it is not."""


@pytest.fixture
def registered(monkeypatch):
    """Register something until the test ends."""

    def register(registry, name, value):
        monkeypatch.setitem(registry._added, name, value)

    return register


def with_classifier(model, classifier, name, table):
    """The model with another last step, fitted to the same columns."""
    features, scale, _ = (step for _, step in model.pipeline.steps)
    scaled = scale.transform(features.transform(table))
    pipeline = type(model.pipeline)(
        [*model.pipeline.steps[:2], ("classifier", classifier.fit(scaled, table["emotion"]))]
    )
    return Model(pipeline, model.card.model_copy(update={"classifier": name, "classifier_settings": {}}))


@pytest.fixture(scope="module")
def model(model_data):
    return fit_prepared(model_data)


def test_a_classifier_registered_at_run_time_is_saved_and_loaded(model, model_data, registered, tmp_path, monkeypatch):
    registered(CLASSIFIERS, "centroids", Centroids)
    ours = with_classifier(model, Centroids(0.5), "centroids", model_data.table)
    file = save_model(ours, tmp_path / "m.fusionser")
    again = load_model(file)
    assert type(again.pipeline["classifier"]) is Centroids
    assert again.card.plugins == {"centroids": CLASSIFIERS.origin("centroids")}
    assert __name__ in again.card.plugins["centroids"]
    rows = model_data.table.iloc[::30]
    np.testing.assert_array_equal(again.pipeline.predict_proba(rows), ours.pipeline.predict_proba(rows))
    monkeypatch.delitem(CLASSIFIERS._added, "centroids")
    message = f"m.fusionser: it needs the classifier 'centroids', .*; install .* it came from {__name__}"
    with pytest.raises(ModelFileError, match=message):
        load_model(file)


def test_what_comes_with_fusionser_is_no_plugin(saved):
    for file in saved.values():
        assert read_archive(file)[0]["card"]["plugins"] == {}


def test_a_card_without_plugins_still_opens(saved, tmp_path):
    manifest, parts = read_archive(saved["svm"])
    del manifest["card"]["plugins"], manifest["members"], manifest["format"]
    assert load_model(write_archive(tmp_path / "m.fusionser", manifest, parts)).card.plugins == {}


@pytest.mark.parametrize("name", ["centroids", "svm"])
def test_a_classifier_that_is_not_registered_is_not_saved(model, model_data, tmp_path, name):
    ours = with_classifier(model, Centroids(), name, model_data.table)
    message = (
        "unknown classifier 'centroids'"
        if name == "centroids"
        else "a Centroids, and the name 'svm' is registered for SVM"
    )
    with pytest.raises(SettingsError, match=message):
        save_model(ours, tmp_path / "m.fusionser")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Neighbours, "could not be read back: .* it holds an ObjectNode of sklearn.neighbors"),
        (Unwritable, "skops cannot write a part of it"),
    ],
)
def test_a_registered_classifier_with_foreign_parts_is_not_saved(
    model, model_data, registered, tmp_path, kind, message
):
    registered(CLASSIFIERS, "foreign", kind)
    with pytest.raises(SettingsError, match=message):
        save_model(with_classifier(model, kind(), "foreign", model_data.table), tmp_path / "m.fusionser")
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_was_not_saved_still_predicts(model, model_data, tmp_path):
    before = model.pipeline.predict_proba(model_data.table[:5])
    wrong = Model(model.pipeline, model.card.model_copy(update={"classes": ("a", "b")}))
    with pytest.raises(SettingsError, match="could not be read back: its parts do not fit together"):
        save_model(wrong, tmp_path / "m.fusionser")
    np.testing.assert_array_equal(model.pipeline.predict_proba(model_data.table[:5]), before)


def test_members_of_a_bag_are_registered_classifiers(registered):
    rng = np.random.default_rng(0)
    bag = BalancedBagging(classifier=SVM(), n_members=2).fit(rng.normal(size=(30, 2)), ["a", "b", "c"] * 10)
    for name, member in bag.members_.items():
        bag.members_[name] = Centroids().fit(rng.normal(size=(30, 2)), ["a", "b", "c"] * 10)
        assert member.n_features_in_ == 2
    content = dump_estimators({"classifier": bag})
    with pytest.raises(ModelFileError, match=f"ObjectNode of {__name__}.Centroids, which is not part of a model"):
        load_estimators(content, {"classifier": BalancedBagging})
    registered(CLASSIFIERS, "centroids", Centroids)
    loaded = load_estimators(content, {"classifier": BalancedBagging})["classifier"]
    np.testing.assert_array_equal(loaded.predict_proba(np.eye(2)), bag.predict_proba(np.eye(2)))


def fitted_blocks(demo_folder, names):
    return fit_prepared(prepare([Place(demo_folder, "demo")], PipelineSpec(features={"blocks": names})))


def test_a_block_registered_at_run_time_is_saved_and_named(demo_folder, registered, tmp_path, monkeypatch):
    registered(BLOCKS, "peak", Peak)
    file = save_model(fitted_blocks(demo_folder, ["peak", "mfcc"]), tmp_path / "m.fusionser")
    again = load_model(file)
    assert again.card.plugins == {"peak": BLOCKS.origin("peak")}
    monkeypatch.delitem(BLOCKS._added, "peak")
    with pytest.raises(ModelFileError, match=f"needs the feature block 'peak', .*; install .* came from {__name__}"):
        load_model(file)


def test_a_block_of_another_class_than_its_name_is_not_saved(model, tmp_path):
    extractor = model.pipeline["features"]
    blocks = [(name, OtherMFCC(**block.get_params()) if name == "mfcc" else block) for name, block in extractor.blocks]
    changed = type(extractor)(blocks=blocks).fit([])
    pipeline = type(model.pipeline)([("features", changed), *model.pipeline.steps[1:]])
    message = "its feature block is a OtherMFCC, and the name 'mfcc' is registered for MFCC"
    with pytest.raises(SettingsError, match=message):
        save_model(Model(pipeline, model.card), tmp_path / "m.fusionser")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda block: block.update(kind="jitter"), "needs the feature block 'jitter'"),
        (lambda block: block["front_end"].update(kind="scattering"), "needs the front end 'scattering'"),
        (lambda block: block["front_end"].update(blocks=["mfcc", "jitter"]), "needs the feature block 'jitter'"),
    ],
)
def test_a_card_that_names_what_is_not_registered_says_so(demo_folder, tmp_path, change, message):
    file = save_model(fitted_blocks(demo_folder, ["statistics", "estimated-gender"]), tmp_path / "m.fusionser")
    parts = members(file)
    manifest = json.loads(parts.pop(MANIFEST))
    change(manifest["card"]["features"][1])
    for name in ("members", "format"):
        manifest.pop(name)
    with pytest.raises(ModelFileError, match=f"{message}, which is not registered here; it may come from a plugin"):
        load_model(write_archive(tmp_path / "n.fusionser", manifest, parts))
