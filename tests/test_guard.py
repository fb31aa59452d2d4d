"""Planted leaks: each must be caught."""

import numpy as np
import pandas as pd
import pytest
import soundfile
from imblearn.over_sampling import RandomOverSampler
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from fusionser.errors import LeakageError
from fusionser.evaluation import check_split, compare, evaluate, with_fingerprints
from fusionser.evaluation.guard import check_learns_in_fold, check_not_scaled, how_scaled
from fusionser.rows import make_rows
from fusionser.splits import RandomKFold, SpeakerHoldout, SpeakerKFold
from fusionser.splits.protocols import Protocol


def rows(speakers=4, clips=4, seed=0):
    rng = np.random.default_rng(seed)
    table = make_rows(
        {
            "file": f"{speaker}-{clip}.wav",
            "end": 1.0,
            "speaker": f"s/{speaker}",
            "emotion": ["sad", "happy"][clip % 2],
            "statement": "kids",
        }
        for speaker in range(speakers)
        for clip in range(clips)
    )
    features = rng.normal(3, 2, size=(len(table), 3)) + (table["emotion"] == "sad").to_numpy()[:, None]
    values = pd.DataFrame(features, columns=["a__x", "a__y", "b__x"])
    return pd.concat([table.assign(audio=[f"audio{n}" for n in range(len(table))]), values], axis=1)


class Features(LogisticRegression):
    """Looks at the feature columns alone."""

    def fit(self, X, y):
        return super().fit(X[["a__x", "a__y", "b__x"]], y)

    def predict(self, X):
        return super().predict(X[["a__x", "a__y", "b__x"]])

    def predict_proba(self, X):
        return super().predict_proba(X[["a__x", "a__y", "b__x"]])


class LeakingSplit(Protocol):
    """Claims to be by speaker, and trains on one clip of each test speaker."""

    name = "speaker-kfold"

    def folds_of(self, rows):
        for name, train, test in SpeakerKFold(folds=2).folds_of(rows):
            yield name, np.append(train, test[0]), test[1:]


def test_a_leaking_split_is_caught():
    with pytest.raises(LeakageError, match=r"share 1 speakers \(first: .*split by speaker"):
        evaluate(rows(), Features(), LeakingSplit())


def test_a_copy_of_a_test_clip_in_training_is_caught_by_its_source():
    table = rows()
    copy = table.iloc[[15]].assign(speaker="s/0", audio="changed", augmentation="pitch(+2)#1", file="copy.wav")
    with pytest.raises(LeakageError, match="share 1 sources"):
        evaluate(pd.concat([table, copy], ignore_index=True), Features(), SpeakerHoldout(speakers=("3",)))


def test_an_augmented_copy_in_the_test_fold_is_caught():
    table = rows()
    table.loc[15, "augmentation"] = "noise(10)#1"
    with pytest.raises(LeakageError, match="1 test rows are augmented copies"):
        evaluate(table, Features(), SpeakerKFold(folds=2))


@pytest.mark.parametrize(
    ("protocol", "told"),
    [
        (SpeakerKFold(folds=2), "test rows are repeated .*sampled before the split"),
        (RandomKFold(folds=4, seed=1), "share .* sources|are repeated"),
    ],
)
def test_rows_that_were_sampled_before_the_split_are_caught(protocol, told):
    table = rows()
    scarce = table[(table["emotion"] == "happy") & (table["speaker"] != "s/0")].index
    kept = table.drop(index=scarce[::2]).reset_index(drop=True)
    sampler = RandomOverSampler(random_state=0)
    sampler.fit_resample(np.arange(len(kept))[:, None], kept["emotion"])
    sampled = kept.iloc[sampler.sample_indices_].reset_index(drop=True)
    assert len(sampled) > len(kept)
    with pytest.raises(LeakageError, match=told):
        evaluate(sampled, Features(), protocol)
    assert evaluate(kept, Features(), protocol).pooled.war >= 0


