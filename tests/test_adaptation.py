"""Adaptation to unlabelled clips: of columns, of batch normalisation, of evaluations and of saved models."""

import json
import sys
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from pandas.testing import assert_frame_equal
from prepared_rows import under
from sklearn.pipeline import make_pipeline
from torch import nn

from fusionser.alignment import moments, recolour
from fusionser.classifiers import SVM
from fusionser.errors import FusionserError, LeakageError, SettingsError
from fusionser.evaluation import evaluate
from fusionser.evaluation.fitted import columns_of
from fusionser.evaluation.guard import without_labels
from fusionser.facts import Stamp
from fusionser.features import FeatureExtractor
from fusionser.jobs import evaluate_prepared, fit, fit_prepared
from fusionser.model import load_model, save_model
from fusionser.networks.batch_norm import has_batch_norm, with_statistics_of
from fusionser.networks.inference import logits_of
from fusionser.networks.layers import Network
from fusionser.pipeline import build_pipeline
from fusionser.reporting.page import StudyText, headline, study_page
from fusionser.reporting.words import stamp_text
from fusionser.scaling import SCALERS, BlockScaler
from fusionser.spec import PipelineSpec
from fusionser.splits import CrossCorpus, SpeakerKFold
from fusionser.studies.recipe import Recipe
from fusionser.studies.study import run_study, stored_study

ALIGNED = sorted(set(SCALERS) - {"none"})


@pytest.fixture
def training():
    values = np.random.default_rng(0).gamma(2, size=(60, 3)) @ [[1, 0.5, 0], [0, 1, 0.5], [0, 0, 1]]
    return pd.DataFrame(values, columns=["a__x", "a__y", "b__x"])


def moved(table):
    """The same clips from another recorder, which shifts and stretches every column."""
    return table * [3.0, 0.1, 20.0] + [5.0, -2.0, 100.0]


@pytest.mark.parametrize("scaling", ALIGNED)
@pytest.mark.parametrize("adaptation", [None, "standardise", "coral"])
def test_a_target_that_differs_by_shift_and_scale_becomes_the_training_rows(training, scaling, adaptation):
    scaler = BlockScaler(scaling=scaling, adaptation=adaptation).fit(training)
    np.testing.assert_allclose(
        scaler.adapted(moved(training)).transform(moved(training)), scaler.transform(training), atol=1e-6
    )


def test_training_corpora_that_differ_by_shift_and_scale_become_the_same(training):
    both = pd.concat([training.assign(corpus="here"), moved(training).assign(corpus="there")], ignore_index=True)
    scaled = BlockScaler(adaptation="standardise").fit_transform(both)
    here, there = (scaled[scaled["corpus"] == name].filter(like="__").to_numpy() for name in ("here", "there"))
    np.testing.assert_allclose(here, there, atol=1e-9)
    np.testing.assert_allclose(here, (training - training.mean()) / training.std(ddof=0), atol=1e-9)


def test_with_one_training_corpus_the_classifier_sees_what_it_sees_inductively(training):
    for adaptation in ("standardise", "coral"):
        np.testing.assert_allclose(
            BlockScaler(adaptation=adaptation).fit_transform(training), BlockScaler().fit_transform(training), atol=1e-9
        )


def test_copies_do_not_move_the_statistics_of_a_corpus(training):
    table = training.assign(augmentation="")
    copies = moved(training).assign(augmentation="noise#1")
    both = BlockScaler(adaptation="standardise").fit(pd.concat([table, copies], ignore_index=True))
    np.testing.assert_allclose(both.mean_, training.mean())
    np.testing.assert_allclose(both.corpora_[""], moments(training.to_numpy()))


def test_recolouring_gives_the_covariance_that_is_wanted():
    rng = np.random.default_rng(0)
    given, wanted = (np.cov(rng.normal(size=(5, 40)) * rng.uniform(1, 9, size=(5, 1))) for _ in range(2))
    turn = recolour(given, wanted)
    np.testing.assert_allclose(turn.T @ given @ turn, wanted, atol=1e-9)


