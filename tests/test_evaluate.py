"""Whole evaluations on the demo corpus: what is reported is what happened."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from prepared_rows import under
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from fusionser.classifiers import SVM
from fusionser.errors import LeakageError, ProtocolError, SettingsError
from fusionser.evaluation.evaluate import check_labels
from fusionser.facts import Stamp
from fusionser.jobs import evaluate_prepared, fit_prepared
from fusionser.pipeline import PipelineSpec, Place, build_features, build_pipeline, choose_protocol, prepare, resolve
from fusionser.reporting.words import result_stamps
from fusionser.results import provenance, read_result
from fusionser.splits import LeaveOneCorpusOut, RandomKFold, SpeakerHoldout, SpeakerKFold

FUSIONNET = PipelineSpec(features={"preset": "fusionnet", "gender": "given"})


@pytest.fixture(scope="module")
def prepared(demo_folder):
    return prepare([Place(demo_folder, "demo")], FUSIONNET)


@pytest.fixture(scope="module")
def evaluated(prepared):
    return evaluate_prepared(prepared, SpeakerKFold(folds=4))


def test_scores_are_those_of_the_predictions(evaluated):
    result, found = evaluated
    truth, predicted = found.predictions["truth"], found.predictions["predicted"]
    assert len(truth) == result.rows == 240
    assert result.pooled.war == pytest.approx(accuracy_score(truth, predicted))
    assert result.pooled.uar == pytest.approx(balanced_accuracy_score(truth, predicted))
    for fold in result.folds:
        part = found.predictions[found.predictions["fold"] == fold.name]
        assert fold.scores.war == pytest.approx(accuracy_score(part["truth"], part["predicted"]))
    for speaker, scores in result.speakers.items():
        part = found.predictions[found.predictions["speaker"] == speaker]
        assert scores.uar == pytest.approx(balanced_accuracy_score(part["truth"], part["predicted"]))
    np.testing.assert_array_equal(sum(map(np.array, result.speaker_confusions.values())), result.confusion)
    assert result.genders == {
        f"demo/{name}": {"f": "female", "m": "male"}[name[0]]
        for name in ("f1", "f2", "f3", "f4", "m1", "m2", "m3", "m4")
    }
    low, high = result.intervals["uar"]
    assert low <= result.pooled.uar <= high
    probabilities = found.predictions.filter(like="probability_")
    assert list(probabilities.columns) == [f"probability_{name}" for name in result.classes]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-9)


def test_a_result_says_how_it_came_about(evaluated):
    result, _ = evaluated
    assert result.protocol.name == "speaker-kfold"
    assert result.protocol.setting == "inductive"
    assert result.protocol.speaker_independent
    assert result.protocol.gender_given
    # Two statements are all that there are, so they are on both sides whatever is held out.
    assert result.protocol.stamps == (Stamp(kind="shared-statements", value=2), Stamp(kind="gender-given"))
    assert (result.protocol.allows, result.protocol.random) == ((), False)
    assert result.corpora == ("demo",)
    # What is stored names the scaling too.
    features = FUSIONNET.features.changed(corpus_offset=0.0)
    assert result.spec == FUSIONNET.changed(features=features, classifier={"scaling": "standard"})
    assert result.provenance["versions"]["scikit-learn"]
    assert result.classifier_settings["C"] == 10.0
    assert result.feature_count == 169


def test_results_come_back_from_their_file(evaluated, tmp_path):
    result, _ = evaluated
    assert read_result(result.save(tmp_path / "result.json")) == result


def test_the_same_plan_gives_the_same_numbers(prepared, evaluated):
    again, _ = evaluate_prepared(prepared, SpeakerKFold(folds=4))
    assert again.pooled == evaluated[0].pooled
    assert again.intervals == evaluated[0].intervals


def test_a_random_split_is_stamped(prepared):
    result, _ = evaluate_prepared(prepared, RandomKFold(folds=3, stratified=True))
    assert not result.protocol.speaker_independent
    assert Stamp(kind="shared-speakers", value=8, allowed=True) in result.protocol.stamps
    assert result.protocol.random and "speakers" in result.protocol.allows


def test_speaker_normalised_is_stamped_and_never_saved(prepared):
    normalised = under(prepared, setting="speaker-normalised")
    result, _ = evaluate_prepared(normalised, SpeakerKFold(folds=4))
    assert result.protocol.setting == "speaker-normalised"
    assert Stamp(kind="speaker-normalised") in result.protocol.stamps
    from fusionser.model import save_model

    with pytest.raises(SettingsError, match="cannot be saved"):
        save_model(fit_prepared(normalised), "never.fusionser")


def test_unknown_speakers_are_never_called_independent(prepared):
    unknown = replace(prepared, table=prepared.table.assign(speaker=""))
    result, _ = evaluate_prepared(unknown, RandomKFold(folds=3))
    assert not result.protocol.speaker_independent
    assert not result.protocol.speakers_known
    assert Stamp(kind="speakers-unknown", value=240) in result.protocol.stamps
    assert result.intervals is None


def test_parameters_are_chosen_inside_the_fold(prepared, monkeypatch):
    from fusionser.pipeline import estimator as build

    monkeypatch.setattr(SVM, "grid", {"C": (0.001, 10.0)})
    seen = []
    original = build.InnerFolds.split

    def spy(self, X, y=None, groups=None):
        seen.append(set(X["speaker"]))
        return original(self, X, y, groups)

    monkeypatch.setattr(build.InnerFolds, "split", spy)
    result, _ = evaluate_prepared(under(prepared, classifier={"tune": True}), SpeakerHoldout(speakers=("f1", "m1")))
    assert result.protocol.selection == "inner-folds"
    assert not result.protocol.stamped("inner-folds-by-clip")
    assert result.folds[0].parameters == {"classifier__C": 10.0}
    assert seen and all(not {"demo/f1", "demo/m1"} & speakers for speakers in seen)


@pytest.mark.parametrize("trials", [None, 2])
def test_a_model_states_the_parameters_that_were_chosen_and_not_the_defaults(prepared, monkeypatch, trials):
    monkeypatch.setattr(SVM, "grid", {"C": (3.0,)})
    monkeypatch.setattr(SVM, "space", {"C": (3.0, 3.5)})
    model = fit_prepared(under(prepared, classifier={"tune": True, "trials": trials}))
    assert model.card.classifier_settings["C"] in (3.0, 3.5)
    assert model.card.classifier_settings["C"] == model.pipeline["classifier"].C


def test_inner_folds_that_part_a_speaker_are_stamped(prepared):
    table = prepared.table
    # Of the training speakers f2 alone is ever sad: inner folds by speaker would leave sadness out of one side.
    scarce = table[(table["emotion"] != "sad") | table["speaker"].isin(["demo/f1", "demo/f2"])].reset_index(drop=True)
    result, _ = evaluate_prepared(replace(prepared, table=scarce), SpeakerHoldout(speakers=("f1", "m1")))
    assert result.protocol.stamps[-1] == Stamp(kind="inner-folds-by-clip", value=[result.folds[0].name])


def test_a_class_that_training_never_shows_is_refused(prepared):
    table = prepared.table
    only = (table["emotion"] != "sad") | (table["speaker"] == "demo/f1")
    with pytest.raises(ProtocolError, match="the test rows have the class sad, but the training rows do not"):
        evaluate_prepared(replace(prepared, table=table[only].reset_index(drop=True)), SpeakerHoldout(speakers=("f1",)))


def test_rows_that_take_no_part_do_not_count(prepared):
    """Corpus c, the only one with sadness, is neither trained on nor tested."""
    from fusionser.reporting.page import headline

    corpora = {"demo/f1": "a", "demo/f2": "a", "demo/f3": "b", "demo/f4": "c"}
    table = prepared.table.assign(corpus=prepared.table["speaker"].map(corpora))
    table = table[table["corpus"].notna() & ((table["emotion"] != "sad") | (table["corpus"] == "c"))]
    part = replace(prepared, table=table.reset_index(drop=True))
    split = choose_protocol("cross-corpus", part.table, {"test": ("b",), "train": ("a",)})
    result, found = evaluate_prepared(part, split)
    assert result.classes == ("angry", "fear", "happy", "neutral")
    assert (result.rows, result.speaker_count) == (int((table["corpus"] != "c").sum()), 3)
    assert "chance is 25.0 % UAR" in headline(result)
    assert not found.predictions.isna().any().any()


def test_the_super_set_follows_its_card(prepared):
    table = prepared.table.copy()
    parts = ["ravdess", "crema-d", "savee", "tess"]
    table["corpus"] = [parts[n % 4] for n in range(len(table))]
    table["speaker"] = [f"{corpus}/{n % 24 // 4 + 1:02d}" for n, corpus in enumerate(table["corpus"])]
    assert choose_protocol("speaker-kfold", table) == SpeakerKFold(folds=11)
    assert choose_protocol("speaker-holdout", table).speakers == tuple(f"ravdess/{n:02d}" for n in range(1, 5))


def test_a_whole_pipeline_gives_named_tables(prepared):
    pipeline = build_pipeline(prepared.spec, extractor=prepared.extractor)[:2].set_output(transform="pandas")
    table = pipeline.fit_transform(prepared.table, prepared.table["emotion"])
    assert list(table.columns) == list(pipeline.get_feature_names_out())
    assert list(table.columns[:3]) == ["speaker", "source", "augmentation"]


def test_one_class_and_no_label_are_refused(prepared):
    with pytest.raises(ProtocolError, match="all 240 rows have one class, 'sad'"):
        evaluate_prepared(replace(prepared, table=prepared.table.assign(emotion="sad")), SpeakerKFold(folds=4))
    with pytest.raises(ProtocolError, match="240 of 240 rows have no emotion"):
        fit_prepared(replace(prepared, table=prepared.table.assign(emotion="")))
    with pytest.raises(ProtocolError, match="the table has no rows"):
        check_labels(prepared.table.iloc[:0])


def test_the_card_gives_the_protocol_its_defaults(prepared, demo_folder):
    assert choose_protocol("speaker-kfold", prepared.table) == SpeakerKFold(folds=4)
    ravdess = prepared.table.assign(
        corpus="ravdess", speaker=[f"ravdess/{n % 24 + 1:02d}" for n in range(len(prepared.table))]
    )
    assert choose_protocol("speaker-kfold", ravdess) == SpeakerKFold(folds=6)
    holdout = choose_protocol("speaker-holdout", ravdess)
    assert holdout.speakers == ("ravdess/01", "ravdess/02", "ravdess/03", "ravdess/04")
    assert choose_protocol("speaker-holdout", ravdess, {"share": 0.5}).speakers == ()
    of_ravdess = resolve(FUSIONNET, [Place(demo_folder, "ravdess")])
    assert of_ravdess.features.corpus_offset == 0.6
    assert dict(build_features(of_ravdess).blocks)["mfcc"].offset == 0.6


def test_a_cross_corpus_split_leaves_out_the_labels_of_one_side_and_says_so(prepared):
    table = prepared.table.copy()
    other = table["speaker"].isin(["demo/f1", "demo/m1"])
    table.loc[other, "corpus"] = "other"
    table.loc[other & (table["emotion"] == "sad"), "emotion"] = "bored"
    protocol = choose_protocol("cross-corpus", table, {"test": ("other",)})
    result, _ = evaluate_prepared(replace(prepared, table=table), protocol)
    assert list(result.classes) == ["angry", "fear", "happy", "neutral"]
    left_out = {"demo": ["sad"], "other": ["bored"]}
    assert [stamp.value for stamp in result.protocol.stamps if stamp.kind == "classes-left-out"] == [left_out]
    assert np.sum(result.confusion) == (other & ~table["emotion"].isin(["bored"])).sum()
    table.loc[other, "emotion"] = "bored"
    with pytest.raises(ProtocolError, match="no class in common"):
        evaluate_prepared(replace(prepared, table=table), protocol)


def test_the_pipeline_is_fitted_on_paths_alone(demo_rows):
    """No table of features is needed: rows go in, labels come out."""
    rows = demo_rows[demo_rows["speaker"].isin(["demo/f1", "demo/m1"])].reset_index(drop=True)
    pipeline = build_pipeline(FUSIONNET)
    fitted = pipeline.fit(rows, rows["emotion"].to_numpy())
    assert np.mean(fitted.predict(rows) == rows["emotion"]) > 0.9


def test_a_stranger_of_a_frozen_step_is_refused_by_the_whole_evaluation(prepared):
    from sklearn.frozen import FrozenEstimator

    from fusionser.evaluation import evaluate

    pipeline = build_pipeline(prepared.spec, extractor=prepared.extractor)
    pipeline.fit(prepared.table, prepared.table["emotion"].to_numpy())
    pipeline.set_params(scale=FrozenEstimator(pipeline["scale"]))
    with pytest.raises(LeakageError, match="the step 'scale' was fitted before the split"):
        evaluate(prepared.table, pipeline, SpeakerKFold(folds=4))


def test_provenance_names_the_commit_and_the_versions():
    found = provenance()
    assert {"command", "commit", "versions", "machine", "date"} == set(found)
    # The weights of networks depend on the number of threads, and nothing else does.
    assert provenance(networks=True) == {**found, "threads": torch.get_num_threads()}
    assert {"python", "numpy", "scikit-learn", "xgboost"} <= set(found["versions"])


def test_classes_of_one_corpus_alone_are_left_out_and_stamped(prepared):
    half = prepared.table["speaker"].isin(prepared.table["speaker"].unique()[:4])
    table = prepared.table.assign(corpus=np.where(half, "one", "other"))
    table = table[~((table["corpus"] == "other") & (table["emotion"] == "fear"))].reset_index(drop=True)
    result, _ = evaluate_prepared(replace(prepared, table=table), LeaveOneCorpusOut())
    assert "fear" not in result.classes
    assert [fold.test_rows for fold in result.folds] == [
        ((table["corpus"] == name) & (table["emotion"] != "fear")).sum() for name in ("one", "other")
    ]
    stamp = next(stamp for stamp in result.protocol.stamps if stamp.kind == "classes-left-out")
    assert stamp.value == {"one": ["fear"]}
    assert "classes of one corpus alone left out: fear (one)" in result_stamps([result])
