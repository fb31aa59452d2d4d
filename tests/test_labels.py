"""Label maps: emotions renamed before classes are chosen, from options, files of settings and recipes."""

import json
import tomllib

import pandas as pd
import pytest

from fusionser.corpora.labels import named_labels, rename_labels, renamed_labels
from fusionser.errors import ProtocolError, SettingsError
from fusionser.facts import Stamp
from fusionser.pipeline import PipelineSpec, Place, prepare
from fusionser.reporting.words import stamp_text
from fusionser.results import read_result
from fusionser.spec import Config
from fusionser.studies.recipe import kept_recipe, read_recipe
from fusionser.studies.study import run_study

ROWS = pd.DataFrame(
    {
        "corpus": ["emodb", "emodb", "ravdess", "ravdess", ""],
        "emotion": ["boredom", "angry", "calm", "angry", "calm"],
    },
    index=[7, 3, 5, 1, 0],
)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({}, ["boredom", "angry", "calm", "angry", "calm"]),
        ({"calm": "neutral", "boredom": "neutral"}, ["neutral", "angry", "neutral", "angry", "neutral"]),
        ({"ravdess": {"calm": "neutral"}}, ["boredom", "angry", "neutral", "angry", "calm"]),
        ({"unnamed": {"calm": "neutral"}}, ["boredom", "angry", "calm", "angry", "neutral"]),
        # That of a corpus comes before that of all.
        ({"angry": "x", "emodb": {"angry": "y"}}, ["boredom", "y", "calm", "x", "calm"]),
        # All at once, so that names can change places.
        ({"calm": "angry", "angry": "calm"}, ["boredom", "calm", "angry", "calm", "angry"]),
    ],
)
def test_emotions_are_renamed(labels, expected):
    renamed = rename_labels(ROWS, labels)
    assert renamed.tolist() == expected and renamed.index.equals(ROWS.index)


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (
            {"bored": "x"},
            "no recording has the emotion 'bored', which is to be renamed; there are angry, boredom, calm",
        ),
        ({"emodb": {"calm": "x"}}, "no recording of emodb has the emotion 'calm', .* there are angry, boredom"),
        ({"tess": {"calm": "x"}}, "emotions of the corpus 'tess' are renamed, but .* emodb, ravdess, unnamed"),
    ],
)
def test_what_does_not_occur_is_refused_with_what_does(labels, told):
    with pytest.raises(ProtocolError, match=told):
        rename_labels(ROWS, labels)


@pytest.mark.parametrize("text", ["calm", "calm=", "=neutral", ".calm=neutral", "ravdess.=neutral"])
def test_a_text_that_is_no_pair_is_told(text):
    with pytest.raises(SettingsError, match=r"expected emotion=name, or corpus.emotion=name"):
        named_labels([text])


@pytest.mark.parametrize("pairs", [["a=b", "a=c"], ["x.a=b", "x.a=c"], ["x=b", "x.a=c"]])
def test_one_emotion_has_one_new_name(pairs):
    with pytest.raises(SettingsError, match="twice; expected one name for each emotion"):
        named_labels(pairs)


def test_the_stamp_is_told():
    labels = {"calm": "neutral", "emodb": {"boredom": "neutral", "fear": "sad"}}
    stamp = Stamp(kind="labels-renamed", value=labels)
    assert stamp_text(stamp) == "emotions renamed: calm to neutral, boredom to neutral (emodb), fear to sad (emodb)"
    assert renamed_labels([Stamp(kind="doubled", value=1), stamp]) == labels and renamed_labels([]) == {}


SHORT = ["--blocks", "zcr", "--protocol", "speaker-holdout", "--test-speakers", "f1,m1"]


def test_a_result_states_the_map_and_is_made_again_by_its_own_settings(command, demo_folder, demo_rows, tmp_path):
    given = ["evaluate", demo_folder, "--corpus", "demo", "--json"]
    options = ["--rename", "fear=tense,demo.angry=tense", "--drop-classes", "happy"]
    made = command(*given, *SHORT, *options, "--out", tmp_path, "--save-config", tmp_path / "settings.toml")
    assert made.status == 0, made.messages
    assert made.json["classes"] == ["neutral", "sad", "tense"]
    counts = {name: scores["support"] for name, scores in made.json["per_class"].items()}
    tested = demo_rows[demo_rows["speaker"].isin(["demo/f1", "demo/m1"])]
    assert counts["tense"] == tested["emotion"].isin(["fear", "angry"]).sum()
    result = read_result(tmp_path / "result.json")
    labels = {"fear": "tense", "demo": {"angry": "tense"}}
    assert renamed_labels(result.notes) == labels
    sentence = "emotions renamed: fear to tense, angry to tense (demo)"
    assert sentence in (tmp_path / "report.md").read_text() and sentence in made.messages
    assert tomllib.loads((tmp_path / "settings.toml").read_text())["labels"] == labels
    for name in ("result.json", "settings.toml"):
        again = command(*given, "--config", tmp_path / name)
        assert again.status == 0, again.messages
        assert (again.json["notes"], again.json["pooled"]) == (made.json["notes"], made.json["pooled"])
    other = command(*given, "--config", tmp_path / "settings.toml", "--rename", "sad=low")
    assert other.json["classes"] == ["angry", "fear", "low", "neutral"]