def test_coral_aligns_correlations_in_closed_form():
    """Two columns with correlation r in training and -r in the target: the map is diagonal on (1, 1) and (1, -1)."""
    square = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    along, across = square @ np.diag([2.0, 1.0]) @ [[1, 1], [1, -1]], square @ np.diag([1.0, 2.0]) @ [[1, 1], [1, -1]]
    names = ["a__x", "a__y"]
    training, target = (pd.DataFrame(np.tile(rows, (5, 1)), columns=names) for rows in (along, across))
    scaler = BlockScaler(adaptation="coral").fit(training)
    # Standard scores have the correlations 0.6 and -0.6. With the identity, 2.6 and 1.4 are the variances on the axes.
    stretch = np.sqrt(2.6 / 1.4)
    expected = square @ np.diag([1.0 * stretch, 2.0 / stretch]) @ [[1, 1], [1, -1]] / np.sqrt(5)
    found = scaler.adapted(target).transform(target)
    np.testing.assert_allclose(found.to_numpy()[:4], expected, atol=1e-12)


def test_coral_of_fewer_clips_than_columns_is_finite():
    rng = np.random.default_rng(0)
    names = [f"a__{number}" for number in range(40)]
    training, target = (pd.DataFrame(rng.normal(size=(rows, 40)), columns=names) for rows in (100, 12))
    found = BlockScaler(adaptation="coral", scaling="bounded").fit(training).adapted(target).transform(target)
    assert np.isfinite(found.to_numpy()).all() and np.abs(found.to_numpy()).max() <= 3


def test_limits_hold_and_blocks_without_scaling_stay(training):
    scaler = BlockScaler(scaling={"a": "bounded", "b": "none", "": "standard"}).fit(training)
    far = moved(training)
    far.loc[0, "a__x"] = 1e9
    found = scaler.adapted(far).transform(far)
    assert found["a__x"].max() == 3.0
    np.testing.assert_array_equal(found["b__x"], far["b__x"])
    assert scaler.adapts and not BlockScaler(scaling="none").fit(training).adapts


def test_constant_columns_stay_finite(training):
    still = training.assign(a__x=1.0)
    for fitted, target in ((still, training), (training, still), (still, still)):
        for adaptation in ("standardise", "coral"):
            found = BlockScaler(adaptation=adaptation).fit(fitted).adapted(target).transform(target)
            assert np.isfinite(found.to_numpy()).all()
            assert np.abs(found.to_numpy()).max() < 20


def test_what_is_fitted_to_be_adapted_is_not_used_without(training):
    scaler = BlockScaler(adaptation="standardise").fit(training.assign(corpus="here"))
    there = scaler.transform(moved(training).assign(corpus="there")).filter(like="__")
    np.testing.assert_allclose(there, scaler.transform(training.assign(corpus="here")).filter(like="__"))
    with pytest.raises(SettingsError, match="fusionser predict --adapt"):
        scaler.scaled(training.to_numpy())
    with pytest.raises(SettingsError, match="got 9 usable clips to adapt to; expected 10 or more"):
        scaler.adapted(training.iloc[:9])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"adaptation": "standardize"}, "unknown adaptation 'standardize'; did you mean 'standardise'"),
        ({"adaptation": "coral", "by_speaker": True}, "both by_speaker and adaptation"),
    ],
)
def test_settings_that_cannot_be_are_refused(training, settings, message):
    with pytest.raises(SettingsError, match=message):
        BlockScaler(**settings).fit(training)


