"""Given splits: the words of the column, the protocol, and what validation rows are used for."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from test_protocols import table

from fusionser.checks import SPLIT_WORDS
from fusionser.classifiers import MLP, SVM, LateFusion
from fusionser.errors import ProtocolError, RowsError
from fusionser.evaluation import evaluate
from fusionser.features import FeatureExtractor, ZeroCrossingRate
from fusionser.networks import Conv1DExtractor
from fusionser.rows import check_rows, write_table
from fusionser.scaling import BlockScaler
from fusionser.splits import GivenSplit
from fusionser.splits.validation_rows import given_validation, validated_by

SPEAKERS = {"f1": "test", "f2": "validation", "m1": "test", "m2": "validation"}


def with_split(rows):
    """Rows of the synthetic corpus with a split by speaker: two in each of test and validation, four in training."""
    return rows.assign(split=[SPEAKERS.get(name.partition("/")[2], "train") for name in rows["speaker"]])


@pytest.mark.parametrize("part", SPLIT_WORDS)
def test_the_usual_words_are_read(part):
    for word in SPLIT_WORDS[part]:
        rows = check_rows(pd.DataFrame({"file": ["a.wav"], "split": [f" {word.upper()} "]}))
        assert rows.loc[0, "split"] == part


def test_a_missing_word_is_no_split_and_a_fold_is_a_text():
    rows = check_rows(pd.DataFrame({"file": ["a", "b"], "split": [None, np.nan], "fold": [1.0, np.nan]}))
    assert rows["split"].tolist() == ["", ""]
    assert rows["fold"].tolist() == ["1", ""]


def test_an_unknown_word_is_an_error_with_the_row_and_what_is_accepted():
    with pytest.raises(RowsError) as error:
        check_rows(pd.DataFrame({"file": ["a.wav", "b.wav"], "split": ["train", "holdout"]}))
    assert all(part in str(error.value) for part in ("b.wav", "'split'", "'holdout'", "train", "devel", "evaluation"))


def test_it_trains_on_train_and_tests_on_test():
    rows = table(6).assign(split=["train"] * 8 + ["validation"] * 4 + ["test"] * 8 + [""] * 4)
    ((name, train, test),) = GivenSplit().named_folds(rows)
    assert train.tolist() == list(range(8))
    assert test.tolist() == list(range(12, 20))
    assert GivenSplit().validation_of(rows, name).tolist() == [8, 9, 10, 11]


def test_several_folds_each_have_their_own_split():
    once = table(3, clips=2)
    rows = pd.concat([once, once, once.iloc[:1]], ignore_index=True).assign(
        fold=["10"] * 6 + ["9"] * 6 + [""],
        split=[*["test"] * 2, *["train"] * 4, *["train"] * 2, *["validation"] * 2, *["test"] * 2, "train"],
    )
    folds = GivenSplit().named_folds(rows)
    assert [(name, train.tolist(), test.tolist()) for name, train, test in folds] == [
        ("9", [6, 7, 12], [10, 11]),
        ("10", [2, 3, 4, 5, 12], [0, 1]),
    ]
    assert GivenSplit().validation_of(rows, "9").tolist() == [8, 9]
    assert GivenSplit().validation_of(rows, "10").tolist() == []


def test_folds_without_a_split_are_tested_once_each():
    rows = table(4, clips=2).assign(fold=list("11223344"))
    tested = [test.tolist() for _, _, test in GivenSplit().named_folds(rows)]
    assert tested == [[0, 1], [2, 3], [4, 5], [6, 7]]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, "no column 'split'"),
        ({"fold": ["1"] * 8}, "no column 'split'"),
        ({"fold": ["1"] * 4 + ["2"] * 3 + [""]}, "1 of 8 rows have no fold"),
        ({"split": ["train"] * 8}, "no rows with the split 'test'.*8 of 'train'"),
        ({"split": ["test"] * 4 + [""] * 4}, "no rows with the split 'train'.*4 without one"),
        ({"split": ["train", "test"] * 4, "fold": ["1"] * 7 + ["2"]}, "fold '2' has no rows with the split 'train'"),
    ],
)
def test_rows_that_have_no_such_split_are_an_error(columns, message):
    with pytest.raises(ProtocolError, match=message):
        GivenSplit().named_folds(table(4, clips=2).assign(**columns))


def columns_and_labels(seed=0):
    rng = np.random.default_rng(seed)
    labels = np.array(["calm", "sad"] * 30)
    columns = pd.DataFrame({"a__x": (labels == "sad") * 2.0 + rng.normal(0, 0.3, 60)})
    return columns.assign(emotion=labels), labels


def test_a_network_stops_early_by_the_rows_of_the_protocol_and_trains_on_all_others():
    rows, labels = columns_and_labels()
    wrong = rows.assign(emotion=["sad", "calm"] * 30)
    network = MLP(learning_rate=0.01, epochs=12, patience=None)
    with validated_by(wrong, wrong["emotion"].to_numpy(dtype=object)):
        assert given_validation() is not None
        given_validation().passes(lambda given: given[["a__x"]], first=True)
        fitted = network.fit(rows[["a__x"]], labels)
    explicit = MLP(**network.get_params()).fit(rows[["a__x"]], labels, (rows[["a__x"]], wrong["emotion"]))
    # Labels that are all wrong: the better the network, the lower is the accuracy on these rows.
    assert [epoch["validation_accuracy"] for epoch in fitted.history_] == [
        epoch["validation_accuracy"] for epoch in explicit.history_
    ]
    assert fitted.history_[-1]["training_loss"] < fitted.history_[0]["training_loss"]
    assert fitted.history_[-1]["validation_accuracy"] < 0.5
    assert given_validation() is None


def test_without_early_stopping_the_rows_of_the_protocol_are_not_used():
    rows, labels = columns_and_labels()
    with validated_by(rows, rows["emotion"].to_numpy(dtype=object)):
        fitted = MLP(validation=0, epochs=2).fit(rows[["a__x"]], labels)
    assert not any("validation_accuracy" in epoch for epoch in fitted.history_)


@pytest.mark.parametrize("last", [MLP(epochs=3), LateFusion(classifier=MLP(epochs=3), by_block=True)], ids=repr)
def test_scaler_and_columns_are_those_of_the_training_rows(demo_rows, last):
    rows = with_split(demo_rows)
    blocks = FeatureExtractor(blocks=[("zcr", ZeroCrossingRate()), ("again", ZeroCrossingRate())], keep_rows=True)
    pipeline = make_pipeline(blocks, BlockScaler(), last)
    train, held = (rows[rows["split"] == part].reset_index(drop=True) for part in ("train", "validation"))
    with validated_by(held, held["emotion"].to_numpy(dtype=object)):
        pipeline.fit(train, train["emotion"].to_numpy(dtype=object))
        found = given_validation().columns()
    assert found["speaker"].tolist() == held["speaker"].tolist()
    plain = ZeroCrossingRate().transform(train)
    expected = (ZeroCrossingRate().transform(held) - plain.mean(axis=0)) / plain.std(axis=0)
    np.testing.assert_allclose(found.filter(like="zcr__").to_numpy(), expected, atol=1e-4)


def test_a_deep_block_stops_early_by_the_rows_of_the_protocol(demo_rows):
    rows = with_split(demo_rows)
    train, held = (rows[rows["split"] == part] for part in ("train", "validation"))
    labels = train["emotion"].to_numpy(dtype=object)
    with validated_by(held, held["emotion"].to_numpy(dtype=object)):
        given = Conv1DExtractor(epochs=2, cache=False).fit(train, labels)
    explicit = Conv1DExtractor(epochs=2, cache=False).fit(train, labels, (held, held["emotion"].to_numpy(dtype=object)))
    for one, other in zip(given.history_, explicit.history_, strict=True):
        assert one["validation_loss"] == other["validation_loss"]
        assert one["training_loss"] == other["training_loss"]


def stamps_of(evaluation):
    return {stamp.kind: stamp.value for stamp in evaluation.protocol.stamps}


@pytest.mark.parametrize(("last", "used"), [(SVM(), False), (MLP(epochs=2), True)], ids=["svm", "mlp"])
def test_the_result_says_what_the_validation_rows_are_used_for(demo_rows, last, used):
    rows = with_split(demo_rows)
    pipeline = make_pipeline(
        FeatureExtractor(blocks=[("zcr", ZeroCrossingRate())], keep_rows=True), BlockScaler(), last
    )
    found = evaluate(rows, pipeline, GivenSplit())
    assert stamps_of(found)["validation-rows"] == {"rows": 60, "used": used}
    assert (found.folds[0].train_rows, found.folds[0].test_rows) == (120, 60)
    assert found.rows == (240 if used else 180)
    assert "shared-speakers" not in stamps_of(found)


def test_a_class_of_validation_rows_alone_is_an_error(demo_rows):
    rows = with_split(demo_rows)
    rows = rows.assign(emotion=rows["emotion"].mask((rows["split"] == "validation") & (rows["emotion"] == "sad"), "x"))
    pipeline = make_pipeline(
        FeatureExtractor(blocks=[("zcr", ZeroCrossingRate())], keep_rows=True), BlockScaler(), MLP(epochs=2)
    )
    with pytest.raises(ProtocolError, match="validation rows have the class x.*--drop-classes x"):
        evaluate(rows, pipeline, GivenSplit())


def test_a_list_that_shares_speakers_and_audio_is_stamped_and_not_refused(demo_rows, tmp_path, command):
    # By the number of the clip: all eight speakers are on both sides. One recording has a copy under another name.
    copy = tmp_path / "copy.wav"
    copy.write_bytes(Path(demo_rows["file"][0]).read_bytes())
    rows = demo_rows.assign(split=["dev" if file.endswith("_02.wav") else "Train" for file in demo_rows["file"]])
    rows["split"] = rows["split"].mask(rows["file"].str.endswith("_03.wav"), "evaluation")
    again = rows.iloc[:1].assign(file=str(copy), source="", split="eval")
    listed = write_table(pd.concat([rows, again], ignore_index=True), tmp_path / "rows.csv")
    done = command("evaluate", listed, "--protocol", "given-split", "--classifier", "svm", "--json")
    assert done.status == 0, done.messages
    result = done.json
    stamps = {stamp["kind"]: stamp["value"] for stamp in result["protocol"]["stamps"]}
    counts = rows["split"].value_counts()
    assert stamps["shared-speakers"] == 8
    assert stamps["shared-audio"] == 1
    assert stamps["validation-rows"] == {"rows": int(counts["dev"]), "used": False}
    assert (result["folds"][0]["train_rows"], result["folds"][0]["test_rows"]) == (
        int(counts["Train"]),
        int(counts["evaluation"]) + 1,
    )
    assert json.dumps(result["protocol"]["allows"]) == '["audio", "sources", "speakers"]'


def test_an_unknown_word_is_a_sentence_at_the_command_line(demo_rows, tmp_path, command):
    rows = demo_rows.assign(split=["train"] * 239 + ["heldout"])
    done = command("evaluate", write_table(rows, tmp_path / "rows.csv"), "--protocol", "given-split")
    assert done.status == 1
    assert "'heldout'" in done.messages
    assert "validation" in done.messages


def test_a_split_survives_the_extraction(demo_rows, tmp_path, command):
    listed = write_table(with_split(demo_rows), tmp_path / "rows.csv")
    done = command("extract", listed, "--blocks", "zcr", "--out", tmp_path / "features.parquet")
    assert done.status == 0, done.messages
    assert "not used" not in done.messages
    kept = pd.read_parquet(tmp_path / "features.parquet")
    assert kept["split"].value_counts().to_dict() == {"train": 120, "test": 60, "validation": 60}


def test_a_model_is_fitted_to_each_clip_once_where_folds_have_rows_of_their_own(demo_rows, tmp_path, command):
    first = with_split(demo_rows).assign(fold="1")
    turned = {"train": "test", "test": "train", "validation": "train"}
    second = first.assign(fold="2", split=first["split"].map(turned))
    listed = write_table(pd.concat([first, second]), tmp_path / "rows.csv")
    done = command(
        "fit", listed, "--protocol", "given-split", "--blocks", "zcr", "--out", tmp_path / "model.fusionser", "--json"
    )
    assert done.status == 0, done.messages
    assert done.json["training_rows"] == len(demo_rows)
    assert [fold["test_rows"] for fold in done.json["estimate"]["folds"]] == [60, 120]
