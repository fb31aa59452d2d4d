"""Deep extractors in pipelines: what they give, and the leaks that they invite."""

import pickle
import sqlite3
from contextlib import closing

import joblib
import numpy as np
import pandas as pd
import pytest
import soundfile
import test_baseline_extractors
import torch
from conftest import tone
from prepared_rows import under
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fusionser.augmentation.rows import AugmentRows, augmented_rows
from fusionser.errors import SettingsError, TrainingError
from fusionser.evaluation import evaluate
from fusionser.features import (
    MFCC,
    BlockVector,
    Cache,
    EstimatedGender,
    FeatureExtractor,
    LogMelMap,
    MFCCMap,
    RelativeContours,
    RelativeMap,
)
from fusionser.jobs import evaluate_prepared
from fusionser.networks import (
    NETWORKS,
    Conv1DExtractor,
    Conv1DRelativeExtractor,
    Conv2DExtractor,
    Conv2DMFCCExtractor,
    Conv2DRelativeExtractor,
    LogMelFrames,
    MFCCFrames,
)
from fusionser.pipeline import PipelineSpec, Place, build_pipeline, prepare
from fusionser.splits import SpeakerKFold

SMALL_MAP = LogMelMap(sampling_rate=8000, n_fft=512, hop_length=256, n_mels=32, duration=1.0)
QUICK = {
    "conv1d": Conv1DExtractor(epochs=4),
    "conv1d-relative": Conv1DRelativeExtractor(
        epochs=3, filters=8, units=8, front_end=RelativeContours(sampling_rate=8000, length=1.0)
    ),
    "conv2d": Conv2DExtractor(epochs=3, filters=(4, 4, 8, 8), units=8, front_end=SMALL_MAP),
    "conv2d-mfcc": Conv2DMFCCExtractor(
        epochs=3, filters=(4, 4, 8, 8), units=8, front_end=MFCCMap(sampling_rate=8000, duration=1.0)
    ),
    "conv2d-relative": Conv2DRelativeExtractor(
        epochs=3, filters=(4, 4, 8, 8), units=8, front_end=RelativeMap(sampling_rate=8000, length=1.0)
    ),
    "log-mel-frames": LogMelFrames(epochs=3, units=8, front_end=SMALL_MAP),
    "mfcc-frames": MFCCFrames(epochs=3, units=8),
}


def quick(name, **settings):
    return clone(QUICK[name]).set_params(**settings)


def test_every_extractor_is_tried_here():
    # Those on pretrained encoders have tests of their own, test_attentive_pooling and test_finetuning.
    pretrained = {"transformers-attentive", "transformers-finetuned"}
    assert set(QUICK) | set(test_baseline_extractors.NAMES) | pretrained == set(NETWORKS)


@pytest.mark.parametrize("name", sorted(QUICK))
def test_units_scores_and_labels_fit_together(split, name):
    train, test = split
    fitted = quick(name).fit(train, train["emotion"])
    units, scores = fitted.embed(test), fitted.scores(test)
    assert units.shape == (len(test), fitted.unit_count())
    assert fitted.get_feature_names_out().shape == (units.shape[1],)
    assert np.array_equal(fitted.transform(test), units)
    np.testing.assert_allclose(np.exp(scores).sum(axis=1), 1, atol=1e-5)
    assert list(fitted.classes_) == sorted(set(train["emotion"]))
    assert (fitted.predict(test) == fitted.classes_[scores.argmax(axis=1)]).all()
    assert np.ptp(units) > 0
    assert [epoch["epoch"] for epoch in fitted.history_] == list(range(1, len(fitted.history_) + 1))
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.embed(test), units)


def test_it_works_in_anyones_pipeline_and_in_workers(split):
    train, test = split
    pipeline = make_pipeline(quick("conv1d"), StandardScaler(), LogisticRegression(max_iter=500))
    here = clone(pipeline).fit(train, train["emotion"]).predict(test)
    jobs = [joblib.delayed(clone(pipeline).fit)(train, train["emotion"]) for _ in range(2)]
    for there in joblib.Parallel(n_jobs=2)(jobs):
        assert (there.predict(test) == here).all()
    named = quick("conv1d").set_output(transform="pandas").fit(train, train["emotion"]).transform(test)
    assert list(named.columns[:2]) == ["conv1d__unit_00", "conv1d__unit_01"]


@pytest.mark.parametrize("name", ["conv1d", "conv2d"])
def test_paths_and_waveforms_do_as_well_as_rows(split, name):
    train, _ = split
    files = train["file"].tolist()[:40]
    labels = train["emotion"].to_numpy()[:40]
    settings = {"validation": 0.0, "epochs": 2}
    listed = quick(name, **settings).fit(files, labels)
    assert listed.embed(files[:3]).shape == (3, 32)
    rng = np.random.default_rng(0)
    noise = [rng.normal(0, 0.1, 30000).astype(np.float32) for _ in range(8)]
    heard = quick(name, **settings).fit(noise, ["a", "b"] * 4)
    assert heard.predict(noise).shape == (8,)