@pytest.mark.parametrize("scaling", ["standard", "bounded"])
def test_a_model_of_an_earlier_version_is_adapted_by_what_its_scaling_holds(training, scaling):
    scaler = BlockScaler(scaling=scaling).fit(training)
    expected = scaler.adapted(moved(training)).transform(moved(training))
    del scaler.mean_, scaler.std_
    np.testing.assert_allclose(scaler.adapted(moved(training)).transform(moved(training)), expected)


def test_an_earlier_model_whose_scaling_lacks_the_statistics_says_so(training):
    scaler = BlockScaler(scaling="minmax").fit(training)
    del scaler.mean_, scaler.std_
    with pytest.raises(SettingsError, match="fitted by an earlier version"):
        scaler.adapted(training)


@pytest.mark.parametrize(
    "change",
    [
        {"alignment_": {"centre": np.zeros(3), "factors": np.zeros(3)}},
        {"alignment_": {"centre": np.zeros(3), "factors": np.zeros((3, 2)), "mean": np.zeros(3)}},
        {"alignment_": {"centre": np.zeros(3), "factors": np.full(3, np.nan), "mean": np.zeros(3)}},
        {"alignment_": {"centre": np.zeros(3), "factors": [1.0, 1.0, 1.0], "mean": np.zeros(3)}},
        {"alignment_": ["centre"]},
        {"mean_": np.zeros(2)},
        {"covariance_": np.zeros((2, 2))},
        {"covariance_": -np.eye(3)},
        {"adaptation": "system"},
    ],
)
def test_loaded_statistics_that_do_not_fit_are_refused(training, change):
    scaler = BlockScaler(adaptation="coral").fit(training).adapted(training)
    scaler.check_loaded()
    vars(scaler).update(change)
    with pytest.raises(ValueError, match="scaler"):
        scaler.check_loaded()


class Small(Network):
    """Two layers of batch normalisation, listed in another order than they are applied in."""

    def __init__(self):
        super().__init__()
        self.second = nn.BatchNorm1d(4)
        self.first = nn.BatchNorm1d(3)
        self.middle = nn.Linear(3, 4)
        self.output = nn.Linear(4, 2)

    def embed(self, x):
        return self.second(torch.relu(self.middle(self.first(x))))