def test_a_features_file_keeps_the_names_so_that_an_evaluation_states_the_map(command, demo_folder, tmp_path):
    settings, out = tmp_path / "settings.toml", tmp_path / "features.parquet"
    settings.write_text('labels = { fear = "tense" }\nclasses = ["tense", "sad"]\npipeline.features.blocks = ["zcr"]\n')
    done = command("extract", demo_folder, "--corpus", "demo", "--config", settings, "--out", out)
    assert done.status == 0, done.messages
    assert set(pd.read_parquet(out)["emotion"]) == {"fear", "sad"}
    result = command("evaluate", out, "--config", settings, "--folds", 2, "--json").json
    assert result["classes"] == ["sad", "tense"]
    assert {"kind": "labels-renamed", "value": {"fear": "tense"}, "allowed": True} in result["notes"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--rename", "boredom=neutral"], "no recording has the emotion 'boredom', which is to be renamed; there are"),
        (["--rename", "fear"], "--rename got 'fear'; expected emotion=name, or corpus.emotion=name"),
        (["--rename", "fear=tense", "--classes", "fear,sad"], "no recording has the emotion 'fear'; there are angry,"),
    ],
)
def test_a_wrong_map_is_told_at_the_command_line(command, demo_folder, options, told):
    done = command("evaluate", demo_folder, "--corpus", "demo", *SHORT, *options)
    assert done.status == 1 and told in " ".join(done.messages.split())


def test_a_map_in_a_file_is_checked(tmp_path):
    path = tmp_path / "settings.toml"
    for text in ('labels = { fear = "" }', "labels = { fear = 3 }", 'labels = "fear"'):
        path.write_text(text)
        with pytest.raises(SettingsError, match=r"settings\.toml: labels: "):
            Config.load(path)


def test_rows_hold_the_new_names(demo_folder):
    spec = PipelineSpec(features={"blocks": ["zcr"]})
    prepared = prepare([Place(demo_folder, "demo")], spec, labels={"demo": {"fear": "sad"}}, dropped=["angry"])
    assert set(prepared.table["emotion"]) == {"happy", "neutral", "sad"}


RECIPE = """
title = "Two maps"
question = "Which emotions can be put together?"
[[pipelines]]
name = "short"
classifiers = ["svm"]
spec.features = { blocks = ["zcr"] }
[[corpora]]
corpus = "demo"
labels = { fear = "sad" }
protocols = [{ name = "speaker-holdout", settings = { speakers = ["f1", "m1"] } }]
[[corpora]]
corpus = "demo"
labels.demo.fear = "angry"
protocols = [{ name = "speaker-holdout", settings = { speakers = ["f1", "m1"] } }]
"""


def test_a_recipe_has_a_map_for_each_choice_of_corpora(command, demo_folder, tmp_path):
    path, out = tmp_path / "maps.toml", tmp_path / "out"
    path.write_text(RECIPE)
    done = command("study", path, "--out", out, "--place", f"demo={demo_folder}")
    assert done.status == 0, done.messages
    page = (out / "report.md").read_text()
    for renamed in ("fear to sad", "fear to angry (demo)"):
        assert f", 4 classes ({renamed})\n" in page
    names = sorted(file.name for file in (out / "cells").iterdir())
    assert len(names) == 2 and "renamed-fear-sad" in names[1] and "renamed-demo-fear-angry" in names[0]
    assert kept_recipe(out)[1].corpora == read_recipe(str(path)).corpora


def test_a_cell_with_another_map_is_run_again(demo_folder, tmp_path):
    path = tmp_path / "maps.toml"
    path.write_text(RECIPE)
    recipe = read_recipe(str(path))
    (first, _) = run_study(recipe, {"demo": demo_folder}, tmp_path).results
    cell = next((tmp_path / "cells").glob("*renamed-fear-sad*.json"))
    stored = json.loads(cell.read_text())
    stored["pooled"]["war"] = 0.999
    cell.write_text(json.dumps(stored))
    assert run_study(recipe, {"demo": demo_folder}, tmp_path).results[0].pooled.war == 0.999
    stored["notes"] = [note for note in stored["notes"] if note["kind"] != "labels-renamed"]
    cell.write_text(json.dumps(stored))
    with pytest.raises(SettingsError, match="other settings"):
        run_study(recipe, {"demo": demo_folder}, tmp_path)
    cell.unlink()
    assert run_study(recipe, {"demo": demo_folder}, tmp_path).results[0].pooled == first.pooled


def test_rows_without_an_emotion_beside_others_are_told(command, demo_rows, tmp_path):
    rows = demo_rows[["file", "emotion"]].head(6)
    said = []
    for lacking in (2, 6, 0):
        rows.assign(emotion=[""] * lacking + rows["emotion"].tolist()[lacking:]).to_csv(tmp_path / "r.csv", index=False)
        done = command("extract", tmp_path / "r.csv", "--blocks", "zcr", "--out", tmp_path / "f.parquet", "--json")
        said.append([note.split(";")[0] for note in done.json["notes"] if "no emotion" in note])
    # Rows that all lack one are rows to predict.
    assert said == [["2 rows have no emotion"], [], []]


def test_the_recordings_of_two_places_are_used_once(command, demo_folder, demo_rows, tmp_path):
    demo_rows[["file", "emotion", "speaker"]].tail(7).to_csv(tmp_path / "r.csv", index=False)
    shared = ["--blocks", "zcr", "--corpus", "demo", "--out", tmp_path / "f.parquet", "--json"]
    done = command("extract", demo_folder, tmp_path / "r.csv", *shared).json
    assert done["rows"] == len(demo_rows)
    assert "7 further copies of recordings were left out" in done["notes"]