def test_out_of_fold_scores_know_nothing_of_a_rows_own_label(split):
    # With labels drawn at random there is nothing to learn but the rows themselves.
    train, _ = split
    labels = np.array(["a", "b"])[np.random.default_rng(0).integers(0, 2, len(train))]
    train, labels = train.iloc[::2].reset_index(drop=True), labels[::2]
    settings = {"output": "scores", "epochs": 40, "validation": 0.0, "patience": None, "label_smoothing": 0.0}
    own = {}
    for folds in (0, 4):
        block = quick("conv1d", cross_fit=folds, dropout=0.0, **settings)
        scores = block.fit_transform(train, labels)
        assert scores.shape == (len(train), 2)
        assert np.isfinite(scores).all()
        own[folds] = np.mean(np.array(["a", "b"])[scores.argmax(axis=1)] == labels)
    assert own[0] > 0.9
    assert own[4] < 0.65


def test_cross_fitted_columns_are_named_apart(split):
    train, test = split
    block = quick("conv1d", output="scores", cross_fit=3, epochs=2)
    block.fit_transform(train, train["emotion"])
    names = block.get_feature_names_out()
    assert names[0].startswith("conv1d__crossfitted_score_")
    assert block.transform(test).shape == (len(test), len(names))


def test_hidden_units_cannot_be_passed_off_as_cross_fitted(split):
    train, _ = split
    with pytest.raises(SettingsError, match="hidden units cannot be cross-fitted: those of different networks share"):
        quick("conv1d", cross_fit=4).fit_transform(train, train["emotion"])


def test_columns_that_were_learned_elsewhere_are_not_taken(split):
    # A table with units of an extractor that had seen the test rows: they must be ignored, in fit and in predict.
    train, test = split
    extractor = FeatureExtractor(blocks=[("conv1d", quick("conv1d"))])
    everything = pd.concat([train, test], ignore_index=True)
    fed = extractor.table(everything).filled(extractor.run(everything))
    leaked = fed.assign(**{f"conv1d__unit_{n:02d}": 1000.0 * (fed["emotion"] == "sad") for n in range(32)})
    results = [
        clone(extractor).fit(one[: len(train)], one["emotion"][: len(train)]).transform(one[len(train) :])
        for one in (fed, leaked)
    ]
    np.testing.assert_array_equal(*results)
    assert results[0].max() < 1000


def test_every_fold_trains_an_extractor_on_its_own_rows(split, monkeypatch):
    train, test = split
    rows = pd.concat([train, test], ignore_index=True)
    seen = []
    original = Conv1DExtractor.fit

    def spying(self, X, y):
        seen.append(set(X["speaker"]))
        return original(self, X, y)

    monkeypatch.setattr(Conv1DExtractor, "fit", spying)
    features = FeatureExtractor(blocks=[("conv1d", quick("conv1d", epochs=1))])
    pipeline = build_pipeline(PipelineSpec(), extractor=features)
    evaluate(rows, pipeline, SpeakerKFold(folds=4))
    speakers = set(rows["speaker"])
    assert len(seen) == 4
    assert all(len(speakers - one) == 2 for one in seen)
    assert set.intersection(*seen) == set()


def test_a_second_classifier_trains_no_extractor_and_analyses_nothing(demo_folder, tmp_path, monkeypatch):
    from fusionser.networks import training

    monkeypatch.setenv("FUSIONSER_CACHE", str(tmp_path))
    spec = PipelineSpec(features={"preset": "ser-fusionnet"}, networks={"epochs": 2})
    prepared = prepare([Place(demo_folder, "demo")], spec)
    trained = []
    original = training._training
    monkeypatch.setattr(
        training, "_training", lambda network, *more: trained.append(type(network)) or original(network, *more)
    )
    monkeypatch.setattr("fusionser.features.clip.read_row", lambda *given: pytest.fail("a clip was analysed again"))
    split = SpeakerKFold(folds=2)
    for classifier in ("svm", "mlp"):
        evaluate_prepared(under(prepared, classifier={"name": classifier}), split)
    assert [kind.__name__ for kind in trained] == ["Conv1D", "Conv1D", "Perceptron", "Perceptron"]