def test_batch_normalisation_gets_the_statistics_of_all_inputs():
    torch.manual_seed(0)
    network = Small().eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    # More than one batch, sorted, so that batches differ.
    inputs = np.sort(np.random.default_rng(0).normal(4, 2, size=(600, 3)).astype(np.float32), axis=0)
    adapted = with_statistics_of(network, lambda given: logits_of(given, inputs, "cpu"))
    x = torch.from_numpy(inputs).double()
    np.testing.assert_allclose(adapted.first.running_mean, x.mean(0), rtol=1e-5)
    np.testing.assert_allclose(adapted.first.running_var, x.var(0), rtol=1e-5)
    # torch's own: a layer in training mode normalises by the statistics of its batch, here of all inputs.
    with torch.no_grad():
        reference = Small().train()
        reference.load_state_dict(before)
        expected = reference(torch.from_numpy(inputs))
        found = adapted(torch.from_numpy(inputs))
    np.testing.assert_allclose(found, expected, atol=5e-3)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    changed = {name for name, value in adapted.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {f"{layer}.running_{what}" for layer in ("first", "second") for what in ("mean", "var")}


def test_statistics_are_the_same_in_any_order_of_the_batches():
    # 32 channels in twenty batches: of some, the mean lies halfway between two numbers of single precision.
    rng = np.random.default_rng(0)
    network = nn.Sequential(nn.BatchNorm1d(32)).eval()
    batches = torch.from_numpy(rng.normal(4, 2, size=(20, 4, 32)).astype(np.float32))

    def statistics(order):
        def apply(given):
            for place in order:
                given(batches[place])

        layer = with_statistics_of(network, apply)[0]
        return layer.running_mean, layer.running_var

    first_means, first_variances = statistics(range(20))
    for _ in range(20):
        means, variances = statistics(rng.permutation(20))
        assert torch.equal(means, first_means) and torch.equal(variances, first_variances)
    wide = batches.double().flatten(0, 1)
    np.testing.assert_allclose(first_means, wide.mean(0), rtol=2e-7)
    np.testing.assert_allclose(first_variances, wide.var(0), rtol=2e-6)


def test_a_network_without_batch_normalisation_stays():
    network = Small()
    network.first = network.second = nn.Identity()
    network.middle = nn.Linear(3, 4)
    assert has_batch_norm(Small()) and not has_batch_norm(network)
    inputs = np.ones((12, 3), dtype=np.float32)
    same = with_statistics_of(network, lambda given: logits_of(given, inputs, "cpu")).state_dict()
    assert all(torch.equal(value, same[name]) for name, value in network.state_dict().items())


@pytest.fixture(scope="module")
def two_corpora(model_data):
    """The demo corpus as two: the columns of the second are shifted and stretched."""
    table = model_data.table.copy()
    other = table["speaker"].isin(["demo/f1", "demo/f2", "demo/m1"]).to_numpy()
    table.loc[other, "corpus"] = "other"
    columns = table.columns[table.columns.str.contains("__")]
    table.loc[other, columns] = (table.loc[other, columns] * 3 + 7).astype(np.float32)
    return replace(model_data, table=table)


@pytest.mark.parametrize("adaptation", ["standardise", "coral"])
def test_an_adapted_evaluation_is_stamped_and_undoes_what_a_recorder_does(two_corpora, adaptation):
    split = CrossCorpus(test=("other",))
    plain, _ = evaluate_prepared(two_corpora, split)
    result, _ = evaluate_prepared(under(two_corpora, setting="adapted", adaptation=adaptation), split)
    assert (plain.protocol.setting, result.protocol.setting) == ("inductive", "adapted")
    stamp = Stamp(kind="adapted", value={"adaptation": adaptation, "clips": [90, 90]})
    assert stamp in result.protocol.stamps and not plain.protocol.stamped("adapted")
    assert stamp_text(stamp).endswith(f"test clips of each fold and corpus (90), without their labels: {adaptation}")
    assert "trained on Demo corpus, adapted to the unlabelled test clips, svm" in headline(result)
    assert result.classifier_settings["adaptation"] == adaptation
    assert result.pooled.uar > plain.pooled.uar + 0.1


def test_each_test_corpus_is_adapted_by_itself(two_corpora):
    """Several corpora in one fold give the columns that they give alone."""
    spec = under(two_corpora, setting="adapted")
    fitted = build_pipeline(spec.spec, extractor=spec.extractor)
    fitted.fit(spec.table, spec.table["emotion"].to_numpy(dtype=object))
    rows = without_labels(spec.table.sample(frac=1.0, random_state=0))
    together = columns_of(fitted, rows)
    for name in ("demo", "other"):
        part = rows["corpus"] == name
        np.testing.assert_allclose(
            together[part.to_numpy()].filter(like="__"), columns_of(fitted, rows[part]).filter(like="__")
        )


def test_parameters_are_searched_and_folds_by_speaker_are_adapted(two_corpora, monkeypatch):
    monkeypatch.setattr(SVM, "grid", {"C": (0.001, 10.0)})
    given = under(two_corpora, setting="adapted", classifier={"tune": True})
    result, _ = evaluate_prepared(given, SpeakerKFold(folds=2))
    assert result.folds[0].parameters == {"classifier__C": 10.0}
    (stamp,) = [stamp for stamp in result.protocol.stamps if stamp.kind == "adapted"]
    assert stamp.value["clips"][0] < stamp.value["clips"][1]


def test_test_labels_change_no_prediction(two_corpora):
    given = under(two_corpora, setting="adapted")
    split = CrossCorpus(test=("other",))
    _, found = evaluate_prepared(given, split)
    table = given.table.copy()
    tested = table["corpus"] == "other"
    table.loc[tested, "emotion"] = np.random.default_rng(0).permutation(table.loc[tested, "emotion"])
    _, again = evaluate_prepared(replace(given, table=table), split)
    assert not found.predictions["truth"].equals(again.predictions["truth"])
    assert found.predictions["predicted"].equals(again.predictions["predicted"])


class Looking(FeatureExtractor):
    """Looks for labels in the rows that it is adapted to and that it transforms."""

    seen: ClassVar[set[str]] = set()

    def adapted(self, X):
        Looking.seen |= set(X["emotion"])
        return self

    def transform(self, X, **more):
        Looking.seen |= set(X["emotion"])
        return super().transform(X, **more)


def test_a_step_that_looks_for_labels_finds_none(two_corpora):
    Looking.seen = set()
    extractor = Looking(blocks=two_corpora.extractor.blocks, keep_rows=True)
    pipeline = make_pipeline(extractor, BlockScaler(adaptation="standardise"), SVM())
    result = evaluate(two_corpora.table, pipeline, CrossCorpus(test=("other",)))
    assert result.protocol.setting == "adapted"
    assert Looking.seen == {""}


def test_labels_where_a_pipeline_is_adapted_are_refused(two_corpora, monkeypatch):
    """A planted fault: the evaluation forgets to take the labels away."""
    monkeypatch.setattr(sys.modules["fusionser.evaluation.evaluate"], "without_labels", lambda rows: rows)
    with pytest.raises(LeakageError, match="90 of 90 test rows have their labels where a pipeline is adapted"):
        evaluate_prepared(under(two_corpora, setting="adapted"), CrossCorpus(test=("other",)))


@pytest.mark.parametrize(
    "spec",
    [
        PipelineSpec(features={"blocks": ["mfcc"]}, classifier={"scaling": "none"}, setting="adapted"),
        PipelineSpec(network="mfcc-frames", setting="adapted"),
    ],
)
def test_what_has_nothing_to_adapt_is_refused_before_it_is_fitted(spec):
    with pytest.raises(SettingsError, match="here there are neither"):
        build_pipeline(spec)


def test_networks_with_batch_normalisation_are_adapted_alone():
    spec = PipelineSpec(network="time-distributed-cnn-lstm", setting="adapted", networks={"epochs": 1})
    assert build_pipeline(spec)["features"].adapts


def test_a_saved_model_is_adapted_saved_and_loaded(model_data, saved, tmp_path):
    model = load_model(saved["svm"])
    files = model_data.table["file"].tolist()[:60]
    before = model.predict(files)
    adapted = model.adapt([*files, str(tmp_path / "gone.wav")])
    assert (model.card.adapted_to, adapted.card.adapted_to) == (None, 60)
    pd.testing.assert_frame_equal(model.predict(files), before)
    again = load_model(save_model(adapted, tmp_path / "adapted.fusionser"))
    assert again.card == adapted.card.model_copy(update={"plugins": {}})
    pd.testing.assert_frame_equal(again.predict(files), adapted.predict(files))
    scaled = again.pipeline[:-1].transform(model_data.table.iloc[:60]).filter(like="__")
    held = model.pipeline[:-1].transform(model_data.table).filter(like="__")
    varying = scaled.std() > 0
    np.testing.assert_allclose(scaled.mean(), held.mean(), atol=1e-4)
    np.testing.assert_allclose(scaled.std(ddof=0)[varying], held.std(ddof=0)[varying], rtol=1e-3)


def test_models_fitted_to_be_adapted_are_not_used_before(two_corpora, tmp_path):
    spec = {"setting": "adapted", "adaptation": "coral"}
    model = load_model(save_model(fit_prepared(under(two_corpora, **spec)), tmp_path / "coral.fusionser"))
    files = two_corpora.table["file"].tolist()[:40]
    with pytest.raises(SettingsError, match="adapt it first"):
        model.predict(files)
    with pytest.raises(SettingsError, match="got 5 usable clips"):
        model.adapt(files[:5])
    again = load_model(save_model(model.adapt(files), tmp_path / "again.fusionser"))
    assert (again.predict(files)["error"] == "").all()


def test_a_model_with_a_network_is_adapted(model_data, demo_rows, tmp_path):
    from fusionser.pipeline import Place, prepare

    folder = str(demo_rows["file"].iloc[0]).rsplit("/", 1)[0]
    prepared = prepare([Place(folder, "demo")], PipelineSpec(network="conv1d-lstm-speech", networks={"epochs": 1}))
    model = fit_prepared(prepared)
    files = demo_rows["file"].tolist()[:20]
    adapted = load_model(save_model(model.adapt(files), tmp_path / "network.fusionser"))
    (old, new) = (part.pipeline["features"].learned_["conv1d-lstm-speech"].network_ for part in (model, adapted))
    values = {name: torch.equal(value, new.state_dict()[name]) for name, value in old.state_dict().items()}
    assert all(same != name.endswith(("running_mean", "running_var")) for name, same in values.items())
    assert not model.predict(files).equals(adapted.predict(files))


def test_a_page_keeps_the_settings_apart(two_corpora):
    split = CrossCorpus(test=("other",))
    results = [evaluate_prepared(under(two_corpora, setting=name), split)[0] for name in ("inductive", "adapted")]
    page = study_page(StudyText(command="fusionser study x", title="T", question="Q"), results)
    assert "*Adapted*: before they are predicted" in page and "*Speaker-normalised*" not in page
    assert page.count("| adapted | ") == page.count("| inductive | ") > 0
    assert "*Adapted*" not in study_page(StudyText(command="c", title="T", question="Q"), results[:1])


def test_a_recipe_runs_its_pipelines_in_both_settings(demo_folder, tmp_path):
    recipe = Recipe(
        title="T",
        question="Q",
        settings=["inductive", "adapted"],
        pipelines=[{"name": "mfcc", "classifiers": ["svm"], "spec": {"features": {"blocks": ["mfcc"]}}}],
        corpora=[{"corpus": "demo", "protocols": [{"name": "speaker-kfold", "settings": {"folds": 2}}]}],
    )
    run = run_study(recipe, {"demo": demo_folder}, tmp_path)
    assert run.names == [f"demo_speaker-kfold_{setting}_mfcc_svm" for setting in ("inductive", "adapted")]
    assert [result.protocol.setting for result in run.results] == ["inductive", "adapted"]
    assert [result.protocol.stamped("adapted") for result in run.results] == [False, True]
    assert stored_study(recipe, tmp_path).outcomes == run.outcomes
    # A result that was edited, or that has the place of another one, is not taken for it.
    path = tmp_path / "cells" / f"{run.names[0]}.json"
    for name, other in (("features_name", "chroma/mfcc"), ("classifier", "mlp")):
        path.write_text(json.dumps({**json.loads(run.results[0].model_dump_json()), name: other}))
        with pytest.raises(FusionserError, match=f"'{other}'.*; expected those that the name of the file states"):
            stored_study(recipe, tmp_path)


def test_copies_of_a_clip_count_once(demo_folder, demo_rows):
    model = fit(demo_folder, PipelineSpec(features={"blocks": ["mfcc"]}), corpus="demo", protocol=None)
    files = demo_rows["file"].tolist()
    with pytest.raises(SettingsError, match=r"got 1 usable clip to adapt to; .* Copies of a clip count once"):
        model.adapt(files[:1] * 12)
    once, repeated = model.adapt(files[:12]), model.adapt([*files[:12], *files[:3] * 20])
    assert (once.card.adapted_to, repeated.card.adapted_to) == (12, 12)
    assert_frame_equal(once.predict(files[20:24]), repeated.predict(files[20:24]))
