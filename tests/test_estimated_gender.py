"""The gender that is estimated from the voice: what it may look at, and what it cannot learn."""

import numpy as np
import pytest

from fusionser.errors import SettingsError
from fusionser.features import EstimatedGender
from fusionser.jobs import evaluate_prepared
from fusionser.pipeline import PipelineSpec, Place, build_features, prepare
from fusionser.splits import SpeakerHoldout


def test_the_gender_is_estimated_without_looking_at_labels(split):
    train, test = split
    block = EstimatedGender().fit(train)
    estimates = block.transform(test)[:, 0]
    assert np.mean((estimates > 0.5) == (test["gender"] == "male")) > 0.95
    turned = test.assign(gender="female")
    np.testing.assert_array_equal(block.transform(turned)[:, 0], estimates)
    np.testing.assert_array_equal(block.transform(test["file"].tolist())[:, 0], estimates)


def test_training_rows_hear_their_gender_from_others(split):
    # One speaker is labelled wrongly: out of fold, the voice contradicts the label.
    train, _ = split
    speaker = train["speaker"].iloc[0]
    wrong = train.assign(gender=np.where(train["speaker"] == speaker, "male", train["gender"]))
    assert train["gender"].iloc[0] == "female"
    estimates = EstimatedGender().fit_transform(wrong)[:, 0]
    assert estimates[(train["speaker"] == speaker).to_numpy()].mean() < 0.5


def test_genders_that_cannot_be_learned(split):
    train, test = split
    with pytest.raises(SettingsError, match="no training row has 'female' or 'male'"):
        EstimatedGender().fit(train.assign(gender=""))
    with pytest.raises(SettingsError, match="no training row"):
        EstimatedGender().fit(train["file"].tolist())
    only = EstimatedGender().fit(train[train["gender"] == "male"])
    assert (only.transform(test) > 0.99).all()


def test_augmented_and_estimated_all_together(demo_folder):
    spec = PipelineSpec(
        features={"blocks": ["acoustic", "statistics", "gender", "conv1d"]},
        rows={"augment": ["noise", "pitch"], "copies": 2, "imbalance": "weights"},
        networks={"epochs": 2},
        classifier={"name": "bilstm"},
    )
    prepared = prepare([Place(demo_folder, "demo")], spec)
    result, found = evaluate_prepared(prepared, SpeakerHoldout(speakers=("f1", "m1")))
    assert result.feature_count == 162 + 6 + 1 + 32
    assert result.classifier_settings["augment"] == ["noise", "pitch"]
    (stamp,) = [stamp for stamp in result.protocol.stamps if stamp.kind.startswith("gender")]
    assert stamp.kind == "gender-estimated"
    assert stamp.value["clips"] == 60 and 0.95 < stamp.value["accuracy"] <= 1
    assert set(found.curves["network"]) == {"conv1d", "classifier"}
    assert not result.protocol.gender_given


def test_blocks_come_in_the_order_in_which_they_are_named(demo_folder):
    spec = PipelineSpec(features={"blocks": ["conv1d", "gender", "statistics"], "gender": "given"})
    extractor = build_features(spec)
    assert [name for name, _ in extractor.blocks] == ["conv1d", "gender", "statistics"]
    few = PipelineSpec(features={"blocks": ["statistics", "gender"], "gender": "given"})
    rows = prepare([Place(demo_folder, "demo")], few).table
    fitted = extractor.set_params(conv1d__epochs=1).fit(rows, rows["emotion"])
    table = fitted.set_params(keep_rows=True).transform(rows)
    assert list(table.columns[:5]) == ["speaker", "source", "augmentation", "corpus", "conv1d__unit_00"]
    assert list(table.columns[36:38]) == ["gender__male", "statistics__mean"]
    np.testing.assert_array_equal(table["gender__male"], (rows["gender"] == "male").astype(float))


def test_a_gender_that_no_row_has_is_told_before_anything_is_decoded(demo_rows, tmp_path, monkeypatch):
    demo_rows.drop(columns="gender").to_csv(tmp_path / "rows.csv", index=False)
    monkeypatch.setattr("fusionser.features.table.FeatureTable.compute", None)
    spec = PipelineSpec(features={"blocks": ["statistics", "gender"], "gender": "given"})
    with pytest.raises(SettingsError, match="none of 240 rows has the speaker's gender, .* --gender estimated or none"):
        prepare([Place(tmp_path / "rows.csv")], spec)