def test_one_cache_is_handed_down_to_everything(split, tmp_path, monkeypatch):
    train, _ = split
    train = train.iloc[::6]
    monkeypatch.setenv("FUSIONSER_CACHE", str(tmp_path / "default"))
    blocks = [("conv2d", quick("conv2d", epochs=1, speeds=(0.9,))), ("gender", EstimatedGender()), ("mfcc", MFCC())]
    off, kept = (FeatureExtractor(blocks=blocks, cache=choice) for choice in (False, Cache(tmp_path / "one")))
    units = off.fit_transform(train, train["emotion"])
    assert not (tmp_path / "one").exists()
    np.testing.assert_array_equal(kept.fit_transform(train, train["emotion"]), units)
    # The map, the same at another speed, the gender's vector, the MFCC, and fingerprints of the clip and of its copy.
    with closing(sqlite3.connect(tmp_path / "one" / "features.sqlite")) as connection:
        (entries,) = connection.execute("SELECT COUNT(*) FROM entries").fetchone()
    assert entries == len(train) * 6
    assert len(list((tmp_path / "one" / "networks").iterdir())) == 1
    alone = quick("conv2d", epochs=1, cache=Cache(tmp_path / "two")).fit(train, train["emotion"])
    assert {path.name for path in (tmp_path / "two").iterdir()} >= {"features.sqlite", "networks"}
    assert "cache" not in alone.settings()
    assert not (tmp_path / "default").exists()


def test_copies_stand_in_for_their_original_and_repeated_rows_do_not(split):
    train, _ = split
    rows = pd.concat([train.iloc[:3], augmented_rows(train.iloc[:2], ["noise"], 2), train.iloc[:1]], ignore_index=True)
    block = quick("conv2d", speeds=(0.9,))
    inputs, positions, groups = block._training_inputs(rows, np.arange(len(rows)))
    sources = rows["source"].to_numpy()[positions]
    # Three clips, their four copies, one repetition; and each of the four originals once more, at another speed.
    assert len(inputs) == 8 + 4
    assert len(set(groups)) == 4
    for group in set(groups):
        assert len(set(sources[groups == group])) == 1
    shown = [sorted(np.flatnonzero(groups == group)) for group in sorted(set(groups))]
    assert [len(one) for one in shown] == [4, 4, 2, 2]
    assert not np.array_equal(inputs[0], inputs[8])


def test_a_series_of_paths_is_read_by_place_and_not_by_label(split):
    train, _ = split
    files, labels = train["file"].iloc[:12], train["emotion"].iloc[:12].to_numpy()
    shuffled = files.set_axis(range(11, -1, -1))
    settings = {"validation": 0.3, "epochs": 2}
    one, two = (quick("conv1d", **settings).fit(given, labels) for given in (files.tolist(), shuffled))
    np.testing.assert_array_equal(one.embed(files.tolist()), two.embed(shuffled))


def test_a_clip_too_short_at_another_speed_answers_at_its_own(tmp_path, split):
    train, _ = split
    short = tmp_path / "short.wav"
    soundfile.write(short, tone(300.0, 1060 / 16000), 16000)
    front = LogMelMap(sampling_rate=16000, n_fft=1024, hop_length=256, n_mels=32, duration=1.0)
    fitted = quick("conv2d", speeds=(1.1,), front_end=front).fit(train, train["emotion"])
    alone = clone(fitted).set_params(speeds=())
    # In double precision, answers do not depend on what else is in the batch.
    fitted.network_.double()
    alone.network_, alone.classes_ = fitted.network_, fitted.classes_
    np.testing.assert_allclose(fitted.embed([str(short)]), alone.embed([str(short)]), rtol=1e-6)


def test_threads_may_ask_one_classifier_at_once():
    from fusionser.classifiers import MLP

    X = np.random.default_rng(0).normal(size=(60, 4))
    fitted = MLP(epochs=2).fit(X, ["a", "b"] * 30)
    expected = fitted.predict_proba(X)
    asked = joblib.Parallel(n_jobs=4, prefer="threads")(joblib.delayed(fitted.predict_proba)(X) for _ in range(60))
    assert all(np.array_equal(one, expected) for one in asked)


def test_a_classifier_is_validated_on_the_rows_that_it_is_given():
    from fusionser.classifiers import MLP

    random = np.random.default_rng(0)
    X, held = random.normal(size=(60, 4)), random.normal(size=(17, 4))
    labels = ["a", "b"] * 30
    answers = np.array((["a", "b"] * 9)[:17])
    fitted = MLP(epochs=1).fit(X, labels, validation_rows=(held, answers))
    assert fitted.history_[0]["validation_accuracy"] == pytest.approx(accuracy_score(answers, fitted.predict(held)))
    with pytest.raises(SettingsError, match="the validation rows have the class 'c', but no training row has it"):
        MLP().fit(X, labels, validation_rows=(held, ["c"] * 17))


