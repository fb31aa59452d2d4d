"""Labels that differ only in their spelling, that are several emotions in one, or that are numbers."""

import unicodedata

import pandas as pd
import pytest

from fusionser.corpora.labels import fold_labels, joined_labels
from fusionser.spec import Config

SURPRISED = "überrascht"


@pytest.mark.parametrize(
    ("given", "expected", "folded"),
    [
        (["sad", "Sad", "SAD"], ["sad"] * 3, {"sad": ["SAD", "Sad"]}),
        (["Sad", "Sad", "SAD"], ["Sad"] * 3, {"Sad": ["SAD"]}),
        (["very  happy", "very happy"], ["very happy"] * 2, {"very happy": ["very  happy"]}),
        ([unicodedata.normalize("NFD", SURPRISED), SURPRISED], [SURPRISED] * 2, None),
        # A blank of another kind, and letters of double width.
        (
            ["very\u00a0happy", "very happy", "\uff53\uff41\uff44", "sad"],
            ["very happy", "very happy", "sad", "sad"],
            None,
        ),
        (["sad", "happy", ""], ["sad", "happy", ""], {}),
    ],
)
def test_spellings_of_a_label_become_one(given, expected, folded):
    emotions, told = fold_labels(pd.Series(given, index=range(5, 5 + len(given))))
    assert emotions.tolist() == expected
    assert emotions.index[0] == 5
    assert told == folded if folded is not None else told


def test_only_labels_whose_parts_occur_are_joined():
    assert joined_labels(["angry", "Happy", "angry;happy", "angry/happy", "happy|sad", "n/a", "a+b"]) == [
        "angry/happy",
        "angry;happy",
    ]


@pytest.fixture(scope="module")
def spelt(demo_rows, tmp_path_factory):
    """The demo corpus, in whose table half of the sad recordings are "Sad"."""
    rows = demo_rows[["file", "speaker", "emotion"]].copy()
    sad = rows.index[rows["emotion"] == "sad"]
    rows.loc[sad[::2], "emotion"] = "Sad"
    path = tmp_path_factory.mktemp("spelt") / "rows.csv"
    rows.to_csv(path, index=False)
    return path


def test_an_evaluation_folds_them_and_says_so(command, spelt, tmp_path):
    options = ["--blocks", "mfcc", "--classifier", "random-forest", "--protocol", "speaker-kfold", "--folds", 2]
    done = command("evaluate", spelt, *options, "--json")
    assert done.json["classes"] == ["angry", "fear", "happy", "neutral", "sad"]
    assert {"kind": "labels-folded", "value": {"sad": ["Sad"]}, "allowed": True} in done.json["notes"]
    out, config = tmp_path / "exact", tmp_path / "exact.toml"
    command("evaluate", spelt, *options, "--labels", "exact", "--out", out, "--save-config", config)
    for settings in (out / "result.json", config):
        again = command("evaluate", spelt, "--config", settings, "--json")
        assert again.json["classes"] == ["Sad", "angry", "fear", "happy", "neutral", "sad"]
        assert Config.load(settings).exact_labels
    assert command("evaluate", spelt, "--labels", "extact").messages.endswith("expected folded or exact\n")


def test_a_features_file_keeps_the_spelling(command, spelt, tmp_path):
    features = tmp_path / "features.parquet"
    assert command("extract", spelt, "--blocks", "zcr", "--out", features).status == 0
    assert {"Sad", "sad"} <= set(pd.read_parquet(features)["emotion"])
    evaluated = command("evaluate", features, "--folds", 2, "--json")
    assert "Sad" not in evaluated.json["classes"]


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ([0.1 * number for number in range(48)], "the labels are numbers .*48 different ones"),
        ([float(number) for number in range(21)], "the labels are numbers .*21 different ones"),
    ],
)
def test_measures_are_no_classes(command, demo_rows, tmp_path, labels, told):
    rows = demo_rows[["file", "speaker"]].copy()
    rows["emotion"] = [labels[number % len(labels)] for number in range(len(rows))]
    rows.to_csv(tmp_path / "rows.csv", index=False)
    done = command("evaluate", tmp_path / "rows.csv", "--blocks", "zcr", "--folds", 2)
    assert done.status == 1
    assert pd.Series([" ".join(done.messages.split())]).str.contains(told).all()
    # A few whole numbers are names of classes.
    rows["emotion"] = rows["emotion"].rank(method="dense").astype(int) % 3
    rows.to_csv(tmp_path / "rows.csv", index=False)
    assert command("evaluate", tmp_path / "rows.csv", "--blocks", "zcr", "--folds", 2).status == 0


def test_options_name_emotions_in_any_spelling(command, spelt, tmp_path):
    done = command(
        "evaluate", spelt, "--blocks", "zcr", "--protocol", "random-kfold", "--folds", 2,
        "--rename", "ANGRY=loud", "--classes", "Loud,sAD", "--json",
    )  # fmt: skip
    assert done.status == 0, done.messages
    assert done.json["classes"] == ["loud", "sad"]