def test_the_same_audio_under_another_name_is_caught(tmp_path):
    """The files differ in name, container and speaker; what they decode to is the same."""
    rng = np.random.default_rng(0)
    table = rows().drop(columns="audio")
    for number in range(len(table)):
        clip = (3000 * rng.normal(size=4000)).astype(np.int16)
        soundfile.write(tmp_path / f"{number}.wav", clip, 8000)
        if number == 0:
            soundfile.write(tmp_path / "15.flac", clip, 8000)
    files = [str(tmp_path / f"{number}.wav") for number in range(15)] + [str(tmp_path / "15.flac")]
    with pytest.raises(LeakageError, match=r"share 1 audio \(first: .*0\.wav|15\.flac"):
        evaluate(table.assign(file=files, end=0.5), Features(), SpeakerKFold(folds=2))
    unlike = [*files[:15], str(tmp_path / "15.wav")]
    assert evaluate(table.assign(file=unlike, end=0.5), Features(), SpeakerKFold(folds=2)).pooled.war >= 0


@pytest.mark.parametrize(
    "planted",
    [
        lambda fitted: make_pipeline(FrozenEstimator(fitted), LogisticRegression()),
        lambda fitted: CalibratedClassifierCV(FrozenEstimator(LogisticRegression())),
        lambda fitted: CalibratedClassifierCV(LogisticRegression(), cv="prefit"),
    ],
)
def test_a_part_that_was_fitted_before_the_split_is_caught(planted):
    fitted = StandardScaler().fit(rows()[["a__x", "a__y", "b__x"]])
    with pytest.raises(LeakageError, match="fitted before the split"):
        check_learns_in_fold(planted(fitted))


@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler()])
def test_a_table_scaled_as_a_whole_is_caught(scaler):
    table = rows()
    names = ["a__x", "a__y", "b__x"]
    table[names] = scaler.fit_transform(table[names]).astype(np.float32)
    with pytest.raises(LeakageError, match="scaled before the split"):
        evaluate(table, Features(), SpeakerKFold(folds=2))
    check_not_scaled(rows())


def test_two_scaled_columns_among_others_are_found_and_one_is_not():
    rng = np.random.default_rng(0)
    raw, scaled = rng.normal(3, 2, size=(50, 4)), rng.normal(size=(50, 2))
    scaled = (scaled - scaled.mean(axis=0)) / scaled.std(axis=0)
    assert how_scaled(np.hstack([raw, scaled])) == "standard"
    assert how_scaled(np.hstack([raw, scaled[:, :1]])) is None
    assert how_scaled(np.hstack([raw, rng.integers(0, 2, size=(50, 3)).astype(float)])) is None


def test_a_scaler_fitted_on_all_rows_is_fitted_anew_in_every_fold():
    """A pipeline that already saw everything leaves no trace of it: scaler statistics are the training rows'."""
    table = rows()
    names = ["a__x", "a__y", "b__x"]

    class Recorder(Features):
        means: list[np.ndarray] = []  # noqa: RUF012

        def fit(self, X, y):
            self.scaler_ = StandardScaler().fit(X[names])
            Recorder.means.append(self.scaler_.mean_)
            return super().fit(X, y)

    estimator = Recorder().fit(table, table["emotion"])
    Recorder.means.clear()
    evaluate(table, estimator, SpeakerKFold(folds=2))
    expected = [table.loc[train, names].mean().to_numpy() for train, _ in SpeakerKFold(folds=2).split(table)]
    np.testing.assert_allclose(Recorder.means, expected)
    assert not np.allclose(expected[0], table[names].mean().to_numpy())


def test_statements_are_reported_and_not_refused():
    table = rows()
    shared = check_split(table.iloc[:8], table.iloc[8:], frozenset(), "fold")
    assert shared.statements == ("kids",)
    assert (shared.speakers, shared.sources, shared.audio) == ((), (), ())


def test_what_nobody_knows_is_not_shared():
    table = rows().assign(speaker="", statement="")
    assert compare(table.iloc[:8], table.iloc[8:]).speakers == ()


def test_a_protocol_that_allows_it_is_let_through():
    table = rows()
    with pytest.raises(LeakageError):
        check_split(table.iloc[::2], table.iloc[1::2], frozenset(), "fold")
    assert len(check_split(table.iloc[::2], table.iloc[1::2], frozenset({"speakers"}), "fold").speakers) == 4


def test_known_fingerprints_are_not_computed_again():
    table = rows()
    pd.testing.assert_frame_equal(with_fingerprints(table), table)