def test_what_a_fold_cannot_be_trained_on(split):
    train, _ = split
    with pytest.raises(SettingsError, match="got one class, 'sad', in 3 rows; a network needs two"):
        quick("conv1d").fit(train.iloc[:3], ["sad"] * 3)
    with pytest.raises(SettingsError, match="got no labels"):
        quick("conv1d").fit(train, None)
    labels = ["sad", "calm", "sad"] * 2
    listed = quick("conv1d", epochs=np.int64(1)).fit(train.iloc[:6], labels)
    assert len(listed.history_) == 1
    with pytest.raises(SettingsError, match=r"labels of shape \(2,\) for 3 rows"):
        quick("conv1d").fit(train.iloc[:3], ["sad", "calm"])
    for missing in (None, float("nan"), np.nan):
        with pytest.raises(SettingsError, match="1 of 3 labels is missing, the first in row 2"):
            quick("conv1d").fit(train.iloc[:3], ["sad", "calm", missing])
    with pytest.raises(TrainingError, match="diverged"):
        quick("conv1d", learning_rate=1e6, validation=0.0, epochs=40).fit(train, train["emotion"])
    with pytest.raises(NotFittedError):
        quick("conv1d").transform(train)
    with pytest.raises(NotFittedError):
        FeatureExtractor(blocks=[("conv1d", quick("conv1d"))]).transform(train)


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (Conv2DExtractor(filters=(1, 2)), "expected 4 numbers"),
        (Conv2DExtractor(front_end=BlockVector()), "conv2d reads maps"),
        (Conv1DExtractor(front_end=LogMelMap()), "conv1d reads vectors"),
        (Conv2DExtractor(speeds=(9.0,)), "expected 0.5 to 2"),
        (Conv2DExtractor(mixup=2.0), "expected mixup from 0 to 1"),
        (Conv1DExtractor(dropout=1.0), "dropout is 1.0"),
        (Conv1DExtractor(output="both"), "expected one of units, scores"),
        (Conv1DExtractor(cross_fit=1), "expected 0"),
        (LogMelFrames(units=0), "units is 0"),
    ],
)
def test_parameters_out_of_range(block, message):
    with pytest.raises(SettingsError) as caught:
        block.check()
    assert message in str(caught.value)


def test_maps_too_small_are_refused(split):
    train, _ = split
    tiny = LogMelMap(n_mels=8, sampling_rate=8000, n_fft=512, hop_length=256, duration=1.0)
    with pytest.raises(SettingsError, match="conv2d needs maps of 16 bands by 8 frames or more; got 8 by 32"):
        quick("conv2d", front_end=tiny, speeds=()).fit(train.iloc[:20], train["emotion"].iloc[:20])


def test_the_sampler_and_the_extractor_agree_on_what_is_watched(split, monkeypatch):
    train, _ = split
    validation = []
    from fusionser.networks import extractor as module

    original = module.hold_out

    def spying(X, *more):
        found = original(X, *more)
        validation.append((X, *found))
        return found

    monkeypatch.setattr(module, "hold_out", spying)
    more, labels = AugmentRows(copies=2).fit_resample(train, train["emotion"])
    quick("conv1d", epochs=1).fit(more, labels)
    ((table, learned, seen),) = validation
    assert set(table["augmentation"].iloc[seen]) == {""}
    assert set(table["speaker"].iloc[seen]) & set(table["speaker"].iloc[learned]) == set()


def test_a_prediction_is_the_mean_over_the_speeds_and_a_copy_keeps_its_own(split):
    train, test = split
    fitted = quick("conv2d", speeds=(0.9, 1.1)).fit(train, train["emotion"])
    alone = clone(fitted).set_params(speeds=())
    alone.network_, alone.classes_ = fitted.network_, fitted.classes_
    some = test.iloc[:5]
    views = [some, *(some.assign(augmentation=f"speed({speed:.3f})#0") for speed in (0.9, 1.1))]
    expected = np.mean([alone.embed(view) for view in views], axis=0)
    np.testing.assert_allclose(fitted.embed(some), expected, rtol=1e-4, atol=1e-6)
    copies = augmented_rows(some, ["noise"], 1)
    np.testing.assert_allclose(fitted.embed(copies), alone.embed(copies), rtol=1e-5)
    files = some["file"].tolist()
    np.testing.assert_allclose(fitted.embed(files), fitted.embed(some), rtol=1e-5)


def test_lower_precision_is_for_training_alone(split):
    train, test = split
    full, half = (
        quick("conv2d", precision=precision, random_state=3).fit(train, train["emotion"])
        for precision in ("float32", "bfloat16")
    )
    assert all(value.dtype in (torch.float32, torch.int64) for value in half.network_.state_dict().values())
    assert not np.array_equal(full.embed(test), half.embed(test))
    np.testing.assert_allclose(full.predict_proba(test), half.predict_proba(test), atol=0.2)
