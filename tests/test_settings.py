"""What a page says of the settings of results."""

from made_results import made

from fusionser.reporting.settings import (
    block_lines,
    classifier_lines,
    classifier_lines_by_features,
    column_lines,
    protocol_lines,
)


def result(**changed):
    return made(("none", "none"), "svm", [0.5] * 24).model_copy(update=changed)


def test_the_columns_are_told_once_and_by_label_where_they_differ():
    plain = result(features=[{"name": "mfcc"}, {"name": "mel"}], feature_count=148, features_name="both")
    fewer = result(features=[{"name": "mfcc"}], feature_count=20, features_name="one")
    assert column_lines([plain, plain], lambda one: one.features_name) == ["148 columns of mfcc, mel"]
    assert column_lines([plain, fewer], lambda one: one.features_name) == [
        "'both': 148 columns of mfcc, mel",
        "'one': 20 columns of mfcc",
    ]


def test_features_with_other_columns_on_another_corpus_stand_with_it():
    def of(corpus, count, name="best"):
        changed = {"features": [{"name": "conv2d"}], "feature_count": count, "features_name": name}
        return result(corpora=(corpus,), **changed)

    results = [of("ravdess", 8), of("emodb", 7), of("ravdess", 8, "network")]
    assert column_lines(results, lambda one: one.features_name) == [
        "'best' on RAVDESS speech, 'network': 8 columns of conv2d",
        "'best' on EMO-DB: 7 columns of conv2d",
    ]


def test_a_block_with_other_parameters_is_told_with_the_features_that_have_it():
    def of(epochs, name):
        return result(features=[{"name": "conv2d", "epochs": epochs}, {"name": "rms"}], features_name=name)

    several = [of(108, name) for name in "abcdefghij"]
    assert block_lines([*several, of(40, "few")]) == [
        "conv2d (epochs = 108); in 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h' and 2 more",
        "conv2d (epochs = 40); in 'few'",
        "rms",
    ]


def test_a_network_is_told_with_its_precision_and_what_it_is_fed():
    front = {"kind": "log-mel-map", "n_mels": 64, "cache": True}
    block = {"name": "conv2d", "kind": "conv2d", "front_end": front, "epochs": 9, "precision": "bfloat16"}
    one = result(features=[block])
    assert block_lines([one, one]) == ["conv2d (epochs = 9; precision = bfloat16); input: log-mel-map (n_mels = 64)"]


def test_a_network_alone_has_no_parameters_of_a_classifier_that_is_not_used():
    settings = {"C": 10.0, "kernel": "rbf", "imbalance": "none", "fusion": "average"}
    (alone,) = classifier_lines([result(classifier="network-alone", classifier_settings=settings)])
    assert alone.startswith("network-alone (imbalance = none; fusion = average); ")
    (svm,) = classifier_lines([result(classifier_settings=settings)])
    assert svm.startswith("svm (C = 10.0; kernel = rbf; imbalance = none; fusion = average); ")


def test_a_classifier_with_other_parameters_is_told_with_the_features_that_it_follows():
    plain = result(classifier_settings={"C": 1.0}, features_name="mfcc")
    strict = result(classifier_settings={"C": 10.0}, features_name="both")
    alone = result(classifier="network-alone", classifier_settings={"C": 1.0, "copies": 2}, features_name="conv2d")
    lines = classifier_lines_by_features([plain, strict, plain, alone])
    assert [line.partition("; fixed parameters") for line in lines] == [
        ("svm (C = 1.0)", "; fixed parameters", "; in 'mfcc'"),
        ("svm (C = 10.0)", "; fixed parameters", "; in 'both'"),
        ("network-alone (copies = 2)", "; fixed parameters", ""),
    ]


def test_what_each_fold_chose_has_no_value_in_the_settings():
    chosen = {"classifier__classifier__C": 3.0, "features__conv2d__dropout": 0.1}
    folds = [made(("none", "none"), "svm", [0.5] * 24).folds[0].model_copy(update={"parameters": chosen})]
    settings, block = {"C": 10.0, "kernel": "rbf", "dropout": 0.5}, {"name": "conv2d", "dropout": 0.2, "epochs": 9}
    searched = result(classifier_settings=settings, features=[block, {**block, "name": "conv1d"}], folds=folds)
    assert classifier_lines([searched])[0].startswith("svm (kernel = rbf; dropout = 0.5); ")
    assert block_lines([searched]) == ["conv2d (epochs = 9)", "conv1d (dropout = 0.2; epochs = 9)"]


def test_a_given_gender_has_no_parameters_of_the_clip():
    assert block_lines([result(features=[{"name": "gender", "kind": "gender", "n_fft": 2048}])]) == [
        "gender (as labelled)"
    ]


def test_a_protocol_is_told_with_the_rows_that_a_fold_learns_from():
    one = result()
    folds = [one.folds[0].model_copy(update={"train_rows": rows}) for rows in (528, 530)]
    (told,) = protocol_lines([result(folds=folds), result(folds=folds)])
    assert told == "speaker-kfold, 2 folds of 528 to 530 training rows, inductive"
